#include "component/patroni/patroni.hpp"

#include <algorithm>
#include <cstdlib>

#include <pgcluster/component/consul.hpp>
#include <pgcluster/component/etcd.hpp>
#include <pgcluster/component/haproxy.hpp>
#include <pgcluster/component/vip_manager.hpp>

#include "component/backup.hpp"
#include "component/certificates.hpp"
#include "component/consul/consul.hpp"
#include "component/data_directory.hpp"
#include "component/etcd/etcd.hpp"
#include "component/pgbouncer/pgbouncer.hpp"
#include "component/postgresql/locales.hpp"
#include "component/postgresql/networks.hpp"
#include "component/postgresql/postgresql.hpp"
#include "component/postgresql/sql.hpp"
#include "component/registry.hpp"
#include "component/restore.hpp"
#include "platform/platform.hpp"
#include "spec/roles.hpp"
#include "spec/server_settings.hpp"

namespace pgcluster {
namespace {

using patroni::View;

// Where nobody has begun it yet, the hosts wait for the first one by the plan itself, and learn at once when it fails.
std::vector<StepRef> wait_for_first(const ClusterView& view) {
  if (!patroni::begins(view) && !view.rebuilds) return {};
  return {patroni::dcs(patroni::first_host(view).name)};
}

// With fewer members none could take over.
bool keeps_etcd_leader_away(const NodeView& node) {
  return node.has(Role::postgres) && node.has(Role::etcd) && node.cluster.topology.dcs_members.size() > 2;
}

Steps etcd_leader_away(const NodeView& node) {
  if (!keeps_etcd_leader_away(node)) return {};
  const std::string& host = node.name();
  const auto step = [&](const char* what) { return node.step("patroni", what); };
  return sequence(parallel(file(step("etcd-leader"), host, patroni::etcd_leader_program()),
                           file(step("etcd-leader-unit"), host, patroni::etcd_leader_unit_file(node)),
                           file(step("etcd-leader-notes"), host, unit_notes(patroni::etcd_leader_wish()))),
                  after_where_planned({certificates::ready(host, "etcd")}, service(step("etcd-leader-service"), host, patroni::etcd_leader_wish())));
}

// With `huge_pages: on` PostgreSQL does not start where shared_buffers alone does not fit. A server that runs has its pages already.
// Patroni does not lead without the watchdog that it requires.
std::vector<Diagnostic> no_watchdog(const NodeView& node) {
  if (node.spec().patroni_watchdog_mode != WatchdogMode::required || !node.facts.no_watchdog) return {};
  return {{.message = "patroni_watchdog_mode is required, and " + node.name() + " has no watchdog: its Patroni would never lead",
           .hint = node.facts.container.empty()
                       ? "give it one (/dev/watchdog, or the kernel's module softdog), or write patroni_watchdog_mode: automatic"
                       : "pass /dev/watchdog into the container, or write patroni_watchdog_mode: automatic",
           .path = "patroni_watchdog_mode"}};
}

std::vector<Diagnostic> too_few_huge_pages(const NodeView& node) {
  const Facts& facts = node.facts;
  const Spec& spec = node.spec();
  if (facts.huge_page_bytes == 0 || !facts.begun.empty()) return {};
  std::uint64_t wanted = 0;
  bool on = false;
  for (const auto& [name, value] : postgresql_parameters(node.cluster)) {
    const auto* setting = server_settings::find_near(spec.postgresql_version, name);
    const auto is = setting ? server_settings::canonical(*setting, value) : std::nullopt;
    if (name == "huge_pages") on = is == "on";
    if (name == "shared_buffers" && is) wanted = (std::strtoull(is->c_str(), nullptr, 10) * 8192 + facts.huge_page_bytes - 1) / facts.huge_page_bytes;
  }
  std::uint64_t free = facts.free_huge_pages;
  if (facts.container.empty() && spec.sysctl_set)
    for (const auto& [key, value] : spec.sysctl_conf)
      if (key == "vm.nr_hugepages") free = std::max<std::uint64_t>(free, std::strtoull(value.c_str(), nullptr, 10));
  if (!on || wanted <= free) return {};
  return {{.message = "huge_pages is on, and " + node.name() + " has " + std::to_string(free) + " free huge pages of " +
                      std::to_string(facts.huge_page_bytes >> 20) + " MiB: shared_buffers alone needs " + std::to_string(wanted),
           .hint = facts.container.empty() ? "raise vm.nr_hugepages in sysctl_conf, or lower shared_buffers, or write huge_pages: try"
                                           : "raise vm.nr_hugepages on the machine that the container runs on, or write huge_pages: try",
           .path = "postgresql_parameters.huge_pages"}};
}

class Patroni final : public Component {
 public:
  std::string name() const override { return "patroni"; }

  Leaving leaving(const ClusterView&) const override { return {.unnoticed = {patroni::etcd_leader_unit}}; }

  Steps steps(const NodeView& node) const override {
    if (!node.has(Role::postgres)) return {};
    const auto view = shared(node.cluster);
    const std::string& host = node.name();
    const Spec& spec = view->spec;

    // Before the package: else it makes a server of its own and starts it.
    const PackagedPostgresql& packaged = node.platform().postgresql;
    const StepPtr no_server =
        file(node.step("patroni", "createcluster"), host, {.path = packaged.no_server_file, .content = packaged.no_server_config});
    const StepPtr installed = packages(node.step("patroni", "packages"), host, needs(node).packages, {patroni::unit_name, packaged.unit});
    Steps files =
        parallel(patroni::config_step(view, node.host), file(node.step("patroni", "unit"), host, patroni::drop_in(spec, node.facts)),
                 certificates::notes(node, "patroni", patroni::service_wish(spec), patroni::certificate_reloads(postgresql_data_dir(*view, host))),
                 sequence(file(node.step("patroni", "await-server"), host, patroni::await_server_program()),
                          file(node.step("patroni", "await-server-unit"), host, patroni::await_server_drop_in(*view, host))));
    if (spec.pgbouncer_install)
      files = sequence(file(node.step("patroni", "role-change"), host, patroni::role_change_program(spec)), std::move(files));

    // Patroni that runs takes another password or token only when the DCS knows it, and asks a new member only when that votes.
    if (patroni::configured(*view, host)) files = after_where_planned({etcd::users(), etcd::voting(), consul::known_tokens(host)}, std::move(files));
    // Clients of Patroni and PostgreSQL, and the DCS, must accept both protocols first.
    if (certificates::goes_over(*view)) {
      std::vector<StepRef> both{patroni::encrypted()};
      for (const TopologyHost& other : view->topology.hosts)
        for (const StepRef& one : {haproxy::listens(other.name), vip_manager::service(other.name), consul::healthy(other.name),
                                   etcd::healthy(other.name), certificates::unsettled(other.name)})
          both.push_back(one);
      files = after_where_planned(both, std::move(files));
    }

    Steps dcs = after(patroni::dcs_steps(*view, node.host), patroni::dcs_gate(view, node.host));
    const bool is_first = host == patroni::first_host(*view).name;
    if (!is_first) dcs = after(wait_for_first(*view), std::move(dcs));
    if (is_first) dcs = after_where_planned({restore::freed(host)}, std::move(dcs));
    // Restored roles have their former passwords until patroni::roles() has set the present ones, by which replicas log in.
    if (!is_first && view->rebuilds) dcs = after({patroni::roles()}, std::move(dcs));
    const auto turn = [order = patroni::restart_order(view)](const std::string& member, const auto&... steps) {
      return rolling("patroni", member, order, sequence(steps...));
    };
    const StepPtr place = data_directory_step(node, "patroni",
                                              {.path = postgresql_data_dir(*view, host),
                                               .home = packaged.home,
                                               .made = "PG_VERSION",
                                               .account = packaged.account,
                                               .kept = patroni::configured(*view, host),
                                               .bare = true});
    // So that one start or reload takes both the files and the certificates.
    const auto with_certificates = [](const NodeView& at, StepPtr step) {
      return after_where_planned({certificates::ready(at.name(), patroni::certificate), certificates::ready(at.name(), patroni::server_certificate)},
                                 std::move(step));
    };
    const Steps locale = patroni::configured(*view, host) ? Steps() : locale_gate(node);
    return sequence(
        patroni::foreign_step(view, node.host), locale, no_server, installed, place, with_certificates(node, patroni::trial_step(view, node.host)),
        patroni::passwords_gate(view, node.host), std::move(files), patroni::reload_step(view, node.host), patroni::loaded_gate(view, node.host), dcs,
        turn(patroni::lower_turn(node.host), patroni::lower_step(view, node.host)),
        turn(patroni::switchover_turn(node.host), patroni::switchover_step(view, node.host)),
        turn(host, after_where_planned({restore::freed(host)}, pgcluster::service(patroni::service(host), host, patroni::service_wish(spec))),
             patroni::created_gate(view, node.host), patroni::member_gate(view, node.host, node.step("patroni", "runs"))),
        turn(patroni::restart_turn(node.host), after({patroni::settings()}, patroni::restart_step(view, node.host)),
             patroni::member_gate(view, node.host, patroni::member(host))),
        etcd_leader_away(node));
  }

  Steps cluster_steps(const ClusterView& cluster) const override {
    if (cluster.topology.database.empty()) return {};
    const auto view = shared(cluster);
    std::vector<Steps> live, slots;
    std::vector<StepRef> loaded;  // a new password of the REST API is known then
    for (const std::string& name : view->topology.database)
      if (patroni::configured(*view, name)) loaded.push_back(patroni::loaded(name));
    std::vector<StepRef> tried = loaded;
    for (const std::string& name : view->topology.database) tried.push_back(patroni::trial(name));
    for (const std::string& name : view->topology.database)
      if (!view->leaves_out(name)) live.push_back(after({patroni::member(name)}, patroni::live_gate(view, view->topology.host(name))));
    for (const std::string& name : view->topology.database) {
      if (view->leaves_out(name) || !patroni::makes_slot(*view, name)) continue;
      std::vector<StepRef> begun = loaded;
      begun.push_back(patroni::service(name));
      const TopologyHost& host = view->topology.host(name);
      slots.push_back(sequence(after(begun, patroni::slot_step(view, host)), after({patroni::created(name)}, patroni::stream_step(view, host))));
    }
    Steps synchronous;
    if (cluster.spec.synchronous_mode && view->topology.database.size() > 1) {
      std::vector<StepRef> members;
      for (const std::string& name : view->topology.database)
        if (!view->leaves_out(name)) members.push_back(patroni::member(name));
      synchronous = after(members, patroni::synchronous_gate(view));
    }
    Steps encrypted;
    if (certificates::wire(*view) == certificates::Wire::opening && !patroni::begins(*view)) {
      std::vector<StepRef> ready;
      for (const std::string& name : view->topology.database) ready.push_back(certificates::ready(name, patroni::server_certificate));
      encrypted = sequence(after_where_planned(ready, patroni::encryption_step(view)), patroni::encrypted_gate(view));
    }
    return sequence(std::move(encrypted), after(wait_for_first(*view), patroni::leader_gate(view)),
                    parallel(parallel(std::move(slots)),
                             sequence(after(tried, sequence(patroni::archivable_gate(view), patroni::settings_step(view))), parallel(std::move(live)),
                                      std::move(synchronous)),
                             sql_steps(*view)));
  }

  Needs needs(const NodeView& node) const override {
    if (!node.has(Role::postgres)) return {};
    const Spec& spec = node.spec();
    const Platform& platform = node.platform();
    std::vector<std::string> packages = postgresql_packages(platform, spec.postgresql_version);
    packages.insert(packages.end(), platform.patroni.packages.begin(), platform.patroni.packages.end());
    packages.insert(packages.end(), {patroni::dcs_client_package(node), platform.http_client});
    Needs all{.packages = std::move(packages),
              .ports = {{.number = spec.postgresql_port, .purpose = "PostgreSQL", .unit = patroni::unit_name, .reach = Reach::clients, .peers = true},
                        // A cloud's load balancers check it from addresses of the vendor.
                        {.number = spec.patroni_restapi_port,
                         .purpose = "Patroni's REST API",
                         .unit = patroni::unit_name,
                         .reach = with_cloud_balancer(spec) ? Reach::anybody : Reach::cluster,
                         .peers = true}},
              .units = {patroni::unit_name},
              .accounts = {platform.postgresql.account},
              .directories = {postgresql_data_dir(node.cluster, node.name())},
              .secrets = {{"patroni_superuser_password", spec.patroni_superuser_password, {"superuser", spec.patroni_superuser_username}},
                          {"patroni_replication_password", spec.patroni_replication_password, {"replication", spec.patroni_replication_username}},
                          {"patroni_restapi_password", spec.patroni_restapi_password, {"restapi", spec.patroni_restapi_username}}}};
    const bool users = etcd_has_users(node.cluster);
    if (users) all.secrets.push_back({.name = etcd_password_secret, .word = "etcd"});
    if (consul_has_tokens(node.cluster)) all.secrets.push_back({.name = consul_tokens_secret, .word = "consul"});
    const std::string& account = platform.postgresql.account;
    certificates::declare(node, all,
                          {{.name = patroni::certificate, .account = account, .asks = true, .nameless = users, .port = spec.patroni_restapi_port},
                           {.name = patroni::server_certificate,
                            .account = account,
                            .names = certificates::client_names(node),
                            .port = spec.postgresql_port,
                            .starttls = "postgres"}});
    all.findings = too_few_huge_pages(node);
    for (Diagnostic& one : unknown_network(node)) all.findings.push_back(std::move(one));
    for (Diagnostic& one : no_watchdog(node)) all.findings.push_back(std::move(one));
    for (const std::string& name : platform.patroni.packages) all.least.emplace(name, "3.0");  // the first with failsafe_mode
    for (const UserSpec& user : spec.postgresql_users)
      if (user.state == ObjectState::present) all.secrets.push_back({"postgresql_users." + user.name + ".password", user.password, {user.name}});
    if (spec.pgbouncer_install) all.secrets.push_back(pgbouncer_secret(spec));
    if (keeps_etcd_leader_away(node)) all.units.emplace_back(patroni::etcd_leader_unit);
    return all;
  }

  std::vector<Probe> health(const NodeView& node) const override {
    if (!node.has(Role::postgres)) return {};
    std::vector<Probe> all{{patroni::member_ask(node.cluster, node.host), [](const Answer& answer) -> std::optional<Problem> {
                              const patroni::Member member = patroni::read_member(answer);
                              if (!member.answers)
                                return Problem{.cause = "patroni_silent",
                                               .message = "Patroni does not answer",
                                               .remedy = "read the journal of patroni.service on the host; apply starts it again"};
                              if (member.runs()) return std::nullopt;
                              return Problem{.cause = "postgresql_down",
                                             .message = "PostgreSQL is " + member.state,
                                             .remedy = "read the journal of patroni.service on the host; reinit copies a replica's data anew"};
                            }}};
    if (node.topology().dcs_type == DcsType::consul)
      all.push_back(
          {consul_names_ask(node.cluster, node.name()), [host = node.name()](const Answer& answer) { return read_consul_names(host, answer); }});
    return all;
  }

  std::vector<std::string> data(const NodeView& node) const override {
    if (!node.has(Role::postgres)) return {};
    const std::string data = for_major(node.platform().postgresql.data_dir, node.spec().postgresql_version);
    // Patroni's own: what it sets aside where it could not make a server, and passwords for pg_basebackup.
    return {data, data + ".failed", patroni::pgpass_path(node.platform())};
  }
};

}  // namespace

ComponentPtr patroni_component() { return std::make_shared<Patroni>(); }

}  // namespace pgcluster
