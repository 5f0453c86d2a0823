// read_history(): the applies that the hosts of a cluster remember.
#include <doctest/doctest.h>

#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;

TEST_CASE("history: who applied which plan, and how it ended") {
  Fleet fleet;
  Spec spec = spec_of(scheme_a());
  REQUIRE(fleet.deploy(spec).ok());
  REQUIRE(apply(plan_switchover(spec, fleet.executor, {.to = "pg2"}), fleet.executor, {.who = "ann@desk pid 7"}).ok());
  spec.postgresql_parameters.emplace_back("work_mem", "7MB");
  REQUIRE(fleet.deploy(spec).ok());
  REQUIRE(fleet.deploy(spec).ok());  // nothing to do
  const History history = read_history(spec, fleet.executor);
  REQUIRE(history.applies.size() == 3);
  CHECK(history.unread.empty());
  std::map<std::string, const History::Apply*> by_planner;
  for (const History::Apply& one : history.applies) {
    CHECK(one.result == "done");
    by_planner[one.planner] = &one;
  }
  REQUIRE(by_planner.contains("switchover"));
  CHECK(by_planner["switchover"]->who == "ann@desk pid 7");
  CHECK(by_planner["switchover"]->options.at("to") == "pg2");
  CHECK(history.text().find("switchover to=pg2  by ann@desk pid 7\n  done after ") != std::string::npos);
  CHECK(history.json().find("work_mem") != std::string::npos);
  CHECK(history.json().find("app's secret") == std::string::npos);
}

TEST_CASE("history: one host is enough; a host that does not answer is named, and a host that missed the end of an apply does not hide it") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  REQUIRE(fleet.deploy(spec).ok());
  SimulatedHost& first = fleet.executor.host("pg1");
  std::string begun = *first.read("/var/lib/pgcluster/history");
  for (const auto& [what, instead] : {std::pair<std::string, std::string>{"\"result\":\"done\"", "\"result\":null"}})
    begun.replace(begun.find(what), what.size(), instead);
  const std::size_t at = begun.find("\"ended\":\"");
  begun.replace(at, begun.find(',', at) - at, "\"ended\":null");
  first.write("/var/lib/pgcluster/history", begun);
  fleet.executor.host("pg3").down = true;
  const History history = read_history(spec, fleet.executor);
  REQUIRE(history.applies.size() == 1);
  CHECK(history.applies[0].result == "done");
  REQUIRE(history.unread.size() == 1);
  CHECK(history.unread[0].starts_with("pg3: "));
  CHECK(history.text().find("not read: pg3: ") != std::string::npos);

  fleet.executor.host("pg2").down = true;
  const History alone = read_history(spec, fleet.executor);
  CHECK(alone.applies.at(0).result.empty());
  CHECK(alone.text().find("no end recorded: it still runs, or it was interrupted") != std::string::npos);
  first.down = true;
  CHECK_THROWS_AS(read_history(spec, fleet.executor), Error);
}

TEST_CASE("history: before the first apply there is none, and destroy leaves none") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  for (const TopologyHost& host : resolve(spec).hosts) fleet.executor.host({.name = host.name, .address = host.address});
  CHECK(read_history(spec, fleet.executor).text() == "No apply is recorded.\n");
  REQUIRE(fleet.deploy(spec).ok());
  REQUIRE(apply(plan_destroy(spec, fleet.executor), fleet.executor).ok());
  CHECK(read_history(spec, fleet.executor).applies.empty());
}
