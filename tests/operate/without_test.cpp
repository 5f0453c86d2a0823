// Hosts that are down, and plans that do without them.
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;
using namespace std::chrono_literals;

namespace {

DeployOptions leaving_out(std::vector<std::string> hosts) {
  DeployOptions options;
  options.without = std::move(hosts);
  return options;
}

Failure failure_of(const Spec& spec, Fleet& fleet, const DeployOptions& options = {}) {
  try {
    plan_deploy(spec, fleet.executor, options);
  } catch (const Error& error) {
    return error.failure();
  }
  FAIL("nothing was thrown");
  return {};
}

void deploy(Fleet& fleet, const Spec& spec, const DeployOptions& options = {}) {
  const Report report = fleet.deploy(spec, options);
  REQUIRE_MESSAGE(report.ok(), report.text());
}

void goes_down(Fleet& fleet, const std::string& host) {
  fleet.executor.host(host).down = true;
  fleet.executor.advance(1min);
}

void comes_back(Fleet& fleet, const std::string& host) {
  fleet.executor.host(host).down = false;
  fleet.executor.reboot(fleet.executor.host(host));
  fleet.executor.advance(1min);
}

void check_converged(Fleet& fleet, const Spec& spec) {
  const Status status = read_status(spec, fleet.executor);
  CHECK_MESSAGE(status.healthy, status.text());
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK_MESSAGE(plan.empty(), plan.text(true));
}

bool changes_host(const Plan& plan, const std::string& host) {
  return std::any_of(plan.changes().begin(), plan.changes().end(), [&](const PlannedChange& one) { return one.host == host; });
}

const std::string five_etcd =
    "patroni_cluster_name: test\nhosts:\n  pg1: {address: 10.77.0.11, roles: [postgres, etcd]}\n  pg2: {address: 10.77.0.12, roles: [postgres, "
    "etcd]}\n"
    "  pg3: {address: 10.77.0.13, roles: [postgres, etcd]}\n  e4: {address: 10.77.0.14, roles: [etcd]}\n  e5: {address: 10.77.0.15, roles: [etcd]}\n";

std::string apart(const std::string& more) {
  return "patroni_cluster_name: test\n" + more +
         "hosts:\n  e1: {address: 10.77.0.21, roles: [etcd]}\n  e2: {address: 10.77.0.22, roles: [etcd]}\n  e3: {address: 10.77.0.23, roles: "
         "[etcd]}\n"
         "  pg1: {address: 10.77.0.11, roles: [postgres]}\n  pg2: {address: 10.77.0.12, roles: [postgres]}\n";
}

}  // namespace

TEST_CASE("a host that is down stops the plan, and the error names the way around it") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  deploy(fleet, spec);
  goes_down(fleet, "pg3");
  const Failure failure = failure_of(spec, fleet);
  CHECK(failure.code == Code::host_unreachable);
  CHECK(failure.host == "pg3");
  CHECK(failure.hint.find("--without pg3") != std::string::npos);
}

TEST_CASE("a password is told by any database host that is up") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  deploy(fleet, spec);
  const std::string password = read_password(spec, fleet.executor, "superuser");
  goes_down(fleet, "pg1");
  CHECK(read_password(spec, fleet.executor, "superuser") == password);
  for (const char* host : {"pg2", "pg3"}) goes_down(fleet, host);
  CHECK_THROWS_WITH_AS(read_password(spec, fleet.executor, "superuser"), doctest::Contains("pg1 cannot be reached"), Error);
}

TEST_CASE("what is wanted of a member that is down says that it is down") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  deploy(fleet, spec);
  goes_down(fleet, "pg3");
  MemberOptions at;
  at.host = "pg3";
  CHECK_THROWS_WITH_AS(plan_restart(spec, fleet.executor, at), doctest::Contains("pg3 cannot be reached"), Error);
  LeaderOptions to;
  to.to = "pg3";
  CHECK_THROWS_WITH_AS(plan_failover(spec, fleet.executor, to), doctest::Contains("pg3 cannot be reached"), Error);
  to.to = "pg9";
  CHECK_THROWS_WITH_AS(plan_failover(spec, fleet.executor, to), doctest::Contains("pg9 is not a database host"), Error);
}

TEST_CASE("with all hosts down there is no way around") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  deploy(fleet, spec);
  for (const char* host : {"pg1", "pg2", "pg3"}) goes_down(fleet, host);
  const Failure failure = failure_of(spec, fleet);
  CHECK(failure.code == Code::host_unreachable);
  CHECK(failure.hint.find("--without") == std::string::npos);
}

TEST_CASE("left out: what can be done is done, the rest is pending and named, and the next plan has it") {
  Fleet fleet;
  deploy(fleet, spec_of(scheme_a()));
  goes_down(fleet, "pg3");
  const Spec spec = spec_of(scheme_a() + "postgresql_parameters: {work_mem: 32MB}\npgbouncer_default_pool_size: 50\n");
  const Plan plan = plan_deploy(spec, fleet.executor, leaving_out({"pg3"}));
  CHECK(changes_host(plan, "pg1"));
  CHECK_FALSE(changes_host(plan, "pg3"));
  const auto warning = std::find_if(plan.warnings().begin(), plan.warnings().end(), [](const Diagnostic& one) { return one.path == "hosts.pg3"; });
  REQUIRE(warning != plan.warnings().end());
  for (const char* name : {"left out", "pending", "etcd: ", "patroni: ", "pgbouncer: ", "service"})
    CHECK(warning->message.find(name) != std::string::npos);
  CHECK(nlohmann::json::parse(plan.document())["options"]["without"] == "pg3");

  const Plan from_document = plan_from_document(plan.document(), spec, fleet.executor);
  CHECK(from_document.changes() == plan.changes());
  fleet.executor.clear_trace();
  const Report report = apply(from_document, fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
  for (const SimulatedAct& act : fleet.executor.trace()) CHECK(act.host != "pg3");
  CHECK_FALSE(fleet.executor.host("pg3").lock);
  CHECK(fleet.patroni->view("pg1").running.at("work_mem") == "32MB");
  CHECK(plan_deploy(spec, fleet.executor, leaving_out({"pg3"})).empty());

  comes_back(fleet, "pg3");
  const Plan rest = plan_deploy(spec, fleet.executor);
  CHECK(changes_host(rest, "pg3"));
  CHECK_FALSE(changes_host(rest, "pg1"));
  deploy(fleet, spec);
  CHECK(fleet.patroni->view("pg3").running.at("work_mem") == "32MB");
  check_converged(fleet, spec);
}

TEST_CASE("a host that is left out is not asked even where it would answer") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  deploy(fleet, spec);
  fleet.executor.host("pg3").write("/etc/pgbouncer/pgbouncer.ini", "somebody's\n");
  CHECK(plan_deploy(spec, fleet.executor, leaving_out({"pg3"})).empty());
  CHECK(changes_host(plan_deploy(spec, fleet.executor), "pg3"));
}

TEST_CASE("the old leader is left out: another leads") {
  Fleet fleet;
  deploy(fleet, spec_of(scheme_a()));
  goes_down(fleet, "pg1");
  const Spec spec = spec_of(scheme_a() + "postgresql_parameters: {work_mem: 32MB}\n");
  deploy(fleet, spec, leaving_out({"pg1"}));
  CHECK(fleet.patroni->view("pg2").running.at("work_mem") == "32MB");
  comes_back(fleet, "pg1");
  deploy(fleet, spec);
  check_converged(fleet, spec);
}

TEST_CASE("a restart of PostgreSQL goes on among those that are there") {
  Fleet fleet;
  deploy(fleet, spec_of(scheme_a() + "postgresql_parameters: {max_connections: 200}\n"));
  goes_down(fleet, "pg3");
  const Spec spec = spec_of(scheme_a() + "postgresql_parameters: {max_connections: 300}\n");
  const Plan plan = plan_deploy(spec, fleet.executor, leaving_out({"pg3"}));
  CHECK(disturbing(plan) == std::vector<std::string>{"pg2 restart", "pg1 switchover", "pg1 restart"});
  const Report report = apply(plan, fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
  comes_back(fleet, "pg3");
  deploy(fleet, spec);
  check_converged(fleet, spec);
}

TEST_CASE("refused: a leader that nobody is left to take over from") {
  Fleet fleet;
  deploy(fleet, spec_of(apart("postgresql_parameters: {max_connections: 200}\n")));
  goes_down(fleet, "pg2");
  const Failure failure = failure_of(spec_of(apart("postgresql_parameters: {max_connections: 300}\n")), fleet, leaving_out({"pg2"}));
  CHECK(failure.code == Code::refused);
  CHECK(failure.step == "pg1/patroni/switchover");
  CHECK(failure.message.find("left out") != std::string::npos);
}

TEST_CASE("refused: no quorum is left, no database host is left, or there is no such host") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  deploy(fleet, spec);
  const Failure quorum = failure_of(spec, fleet, leaving_out({"pg2", "pg3"}));
  CHECK(quorum.code == Code::refused);
  CHECK(quorum.message.find("1 of its 3 members") != std::string::npos);
  CHECK_FALSE(quorum.hint.empty());
  const Failure unknown = failure_of(spec, fleet, leaving_out({"pg9"}));
  CHECK(unknown.code == Code::refused);
  CHECK(unknown.hint.find("pg1, pg2, pg3") != std::string::npos);
  const Failure nobody = failure_of(spec_of(apart("")), fleet, leaving_out({"pg1", "pg2"}));
  CHECK(nobody.code == Code::refused);
  CHECK(nobody.message.find("no database host") != std::string::npos);
}

TEST_CASE("a DCS member is restarted only where the quorum can spare it") {
  Fleet fleet;
  SUBCASE("two of three: none can be spared") {
    const Spec spec = spec_of(scheme_a());
    deploy(fleet, spec);
    goes_down(fleet, "pg3");
    fleet.executor.host("pg2").write("/etc/default/etcd", "somebody's\n");
    const Failure failure = failure_of(spec, fleet, leaving_out({"pg3"}));
    CHECK(failure.code == Code::refused);
    CHECK(failure.host == "pg2");
    CHECK(failure.step == "pg2/etcd/service");
    CHECK(failure.message.find("quorum") != std::string::npos);
  }
  SUBCASE("four of five: one at a time") {
    const Spec spec = spec_of(five_etcd);
    deploy(fleet, spec);
    goes_down(fleet, "e5");
    fleet.executor.host("pg2").write("/etc/default/etcd", "somebody's\n");
    const Plan plan = plan_deploy(spec, fleet.executor, leaving_out({"e5"}));
    CHECK(disturbing(plan) == std::vector<std::string>{"pg2 restart"});
    const Report report = apply(plan, fleet.executor);
    REQUIRE_MESSAGE(report.ok(), report.text());
    comes_back(fleet, "e5");
    check_converged(fleet, spec);
  }
}

TEST_CASE("a first deployment without one host, and that one joins later") {
  for (const std::string late : {"pg1", "pg2"}) {
    CAPTURE(late);
    Fleet fleet;
    const Spec spec = spec_of(apart(""));
    deploy(fleet, spec, leaving_out({late}));
    CHECK(fleet.patroni->view(late == "pg1" ? "pg2" : "pg1").leads);
    const Status without = read_status(spec, fleet.executor);
    CHECK_FALSE(without.leader.empty());
    CHECK_FALSE(without.healthy);
    deploy(fleet, spec);
    check_converged(fleet, spec);
  }
}

TEST_CASE("refused: a DCS begins with all of its members") {
  Fleet fleet;
  const Failure failure = failure_of(spec_of(scheme_a()), fleet, leaving_out({"pg3"}));
  CHECK(failure.code == Code::refused);
  CHECK(failure.message == "etcd begins with all of its members: the first deployment cannot do without pg3");
  CHECK(fleet.executor.trace().empty());
}
