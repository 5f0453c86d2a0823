#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pgcluster/base/error.hpp>
#include <pgcluster/base/text.hpp>
#include <pgcluster/op/access.hpp>
#include <pgcluster/spec/choices.hpp>

namespace PGCLUSTER_API pgcluster {

/// A password in a spec. Without a value, apply generates one.
struct SpecSecret {
  /// The password itself.
  std::string value{};
  /// Source of the value: "!env NAME" or "!file PATH"; empty where the spec contains the value itself.
  std::string origin{};
  /// Whether the spec has a value for it.
  bool given() const noexcept { return !value.empty(); }
  friend bool operator==(const SpecSecret&, const SpecSecret&) = default;
};

/// How ssh reaches hosts. An empty member of a host's own `ssh` takes the value of the spec's `ssh`, in which `host` must be empty.
struct SshSpec {
  /// Login name, default root. Another user needs sudo.
  std::optional<std::string> user{};
  /// TCP port of sshd, default 22.
  std::optional<int> port{};
  /// Name or address that ssh connects to instead of the host's address.
  std::optional<std::string> host{};
  /// Path of a private key, or several. Default: the keys of the agent and the usual files.
  std::vector<std::string> private_key{};
  /// Passphrase of encrypted private keys that the agent does not have.
  SpecSecret passphrase{};
  /// Password of the user, tried after the keys. It is sent to the host itself only, never to a
  /// jump host.
  SpecSecret password{};
  /// Password of the user for sudo. Without it, sudo must not ask for one.
  SpecSecret sudo_password{};
  /// Path of the file of known host keys, default ~/.ssh/known_hosts.
  std::optional<std::string> known_hosts{};
  /// strict, the default: refuse a host whose key is not known. accept-new: trust it and save its
  /// key. A changed key is always refused.
  std::optional<HostKeyPolicy> host_key{};
  /// Jump hosts, one or several in order, each in the notation of `ssh -J`; none: connect directly.
  /// All use the same keys.
  std::vector<std::string> jump{};
  /// Path of an ssh_config, default ~/.ssh/config. It supplies settings that are missing here, but
  /// only for hosts and jump hosts that are given by name (ssh.host: db1), not by IP address; none:
  /// read no file.
  std::optional<std::string> config{};
  /// libssh2, the default: built in. openssh: the system's ssh client, for FIDO keys, certificates,
  /// GSSAPI and old RSA keys. local: no ssh, the host is this machine.
  std::optional<Transport> transport{};
  friend bool operator==(const SshSpec&, const SshSpec&) = default;
};

/// A host of the cluster. `patroni_tags` keep YAML scalars as they are written: {"nofailover", "false"}.
struct HostSpec {
  /// Name of the host, and of its member in Patroni.
  std::string name;
  /// IP address for the traffic between the hosts.
  std::string address;
  /// Datacenter of the host, default dc1.
  std::string datacenter{};
  /// Roles of the host. A host without roles is a database host.
  std::vector<Role> roles{};
  /// Patroni's tags of this member.
  std::vector<std::pair<std::string, std::string>> patroni_tags{};
  /// The cloud's ID of this server. Without it, the server is found by address or name.
  std::string cloud_id{};
  /// How ssh reaches this host, where it differs from the cluster.
  SshSpec ssh{};
  /// consul_dns of this host, where it differs from the cluster.
  std::optional<ConsulDns> consul_dns{};
  friend bool operator==(const HostSpec&, const HostSpec&) = default;
};

/// A PostgreSQL role to create.
struct UserSpec {
  /// Name of the role.
  std::string name;
  /// Password of the role. Without it, apply generates one.
  SpecSecret password{};
  /// Attributes as in CREATE ROLE, in any case, separated by commas: LOGIN,CREATEDB,NOSUPERUSER.
  /// Default: LOGIN.
  std::string flags{};
  /// Maximum number of concurrent sessions of the role; -1 means no limit.
  int connection_limit = -1;
  /// Time after which the password no longer works: 2027-01-31, or 2027-01-31 18:00+01. Without a
  /// time zone it is UTC. Default: it never expires.
  std::string valid_until{};
  /// Roles whose privileges the role gets, such as pg_monitor or others of postgresql_users. A
  /// membership that is removed from the list is revoked; others that the role has stay.
  std::vector<std::string> member_of{};
  /// absent: the role is dropped. It must not own anything or have privileges in a database.
  ObjectState state = ObjectState::present;
  friend bool operator==(const UserSpec&, const UserSpec&) = default;
};
/// A database to create. An empty member takes the default of the cluster.
struct DatabaseSpec {
  /// Name of the database.
  std::string db;
  /// Owner of the database: one of postgresql_users, or the superuser, which is the default.
  std::string owner{};
  /// Character encoding, where it differs from postgresql_encoding.
  std::string encoding{};
  /// Collation, where it differs from postgresql_locale.
  std::string lc_collate{};
  /// Character classification, where it differs from postgresql_locale.
  std::string lc_ctype{};
  /// Database that is copied when this one is created. Default: template1, or template0 with an
  /// encoding or locale of its own.
  std::string template_{};
  /// absent: the database is dropped with its data. It must not have sessions.
  ObjectState state = ObjectState::present;
  friend bool operator==(const DatabaseSpec&, const DatabaseSpec&) = default;
};

/// A schema to create in a database.
struct SchemaSpec {
  /// Name of the schema.
  std::string schema;
  /// Database that it is in: one of postgresql_databases, or another that exists.
  std::string db;
  /// Owner of the schema: one of postgresql_users, or the superuser, which is the default.
  std::string owner{};
  /// absent: the schema is dropped. Nothing must be in it.
  ObjectState state = ObjectState::present;
  friend bool operator==(const SchemaSpec&, const SchemaSpec&) = default;
};

/// An extension to create in a database.
struct ExtensionSpec {
  /// Name of the extension. Every database host must have its files.
  std::string ext;
  /// Database that it is in: one of postgresql_databases, or another that exists.
  std::string db;
  /// Schema that the objects of the extension are in. Default: public, or the one that the
  /// extension itself demands.
  std::string schema{};
  /// Version of the extension; latest: the one that the files of the host have as their default.
  /// Without it, the default when the extension is created, and no update later.
  std::string version{};
  /// absent: the extension is dropped. Nothing must need it.
  ObjectState state = ObjectState::present;
  friend bool operator==(const ExtensionSpec&, const ExtensionSpec&) = default;
};

/// Privileges of a role in a database.
struct PrivilegeSpec {
  /// Role that gets the privileges: one of postgresql_users, another that exists, or PUBLIC.
  std::string role;
  /// Privileges, separated by commas: SELECT,INSERT. ALL: all that the type has.
  std::vector<std::string> privs{};
  /// What the privileges are on.
  PrivilegeType type = PrivilegeType::table;
  /// Names of the objects, separated by commas; ALL_IN_SCHEMA: all that the schema has at the time
  /// of an apply. Functions and procedures may have their argument types: add(integer, integer).
  /// For type database: default db. For type default_privs: TABLES, SEQUENCES, FUNCTIONS, TYPES,
  /// SCHEMAS, or ALL_DEFAULT for the first four.
  std::vector<std::string> objs{};
  /// Schema of the objects, for the types table, sequence, function, procedure and type. Default:
  /// public. For type default_privs: default all schemas.
  std::string schema{};
  /// Database that the objects are in: one of postgresql_databases, or another that exists.
  std::string db;
  /// For type default_privs: roles whose future objects get the privileges. Default: the owner of
  /// the schema or else of the database in this file, or else the superuser.
  std::vector<std::string> target_roles{};
  /// absent: the privileges are revoked, whoever granted them as the owner.
  ObjectState state = ObjectState::present;
  friend bool operator==(const PrivilegeSpec&, const PrivilegeSpec&) = default;
};

/// Names and values in the order in which they are written.
using Pairs = std::vector<std::pair<std::string, std::string>>;

/// TCP ports of HAProxy.
struct HaproxyPorts {
  /// Port that leads to the leader.
  int master = 5000;
  /// Port that leads to all replicas; 0: none.
  int replicas = 5001;
  /// Port that leads to synchronous replicas; 0: none.
  int replicas_sync = 5002;
  /// Port that leads to asynchronous replicas; 0: none.
  int replicas_async = 5003;
  /// Port of HAProxy's statistics (HTTPS, or HTTP with tls_cert_generate: false), which apply and
  /// the health check of the VIP read.
  int stats = 7000;
  /// Port that leads to the leader's PostgreSQL, not through PgBouncer; 0: none.
  int master_direct = 0;
  /// Port that leads to PostgreSQL of all replicas, not through PgBouncer; 0: none.
  int replicas_direct = 0;
  /// Port that leads to PostgreSQL of synchronous replicas, not through PgBouncer; 0: none.
  int replicas_sync_direct = 0;
  /// Port that leads to PostgreSQL of asynchronous replicas, not through PgBouncer; 0: none.
  int replicas_async_direct = 0;
  friend bool operator==(const HaproxyPorts&, const HaproxyPorts&) = default;
};
/// Maximum numbers of connections through HAProxy.
struct HaproxyMaxconn {
  /// Maximum for all ports together.
  int global = 100000;
  /// Maximum for each port to the leader.
  int master = 10000;
  /// Maximum for each port to replicas.
  int replica = 10000;
  friend bool operator==(const HaproxyMaxconn&, const HaproxyMaxconn&) = default;
};
/// Idle times after which HAProxy closes a session.
struct HaproxyTimeout {
  /// Idle time of the client, in HAProxy's notation: 60m, 30s.
  std::string client = "60m";
  /// Idle time of the server, in HAProxy's notation: 60m, 30s.
  std::string server = "60m";
  friend bool operator==(const HaproxyTimeout&, const HaproxyTimeout&) = default;
};

/// A program that is not installed as a package: a file on the controller, or a download of the hosts.
struct BinarySpec {
  /// Path of the program on the controller. Must not be combined with url and sha256.
  std::string path{};
  /// URL that the hosts download the program from.
  std::string url{};
  /// SHA-256 of the download, in hexadecimal.
  std::string sha256{};
  /// Whether a program is configured.
  bool given() const noexcept { return !path.empty() || !url.empty(); }
  friend bool operator==(const BinarySpec&, const BinarySpec&) = default;
};

/// An authority of the user's own, which signs the certificates of the cluster.
struct TlsCa {
  /// Path of its certificate (PEM) on the controller; certificates up to the root follow in the
  /// same file.
  std::string certificate{};
  /// Path of its private key (PEM, without a passphrase) on the controller. It is read when
  /// certificates are signed, and never copied to a host.
  std::string key{};
  /// Whether an authority is configured.
  bool given() const noexcept { return !certificate.empty() || !key.empty(); }
  friend bool operator==(const TlsCa&, const TlsCa&) = default;
};

/// A repository of backups.
struct RepoSpec {
  /// What keeps it. posix: a directory of a host.
  RepoType type = RepoType::posix;
  /// Host with the role backup. Default: the only one.
  std::string host{};
  /// Directory on that host.
  std::string path = "/var/lib/pgbackrest";
  /// Number of full backups that are kept, with all that depends on them.
  int retention_full = 2;
  /// Number of differential backups that are kept. Default: as many as their full backups.
  std::optional<int> retention_diff{};
  /// Encrypt the repository. It cannot be changed later.
  bool cipher = true;
  /// Passphrase of the repository. Without it, apply generates one. It cannot be changed later.
  SpecSecret cipher_pass{};
  friend bool operator==(const RepoSpec&, const RepoSpec&) = default;
};

/// When backups are made and proven, as calendar events of systemd; empty: never by themselves.
struct BackupSchedule {
  /// Full backups: all files. Empty: none.
  std::string full = "Sun 01:00";
  /// Differential backups: what has changed since the last full one. Empty: none.
  std::string diff = "Mon..Sat 01:00";
  /// Incremental backups: what has changed since the last backup. Empty: none.
  std::string incr{};
  /// Proofs: a database host restores the newest backup of each repository to try it. Empty: none.
  std::string prove{};
  friend bool operator==(const BackupSchedule&, const BackupSchedule&) = default;
};

/// What the user wants: a plain value, equal where its YAML means the same. Names and defaults are those of the YAML keys. `extra` maps the name of
/// a component to its settings as YAML in flow style; extra_json() reads them.
struct Spec {
  /// Name of the cluster: Patroni's scope, and part of the names of services and load balancers.
  std::string patroni_cluster_name = "postgres-cluster";
  /// Major version of PostgreSQL, which the hosts' package repositories must have. Debian 13 has
  /// 17.
  int postgresql_version = 17;
  /// TCP port of PostgreSQL.
  int postgresql_port = 5432;
  /// PostgreSQL settings for all members, as in postgresql.conf. A removed setting returns to its
  /// default.
  Pairs postgresql_parameters{};
  /// Additional lines of pg_hba.conf, inserted before the last rules of pgcluster.
  std::vector<std::string> postgresql_pg_hba{};
  /// Networks whose hosts may connect to PostgreSQL and PgBouncer, like 10.77.0.0/24. Default: the
  /// networks of the interfaces that have the hosts' addresses. The hosts of the cluster may always
  /// connect. Clients of HAProxy may always connect, too, because they come from the balancer's
  /// address, unless firewall_enabled_at_boot is true.
  std::vector<std::string> database_allowed_networks{};
  /// Let the superuser in from database_allowed_networks, too. false: only by the Unix sockets and
  /// from the cluster's hosts, unless a line of postgresql_pg_hba names it; through PgBouncer not
  /// from hosts with HAProxy.
  bool postgresql_superuser_remote = false;
  /// PostgreSQL roles. A role that is removed from the list stays until it is listed with state:
  /// absent.
  std::vector<UserSpec> postgresql_users{};
  /// Databases. One that is removed from the list is kept with its data until it is listed with
  /// state: absent.
  std::vector<DatabaseSpec> postgresql_databases{};
  /// Schemas in databases. One that is removed from the list is kept with what is in it until it is
  /// listed with state: absent.
  std::vector<SchemaSpec> postgresql_schemas{};
  /// Extensions in databases. One that is removed from the list is kept until it is listed with
  /// state: absent.
  std::vector<ExtensionSpec> postgresql_extensions{};
  /// Privileges of roles. One that is removed from the list is revoked; others that the role has
  /// stay.
  std::vector<PrivilegeSpec> postgresql_privs{};
  /// Character encoding of the databases, set by initdb.
  std::string postgresql_encoding = "UTF8";
  /// Locale of the databases, set by initdb.
  std::string postgresql_locale = "C.UTF-8";
  /// Checksums on data pages, set by initdb.
  bool postgresql_data_checksums = true;

  /// Store that keeps Patroni's state (DCS).
  DcsType dcs_type = DcsType::etcd;
  /// Virtual IP address for clients. It follows the leader; with HAProxy it follows a working
  /// balancer.
  std::string cluster_vip{};
  /// Network interface of the VIP. Without it, the interface in whose network the host's address
  /// is.
  std::string vip_interface{};
  /// Run PgBouncer in front of PostgreSQL on each database host.
  bool pgbouncer_install = true;
  /// TCP port of PgBouncer.
  int pgbouncer_listen_port = 6432;
  /// Maximum number of client connections to a PgBouncer, capped by LimitNOFILE of its unit.
  int pgbouncer_max_client_conn = 100000;
  /// Maximum number of server connections to one database; 0 means no limit.
  int pgbouncer_max_db_connections = 10000;
  /// Maximum number of server connections of one user to one database.
  int pgbouncer_default_pool_size = 100;
  /// When a server connection returns to the pool: at the end of the session, transaction or
  /// statement.
  PoolMode pgbouncer_default_pool_mode = PoolMode::session;
  /// Prepared statements that PgBouncer keeps on a server connection in the modes transaction and
  /// statement; 0 turns their support off.
  int pgbouncer_max_prepared_statements = 1024;
  /// Seconds that a query may wait for a server connection before PgBouncer disconnects the client;
  /// 0 means no limit.
  int pgbouncer_query_wait_timeout = 120;
  /// Startup parameters of clients that PgBouncer ignores. Default: extra_float_digits, geqo. It
  /// rejects a connection with any other parameter that it does not know, such as search_path.
  std::vector<std::string> pgbouncer_ignore_startup_parameters{"extra_float_digits", "geqo"};
  /// Run HAProxy, which routes clients to the leader or to replicas, depending on the port.
  bool with_haproxy_load_balancing = false;
  /// TCP ports of HAProxy.
  HaproxyPorts haproxy_listen_port{};
  /// Maximum numbers of connections through HAProxy, capped by LimitNOFILE of its unit.
  HaproxyMaxconn haproxy_maxconn{};
  /// Time after which HAProxy closes an idle session.
  HaproxyTimeout haproxy_timeout{};
  /// Additional sections, appended unchanged to haproxy.cfg.
  std::string haproxy_extra{};
  /// Run confd, which keeps HAProxy's server list in step with Patroni's members. Needs
  /// confd_binary.
  bool confd_install = true;
  /// Program of confd, built with etcd's v3 API: a path on the controller, or url and sha256.
  BinarySpec confd_binary{};
  /// Seconds between two checks of confd.
  int confd_interval = 10;
  /// VRRP router ID of the VIP, unique in its network; 0 means the last byte of cluster_vip.
  int keepalived_virtual_router_id = 0;

  /// Cloud that runs the hosts. Its load balancers replace HAProxy unless cloud_load_balancer is
  /// false.
  std::optional<CloudProvider> cloud_provider{};
  /// Create a load balancer of the cloud for each role. false: none; HAProxy where it is enabled.
  bool cloud_load_balancer = true;
  /// URL of the cloud's API instead of the provider's own.
  std::string cloud_api_endpoint{};
  /// Region of the hosts. azure, hetzner: their location; gcp: their zones, separated by commas.
  std::string server_location{};
  /// Network of the hosts. aws: subnets, separated by commas; gcp: NETWORK/SUBNET; azure:
  /// VNET/SUBNET; digitalocean: ID of the VPC; hetzner: name or ID.
  std::string server_network{};
  /// Give the cloud's load balancers public addresses.
  bool database_public_access = false;
  /// Networks that may connect to the public addresses, like 203.0.113.0/24. Required with
  /// database_public_access.
  std::vector<std::string> database_public_allowed_ips{};
  /// Type of the load balancers at Hetzner.
  std::string hetzner_load_balancer_type = "lb21";
  /// Number of nodes of a load balancer at DigitalOcean.
  int digital_ocean_load_balancer_size_unit = 3;
  /// Azure resource group of the hosts.
  std::string azure_resource_group{};
  /// Azure network security group of the hosts, which receives rules for
  /// database_public_allowed_ips.
  std::string azure_network_security_group{};
  /// API token for Hetzner. Default: HCLOUD_TOKEN of the environment.
  SpecSecret hcloud_api_token{};
  /// API token for DigitalOcean. Default: DIGITALOCEAN_ACCESS_TOKEN or DIGITALOCEAN_TOKEN of the
  /// environment.
  SpecSecret do_api_token{};
  /// Access key ID for AWS. Default: AWS_ACCESS_KEY_ID of the environment.
  SpecSecret aws_access_key_id{};
  /// Secret access key for AWS. Default: AWS_SECRET_ACCESS_KEY of the environment.
  SpecSecret aws_secret_access_key{};
  /// Session token of a temporary key for AWS. Default: AWS_SESSION_TOKEN of the environment.
  SpecSecret aws_session_token{};
  /// Service account for Google Cloud, as JSON or its base64. Default: the file that
  /// GOOGLE_APPLICATION_CREDENTIALS of the environment names.
  SpecSecret gcp_service_account_contents{};
  /// Client ID of the service principal for Azure. Default: AZURE_CLIENT_ID of the environment.
  SpecSecret azure_client_id{};
  /// Client secret of the service principal for Azure. Default: AZURE_CLIENT_SECRET of the
  /// environment.
  SpecSecret azure_secret{};
  /// Tenant ID of the service principal for Azure. Default: AZURE_TENANT_ID of the environment.
  SpecSecret azure_tenant{};
  /// Subscription ID for Azure. Default: AZURE_SUBSCRIPTION_ID of the environment.
  SpecSecret azure_subscription_id{};

  /// Name of PostgreSQL's superuser.
  std::string patroni_superuser_username = "postgres";
  /// Password of the superuser. Without it, apply generates one.
  SpecSecret patroni_superuser_password{};
  /// Name of the role that replicas connect with.
  std::string patroni_replication_username = "replicator";
  /// Password of the replication role. Without it, apply generates one.
  SpecSecret patroni_replication_password{};
  /// User name for changes through Patroni's REST API.
  std::string patroni_restapi_username = "patroni";
  /// Password for changes through Patroni's REST API. Without it, apply generates one.
  SpecSecret patroni_restapi_password{};
  /// TCP port of Patroni's REST API.
  int patroni_restapi_port = 8008;
  /// Password of the role pgbouncer, with which PgBouncer looks up other passwords. Without it,
  /// apply generates one.
  SpecSecret pgbouncer_auth_password{};
  /// Seconds after which a silent leader loses its lock; at least patroni_loop_wait + 2 *
  /// patroni_retry_timeout.
  int patroni_ttl = 30;
  /// Seconds between two runs of Patroni's main loop.
  int patroni_loop_wait = 10;
  /// Seconds for which Patroni repeats a failed request to the DCS or to PostgreSQL.
  int patroni_retry_timeout = 10;
  /// Seconds that a crashed leader has to start again before Patroni fails over; 0 means at once.
  int patroni_master_start_timeout = 300;
  /// Bytes that a replica may lag behind the leader and still become leader.
  long patroni_maximum_lag_on_failover = 1048576;
  /// Lag up to which a replica serves reads, like 100MB.
  std::string patroni_maximum_lag_on_replica = "100MB";
  /// While the DCS is down, a leader that reaches all members keeps running.
  bool failsafe_mode = true;
  /// Replicate synchronously: a commit waits for a synchronous replica.
  bool synchronous_mode = false;
  /// Block writes while there is no synchronous replica. Needs synchronous_mode.
  bool synchronous_mode_strict = false;
  /// Number of synchronous replicas.
  int synchronous_node_count = 1;
  /// Whether Patroni arms a watchdog, which resets the host of a leader that hangs. automatic:
  /// where the host has one; required: a member without one never leads.
  WatchdogMode patroni_watchdog_mode = WatchdogMode::automatic;

  /// TCP port of etcd for clients.
  int etcd_client_port = 2379;
  /// TCP port of etcd for its members.
  int etcd_peer_port = 2380;

  /// stretched: one Consul datacenter over all sites. federated: one for each datacenter of the
  /// hosts; one of them keeps the cluster's state.
  ConsulLayout consul_layout = ConsulLayout::stretched;
  /// Consul datacenter that keeps the cluster's state. Default: dc1; federated: the datacenter of
  /// the first database host.
  std::string consul_datacenter{};
  /// Program of Consul instead of the package: a path on the controller, or url and sha256.
  BinarySpec consul_binary{};
  /// Resolver that forwards *.consul to Consul on hosts with the role consul_client. auto: the one
  /// that the host uses.
  ConsulDns consul_dns = ConsulDns::automatic;
  /// Key of Consul's gossip: 16, 24 or 32 bytes in base64. Without it, apply generates one.
  SpecSecret consul_encrypt_key{};

  /// Encrypt and authenticate all that crosses a network, with certificates that apply makes.
  bool tls_cert_generate = true;
  /// An authority of your own that signs the certificates. Without it, apply makes one.
  TlsCa tls_ca{};
  /// Days for which a certificate is valid. An apply renews it when less than a third of them is
  /// left.
  int tls_cert_valid_days = 1095;
  /// Close all ports but those of ssh and of the components, with nftables. Hosts of the cluster
  /// reach what they need of each other; clients come from database_allowed_networks.
  bool firewall_enabled_at_boot = false;

  /// Back up the cluster with pgBackRest: WAL is archived, and backups are made on a schedule.
  /// Needs pgbackrest_repos.
  bool pgbackrest_install = false;
  /// Name of the cluster in its repositories (stanza). Default: patroni_cluster_name.
  std::string pgbackrest_stanza{};
  /// Repositories of backups. What is removed from the list keeps its files.
  std::vector<RepoSpec> pgbackrest_repos{};
  /// When backups are made and proven, as OnCalendar= of systemd takes it. A backup that was due
  /// while the host was down is made after the host has started again.
  BackupSchedule pgbackrest_schedule{};

  /// Set kernel parameters for a database server.
  bool sysctl_set = true;
  /// Additional kernel parameters, which override those of pgcluster.
  Pairs sysctl_conf{};
  /// Turn off transparent huge pages.
  bool disable_thp = true;
  /// Keep the names and addresses of all hosts in a marked block of /etc/hosts.
  bool etc_hosts = true;
  /// Keep the clocks synchronised by a time service.
  bool ntp_enabled = true;

  /// How ssh reaches the hosts.
  SshSpec ssh{};
  /// The hosts by name. The first database host is the preferred leader at bootstrap.
  std::vector<HostSpec> hosts{};
  /// Settings of your own components, by component.
  std::vector<std::pair<std::string, std::string>> extra{};

  /// The host of that name; null where there is none.
  const HostSpec* host(std::string_view name) const;
  friend bool operator==(const Spec&, const Spec&) = default;
};

/// A valid spec, with `!env` and `!file` followed. Throws Error (spec_invalid) that carries every finding at once.
Spec load_spec(const std::string& path);
/// The same from text; `name` stands for the file in findings, relative paths (`!file`, keys of ssh) start at `folder`.
/// Passwords written as "!spec KEY" are taken from `secrets_from`: load_spec("cluster.yaml") for what dump(…, Secrets::references) wrote.
Spec parse_spec(const std::string& yaml, const std::string& name = "<spec>", const std::string& folder = ".", const Spec* secrets_from = nullptr);
/// What is wrong or doubtful with a spec that was built in code; empty: nothing. parse_spec calls it, too.
std::vector<Diagnostic> validate(const Spec& spec);

/// How dump() writes passwords that stand in the spec.
enum class Secrets { values, references };
/// YAML that loads to an equal spec, with the hosts in their order and only the keys that differ from their defaults. Passwords and `extra` keep
/// their `!env` and `!file` references; with Secrets::references, passwords that the spec contains are written as "!spec KEY".
std::string dump(const Spec& spec, Secrets secrets = Secrets::values);

/// JSON Schema (2020-12) of cluster.yaml, from the same table of keys that parse_spec reads by.
std::string spec_schema();

/// What `extra` has for a component, as JSON with `!env` and `!file` followed; "{}" where it has nothing. Spec::extra keeps those as they are
/// written, so that what they lead to never stands in a dump.
std::string extra_json(const Spec& spec, const std::string& component);

}  // namespace pgcluster
