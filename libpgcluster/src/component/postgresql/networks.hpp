#pragma once

#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// Whether the host has nothing of the cluster but an agent of Consul. Nobody looks for it, and one more of them must change no other host.
bool only_asks(const TopologyHost& host);
/// Who belongs to the cluster and connects to its databases: all but those, and hosts that only keep backups.
std::vector<const TopologyHost*> known_to_others(const ClusterView& view);

/// The networks of the interface that has the host's address, without those of the VIP, of single addresses and of links. Of a host without facts
/// those that other hosts recorded. Empty where neither tells any.
std::vector<std::string> networks_of(const ClusterView& view, const std::string& host, const std::string& address);

/// The networks whose hosts may connect to PostgreSQL and PgBouncer: database_allowed_networks, or by default those of all hosts, sorted.
std::vector<std::string> allowed_networks(const ClusterView& view);

/// A warning where the default needs the host's network, and nothing tells it.
std::vector<Diagnostic> unknown_network(const NodeView& node);

}  // namespace pgcluster
