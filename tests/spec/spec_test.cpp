#include <pgcluster/spec/spec.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "golden.hpp"
#include "spec/keys.hpp"

namespace fs = std::filesystem;
using namespace pgcluster;

namespace {

std::string refused(const std::string& yaml, const Spec* secrets = nullptr) {
  try {
    parse_spec(yaml, "cluster.yaml", ".", secrets);
  } catch (const Error& e) {
    CHECK(e.code() == Code::spec_invalid);
    std::string out;
    for (const Diagnostic& d : e.diagnostics()) out += d.text() + '\n';
    return out;
  }
  return "(no error)\n";
}

// A folder of its own, removed in the end.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("pgcluster-spec-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  void write(const std::string& name, const std::string& content) const { std::ofstream(path / name, std::ios::binary) << content; }
};

constexpr const char* kHosts = "hosts: { pg1: { address: 10.77.0.11 }, pg2: { address: 10.77.0.12 }, pg3: { address: 10.77.0.13 } }\n";

Spec three() { return parse_spec(kHosts); }

// The findings of a spec that is fine but for what `change` does.
template <class Change>
std::string found(Change change) {
  Spec spec = three();
  change(spec);
  std::string out;
  for (const Diagnostic& d : validate(spec)) out += d.text() + '\n';
  return out;
}

}  // namespace

TEST_CASE("what is wrong with a spec, all at once and with its place") {
  setenv("PGCLUSTER_TEST_EMPTY", "", 1);
  unsetenv("PGCLUSTER_TEST_MISSING");
  for (const auto& folder : golden::cases("spec")) {
    if (!folder.filename().string().starts_with("bad-")) continue;
    CAPTURE(folder.string());
    golden::check(folder / "expected.txt", refused(golden::read(folder / "cluster.yaml")));
  }
}

TEST_CASE("good specs and their dumps, which load as the same") {
  setenv("PGCLUSTER_TEST_PASSWORD", "from the environment", 1);
  for (const auto& folder : golden::cases("spec")) {
    if (!folder.filename().string().starts_with("good-")) continue;
    CAPTURE(folder.string());
    const Spec spec = parse_spec(golden::read(folder / "cluster.yaml"), "cluster.yaml");
    const std::string dumped = dump(spec);
    golden::check(folder / "expected.yaml", dumped);
    const Spec again = parse_spec(dumped, "dump");
    CHECK(again == spec);
    CHECK(dump(again) == dumped);
    CHECK(parse_spec(dump(spec, Secrets::references), "references", ".", &spec) == spec);
  }
}

TEST_CASE("the examples are valid") {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(PGCLUSTER_SOURCE) / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    CAPTURE(entry.path().string());
    const Spec spec = load_spec(entry.path().string());
    CHECK(parse_spec(dump(spec)) == spec);
    ++count;
  }
  CHECK(count >= 3);
}

TEST_CASE("the contract's example") {
  const Spec spec = parse_spec(R"(
patroni_cluster_name: postgres-cluster
postgresql_version: 17
postgresql_parameters: { max_connections: 200 }
dcs_type: etcd                        # or consul
cluster_vip: 10.77.0.100              # optional
pgbouncer_install: true
with_haproxy_load_balancing: false
ssh: { user: root, port: 22, private_key: ~/.ssh/id_ed25519, known_hosts: ~/.ssh/known_hosts }
hosts:
  pg1: { address: 10.77.0.11, datacenter: dc1 }
  pg2: { address: 10.77.0.12, datacenter: dc1, patroni_tags: { nofailover: false } }
  pg3: { address: 10.77.0.13, datacenter: dc2, ssh: { host: 203.0.113.4, port: 2222 } }   # ssh goes another way than the cluster
)");
  REQUIRE(spec.hosts.size() == 3);
  CHECK(spec.postgresql_parameters == Pairs{{"max_connections", "200"}});
  CHECK(spec.cluster_vip == "10.77.0.100");
  CHECK(spec.ssh.private_key == std::vector<std::string>{"~/.ssh/id_ed25519"});
  CHECK(spec.hosts[1].patroni_tags == Pairs{{"nofailover", "false"}});
  CHECK(spec.hosts[2].ssh.host == "203.0.113.4");
  CHECK(spec.hosts[2].ssh.port == 2222);
  CHECK(spec.host("pg2") == &spec.hosts[1]);
  CHECK(spec.host("pg4") == nullptr);
  CHECK(validate(spec).empty());
}

TEST_CASE("the file that load_spec reads, and what it says where there is none") {
  const Folder folder;
  folder.write("cluster.yaml", kHosts);
  CHECK(load_spec((folder.path / "cluster.yaml").string()) == three());
  const auto message = [](const std::string& path) -> std::string {
    try {
      load_spec(path);
    } catch (const Error& e) {
      CHECK(e.code() == Code::spec_invalid);
      return e.message();
    }
    return "";
  };
  CHECK(message("/nowhere/cluster.yaml") == "cannot read /nowhere/cluster.yaml: No such file or directory");
  CHECK(message(folder.path.string()) == "cannot read " + folder.path.string() + ": Is a directory");
  folder.write("bad.yaml", "hosts: {}\nport: 1\n");
  const std::string bad = (folder.path / "bad.yaml").string();
  CHECK(message(bad) == bad + " has 2 errors");
}

TEST_CASE("passwords from the environment, from files and from another spec") {
  const Folder folder;
  folder.write("password", "from a file\n");
  folder.write("crlf", "from Windows\r\n");
  folder.write("cluster.yaml", std::string(kHosts) + R"(
patroni_superuser_password: inline secret
patroni_replication_password: !env PGCLUSTER_TEST_PASSWORD
patroni_restapi_password: !file password
pgbouncer_auth_password: !file ./crlf
postgresql_users: [ { name: app, password: inline app } ]
patroni_cluster_name: !file name
)");
  folder.write("name", "orders\n");
  setenv("PGCLUSTER_TEST_PASSWORD", "from the environment", 1);
  const Spec spec = load_spec((folder.path / "cluster.yaml").string());
  const std::string file = (folder.path / "password").string();
  CHECK(spec.patroni_superuser_password == SpecSecret{"inline secret", ""});
  CHECK(spec.patroni_replication_password == SpecSecret{"from the environment", "!env PGCLUSTER_TEST_PASSWORD"});
  CHECK(spec.patroni_restapi_password == SpecSecret{"from a file", "!file " + file});
  CHECK(spec.pgbouncer_auth_password.value == "from Windows");
  CHECK(spec.patroni_cluster_name == "orders");

  // A dump loads from any folder.
  CHECK(parse_spec(dump(spec)) == spec);
  const std::string references = dump(spec, Secrets::references);
  CHECK(references.find("inline") == std::string::npos);
  CHECK(references.find("patroni_superuser_password: !spec patroni_superuser_password") != std::string::npos);
  CHECK(references.find("password: !spec postgresql_users.app.password") != std::string::npos);
  CHECK(references.find("!env PGCLUSTER_TEST_PASSWORD") != std::string::npos);
  CHECK(parse_spec(references, "plan", ".", &spec) == spec);

  Spec without = spec;
  without.patroni_superuser_password = {};
  CHECK(refused(references, &without).find("patroni_superuser_password: the spec that gives the passwords has no patroni_superuser_password") !=
        std::string::npos);
  CHECK(refused(references).find("refers to a password of another spec") != std::string::npos);
}

TEST_CASE("relative paths start at the folder of the file, ~ stays for later") {
  const Spec spec =
      parse_spec(std::string(kHosts) + "ssh: { private_key: [keys/id, ~/.ssh/id, /k], known_hosts: ../known }\n", "cluster.yaml", "/srv/clusters");
  CHECK(spec.ssh.private_key == std::vector<std::string>{"/srv/clusters/keys/id", "~/.ssh/id", "/k"});
  CHECK(spec.ssh.known_hosts == "/srv/known");
}

TEST_CASE("no message shows a password") {
  const std::string said = refused(R"(
patroni_superuser_password: { hidden: hidden }
patroni_replication_password: [hidden]
patroni_restapi_password: "hidden\n"
postgresql_users: [hidden, { name: app, password: "hidden\t" }, { name: other, password: [hidden] }]
hosts: { pg1: { address: 10.77.0.11 } }
)");
  CHECK(said.find("postgresql_users[1].password") != std::string::npos);
  CHECK_MESSAGE(said.find("hidden") == std::string::npos, said);
}

TEST_CASE("extra goes to components as JSON, with references followed then") {
  const Folder folder;
  folder.write("token", "from a file\n");
  setenv("PGCLUSTER_TEST_PASSWORD", "say \"hi\"", 1);
  const Spec spec =
      parse_spec(std::string(kHosts) + "extra: { mine: { port: 9100, on: yes, env: !env PGCLUSTER_TEST_PASSWORD, file: [!file token] } }\n",
                 "cluster.yaml", folder.path.string());
  CHECK(dump(spec).find("from a file") == std::string::npos);
  CHECK(extra_json(spec, "mine") == R"({"port": 9100, "on": "yes", "env": "say \"hi\"", "file": ["from a file"]})");
  CHECK(nlohmann::json::parse(extra_json(spec, "mine"))["env"] == "say \"hi\"");
  CHECK(extra_json(spec, "other") == "{}");
  CHECK(parse_spec(dump(spec)) == spec);
  unsetenv("PGCLUSTER_TEST_PASSWORD");
  CHECK_THROWS_AS(extra_json(spec, "mine"), Error);
}

TEST_CASE("a spec that was built in code is checked as one that was read") {
  CHECK(found([](Spec&) {}) == "");
  CHECK(found([](Spec& s) { s.hosts.push_back(s.hosts[0]); }) ==
        "error: hosts.pg1: has the same name as pg1; upper and lower case do not differ; give it another name\n"
        "error: hosts.pg1.address: is also the address of pg1; write the host's own address\n");
  CHECK(found([](Spec& s) { s.dcs_type = DcsType::consul; }) == "");
  CHECK(
      found([](Spec& s) { s.dcs_type = DcsType::consul, s.patroni_cluster_name = "a-"; }) ==
      "error: patroni_cluster_name: a- cannot be part of a name in DNS, which clients get with Consul; write small letters, digits, and '-' between "
      "them, like postgres-cluster\n");
  CHECK(found([](Spec& s) { s.with_haproxy_load_balancing = true, s.synchronous_mode = true, s.confd_binary.path = "/opt/confd"; }) == "");
  CHECK(found([](Spec& s) {
          s.with_haproxy_load_balancing = true, s.synchronous_mode = true;
        }).starts_with("warning: confd_install: needs confd_binary"));
  CHECK(found([](Spec& s) {
          s.with_haproxy_load_balancing = true, s.confd_install = false;
        }).starts_with("warning: haproxy_listen_port.replicas_sync: port 5002 never answers"));
  CHECK(found([](Spec& s) { s.with_haproxy_load_balancing = true, s.confd_install = false, s.haproxy_listen_port.replicas_sync = 0; }) == "");
  CHECK(found([](Spec& s) { s.haproxy_extra = "listen x\n    bind :1\n"; }).starts_with("warning: haproxy_extra: has no effect without"));
  CHECK(found([](Spec& s) { s.confd_binary = {.path = "/opt/confd", .sha256 = std::string(64, '0')}; }).starts_with("error: confd_binary: has both"));
  CHECK(found([](Spec& s) { s.postgresql_version = 9; }) == "error: postgresql_version: 9 is out of range; write 10 to 18\n");
  CHECK(found([](Spec& s) { s.ssh.host = "pg1"; }) == "error: ssh.host: can be set for one host only; write it in that host's own ssh\n");
  CHECK(found([](Spec& s) { s.ssh.transport = Transport::cloud; }) == "error: ssh.transport: unknown value cloud; write libssh2, openssh or local\n");
  CHECK(found([](Spec& s) {
          s.hosts[0].roles = {Role::postgres, Role::postgres};
        }) == "error: hosts.pg1.roles[1]: postgres is given twice; remove one of them\n");
  CHECK(found([](Spec& s) { s.vip_interface = "eth0"; }).starts_with("warning: vip_interface: "));
  CHECK(found([](Spec& s) { s.postgresql_parameters = {{"fsync", "off"}}; }).starts_with("warning: postgresql_parameters.fsync: "));
  CHECK(found([](Spec& s) { s.postgresql_parameters = {{"a.b", "1"}, {"A.b", "2"}}; }).find("given twice") != std::string::npos);
  CHECK(found([](Spec& s) { s.synchronous_mode = true, s.synchronous_node_count = 3; }).starts_with("warning: synchronous_node_count: "));
  CHECK(found([](Spec& s) {
          s.synchronous_mode = s.synchronous_mode_strict = true, s.synchronous_node_count = 2;
        }).starts_with("warning: synchronous_mode_strict: "));
  CHECK(found([](Spec& s) { s.etcd_client_port = 5432; }) ==
        "error: etcd_client_port: port 5432 is also that of postgresql_port on pg1; give one of them another port\n");
  // Ports of hosts that do not meet may be the same; sshd's is not known where ssh goes another way.
  CHECK(found([](Spec& s) {
          s.hosts.push_back({.name = "e1", .address = "10.77.0.31", .roles = {Role::etcd}});
          s.etcd_client_port = 5432;
        }) == "");
  CHECK(found([](Spec& s) {
          for (HostSpec& host : s.hosts) host.ssh.host = host.name, host.ssh.port = 5432;
        }) == "");
  CHECK(found([](Spec& s) { s.pgbouncer_install = false, s.pgbouncer_listen_port = 5432; }) == "");
  CHECK(found([](Spec& s) { s.hosts[1].patroni_tags = {{"replicatefrom", "pg1"}}; }) == "");
  CHECK(found([](Spec& s) { s.postgresql_parameters = {{"synchronous_standby_names", "*"}}; }) == "");
  CHECK(found([](Spec& s) {
          s.postgresql_parameters = {{"archive_mode", "off"}, {"archive_command", "cp %p /mnt/%f"}};
        }).starts_with("warning: postgresql_parameters.archive_command: archives nothing"));
}

TEST_CASE("settings that PostgreSQL, Patroni or pgcluster would not take") {
  const auto one = [](const std::string& name, const std::string& value, int version = 17) {
    return found([&](Spec& s) { s.postgresql_version = version, s.postgresql_parameters = {{name, value}}; });
  };
  CHECK(one("work_memm", "64MB") == "error: postgresql_parameters.work_memm: PostgreSQL 17 has no setting work_memm; did you mean work_mem?\n");
  CHECK(one("old_snapshot_threshold", "1h").find("PostgreSQL 17 has no setting old_snapshot_threshold any more: versions 13, 15, 16 have it") !=
        std::string::npos);
  CHECK(one("transaction_timeout", "1min", 16).find("PostgreSQL 16 has no setting transaction_timeout yet") != std::string::npos);
  CHECK(one("work_mem", "64mb").ends_with("; write 64MB\n"));
  CHECK(one("work_mem", "1kB").find("1kB is too small; write 64kB to ") != std::string::npos);
  CHECK(one("autovacuum_naptime", "5minutes").ends_with("write 5min\n"));
  CHECK(one("max_parallel_workers", "4MB").find("expects a number without a unit") != std::string::npos);
  CHECK(one("synchronous_commit", "remote_appply").find("did you mean remote_apply?") != std::string::npos);
  CHECK(one("autovacuum", "maybe").ends_with("expects on or off, has maybe; write on or off\n"));
  CHECK(one("server_version", "17").find("cannot be set here") != std::string::npos);
  CHECK(one("transaction_isolation", "serializable").find("one session or transaction") != std::string::npos);
  CHECK(one("recovery_min_apply_delay", "1h").find("cannot be set here") != std::string::npos);
  CHECK(one("Default_Transaction_Isolation", "Serializable").find("Patroni's own sessions") != std::string::npos);
  CHECK(one("default_transaction_read_only", "t").find("ALTER ROLE app") != std::string::npos);
  CHECK(one("wal_level", "minimal").find("replicas need") != std::string::npos);
  CHECK(one("wal_keep_size", "0").find("Patroni would take its own default; write 16MB or more") != std::string::npos);
  CHECK(one("pgcluster.config", "x").find("its own marks") != std::string::npos);
  for (const auto& [name, value] : Pairs{{"app.settings.jwt_secret", "abc"},
                                         {"Checkpoint_Timeout", "20min"},
                                         {"tcp_user_timeout", "30s"},
                                         {"timezone", "UTC"},
                                         {"synchronous_commit", "1"},
                                         {"log_min_messages", "DEBUG"},
                                         {"wal_buffers", "-1"},
                                         {"max_connections", "0x80"}})
    CHECK(one(name, value) == "");
  // A version whose settings are not known: its values are read as those of the nearest one, and nothing is said of names.
  CHECK(one("work_mem", "64mb", 12) != "");
  CHECK(one("some_old_setting", "1", 12) == "");
}

TEST_CASE("lines of pg_hba.conf that PostgreSQL would refuse, or never look at") {
  const auto one = [](const std::string& line) { return found([&](Spec& s) { s.postgresql_pg_hba = {line}; }); };
  CHECK(one("host all app 10.0.0.0/33 scram-sha-256").find("its length goes from 0 to 32; write like 10.0.0.0/32") != std::string::npos);
  CHECK(one("host all app fd00::/129 md5").find("from 0 to 128") != std::string::npos);
  CHECK(one("host all app 10.0.0.1 md5").find("has no length; write 10.0.0.1/32") != std::string::npos);
  CHECK(one("hostssl all app 10.0.0.1 255.255.255.255 md5") == "");
  CHECK(one("host all app 10.0.0.256/32 md5").find("is not a network") != std::string::npos);
  CHECK(one("host all app 10.0.0.0/8 scram-sha256").find("did you mean scram-sha-256?") != std::string::npos);
  CHECK(one("host all app 10.0.0.0/8 peer").find("Unix socket") != std::string::npos);
  CHECK(one("host all app 10.0.0.0/8 cert").find("hostssl") != std::string::npos);
  CHECK(one("host all app 10.0.0.0/8 md5 clientcert").find("name=value") != std::string::npos);
  CHECK(one("host \"all app 10.0.0.0/8 md5").find("quote") != std::string::npos);
  CHECK(one("local all postgres trust").find("never matches: \"local all postgres peer\"") != std::string::npos);
  CHECK(one("host replication replicator 10.77.0.12/32 reject").find("never matches") != std::string::npos);
  CHECK(one("host all all 10.77.0.12/32 reject").find("warning: postgresql_pg_hba[0]: does not keep out postgres and replicator of pg2") == 0);
  for (const char* good :
       {"host all monitor 127.0.0.1/32 trust", "host all app 10.77.0.12/32 reject", "local all postgres peer", "local all app scram-sha-256",
        "hostssl \"my db\",other app 10.0.0.0/8 md5 # those", "hostssl sameuser all all scram-sha-256",
        "hostssl replication backup 10.77.0.12/32 scram-sha-256", "hostgssenc all all .example.org gss"})
    CHECK(one(good) == "");
}

TEST_CASE("lines of pg_hba.conf that admit connections without TLS") {
  const auto of = [](const std::string& line, bool tls) {
    return found([&](Spec& s) {
      s.postgresql_pg_hba = {line};
      s.tls_cert_generate = tls;
    });
  };
  CHECK(of("host all app 10.0.0.0/8 scram-sha-256", true) == "warning: postgresql_pg_hba[0]: also admits connections without TLS; write hostssl\n");
  CHECK(of("hostnossl all app all scram-sha-256", true) == "warning: postgresql_pg_hba[0]: admits connections without TLS; write hostssl\n");
  for (const char* good : {"hostssl all app 10.0.0.0/8 scram-sha-256", "host all app 10.0.0.0/8 reject", "host all app 127.0.0.1/32 scram-sha-256",
                           "host all app ::1/128 scram-sha-256", "local all app scram-sha-256"})
    CHECK(of(good, true) == "");
  CHECK(of("host all app 10.0.0.0/8 scram-sha-256", false).find("admits") == std::string::npos);
}

TEST_CASE("lines of pg_hba.conf that another hides") {
  const auto hidden = [](const std::string& first, const std::string& second) {
    const std::string all = found([&](Spec& s) { s.postgresql_pg_hba = {first, second}; });
    return all.find("warning: postgresql_pg_hba[1]: never matches: \"" + first + "\" stands before it") != std::string::npos;
  };
  const std::pair<const char*, const char*> pairs[] = {
      {"host all all 10.0.0.0/8 scram-sha-256", "host app app 10.1.0.0/16 reject"},
      {"host all all all reject", "hostssl all all .example.org scram-sha-256"},
      {"host all app,other 10.0.0.0 255.0.0.0 scram-sha-256", "hostnossl all other 10.2.0.0/16 scram-sha-256"},
      {"host \"app\" all fd00::/8 scram-sha-256", "host app app fd00:1::/64 scram-sha-256"},
      {"host replication backup samenet scram-sha-256", "host replication backup samehost scram-sha-256"},
      {"local all all scram-sha-256", "local sameuser app scram-sha-256"},
      {"hostnogssenc all all 0.0.0.0/0 scram-sha-256", "hostssl all +people 10.0.0.0/8 scram-sha-256"}};
  for (const auto& [first, second] : pairs) {
    CAPTURE(second);
    CHECK(hidden(first, second));
    CHECK_FALSE(hidden(second, first));
  }
  const std::pair<const char*, const char*> apart[] = {{"host all all 10.0.0.0/8 scram-sha-256", "host replication backup 10.0.0.0/8 scram-sha-256"},
                                                       {"host all \"all\" 10.0.0.0/8 scram-sha-256", "host all app 10.0.0.0/8 scram-sha-256"},
                                                       {"host all all 0.0.0.0/0 scram-sha-256", "host all all ::/0 scram-sha-256"},
                                                       {"host all all 10.0.0.0/8 scram-sha-256", "host all all .example.org scram-sha-256"},
                                                       {"hostssl all all 10.0.0.0/8 scram-sha-256", "host all all 10.0.0.0/8 scram-sha-256"},
                                                       {"host all +people 10.0.0.0/8 scram-sha-256", "host all app 10.0.0.0/8 scram-sha-256"},
                                                       {"local all all scram-sha-256", "host all all 10.0.0.0/8 scram-sha-256"}};
  for (const auto& [first, second] : apart) {
    CAPTURE(second);
    CHECK_FALSE(hidden(first, second));
  }
}

TEST_CASE("lines of pg_hba.conf that PgBouncer cannot hold") {
  const auto one = [](const std::string& line) { return found([&](Spec& s) { s.postgresql_pg_hba = {line}; }); };
  for (const char* line :
       {"host \"my db\",other /^app_ 10.0.0.0/8 md5", "hostssl all +people 10.0.0.0/8 ldap ldapserver=l", "host samerole all 10.0.0.0/8 reject",
        "host all app samenet reject", "host all @people 10.0.0.0/8 reject", "host all app .example.org scram-sha-256"}) {
    CAPTURE(line);
    CHECK(one(line).find("warning: postgresql_pg_hba[0]: holds for PostgreSQL only: PgBouncer does not know") != std::string::npos);
  }
  CHECK(one("host all app 10.0.0.0/8 ldap ldapserver=l ldapprefix=\"cn=\"")
            .find("keeps these clients out of PgBouncer, which cannot let anybody in by ldap") != std::string::npos);
  CHECK(one("hostssl all app 10.0.0.0/8 cert").find("by cert") != std::string::npos);
  CHECK(one("local all app peer").find("keeps clients of PgBouncer out") != std::string::npos);
  CHECK(found([](Spec& s) {
          s.postgresql_pg_hba = {"local all app peer", "hostssl all @people samenet ldap"};
          s.pgbouncer_install = false;
        }) == "");
}

TEST_CASE("networks that may connect") {
  const auto one = [](const std::string& network) { return found([&](Spec& s) { s.database_allowed_networks = {network}; }); };
  for (const char* good : {"10.77.0.0/24", "10.77.0.1/32", "fd00::/8", "128.0.0.0/1", "FD00:0::/64"}) CHECK(one(good) == "");
  const std::pair<const char*, const char*> bad[] = {
      {"10.77.0.11/24", "has bits beyond its length; write 10.77.0.0/24, or 10.77.0.11/32 for this one address"},
      {"fd00::11/64", "write fd00::/64, or fd00::11/128"},
      {"10.0.0.1/0", "write 0.0.0.0/0"},
      {"10.0.0.0", "is not a network; write 10.0.0.0/32 for this one address"},
      {"10.0.0.0/33", "its length goes from 0 to 32"},
      {"fd00::/129", "from 0 to 128"},
      {"10.0.0.256/24", "is not a network"},
      {"10.0/16", "is not a network"},
      {"example.org/24", "is not a network"},
      {"::ffff:10.0.0.0/104", "write 10.0.0.0/8"},
      {"::ffff:10.1.2.3/104", "write 10.0.0.0/8"}};
  for (const auto& [network, words] : bad) {
    CAPTURE(network);
    CHECK(one(network).find("error: database_allowed_networks[0]: ") == 0);
    CHECK(one(network).find(words) != std::string::npos);
  }
  for (const char* all : {"0.0.0.0/0", "::/0"}) CHECK(one(all).find("warning: database_allowed_networks[0]: ") == 0);
}

TEST_CASE("keys that begin with x- are the user's own") {
  const Spec spec =
      parse_spec(std::string("x-ssh: &s { user: admin }\nssh: *s\nx-1: [a]\n") + "hosts: { pg1: { address: 10.77.0.11, x-rack: 7 } }\n");
  CHECK(spec.ssh.user == "admin");
  CHECK(refused(std::string("y-ssh: 1\n") + kHosts).find("unknown key") != std::string::npos);
  CHECK(refused(std::string("synchronous_mode: quorum\n") + kHosts).find("quorum commit is not supported yet; write true, with") !=
        std::string::npos);
}

TEST_CASE("each word of a choice is read as its value and written again") {
  const nlohmann::json schema = nlohmann::json::parse(spec_schema())["properties"];
  const std::string more = "server_location: here\nserver_network: a/b\nazure_resource_group: group\n";
  int words = 0;
  for (const auto& [key, about] : schema.items()) {
    for (const auto& word : about.value("enum", nlohmann::json::array())) {
      const std::string line = key + ": " + word.get<std::string>() + "\n";
      CAPTURE(line);
      const std::string rest = kHosts + (key == "cloud_provider" ? more : "");
      const Spec spec = parse_spec(line + rest);
      CHECK((spec == parse_spec(rest)) == (about.value("default", nlohmann::json()) == word));
      CHECK(parse_spec(dump(spec)) == spec);
      ++words;
    }
  }
  CHECK(words == 19);
}

TEST_CASE("an unknown word of a choice is one finding, from which none follow") {
  CHECK(refused("dcs_type: zookeeper\nhosts: { pg1: { address: 10.77.0.11, roles: [postgres, consul] } }\n") ==
        "cluster.yaml:1:11: error: dcs_type: unknown value zookeeper; write etcd or consul\n");
  CHECK(refused(std::string(kHosts) + "cloud_provider: hetzer\ndatabase_public_access: true\n") ==
        "cluster.yaml:2:17: error: cloud_provider: unknown value hetzer; did you mean hetzner? It takes aws, gcp, azure, digitalocean or hetzner\n");
  CHECK(refused("hosts: { pg1: { address: 10.77.0.11, roles: [postgress] } }\n") ==
        "cluster.yaml:1:46: error: hosts.pg1.roles[0]: unknown value postgress; did you mean postgres? It takes postgres, etcd, consul, "
        "consul_client, balancer or backup\n");
}

TEST_CASE("an empty word of a choice is none where the choice is optional, else an error") {
  CHECK(parse_spec(std::string(kHosts) + "cloud_provider: ''\n") == three());
  CHECK(parse_spec("hosts: { pg1: { address: 10.77.0.11, consul_dns: '' } }\n").hosts[0].consul_dns == std::nullopt);
  for (const char* key : {"dcs_type", "consul_dns", "patroni_watchdog_mode"})
    CHECK(refused(std::string(kHosts) + key + ": ''\n").find(std::string(key) + ": is empty; write a value, or remove the key") != std::string::npos);
  CHECK(refused(std::string(kHosts) + "ssh: { host_key: '' }\n").find("ssh.host_key: is empty; write a value") != std::string::npos);
  CHECK(refused("hosts: { pg1: { address: 10.77.0.11, roles: [''] } }\n").find("roles[0]: is empty; write a value, or remove it") !=
        std::string::npos);
}

TEST_CASE("order matters for hosts, not whether a default is written") {
  Spec spec = three();
  std::swap(spec.hosts[0], spec.hosts[2]);
  const Spec again = parse_spec(dump(spec));
  CHECK(again == spec);
  CHECK_FALSE(again == three());
  CHECK(dump(parse_spec(std::string(kHosts) + "postgresql_port: 5432\n")) == dump(three()));
}

TEST_CASE("every key comes back from a dump") {
  // Each as far from its default as its type lets it; the spec need not make sense for that.
  const nlohmann::json schema = nlohmann::json::parse(spec_schema());
  for (const auto& key : keys::of<Spec>()) {
    CAPTURE(std::string(key.name));
    CHECK(schema["properties"].contains(std::string(key.name)));
    CHECK(schema["properties"][std::string(key.name)]["description"] == std::string(key.about));
    Spec spec = three();
    bool changed = true;
    if (const auto* flag = std::get_if<bool Spec::*>(&key.member)) {
      spec.*(*flag) = !(spec.*(*flag));
      if (key.name == "synchronous_mode_strict") spec.synchronous_mode = true;
      if (key.name == "pgbackrest_install") {
        spec.hosts.push_back({.name = "keeper", .address = "10.77.0.14", .roles = {Role::backup}});
        spec.pgbackrest_repos.push_back({});
      }
    } else if (const auto* number = std::get_if<int Spec::*>(&key.member)) {
      spec.*(*number) += key.name.ends_with("port")                                                                                    ? 2000
                         : key.name == "patroni_ttl" || key.name == "postgresql_version" || key.name == "keepalived_virtual_router_id" ? 1
                                                                                                                                       : -1;
      if (key.name == "synchronous_node_count") spec.*(*number) = 2;
    } else if (const auto* secret = std::get_if<SpecSecret Spec::*>(&key.member)) {
      (spec.*(*secret)).value = "pass: 'word' \"\\ ü €";
    } else {
      changed = false;
    }
    if (!changed) continue;
    CHECK(dump(spec) != dump(three()));
    CHECK(parse_spec(dump(spec)) == spec);
  }
}

TEST_CASE("what is cut off or damaged is refused, never worse") {
  const auto harmless = [](const std::string& text) {
    try {
      const Spec spec = parse_spec(text);
      CHECK(parse_spec(dump(spec)) == spec);
    } catch (const Error& e) {
      CHECK(e.code() == Code::spec_invalid);
      CHECK_FALSE(e.diagnostics().empty());
    }
  };
  const std::string whole = golden::read(fs::path(PGCLUSTER_CASES) / "spec/good-everything/cluster.yaml");
  for (std::size_t end = 0; end < whole.size(); end += 7) harmless(whole.substr(0, end));
  unsigned seed = 1;
  const auto random = [&] { return seed = seed * 1103515245U + 12345U, (seed >> 16) & 0x7fffU; };
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] = "{}[]:,'\"#&*!|>-\n\t %@`\0\xff"[random() % 23];
    harmless(damaged);
  }
  harmless(std::string(20'000, '['));
  harmless(std::string(20'000, '{'));
  harmless("a: " + std::string(100'000, 'x'));
  harmless(std::string("hosts: \0x", 9));
}

TEST_CASE("the examples fit the schema, as a real validator sees it") {
  const Folder folder;
  folder.write("schema.json", spec_schema());
  folder.write("fits.py", R"py(
import json, sys
try:
    import jsonschema, yaml
except ImportError as e:
    print(e); sys.exit(77)
class Loader(yaml.SafeLoader): pass
for tag in ("!env", "!file"):
    Loader.add_constructor(tag, lambda loader, node: loader.construct_scalar(node))
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for name in sys.argv[3:]:
    errors = list(validator.iter_errors(yaml.load(open(name), Loader)))
    if bool(errors) == (sys.argv[2] == "good"):
        print(name, [(list(e.path), e.message) for e in errors]); sys.exit(1)
)py");
  const auto run = [&](const std::string& kind, const std::vector<fs::path>& files) {
    std::string command = "python3 '" + (folder.path / "fits.py").string() + "' '" + (folder.path / "schema.json").string() + "' " + kind;
    for (const fs::path& file : files) command += " '" + file.string() + '\'';
    return WEXITSTATUS(std::system(command.c_str()));
  };
  std::vector<fs::path> good;
  for (const auto& entry : fs::directory_iterator(fs::path(PGCLUSTER_SOURCE) / "examples"))
    if (entry.path().extension() == ".yaml") good.push_back(entry.path());
  for (const auto& folder_of_case : golden::cases("spec"))
    if (folder_of_case.filename().string().starts_with("good-")) good.push_back(folder_of_case / "expected.yaml");
  const int result = run("good", good);
  if (result == 77 || result == 127) {
    MESSAGE("skipped: python3-jsonschema and python3-yaml are not there");
    return;
  }
  CHECK(result == 0);
  const fs::path cases = fs::path(PGCLUSTER_CASES) / "spec";
  CHECK(run("bad", {cases / "bad-unknown-keys/cluster.yaml", cases / "bad-wrong-types/cluster.yaml", cases / "bad-no-hosts/cluster.yaml",
                    cases / "bad-hosts-empty/cluster.yaml", cases / "bad-ranges/cluster.yaml", cases / "bad-consul/cluster.yaml",
                    cases / "bad-host-without-address/cluster.yaml", cases / "bad-enums/cluster.yaml", cases / "bad-host-names/cluster.yaml"}) == 0);
}
