#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "forwarding.hpp"
#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;
using namespace std::chrono_literals;

namespace {

#define HEALTHY(fleet, spec)                                       \
  do {                                                             \
    const Status status_now = read_status(spec, (fleet).executor); \
    CHECK_MESSAGE(status_now.healthy, status_now.text());          \
    const Plan plan_now = plan_deploy(spec, (fleet).executor);     \
    CHECK_MESSAGE(plan_now.empty(), plan_now.text(true));          \
  } while (false)

#define APPLY(fleet, plan)                                   \
  do {                                                       \
    const Report report_now = apply(plan, (fleet).executor); \
    REQUIRE_MESSAGE(report_now.ok(), report_now.text());     \
  } while (false)

#define DEPLOY(fleet, spec) APPLY(fleet, plan_deploy(spec, (fleet).executor))

bool has_warning(const Plan& plan, const std::string& path) {
  return std::any_of(plan.warnings().begin(), plan.warnings().end(), [&](const Diagnostic& one) { return one.path == path; });
}

template <class F>
Failure failure_of(F&& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.failure();
  }
  FAIL("nothing was thrown");
  return {};
}

// REST calls of the trace that restart or move a server: "pg2 /restart".
std::vector<std::string> server_acts(const SimulatedExecutor& fleet) {
  std::vector<std::string> found;
  for (const SimulatedAct& act : fleet.trace())
    if (const auto* run = std::get_if<Run>(&act.what.what))
      for (const char* path : {"/restart", "/switchover", "/failover"})
        if (requests(*run, path)) found.push_back(act.host + " " + path);
  return found;
}

std::size_t unit_restarts(const SimulatedExecutor& fleet) {
  return static_cast<std::size_t>(std::count_if(fleet.trace().begin(), fleet.trace().end(), [](const SimulatedAct& act) { return act.disturbed; }));
}

// Counts the programs that go to hosts.
class Counting final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  ProgramResult run(const HostAccess& host, const Program& program) override {
    ++programs[host.name];
    return Forwarding::run(host, program);
  }

  std::map<std::string, int> programs;
};

}  // namespace

TEST_CASE("a plan is one program a host, of fresh hosts as well as where nothing changes") {
  for (const char* more : {"", "cluster_vip: 10.77.0.100\n", "with_haproxy_load_balancing: true\ncluster_vip: 10.77.0.100\n"}) {
    CAPTURE(more);
    Fleet fleet;
    const Spec spec = spec_of(scheme_a(4, more));
    Counting counting(fleet.executor);
    APPLY(fleet, plan_deploy(spec, counting));
    // The first looks once more: for a stranger who has the address, which takes a second and is asked only where nobody of ours has it.
    for (const auto& [host, count] : counting.programs) CHECK_MESSAGE(count == (*more && host == "pg1" ? 2 : 1), host);
    counting.programs.clear();
    CHECK(plan_deploy(spec, counting).empty());
    for (const auto& [host, count] : counting.programs) CHECK_MESSAGE(count == 1, host);
  }
}

TEST_CASE("scheme A: from empty hosts to a healthy cluster, and then nothing to do") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK(disturbing(plan).empty());
  CHECK(fleet.executor.trace().empty());
  APPLY(fleet, plan);
  HEALTHY(fleet, spec);
  const Status status = read_status(spec, fleet.executor);
  CHECK(status.leader == "pg1");
  CHECK(status.members.size() == 3);
  CHECK(status.dcs.healthy_members.size() == 3);
  REQUIRE(status.vip);
  CHECK(status.vip->holders == std::vector<std::string>{"pg1"});
  CHECK(unit_restarts(fleet.executor) == 0);
}

TEST_CASE("one host, and no PgBouncer") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(1, "pgbouncer_install: false\n"));
  DEPLOY(fleet, spec);
  HEALTHY(fleet, spec);
}

TEST_CASE("seven hosts have five DCS members") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(7));
  DEPLOY(fleet, spec);
  HEALTHY(fleet, spec);
  CHECK(read_status(spec, fleet.executor).dcs.members.size() == 5);
  CHECK(fleet.etcd->health("pg5").members == 5);
  CHECK(fleet.etcd->health("pg6").members == 0);
}

TEST_CASE("after a reboot of all hosts nothing has to change") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  DEPLOY(fleet, spec);
  for (const std::string& name : fleet.executor.hosts()) fleet.executor.reboot(fleet.executor.host(name));
  fleet.executor.advance(1min);
  HEALTHY(fleet, spec);
}

TEST_CASE("work_mem: one change, no restart") {
  Fleet fleet;
  DEPLOY(fleet, spec_of(scheme_a()));
  const Spec spec = spec_of(scheme_a() + "postgresql_parameters: {work_mem: 32MB}\n");
  const Plan plan = plan_deploy(spec, fleet.executor);
  std::vector<std::string> changes;
  for (const PlannedChange& change : plan.changes())
    if (change.action != Action::wait) changes.push_back(change.id);
  CHECK(changes == std::vector<std::string>{"cluster/patroni/config"});
  CHECK(disturbing(plan).empty());
  fleet.executor.clear_trace();
  APPLY(fleet, plan);
  CHECK(fleet.executor.trace().size() == 1);
  for (const char* host : {"pg1", "pg2", "pg3"}) CHECK(fleet.patroni->view(host).running.at("work_mem") == "32MB");
  HEALTHY(fleet, spec);
}

TEST_CASE("max_connections rises: replicas, switchover, old leader") {
  Fleet fleet;
  DEPLOY(fleet, spec_of(scheme_a() + "postgresql_parameters: {max_connections: 200}\n"));
  const Spec spec = spec_of(scheme_a() + "postgresql_parameters: {max_connections: 300}\n");
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK(disturbing(plan) == std::vector<std::string>{"pg2 restart", "pg3 restart", "pg1 switchover", "pg1 restart"});
  fleet.executor.clear_trace();
  APPLY(fleet, plan);
  std::vector<std::string> acts = server_acts(fleet.executor);
  REQUIRE(acts.size() >= 3);
  std::sort(acts.begin(), acts.begin() + 2);
  CHECK(std::vector<std::string>(acts.begin(), acts.begin() + 3) == std::vector<std::string>{"pg2 /restart", "pg3 /restart", "pg1 /switchover"});
  CHECK(fleet.leader(spec) != "pg1");
  for (const char* host : {"pg1", "pg2", "pg3"}) CHECK(fleet.patroni->view(host).running.at("max_connections") == "300");
  HEALTHY(fleet, spec);
}

TEST_CASE("max_connections is lowered: the leader first, in place, and the plan says that it is an outage") {
  Fleet fleet;
  DEPLOY(fleet, spec_of(scheme_a() + "postgresql_parameters: {max_connections: 300}\n"));
  const Spec spec = spec_of(scheme_a() + "postgresql_parameters: {max_connections: 200}\n");
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK(disturbing(plan) == std::vector<std::string>{"pg1 restart", "pg2 restart", "pg3 restart"});
  const auto& changes = plan.changes();
  const auto first = std::find_if(changes.begin(), changes.end(), [](const PlannedChange& change) { return disturbs(change.impact); });
  REQUIRE(first != changes.end());
  CHECK(first->id == "pg1/patroni/lower");
  CHECK(first->impact == Impact::outage);
  fleet.executor.clear_trace();
  APPLY(fleet, plan);
  CHECK(server_acts(fleet.executor).front() == "pg1 /restart");
  CHECK(server_acts(fleet.executor).size() == 3);
  for (const char* host : {"pg1", "pg2", "pg3"}) CHECK(fleet.patroni->view(host).running.at("max_connections") == "200");
  HEALTHY(fleet, spec);
}

TEST_CASE("max_connections is lowered on a single server that was stopped: by one apply") {
  Fleet fleet;
  DEPLOY(fleet, spec_of(scheme_a(1) + "postgresql_parameters: {max_connections: 300}\n"));
  fleet.executor.stop_unit(fleet.executor.host("pg1"), "patroni.service");
  const Spec spec = spec_of(scheme_a(1) + "postgresql_parameters: {max_connections: 200}\n");
  DEPLOY(fleet, spec);
  CHECK(fleet.patroni->view("pg1").running.at("max_connections") == "200");
  HEALTHY(fleet, spec);
}

TEST_CASE("the leader's host dies: another leads, and it comes back as a replica") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  DEPLOY(fleet, spec);
  fleet.executor.stop_unit(fleet.executor.host("pg3"), "patroni.service");
  fleet.executor.host("pg1").down = true;
  const Status at_once = read_status(spec, fleet.executor);
  CHECK(at_once.members.front().name == "pg1");
  CHECK(at_once.members.front().state == "unreachable");
  CHECK(at_once.members.back().state == "unknown");  // its host answers, and Patroni does not
  CHECK(at_once.vip->unknown);
  CHECK(at_once.vip->holders.empty());
  CHECK(std::any_of(at_once.problems.begin(), at_once.problems.end(), [](const auto& one) { return one.what.cause == "vip_unknown"; }));
  CHECK(at_once.text().find("10.77.0.100: its holder is unknown") != std::string::npos);
  fleet.executor.start_unit(fleet.executor.host("pg3"), "patroni.service");
  fleet.executor.advance(1min);
  const Status without = read_status(spec, fleet.executor);
  CHECK(without.leader != "pg1");
  CHECK_FALSE(without.leader.empty());
  CHECK_FALSE(without.healthy);
  CHECK(without.vip->holders == std::vector<std::string>{without.leader});
  fleet.executor.host("pg1").down = false;
  fleet.executor.reboot(fleet.executor.host("pg1"));
  fleet.executor.advance(1min);
  HEALTHY(fleet, spec);
}

TEST_CASE("a host that dies in the middle of an apply is named by the failure that waited for it") {
  Fleet fleet;
  DEPLOY(fleet, spec_of(scheme_a()));
  const Spec spec = spec_of(scheme_a() + "postgresql_parameters: {max_connections: 333}\n");
  const Plan plan = plan_deploy(spec, fleet.executor);
  fleet.executor.meanwhile([&](SimulatedHost& host, const Do& d) {
    const auto* run = std::get_if<Run>(&d.what);
    if (host.name != "pg3" && run && requests(*run, "/restart")) fleet.executor.host("pg3").down = true;
  });
  const Report report = apply(plan, fleet.executor);
  REQUIRE_FALSE(report.ok());
  for (const Failure& failure : report.failures) {
    CHECK_MESSAGE((failure.code == Code::connection_lost || failure.code == Code::host_unreachable), text(failure));
    CHECK_MESSAGE(failure.host == "pg3", text(failure));
  }
  CHECK_MESSAGE(report.text().find("--without pg3") != std::string::npos, report.text());
}

TEST_CASE("what is taken out of the spec is removed, and nothing else") {
  Fleet fleet;
  DEPLOY(fleet, spec_of(scheme_a()));
  for (const std::string& name : fleet.executor.hosts()) fleet.executor.host(name).write("/etc/pgbouncer/strangers.ini", "theirs\n");
  const Spec spec = spec_of(scheme_a(3, "pgbouncer_install: false\n"));
  const Plan plan = plan_deploy(spec, fleet.executor);
  // Patroni's file no longer names the program that tells PgBouncer of a new role, nor PostgreSQL's certificate the VIP.
  for (const PlannedChange& change : plan.changes())
    CHECK_MESSAGE((change.action == Action::remove || change.action == Action::wait || change.component == "patroni" || change.step == "postgresql"),
                  change.id);
  APPLY(fleet, plan);
  HEALTHY(fleet, spec);
  for (const std::string& name : fleet.executor.hosts()) {
    const SimulatedHost& host = fleet.executor.host(name);
    CHECK_FALSE(host.active("pgbouncer.service"));
    CHECK_FALSE(host.active("pgcluster-vip.service"));
    CHECK_FALSE(host.packages.contains("pgbouncer"));
    CHECK_FALSE(host.read("/etc/pgbouncer/listen.ini"));
    CHECK_FALSE(host.read("/usr/local/lib/pgcluster/pgcluster-vip"));
    CHECK(host.read("/etc/pgbouncer/strangers.ini"));
    CHECK(host.packages.contains("patroni"));
    CHECK(host.packages.contains("curl"));
  }
}

TEST_CASE("destroy leaves nothing of ours, and a new deployment works") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  DEPLOY(fleet, spec);
  APPLY(fleet, plan_destroy(spec, fleet.executor));
  for (const std::string& name : fleet.executor.hosts()) {
    const SimulatedHost& host = fleet.executor.host(name);
    for (const char* unit : {"etcd.service", "patroni.service", "pgbouncer.service", "pgcluster-vip.service"}) CHECK_FALSE(host.active(unit));
    for (const auto& [path, file] : host.files) {
      CHECK_MESSAGE(!path.starts_with("/var/lib/pgcluster"), path);
      CHECK_MESSAGE(!path.starts_with("/var/lib/etcd"), path);
      CHECK_MESSAGE(!path.starts_with("/var/lib/postgresql/17"), path);
      CHECK_MESSAGE(path.find("pgcluster") == std::string::npos, path);
    }
    CHECK(host.read("/etc/hosts")->find("pgcluster") == std::string::npos);
  }
  CHECK(plan_destroy(spec, fleet.executor).empty());
  DEPLOY(fleet, spec);
  HEALTHY(fleet, spec);
}

TEST_CASE("a plan's document") {
  Fleet fleet;
  DEPLOY(fleet, spec_of(scheme_a()));
  const Spec spec = spec_of(scheme_a() + "postgresql_parameters: {work_mem: 32MB}\n");
  const Plan plan = plan_deploy(spec, fleet.executor);
  const std::string document = plan.document();
  SUBCASE("comes back as the same plan") {
    const Plan again = plan_from_document(document, spec, fleet.executor);
    CHECK(again.changes() == plan.changes());
    APPLY(fleet, again);
    HEALTHY(fleet, spec);
  }
  SUBCASE("is refused where a host has changed since") {
    fleet.executor.host("pg2").write("/etc/pgbouncer/pgbouncer.ini", "somebody's\n");
    CHECK(failure_of([&] { plan_from_document(document, spec, fleet.executor); }).code == Code::drifted);
  }
  SUBCASE("is refused for another spec") {
    CHECK(failure_of([&] { plan_from_document(document, spec_of(scheme_a()), fleet.executor); }).code == Code::drifted);
  }
  SUBCASE("is refused where it is none, whatever is wrong with it") {
    const nlohmann::json good = nlohmann::json::parse(document);
    for (const char* bend : {R"({"format": "1"})", R"({"version": 1})", R"({"spec": []})", R"({"planner": null})", R"({"planner": {}})",
                             R"({"options": "none"})", R"({"options": {"prune": 1}})", R"({"changes": {"id": 1}})", R"({"changes": "all"})",
                             R"({"changes": [1, "two"]})", R"({"changes": [{"id": 7}]})"}) {
      CAPTURE(bend);
      nlohmann::json bent = good;
      bent.merge_patch(nlohmann::json::parse(bend));
      const Failure failure = failure_of([&] { plan_from_document(bent.dump(), spec, fleet.executor); });
      CHECK((failure.code == Code::refused || failure.code == Code::drifted));
      CHECK_FALSE(failure.hint.empty());
    }
    for (const char* text : {"", "{", "[]", "7", "{}"})
      CHECK(failure_of([&] { plan_from_document(text, spec, fleet.executor); }).code == Code::refused);
  }
  SUBCASE("of fresh hosts, whose passwords are made anew with each plan") {
    Fleet fresh;
    APPLY(fresh, plan_from_document(plan_deploy(spec, fresh.executor).document(), spec, fresh.executor));
    HEALTHY(fresh, spec);
  }
  SUBCASE("has no secret in it") {
    Fleet fresh;
    const Plan first = plan_deploy(spec, fresh.executor);
    CHECK(first.document().find("app's secret") == std::string::npos);
    CHECK(first.text(true).find("app's secret") == std::string::npos);
    CHECK(first.json().find("app's secret") == std::string::npos);
  }
}

TEST_CASE("what changes between plan and apply stops that host, and touches nothing else there") {
  Fleet fleet;
  DEPLOY(fleet, spec_of(scheme_a()));
  const Spec spec = spec_of(scheme_a() + "pgbouncer_default_pool_size: 50\n");
  const Plan plan = plan_deploy(spec, fleet.executor);
  fleet.executor.host("pg2").write("/etc/pgbouncer/pgbouncer.ini", "somebody's\n");
  fleet.executor.clear_trace();
  const Report report = apply(plan, fleet.executor);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].code == Code::drifted);
  CHECK(*fleet.executor.host("pg2").read("/etc/pgbouncer/pgbouncer.ini") == "somebody's\n");
  for (const SimulatedAct& act : fleet.executor.trace()) CHECK(act.host != "pg2");
}

TEST_CASE("hosts that disagree on a secret are refused") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  DEPLOY(fleet, spec);
  fleet.executor.host("pg3").write("/var/lib/pgcluster/secrets/patroni_restapi_password", "another", 0600);
  const Failure failure = failure_of([&] { plan_deploy(spec, fleet.executor); });
  CHECK(failure.code == Code::refused);
  CHECK(failure.message.find("patroni_restapi_password") != std::string::npos);
}

TEST_CASE("a changed password reaches the servers, and everything goes on") {
  Fleet fleet;
  DEPLOY(fleet, spec_of(scheme_a()));
  const Spec spec = spec_of(scheme_a() + "patroni_superuser_password: new-one\npatroni_restapi_password: new-two\n");
  DEPLOY(fleet, spec);
  HEALTHY(fleet, spec);
}

TEST_CASE("a host that joins later becomes a replica, and one that left is removed only by prune") {
  Fleet fleet;
  const std::string roles =
      "hosts:\n  pg1: {address: 10.77.0.11, roles: [postgres, etcd]}\n  pg2: {address: 10.77.0.12, roles: [postgres, etcd]}\n"
      "  pg3: {address: 10.77.0.13, roles: [postgres, etcd]}\n";
  const Spec three = spec_of("patroni_cluster_name: test\n" + roles);
  const Spec four = spec_of("patroni_cluster_name: test\n" + roles + "  pg4: {address: 10.77.0.14}\n");
  DEPLOY(fleet, three);
  const int before = fleet.patroni->made("pg1");
  auto started = fleet.executor.now(), joined = started;
  ApplyOptions watch;
  watch.on_event = [&](const Event& event) {
    if (event.kind == Event::Kind::step_started && event.step == "pg4/patroni/service") started = fleet.executor.now();
    joined = fleet.executor.now();
  };
  REQUIRE(apply(plan_deploy(four, fleet.executor), fleet.executor, watch).ok());
  // The copy takes 4 s. Its leader makes a slot once in 10 s by itself, and PostgreSQL asks again after 5 s.
  CHECK(joined - started < std::chrono::seconds(9));
  HEALTHY(fleet, four);
  CHECK(fleet.patroni->made("pg1") == before);
  CHECK(fleet.patroni->view("pg4").serves);
  CHECK_FALSE(fleet.patroni->view("pg4").leads);
  // It is not forgotten by an apply that leaves it alone.
  for (int i = 0; i < 2; ++i) {
    const Plan alone = plan_deploy(three, fleet.executor);
    CHECK(has_warning(alone, "hosts.pg4"));
    CHECK_MESSAGE(alone.empty(), alone.text(true));  // the others go on knowing it: it may replicate, and come by its name
    APPLY(fleet, alone);
  }
  DeployOptions prune;
  prune.prune = true;
  SUBCASE("it leads") {
    LeaderOptions to;
    to.to = "pg4";
    APPLY(fleet, plan_switchover(four, fleet.executor, to));
    fleet.executor.advance(1min);
    const Failure failure = failure_of([&] { plan_deploy(three, fleet.executor, prune); });
    CHECK(failure.code == Code::refused);
    CHECK(failure.message.find("pg4 leads the cluster") != std::string::npos);
    to.to = "pg1";
    APPLY(fleet, plan_switchover(four, fleet.executor, to));
    fleet.executor.advance(1min);
    APPLY(fleet, plan_deploy(three, fleet.executor, prune));
  }
  SUBCASE("it is another cluster's by now") {
    SimulatedHost& host = fleet.executor.host("pg4");
    const std::string ours = *host.read("/var/lib/pgcluster/cluster");
    std::string theirs = ours;
    theirs.replace(theirs.find("test"), 4, "that");
    host.write("/var/lib/pgcluster/cluster", theirs);
    for (const bool destroy : {false, true}) {
      const Failure failure = failure_of([&] { destroy ? plan_destroy(three, fleet.executor) : plan_deploy(three, fleet.executor, prune); });
      CHECK(failure.code == Code::refused);
      CHECK(failure.message.find("belongs to the cluster that by now") != std::string::npos);
    }
    host.write("/var/lib/pgcluster/cluster", ours);
    APPLY(fleet, plan_deploy(three, fleet.executor, prune));
  }
  SUBCASE("nobody leads") {
    for (const char* host : {"pg1", "pg2", "pg3", "pg4"}) fleet.executor.stop_unit(fleet.executor.host(host), "patroni.service");
    const Failure failure = failure_of([&] { plan_deploy(three, fleet.executor, prune); });
    CHECK(failure.code == Code::refused);
    CHECK(failure.message.find("may be all that there is") != std::string::npos);
    APPLY(fleet, plan_deploy(four, fleet.executor));
    fleet.executor.advance(1min);
    APPLY(fleet, plan_deploy(three, fleet.executor, prune));
  }
  SUBCASE("it is up") {
    const SimulatedHost& host = fleet.executor.host("pg4");
    REQUIRE(host.files.contains("/var/lib/postgresql/17/main/PG_VERSION"));
    APPLY(fleet, plan_deploy(three, fleet.executor, prune));
    CHECK_FALSE(host.active("patroni.service"));
    CHECK_FALSE(host.files.contains("/var/lib/postgresql/17/main/PG_VERSION"));
  }
  SUBCASE("it is gone for good") {
    fleet.executor.host("pg4").down = true;
    const Failure failure = failure_of([&] { plan_deploy(three, fleet.executor, prune); });
    CHECK(failure.code == Code::host_unreachable);
    CHECK(failure.hint.find("--prune --without pg4") != std::string::npos);
    prune.without = {"pg4"};
    const Plan plan = plan_deploy(three, fleet.executor, prune);
    CHECK(has_warning(plan, "hosts.pg4"));
    APPLY(fleet, plan);
    prune.without = {"pg9"};
    CHECK(failure_of([&] { plan_deploy(three, fleet.executor, prune); }).code == Code::refused);
  }
  CHECK_FALSE(has_warning(plan_deploy(three, fleet.executor), "hosts.pg4"));
  HEALTHY(fleet, three);
}

TEST_CASE("what an interrupted prune or destroy has left, the next one removes") {
  struct Killed {};
  const std::string roles =
      "hosts:\n  pg1: {address: 10.77.0.11, roles: [postgres, etcd]}\n  pg2: {address: 10.77.0.12, roles: [postgres, etcd]}\n"
      "  pg3: {address: 10.77.0.13, roles: [postgres, etcd]}\n";
  const Spec three = spec_of("patroni_cluster_name: test\n" + roles);
  const Spec four = spec_of("patroni_cluster_name: test\n" + roles + "  pg4: {address: 10.77.0.14}\n");
  for (const bool prune : {true, false})
    for (std::size_t nth = 1; nth < 200; nth += 1 + nth / 8) {
      CAPTURE(prune);
      CAPTURE(nth);
      Fleet fleet;
      DEPLOY(fleet, four);
      const auto plan = [&] { return prune ? plan_deploy(three, fleet.executor, {.prune = true}) : plan_destroy(four, fleet.executor); };
      bool killed = false;
      fleet.executor.interrupt(nth, true, [] { throw Killed(); });
      try {
        apply(plan(), fleet.executor);
      } catch (const Killed&) {
        killed = true;
      }
      fleet.executor.interrupt(0, false, {});
      fleet.executor.advance(2min);
      APPLY(fleet, plan());
      const SimulatedHost& host = fleet.executor.host("pg4");
      for (const auto& [path, file] : host.files)
        CHECK_MESSAGE(
            (!path.starts_with("/var/lib/pgcluster/") && !path.starts_with("/var/lib/postgresql/17/main/") && !path.starts_with("/etc/patroni/")),
            path);
      if (!prune)
        for (const char* name : {"pg1", "pg2", "pg3"})
          for (const auto& [path, file] : fleet.executor.host(name).files) CHECK_MESSAGE(!path.starts_with("/var/lib/etcd/default/"), path);
      if (!killed) break;
    }
}

TEST_CASE("two clusters on one fleet do not know each other") {
  Fleet fleet;
  const Spec one = spec_of(scheme_a());
  const Spec other =
      spec_of("patroni_cluster_name: other\nhosts:\n  db1: {address: 10.78.0.11}\n  db2: {address: 10.78.0.12}\n  db3: {address: 10.78.0.13}\n");
  DEPLOY(fleet, one);
  DEPLOY(fleet, other);
  HEALTHY(fleet, one);
  HEALTHY(fleet, other);
  CHECK(fleet.patroni->view("pg1").cluster != fleet.patroni->view("db1").cluster);
  const Spec thief = spec_of("patroni_cluster_name: third\nhosts:\n  pg1: {address: 10.77.0.11}\n");
  CHECK(failure_of([&] { plan_deploy(thief, fleet.executor); }).code == Code::refused);
}

TEST_CASE("operations on members") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  DEPLOY(fleet, spec);
  SUBCASE("switchover") {
    LeaderOptions to;
    to.to = "pg3";
    APPLY(fleet, plan_switchover(spec, fleet.executor, to));
    CHECK(fleet.leader(spec) == "pg3");
    CHECK(plan_switchover(spec, fleet.executor, to).empty());
  }
  SUBCASE("failover") {
    LeaderOptions to;
    to.to = "pg2";
    APPLY(fleet, plan_failover(spec, fleet.executor, to));
    CHECK(fleet.leader(spec) == "pg2");
  }
  SUBCASE("restart of all, the leader last") {
    fleet.executor.clear_trace();
    APPLY(fleet, plan_restart(spec, fleet.executor));
    CHECK(server_acts(fleet.executor) == std::vector<std::string>{"pg2 /restart", "pg3 /restart", "pg1 /restart"});
  }
  SUBCASE("reload") { APPLY(fleet, plan_reload(spec, fleet.executor)); }
  SUBCASE("reinit of a replica, never of the leader") {
    MemberOptions at;
    at.host = "pg2";
    APPLY(fleet, plan_reinit(spec, fleet.executor, at));
    at.host = "pg1";
    CHECK(failure_of([&] { plan_reinit(spec, fleet.executor, at); }).code == Code::refused);
  }
  SUBCASE("pause and resume") {
    APPLY(fleet, plan_pause(spec, fleet.executor));
    CHECK(read_status(spec, fleet.executor).paused);
    fleet.executor.advance(10s);
    APPLY(fleet, plan_resume(spec, fleet.executor));
    fleet.executor.advance(10s);
    CHECK_FALSE(read_status(spec, fleet.executor).paused);
  }
  fleet.executor.advance(20s);
  HEALTHY(fleet, spec);
}

TEST_CASE("check says what a failed login was about, with the evidence") {
  class Shut final : public Executor {
   public:
    ProgramResult run(const HostAccess& host, const Program& program) override {
      if (host.name == "pg1") return fleet_.executor.run(host, program);
      throw Error(Failure{.code = Code::auth_failed,
                          .message = "cannot log in",
                          .hint = "try it",
                          .host = host.name,
                          .causes = {"first \"key\"", "second\nof two lines"}});
    }
    std::optional<LockHolder> lock(const HostAccess&, const LockHolder&) override { return std::nullopt; }
    void beat(const HostAccess&) override {}
    void unlock(const HostAccess&) noexcept override {}

   private:
    Fleet fleet_;
  } fleet;
  const CheckReport report = check_hosts(spec_of(scheme_a(2)), fleet);
  CHECK_FALSE(report.ok());
  const std::string text = report.text();
  CHECK_MESSAGE(text.find("pg2: error: cannot log in; try it\n    first \"key\"\n    second\n    of two lines\n") != std::string::npos, text);
  const auto json = nlohmann::json::parse(report.json());
  for (const auto& one : json["findings"]) CHECK(one.contains("causes") == (one["host"] == "pg2"));
  const auto& last = json["findings"].back();
  CHECK(last["code"] == "auth_failed");
  CHECK(last["causes"] == nlohmann::json::array({"first \"key\"", "second\nof two lines"}));
}
