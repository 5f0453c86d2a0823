#include <doctest/doctest.h>

#include <pgcluster/plan/plan.hpp>
#include <pgcluster/simulation/simulated.hpp>

using namespace pgcluster;

namespace {

struct PlannedFleet {
  SimulatedExecutor executor{};
  Hosts hosts{};

  PlannedFleet() {
    for (const std::string name : {"h1", "h2"}) {
      hosts[name] = {.name = name, .address = "192.0.2." + name.substr(1)};
      executor.host(hosts[name]);
    }
  }
  Plan plan(const Steps& steps, const PlanOptions& options = {}) { return make_plan(hosts, steps, executor, options); }
  Failure failure(const Steps& steps, const PlanOptions& options = {}) {
    try {
      plan(steps, options);
    } catch (const Error& error) {
      return error.failure();
    }
    FAIL("it must not be planned");
    return {};
  }
};

Steps write(const std::string& host, const std::string& what) {
  return file(StepRef{host, "test", what}, host, {.path = "/etc/" + what, .content = "x"});
}

}  // namespace

TEST_CASE("a plan without a step that another one waits for is an error, which says who waits and what was probably meant") {
  PlannedFleet fleet;
  const Failure failure = fleet.failure(parallel(write("h1", "config"), after({{"h1", "test", "confg"}}, write("h2", "later"))));
  CHECK(failure.code == Code::internal);
  CHECK(failure.message == "h2/test/later waits for h1/test/confg, and the plan has no such step");
  CHECK(failure.hint == "did you mean h1/test/config?");
  CHECK(failure.host == "h2");
  CHECK(failure.step == "h2/test/later");
  CHECK(failure.diagnostics.empty());
}

TEST_CASE("all references to steps that the plan does not have are told at once") {
  PlannedFleet fleet;
  const Failure failure =
      fleet.failure(parallel(after({{"", "elsewhere", "a"}}, write("h1", "one")), after({{"", "elsewhere", "b"}}, write("h2", "other"))));
  CHECK(failure.message == "h1/test/one waits for cluster/elsewhere/a, and the plan has no such step");
  CHECK(failure.hint.find("after_where_planned()") != std::string::npos);
  REQUIRE(failure.diagnostics.size() == 1);
  CHECK(failure.diagnostics[0].message == "h2/test/other waits for cluster/elsewhere/b, and the plan has no such step");
  CHECK(failure.diagnostics[0].path == "h2/test/other");
}

TEST_CASE("a step that only some plans have is awaited where it is planned") {
  PlannedFleet fleet;
  const StepRef first{"h1", "test", "first"};
  const Steps later = after_where_planned({first}, write("h2", "later"));
  CHECK(fleet.plan(later).changes().at(0).after.empty());
  const Plan both = fleet.plan(parallel(later, write("h1", "first")));
  REQUIRE(both.changes().size() == 2);
  CHECK(both.changes()[1].after == std::vector<std::string>{first});
}

TEST_CASE("the steps of a host that is left out are known to be absent, and only those") {
  PlannedFleet fleet;
  fleet.hosts.erase("h1");
  const Steps later = after({{"h1", "test", "first"}}, write("h2", "later"));
  CHECK(fleet.plan(later, {.without = {"h1"}}).changes().size() == 1);
  CHECK(fleet.failure(later, {.without = {"h3"}}).code == Code::internal);
}
