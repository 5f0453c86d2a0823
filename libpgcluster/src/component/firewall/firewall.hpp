#pragma once

#include <set>
#include <string>

#include <pgcluster/component/component.hpp>

// The rules of nftables that a host gets: who may connect to it.
namespace pgcluster {

constexpr const char* firewall_unit = "pgcluster-firewall.service";
constexpr const char* firewall_file = "/etc/pgcluster/firewall.nft";
constexpr const char* firewall_program_file = "/usr/local/lib/pgcluster/firewall";

/// The table inet pgcluster of a host: accepts the traffic that its components need and ssh at these ports, and drops the rest.
std::string firewall_rules(const NodeView& node, const std::set<int>& ssh_ports, bool with_leaving = false);

/// Rules that accept everything that `present` or `wished` accepts; equal to `wished` if it accepts everything that `present` does. Both must come
/// from firewall_rules().
std::string firewall_union(const std::string& present, const std::string& wished);

namespace firewall {

/// The host has its rules, and a new connection has confirmed them.
StepRef rules(const std::string& host);

}  // namespace firewall
}  // namespace pgcluster
