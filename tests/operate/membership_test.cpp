// etcd's members become those of the spec.
#include "operate/cluster.hpp"

using namespace operate_test;
using namespace std::chrono_literals;

namespace membership_test {
namespace {

struct Aborted {};

// Database hosts pg1 to pg3; `etcd` are the hosts with that role, of which others have no other one.
Spec placed(const std::vector<std::string>& etcd, int database = 3, const std::string& more = {}) {
  std::string yaml = "patroni_cluster_name: test\npostgresql_users: [{name: app, password: \"app's secret\"}]\n" + more + "hosts:\n";
  for (int i = 1; i <= 8; ++i) {
    const std::string name = "pg" + std::to_string(i);
    std::string roles = i <= database ? "postgres" : "";
    if (std::find(etcd.begin(), etcd.end(), name) != etcd.end()) roles += roles.empty() ? "etcd" : ", etcd";
    if (!roles.empty()) yaml += "  " + name + ": {address: 10.77.0." + std::to_string(10 + i) + ", roles: [" + roles + "]}\n";
  }
  return spec_of(yaml);
}

const std::vector<std::string> three_hosts{"pg1", "pg2", "pg3"}, five_hosts{"pg1", "pg2", "pg3", "pg4", "pg5"}, apart{"pg4", "pg5", "pg6"};

std::vector<std::string> members(Fleet& fleet, const std::string& asked = "pg1") {
  std::vector<std::string> found;
  if (const EtcdModel::Cluster* cluster = fleet.etcd->cluster_of(asked))
    for (const EtcdModel::Member& one : cluster->members) found.push_back(one.name + (one.host.empty() ? " (not started)" : ""));
  std::sort(found.begin(), found.end());
  return found;
}

// Before each act, and in the end: the members that serve are a quorum. What is down was not our doing.
struct Watch {
  explicit Watch(Fleet& on) : fleet(on) {
    fleet.executor.meanwhile([this](SimulatedHost&, const Do& d) { look(d); });
  }
  ~Watch() { fleet.executor.meanwhile({}); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void look(const Do& d) {
    for (const char* name : {"pg1", "pg2", "pg3", "pg4", "pg5", "pg6"}) {
      if (fleet.executor.host(name).down) continue;
      const EtcdModel::Health health = fleet.etcd->health(name);
      if (health.members == 0 || !fleet.etcd->cluster_of(name)) continue;
      least = std::min(least, static_cast<int>(health.serving) - static_cast<int>(health.quorum));
    }
    const auto* run = std::get_if<Run>(&d.what);
    if (run && run->name.find("etcd's") != std::string::npos) said.push_back(run->name);
  }

  Fleet& fleet;
  int least = 99;
  std::vector<std::string> said{};
};

void finishes(Fleet& fleet, const Spec& spec, const std::vector<std::string>& wanted, const DeployOptions& options = {}) {
  apply_it(fleet, spec, options);
  CHECK(members(fleet, wanted.front()) == wanted);
  const Plan again = plan_deploy(spec, fleet.executor);
  CHECK_MESSAGE(again.empty(), again.text(true));
  const Status status = read_status(spec, fleet.executor);
  CHECK_MESSAGE(status.healthy, status.text());
}

std::string refusal(Fleet& fleet, const Spec& spec, const DeployOptions& options = {}) {
  try {
    plan_deploy(spec, fleet.executor, options);
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
    return error.text();
  }
  return "planned";
}

bool says(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

const PlannedChange* change_of(const Plan& plan, const std::string& id) {
  for (const PlannedChange& one : plan.changes())
    if (one.id == id) return &one;
  return nullptr;
}

}  // namespace

TEST_CASE("etcd grows from three to five, one at a time, and the plan tells how many losses it survives") {
  Fleet fleet;
  finishes(fleet, placed(three_hosts), three_hosts);
  const Plan plan = plan_deploy(placed(five_hosts), fleet.executor);
  REQUIRE(change_of(plan, "pg4/etcd/added"));
  REQUIRE(change_of(plan, "pg5/etcd/added"));
  CHECK(change_of(plan, "pg4/etcd/added")->reason == "pg4 joins etcd: now 3 members survive the loss of 1, then 4 members survive the loss of 1");
  CHECK(change_of(plan, "pg5/etcd/added")->reason == "pg5 joins etcd: now 4 members survive the loss of 1, then 5 members survive the loss of 2");
  const std::string config = change_of(plan, "pg5/etcd/config")->diff.value_or(Text()).masked();
  CHECK(says(config, "ETCD_INITIAL_CLUSTER_STATE=\"existing\""));
  CHECK(says(config, "pg4=https://10.77.0.14:2380,pg5=https://10.77.0.15:2380\""));
  CHECK(disturbing(plan).empty());
  Watch watch(fleet);
  finishes(fleet, placed(five_hosts), five_hosts);
  CHECK(watch.least >= 0);
  CHECK(watch.said == std::vector<std::string>{"add pg4 to etcd's members", "add pg5 to etcd's members"});
  CHECK(says(*fleet.executor.host("pg1").read("/etc/patroni/config.yml"), "10.77.0.15:2379"));
}

TEST_CASE("etcd shrinks from five to three: the leader last, and data goes when its member is out") {
  Fleet fleet;
  const Spec wide = placed(five_hosts, 5);
  finishes(fleet, wide, five_hosts);
  const std::vector<std::string> kept{"pg3", "pg4", "pg5"};  // pg1 leads
  const Plan plan = plan_deploy(placed(kept, 5), fleet.executor);
  REQUIRE(change_of(plan, "cluster/etcd/left-pg1"));
  CHECK(says(change_of(plan, "cluster/etcd/left-pg1")->reason, "it leads, and hands over to"));
  CHECK(change_of(plan, "pg1/etcd/remove:tree:/var/lib/etcd/default")->impact == Impact::data);
  CHECK(change_of(plan, "pg1/etcd/remove:unit:etcd.service")->impact == Impact::none);
  Watch watch(fleet);
  finishes(fleet, placed(kept, 5), kept);
  CHECK(watch.least >= 0);
  REQUIRE(watch.said.size() == 3);
  CHECK(watch.said[0] == "remove pg2 from etcd's members");
  CHECK(says(watch.said[1], "move etcd's leadership to"));
  CHECK(watch.said[2] == "remove pg1 from etcd's members");
  for (const char* host : {"pg1", "pg2"}) {
    CHECK_FALSE(fleet.executor.host(host).read("/var/lib/etcd/default/member/snap/db"));
    CHECK_FALSE(fleet.executor.host(host).active("etcd.service"));
    CHECK(fleet.executor.host(host).packages.contains("etcd-client"));
    CHECK_FALSE(fleet.executor.host(host).packages.contains("etcd-server"));
  }
  // And it grows again on the same hosts.
  finishes(fleet, wide, five_hosts);
}

TEST_CASE("etcd moves to hosts of its own, and back") {
  Fleet fleet;
  finishes(fleet, placed(three_hosts), three_hosts);
  Watch watch(fleet);
  finishes(fleet, placed(apart), apart);
  CHECK(watch.least >= 0);
  CHECK(says(refusal(fleet, placed(three_hosts)), "is no longer in the spec, and is a member of the DCS"));
  finishes(fleet, placed(three_hosts), three_hosts, {.prune = true});
  CHECK(watch.least >= 0);
  for (const std::string& host : apart) CHECK_FALSE(fleet.executor.host(host).read("/var/lib/pgcluster/cluster"));
}

TEST_CASE("etcd's members also change with a firewall, with balancers, and without TLS") {
  const std::vector<std::string> wanted{"pg1", "pg4", "pg5"};
  for (const char* more :
       {"firewall_enabled_at_boot: true\nwith_haproxy_load_balancing: true\ncluster_vip: 10.77.0.100\n", "tls_cert_generate: false\n"}) {
    Fleet fleet;
    finishes(fleet, placed(three_hosts, 3, more), three_hosts);
    Watch watch(fleet);
    finishes(fleet, placed(wanted, 3, more), wanted);
    finishes(fleet, placed(three_hosts, 3, more), three_hosts, {.prune = true});
    CHECK(watch.least >= 0);
  }
}

TEST_CASE("where the spec names no host for etcd, its members stay, and other ones take their names") {
  Fleet fleet;
  finishes(fleet, spec_of(scheme_a(3)), three_hosts);
  const std::string why = refusal(fleet, spec_of(scheme_a(7)));
  CHECK(says(why, "etcd runs on pg1, pg2, pg3, and the spec places it on pg1, pg2, pg3, pg4, pg5"));
  CHECK(says(why, "pg3: roles: [postgres, etcd]"));
  Spec without_the_second = spec_of(scheme_a(4));
  std::erase_if(without_the_second.hosts, [](const HostSpec& host) { return host.name == "pg2"; });
  fleet.executor.advance(1min);
  try {
    (void)plan_deploy(without_the_second, fleet.executor, {.prune = true});
    FAIL("a default moved a member of etcd");
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
  }
  for (const char* name : {"pg1", "pg3", "pg4"})
    for (HostSpec& host : without_the_second.hosts)
      if (host.name == name) host.roles = {Role::postgres, Role::etcd};
  finishes(fleet, without_the_second, {"pg1", "pg3", "pg4"}, {.prune = true});
}

TEST_CASE("a dead member is removed before its successor is added") {
  Fleet fleet;
  finishes(fleet, placed(three_hosts), three_hosts);
  SUBCASE("its host left the spec") {
    finishes(fleet, placed({"pg1", "pg2", "pg3", "pg4", "pg5"}), five_hosts);
    fleet.executor.host("pg5").down = true;
    fleet.executor.advance(1min);
    Watch watch(fleet);
    finishes(fleet, placed({"pg1", "pg2", "pg3", "pg4", "pg6"}), {"pg1", "pg2", "pg3", "pg4", "pg6"}, {.prune = true, .without = {"pg5"}});
    CHECK(watch.said == std::vector<std::string>{"remove pg5 from etcd's members", "add pg6 to etcd's members"});
    CHECK(watch.least >= 0);
  }
  SUBCASE("its host stays, and has lost the role") {
    finishes(fleet, placed(five_hosts), five_hosts);
    fleet.executor.stop_unit(fleet.executor.host("pg3"), "etcd.service");
    const std::vector<std::string> wanted{"pg1", "pg2", "pg4", "pg5", "pg6"};
    Watch watch(fleet);
    finishes(fleet, placed(wanted), wanted);
    CHECK(watch.said == std::vector<std::string>{"remove pg3 from etcd's members", "add pg6 to etcd's members"});
  }
}

TEST_CASE("a host made anew under its name gets a new member in place of the former one") {
  Fleet fleet;
  const std::vector<std::string> wanted{"pg1", "pg2", "pg3", "pg4", "pg5"};
  finishes(fleet, placed(wanted), wanted);
  SimulatedHost& host = fleet.executor.host("pg5");
  fleet.executor.stop_unit(host, "etcd.service");
  const Facts facts = host.facts;
  host = SimulatedHost{.name = "pg5", .facts = facts};
  fleet.executor.advance(1min);
  Watch watch(fleet);
  finishes(fleet, placed(wanted), wanted);
  CHECK(watch.said == std::vector<std::string>{"remove pg5 from etcd's members", "add pg5 to etcd's members"});
  CHECK(watch.least >= 0);
}

TEST_CASE("a host that is down gives its role up to another one, and loses the rest when it is back") {
  Fleet fleet;
  const std::vector<std::string> wanted{"pg1", "pg2", "pg4"};
  finishes(fleet, placed(three_hosts), three_hosts);
  fleet.executor.host("pg3").down = true;
  fleet.executor.advance(1min);
  apply_it(fleet, placed(wanted), {.without = {"pg3"}});
  CHECK(members(fleet) == wanted);
  CHECK(plan_deploy(placed(wanted), fleet.executor, {.without = {"pg3"}}).empty());
  fleet.executor.host("pg3").down = false;
  fleet.executor.reboot(fleet.executor.host("pg3"));
  fleet.executor.advance(1min);
  finishes(fleet, placed(wanted), wanted);
  CHECK_FALSE(fleet.executor.host("pg3").read("/var/lib/etcd/default/member/snap/db"));
}

TEST_CASE("what an aborted change left behind is removed, and the change is made") {
  Fleet fleet;
  finishes(fleet, placed(three_hosts), three_hosts);
  EtcdModel::Cluster& cluster = *const_cast<EtcdModel::Cluster*>(fleet.etcd->cluster_of("pg1"));
  SUBCASE("a learner") {
    cluster.members.push_back({.name = "pg4", .peer_url = "https://10.77.0.14:2380", .id = "learner", .learner = true, .added = true});
    finishes(fleet, placed(five_hosts), five_hosts);
  }
  SUBCASE("a member that has not started, and is the next one") {
    cluster.members.push_back({.name = "pg4", .peer_url = "https://10.77.0.14:2380", .id = "aborted", .added = true});
    finishes(fleet, placed(five_hosts), five_hosts);
  }
  SUBCASE("a member that has not started, and is the one after the next") {
    cluster.members.push_back({.name = "pg5", .peer_url = "https://10.77.0.15:2380", .id = "aborted", .added = true});
    finishes(fleet, placed(five_hosts), five_hosts);
  }
  SUBCASE("a stranger is not touched") {
    cluster.members.push_back({.name = "other", .peer_url = "https://10.77.0.99:2380", .id = "stranger", .added = true});
    const std::string told = refusal(fleet, placed(five_hosts));
    CHECK_MESSAGE(says(told, "etcd has members on hosts that the spec does not know: 10.77.0.99:2380"), told);
  }
}

TEST_CASE("refused: members change only while all that stay are healthy") {
  Fleet fleet;
  finishes(fleet, placed(three_hosts), three_hosts);
  fleet.executor.stop_unit(fleet.executor.host("pg2"), "etcd.service");
  const std::string silent = refusal(fleet, placed(five_hosts));
  CHECK_MESSAGE(says(silent, "etcd on pg2 does not answer"), silent);
  fleet.executor.stop_unit(fleet.executor.host("pg3"), "etcd.service");
  const std::string lost = refusal(fleet, placed(five_hosts));
  CHECK_MESSAGE(says(lost, "etcd has no quorum"), lost);
}

TEST_CASE("interrupted anywhere, the next apply finishes, and no quorum is ever lost") {
  const std::vector<std::string> moved{"pg1", "pg4", "pg5"};  // two join, two leave
  std::size_t effective = 0;
  for (std::size_t nth = 1; nth < 90; nth += 7) {
    const bool late = nth % 2 == 0;
    CAPTURE(nth);
    Fleet fleet;
    apply_it(fleet, placed(three_hosts));
    Watch watch(fleet);
    bool killed = false;
    fleet.executor.interrupt(nth, late, [] { throw Aborted(); });
    try {
      fleet.deploy(placed(moved));
    } catch (const Aborted&) {
      killed = true;
    }
    fleet.executor.interrupt(0, false, {});
    if (killed) ++effective;
    fleet.executor.advance(2min);
    finishes(fleet, placed(moved), moved);
    CHECK(watch.least >= 0);
    for (const std::string& host : five_hosts) CHECK(fleet.etcd->made(host) <= 1);
    if (!killed) break;
  }
  CHECK(effective > 8);
}

}  // namespace membership_test
