// The virtual IP address, on the host whose Patroni leads and nowhere else.
#include "component/vip/vip.hpp"

#include <fmt/format.h>

#include <pgcluster/component/vip_manager.hpp>

#include "base/network.hpp"
#include "base/url.hpp"
#include "component/patroni/patroni.hpp"
#include "component/registry.hpp"
#include "component/vip/shell.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

constexpr const char* unit = vip_manager_unit;
constexpr const char* program_file = "/usr/local/lib/pgcluster/vip-manager";
constexpr const char* unit_file = "/etc/systemd/system/vip-manager.service";
constexpr const char* peers_file = "/etc/default/pgcluster-vip";

std::string leader_url(const Spec& spec, const TopologyHost& host) { return net::http_url(host.address, spec.patroni_restapi_port, "/leader"); }

std::string unit_text(const NodeView& node) {
  const std::string vip = net::single_address(node.spec().cluster_vip);
  const std::string interface = vip_interface(node);
  // Half a second is its rhythm, whatever PostgreSQL does to the machine. Containers may not be allowed to ask for that.
  const char* first = node.facts.container.empty() ? "Nice=-10\nOOMScoreAdjust=-900\n" : "";
  return fmt::format(R"([Unit]
Description=Virtual IP address of the PostgreSQL cluster (pgcluster)
BindsTo=patroni.service
After=patroni.service network-online.target
StartLimitIntervalSec=0

[Service]
ExecStartPre=-/bin/sh -c 'ip address delete {0} dev {1} 2>/dev/null'
ExecStart={2} {0} {1} {3}
ExecStopPost=-/bin/sh -c 'ip address delete {0} dev {1} 2>/dev/null'
Restart=always
RestartSec=1
TimeoutStopSec=2
# Frozen, it has lost the address already; killed and started again, it may take it again.
NotifyAccess=all
WatchdogSec=15
WatchdogSignal=SIGKILL
{4}
[Install]
WantedBy=patroni.service
)",
                     vip, interface, program_file, leader_url(node.spec(), node.host), first);
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
          .unit = vip_manager_unit,
          .other_component = "keepalived",
          .other_unit = keepalived_unit,
          .free = vip_manager::free(),
          .released = vip_manager::released(),
          .held = vip_manager::held(),
          .service = vip_manager::service,
          .hosts = cluster.topology.database,
          .lease = true};
}

class VipManager final : public Component {
 public:
  std::string name() const override { return "vip-manager"; }

  Steps steps(const NodeView& node) const override {
    if (!wanted(node.spec()) || !node.has(Role::postgres)) return {};
    const auto step = [&](const char* what) { return node.step("vip-manager", what); };
    ServiceWish wish{.unit = unit, .start_files = {unit_file, program_file}, .settle = std::chrono::seconds(30)};
    return sequence(packages(step("packages"), node.name(), needs(node).packages),
                    parallel(file(step("program"), node.name(), {.path = program_file, .content = shell::vip_manager, .mode = 0755}),
                             file(step("peers"), node.name(), {.path = peers_file, .content = peers_text(node)}),
                             file(step("unit"), node.name(), {.path = unit_file, .content = unit_text(node)}),
                             file(step("notes"), node.name(), unit_notes(wish))),
                    // Bound to Patroni: started before it, it would start Patroni, too, maybe without its files.
                    after({patroni::service(node.name()), vip_manager::released()},
                          rolling("vip-manager", node.name(), {}, service(vip_manager::service(node.name()), node.name(), wish))));
  }

  Needs needs(const NodeView& node) const override {
    if (!wanted(node.spec()) || !node.has(Role::postgres)) return {};
    return {.packages = {node.platform().http_client, node.platform().arping}, .units = {unit}};
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
