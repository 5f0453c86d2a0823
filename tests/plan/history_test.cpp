// The file in which a host records each apply.
#include "plan/history.hpp"

#include <doctest/doctest.h>

#include <pgcluster/simulation/simulated.hpp>

#include "base/json.hpp"
#include "forwarding.hpp"

using namespace pgcluster;

namespace {

using Json = nlohmann::json;

struct Hosts2 {
  SimulatedExecutor executor;
  Hosts hosts;
  Hosts2() {
    for (const char* name : {"h1", "h2"}) executor.host(hosts[name] = {.name = name, .address = "192.0.2.1"});
  }
  Report apply(const Steps& steps, Executor* by = nullptr) {
    Executor& executor_used = by ? *by : executor;
    return pgcluster::apply(make_plan(hosts, steps, executor_used, {.origin = {.planner = "deploy", .options = {{"prune", "true"}}}}), executor_used,
                            {.who = "ann@desk pid 7"});
  }
  std::vector<Json> records(const std::string& host) {
    std::vector<Json> all;
    const std::string* found = executor.host(host).read(history::path);
    std::istringstream lines(found ? *found : "");
    for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line));
    return all;
  }
};

Steps wish(const std::string& host, const Text& content) { return file(host + "/test/a", host, {.path = "/etc/a", .content = content}); }

std::string numbered(int i, std::size_t length = 0) { return Json{{"id", std::to_string(i)}, {"text", std::string(length, 'x')}}.dump(); }

}  // namespace

TEST_CASE("history: each host of the plan keeps who applied what, and how it ended; nothing for an empty plan") {
  Hosts2 fleet;
  REQUIRE(fleet.apply(wish("h1", "one\n")).ok());
  REQUIRE(fleet.apply(wish("h1", "one\n")).ok());
  REQUIRE(fleet.apply(wish("h1", "two\n")).ok());
  for (const char* host : {"h1", "h2"}) {
    const auto records = fleet.records(host);
    REQUIRE(records.size() == 2);
    CHECK(records[0]["id"] != records[1]["id"]);
    CHECK(records[1]["who"] == "ann@desk pid 7");
    CHECK(records[1]["planner"] == "deploy");
    CHECK(records[1]["options"] == Json{{"prune", "true"}});
    CHECK(records[1]["result"] == "done");
    CHECK(records[1]["changed"] == 1);
    CHECK(records[1]["changes"][0]["id"] == "h1/test/a");
    CHECK(records[1]["changes"][0]["state"] == "done");
    CHECK(records[1]["changes"][0]["diff"].get<std::string>().find("-one\n+two\n") != std::string::npos);
  }
  CHECK(fleet.executor.host("h1").files.at(history::path).mode == 0600);
}

TEST_CASE("history: no secret stands in it") {
  Hosts2 fleet;
  REQUIRE(fleet.apply(wish("h1", Secret{"app_password", "word-of-the-day"})).ok());
  CHECK(fleet.records("h1").at(0).dump().find("word-of-the-day") == std::string::npos);
}

TEST_CASE("history: a failed apply says why; one that was interrupted has no end") {
  Hosts2 fleet;
  const StepPtr fails = gate("h2/test/gate", {.asks = {}, .decide = [](const Answers&) -> Decision { return Later{"it serves"}; }});
  CHECK_FALSE(fleet.apply(parallel(wish("h1", "one\n"), fails)).ok());
  const Json failed = fleet.records("h1").at(0);
  CHECK(failed["result"] == "failed");
  CHECK(failed["failures"][0].get<std::string>().starts_with("h2/test/gate: timed out"));

  const auto stop = [](const Event& event) {
    if (event.kind == Event::Kind::step_started) throw std::runtime_error("killed");
  };
  CHECK_THROWS(pgcluster::apply(make_plan(fleet.hosts, wish("h1", "two\n"), fleet.executor), fleet.executor, {.on_event = stop}));
  const Json interrupted = fleet.records("h1").at(1);
  CHECK(interrupted["result"].is_null());
  CHECK(interrupted["ended"].is_null());
}

TEST_CASE("history: where all of the cluster goes from a host, its history goes, too") {
  Hosts2 fleet;
  REQUIRE(fleet.apply(wish("h1", "one\n")).ok());
  REQUIRE(fleet.apply(absent("h1/test/all", "h1", "tree:/var/lib/pgcluster")).ok());
  CHECK(fleet.records("h1").empty());
  CHECK(fleet.records("h2").size() == 2);
}

TEST_CASE("history: a host on which it cannot be kept is changed all the same") {
  struct Broken final : Forwarding {
    using Forwarding::Forwarding;
    ProgramResult run(const HostAccess& host, const Program& program) override {
      for (const Ask& ask : program.asks)
        if (const auto* of = std::get_if<FileOf>(&ask.what); of && of->path == history::path && host.name == "h1")
          throw Error(Code::connection_lost, "the connection was cut");
      return Forwarding::run(host, program);
    }
  };
  Hosts2 fleet;
  Broken broken(fleet.executor);
  REQUIRE(fleet.apply(wish("h1", "one\n"), &broken).ok());
  CHECK(*fleet.executor.host("h1").read("/etc/a") == "one\n");
  CHECK(fleet.records("h1").empty());
  CHECK(fleet.records("h2").size() == 1);
}

TEST_CASE("history: the oldest applies are forgotten, and a line that is none of ours") {
  std::string content = "what is this?\n";
  for (int i = 0; i < 250; ++i) content = history::with(content, numbered(i));
  CHECK(std::count(content.begin(), content.end(), '\n') == 200);
  CHECK(content.starts_with(numbered(50)));
  CHECK(content.ends_with(numbered(249) + "\n"));
  CHECK(history::with(content, R"({"id":"249","ended":"now"})").ends_with("\n{\"id\":\"249\",\"ended\":\"now\"}\n"));
  // By size, too; the newest one stays whatever its size is.
  for (int i = 250; i < 260; ++i) content = history::with(content, numbered(i, 200'000));
  CHECK(content.size() < 1'100'000);
  CHECK(history::with(content, numbered(300, 3'000'000)) == numbered(300, 3'000'000) + "\n");
}

TEST_CASE("history: of a plan with long diffs it keeps the first ones") {
  Hosts2 fleet;
  const auto long_file = [](const char* name) {
    return file(std::string("h1/test/") + name, "h1", {.path = std::string("/etc/") + name, .content = std::string(40'000, 'x') + "\n"});
  };
  REQUIRE(fleet.apply(sequence(long_file("a"), long_file("b"))).ok());
  const Json record = fleet.records("h1").at(0);
  CHECK(record["changes"][0]["diff"].is_string());
  CHECK(record["changes"][1]["diff"].is_null());
}
