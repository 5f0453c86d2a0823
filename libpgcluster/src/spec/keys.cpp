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
      {"patroni_cluster_name", &S::patroni_cluster_name,
       "Name of the cluster: Patroni's scope, and part of the names of services and load balancers.", needed(Format::cluster_name), Effect::fixed,
       "a cluster keeps its name: deploy one with the new name, and move the data there"},
      {"postgresql_version", &S::postgresql_version,
       "Major version of PostgreSQL, which the hosts' package repositories must have. Debian 13 has 17.", range(10, 18), Effect::fixed,
       "deploy a cluster of the new version beside this one, and move the data there (pg_dump, or logical replication)"},
      {"postgresql_port", &S::postgresql_port, "TCP port of PostgreSQL.", port(), Effect::fixed,
       "if clients connect to PgBouncer, HAProxy or the cloud's balancers, change the port of these instead. Otherwise deploy a cluster with the new "
       "port, and move the data there"},
      {"postgresql_parameters", &S::postgresql_parameters,
       "PostgreSQL settings for all members, as in postgresql.conf. A removed setting returns to its default.", like(Format::parameters),
       Effect::restart},
      {"postgresql_pg_hba", &S::postgresql_pg_hba, "Additional lines of pg_hba.conf, inserted before the last rules of pgcluster.", like(Format::hba),
       Effect::reload},
      {"database_allowed_networks", &S::database_allowed_networks,
       "Networks whose hosts may connect to PostgreSQL and PgBouncer, like 10.77.0.0/24. Default: the networks of the interfaces that have the "
       "hosts' addresses. The hosts of the cluster may always connect. Clients of HAProxy may always connect, too, because they come from the "
       "balancer's address, unless firewall_enabled_at_boot is true.",
       like(Format::network), Effect::reload},
      {"postgresql_superuser_remote", &S::postgresql_superuser_remote,
       "Let the superuser in from database_allowed_networks, too. false: only by the Unix sockets and from the cluster's hosts, unless a line of "
       "postgresql_pg_hba names it; through PgBouncer not from hosts with HAProxy.",
       Rule{}, Effect::reload},
      {"postgresql_users", &S::postgresql_users,
       "PostgreSQL roles. A role that is removed from the list stays until it is listed with state: absent."},
      {"postgresql_databases", &S::postgresql_databases,
       "Databases. One that is removed from the list is kept with its data until it is listed with state: absent."},
      {"postgresql_schemas", &S::postgresql_schemas,
       "Schemas in databases. One that is removed from the list is kept with what is in it until it is listed with state: absent."},
      {"postgresql_extensions", &S::postgresql_extensions,
       "Extensions in databases. One that is removed from the list is kept until it is listed with state: absent."},
      {"postgresql_privs", &S::postgresql_privs, "Privileges of roles. One that is removed from the list is revoked; others that the role has stay."},
      {"postgresql_encoding", &S::postgresql_encoding, "Character encoding of the databases, set by initdb.", needed(Format::word), Effect::fixed,
       "give a new database an encoding of its own (postgresql_databases, encoding), or deploy a cluster with it, and move the data there"},
      {"postgresql_locale", &S::postgresql_locale, "Locale of the databases, set by initdb.", needed(Format::word), Effect::fixed,
       "give a new database a locale of its own (postgresql_databases, lc_collate and lc_ctype), or deploy a cluster with it, and move the data "
       "there"},
      {"postgresql_data_checksums", &S::postgresql_data_checksums, "Checksums on data pages, set by initdb.", Rule{}, Effect::fixed,
       "deploy a cluster with the new value, and move the data there"},
      {"dcs_type", &S::dcs_type, "Store that keeps Patroni's state (DCS).", Rule{}, Effect::fixed,
       "deploy a cluster with the other DCS, and move the data there"},
      {"cluster_vip", &S::cluster_vip, "Virtual IP address for clients. It follows the leader; with HAProxy it follows a working balancer.",
       like(Format::ip), Effect::restart},
      {"vip_interface", &S::vip_interface, "Network interface of the VIP. Without it, the interface in whose network the host's address is.",
       like(Format::interface), Effect::restart},
      {"pgbouncer_install", &S::pgbouncer_install, "Run PgBouncer in front of PostgreSQL on each database host.", Rule{}, Effect::restart},
      {"pgbouncer_listen_port", &S::pgbouncer_listen_port, "TCP port of PgBouncer.", port(), Effect::restart},
      {"pgbouncer_max_client_conn", &S::pgbouncer_max_client_conn,
       "Maximum number of client connections to a PgBouncer, capped by LimitNOFILE of its unit.", range(1, kMany), Effect::restart},
      {"pgbouncer_max_db_connections", &S::pgbouncer_max_db_connections, "Maximum number of server connections to one database; 0 means no limit.",
       range(0, kMany), Effect::restart},
      {"pgbouncer_default_pool_size", &S::pgbouncer_default_pool_size, "Maximum number of server connections of one user to one database.",
       range(1, kMany), Effect::reload},
      {"pgbouncer_default_pool_mode", &S::pgbouncer_default_pool_mode,
       "When a server connection returns to the pool: at the end of the session, transaction or statement.", Rule{}, Effect::reload},
      {"pgbouncer_max_prepared_statements", &S::pgbouncer_max_prepared_statements,
       "Prepared statements that PgBouncer keeps on a server connection in the modes transaction and statement; 0 turns their support off.",
       range(0, kMany), Effect::reload},
      {"pgbouncer_query_wait_timeout", &S::pgbouncer_query_wait_timeout,
       "Seconds that a query may wait for a server connection before PgBouncer disconnects the client; 0 means no limit.", range(0, kMany),
       Effect::reload},
      {"pgbouncer_ignore_startup_parameters", &S::pgbouncer_ignore_startup_parameters,
       "Startup parameters of clients that PgBouncer ignores. Default: extra_float_digits, geqo. It rejects a connection with any other parameter "
       "that it "
       "does not know, such as search_path.",
       like(Format::identifier), Effect::reload},
      {"with_haproxy_load_balancing", &S::with_haproxy_load_balancing,
       "Run HAProxy, which routes clients to the leader or to replicas, depending on the port.", Rule{}, Effect::restart},
      {"haproxy_listen_port", &S::haproxy_listen_port, "TCP ports of HAProxy.", Rule{}, Effect::reload},
      {"haproxy_maxconn", &S::haproxy_maxconn, "Maximum numbers of connections through HAProxy, capped by LimitNOFILE of its unit.", Rule{},
       Effect::reload},
      {"haproxy_timeout", &S::haproxy_timeout, "Time after which HAProxy closes an idle session.", Rule{}, Effect::reload},
      {"haproxy_extra", &S::haproxy_extra, "Additional sections, appended unchanged to haproxy.cfg.", like(Format::lines), Effect::reload},
      {"confd_install", &S::confd_install, "Run confd, which keeps HAProxy's server list in step with Patroni's members. Needs confd_binary.", Rule{},
       Effect::reload},
      {"confd_binary", &S::confd_binary, "Program of confd, built with etcd's v3 API: a path on the controller, or url and sha256.", Rule{},
       Effect::restart},
      {"confd_interval", &S::confd_interval, "Seconds between two checks of confd.", range(1, 3600), Effect::restart},
      {"keepalived_virtual_router_id", &S::keepalived_virtual_router_id,
       "VRRP router ID of the VIP, unique in its network; 0 means the last byte of cluster_vip.", range(0, 255), Effect::reload},
      {"cloud_provider",
       &S::cloud_provider,
       "Cloud that runs the hosts. Its load balancers replace HAProxy unless cloud_load_balancer is false.",
       {.may_be_blank = true},
       Effect::restart},
      {"cloud_load_balancer", &S::cloud_load_balancer,
       "Create a load balancer of the cloud for each role. false: none; HAProxy where it is enabled."},
      {"cloud_api_endpoint", &S::cloud_api_endpoint, "URL of the cloud's API instead of the provider's own.", like(Format::url), Effect::none},
      {"server_location", &S::server_location, "Region of the hosts. azure, hetzner: their location; gcp: their zones, separated by commas.",
       like(Format::word)},
      {"server_network", &S::server_network,
       "Network of the hosts. aws: subnets, separated by commas; gcp: NETWORK/SUBNET; azure: VNET/SUBNET; digitalocean: ID of the VPC; hetzner: name "
       "or ID.",
       like(Format::word)},
      {"database_public_access", &S::database_public_access, "Give the cloud's load balancers public addresses."},
      {"database_public_allowed_ips", &S::database_public_allowed_ips,
       "Networks that may connect to the public addresses, like 203.0.113.0/24. Required with database_public_access.", like(Format::network)},
      {"hetzner_load_balancer_type", &S::hetzner_load_balancer_type, "Type of the load balancers at Hetzner.", needed(Format::word)},
      {"digital_ocean_load_balancer_size_unit", &S::digital_ocean_load_balancer_size_unit, "Number of nodes of a load balancer at DigitalOcean.",
       range(1, 100)},
      {"azure_resource_group", &S::azure_resource_group, "Azure resource group of the hosts.", like(Format::word)},
      {"azure_network_security_group", &S::azure_network_security_group,
       "Azure network security group of the hosts, which receives rules for database_public_allowed_ips.", like(Format::word)},
      {"hcloud_api_token", &S::hcloud_api_token, "API token for Hetzner. Default: HCLOUD_TOKEN of the environment.", Rule{}, Effect::none},
      {"do_api_token", &S::do_api_token, "API token for DigitalOcean. Default: DIGITALOCEAN_ACCESS_TOKEN or DIGITALOCEAN_TOKEN of the environment.",
       Rule{}, Effect::none},
      {"aws_access_key_id", &S::aws_access_key_id, "Access key ID for AWS. Default: AWS_ACCESS_KEY_ID of the environment.", Rule{}, Effect::none},
      {"aws_secret_access_key", &S::aws_secret_access_key, "Secret access key for AWS. Default: AWS_SECRET_ACCESS_KEY of the environment.", Rule{},
       Effect::none},
      {"aws_session_token", &S::aws_session_token, "Session token of a temporary key for AWS. Default: AWS_SESSION_TOKEN of the environment.", Rule{},
       Effect::none},
      {"gcp_service_account_contents", &S::gcp_service_account_contents,
       "Service account for Google Cloud, as JSON or its base64. Default: the file that GOOGLE_APPLICATION_CREDENTIALS of the environment names.",
       like(Format::lines), Effect::none},
      {"azure_client_id", &S::azure_client_id, "Client ID of the service principal for Azure. Default: AZURE_CLIENT_ID of the environment.", Rule{},
       Effect::none},
      {"azure_secret", &S::azure_secret, "Client secret of the service principal for Azure. Default: AZURE_CLIENT_SECRET of the environment.", Rule{},
       Effect::none},
      {"azure_tenant", &S::azure_tenant, "Tenant ID of the service principal for Azure. Default: AZURE_TENANT_ID of the environment.", Rule{},
       Effect::none},
      {"azure_subscription_id", &S::azure_subscription_id, "Subscription ID for Azure. Default: AZURE_SUBSCRIPTION_ID of the environment.", Rule{},
       Effect::none},
      {"patroni_superuser_username", &S::patroni_superuser_username, "Name of PostgreSQL's superuser.", needed(Format::identifier), Effect::fixed,
       "add a role with flags LOGIN,SUPERUSER to postgresql_users, and leave this one to pgcluster and Patroni"},
      {"patroni_superuser_password", &S::patroni_superuser_password, "Password of the superuser. Without it, apply generates one.", Rule{},
       Effect::reload},
      {"patroni_replication_username", &S::patroni_replication_username, "Name of the role that replicas connect with.", needed(Format::identifier),
       Effect::fixed, "add a role with flags LOGIN,REPLICATION to postgresql_users, and leave this one to Patroni"},
      {"patroni_replication_password", &S::patroni_replication_password, "Password of the replication role. Without it, apply generates one.", Rule{},
       Effect::reload},
      {"patroni_restapi_username", &S::patroni_restapi_username, "User name for changes through Patroni's REST API.", needed(Format::identifier),
       Effect::reload},
      {"patroni_restapi_password", &S::patroni_restapi_password, "Password for changes through Patroni's REST API. Without it, apply generates one.",
       Rule{}, Effect::reload},
      {"patroni_restapi_port", &S::patroni_restapi_port, "TCP port of Patroni's REST API.", port(), Effect::fixed,
       "deploy a cluster with the new port, and move the data there"},
      {"pgbouncer_auth_password", &S::pgbouncer_auth_password,
       "Password of the role pgbouncer, with which PgBouncer looks up other passwords. Without it, apply generates one.", Rule{}, Effect::reload},
      {"patroni_ttl", &S::patroni_ttl, "Seconds after which a silent leader loses its lock; at least patroni_loop_wait + 2 * patroni_retry_timeout.",
       range(20, 86400)},
      {"patroni_loop_wait", &S::patroni_loop_wait, "Seconds between two runs of Patroni's main loop.", range(1, 3600)},
      {"patroni_retry_timeout", &S::patroni_retry_timeout, "Seconds for which Patroni repeats a failed request to the DCS or to PostgreSQL.",
       range(3, 3600)},
      {"patroni_master_start_timeout", &S::patroni_master_start_timeout,
       "Seconds that a crashed leader has to start again before Patroni fails over; 0 means at once.", range(0, 86400)},
      {"patroni_maximum_lag_on_failover", &S::patroni_maximum_lag_on_failover,
       "Bytes that a replica may lag behind the leader and still become leader.", range(0, std::numeric_limits<std::int64_t>::max())},
      {"patroni_maximum_lag_on_replica", &S::patroni_maximum_lag_on_replica, "Lag up to which a replica serves reads, like 100MB.",
       needed(Format::size), Effect::reload},
      {"failsafe_mode", &S::failsafe_mode, "While the DCS is down, a leader that reaches all members keeps running."},
      {"synchronous_mode", &S::synchronous_mode, "Replicate synchronously: a commit waits for a synchronous replica.", Rule{}, Effect::reload},
      {"synchronous_mode_strict", &S::synchronous_mode_strict, "Block writes while there is no synchronous replica. Needs synchronous_mode."},
      {"synchronous_node_count", &S::synchronous_node_count, "Number of synchronous replicas.", range(1, 64)},
      {"patroni_watchdog_mode", &S::patroni_watchdog_mode,
       "Whether Patroni arms a watchdog, which resets the host of a leader that hangs. automatic: where the host has one; required: a member without "
       "one never leads.",
       Rule{}, Effect::restart},
      {"etcd_client_port", &S::etcd_client_port, "TCP port of etcd for clients.", port(), Effect::fixed,
       "deploy a cluster with the new port, and move the data there"},
      {"etcd_peer_port", &S::etcd_peer_port, "TCP port of etcd for its members.", port(), Effect::fixed,
       "deploy a cluster with the new port, and move the data there"},
      {"consul_layout", &S::consul_layout,
       "stretched: one Consul datacenter over all sites. federated: one for each datacenter of the hosts; one of them keeps the cluster's state.",
       Rule{}, Effect::fixed, "deploy a cluster with the new layout, and move the data there"},
      {"consul_datacenter", &S::consul_datacenter,
       "Consul datacenter that keeps the cluster's state. Default: dc1; federated: the datacenter of the first database host.",
       like(Format::dns_label), Effect::fixed, "deploy a cluster in the other datacenter, and move the data there"},
      {"consul_binary", &S::consul_binary, "Program of Consul instead of the package: a path on the controller, or url and sha256.", Rule{},
       Effect::restart},
      {"consul_dns", &S::consul_dns,
       "Resolver that forwards *.consul to Consul on hosts with the role consul_client. auto: the one that the host uses.", Rule{}, Effect::restart},
      {"consul_encrypt_key", &S::consul_encrypt_key, "Key of Consul's gossip: 16, 24 or 32 bytes in base64. Without it, apply generates one.", Rule{},
       Effect::live},
      {"tls_cert_generate", &S::tls_cert_generate, "Encrypt and authenticate all that crosses a network, with certificates that apply makes.", Rule{},
       Effect::restart},
      {"tls_ca", &S::tls_ca, "An authority of your own that signs the certificates. Without it, apply makes one.", Rule{}, Effect::fixed,
       "add the new root to the file of the certificate, below the old one; apply; write the new key and certificate, the old root below it; "
       "apply; remove the old root; apply"},
      {"tls_cert_valid_days", &S::tls_cert_valid_days,
       "Days for which a certificate is valid. An apply renews it when less than a third of them is left.", range(1, 3650), Effect::reload},
      {"firewall_enabled_at_boot", &S::firewall_enabled_at_boot,
       "Close all ports but those of ssh and of the components, with nftables. Hosts of the cluster reach what they need of each other; clients come "
       "from database_allowed_networks."},
      {"pgbackrest_install", &S::pgbackrest_install,
       "Back up the cluster with pgBackRest: WAL is archived, and backups are made on a schedule. Needs pgbackrest_repos.", Rule{}, Effect::reload},
      {"pgbackrest_stanza", &S::pgbackrest_stanza, "Name of the cluster in its repositories (stanza). Default: patroni_cluster_name.",
       like(Format::word), Effect::reload},
      {"pgbackrest_repos", &S::pgbackrest_repos, "Repositories of backups. What is removed from the list keeps its files.", Rule{}, Effect::reload},
      {"pgbackrest_schedule", &S::pgbackrest_schedule,
       "When backups are made and proven, as OnCalendar= of systemd takes it. A backup that was due while the host was down is made after the host "
       "has started "
       "again."},
      {"sysctl_set", &S::sysctl_set, "Set kernel parameters for a database server."},
      {"sysctl_conf", &S::sysctl_conf, "Additional kernel parameters, which override those of pgcluster.", like(Format::sysctl)},
      {"disable_thp", &S::disable_thp, "Turn off transparent huge pages.", Rule{}, Effect::restart},
      {"etc_hosts", &S::etc_hosts, "Keep the names and addresses of all hosts in a marked block of /etc/hosts."},
      {"ntp_enabled", &S::ntp_enabled, "Keep the clocks synchronised by a time service."},
      {"ssh", &S::ssh, "How ssh reaches the hosts.", Rule{}, Effect::none},
      {"hosts", &S::hosts, "The hosts by name. The first database host is the preferred leader at bootstrap.", {.required = true}},
      {"extra", &S::extra, "Settings of your own components, by component.", like(Format::yaml)},
  };
  return keys;
}

template <>
const std::vector<Key<HostSpec>>& of<HostSpec>() {
  using H = HostSpec;
  static const std::vector<Key<HostSpec>> keys{
      {"address", &H::address, "IP address for the traffic between the hosts.", needed(Format::ip)},
      {"datacenter", &H::datacenter, "Datacenter of the host, default dc1.", {.format = Format::word, .fallback = "dc1"}},
      {"roles", &H::roles, "Roles of the host. A host without roles is a database host."},
      {"patroni_tags", &H::patroni_tags, "Patroni's tags of this member.", like(Format::tags)},
      {"cloud_id", &H::cloud_id, "The cloud's ID of this server. Without it, the server is found by address or name.", like(Format::word)},
      {"ssh", &H::ssh, "How ssh reaches this host, where it differs from the cluster."},
      {"consul_dns", &H::consul_dns, "consul_dns of this host, where it differs from the cluster.", {.may_be_blank = true}},
  };
  return keys;
}

template <>
const std::vector<Key<HaproxyPorts>>& of<HaproxyPorts>() {
  using P = HaproxyPorts;
  static const Rule optional = range(0, 65535);
  static const std::vector<Key<HaproxyPorts>> keys{
      {"master", &P::master, "Port that leads to the leader.", port()},
      {"replicas", &P::replicas, "Port that leads to all replicas; 0: none.", optional},
      {"replicas_sync", &P::replicas_sync, "Port that leads to synchronous replicas; 0: none.", optional},
      {"replicas_async", &P::replicas_async, "Port that leads to asynchronous replicas; 0: none.", optional},
      {"stats", &P::stats,
       "Port of HAProxy's statistics (HTTPS, or HTTP with tls_cert_generate: false), which apply and the health check of the VIP read.", port()},
      {"master_direct", &P::master_direct, "Port that leads to the leader's PostgreSQL, not through PgBouncer; 0: none.", optional},
      {"replicas_direct", &P::replicas_direct, "Port that leads to PostgreSQL of all replicas, not through PgBouncer; 0: none.", optional},
      {"replicas_sync_direct", &P::replicas_sync_direct, "Port that leads to PostgreSQL of synchronous replicas, not through PgBouncer; 0: none.",
       optional},
      {"replicas_async_direct", &P::replicas_async_direct, "Port that leads to PostgreSQL of asynchronous replicas, not through PgBouncer; 0: none.",
       optional},
  };
  return keys;
}

template <>
const std::vector<Key<HaproxyMaxconn>>& of<HaproxyMaxconn>() {
  using M = HaproxyMaxconn;
  static const std::vector<Key<HaproxyMaxconn>> keys{
      {"global", &M::global, "Maximum for all ports together.", range(1, kMany)},
      {"master", &M::master, "Maximum for each port to the leader.", range(1, kMany)},
      {"replica", &M::replica, "Maximum for each port to replicas.", range(1, kMany)},
  };
  return keys;
}

template <>
const std::vector<Key<HaproxyTimeout>>& of<HaproxyTimeout>() {
  using T = HaproxyTimeout;
  static const std::vector<Key<HaproxyTimeout>> keys{
      {"client", &T::client, "Idle time of the client, in HAProxy's notation: 60m, 30s.", needed(Format::duration)},
      {"server", &T::server, "Idle time of the server, in HAProxy's notation: 60m, 30s.", needed(Format::duration)},
  };
  return keys;
}

template <>
const std::vector<Key<TlsCa>>& of<TlsCa>() {
  static const std::vector<Key<TlsCa>> keys{
      {"certificate", &TlsCa::certificate, "Path of its certificate (PEM) on the controller; certificates up to the root follow in the same file.",
       like(Format::path)},
      {"key", &TlsCa::key,
       "Path of its private key (PEM, without a passphrase) on the controller. It is read when certificates are signed, and never copied to a host.",
       like(Format::path)},
  };
  return keys;
}

template <>
const std::vector<Key<BinarySpec>>& of<BinarySpec>() {
  using B = BinarySpec;
  static const std::vector<Key<BinarySpec>> keys{
      {"url", &B::url, "URL that the hosts download the program from.", needed(Format::url)},
      {"sha256", &B::sha256, "SHA-256 of the download, in hexadecimal.", needed(Format::sha256)},
  };
  return keys;
}

template <>
const std::vector<Key<UserSpec>>& of<UserSpec>() {
  static const std::vector<Key<UserSpec>> keys{
      {"name", &UserSpec::name, "Name of the role.", needed(Format::database)},
      {"password", &UserSpec::password, "Password of the role. Without it, apply generates one."},
      {"flags",
       &UserSpec::flags,
       "Attributes as in CREATE ROLE, in any case, separated by commas: LOGIN,CREATEDB,NOSUPERUSER. Default: LOGIN.",
       {.format = Format::flags, .fallback = "LOGIN"}},
      {"connection_limit", &UserSpec::connection_limit, "Maximum number of concurrent sessions of the role; -1 means no limit.", range(-1, kMany)},
      {"valid_until", &UserSpec::valid_until,
       "Time after which the password no longer works: 2027-01-31, or 2027-01-31 18:00+01. Without a time zone it is UTC. Default: it never "
       "expires."},
      {"member_of",
       &UserSpec::member_of,
       "Roles whose privileges the role gets, such as pg_monitor or others of postgresql_users. A membership that is removed from the list is "
       "revoked; "
       "others that the role has stay.",
       {.format = Format::database, .one_or_many = true}},
      {"state", &UserSpec::state, "absent: the role is dropped. It must not own anything or have privileges in a database."},
  };
  return keys;
}

template <>
const std::vector<Key<DatabaseSpec>>& of<DatabaseSpec>() {
  using D = DatabaseSpec;
  static const std::vector<Key<DatabaseSpec>> keys{
      {"db", &D::db, "Name of the database.", needed(Format::database)},
      {"owner", &D::owner, "Owner of the database: one of postgresql_users, or the superuser, which is the default.", like(Format::database)},
      {"encoding", &D::encoding, "Character encoding, where it differs from postgresql_encoding.", like(Format::word)},
      {"lc_collate", &D::lc_collate, "Collation, where it differs from postgresql_locale.", like(Format::word)},
      {"lc_ctype", &D::lc_ctype, "Character classification, where it differs from postgresql_locale.", like(Format::word)},
      {"template", &D::template_,
       "Database that is copied when this one is created. Default: template1, or template0 with an encoding or locale of its own.",
       like(Format::database)},
      {"state", &D::state, "absent: the database is dropped with its data. It must not have sessions."},
  };
  return keys;
}

template <>
const std::vector<Key<SchemaSpec>>& of<SchemaSpec>() {
  using S = SchemaSpec;
  static const std::vector<Key<SchemaSpec>> keys{
      {"schema", &S::schema, "Name of the schema.", needed(Format::database)},
      {"db", &S::db, "Database that it is in: one of postgresql_databases, or another that exists.", needed(Format::database)},
      {"owner", &S::owner, "Owner of the schema: one of postgresql_users, or the superuser, which is the default.", like(Format::database)},
      {"state", &S::state, "absent: the schema is dropped. Nothing must be in it."},
  };
  return keys;
}

template <>
const std::vector<Key<ExtensionSpec>>& of<ExtensionSpec>() {
  using E = ExtensionSpec;
  static const std::vector<Key<ExtensionSpec>> keys{
      {"ext", &E::ext, "Name of the extension. Every database host must have its files.", needed(Format::database)},
      {"db", &E::db, "Database that it is in: one of postgresql_databases, or another that exists.", needed(Format::database)},
      {"schema", &E::schema, "Schema that the objects of the extension are in. Default: public, or the one that the extension itself demands.",
       like(Format::database)},
      {"version", &E::version,
       "Version of the extension; latest: the one that the files of the host have as their default. Without it, the default when the extension is "
       "created, and no update later.",
       like(Format::word)},
      {"state", &E::state, "absent: the extension is dropped. Nothing must need it."},
  };
  return keys;
}

template <>
const std::vector<Key<PrivilegeSpec>>& of<PrivilegeSpec>() {
  using P = PrivilegeSpec;
  static const std::vector<Key<PrivilegeSpec>> keys{
      {"role", &P::role, "Role that gets the privileges: one of postgresql_users, another that exists, or PUBLIC.", needed(Format::database)},
      {"privs", &P::privs, "Privileges, separated by commas: SELECT,INSERT. ALL: all that the type has.", {.required = true, .one_or_many = true}},
      {"type", &P::type, "What the privileges are on."},
      {"objs",
       &P::objs,
       "Names of the objects, separated by commas; ALL_IN_SCHEMA: all that the schema has at the time of an apply. Functions and procedures may "
       "have their argument types: add(integer, integer). For type database: default db. For type default_privs: TABLES, SEQUENCES, FUNCTIONS, "
       "TYPES, "
       "SCHEMAS, or ALL_DEFAULT for the first four.",
       {.one_or_many = true}},
      {"schema", &P::schema,
       "Schema of the objects, for the types table, sequence, function, procedure and type. Default: public. For type default_privs: default all "
       "schemas.",
       like(Format::database)},
      {"db", &P::db, "Database that the objects are in: one of postgresql_databases, or another that exists.", needed(Format::database)},
      {"target_roles",
       &P::target_roles,
       "For type default_privs: roles whose future objects get the privileges. Default: the owner of the schema or else of the database in this "
       "file, "
       "or else the superuser.",
       {.format = Format::database, .one_or_many = true}},
      {"state", &P::state, "absent: the privileges are revoked, whoever granted them as the owner."},
  };
  return keys;
}

template <>
const std::vector<Key<RepoSpec>>& of<RepoSpec>() {
  using R = RepoSpec;
  static const std::vector<Key<RepoSpec>> keys{
      {"type", &R::type, "What keeps it. posix: a directory of a host."},
      {"host", &R::host, "Host with the role backup. Default: the only one.", like(Format::word)},
      {"path", &R::path, "Directory on that host.", needed(Format::word)},
      {"retention_full", &R::retention_full, "Number of full backups that are kept, with all that depends on them.", range(1, 9999)},
      {"retention_diff", &R::retention_diff, "Number of differential backups that are kept. Default: as many as their full backups.", range(1, 9999)},
      {"cipher", &R::cipher, "Encrypt the repository. It cannot be changed later."},
      {"cipher_pass", &R::cipher_pass, "Passphrase of the repository. Without it, apply generates one. It cannot be changed later."},
  };
  return keys;
}

template <>
const std::vector<Key<BackupSchedule>>& of<BackupSchedule>() {
  using B = BackupSchedule;
  static const std::vector<Key<BackupSchedule>> keys{
      {"full", &B::full, "Full backups: all files. Empty: none."},
      {"diff", &B::diff, "Differential backups: what has changed since the last full one. Empty: none."},
      {"incr", &B::incr, "Incremental backups: what has changed since the last backup. Empty: none."},
      {"prove", &B::prove, "Proofs: a database host restores the newest backup of each repository to try it. Empty: none."},
  };
  return keys;
}

template <>
const std::vector<Key<SshSpec>>& of<SshSpec, Spec>() {
  using S = SshSpec;
  static const std::vector<Key<SshSpec>> keys{
      {"user", &S::user, "Login name, default root. Another user needs sudo.", {.format = Format::word, .fallback = "root"}},
      {"port", &S::port, "TCP port of sshd, default 22.", {.min = 1, .max = 65535, .fallback = "22"}},
      {"private_key",
       &S::private_key,
       "Path of a private key, or several. Default: the keys of the agent and the usual files.",
       {.format = Format::path, .one_or_many = true}},
      {"passphrase", &S::passphrase, "Passphrase of encrypted private keys that the agent does not have."},
      {"password", &S::password, "Password of the user, tried after the keys. It is sent to the host itself only, never to a jump host."},
      {"sudo_password", &S::sudo_password, "Password of the user for sudo. Without it, sudo must not ask for one."},
      {"known_hosts",
       &S::known_hosts,
       "Path of the file of known host keys, default ~/.ssh/known_hosts.",
       {.format = Format::path, .fallback = "~/.ssh/known_hosts"}},
      {"host_key",
       &S::host_key,
       "strict, the default: refuse a host whose key is not known. accept-new: trust it and save its key. A changed key is always refused.",
       {.fallback = "strict"}},
      {"jump",
       &S::jump,
       "Jump hosts, one or several in order, each in the notation of `ssh -J`; none: connect directly. All use the same keys.",
       {.format = Format::hop, .one_or_many = true}},
      {"config",
       &S::config,
       "Path of an ssh_config, default ~/.ssh/config. It supplies settings that are missing here, but only for hosts and jump hosts that are given "
       "by name (ssh.host: db1), not by IP address; none: read no file.",
       {.format = Format::path_or_none, .fallback = "~/.ssh/config"}},
      {"transport",
       &S::transport,
       "libssh2, the default: built in. openssh: the system's ssh client, for FIDO keys, certificates, GSSAPI and old RSA keys. local: no ssh, the "
       "host is this "
       "machine.",
       {.words = {"libssh2", "openssh", "local"}, .fallback = "libssh2"}},
  };
  return keys;
}

template <>
const std::vector<Key<SshSpec>>& of<SshSpec, HostSpec>() {
  static const std::vector<Key<SshSpec>> keys = [] {
    std::vector<Key<SshSpec>> all{
        {"host", &SshSpec::host, "Name or address that ssh connects to instead of the host's address.", like(Format::host_or_ip)}};
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
      {"clonefrom", boolean, "Preferred source of new replicas."},
      {"nosync", boolean, "Never becomes a synchronous replica."},
      {"nostream", boolean, "Replicates from archived WAL only."},
      {"replicatefrom", host, "Replicates from this member instead of the leader."},
      {"failover_priority", number, "Priority among equally good candidates at a failover, the highest first; 0: never becomes leader."},
      {"sync_priority", number, "Priority among equally good candidates for a synchronous replica, the highest first; 0: never."},
  };
  return tags;
}

std::string_view to_string(Effect effect) noexcept {
  switch (effect) {
    case Effect::none:
      return "none";
    case Effect::live:
      return "live";
    case Effect::reload:
      return "reload";
    case Effect::restart:
      return "restart";
    case Effect::fixed:
      return "fixed";
  }
  return "";
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
      return "^[^\\u0000-\\u001f]{1,63}$";
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
