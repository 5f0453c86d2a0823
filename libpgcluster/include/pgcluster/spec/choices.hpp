#pragma once

#include <optional>
#include <string_view>

#include <pgcluster/base/export.hpp>

// The choices of a spec. Each value has a word, which YAML, JSON and Python write: the value's name, or the word that its comment begins with.
namespace PGCLUSTER_API pgcluster {

/// The store that keeps Patroni's state.
enum class DcsType { etcd, consul };
/// The word of the type: "consul".
std::string_view to_string(DcsType type) noexcept;

/// What a host does in the cluster.
enum class Role {
  postgres,       ///< PostgreSQL with Patroni
  etcd,           ///< a member of etcd
  consul,         ///< a Consul server
  consul_client,  ///< a Consul agent, which also resolves *.consul for the host
  balancer,       ///< HAProxy, and Keepalived where there is a VIP
  backup,         ///< keeps a repository of backups
};
/// The word of the role: "consul_client".
std::string_view to_string(Role role) noexcept;
/// The role of that name; empty where there is none.
std::optional<Role> role_from(std::string_view name) noexcept;

/// What keeps a repository of backups.
enum class RepoType {
  posix,  ///< a directory of a host with the role backup
};
/// The word of the type: "posix".
std::string_view to_string(RepoType type) noexcept;

/// Whether a role, a database, or what is in one is to be there.
enum class ObjectState {
  present,  ///< it is made where it does not exist
  absent,   ///< it is dropped where it exists
};
/// The word of the state: "absent".
std::string_view to_string(ObjectState state) noexcept;

/// What privileges are granted on.
enum class PrivilegeType {
  table,  ///< tables, views, materialized views and foreign tables
  sequence,
  function,
  procedure,
  type,
  schema,
  database,
  language,
  tablespace,
  foreign_data_wrapper,
  foreign_server,
  default_privs,  ///< what others will create
};
/// The word of the type: "default_privs".
std::string_view to_string(PrivilegeType type) noexcept;

/// What a backup copies.
enum class BackupType {
  full,  ///< all files
  diff,  ///< what has changed since the last full backup
  incr,  ///< what has changed since the last backup
};
/// The word of the type: "full".
std::string_view to_string(BackupType type) noexcept;

/// When PgBouncer gives a server connection back to its pool.
enum class PoolMode {
  session,      ///< when the client disconnects
  transaction,  ///< at the end of the transaction
  statement,    ///< after each statement; transactions of several statements are refused
};
/// The word of the mode: "transaction".
std::string_view to_string(PoolMode mode) noexcept;

/// Whether Patroni arms a watchdog, which resets the host of a leader that hangs.
enum class WatchdogMode {
  off,
  automatic,  ///< where the host has a watchdog device
  required,   ///< a member without a watchdog device never leads
};
/// The word of the mode: "automatic".
std::string_view to_string(WatchdogMode mode) noexcept;

/// How Consul spans the datacenters of the hosts.
enum class ConsulLayout {
  stretched,  ///< one Consul datacenter over all of them
  federated,  ///< a Consul datacenter for each; one of them holds the cluster's state
};
/// The word of the layout: "federated".
std::string_view to_string(ConsulLayout layout) noexcept;

/// The resolver that forwards *.consul to Consul, on hosts with the role consul_client.
enum class ConsulDns {
  automatic,         ///< "auto": the one that the host uses
  systemd_resolved,  ///< "systemd-resolved"
  dnsmasq,
  none,  ///< no resolver is configured
};
/// The word of the resolver: "auto".
std::string_view to_string(ConsulDns resolver) noexcept;

/// What happens at the first contact with a host whose key is not in known_hosts. A changed key is always refused.
enum class HostKeyPolicy {
  strict,      ///< the host is refused
  accept_new,  ///< "accept-new": the key is trusted and saved
};
/// The word of the policy: "accept-new".
std::string_view to_string(HostKeyPolicy policy) noexcept;

}  // namespace pgcluster
