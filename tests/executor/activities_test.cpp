#include "executor/activities.hpp"

#include <doctest/doctest.h>

using namespace pgcluster;

TEST_CASE("a call that has nothing to tell yet is shown with its host, since it began") {
  executor::Activities activities;
  const auto before = std::chrono::steady_clock::now();
  {
    executor::Activities::Call call(activities, "pg1", "");
    REQUIRE(activities.list().size() == 1);
    CHECK(activities.list()[0].host == "pg1");
    CHECK(activities.list()[0].what.empty());
    CHECK(activities.list()[0].since >= before);
    call.now("connects to 10.77.0.11 port 22");
    const auto since = activities.list()[0].since;
    call.now("connects to 10.77.0.11 port 22");
    CHECK(activities.list()[0].what == "connects to 10.77.0.11 port 22");
    CHECK(activities.list()[0].since == since);
  }
  CHECK(activities.list().empty());
}
