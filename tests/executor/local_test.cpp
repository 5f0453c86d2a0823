#include <pgcluster/executor/local.hpp>

#include "base/digest.hpp"
#include "shell.hpp"

using namespace pgcluster;

namespace {

LocalOptions options(const Scratch& scratch) { return {scratch.places.run, scratch.places.state, false}; }

}  // namespace

TEST_CASE("the local executor runs the same programs") {
  Scratch scratch;
  LocalExecutor local(options(scratch));
  const HostAccess host{.name = "here", .address = "localhost"};
  scratch.put("source", std::string(3'000'000, 'x'));
  std::vector<std::size_t> begun;
  const Program program{.dos = {{"here", Upload{scratch.path("tool"), scratch.path("source"), sha256_hex(std::string(3'000'000, 'x'))}},
                                {"here", Run{{"true"}}}},
                        .asks = {{"here", Exec{{"cat"}, "in"}}},
                        .on_do = [&](std::size_t i) { begun.push_back(i); }};
  const auto result = local.run(host, program);
  CHECK(result.dos[0].what == DoResult::What::done);
  CHECK(result.dos[1].what == DoResult::What::done);
  CHECK(std::get<Output>(result.answers[0]).out == "in");
  CHECK(begun == std::vector<std::size_t>{0, 1});
}

TEST_CASE("the local lock is taken once, told, and free again") {
  Scratch scratch;
  LocalExecutor one(options(scratch)), two(options(scratch));
  const HostAccess host{.name = "here", .address = "localhost"};
  CHECK_FALSE(one.lock(host, {"somebody", 17, "t1"}));
  one.beat(host);
  const auto holder = two.lock(host, {"else", 18, "t2"});
  REQUIRE(holder);
  CHECK(*holder == LockHolder{"somebody", 17, "t1"});
  one.unlock(host);
  CHECK_FALSE(two.lock(host, {"else", 18, "t2"}));
  CHECK_THROWS_AS(one.beat(host), Error);
  two.unlock(host);
}

TEST_CASE("a cancelled local executor does nothing more until it is resumed") {
  Scratch scratch;
  LocalExecutor local(options(scratch));
  const HostAccess host{.name = "here", .address = "localhost"};
  local.cancel();
  CHECK_THROWS_AS(local.run(host, {}), Error);
  local.resume();
  CHECK_NOTHROW(local.run(host, {}));
}
