// Every key of cluster.yaml, changed on a cluster that runs: the plan does what the table of keys says, no more and no less, and there is a way back.
#include "spec/keys.hpp"
#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;
using keys::Effect;

namespace {

struct KeyTrial {
  std::string before{};  // the key's line in a cluster that runs; empty: its default
  std::string after;     // the line that is applied to it
  std::string with{};    // what else the spec has to say for it
};

const std::string haproxy = "with_haproxy_load_balancing: true\ncluster_vip: 10.77.0.100\n";
const std::string consul = "dcs_type: consul\n";
const std::string spread = consul + "# over three datacenters\n";
const std::string keeper = "pgbackrest_install: true\npgbackrest_repos: [{host: keeper}]\n";
const std::string plain = "#";  // without the users and databases of the others
const std::string users = "postgresql_users:\n  - {name: app}";

const std::map<std::string, std::vector<KeyTrial>> trials{
    {"patroni_cluster_name", {{.before = "patroni_cluster_name: test", .after = "patroni_cluster_name: other"}}},
    {"postgresql_version", {{.after = "postgresql_version: 16"}, {.after = "postgresql_version: 18"}}},
    {"postgresql_port", {{.after = "postgresql_port: 5433"}}},
    {"postgresql_encoding", {{.after = "postgresql_encoding: LATIN1"}}},
    {"postgresql_locale", {{.after = "postgresql_locale: en_US.UTF-8"}}},
    {"postgresql_data_checksums", {{.after = "postgresql_data_checksums: false"}}},
    {"dcs_type", {{.after = "dcs_type: consul"}}},
    {"patroni_superuser_username", {{.after = "patroni_superuser_username: admin"}}},
    {"patroni_replication_username", {{.after = "patroni_replication_username: copier"}}},
    {"patroni_restapi_port", {{.after = "patroni_restapi_port: 8009"}}},
    {"etcd_client_port", {{.after = "etcd_client_port: 12379"}}},
    {"etcd_peer_port", {{.after = "etcd_peer_port: 12380"}}},
    {"consul_layout", {{.after = "consul_layout: federated", .with = spread}}},
    {"consul_datacenter", {{.after = "consul_datacenter: north", .with = consul}}},

    {"postgresql_parameters", {{.after = "postgresql_parameters: {work_mem: 32MB}"}, {.after = "postgresql_parameters: {max_connections: 300}"}}},
    {"postgresql_pg_hba", {{.after = "postgresql_pg_hba: [host all all 192.0.2.0/24 reject]"}}},
    {"database_allowed_networks", {{.after = "database_allowed_networks: [192.0.2.0/24]"}}},
    {"postgresql_superuser_remote", {{.after = "postgresql_superuser_remote: true"}}},
    {"postgresql_users", {{.before = users, .after = users + "\n  - {name: other}", .with = plain}}},
    {"postgresql_databases", {{.before = users, .after = users + "\npostgresql_databases: [{db: other, owner: app}]", .with = plain}}},
    {"postgresql_schemas",
     {{.after = "postgresql_schemas: [{schema: sales, db: app, owner: app}, {schema: \"Ä/s \\\"x\\\\ o'Neil\", db: app}]"},
      {.before = "postgresql_schemas: [{schema: sales, db: app}]", .after = "postgresql_schemas: [{schema: sales, db: app, state: absent}]"}}},
    {"postgresql_extensions",
     {{.before = "postgresql_extensions: [{ext: pg_trgm, db: app, version: '1.0'}]",
       .after = "postgresql_extensions: [{ext: pg_trgm, db: app, version: '1.1'}]"},
      {.before = "postgresql_extensions: [{ext: pg_trgm, db: app}]", .after = "postgresql_extensions: [{ext: pg_trgm, db: app, state: absent}]"}}},
    {"postgresql_privs",
     {{.after = "postgresql_privs: [{role: app, privs: SELECT, objs: ALL_IN_SCHEMA, db: app}]"},
      {.before = "postgresql_privs: [{role: app, privs: ALL, type: default_privs, objs: ALL_DEFAULT, db: app}]",
       .after = "postgresql_privs: [{role: app, privs: 'SELECT,INSERT', type: default_privs, objs: TABLES, db: app}]"}}},
    {"cluster_vip", {{.before = "cluster_vip: 10.77.0.100", .after = "cluster_vip: 10.77.0.101"}}},
    {"vip_interface", {{.before = "cluster_vip: 10.77.0.100", .after = "cluster_vip: 10.77.0.100\nvip_interface: eth1"}}},
    {"pgbouncer_install", {{.after = "pgbouncer_install: false"}}},
    {"pgbouncer_listen_port", {{.after = "pgbouncer_listen_port: 6433"}}},
    {"pgbouncer_max_client_conn", {{.after = "pgbouncer_max_client_conn: 500"}}},
    {"pgbouncer_max_db_connections", {{.after = "pgbouncer_max_db_connections: 50"}}},
    {"pgbouncer_default_pool_size", {{.after = "pgbouncer_default_pool_size: 7"}}},
    {"pgbouncer_default_pool_mode", {{.after = "pgbouncer_default_pool_mode: transaction"}}},
    {"pgbouncer_max_prepared_statements", {{.after = "pgbouncer_max_prepared_statements: 7"}}},
    {"pgbouncer_query_wait_timeout", {{.after = "pgbouncer_query_wait_timeout: 7"}}},
    {"pgbouncer_ignore_startup_parameters", {{.after = "pgbouncer_ignore_startup_parameters: [search_path]"}}},
    {"with_haproxy_load_balancing",
     {{.after = "with_haproxy_load_balancing: true"},
      {.before = "cluster_vip: 10.77.0.100", .after = "cluster_vip: 10.77.0.100\nwith_haproxy_load_balancing: true"}}},
    {"haproxy_listen_port", {{.after = "haproxy_listen_port: {replicas_async: 0}", .with = haproxy}}},
    {"haproxy_maxconn", {{.after = "haproxy_maxconn: {master: 77}", .with = haproxy}}},
    {"haproxy_timeout", {{.after = "haproxy_timeout: {client: 7m}", .with = haproxy}}},
    {"haproxy_extra", {{.after = "haproxy_extra: \"# more\"", .with = haproxy}}},
    {"keepalived_virtual_router_id", {{.after = "keepalived_virtual_router_id: 7", .with = haproxy}}},
    {"patroni_superuser_password", {{.after = "patroni_superuser_password: another one"}}},
    {"patroni_replication_password", {{.after = "patroni_replication_password: another one"}}},
    {"patroni_restapi_username", {{.after = "patroni_restapi_username: other"}}},
    {"patroni_restapi_password", {{.after = "patroni_restapi_password: another one"}}},
    {"pgbouncer_auth_password", {{.after = "pgbouncer_auth_password: another one"}}},
    {"patroni_ttl", {{.after = "patroni_ttl: 60"}}},
    {"patroni_loop_wait", {{.after = "patroni_loop_wait: 7"}}},
    {"patroni_retry_timeout", {{.after = "patroni_retry_timeout: 7"}}},
    {"patroni_master_start_timeout", {{.after = "patroni_master_start_timeout: 77"}}},
    {"patroni_maximum_lag_on_failover", {{.after = "patroni_maximum_lag_on_failover: 777"}}},
    {"patroni_maximum_lag_on_replica", {{.after = "patroni_maximum_lag_on_replica: 7MB", .with = haproxy}}},
    {"failsafe_mode", {{.before = "failsafe_mode: false", .after = "failsafe_mode: true"}}},
    {"synchronous_mode", {{.after = "synchronous_mode: true"}, {.after = "synchronous_mode: true", .with = consul}}},
    {"synchronous_mode_strict", {{.after = "synchronous_mode_strict: true", .with = "synchronous_mode: true\n"}}},
    {"synchronous_node_count", {{.after = "synchronous_node_count: 2", .with = "synchronous_mode: true\n"}}},
    {"patroni_watchdog_mode", {{.before = "patroni_watchdog_mode: automatic", .after = "patroni_watchdog_mode: off"}}},
    {"consul_encrypt_key", {{.after = "consul_encrypt_key: MDEyMzQ1Njc4OWFiY2RlZg==", .with = consul}}},
    {"tls_cert_generate", {{.after = "tls_cert_generate: false"}, {.before = "tls_cert_generate: false", .after = "tls_cert_generate: true"}}},
    {"tls_cert_valid_days", {{.after = "tls_cert_valid_days: 30"}}},
    {"firewall_enabled_at_boot",
     {{.after = "firewall_enabled_at_boot: true"}, {.before = "firewall_enabled_at_boot: true", .after = "firewall_enabled_at_boot: false"}}},
    {"pgbackrest_stanza", {{.after = "pgbackrest_stanza: another", .with = keeper}}},
    {"pgbackrest_schedule", {{.after = "pgbackrest_schedule: {full: Sat 03:00}", .with = keeper}}},
    {"sysctl_set", {{.before = "sysctl_set: false", .after = "sysctl_set: true"}, {.before = "sysctl_set: true", .after = "sysctl_set: false"}}},
    {"sysctl_conf", {{.after = "sysctl_conf: {vm.swappiness: 7}"}}},
    {"disable_thp", {{.before = "disable_thp: false", .after = "disable_thp: true"}, {.before = "disable_thp: true", .after = "disable_thp: false"}}},
    {"etc_hosts", {{.before = "etc_hosts: false", .after = "etc_hosts: true"}, {.before = "etc_hosts: true", .after = "etc_hosts: false"}}},
};

// Tried elsewhere: with a program that somebody has, with a vendor's API, or by each of their own keys. ssh says how hosts are reached.
const std::set<std::string_view> elsewhere{"consul_dns",
                                           "ntp_enabled",
                                           "confd_install",
                                           "confd_binary",
                                           "confd_interval",
                                           "consul_binary",
                                           "cloud_provider",
                                           "cloud_load_balancer",
                                           "cloud_api_endpoint",
                                           "server_location",
                                           "server_network",
                                           "database_public_access",
                                           "database_public_allowed_ips",
                                           "hetzner_load_balancer_type",
                                           "digital_ocean_load_balancer_size_unit",
                                           "azure_resource_group",
                                           "azure_network_security_group",
                                           "hcloud_api_token",
                                           "do_api_token",
                                           "aws_access_key_id",
                                           "aws_secret_access_key",
                                           "aws_session_token",
                                           "gcp_service_account_contents",
                                           "azure_client_id",
                                           "azure_secret",
                                           "azure_tenant",
                                           "azure_subscription_id",
                                           "tls_ca",
                                           "pgbackrest_install",
                                           "pgbackrest_repos",
                                           "ssh",
                                           "hosts",
                                           "extra"};

std::string yaml(const std::string& line, const std::string& with) {
  std::string text = scheme_a(3, (with == plain ? "" : with) + (line.starts_with("patroni_cluster_name:") ? "" : line + "\n"));
  if (with == plain) {
    const auto first = text.find("postgresql_users: ["), last = text.find('\n', text.find("postgresql_databases: ["));
    text.erase(first, last + 1 - first);
  }
  if (line.starts_with("patroni_cluster_name:")) text.replace(0, text.find('\n'), line);
  if (with == keeper) text += "  keeper: {address: 10.77.0.14, roles: [backup]}\n";
  if (line.starts_with("consul_layout:") || with == spread)
    for (const char* host : {"1", "2", "3"}) {
      const std::string address = std::string("address: 10.77.0.1") + host;
      text.insert(text.find(address) + address.size(), std::string(", roles: [postgres, consul], datacenter: dc") + host);
    }
  return text;
}

// What the plan of `spec` would do to the cluster.
Effect effect_of(Fleet& fleet, const Spec& spec, std::string& words) {
  try {
    const Plan plan = plan_deploy(spec, fleet.executor);
    Effect most = Effect::none;
    for (const PlannedChange& change : plan.changes()) {
      const Effect one = change.impact == Impact::none ? Effect::live : change.impact == Impact::reload ? Effect::reload : Effect::restart;
      most = std::max(most, one);
    }
    words = plan.text();
    return most;
  } catch (const Error& error) {
    words = error.what();
    CHECK(error.code() == Code::refused);
    CHECK_MESSAGE(!error.hint().empty(), words);
    return Effect::fixed;
  }
}

void works(Fleet& fleet, const Spec& spec) {
  const Report report = fleet.deploy(spec);
  REQUIRE_MESSAGE(report.ok(), report.text());
  const Plan again = plan_deploy(spec, fleet.executor);
  CHECK_MESSAGE(again.empty(), again.text(true));
}

}  // namespace

TEST_CASE("a fixed key of a running cluster is refused with the way, and the former spec finds nothing to do") {
  for (const auto& key : keys::of<Spec>()) {
    if (key.effect != Effect::fixed || elsewhere.contains(key.name)) continue;
    CAPTURE(key.name);
    CHECK(!key.way.empty());
    REQUIRE(trials.contains(std::string(key.name)));
    for (const KeyTrial& trial : trials.at(std::string(key.name))) {
      Fleet fleet;
      const Spec before = spec_of(yaml(trial.before, trial.with)), after = spec_of(yaml(trial.after, trial.with));
      works(fleet, before);
      const std::size_t acts = fleet.executor.trace().size();
      std::string words;
      CHECK_MESSAGE(effect_of(fleet, after, words) == Effect::fixed, words);
      CHECK(fleet.executor.trace().size() == acts);
      const Plan back = plan_deploy(before, fleet.executor);
      CHECK_MESSAGE(back.empty(), back.text(true));
    }
  }
}

TEST_CASE("what a change of any other key does is what the table says, and the former spec undoes it") {
  for (const auto& key : keys::of<Spec>()) {
    if (key.effect == Effect::fixed || elsewhere.contains(key.name)) continue;
    CAPTURE(key.name);
    REQUIRE(trials.contains(std::string(key.name)));
    Effect most = Effect::none;
    for (const KeyTrial& trial : trials.at(std::string(key.name))) {
      CAPTURE(trial.after);
      Fleet fleet;
      const Spec before = spec_of(yaml(trial.before, trial.with)), after = spec_of(yaml(trial.after, trial.with));
      works(fleet, before);
      std::string words;
      const Effect seen = effect_of(fleet, after, words);
      CHECK_MESSAGE(seen <= key.effect, words);
      most = std::max(most, seen);
      if (seen == Effect::fixed) continue;
      works(fleet, after);
      works(fleet, before);
    }
    CHECK_MESSAGE(most == key.effect, "seen: ", keys::to_string(most), ", table: ", keys::to_string(key.effect));
  }
}

TEST_CASE("a member keeps its name and address") {
  Fleet fleet;
  const std::string yaml = scheme_a();
  works(fleet, spec_of(yaml));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string other = yaml;
    other.replace(other.find(from), from.size(), to);
    return spec_of(other);
  };
  std::string words;
  CHECK(effect_of(fleet, with("pg2:", "db2:"), words) == Effect::fixed);
  CHECK_MESSAGE(words.find("the host at 10.77.0.12 is pg2 in the running cluster, and the spec calls it db2") != std::string::npos, words);
  // Whoever swaps two names would move a data directory.
  Spec swapped = spec_of(yaml);
  std::swap(swapped.hosts[0].name, swapped.hosts[2].name);
  CHECK(effect_of(fleet, swapped, words) == Effect::fixed);
  CHECK(effect_of(fleet, with("pg3: {address: 10.77.0.13}", "pg3: {address: 10.77.0.33, ssh: {host: 10.77.0.13}}"), words) == Effect::fixed);
  const Plan back = plan_deploy(spec_of(yaml), fleet.executor);
  CHECK_MESSAGE(back.empty(), back.text(true));
}

TEST_CASE("what a cluster began with is written once it has begun, and other spellings mean the same") {
  Fleet fleet;
  works(fleet, spec_of(scheme_a(3, "postgresql_encoding: UTF8\n")));
  const Plan same = plan_deploy(spec_of(scheme_a(3, "postgresql_encoding: utf-8\npostgresql_locale: c.utf8\n")), fleet.executor);
  CHECK_MESSAGE(same.empty(), same.text(true));
  const std::string begun = fleet.executor.host("pg1").files.at("/var/lib/pgcluster/begun").content;
  CHECK(begun.find("postgresql_encoding: UTF8\n") != std::string::npos);
  // All that is wrong is said at once.
  std::string words;
  CHECK(effect_of(fleet, spec_of(scheme_a(3, "postgresql_version: 16\npatroni_restapi_port: 8009\n")), words) == Effect::fixed);
  CHECK(words.find("postgresql_version of a running cluster cannot be changed: it began with 17, and the spec says 16") != std::string::npos);
  CHECK(words.find("patroni_restapi_port of a running cluster cannot be changed: it began with 8008, and the spec says 8009") != std::string::npos);
}

TEST_CASE("an address that no interface of the host has is refused before anything is touched") {
  Fleet fleet;
  SimulatedHost& pg3 = fleet.executor.host("pg3");
  pg3.facts.interfaces = {{"lo", "127.0.0.1/8"}, {"eth0", "10.77.0.13/24"}};
  Spec wrong = spec_of(scheme_a());
  wrong.hosts[2].address = "10.77.0.213";
  std::string words;
  CHECK(effect_of(fleet, wrong, words) == Effect::fixed);
  CHECK_MESSAGE(words.find("no interface of pg3 has its address 10.77.0.213; it has 10.77.0.13 (eth0)") != std::string::npos, words);
  const CheckReport report = check_hosts(wrong, fleet.executor);
  CHECK_MESSAGE(!report.ok(), report.text());
  CHECK_MESSAGE(report.text().find("10.77.0.213") != std::string::npos, report.text());
  CHECK(fleet.executor.trace().empty());
}

TEST_CASE("an attribute that left a role is taken from it, and roles and databases that left the spec are warned of") {
  Fleet fleet;
  const auto spec = [](const std::string& users, const std::string& databases) {
    std::string yaml = scheme_a();
    for (const auto& [key, value] : {std::pair{std::string("postgresql_users: "), users}, {std::string("postgresql_databases: "), databases}}) {
      const auto at = yaml.find(key) + key.size();
      yaml.replace(at, yaml.find('\n', at) - at, value);
    }
    return spec_of(yaml);
  };
  works(fleet, spec("[{name: app, flags: 'LOGIN,SUPERUSER,CREATEDB,NOINHERIT'}, {name: team/app}, {name: 'Größe \"7\"'}]", "[{db: one}, {db: two}]"));
  const Spec less = spec("[{name: app, flags: LOGIN}]", "[{db: one}]");
  const Plan plan = plan_deploy(less, fleet.executor);
  CHECK_MESSAGE(plan.text(true).find("noSUPERUSER") != std::string::npos, plan.text(true));
  const std::string warned = plan.text();
  for (const char* words :
       {"the role team/app is no longer described", "the role Größe \"7\" is no longer described", "the database two is no longer described"})
    CHECK_MESSAGE(warned.find(words) != std::string::npos, warned);
  works(fleet, less);
  CHECK(plan_deploy(less, fleet.executor).text().find("the database two") != std::string::npos);
}

TEST_CASE("a database keeps its encoding and locale") {
  Fleet fleet;
  const auto spec = [](const std::string& more) {
    std::string yaml = scheme_a();
    const std::string app = "{db: app, owner: app";
    yaml.insert(yaml.find(app) + app.size(), more);
    return spec_of(yaml);
  };
  works(fleet, spec(", encoding: UTF8, lc_collate: C.UTF-8, lc_ctype: C.UTF-8"));
  CHECK(plan_deploy(spec(", encoding: utf-8, lc_collate: C.utf8, lc_ctype: C.UTF-8"), fleet.executor).empty());
  for (const char* other : {", encoding: LATIN1", ", lc_collate: en_US.UTF-8", ", lc_ctype: C"}) {
    std::string words;
    CHECK_MESSAGE(effect_of(fleet, spec(other), words) == Effect::fixed, other);
    CHECK_MESSAGE(words.find("of the database app cannot be changed") != std::string::npos, words);
  }
}

TEST_CASE("synchronous_mode: an apply ends when a synchronous standby stands, and a switchover leads to it") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, "synchronous_mode: true\n"));
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK_MESSAGE(plan.text().find("patroni/synchronous") != std::string::npos, plan.text());
  works(fleet, spec);
  for (int i = 0; i < 3; ++i) {
    const Plan away = plan_switchover(spec, fleet.executor);
    const Report report = apply(away, fleet.executor);
    REQUIRE_MESSAGE(report.ok(), report.text());
  }
  // Who is no synchronous standby is refused, and the refusal names who is.
  const std::string leader = fleet.leader(spec);
  std::string refused;
  for (const HostSpec& host : spec.hosts) {
    if (host.name == leader) continue;
    try {
      plan_switchover(spec, fleet.executor, {.to = host.name});
    } catch (const Error& error) {
      refused += std::string(error.what()) + " " + error.hint();
    }
  }
  CHECK_MESSAGE(refused.find("is not fit to lead: it is not a synchronous standby") != std::string::npos, refused);
  CHECK_MESSAGE(refused.find("fit to lead: pg") != std::string::npos, refused);
  // With both standbys gone, status tells that none is synchronous; once they are back it is well again.
  const auto told = [&] {
    const Status status = read_status(spec, fleet.executor);
    return std::any_of(status.problems.begin(), status.problems.end(), [](const auto& one) { return one.what.cause == "no_synchronous_standby"; });
  };
  CHECK_FALSE(told());
  for (const HostSpec& host : spec.hosts)
    if (host.name != leader) fleet.executor.stop_unit(fleet.executor.host(host.name), "patroni.service");
  fleet.executor.advance(1min);
  CHECK(told());
  for (const HostSpec& host : spec.hosts)
    if (host.name != leader) fleet.executor.start_unit(fleet.executor.host(host.name), "patroni.service");
  fleet.executor.advance(1min);
  CHECK_FALSE(told());
}
