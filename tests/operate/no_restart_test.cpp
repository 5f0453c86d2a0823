// An apply that restarts nothing.
#include <doctest/doctest.h>

#include <algorithm>

#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;

namespace {

Plan planned(Fleet& fleet, const Spec& spec) { return plan_deploy(spec, fleet.executor, {.no_restart = true}); }

std::vector<std::string> pending(const Status& status) {
  std::vector<std::string> all;
  for (const auto& one : status.warnings)
    if (one.what.cause == "restart_pending") all.push_back(one.host + " " + one.component);
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_CASE("no restart: what can be read at once is, what waits for a restart stays pending, and a later apply makes it up") {
  Fleet fleet;
  Spec spec = spec_of(scheme_a(3, "postgresql_parameters: {max_connections: 200}\n"));
  REQUIRE(fleet.deploy(spec).ok());
  CHECK(pending(read_status(spec, fleet.executor)).empty());
  spec.postgresql_parameters.emplace_back("work_mem", "7MB");
  spec.postgresql_parameters.front().second = "300";
  spec.postgresql_users.push_back({.name = "later", .password = "x-y-z-1"});
  const Plan plan = planned(fleet, spec);
  CHECK(disturbing(plan).empty());
  CHECK(plan.text().find("left out, as nothing may be restarted: pg1/patroni/") != std::string::npos);
  REQUIRE(apply(plan, fleet.executor).ok());
  const Plan again = planned(fleet, spec);
  CHECK(again.empty());
  fleet.executor.advance(std::chrono::seconds(15));  // Patroni looks at its settings once in loop_wait
  CHECK(again.left_out() > 0);
  CHECK(again.text().find("No changes without a restart: the other ") != std::string::npos);
  CHECK(pending(read_status(spec, fleet.executor)) == std::vector<std::string>{"pg1 patroni", "pg2 patroni", "pg3 patroni"});
  CHECK(read_status(spec, fleet.executor).healthy);
  const Plan rest = plan_deploy(spec, fleet.executor);
  CHECK(disturbing(rest) == std::vector<std::string>{"pg2 restart", "pg3 restart", "pg1 switchover", "pg1 restart"});
  REQUIRE(apply(rest, fleet.executor).ok());
  CHECK(pending(read_status(spec, fleet.executor)).empty());
}

TEST_CASE("no restart: services that run on older files are told by status, until an apply restarts them") {
  Fleet fleet;
  Spec spec = spec_of(scheme_a());
  REQUIRE(fleet.deploy(spec).ok());
  spec.pgbouncer_listen_port = 6433;
  const Plan plan = planned(fleet, spec);
  CHECK(disturbing(plan).empty());
  REQUIRE(apply(plan, fleet.executor).ok());
  const Status status = read_status(spec, fleet.executor);
  CHECK(pending(status) == std::vector<std::string>{"pg1 pgbouncer", "pg2 pgbouncer", "pg3 pgbouncer"});
  CHECK(status.text().find("pgbouncer.service runs since before a change of /etc/pgbouncer/listen.ini; apply restarts it") != std::string::npos);
  REQUIRE(fleet.deploy(spec).ok());
  CHECK(pending(read_status(spec, fleet.executor)).empty());
}

TEST_CASE("no restart: a cluster that goes over to TLS needs restarts") {
  Fleet fleet;
  Spec spec = spec_of(scheme_a(3, "tls_cert_generate: false\n"));
  REQUIRE(fleet.deploy(spec).ok());
  spec.tls_cert_generate = true;
  try {
    planned(fleet, spec);
    FAIL("it must be refused");
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
    CHECK(error.message() == "the cluster goes over to TLS, which needs restarts of all services");
  }
}

TEST_CASE("no restart: a first deployment restarts nothing, and is whole") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  const Plan plan = planned(fleet, spec);
  CHECK(plan.left_out() == 0);
  REQUIRE(apply(plan, fleet.executor).ok());
  CHECK(plan_deploy(spec, fleet.executor).empty());
}
