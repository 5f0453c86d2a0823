#include <doctest/doctest.h>

#include <pgcluster/step/step.hpp>

using namespace pgcluster;

namespace {

Steps step(const std::string& name) {
  return make_step(name, {.asks = {}, .decide = [](const Answers&) -> Decision { return Done{}; }});
}

std::vector<std::string> names(const Steps& steps) {
  std::vector<std::string> all;
  for (const Steps::Node& node : steps.nodes()) all.push_back(node.step->name());
  return all;
}

}  // namespace

TEST_CASE("a sequence waits for the whole of the part before, a parallel for nothing") {
  const Steps both = sequence(parallel(step("h/a/1"), step("h/a/2")), step("h/a/3"));
  CHECK(both.before("h/a/3") == std::vector<std::string>{"h/a/1", "h/a/2"});
  CHECK(both.before("h/a/1").empty());
  CHECK(names(both) == std::vector<std::string>{"h/a/1", "h/a/2", "h/a/3"});
}

TEST_CASE("empty parts are nothing: what comes after them waits for what came before") {
  const Steps steps = sequence(step("h/a/1"), Steps(), step("h/a/2"));
  CHECK(steps.before("h/a/2") == std::vector<std::string>{"h/a/1"});
  CHECK(sequence().empty());
}

TEST_CASE("the same step in two places is one step with both orders") {
  const Steps shared = step("h/a/shared");
  const Steps steps = parallel(sequence(step("h/a/1"), shared), sequence(step("h/a/2"), shared));
  CHECK(names(steps).size() == 3);
  CHECK(steps.before("h/a/shared") == std::vector<std::string>{"h/a/1", "h/a/2"});
}

TEST_CASE("two steps of one name are refused, and so is a circle") {
  CHECK_THROWS_WITH_AS(parallel(step("h/a/1"), step("h/a/1")), doctest::Contains("two different steps have the name h/a/1"), Error);
  const Steps a = step("h/a/1"), b = step("h/a/2");
  CHECK_THROWS_WITH_AS(parallel(sequence(a, b), sequence(b, a)).nodes(), doctest::Contains("in a circle"), Error);
}

TEST_CASE("after: a step waits for a step of another part, and a required one that no part has is missing") {
  const StepRef other{"other", "a", "1"};
  for (const auto& waiting : {after, after_where_planned}) {
    const Steps here = waiting({other}, sequence(step("h/a/1"), step("h/a/2")));
    CHECK(here.before("h/a/1").empty());
    CHECK(here.missing().size() == (waiting == after ? 1 : 0));
    const Steps whole = parallel(here, step(other));
    CHECK(whole.before("h/a/1") == std::vector<std::string>{"other/a/1"});
    CHECK(whole.before("h/a/2") == std::vector<std::string>{"h/a/1"});
    CHECK(names(whole)[0] == "other/a/1");
    CHECK(whole.missing().empty());
  }
}

TEST_CASE("a reference that is required in one place and awaited where planned in another is required") {
  const StepRef other{"", "a", "1"};
  const Steps one = step("h/a/1");
  for (const Steps& both : {after(std::vector{other}, after_where_planned({other}, one)), after_where_planned({other}, after({other}, one)),
                            parallel(after({other}, one), after_where_planned({other}, one))}) {
    REQUIRE(both.missing().size() == 1);
    CHECK(both.missing()[0].step == "h/a/1");
    CHECK(both.missing()[0].awaited == "cluster/a/1");
  }
}

TEST_CASE("a reference is a step's name in parts") {
  CHECK(StepRef{"pg1", "etcd", "healthy"}.name() == "pg1/etcd/healthy");
  CHECK(StepRef{"", "patroni", "leader"}.name() == "cluster/patroni/leader");
  CHECK(parse_step_name("pg1/etcd/healthy") == StepRef{"pg1", "etcd", "healthy"});
  CHECK(parse_step_name("cluster/patroni/leader") == StepRef{"", "patroni", "leader"});
  CHECK(parse_step_name("pg1/vip-manager/remove:file:/etc/x") == StepRef{"pg1", "vip-manager", "remove:file:/etc/x"});
  for (const char* text : {"", "pg1", "pg1/etcd", "pg1/etcd/", "/etcd/healthy", "pg1//healthy"}) CHECK_FALSE(parse_step_name(text));
}

TEST_CASE("members of a rolling group know it") {
  const Steps steps = sequence(step("h/a/1"), rolling("g", "h", {}, step("h/a/2")));
  CHECK(steps.nodes()[0].group.empty());
  CHECK(steps.nodes()[1].group == "g");
  CHECK(steps.nodes()[1].member == "h");
  CHECK(steps.orders().contains("g"));
}

TEST_CASE("a step's name tells its host and component") {
  CHECK(host_of("pg1/etcd/config") == "pg1");
  CHECK(host_of("cluster/patroni/config").empty());
  CHECK(component_of("pg1/vip-manager/remove:file:/etc/x") == "vip-manager");
}
