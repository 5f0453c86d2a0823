// Hosts that are planned as if they were down.
#include <algorithm>

#include "base/joined.hpp"
#include "base/network.hpp"
#include "op/facts.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

std::vector<std::string> remaining(const std::vector<std::string>& names, const std::set<std::string>& without) {
  std::vector<std::string> left;
  for (const std::string& name : names)
    if (!without.contains(name)) left.push_back(name);
  return left;
}

}  // namespace

Error not_a_host(const Topology& topology, const std::string& name) {
  std::vector<std::string> known;
  for (const TopologyHost& host : topology.hosts) known.push_back(host.name);
  return {Code::refused, name + " is not a host of " + topology.cluster + ", so it cannot be left out", "its hosts are " + joined(known)};
}

void check_left_out(const Topology& topology, const std::set<std::string>& names) {
  if (names.empty()) return;
  for (const std::string& name : names)
    if (std::none_of(topology.hosts.begin(), topology.hosts.end(), [&](const TopologyHost& host) { return host.name == name; }))
      throw not_a_host(topology, name);
  const std::size_t members = remaining(topology.dcs_members, names).size();
  const std::string dcs(to_string(topology.dcs_type));
  if (members < topology.quorum())
    throw Error(Code::refused,
                "without " + joined(names) + " " + dcs + " has " + std::to_string(members) + " of its " +
                    std::to_string(topology.dcs_members.size()) + " members, and the quorum is " + std::to_string(topology.quorum()),
                "bring one of its hosts back first: without a quorum nothing can be changed safely");
  if (remaining(topology.database, names).empty())
    throw Error(Code::refused, "without " + joined(names) + " no database host is left", "bring one of them back first");
}

void check_beginning(const Topology& topology, const std::map<std::string, Facts>& facts, const std::set<std::string>& without) {
  const std::string dcs(to_string(topology.dcs_type));
  std::vector<std::string> missing;
  for (const std::string& member : topology.dcs_members)
    if (without.contains(member)) missing.push_back(member);
  const bool begun = std::any_of(facts.begin(), facts.end(), [&](const auto& one) { return owns(one.second, "unit:" + dcs + ".service"); });
  if (begun || missing.empty()) return;
  throw Error(Code::refused, dcs + " begins with all of its members: the first deployment cannot do without " + joined(missing),
              "bring it up first, or describe other members by roles: [" + dcs + "]");
}

void check_quorum(const Plan& plan, const Topology& topology, const std::set<std::string>& without) {
  if (without.empty() || remaining(topology.dcs_members, without).size() > topology.quorum()) return;
  const std::string dcs(to_string(topology.dcs_type));
  for (const PlannedChange& change : plan.changes()) {
    if (change.component != dcs || !disturbs(change.impact)) continue;
    throw Error({.code = Code::refused,
                 .message = dcs + " on " + change.host + " would " + std::string(to_string(change.action)) + " (" + change.reason +
                            "), and without " + joined(without) + " the quorum needs every member that is left",
                 .hint = "bring a member back first, or take out of the spec what needs the restart",
                 .host = change.host,
                 .step = change.id});
  }
}

Diagnostic pending_steps(const ClusterView& view, const TopologyHost& host, const std::vector<ComponentPtr>& components) {
  // Only the host itself could tell which of its steps would change something, so all of them are listed.
  Facts unknown;
  unknown.interfaces = {{.name = "unknown", .cidr = net::single_address(host.address)}};
  const NodeView node{view, host, unknown};
  std::size_t count = 0;
  std::string names;
  for (const ComponentPtr& component : components) {
    std::string own;
    try {
      for (const Steps::Node& one : component->steps(node.seen_by(*component)).nodes()) {
        const std::string id = one.step->name();
        const auto ref = parse_step_name(id);
        append(own, ref ? ref->what : id);
        ++count;
      }
    } catch (const Error&) {
      own = "what depends on the host";  // a component that must know more of it
    }
    if (!own.empty()) names += (names.empty() ? "" : "; ") + component->name() + ": " + own;
  }
  return {.severity = Severity::warning,
          .message = "is left out, as if it were down; its " + std::to_string(count) + " steps stay pending (" + names + ")",
          .hint = "once it is back, plan again with it; until then, settings that depend on memory are calculated from the other hosts",
          .path = "hosts." + host.name};
}

}  // namespace pgcluster
