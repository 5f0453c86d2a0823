// What the keepers of the virtual IP address have in common: vip-manager, and Keepalived with load balancing.
#include "component/vip/vip.hpp"

#include <algorithm>
#include <set>

#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "base/network.hpp"
#include "component/vip/shell.hpp"

namespace pgcluster {
namespace {

bool owns(const ClusterView& cluster, const std::string& unit) {
  for (const auto& [host, facts] : cluster.facts)
    for (const Owned& one : facts.owned)
      if (one.resource == "unit:" + unit) return true;
  return false;
}

// Balancers that the spec has forgotten: they go on until they are pruned.
std::set<std::string> forgotten_balancers(const ClusterView& cluster) {
  std::set<std::string> names;
  for (const auto& [host, facts] : cluster.facts) {
    const auto known = facts.cluster.empty() ? std::nullopt : read_cluster_file(facts.cluster);
    if (!known) continue;
    for (const KnownHost& one : known->hosts) {
      const bool balances = std::find(one.roles.begin(), one.roles.end(), Role::balancer) != one.roles.end();
      const auto& all = cluster.topology.hosts;
      if (balances && std::none_of(all.begin(), all.end(), [&](const TopologyHost& host_now) { return host_now.name == one.name; }))
        names.insert(one.name);
    }
  }
  return names;
}

}  // namespace

std::string vip_interface(const NodeView& node) {
  if (!node.spec().vip_interface.empty()) return node.spec().vip_interface;
  for (const Facts::Interface& one : node.facts.interfaces)
    if (net::without_prefix(one.cidr) == node.host.address) return one.name;
  if (!node.facts.default_interface.empty()) return node.facts.default_interface;
  throw Error({.code = Code::spec_invalid,
               .message = "no interface of " + node.name() + " has its address " + node.host.address + ", and it has no default route",
               .hint = "name the interface that is to carry the VIP: vip_interface",
               .host = node.name()});
}

Ask vip_ask(const Spec& spec, const std::string& host) {
  return {host, Exec{.argv = {"ip", "-o", "address", "show", "to", spec.cluster_vip},
                     .about = {std::string("unit:") + vip_manager_unit, std::string("unit:") + keepalived_unit, "unit:patroni.service"}}};
}

Steps vip_free(const ClusterView& cluster, const VipKeeper& keeper) {
  if (owns(cluster, keeper.unit) || owns(cluster, keeper.other_unit)) return {};
  const std::string& vip = cluster.spec.cluster_vip;
  std::string from;
  for (const std::string& host : keeper.hosts)
    if (from.empty() && !cluster.leaves_out(host)) from = host;
  if (from.empty()) return {};
  const Ask ask{from, Exec{.argv = {"bash", "-c", shell::probe, "probe", vip}}};
  auto decide = [ask, vip, left = joined(forgotten_balancers(cluster))](const Answers& answers) -> Decision {
    const std::string* out = answers.out(ask);
    if (!out || out->empty()) return Done{};
    if (!left.empty()) return Later{"the balancers that left the spec (" + left + ") have given up " + vip + ", as apply --prune makes them"};
    return Refused{{.message = "cluster_vip " + vip + " is in use already: seen from " + ask.at + ", a host answers for it (" +
                               out->substr(0, out->find('\n')) + ")",
                    .hint = "choose a free address, or take it from the host that has it",
                    .path = "cluster_vip"}};
  };
  std::vector<StepRef> removals;  // with prune
  for (const std::string& host : forgotten_balancers(cluster))
    removals.push_back(removal(host, "keepalived", std::string("unit:") + keepalived_unit));
  return after_where_planned(removals, gate(keeper.free, {.asks = {ask}, .decide = decide}));
}

Steps vip_released(const ClusterView& cluster, const VipKeeper& keeper) {
  struct Host {
    std::string name;
    Ask own, other, address;
  };
  std::vector<Host> hosts;
  std::vector<Ask> asks;
  std::vector<StepRef> before{keeper.free};
  for (const TopologyHost& host : cluster.topology.hosts) {
    hosts.push_back({host.name, {host.name, UnitOf{keeper.unit}}, {host.name, UnitOf{keeper.other_unit}}, vip_ask(cluster.spec, host.name)});
    asks.insert(asks.end(), {hosts.back().own, hosts.back().other, hosts.back().address});
    before.push_back(removal(host.name, keeper.other_component, "unit:" + keeper.other_unit));
  }
  auto decide = [hosts, keeper, vip = cluster.spec.cluster_vip](const Answers& answers) -> Decision {
    const auto runs = [&](const Ask& ask) {
      const auto* unit = answers.get<Unit>(ask);
      return unit && unit->active != "inactive" && unit->active != "failed";
    };
    for (const Host& host : hosts) {
      if (runs(host.other)) return Later{host.name + " has stopped " + keeper.other_component};
      const std::string* out = answers.out(host.address);
      if (out && !out->empty() && !runs(host.own)) return Later{host.name + " has given up " + vip};
    }
    return Done{};
  };
  return after_where_planned(before, gate(keeper.released, {.asks = asks, .decide = decide, .settle = std::chrono::seconds(30)}));
}

Steps vip_held(const ClusterView& cluster, const VipKeeper& keeper) {
  std::vector<Ask> asks, evidence;
  std::vector<StepRef> awaited{patroni::leader()};
  for (const std::string& host : keeper.hosts) {
    asks.push_back(vip_ask(cluster.spec, host));
    if (cluster.leaves_out(host)) continue;
    evidence.push_back(journal_ask(host, keeper.unit));
    awaited.push_back(keeper.service(host));
  }
  // Where the other scheme's has been, an address for good is its own, until it is removed.
  const bool lease = keeper.lease && !owns(cluster, keeper.other_unit);
  // A balancer that left the spec may have it, and is asked no more: it keeps it until it is pruned.
  const bool elsewhere =
      !keeper.lease && std::any_of(cluster.left.begin(), cluster.left.end(), [](const TopologyHost& host) { return host.has(Role::balancer); });
  auto decide = [asks, keeper, lease, elsewhere, vip = cluster.spec.cluster_vip](const Answers& answers) -> Decision {
    std::string holders;
    int count = 0;
    for (const Ask& ask : asks) {
      const std::string* out = answers.out(ask);
      if (!out || out->empty()) continue;
      if (lease && out->find("forever") != std::string::npos)
        return Refused{{.message = ask.at + " has the cluster_vip " + vip + " for good, and not from " + keeper.component,
                        .hint = "find what sets it there (networkd, ifupdown, an older vip-manager), and on " + ask.at + ": ip address delete " +
                                vip + " dev INTERFACE"}};
      holders += (count++ == 0 ? "" : " and ") + ask.at;
    }
    if (count == 1 || (count == 0 && elsewhere)) return Done{};
    // Asked one after the other, two hosts may both be seen with an address that has just moved: it is wrong only if it stays so.
    return Later{count == 0 ? (keeper.lease ? "the leader has taken " : "a balancer has taken ") + vip
                            : "only one host holds " + vip + " (" + holders + " do)"};
  };
  const Steps held = gate(keeper.held, {.asks = asks, .decide = decide, .settle = std::chrono::seconds(60), .evidence = evidence});
  return after(awaited, held);
}

}  // namespace pgcluster
