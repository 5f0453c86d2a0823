// The virtual IP address, on the host whose Patroni leads and nowhere else.
#include "component/vip/vip.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <pgcluster/component/vip_manager.hpp>

#include "base/network.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/patroni/patroni.hpp"
#include "component/registry.hpp"
#include "component/sandbox.hpp"
#include "component/vip/shell.hpp"
#include "op/facts.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

constexpr const char* unit = vip_unit;
constexpr const char* unit_file = vip_unit_file;
constexpr const char* program_file = "/usr/local/lib/pgcluster/pgcluster-vip";
constexpr const char* peers_file = "/etc/default/pgcluster-vip";
constexpr const char* header = "# Written by pgcluster.\n";
constexpr const char* program_header = "#!/usr/bin/python3 -IS\n\"\"\"Holds the cluster's virtual IP address as a lease";
// The files of former_vip_unit.
constexpr const char* former_files[] = {former_vip_unit_file, "/etc/systemd/system/vip-manager.service.d/50-pgcluster.conf",
                                        "/usr/local/lib/pgcluster/vip-manager"};

// Where the host has certificates, the program asks with TLS.
std::string leader_url(const Spec& spec, const TopologyHost& host) { return net::http_url(host.address, spec.patroni_restapi_port, "/leader"); }

std::string unit_text(const NodeView& node) {
  const std::string vip = net::single_address(node.spec().cluster_vip);
  const std::string interface = vip_interface(node);
  // Half a second is its rhythm, whatever PostgreSQL does to the machine. Containers may not be allowed to ask for that.
  std::string more = node.facts.container.empty() ? "Nice=-10\nOOMScoreAdjust=-900\n" : "";
  // It sets the address, and arping announces it. For IPv6 it has the kernel announce it (ndisc_notify).
  more += sandbox_lines(node.facts, {.capabilities = "CAP_NET_ADMIN CAP_NET_RAW",
                                     .families = "AF_NETLINK AF_PACKET",
                                     .privileged = true,
                                     .tunes_kernel = net::is_ipv6(node.spec().cluster_vip)});
  return header + fmt::format(R"([Unit]
Description=Virtual IP address of the PostgreSQL cluster (pgcluster)
BindsTo=patroni.service
After=patroni.service network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={2} {0} {1} {3}
ExecStopPost=-/bin/sh -c 'ip address delete {0} dev {1} 2>/dev/null'
Restart=always
RestartSec=1
TimeoutStopSec=2
# Frozen, it has lost the address already; killed and started again, it may take it again.
WatchdogSec=15
WatchdogSignal=SIGKILL
{4}
[Install]
WantedBy=patroni.service
)",
                              vip, interface, program_file, leader_url(node.spec(), node.host), more);
}

std::string peers_text(const NodeView& node) {
  std::string text = "# Written by pgcluster, for " + std::string(program_file) + ".\npeers='";
  bool first = true;
  for (const TopologyHost* host : node.cluster.known(Role::postgres)) {
    if (host->name == node.name()) continue;
    text += (first ? "" : " ") + leader_url(node.spec(), *host);
    first = false;
  }
  return text + "'\n";
}

VipKeeper keeper(const ClusterView& cluster) {
  return {.component = "vip-manager",
          .unit = vip_unit,
          .other_component = "keepalived",
          .other_units = {keepalived_unit},
          .free = vip_manager::free(),
          .released = vip_manager::released(),
          .held = vip_manager::held(),
          .service = vip_manager::service,
          .hosts = cluster.topology.database,
          .lease = true};
}

// Somebody else's unit or program of our name stays as it is.
StepPtr stranger_step(const NodeView& node) {
  const std::string host = node.name();
  const bool unit_ours = owns(node.facts, std::string("unit:") + unit) || owns(node.facts, std::string("file:") + unit_file);
  const bool program_ours = owns(node.facts, std::string("file:") + program_file);
  const Ask state{host, UnitOf{unit}}, unit_found{host, FileOf{unit_file}}, program_found{host, FileOf{program_file}};
  auto decide = [=](const Answers& answers) -> Decision {
    const auto strange = [&](const Ask& ask, const char* ours) {
      const Answer& answer = answers[ask];
      const auto* found = std::get_if<File>(&answer);
      return found && !found->content.starts_with(ours);
    };
    const bool unit_file_missing = std::holds_alternative<Absent>(answers[unit_found]);
    if (!unit_ours && (strange(unit_found, header) || (unit_file_missing && answers.get<Unit>(state))))
      return Refused{
          {.message = host + " has a unit " + std::string(unit) + " that pgcluster has not set up",
           .hint = "systemctl cat " + std::string(unit) + " shows whose it is: rename it, or where nobody needs it, disable and remove it"}};
    if (!program_ours && strange(program_found, program_header))
      return Refused{{.message = host + " has a program " + std::string(program_file) + " that pgcluster has not set up", .hint = "move it away"}};
    return Done{};
  };
  return gate(node.step("stranger"), {.asks = {state, unit_found, program_found}, .decide = decide});
}

// The unit of an older release goes when its successor runs beside it, and has adopted the address if this host holds it.
Steps former_steps(const NodeView& node) {
  const std::string host = node.name();
  const auto gone = [&](const std::string& resource) {
    if (!owns(node.facts, resource)) return Steps{};
    const StepPtr removed = absent(removal(host, node.component, resource), host, resource);
    auto decide = [removed](const Answers& answers) -> Decision {
      Decision decision = removed->decide(answers);
      if (auto* change = std::get_if<Change>(&decision)) {
        change->impact = std::min(change->impact, Impact::restart);
        change->reason = std::string(unit) + " has taken its place";
      }
      return decision;
    };
    return Steps(make_step(removed->name(), {.asks = removed->asks(), .decide = decide, .settle = removed->settle(), .keeps = removed->keeps()}));
  };
  Steps files;
  for (const char* path : former_files) files = parallel(std::move(files), gone(std::string("file:") + path));
  return sequence(gone(std::string("unit:") + former_vip_unit), std::move(files));
}

class VipManager final : public Component {
 public:
  std::string name() const override { return "vip-manager"; }

  Steps steps(const NodeView& node) const override {
    if (!wanted(node.spec()) || !node.has(Role::postgres)) return {};
    const auto step = [&](const char* what) { return node.step("vip-manager", what); };
    ServiceWish wish{.unit = unit, .start_files = {unit_file, program_file}, .settle = std::chrono::seconds(30)};
    const Steps files = parallel(file(step("program"), node.name(), {.path = program_file, .content = shell::pgcluster_vip, .mode = 0755}),
                                 file(step("peers"), node.name(), {.path = peers_file, .content = peers_text(node)}),
                                 file(step("unit"), node.name(), {.path = unit_file, .content = unit_text(node)}),
                                 file(step("notes"), node.name(), unit_notes(wish)));
    // Bound to Patroni: started before it, it would start Patroni, too, maybe without its files.
    std::vector<StepRef> before{patroni::service(node.name()), vip_manager::released()};
    // Patroni runs, and changes its way of speaking only when this program knows both.
    if (certificates::goes_over(node.cluster) && patroni::configured(node.cluster, node.name())) before.erase(before.begin());
    return sequence(stranger_step(node), packages(step("packages"), node.name(), {node.platform().arping}),
                    after_where_planned({vip_manager::free()}, files),
                    after(before, rolling("vip-manager", node.name(), vip_holder_last(node.spec(), node.topology().database),
                                          sequence(service(vip_manager::service(node.name()), node.name(), wish), former_steps(node)))));
  }

  Needs needs(const NodeView& node) const override {
    if (!wanted(node.spec()) || !node.has(Role::postgres)) return {};
    // Python comes with Patroni, which depends on it: a step that installed it would own it, and remove Patroni along with it.
    return {.packages = {node.platform().arping, "python3"}, .units = {unit}, .findings = no_vip_interface(node)};
  }

  Steps cluster_steps(const ClusterView& cluster) const override {
    if (!wanted(cluster.spec) || cluster.topology.database.empty()) return {};
    const VipKeeper by = keeper(cluster);
    return parallel(vip_free(cluster, by), vip_released(cluster, by), vip_held(cluster, by));
  }

 private:
  static bool wanted(const Spec& spec) { return !spec.cluster_vip.empty() && !with_haproxy(spec); }
};

}  // namespace

ComponentPtr vip_manager_component() { return std::make_shared<VipManager>(); }

}  // namespace pgcluster
