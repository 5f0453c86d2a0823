#include "component/patroni/patroni.hpp"

#include <algorithm>

#include "component/postgresql/postgresql.hpp"
#include "component/postgresql/sql.hpp"
#include "component/registry.hpp"

namespace pgcluster {
namespace {

using patroni::View;

// Where nobody has begun it yet, the hosts wait for the first one by the plan itself, and learn at once when it fails.
std::vector<std::string> wait_for_first(const ClusterView& view) {
  if (!patroni::begins(view)) return {};
  return {patroni::first_host(view).name + "/patroni/dcs"};
}

class Patroni final : public Component {
 public:
  std::string name() const override { return "patroni"; }

  Steps steps(const NodeView& node) const override {
    if (!node.has(Role::postgres)) return {};
    const auto view = shared(node.cluster);
    const std::string& host = node.name();
    const Spec& spec = view->spec;
    const std::string version = std::to_string(spec.postgresql_version);

    // Before the package: else it makes a server of its own and starts it.
    const StepPtr no_server = file(node.step("patroni", "createcluster"), host,
                                   {.path = "/etc/postgresql-common/createcluster.d/50-pgcluster.conf", .content = "create_main_cluster = false\n"});
    const StepPtr installed =
        packages(node.step("patroni", "packages"), host,
                 {"postgresql-" + version, "postgresql-client-" + version, "patroni", patroni::dcs_client_package(spec), "curl"},
                 {patroni::unit_name, "postgresql.service"});
    const StepPtr unit_file = file(node.step("patroni", "unit"), host, patroni::drop_in(spec));

    Steps files = parallel(patroni::config_step(view, node.host), unit_file);
    if (patroni::cuts_sessions(spec))
      files = sequence(file(node.step("patroni", "role-change"), host, patroni::role_change_program(spec)), std::move(files));

    // Where the DCS on this host has died there is no use in waiting for it; at the beginning it takes all of its members.
    const std::string healthy = "/" + std::string(to_string(view->topology.dcs_type)) + "/healthy";
    std::vector<std::string> members{host + healthy};
    if (patroni::begins(*view))
      for (const std::string& member : view->topology.dcs_members) members.push_back(member + healthy);
    Steps dcs = after(members, patroni::dcs_gate(view, node.host));
    if (host != patroni::first_host(*view).name) dcs = after(wait_for_first(*view), std::move(dcs));
    const auto turn = [order = patroni::restart_order(view)](const std::string& member, const auto&... steps) {
      return rolling("patroni", member, order, sequence(steps...));
    };
    return sequence(patroni::foreign_step(view, node.host), no_server, installed, patroni::passwords_gate(view, node.host), std::move(files),
                    patroni::reload_step(node.host), patroni::loaded_gate(view, node.host), dcs,
                    turn(patroni::lower_turn(node.host), patroni::lower_step(view, node.host)),
                    turn(patroni::switchover_turn(node.host), patroni::switchover_step(view, node.host)),
                    turn(host, pgcluster::service(node.step("patroni", "service"), host, patroni::service_wish()),
                         patroni::created_gate(view, node.host), patroni::member_gate(view, node.host, "runs")),
                    turn(patroni::restart_turn(node.host), after({"cluster/patroni/config"}, patroni::restart_step(view, node.host)),
                         patroni::member_gate(view, node.host, "member")));
  }

  Steps cluster_steps(const ClusterView& cluster) const override {
    if (cluster.topology.database.empty()) return {};
    const auto view = shared(cluster);
    std::vector<Steps> live, slots;
    std::vector<std::string> loaded;  // a new password of the REST API is known then
    for (const std::string& name : view->topology.database)
      if (patroni::configured(*view, name)) loaded.push_back(name + "/patroni/loaded");
    for (const std::string& name : view->topology.database)
      if (!view->leaves_out(name)) live.push_back(after({name + "/patroni/member"}, patroni::live_gate(view, view->topology.host(name))));
    for (const std::string& name : view->topology.database) {
      if (view->leaves_out(name) || !patroni::makes_slot(*view, name)) continue;
      std::vector<std::string> begun = loaded;
      begun.push_back(name + "/patroni/service");
      const TopologyHost& host = view->topology.host(name);
      slots.push_back(sequence(after(begun, patroni::slot_step(view, host)), after({name + "/patroni/created"}, patroni::stream_step(view, host))));
    }
    return sequence(
        after(wait_for_first(*view), patroni::leader_gate(view)),
        parallel(parallel(std::move(slots)), sequence(after(loaded, patroni::settings_step(view)), parallel(std::move(live))), sql_steps(*view)));
  }

  std::vector<std::string> secrets(const Spec& spec) const override {
    std::vector<std::string> names{"patroni_superuser_password", "patroni_replication_password", "patroni_restapi_password"};
    if (spec.pgbouncer_install) names.push_back("pgbouncer_auth_password");
    for (const UserSpec& user : spec.postgresql_users) names.push_back("postgresql_users." + user.name + ".password");
    return names;
  }

  std::vector<std::string> data(const NodeView& node) const override {
    if (!node.has(Role::postgres)) return {};
    const std::string data = postgresql_data_dir(node.spec());
    // Patroni's own: what it sets aside where it could not make a server, and passwords for pg_basebackup.
    return {data, data + ".failed", patroni::pgpass_path};
  }
};

}  // namespace

ComponentPtr patroni_component() { return std::make_shared<Patroni>(); }

}  // namespace pgcluster
