// The virtual IP address, on the host whose Patroni leads and nowhere else.
#include "component/vip_manager.hpp"

#include <fmt/format.h>

#include "component/builtin.hpp"
#include "component/etcd.hpp"
#include "component/patroni.hpp"

namespace pgcluster {
namespace {

constexpr const char* unit = "vip-manager.service";
constexpr const char* program_file = "/usr/local/lib/pgcluster/vip-manager";
constexpr const char* unit_file = "/etc/systemd/system/vip-manager.service";
constexpr const char* peers_file = "/etc/default/pgcluster-vip";

bool v6(const std::string& address) { return address.find(':') != std::string::npos; }
std::string with_length(const std::string& vip) { return vip + (v6(vip) ? "/128" : "/32"); }

std::string leader_url(const Spec& spec, const TopologyHost& host) { return http_url(host.address, spec.patroni_restapi_port) + "/leader"; }

std::string unit_text(const NodeView& node) {
  const std::string vip = with_length(node.spec().cluster_vip);
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
  for (const std::string& name : node.topology().database) {
    if (name == node.name()) continue;
    text += (first ? "" : " ") + leader_url(node.spec(), node.topology().host(name));
    first = false;
  }
  return text + "'\n";
}

// Sends a packet that nobody reads, so that the kernel asks the network whose the address is: needs nothing but bash and iproute2. What the kernel
// remembers of earlier is forgotten first: a cluster that was destroyed just now had the address.
constexpr const char* probe = R"(exec 2>/dev/null
ip neigh flush to "$1"
for i in 1 2 3 4 5 6; do
  echo >"/dev/udp/$1/9"
  sleep 0.2
  ip neigh show to "$1" | grep -o "lladdr .* REACHABLE" && break
done
:)";

// Once, before it is used for the first time: does the address belong to a stranger?
Steps free_address(const ClusterView& cluster) {
  for (const auto& [host, facts] : cluster.facts)
    for (const Owned& one : facts.owned)
      if (one.resource == std::string("unit:") + unit) return {};
  const std::string& vip = cluster.spec.cluster_vip;
  const Ask ask{patroni::first_host(cluster).name, Exec{.argv = {"bash", "-c", probe, "probe", vip}}};
  auto decide = [ask, vip](const Answers& answers) -> Decision {
    const std::string* out = answers.out(ask);
    if (!out || out->empty()) return Done{};
    return Refused{{.message = "cluster_vip " + vip + " is in use already: seen from " + ask.at + ", a host answers for it (" +
                               out->substr(0, out->find('\n')) + ")",
                    .hint = "choose a free address, or take it from the host that has it",
                    .path = "cluster_vip"}};
  };
  return gate("cluster/vip-manager/free", {.asks = {ask}, .decide = decide});
}

Steps held_by_one(const ClusterView& cluster) {
  std::vector<Ask> asks;
  for (const std::string& host : cluster.topology.database)
    asks.push_back({host, Exec{.argv = {"ip", "-o", "address", "show", "to", cluster.spec.cluster_vip},
                               .about = {std::string("unit:") + unit, "unit:patroni.service"}}});
  auto decide = [asks, vip = cluster.spec.cluster_vip](const Answers& answers) -> Decision {
    std::string holders;
    int count = 0;
    for (const Ask& ask : asks) {
      const std::string* out = answers.out(ask);
      if (!out || out->empty()) continue;
      if (out->find("forever") != std::string::npos)
        return Refused{{.message = ask.at + " has the cluster_vip " + vip + " for good, and not from vip-manager",
                        .hint = "find what sets it there (networkd, ifupdown, an older vip-manager), and on " + ask.at + ": ip address delete " +
                                vip + " dev INTERFACE"}};
      holders += (count++ == 0 ? "" : " and ") + ask.at;
    }
    if (count == 1) return Done{};
    // Asked one after the other, two hosts may both be seen with an address that has just moved: it is wrong only if it stays so.
    return Later{count == 0 ? "the leader has taken " + vip : "only one host holds " + vip + " (" + holders + " do)"};
  };
  std::vector<Ask> evidence;
  std::vector<std::string> awaited{"cluster/patroni/leader"};
  for (const std::string& host : cluster.topology.database) {
    if (cluster.leaves_out(host)) continue;
    evidence.push_back(journal_ask(host, unit));
    awaited.push_back(host + "/vip-manager/service");
  }
  const Steps held = gate("cluster/vip-manager/held", {.asks = asks, .decide = decide, .settle = std::chrono::seconds(60), .evidence = evidence});
  return after(awaited, held);
}

class VipManager final : public Component {
 public:
  std::string name() const override { return "vip-manager"; }

  Steps steps(const NodeView& node) const override {
    if (!wanted(node.spec()) || !node.has(Role::postgres)) return {};
    const auto step = [&](const char* what) { return node.step("vip-manager", what); };
    ServiceWish wish{.unit = unit, .start_files = {unit_file, program_file}, .settle = std::chrono::seconds(30)};
    return sequence(packages(step("packages"), node.name(), {"curl", "iputils-arping"}),
                    parallel(file(step("program"), node.name(), {.path = program_file, .content = vip_manager_program, .mode = 0755}),
                             file(step("peers"), node.name(), {.path = peers_file, .content = peers_text(node)}),
                             file(step("unit"), node.name(), {.path = unit_file, .content = unit_text(node)}),
                             file(step("notes"), node.name(), unit_notes(wish))),
                    // Bound to Patroni: started before it, it would start Patroni, too, maybe without its files.
                    after({node.step("patroni", "service")}, rolling("vip-manager", node.name(), {}, service(step("service"), node.name(), wish))));
  }

  Steps cluster_steps(const ClusterView& cluster) const override {
    if (!wanted(cluster.spec) || cluster.topology.database.empty()) return {};
    return parallel(free_address(cluster), held_by_one(cluster));
  }

 private:
  static bool wanted(const Spec& spec) { return !spec.cluster_vip.empty() && !spec.with_haproxy_load_balancing; }
};

}  // namespace

std::string vip_interface(const NodeView& node) {
  if (!node.spec().vip_interface.empty()) return node.spec().vip_interface;
  for (const Facts::Interface& one : node.facts.interfaces)
    if (one.cidr.substr(0, one.cidr.find('/')) == node.host.address) return one.name;
  if (!node.facts.default_interface.empty()) return node.facts.default_interface;
  throw Error({.code = Code::spec_invalid,
               .message = "no interface of " + node.name() + " has its address " + node.host.address + ", and it has no default route",
               .hint = "name the interface that is to carry the VIP: vip_interface",
               .host = node.name()});
}

ComponentPtr vip_manager_component() { return std::make_shared<VipManager>(); }

}  // namespace pgcluster
