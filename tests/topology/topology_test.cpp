#include <pgcluster/topology/topology.hpp>

#include <cstdlib>

#include "golden.hpp"

using namespace pgcluster;

namespace {

Spec spec_of(int hosts, const std::string& more = "") {
  std::string yaml = more + "hosts:\n";
  for (int i = 1; i <= hosts; ++i) yaml += "  pg" + std::to_string(i) + ": { address: 10.77.0." + std::to_string(10 + i) + " }\n";
  return parse_spec(yaml);
}

std::string warnings(const Topology& topology) {
  std::string out;
  for (const Diagnostic& warning : topology.warnings) out += warning.text() + '\n';
  return out;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("who does what, where clients go, what is doubtful, and a picture of it") {
  for (const auto& folder : golden::cases("topology")) {
    CAPTURE(folder.string());
    const Spec spec = parse_spec(golden::read(folder / "cluster.yaml"), "cluster.yaml");
    const Topology topology = resolve(spec);
    std::string text = "dcs";
    for (const auto& member : topology.dcs_members) text += ' ' + member;
    text += topology.dcs_named ? " (named)" : " (default)";
    text += ", quorum " + std::to_string(topology.quorum()) + ", tolerates " + std::to_string(topology.tolerates()) + '\n';
    for (const TopologyHost& host : topology.hosts) {
      text += host.name + ' ' + host.address + ' ' + host.datacenter + ':';
      for (const Role role : host.roles) text += ' ' + std::string(to_string(role));
      text += "; ssh " + host.access.user + '@' + host.access.address + ':' + std::to_string(host.access.port) + '\n';
    }
    for (const Endpoint& endpoint : topology.endpoints)
      text += std::string(to_string(endpoint.kind)) + ' ' + endpoint.address + ' ' + std::to_string(endpoint.port) + ' ' + endpoint.uri + '\n';
    golden::check(folder / "expected.txt", text + warnings(topology));
    golden::check(folder / "expected.dot", graph(topology, spec, "dot"));
    golden::check(folder / "expected.mmd", graph(topology, spec, "mermaid"));
    golden::check(folder / "expected.svg", graph(topology, spec, "svg"));
    golden::check(folder / "expected.json", cluster_file(topology));
  }
}

TEST_CASE("the DCS stands on the first three database hosts, on five from seven on, or where the spec says") {
  for (const auto& [hosts, members] : {std::pair{1, 1}, {2, 2}, {3, 3}, {4, 3}, {6, 3}, {7, 5}, {9, 5}}) {
    const Topology topology = resolve(spec_of(hosts));
    CAPTURE(hosts);
    CHECK(topology.dcs_members.size() == static_cast<std::size_t>(members));
    CHECK(topology.dcs_members.front() == "pg1");
    CHECK(topology.database.size() == static_cast<std::size_t>(hosts));
    CHECK_FALSE(topology.dcs_named);
    CHECK(topology.with(Role::etcd).size() == topology.dcs_members.size());
    CHECK(topology.with(Role::postgres).size() == topology.database.size());
  }
  Spec spec = spec_of(3);
  spec.hosts[1].roles = {Role::etcd, Role::postgres};
  const Topology named = resolve(spec);
  CHECK(named.dcs_named);
  CHECK(named.dcs_members == std::vector<std::string>{"pg2"});
  CHECK(named.host("pg2").roles == std::vector<Role>{Role::postgres, Role::etcd});
  CHECK(named.host("pg1").roles == std::vector<Role>{Role::postgres});
  CHECK(named.dcs_endpoints(2379) == "10.77.0.12:2379");
  CHECK_THROWS_AS(named.host("pg9"), Error);
}

TEST_CASE("quorum") {
  Topology topology;
  CHECK(topology.tolerates() == 0);
  for (const auto& [members, quorum, tolerates] : {std::tuple{1, 1, 0}, {2, 2, 0}, {3, 2, 1}, {4, 3, 1}, {5, 3, 2}, {7, 4, 3}}) {
    topology.dcs_members.assign(static_cast<std::size_t>(members), "x");
    CHECK(topology.quorum() == static_cast<std::size_t>(quorum));
    CHECK(topology.tolerates() == static_cast<std::size_t>(tolerates));
  }
}

TEST_CASE("how ssh reaches a host: its own settings, then the cluster's, then the defaults") {
  setenv("HOME", "/home/me", 1);
  const Spec spec = parse_spec(R"(
ssh: { user: admin, port: 2200, private_key: ~/.ssh/id, known_hosts: /etc/known, host_key: accept-new }
hosts:
  pg1: { address: 10.77.0.11 }
  pg2: { address: 10.77.0.12, ssh: { host: pg2.example.org, user: root, port: 22, private_key: [/a, ~/b], known_hosts: ~/known, host_key: strict } }
)");
  const Topology topology = resolve(spec);
  const HostAccess& first = topology.host("pg1").access;
  CHECK(first.name == "pg1");
  CHECK(first.address == "10.77.0.11");
  CHECK(first.port == 2200);
  CHECK(first.user == "admin");
  CHECK(first.private_keys == std::vector<std::string>{"/home/me/.ssh/id"});
  CHECK(first.known_hosts == std::vector<std::string>{"/etc/known"});
  CHECK(first.accept_new_host_key);
  const HostAccess& second = topology.host("pg2").access;
  CHECK(second.address == "pg2.example.org");
  CHECK(second.port == 22);
  CHECK(second.user == "root");
  CHECK(second.private_keys == std::vector<std::string>{"/a", "/home/me/b"});
  CHECK(second.known_hosts == std::vector<std::string>{"/home/me/known"});
  CHECK_FALSE(second.accept_new_host_key);
  const HostAccess plain = resolve(spec_of(1)).host("pg1").access;
  CHECK(plain.user == "root");
  CHECK(plain.port == 22);
  CHECK(plain.private_keys.empty());
  CHECK(plain.known_hosts == std::vector<std::string>{"/home/me/.ssh/known_hosts"});
  CHECK_FALSE(plain.accept_new_host_key);
}

TEST_CASE("other ways to a host: passwords, hops, ssh_config, transports") {
  setenv("HOME", "/home/me", 1);
  const Spec spec = parse_spec(R"(
ssh: { user: admin, password: everywhere, sudo_password: s, passphrase: p, jump: [first@bastion:2200, "[fd00::1]:22"], transport: openssh }
hosts:
  pg1: { address: 10.77.0.11 }
  pg2: { address: 10.77.0.12, ssh: { host: db2, password: own, jump: none, config: /etc/other, transport: libssh2 } }
  pg3: { address: 10.77.0.13, ssh: { transport: local, config: none } }
)");
  const Topology topology = resolve(spec);
  const HostAccess& first = topology.host("pg1").access;
  CHECK(first.transport == Transport::openssh);
  CHECK(first.password.reveal() == "everywhere");
  CHECK(first.password.masked() == "<secret ssh.password>");
  CHECK(first.sudo_password.reveal() == "s");
  CHECK(first.passphrase.reveal() == "p");
  CHECK(first.jump == std::vector<Hop>{{"bastion", 2200, "first"}, {"fd00::1", 22, ""}});
  CHECK(first.config == SshConfig{.path = "", .user = false, .port = true, .private_keys = true, .known_hosts = true, .jump = false});
  const HostAccess& second = topology.host("pg2").access;
  CHECK(second.transport == Transport::libssh2);
  CHECK(second.password.reveal() == "own");
  CHECK(second.sudo_password.reveal() == "s");
  CHECK(second.jump.empty());
  CHECK(second.config->path == "/etc/other");
  CHECK_FALSE(second.config->jump);
  CHECK(topology.host("pg3").access.transport == Transport::local);
  CHECK_FALSE(topology.host("pg3").access.config);
  CHECK_FALSE(resolve(parse_spec("ssh: { config: none }\nhosts: { pg1: { address: 10.77.0.11 } }")).host("pg1").access.config);

  const std::string file = cluster_file(topology);
  for (const char* secret : {"everywhere", "\"own", "\"s\"", "\"p\""}) CHECK_FALSE(has(file, secret));
  CHECK(read_cluster_file(file)->hosts[0].access.jump == first.jump);
}

TEST_CASE("endpoints") {
  const Topology vip = resolve(spec_of(3, "cluster_vip: 10.77.0.100\n"));
  REQUIRE(vip.endpoints.size() == 2);
  CHECK(vip.endpoints[0] ==
        Endpoint{EndpointKind::read_write, "10.77.0.100", 6432, "postgresql://10.77.0.100:6432/postgres?target_session_attrs=read-write"});
  CHECK(vip.endpoints[1].kind == EndpointKind::read_only);

  Spec direct = spec_of(2, "pgbouncer_install: false\npostgresql_port: 5433\n");
  direct.hosts[1].patroni_tags = {{"noloadbalance", "true"}};
  const Topology topology = resolve(direct);
  CHECK(topology.endpoints[0].uri == "postgresql://10.77.0.11:5433,10.77.0.12:5433/postgres?target_session_attrs=read-write&connect_timeout=3");
  CHECK(topology.endpoints[1] ==
        Endpoint{EndpointKind::read_only, "10.77.0.11", 5433, "postgresql://10.77.0.11:5433/postgres?target_session_attrs=prefer-standby"});

  const Spec six = parse_spec("cluster_vip: fd00::100\nhosts: { pg1: { address: fd00::11 }, pg2: { address: fd00::12 } }\n");
  CHECK(resolve(six).endpoints[0].uri == "postgresql://[fd00::100]:6432/postgres?target_session_attrs=read-write");
  CHECK(resolve(six).endpoints[1].uri ==
        "postgresql://[fd00::12]:6432,[fd00::11]:6432/postgres?target_session_attrs=prefer-standby&connect_timeout=3");
  CHECK(resolve(six).dcs_endpoints(2379) == "[fd00::11]:2379,[fd00::12]:2379");
}

TEST_CASE("warnings") {
  CHECK(has(warnings(resolve(spec_of(1))), "etcd has 1 member: losing it stops the cluster"));
  CHECK(has(warnings(resolve(spec_of(1))), "only pg1 is a database host"));
  CHECK(has(warnings(resolve(spec_of(2))), "etcd has 2 members: losing one stops the cluster"));
  CHECK_FALSE(has(warnings(resolve(spec_of(3))), "etcd has"));
  CHECK(has(warnings(resolve(spec_of(3))), "all hosts stand in one datacenter, dc1"));

  Spec spec = spec_of(4);
  for (HostSpec& host : spec.hosts) host.roles = {Role::postgres, Role::etcd};
  CHECK(has(warnings(resolve(spec)), "etcd has 4 members, and survives the loss of 1, no more than with 3"));

  spec = spec_of(3);
  spec.hosts[2].datacenter = "dc2";
  CHECK(has(warnings(resolve(spec)), "the loss of datacenter dc1 stops the cluster: 2 of 3 etcd members stand there"));
  spec.hosts[1].datacenter = "dc3";
  CHECK(warnings(resolve(spec)) == "");

  // What validate() finds doubtful comes along.
  spec.vip_interface = "eth0";
  CHECK(has(warnings(resolve(spec)), "vip_interface: has no effect without cluster_vip"));
}

TEST_CASE("the VIP must be in a network of the database hosts") {
  const Topology topology = resolve(spec_of(2));
  CHECK_FALSE(vip_network_warning("", topology));
  CHECK_FALSE(vip_network_warning("10.77.0.100", topology));
  REQUIRE(vip_network_warning("10.78.0.100", topology));
  CHECK(has(vip_network_warning("10.78.0.100", topology)->text(), "warning: cluster_vip: 10.78.0.100 seems to be in no network"));
  CHECK(has(warnings(resolve(spec_of(2, "cluster_vip: 10.78.0.100\n"))), "seems to be in no network"));
  // With facts it is no guess.
  CHECK_FALSE(vip_network_warning("10.78.0.100", topology, {{"pg1", {"127.0.0.1/8", "10.77.0.11/8"}}, {"pg2", {"10.77.0.12/8"}}}));
  REQUIRE(vip_network_warning("10.77.0.100", topology, {{"pg1", {"10.77.0.11/26"}}, {"pg2", {"10.77.0.12/24", "fd00::1/64"}}}));
  CHECK(
      has(vip_network_warning("10.77.0.100", topology, {{"pg1", {"10.77.0.11/26"}}, {"pg2", {"10.77.0.12/24"}}})->message, "in no network of pg1:"));
}

TEST_CASE("the file that hosts keep of the cluster") {
  const Topology topology = resolve(parse_spec(R"(
ssh: { user: admin, private_key: /keys/id, known_hosts: /keys/known }
hosts: { pg1: { address: 10.77.0.11, ssh: { host: 203.0.113.4, port: 2222 } }, e1: { address: 10.77.0.31, roles: [etcd] } }
)"));
  const std::string text = cluster_file(topology);
  CHECK_FALSE(has(text, "/keys"));
  const auto known = read_cluster_file(text);
  REQUIRE(known);
  CHECK(known->cluster == "postgres-cluster");
  REQUIRE(known->hosts.size() == 2);
  KnownHost expected{"pg1", "10.77.0.11", {}, {Role::postgres}};
  expected.access.name = "pg1";
  expected.access.address = "203.0.113.4";
  expected.access.port = 2222;
  expected.access.user = "admin";
  CHECK(known->hosts[0] == expected);
  CHECK(known->hosts[1].roles == std::vector<Role>{Role::etcd});
  for (const char* bad : {"", "x", "{}", "[]", "null", R"({"format": 2, "cluster": "a", "hosts": []})", R"({"format": 1, "cluster": 5, "hosts": []})",
                          R"({"format": 1, "cluster": "a", "hosts": [{"name": "x"}]})", R"({"format": 1, "cluster": "a", "hosts": [5]})"})
    CHECK_FALSE(read_cluster_file(bad));
}

TEST_CASE("a cloud that this version does not know is told apart in the cluster file") {
  const auto known = read_cluster_file(
      R"({"format": 1, "cluster": "a", "hosts": [], "clouds": [{"provider": "another"}, {"provider": "gcp", "endpoint": "https://gcp.example.org"}]})");
  REQUIRE(known);
  CHECK(known->clouds == std::vector<KnownCloud>{{.provider = CloudProvider::gcp, .endpoint = "https://gcp.example.org"}});
  CHECK(known->unknown_clouds == std::vector<std::string>{"another"});
}

TEST_CASE("an unknown format of a graph") {
  const Spec spec = spec_of(1);
  CHECK_THROWS_AS(graph(resolve(spec), spec, "png"), Error);
}
