#include <algorithm>

#include "cluster.hpp"
#include "operate/obstacles.hpp"
#include "operate/reach.hpp"

using namespace pgcluster;

namespace {

Spec scheme() {
  Spec spec = spec_of(scheme_a());
  return spec;
}

struct Node {
  Spec spec = scheme();
  Topology topology = resolve(spec);
  std::shared_ptr<const ClusterView> view = outline(spec, topology);
  Facts facts{};
  std::vector<Diagnostic> found() const {
    const NodeView node{*view, topology.hosts.front(), facts};
    return obstacles(node, declarations(node, with_builtin({})), likely_resources(spec, topology, with_builtin({})).at(node.name()));
  }
  std::string message() const {
    std::string all;
    for (const Diagnostic& one : found()) all += one.message + "; " + one.hint + "\n";
    return all;
  }
};

}  // namespace

TEST_CASE("masked units are named at once, with the remedy, and only those that are ours") {
  Node node;
  CHECK(node.message().empty());
  node.facts.masked = {"nginx.service"};
  CHECK(node.message().empty());
  node.facts.masked = {"nginx.service", "pgbouncer.service", "etcd.service"};
  CHECK(node.message() ==
        "etcd.service, pgbouncer.service are masked on pg1, and cannot be started; on pg1: systemctl unmask etcd.service pgbouncer.service\n");
}

TEST_CASE("read-only file systems are named where something is written there, and not below what is mounted read-write") {
  Node node;
  node.facts.read_only = {"/mnt", "/boot/efi"};
  node.facts.writable = {"/"};
  CHECK(node.message().empty());
  node.facts.read_only = {"/usr"};
  CHECK(node.message().find("/usr is mounted read-only on pg1, and pgcluster writes /usr") == 0);
  CHECK(node.message().find("mount -o remount,rw /usr") != std::string::npos);
  node.facts.read_only = {"/"};
  node.facts.writable = {"/etc", "/var", "/usr"};
  CHECK(node.message().empty());
  node.facts.writable = {"/etc", "/usr"};
  CHECK(node.message().find("/ is mounted read-only on pg1") == 0);
}

TEST_CASE("keys of sysctl_conf that a container cannot have, and huge pages that are not there") {
  Node node;
  node.facts.container = "lxc";
  node.spec.sysctl_conf = {{"vm.nr_hugepages", "100"}, {"net.core.somaxconn", "1024"}};
  node.view = outline(node.spec, node.topology);
  REQUIRE(node.found().size() == 1);
  CHECK(node.found()[0].severity == Severity::warning);
  CHECK(node.message().find("sysctl_conf: vm.nr_hugepages cannot be set on pg1, which is a container (lxc)") == 0);
  node.facts.container.clear();
  CHECK(node.message().empty());

  node.spec.postgresql_parameters = {{"huge_pages", "on"}, {"shared_buffers", "256MB"}};
  node.facts.huge_page_bytes = 2u << 20;
  node.view = outline(node.spec, node.topology);
  CHECK(node.message().find("huge_pages is on, and pg1 has 100 free huge pages of 2 MiB: shared_buffers alone needs 128") == 0);
  node.facts.free_huge_pages = 128;
  CHECK(node.message().empty());
  node.facts.free_huge_pages = 0;
  node.facts.begun = "postgresql_version: 17\n";  // its server has them already
  CHECK(node.message().empty());
}

TEST_CASE("an interface for the VIP that the host does not have") {
  Node node;
  node.spec.vip_interface = "eth9";
  node.view = outline(node.spec, node.topology);
  CHECK(node.message().empty());  // the host was not asked yet
  node.facts.devices = {"lo", "eth0"};
  CHECK(node.message().find("pg1 has no network interface eth9; it has lo, eth0; correct vip_interface") == 0);
  node.facts.devices.emplace_back("eth9");
  CHECK(node.message().empty());
}

TEST_CASE("a watchdog that is required, and is not there") {
  Node node;
  node.spec.patroni_watchdog_mode = WatchdogMode::required;
  node.view = outline(node.spec, node.topology);
  CHECK(node.message().empty());
  node.facts.no_watchdog = true;
  CHECK(node.message().find("patroni_watchdog_mode is required, and pg1 has no watchdog: its Patroni would never lead") == 0);
  node.spec.patroni_watchdog_mode = WatchdogMode::automatic;
  node.view = outline(node.spec, node.topology);
  CHECK(node.message().empty());
}

TEST_CASE("what one host reaches of another: open and refused are reached, silent and forbidden are not") {
  const std::vector<Peer> peers{{"pg1", "10.77.0.11", "PostgreSQL", 5432, true},
                                {"pg1", "10.77.0.11", "Patroni's REST API", 8008, true},
                                {"pg3", "fd00::3", "etcd's clients", 2379, false},
                                {"pg3", "fd00::3", "etcd's peers", 2380, false}};
  const auto barriers = [&](const std::string& out) { return read_barriers("pg2", peers, Output{.out = out}); };
  const std::string refused = "bash: line 9: /dev/tcp/10.77.0.11/8008: Connection refused\n";
  CHECK(barriers("open 10.77.0.11/5432\n" + refused + "open fd00::3/2379\nopen fd00::3/2380\n").empty());
  const auto silent = barriers("open 10.77.0.11/5432\n" + refused + "open fd00::3/2379\n");
  REQUIRE(silent.size() == 1);
  CHECK(silent[0].message == "pg2 cannot reach pg3 at port 2380 (etcd's peers): no answer within 2 s");
  CHECK_FALSE(silent[0].mutual);
  const auto forbidden = barriers(
      "bash: line 9: /dev/tcp/10.77.0.11/5432: Permission denied\nbash: line 9: /dev/tcp/10.77.0.11/8008: Permission denied\n"
      "open fd00::3/2379\nopen fd00::3/2380\n");
  REQUIRE(forbidden.size() == 1);
  CHECK(forbidden[0].message == "pg2 cannot reach pg1 at port 5432 (PostgreSQL), 8008 (Patroni's REST API): Permission denied");
  CHECK(forbidden[0].mutual);
  CHECK(read_barriers("pg2", peers, Output{.status = 127}).empty());  // what could not be asked is no finding
}
