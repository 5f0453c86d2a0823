#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/op/access.hpp>
#include <pgcluster/spec/spec.hpp>

namespace PGCLUSTER_API pgcluster {

/// A host with all defaults filled in.
struct TopologyHost {
  std::string name;
  std::string address;
  std::string datacenter;
  std::vector<Role> roles;
  Pairs patroni_tags;
  HostAccess access;
  /// Whether the host has the role.
  bool has(Role role) const noexcept;
  friend bool operator==(const TopologyHost&, const TopologyHost&) = default;
};

/// What an endpoint leads to.
enum class EndpointKind {
  read_write,       ///< "read-write": the leader
  read_only,        ///< "read-only": replicas
  read_only_sync,   ///< "read-only-sync": the synchronous replicas
  read_only_async,  ///< "read-only-async": the asynchronous replicas
};
/// The word of the kind: "read-only-sync".
std::string_view to_string(EndpointKind kind) noexcept;

/// Where clients connect. If a kind has no single address, the URI lists all database hosts, and libpq chooses one; `address` is then the first of
/// them: for read-write the preferred leader, for read-only a host that is probably a replica. With load balancing, the addresses are those of the
/// balancers, or the VIP that one of them holds. With Consul, `address` is a DNS name. The DNS names are listed in addition to balancers or a VIP,
/// but replace a list of hosts.
struct Endpoint {
  EndpointKind kind;
  std::string address;
  int port = 0;
  std::string uri;  ///< libpq, no password
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// The resolved spec, as a value: the roles of the hosts, the failures that the cluster survives, and the endpoints for clients.
struct Topology {
  std::string cluster;
  std::vector<TopologyHost> hosts;  ///< in the spec's order
  DcsType dcs_type = DcsType::etcd;
  std::vector<std::string> dcs_members;  ///< names; of federated Consul the servers whose KV holds the cluster
  bool dcs_named = false;                ///< some host names a DCS role; else placed by default
  std::vector<std::string> database;     ///< names, in the spec's order; the first is preferred as leader
  std::vector<Endpoint> endpoints;
  std::optional<HostAccess> cloud;   ///< the API of cloud_provider, by a name that no host can have
  std::vector<Diagnostic> warnings;  ///< also the doubtful things that validate() finds in the spec

  /// The number of DCS members that must run for the DCS to have a quorum.
  std::size_t quorum() const noexcept { return dcs_members.size() / 2 + 1; }
  /// The number of DCS members that may fail.
  std::size_t tolerates() const noexcept { return dcs_members.empty() ? 0 : dcs_members.size() - quorum(); }
  const TopologyHost& host(std::string_view name) const;  ///< throws Error (internal) where there is none
  /// The hosts that have the role, in the spec's order; they live as long as the topology.
  std::vector<const TopologyHost*> with(Role role) const;
  /// "10.77.0.11:2379,10.77.0.12:2379"
  std::string dcs_endpoints(int port) const;
  friend bool operator==(const Topology&, const Topology&) = default;
};

/// Pure. The spec must be valid.
Topology resolve(const Spec& spec);

/// A warning where database hosts (balancers, where there are some) could not hold the VIP, as it is outside of their networks. `cidrs` are the
/// addresses of a host's interfaces
/// ("10.77.0.11/24", from facts); with none at all the /24 (IPv6: /64) around the hosts' addresses stands in, and one host that fits is enough.
std::optional<Diagnostic> vip_network_warning(const std::string& vip, const Topology& topology,
                                              const std::map<std::string, std::vector<std::string>>& cidrs = {});

/// The topology as a graph: "dot" (Graphviz), "mermaid", or "svg", a self-contained picture. Pure; throws Error (refused) for another format.
std::string graph(const Topology& topology, const Spec& spec, const std::string& format);

/// A host as recorded in the cluster file.
struct KnownHost {
  std::string name;
  std::string address{};  ///< of the cluster's own traffic
  HostAccess access;      ///< address, port, user and jump; keys, passwords and known hosts are the spec's
  std::vector<Role> roles;
  std::vector<std::string> networks{};  ///< of the interface with its address: "10.77.0.0/24"
  friend bool operator==(const KnownHost&, const KnownHost&) = default;
};
/// A cloud that has load balancers of the cluster, as recorded in the cluster file: without credentials.
struct KnownCloud {
  CloudProvider provider;
  std::string endpoint{};  ///< empty: the vendor's own
  Pairs settings{};        ///< where the servers are, by the spec's keys
  friend bool operator==(const KnownCloud&, const KnownCloud&) = default;
};
/// What a cluster file says.
struct KnownCluster {
  std::string cluster;
  std::vector<KnownHost> hosts;
  std::vector<KnownCloud> clouds;
  std::vector<std::string> unknown_clouds{};  ///< words of providers that this version does not know
};
/// The content of /var/lib/pgcluster/cluster (JSON): names, access and roles of all hosts of the spec, and of those that left the spec but still
/// belong to the cluster. `networks`: of the spec's hosts, by host, as in KnownHost.
std::string cluster_file(const Topology& topology, const std::vector<KnownHost>& left = {}, const std::vector<KnownCloud>& clouds = {},
                         const std::map<std::string, std::vector<std::string>>& networks = {});
/// nullopt if the text is not a cluster file.
std::optional<KnownCluster> read_cluster_file(const std::string& text);

}  // namespace pgcluster
