// What the keepers of the virtual IP address have in common: our own program, and Keepalived with load balancing.
#include "component/vip/vip.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "base/network.hpp"
#include "component/vip/shell.hpp"
#include "op/facts.hpp"

namespace pgcluster {
namespace {

bool owns_any(const Facts& facts, const std::vector<std::string>& units) {
  return std::any_of(units.begin(), units.end(), [&](const std::string& unit) { return owns(facts, "unit:" + unit); });
}
bool owns_any(const ClusterView& cluster, const std::vector<std::string>& units) {
  return std::any_of(cluster.facts.begin(), cluster.facts.end(), [&](const auto& host) { return owns_any(host.second, units); });
}

const std::vector<std::string> all_units{vip_unit, former_vip_unit, keepalived_unit};

// Where the hosts keep the address that they were given; the unit whose it is.
const std::vector<std::pair<std::string, std::string>> address_files{
    {vip_unit, vip_unit_file}, {former_vip_unit, former_vip_unit_file}, {keepalived_unit, keepalived_file}};

std::vector<std::string> balancers_of(const std::vector<TopologyHost>& hosts) {
  std::vector<std::string> names;
  for (const TopologyHost& host : hosts)
    if (host.has(Role::balancer)) names.push_back(host.name);
  return names;
}

// Whether the output is a number of seconds, and not less than `least`.
bool reached(const std::string* told, std::chrono::seconds least) {
  std::int64_t seconds = 0;
  return told && std::from_chars(told->data(), told->data() + told->size(), seconds).ec == std::errc() && seconds >= least.count();
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

std::vector<Diagnostic> no_vip_interface(const NodeView& node) {
  const std::string& wished = node.spec().vip_interface;
  const std::vector<std::string>& there = node.facts.devices;
  if (wished.empty() || there.empty() || std::find(there.begin(), there.end(), wished) != there.end()) return {};
  return {{.message = node.name() + " has no network interface " + wished + "; it has " + joined(there),
           .hint = "correct vip_interface, or leave it out: then the interface that has the host's address carries the VIP",
           .path = "vip_interface"}};
}

Ask vip_ask(const Spec& spec, const std::string& host) {
  return {host, Exec{.argv = {"ip", "-o", "address", "show", "to", spec.cluster_vip},
                     .about = {std::string("unit:") + vip_unit, std::string("unit:") + former_vip_unit, std::string("unit:") + keepalived_unit,
                               "unit:patroni.service"}}};
}

Order vip_holder_last(const Spec& spec, const std::vector<std::string>& hosts) {
  Order order;
  for (const std::string& host : hosts) order.asks.push_back(vip_ask(spec, host));
  order.order = [asks = order.asks](const Answers& answers) {
    std::vector<std::string> turn, holders;
    for (const Ask& ask : asks) {
      const std::string* out = answers.out(ask);
      (out && !out->empty() ? holders : turn).push_back(ask.at);
    }
    turn.insert(turn.end(), holders.begin(), holders.end());
    return turn;
  };
  return order;
}

Steps vip_free(const ClusterView& cluster, const VipKeeper& keeper) {
  const std::string& vip = cluster.spec.cluster_vip;
  // A host that has a VIP already knows its address: it looks further only if the spec has another one now.
  std::string from;
  std::vector<std::string> files;
  for (const std::string& host : keeper.hosts) {
    const auto facts = cluster.facts.find(host);
    if (cluster.leaves_out(host) || facts == cluster.facts.end()) continue;
    if (from.empty()) from = host;
    for (const auto& [unit, file] : address_files)
      if (owns(facts->second, "unit:" + unit)) files.push_back(file);
    if (files.empty()) continue;
    from = host;
    break;
  }
  if (from.empty()) return {};
  Exec probe{.argv = {"bash", "-c", shell::probe, "probe", vip}};
  probe.argv.insert(probe.argv.end(), files.begin(), files.end());
  const Ask ask{from, probe};
  std::vector<Ask> asks{ask}, holders;
  if (owns_any(cluster, all_units))
    for (const TopologyHost& host : cluster.topology.hosts) holders.push_back(vip_ask(cluster.spec, host.name));
  asks.insert(asks.end(), holders.begin(), holders.end());
  const std::vector<std::string> staying = balancers_of(cluster.left), leaving = balancers_of(cluster.pruned);
  std::vector<std::string> gone = staying;
  gone.insert(gone.end(), leaving.begin(), leaving.end());
  auto decide = [ask, holders, vip, gone = joined(gone)](const Answers& answers) -> Decision {
    const std::string* out = answers.out(ask);
    if (!out || out->empty()) return Done{};
    for (const Ask& holder : holders)
      if (const std::string* held = answers.out(holder); held && !held->empty()) return Done{};
    if (!gone.empty()) return Later{"the balancers that left the spec (" + gone + ") have given up " + vip + ", as apply --prune makes them"};
    return Refused{{.message = "cluster_vip " + vip + " is in use already: seen from " + ask.at + ", a host answers for it (" +
                               out->substr(0, out->find('\n')) + ")",
                    .hint = "choose a free address, or take it from the host that has it",
                    .path = "cluster_vip"}};
  };
  std::vector<StepRef> removals;
  for (const std::string& host : leaving) removals.push_back(removal(host, "keepalived", std::string("unit:") + keepalived_unit));
  return after_where_planned(removals, gate(keeper.free, {.asks = asks, .decide = decide}));
}

Steps vip_released(const ClusterView& cluster, const VipKeeper& keeper) {
  struct Host {
    std::string name;
    std::vector<Ask> own, other;
    Ask address;
  };
  std::vector<Host> hosts;
  std::vector<Ask> asks;
  std::vector<StepRef> before{keeper.free};
  for (const TopologyHost& host : cluster.topology.hosts) {
    const auto facts = cluster.facts.find(host.name);
    const auto ours = [&](const std::string& unit) { return facts != cluster.facts.end() && owns(facts->second, "unit:" + unit); };
    Host one{host.name, {{host.name, UnitOf{keeper.unit}}}, {}, vip_ask(cluster.spec, host.name)};
    if (keeper.unit == vip_unit && ours(former_vip_unit)) one.own.push_back({host.name, UnitOf{former_vip_unit}});
    for (const std::string& unit : keeper.other_units) {
      before.push_back(removal(host.name, keeper.other_component, "unit:" + unit));
      if (ours(unit)) one.other.push_back({host.name, UnitOf{unit}});
    }
    asks.insert(asks.end(), one.own.begin(), one.own.end());
    asks.insert(asks.end(), one.other.begin(), one.other.end());
    asks.push_back(one.address);
    hosts.push_back(std::move(one));
  }
  auto decide = [hosts, vip = cluster.spec.cluster_vip](const Answers& answers) -> Decision {
    const auto runs = [&](const Ask& ask) {
      const auto* unit = answers.get<Unit>(ask);
      return unit && unit->active != "inactive" && unit->active != "failed";
    };
    for (const Host& host : hosts) {
      for (const Ask& other : host.other)
        if (runs(other)) return Later{host.name + " has stopped " + std::get<UnitOf>(other.what).name};
      const std::string* out = answers.out(host.address);
      if (out && !out->empty() && std::none_of(host.own.begin(), host.own.end(), runs)) return Later{host.name + " has given up " + vip};
    }
    return Done{};
  };
  return after_where_planned(before, gate(keeper.released, {.asks = asks, .decide = decide, .settle = std::chrono::seconds(30)}));
}

Steps vip_held(const ClusterView& cluster, const VipKeeper& keeper) {
  std::vector<Ask> asks, evidence, settled;
  std::vector<StepRef> awaited{patroni::leader()}, removals;
  for (const std::string& host : keeper.hosts) {
    asks.push_back(vip_ask(cluster.spec, host));
    if (cluster.leaves_out(host)) continue;
    evidence.push_back(journal_ask(host, keeper.unit));
    if (keeper.settled) settled.push_back(keeper.settled(host));
    awaited.push_back(keeper.service(host));
    removals.push_back(removal(host, keeper.component, std::string("unit:") + former_vip_unit));
  }
  // After a change of scheme, a permanent address may still be the former keeper's, until that one is removed.
  const bool lease = keeper.lease && !owns_any(cluster, keeper.other_units);
  // A balancer that left the spec may have it, and is asked no more: it keeps it until it is pruned.
  const bool elsewhere = !keeper.lease && !balancers_of(cluster.left).empty();
  std::vector<Ask> all = asks;
  all.insert(all.end(), settled.begin(), settled.end());
  auto decide = [asks, settled, keeper, lease, elsewhere, vip = cluster.spec.cluster_vip](const Answers& answers) -> Decision {
    std::string holders;
    int count = 0;
    for (const Ask& ask : asks) {
      const std::string* out = answers.out(ask);
      if (!out || out->empty()) continue;
      if (lease && out->find("forever") != std::string::npos)
        return Refused{{.message = ask.at + " has the cluster_vip " + vip + " for good, and not from " + keeper.unit,
                        .hint = "find what sets it there (networkd, ifupdown, another program), and on " + ask.at + ": ip address delete " + vip +
                                " dev INTERFACE"}};
      holders += (count++ == 0 ? "" : " and ") + ask.at;
    }
    if (count == 1 || (count == 0 && elsewhere)) {
      for (const Ask& ask : settled)
        if (!reached(answers.out(ask), keeper.settles))
          return Later{fmt::format("{} s have passed since {} of {} started or read its configuration, and the address has not moved",
                                   keeper.settles.count(), keeper.unit, ask.at)};
      return Done{};
    }
    // Asked one after the other, two hosts may both be seen with an address that has just moved: it is wrong only if it stays so.
    return Later{count == 0 ? (keeper.lease ? "the leader has taken " : "a balancer has taken ") + vip
                            : "only one host holds " + vip + " (" + holders + " do)"};
  };
  const Steps held = gate(keeper.held, {.asks = all, .decide = decide, .settle = std::chrono::seconds(60), .evidence = evidence});
  return after(awaited, after_where_planned(removals, held));
}

}  // namespace pgcluster
