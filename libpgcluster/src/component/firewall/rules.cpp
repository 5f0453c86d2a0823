#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/joined.hpp"
#include "base/network.hpp"
#include "component/firewall/firewall.hpp"
#include "component/postgresql/networks.hpp"

namespace pgcluster {
namespace {

constexpr std::string_view indent = "    ";
// A rule, not the chain's policy: an empty chain keeps nobody out.
constexpr std::string_view end_of_rules = "    drop\n  }\n}\n";

// Sources of one family, and the words of a rule that match them.
struct Sources {
  const char* match;  // "ip saddr"
  const char* all;    // in its place where every address is meant
  std::set<std::string> addresses{};
  bool everybody = false;

  std::string text() const { return everybody ? all : std::string(match) + " { " + joined(addresses) + " }"; }
};

// Networks within others would be conflicting elements of a set.
std::vector<Sources> sources(const std::vector<std::string>& texts) {
  std::vector<net::Network> networks;
  for (const std::string& text : texts)
    if (const auto network = net::parse_network(text)) networks.push_back(net::network_of(*network));
  Sources v4{.match = "ip saddr", .all = "meta nfproto ipv4"}, v6{.match = "ip6 saddr", .all = "meta nfproto ipv6"};
  for (const net::Network& one : networks) {
    if (std::any_of(networks.begin(), networks.end(), [&](const net::Network& other) { return other != one && net::contains(other, one); })) continue;
    Sources& family = one.ip.v6 ? v6 : v4;
    family.everybody = family.everybody || one.length == 0;
    family.addresses.insert(one.length == net::bits(one.ip) ? net::without_prefix(net::to_string(one)) : net::to_string(one));
  }
  std::vector<Sources> families;
  for (Sources* one : {&v4, &v6})
    if (!one->addresses.empty()) families.push_back(std::move(*one));
  return families;
}

std::string numbers(const std::set<int>& all) {
  if (all.size() == 1) return std::to_string(*all.begin());
  return "{ " + joined(all, ", ", [](int one) { return std::to_string(one); }) + " }";
}

const std::vector<Sources> anybody{{.match = "", .all = "", .everybody = true}};

// What is open for some sources.
struct Opening {
  std::set<int> tcp{}, udp{}, protocols{};
  std::map<int, std::string> purposes{};

  void add(const PortNeed& port) {
    tcp.insert(port.number);
    if (port.udp) udp.insert(port.number);
    purposes[port.number] = port.purpose;
  }
  std::string comment(const std::string& who) const {
    std::string text = std::string(indent) + "# " + who + "\n";
    for (const auto& [number, purpose] : purposes) text += fmt::format("{}#   {} {}\n", indent, number, purpose);
    return text;
  }
  std::string rules(const std::vector<Sources>& from) const {
    std::string text;
    for (const Sources& family : from) {
      const std::string who = family.text();
      const auto rule = [&](const std::string& what) { text += std::string(indent) + who + (who.empty() ? "" : " ") + what + " accept\n"; };
      if (!protocols.empty()) rule("meta l4proto " + numbers(protocols));
      if (!tcp.empty()) rule("tcp dport " + numbers(tcp));
      if (!udp.empty()) rule("udp dport " + numbers(udp));
    }
    return text;
  }
};

bool is_rule(const std::string& line) { return line.starts_with(indent) && line.ends_with(" accept") && line.find('#') == std::string::npos; }

std::vector<std::string> rules_of(const std::string& text) {
  std::vector<std::string> rules;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (is_rule(line)) rules.push_back(line);
  return rules;
}

}  // namespace

std::string firewall_rules(const NodeView& node, const std::set<int>& ssh_ports, bool with_leaving) {
  const ClusterView& cluster = node.cluster;
  Opening hosts, clients, all;
  if (const auto needs = cluster.needs.find(node.name()); needs != cluster.needs.end())
    for (const Needs& one : needs->second) {
      for (const PortNeed& port : one.ports) {
        if (port.reach == Reach::host) continue;
        (port.reach == Reach::anybody ? all : hosts).add(port);
        if (port.reach == Reach::clients) clients.add(port);
      }
      for (const ProtocolNeed& protocol : one.protocols) hosts.protocols.insert(protocol.number);
    }
  std::vector<std::string> members;
  for (const TopologyHost* host : cluster.known()) members.push_back(net::single_address(host->address));
  if (with_leaving)
    for (const TopologyHost& host : cluster.pruned) members.push_back(net::single_address(host.address));
  const std::vector<Sources> from_hosts = sources(members);
  std::string text = fmt::format(R"(# Written by pgcluster: who may connect to this host. What another table drops stays dropped.
table inet pgcluster
delete table inet pgcluster
table inet pgcluster {{
  chain input {{
    type filter hook input priority filter; policy accept;
    iif lo accept
    ct state established,related accept
    # ICMP, IGMP and ICMPv6: ping, neighbours, routers
    meta l4proto {{ 1, 2, 58 }} accept
    # DHCP: a host that loses its lease loses its address
    udp sport 67 udp dport 68 accept
    ip6 saddr fe80::/10 udp dport 546 accept
    # ssh
    tcp dport {} accept
    # Connections of the cluster's hosts that are older than this table, and that the kernel has not followed: they begin with no SYN
)",
                                 numbers(ssh_ports));
  for (const Sources& family : from_hosts) text += std::string(indent) + family.text() + " tcp flags & (fin | syn | rst | ack) != syn accept\n";
  text += hosts.comment("Hosts of the cluster") + hosts.rules(from_hosts);
  // VRRP without named peers: never routed.
  for (const int protocol : hosts.protocols)
    for (const char* link : {"ip daddr 224.0.0.0/24", "ip6 daddr ff02::/16"})
      text += fmt::format("{}{} meta l4proto {} accept\n", indent, link, protocol);
  if (!clients.tcp.empty()) text += clients.comment("Clients") + clients.rules(sources(*cluster.derived(allowed_networks)));
  if (!all.tcp.empty()) text += all.comment("Anybody") + all.rules(anybody);
  return text.append(end_of_rules);
}

std::string firewall_union(const std::string& present, const std::string& wished) {
  const std::vector<std::string> wanted = rules_of(wished);
  std::string more;
  for (const std::string& rule : rules_of(present))
    if (std::find(wanted.begin(), wanted.end(), rule) == wanted.end()) more += rule + "\n";
  const auto end = wished.rfind(end_of_rules);
  if (more.empty() || end == std::string::npos) return wished;
  return wished.substr(0, end) + std::string(indent) + "# until all hosts have changed\n" + more + wished.substr(end);
}

}  // namespace pgcluster
