#include "spec/keys.hpp"

namespace pgcluster::keys {
namespace {

Rule range(std::int64_t min, std::int64_t max) { return {.min = min, .max = max}; }
Rule port() { return range(1, 65535); }
Rule like(Format format) { return {.format = format}; }
Rule needed(Format format) { return {.required = true, .format = format}; }

constexpr std::int64_t kMany = 2'147'483'647;

}  // namespace

template <>
const std::vector<Key<Spec>>& of<Spec>() {
  using S = Spec;
  static const std::vector<Key<Spec>> keys{
      {"patroni_cluster_name", &S::patroni_cluster_name, "Name of the cluster: Patroni's scope, and part of names everywhere.",
       needed(Format::cluster_name)},
      {"postgresql_version", &S::postgresql_version, "Major version of PostgreSQL. Debian 13 has 17.", range(10, 18)},
      {"postgresql_port", &S::postgresql_port, "Port of PostgreSQL.", port()},
      {"postgresql_parameters", &S::postgresql_parameters, "Settings of PostgreSQL for all members, as in postgresql.conf.",
       like(Format::parameters)},
      {"postgresql_pg_hba", &S::postgresql_pg_hba, "Further lines of pg_hba.conf, before the last ones of pgcluster.", like(Format::hba)},
      {"postgresql_users", &S::postgresql_users, "Roles to create."},
      {"postgresql_databases", &S::postgresql_databases, "Databases to create."},
      {"postgresql_encoding", &S::postgresql_encoding, "Encoding of the cluster's databases.", needed(Format::word)},
      {"postgresql_locale", &S::postgresql_locale, "Locale of the cluster's databases.", needed(Format::word)},
      {"postgresql_data_checksums", &S::postgresql_data_checksums, "Checksums of data pages; only at initdb."},
      {"dcs_type", &S::dcs_type, "Where Patroni keeps the cluster's state."},
      {"cluster_vip", &S::cluster_vip, "An address that follows the leader.", like(Format::ip)},
      {"vip_interface", &S::vip_interface, "Interface of the VIP; without it the one in whose network the host's address is.",
       like(Format::interface)},
      {"pgbouncer_install", &S::pgbouncer_install, "PgBouncer in front of each PostgreSQL."},
      {"pgbouncer_listen_port", &S::pgbouncer_listen_port, "Port of PgBouncer.", port()},
      {"pgbouncer_max_client_conn", &S::pgbouncer_max_client_conn, "Most connections of clients; no more than the unit's LimitNOFILE allows.",
       range(1, kMany)},
      {"pgbouncer_max_db_connections", &S::pgbouncer_max_db_connections, "Most connections to one database; 0: no limit.", range(0, kMany)},
      {"pgbouncer_default_pool_size", &S::pgbouncer_default_pool_size, "Server connections of one user and database.", range(1, kMany)},
      {"pgbouncer_default_pool_mode", &S::pgbouncer_default_pool_mode, "When a server connection goes back to the pool."},
      {"pgbouncer_max_prepared_statements", &S::pgbouncer_max_prepared_statements, "Prepared statements kept for pools of transactions; 0: none.",
       range(0, kMany)},
      {"pgbouncer_query_wait_timeout", &S::pgbouncer_query_wait_timeout, "Seconds that a query waits for a server connection; 0: for ever.",
       range(0, kMany)},
      {"with_haproxy_load_balancing", &S::with_haproxy_load_balancing, "HAProxy in front of the members."},
      {"haproxy_listen_port", &S::haproxy_listen_port, "Ports of HAProxy."},
      {"haproxy_maxconn", &S::haproxy_maxconn, "Most connections; no more than the unit's LimitNOFILE allows."},
      {"haproxy_timeout", &S::haproxy_timeout, "How long a session may be idle."},
      {"haproxy_extra", &S::haproxy_extra, "Further sections of haproxy.cfg, which stand at its end as they are.", like(Format::lines)},
      {"confd_install", &S::confd_install, "confd keeps HAProxy's servers equal to Patroni's members; it needs confd_binary."},
      {"confd_binary", &S::confd_binary, "confd, of a version with etcd's v3 API: a path on this machine, or url and sha256."},
      {"confd_interval", &S::confd_interval, "Seconds between two looks of confd.", range(1, 3600)},
      {"keepalived_virtual_router_id", &S::keepalived_virtual_router_id,
       "VRRP's number of the VIP, of its own in the network; 0: the last byte of cluster_vip.", range(0, 255)},
      {"cloud_provider", &S::cloud_provider, "Whose servers the hosts are; its load balancers then stand in front.", {.may_be_blank = true}},
      {"cloud_load_balancer", &S::cloud_load_balancer, "One load balancer of the cloud for each role; false: HAProxy where it is asked for."},
      {"cloud_api_endpoint", &S::cloud_api_endpoint, "Another address of the cloud's API.", like(Format::url)},
      {"server_location", &S::server_location, "Region (azure, hetzner: location) of the servers; for gcp their zone.", like(Format::word)},
      {"server_network", &S::server_network,
       "The servers' network: aws: subnets, with commas between them; gcp: NETWORK/SUBNET; azure: VNET/SUBNET; digitalocean: id of the VPC; hetzner: "
       "name or id.",
       like(Format::word)},
      {"database_public_access", &S::database_public_access, "The cloud's load balancers also have public addresses."},
      {"database_public_allowed_ips", &S::database_public_allowed_ips, "Networks that may connect to a public address, like 203.0.113.0/24.",
       like(Format::network)},
      {"hetzner_load_balancer_type", &S::hetzner_load_balancer_type, "Type of Hetzner's load balancers.", needed(Format::word)},
      {"digital_ocean_load_balancer_size_unit", &S::digital_ocean_load_balancer_size_unit, "Size of DigitalOcean's load balancers.", range(1, 100)},
      {"azure_resource_group", &S::azure_resource_group, "Resource group of the servers.", like(Format::word)},
      {"azure_network_security_group", &S::azure_network_security_group,
       "Its network security group, which holds the allow list of a public address.", like(Format::word)},
      {"hcloud_api_token", &S::hcloud_api_token, "Hetzner's token; without it HCLOUD_TOKEN."},
      {"do_api_token", &S::do_api_token, "DigitalOcean's token; without it DIGITALOCEAN_ACCESS_TOKEN or DIGITALOCEAN_TOKEN."},
      {"aws_access_key_id", &S::aws_access_key_id, "AWS's key; without it AWS_ACCESS_KEY_ID."},
      {"aws_secret_access_key", &S::aws_secret_access_key, "The secret of it; without it AWS_SECRET_ACCESS_KEY."},
      {"aws_session_token", &S::aws_session_token, "The token of a temporary key; without it AWS_SESSION_TOKEN."},
      {"gcp_service_account_contents", &S::gcp_service_account_contents,
       "Google's service account (JSON, may be in base64); without it the file of GOOGLE_APPLICATION_CREDENTIALS.", like(Format::lines)},
      {"azure_client_id", &S::azure_client_id, "Azure's service principal; without it AZURE_CLIENT_ID."},
      {"azure_secret", &S::azure_secret, "Its secret; without it AZURE_CLIENT_SECRET."},
      {"azure_tenant", &S::azure_tenant, "Its tenant; without it AZURE_TENANT_ID."},
      {"azure_subscription_id", &S::azure_subscription_id, "The subscription; without it AZURE_SUBSCRIPTION_ID."},
      {"patroni_superuser_username", &S::patroni_superuser_username, "PostgreSQL's superuser.", needed(Format::identifier)},
      {"patroni_superuser_password", &S::patroni_superuser_password, "Its password; without it one is made."},
      {"patroni_replication_username", &S::patroni_replication_username, "The role that replicas connect with.", needed(Format::identifier)},
      {"patroni_replication_password", &S::patroni_replication_password, "Its password; without it one is made."},
      {"patroni_restapi_username", &S::patroni_restapi_username, "Who may change something by Patroni's REST API.", needed(Format::identifier)},
      {"patroni_restapi_password", &S::patroni_restapi_password, "The password for it; without it one is made."},
      {"patroni_restapi_port", &S::patroni_restapi_port, "Port of Patroni's REST API.", port()},
      {"pgbouncer_auth_password", &S::pgbouncer_auth_password, "Password of the role pgbouncer, which looks up the others'; without it one is made."},
      {"patroni_ttl", &S::patroni_ttl, "Seconds after which a silent leader loses its place; at least loop_wait + 2 * retry_timeout.",
       range(20, 86400)},
      {"patroni_loop_wait", &S::patroni_loop_wait, "Seconds between two looks of Patroni.", range(1, 3600)},
      {"patroni_retry_timeout", &S::patroni_retry_timeout, "Seconds for which Patroni tries again to reach the DCS or PostgreSQL.", range(3, 3600)},
      {"patroni_master_start_timeout", &S::patroni_master_start_timeout, "Seconds that a crashed leader may take to start before it fails over.",
       range(0, 86400)},
      {"patroni_maximum_lag_on_failover", &S::patroni_maximum_lag_on_failover, "Bytes that a replica may lag behind and still become leader.",
       range(0, std::numeric_limits<std::int64_t>::max())},
      {"patroni_maximum_lag_on_replica", &S::patroni_maximum_lag_on_replica, "How far a replica may lag behind and still serve reads.",
       needed(Format::size)},
      {"failsafe_mode", &S::failsafe_mode, "A leader that sees all members goes on without the DCS."},
      {"synchronous_mode", &S::synchronous_mode, "A commit waits for a synchronous replica."},
      {"synchronous_mode_strict", &S::synchronous_mode_strict, "Without a synchronous replica nothing is written; needs synchronous_mode."},
      {"synchronous_node_count", &S::synchronous_node_count, "How many replicas are synchronous.", range(1, 64)},
      {"patroni_watchdog_mode", &S::patroni_watchdog_mode, "A watchdog that resets a leader which hangs."},
      {"etcd_client_port", &S::etcd_client_port, "Port of etcd for clients.", port()},
      {"etcd_peer_port", &S::etcd_peer_port, "Port of etcd for its members.", port()},
      {"consul_layout", &S::consul_layout,
       "stretched: one Consul datacenter over all sites; federated: one for each of the hosts' datacenters, and the cluster's state in one of them."},
      {"consul_datacenter", &S::consul_datacenter,
       "Consul's datacenter that holds the cluster's state; without it dc1, and federated that of the first database host.", like(Format::dns_label)},
      {"consul_binary", &S::consul_binary, "Consul's program, instead of the package: a path on this machine, or url and sha256."},
      {"consul_dns", &S::consul_dns,
       "Which resolver of the hosts with the role consul_client asks Consul for *.consul; auto: the one that the host uses."},
      {"consul_encrypt_key", &S::consul_encrypt_key, "Key of Consul's gossip, 16, 24 or 32 bytes as base64; without it one is made."},
      {"sysctl_set", &S::sysctl_set, "Set kernel parameters that suit a database."},
      {"sysctl_conf", &S::sysctl_conf, "Further kernel parameters; they win over ours.", like(Format::sysctl)},
      {"disable_thp", &S::disable_thp, "Turn transparent huge pages off."},
      {"etc_hosts", &S::etc_hosts, "Names and addresses of all hosts in a marked block of /etc/hosts."},
      {"ntp_enabled", &S::ntp_enabled, "Keep the clocks right."},
      {"ssh", &S::ssh, "How ssh reaches the hosts."},
      {"hosts", &S::hosts, "The hosts by name; the first database host is preferred as leader at bootstrap.", {.required = true}},
      {"extra", &S::extra, "What your own components need, by their names.", like(Format::yaml)},
  };
  return keys;
}

template <>
const std::vector<Key<HostSpec>>& of<HostSpec>() {
  using H = HostSpec;
  static const std::vector<Key<HostSpec>> keys{
      {"address", &H::address, "IP address of the cluster's own traffic.", needed(Format::ip)},
      {"datacenter", &H::datacenter, "Where the host stands.", {.format = Format::word, .fallback = "dc1"}},
      {"roles", &H::roles, "What the host does; without it: a database node."},
      {"patroni_tags", &H::patroni_tags, "Patroni's tags of this member.", like(Format::tags)},
      {"cloud_id", &H::cloud_id, "The cloud's id of this server; without it found by address or name.", like(Format::word)},
      {"ssh", &H::ssh, "How ssh reaches this host, where it differs."},
      {"consul_dns", &H::consul_dns, "As the cluster's key of the same name, where this host differs.", {.may_be_blank = true}},
  };
  return keys;
}

template <>
const std::vector<Key<HaproxyPorts>>& of<HaproxyPorts>() {
  using P = HaproxyPorts;
  static const Rule optional = range(0, 65535);
  static const std::vector<Key<HaproxyPorts>> keys{
      {"master", &P::master, "To the leader.", port()},
      {"replicas", &P::replicas, "To all replicas; 0: none.", optional},
      {"replicas_sync", &P::replicas_sync, "To synchronous replicas; 0: none.", optional},
      {"replicas_async", &P::replicas_async, "To asynchronous replicas; 0: none.", optional},
      {"stats", &P::stats, "HAProxy's statistics, by HTTP.", port()},
      {"master_direct", &P::master_direct, "To the leader's PostgreSQL, past PgBouncer; 0: none.", optional},
      {"replicas_direct", &P::replicas_direct, "To all replicas, past PgBouncer; 0: none.", optional},
      {"replicas_sync_direct", &P::replicas_sync_direct, "To synchronous replicas, past PgBouncer; 0: none.", optional},
      {"replicas_async_direct", &P::replicas_async_direct, "To asynchronous replicas, past PgBouncer; 0: none.", optional},
  };
  return keys;
}

template <>
const std::vector<Key<HaproxyMaxconn>>& of<HaproxyMaxconn>() {
  using M = HaproxyMaxconn;
  static const std::vector<Key<HaproxyMaxconn>> keys{
      {"global", &M::global, "Of all ports together.", range(1, kMany)},
      {"master", &M::master, "Of a port to the leader.", range(1, kMany)},
      {"replica", &M::replica, "Of a port to replicas.", range(1, kMany)},
  };
  return keys;
}

template <>
const std::vector<Key<HaproxyTimeout>>& of<HaproxyTimeout>() {
  using T = HaproxyTimeout;
  static const std::vector<Key<HaproxyTimeout>> keys{
      {"client", &T::client, "On the client's side.", needed(Format::duration)},
      {"server", &T::server, "On the server's side.", needed(Format::duration)},
  };
  return keys;
}

template <>
const std::vector<Key<BinarySpec>>& of<BinarySpec>() {
  using B = BinarySpec;
  static const std::vector<Key<BinarySpec>> keys{
      {"url", &B::url, "Where the hosts download it.", needed(Format::url)},
      {"sha256", &B::sha256, "What its SHA-256 must be.", needed(Format::sha256)},
  };
  return keys;
}

template <>
const std::vector<Key<UserSpec>>& of<UserSpec>() {
  static const std::vector<Key<UserSpec>> keys{
      {"name", &UserSpec::name, "Name of the role.", needed(Format::database)},
      {"password", &UserSpec::password, "Its password; without it one is made."},
      {"flags", &UserSpec::flags, "Attributes as of CREATE ROLE: LOGIN,CREATEDB,NOSUPERUSER.", {.format = Format::flags, .fallback = "LOGIN"}},
  };
  return keys;
}

template <>
const std::vector<Key<DatabaseSpec>>& of<DatabaseSpec>() {
  using D = DatabaseSpec;
  static const std::vector<Key<DatabaseSpec>> keys{
      {"db", &D::db, "Name of the database.", needed(Format::database)},
      {"owner", &D::owner, "Who owns it: one of postgresql_users, or the superuser, who it is without this.", like(Format::database)},
      {"encoding", &D::encoding, "Its encoding, where it differs from postgresql_encoding.", like(Format::word)},
      {"lc_collate", &D::lc_collate, "Its collation, where it differs from postgresql_locale.", like(Format::word)},
      {"lc_ctype", &D::lc_ctype, "Its classes of characters, where they differ from postgresql_locale.", like(Format::word)},
  };
  return keys;
}

template <>
const std::vector<Key<SshSpec>>& of<SshSpec, Spec>() {
  using S = SshSpec;
  static const std::vector<Key<SshSpec>> keys{
      {"user", &S::user, "Who logs in; others than root use sudo.", {.format = Format::word, .fallback = "root"}},
      {"port", &S::port, "Port of sshd.", {.min = 1, .max = 65535, .fallback = "22"}},
      {"private_key",
       &S::private_key,
       "Path of a private key, or several; without it the agent's and the usual ones.",
       {.format = Format::path, .one_or_many = true}},
      {"passphrase", &S::passphrase, "Passphrase of the private keys that have one and are not in the agent."},
      {"password", &S::password,
       "Password of the user, for hosts that take no key; tried after the keys, and at the host itself only, never at a hop."},
      {"sudo_password", &S::sudo_password, "Password of the user for sudo; without it sudo must ask for none."},
      {"known_hosts", &S::known_hosts, "Path of the file of known host keys.", {.format = Format::path, .fallback = "~/.ssh/known_hosts"}},
      {"host_key", &S::host_key, "Whether a host that is not known yet is trusted; a changed key never is.", {.fallback = "strict"}},
      {"jump",
       &S::jump,
       "The way to the host, as user@host:port, one or several in their order; none: straight. Each is logged in to with the same keys.",
       {.format = Format::hop, .one_or_many = true}},
      {"config",
       &S::config,
       "Path of the ssh_config that gives what is not said here, for hosts and hops that are named (ssh.host: db1), never for IP addresses; none: no "
       "file.",
       {.format = Format::path_or_none, .fallback = "~/.ssh/config"}},
      {"transport",
       &S::transport,
       "libssh2; openssh: the system's ssh client, for FIDO keys, certificates, GSSAPI and old RSA keys; local: no ssh, the host is this machine.",
       {.words = {"libssh2", "openssh", "local"}, .fallback = "libssh2"}},
  };
  return keys;
}

template <>
const std::vector<Key<SshSpec>>& of<SshSpec, HostSpec>() {
  static const std::vector<Key<SshSpec>> keys = [] {
    std::vector<Key<SshSpec>> all{{"host", &SshSpec::host, "ssh goes to this name or address instead.", like(Format::host_or_ip)}};
    for (Key<SshSpec> key : of<SshSpec, Spec>()) {
      key.rule.fallback = {};  // what a host does not say is as in the cluster's ssh
      all.push_back(key);
    }
    return all;
  }();
  return keys;
}

const std::vector<Tag>& patroni_tags() {
  using enum Tag::Type;
  static const std::vector<Tag> tags{
      {"nofailover", boolean, "Never becomes leader."},
      {"noloadbalance", boolean, "Serves no reads of clients."},
      {"clonefrom", boolean, "New replicas are preferably copied from it."},
      {"nosync", boolean, "Never becomes a synchronous replica."},
      {"nostream", boolean, "Follows by archived WAL only."},
      {"replicatefrom", host, "Replicates from this member instead of the leader."},
      {"failover_priority", number, "Among equals the highest becomes leader; 0: never."},
      {"sync_priority", number, "Among equals the highest becomes synchronous; 0: never."},
  };
  return tags;
}

std::string_view pattern(Format format) {
  switch (format) {
    case Format::label:
      return "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";
    case Format::dns_label:
      return "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
    case Format::identifier:
      return "^[a-z_][a-z0-9_]{0,62}$";
    case Format::cluster_name:
      return "^[a-z0-9][a-z0-9_-]{0,62}$";
    case Format::host_or_ip:
      return "^[A-Za-z0-9._:][A-Za-z0-9._:-]*$";
    case Format::hop:
      return "^([^\\s@'\"\\\\/"
             "]+@)?([A-Za-z0-9._][A-Za-z0-9._-]*(:[0-9]{1,5})?|\\[[0-9A-Fa-f:.]+\\](:[0-9]{1,5})?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$";
    case Format::word:
      return "^[^\\s'\"\\\\]+$";
    case Format::size:
      return "^[0-9]+ ?(B|kB|MB|GB|TB)?$";
    case Format::interface:
      return "^[^\\s/]{1,15}$";
    case Format::database:
      return "^[^\\u0000-\\u001f\"]{1,63}$";
    case Format::network:
      return "^[0-9A-Fa-f.:]+/[0-9]{1,3}$";
    case Format::duration:
      return "^[1-9][0-9]{0,8}(us|ms|s|m|h|d)?$";
    case Format::sha256:
      return "^[0-9a-fA-F]{64}$";
    case Format::url:
      return "^(https?|file)://[^\\s'\"\\\\]+$";
    case Format::hba:
      return "^(local|host|hostssl|hostnossl|hostgssenc|hostnogssenc)\\s";
    default:
      return {};
  }
}

}  // namespace pgcluster::keys
