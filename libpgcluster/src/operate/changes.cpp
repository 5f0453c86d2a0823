// What a spec may say, and a cluster that runs cannot become.
#include <algorithm>

#include "base/joined.hpp"
#include "base/network.hpp"
#include "operate/view.hpp"
#include "spec/fixed.hpp"

namespace pgcluster {
namespace {

// The host's interfaces that are more than loopback, as a person writes them: "10.77.0.11 (eth0)".
std::string addresses(const Facts& facts) {
  std::vector<std::string> all;
  for (const Facts::Interface& one : facts.interfaces)
    if (one.name != "lo") all.push_back(net::without_prefix(one.cidr) + " (" + one.name + ")");
  return joined(all);
}

// etcd, Consul, Patroni and PostgreSQL listen on the address, and tell it to the others.
std::optional<Diagnostic> missing_address(const TopologyHost& host, const Facts& facts) {
  const auto same = [&](const Facts::Interface& one) { return net::canonical(net::without_prefix(one.cidr)) == net::canonical(host.address); };
  if (facts.interfaces.empty() || std::any_of(facts.interfaces.begin(), facts.interfaces.end(), same)) return std::nullopt;
  const std::string has = addresses(facts);
  return Diagnostic{.message = "no interface of " + host.name + " has its address " + host.address + (has.empty() ? "" : "; it has " + has),
                    .hint =
                        "the address is where the cluster's own traffic goes: write one that the host has. Where ssh goes another way, that is "
                        "ssh.host",
                    .path = "hosts." + host.name + ".address"};
}

bool serves(const Facts& facts) {
  return std::any_of(facts.owned.begin(), facts.owned.end(), [](const Owned& one) { return one.resource.starts_with("unit:"); });
}

// By the file of any host: the one at the address may be new, and the member elsewhere.
std::optional<Diagnostic> other_name(const TopologyHost& host, const RecordedMembers& recorded) {
  const std::string address = net::canonical(host.address);
  for (auto one = recorded.names.lower_bound({address, ""}); one != recorded.names.end() && one->first == address; ++one) {
    const std::string& name = one->second;
    if (name == host.name) continue;
    return Diagnostic{.message = "the host at " + host.address + " is " + name + " in the running cluster, and the spec calls it " + host.name,
                      .hint = "a member keeps its name: write " + name + " again. The way to another name: take " + name +
                              " out of the spec, apply --prune, then add the host by its new name",
                      .path = "hosts." + host.name};
  }
  return std::nullopt;
}

std::optional<Diagnostic> other_address(const TopologyHost& host, const Facts& facts, const RecordedMembers& recorded) {
  const auto known = recorded.files.find(facts.cluster);
  if (known == recorded.files.end() || !serves(facts)) return std::nullopt;
  for (const KnownHost& one : known->second.hosts) {
    if (one.name != host.name || net::canonical(one.address) == net::canonical(host.address)) continue;
    return Diagnostic{.message = host.name + " has the address " + one.address + " in the running cluster, and the spec says " + host.address,
                      .hint = "write " + one.address + " again. The way to another address: take " + one.name +
                              " out of the spec, apply --prune, then add it with the new address",
                      .path = "hosts." + host.name + ".address"};
  }
  return std::nullopt;
}

}  // namespace

RecordedMembers recorded_members(const std::map<std::string, Facts>& facts) {
  RecordedMembers recorded;
  for (const auto& [name, fact] : facts) {
    if (fact.cluster.empty() || recorded.files.contains(fact.cluster) || !serves(fact)) continue;
    auto known = read_cluster_file(fact.cluster);
    if (!known) continue;
    for (const KnownHost& one : known->hosts) recorded.names.emplace(net::canonical(one.address), one.name);
    recorded.files.emplace(fact.cluster, std::move(*known));
  }
  return recorded;
}

std::vector<Diagnostic> impossible_changes(const Spec& spec, const TopologyHost& host, const std::map<std::string, Facts>& facts,
                                           const RecordedMembers& recorded) {
  const auto own = facts.find(host.name);
  if (own == facts.end()) return {};
  const Facts& fact = own->second;
  std::vector<Diagnostic> all = fact.begun.empty() ? std::vector<Diagnostic>{} : fixed_differences(spec, fact.begun);
  for (auto finding : {missing_address(host, fact), other_name(host, recorded), other_address(host, fact, recorded)})
    if (finding) all.push_back(std::move(*finding));
  return all;
}

void check_changes(const Spec& spec, const Topology& topology, const std::map<std::string, Facts>& facts) {
  const RecordedMembers recorded = recorded_members(facts);
  std::vector<Diagnostic> all;
  // What is the cluster's own is said once, not for each of its hosts.
  for (const TopologyHost& host : topology.hosts)
    for (Diagnostic& one : impossible_changes(spec, host, facts, recorded))
      if (std::none_of(all.begin(), all.end(), [&](const Diagnostic& said) { return said.message == one.message; })) all.push_back(std::move(one));
  if (all.empty()) return;
  Failure failure{.code = Code::refused, .message = all.front().message, .hint = all.front().hint};
  all.erase(all.begin());
  failure.diagnostics = std::move(all);
  throw Error(std::move(failure));
}

}  // namespace pgcluster
