// The networks that may connect where the spec names none: those of the hosts' own interfaces.
#include "component/postgresql/networks.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "base/network.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

// The range of private addresses that an address is in.
std::optional<net::Network> private_range(const net::Ip& ip) {
  for (const char* range : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"})
    if (const net::Network network = *net::parse_network(range); net::contains(network, {ip, net::bits(ip)})) return network;
  return std::nullopt;
}

std::vector<net::Network> of_interfaces(const ClusterView& view, const Facts& facts, const net::Ip& own) {
  std::string interface;
  for (const Facts::Interface& one : facts.interfaces)
    if (const auto network = net::parse_network(one.cidr); network && network->ip == own) interface = one.name;
  const auto vip = net::parse_ip(view.spec.cluster_vip);
  std::vector<net::Network> all;
  for (const Facts::Interface& one : facts.interfaces) {
    const auto network = net::parse_network(one.cidr);
    if (one.name != interface || !network || network->ip == vip || net::contains(*net::parse_network("fe80::/10"), *network)) continue;
    const bool alone = network->length == net::bits(network->ip);
    // Some clouds give an interface a single address, and their balancers and clients are in other subnets of the same private range.
    const auto range = alone || with_cloud_balancer(view.spec) ? private_range(network->ip) : std::nullopt;
    if (range && network->ip == own)
      all.push_back(*range);
    else if (!alone)
      all.push_back(net::network_of(*network));
  }
  return all;
}

}  // namespace

bool only_asks(const TopologyHost& host) { return host.roles == std::vector<Role>{Role::consul_client}; }

std::vector<const TopologyHost*> known_to_others(const ClusterView& view) {
  std::vector<const TopologyHost*> known = view.known();
  std::erase_if(known, [](const TopologyHost* host) { return only_asks(*host) || host->roles == std::vector<Role>{Role::backup}; });
  return known;
}

std::vector<std::string> networks_of(const ClusterView& view, const std::string& host, const std::string& address) {
  const auto own = net::parse_ip(address);
  if (!own) return {};
  std::set<net::Network> found;
  if (const auto facts = view.facts.find(host); facts != view.facts.end())
    for (const net::Network& network : of_interfaces(view, facts->second, *own)) found.insert(network);
  for (const auto& [name, facts] : view.facts) {
    if (view.facts.contains(host) || !found.empty() || facts.cluster.empty()) continue;
    if (const auto recorded = read_cluster_file(facts.cluster))
      for (const KnownHost& known : recorded->hosts)
        for (const std::string& text : known.networks)
          if (const auto network = net::parse_network(text); network && known.name == host) found.insert(*network);
  }
  std::vector<std::string> all;
  for (const net::Network& network : found) all.push_back(net::to_string(network));
  return all;
}

std::vector<std::string> allowed_networks(const ClusterView& view) {
  const Spec& spec = view.spec;
  std::set<net::Network> found;
  const auto add = [&](const std::vector<std::string>& texts) {
    for (const std::string& text : texts)
      if (const auto network = net::parse_network(text)) found.insert(net::network_of(*network));
  };
  add(spec.database_allowed_networks);
  if (found.empty()) {
    for (const TopologyHost* host : view.known()) add(networks_of(view, host->name, host->address));
    // Some balancers pass their clients' own addresses on.
    if (with_cloud_balancer(spec) && spec.database_public_access) add(spec.database_public_allowed_ips);
  }
  std::vector<std::string> all;
  for (const net::Network& network : found) all.push_back(net::to_string(network));
  return all;
}

std::vector<Diagnostic> unknown_network(const NodeView& node) {
  if (!node.spec().database_allowed_networks.empty() || node.facts.interfaces.empty()) return {};
  if (!networks_of(node.cluster, node.name(), node.host.address).empty()) return {};
  return {{.severity = Severity::warning,
           .message = "the network of " + node.name() + " cannot be told from its interfaces, so only the cluster's hosts may connect from there",
           .hint = "name the networks of the clients in database_allowed_networks",
           .path = "database_allowed_networks"}};
}

}  // namespace pgcluster
