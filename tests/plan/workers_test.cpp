#include "plan/workers.hpp"

#include <stdexcept>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pgcluster/simulation/simulated.hpp>

using namespace pgcluster;

namespace {

class Idle final : public Executor {
 public:
  ProgramResult run(const HostAccess&, const Program&) override { return {}; }
  std::optional<LockHolder> lock(const HostAccess&, const LockHolder&) override { return std::nullopt; }
  void beat(const HostAccess&) override {}
  void unlock(const HostAccess&) noexcept override {}
};

void serve(Workers& workers, const Executor& executor) { REQUIRE(workers.serve(executor.now() + std::chrono::seconds(20))); }

}  // namespace

TEST_CASE("a job runs on a thread of the pool, and what it tells and what it throws comes to the owner's thread") {
  Idle executor;
  Workers workers(executor, 2);
  const auto owner = std::this_thread::get_id();
  std::thread::id ran, told, failed;
  std::string message;
  workers.post(
      [&] {
        ran = std::this_thread::get_id();
        workers.tell([&] { told = std::this_thread::get_id(); });
      },
      [](const Error&) { FAIL("it has not thrown"); });
  serve(workers, executor);
  CHECK(ran != owner);
  CHECK(told == owner);
  const auto failing = [&](auto&& job) {
    message.clear();
    workers.post(job, [&](const Error& error) {
      failed = std::this_thread::get_id();
      message = std::string(to_string(error.code())) + ": " + error.message();
    });
    serve(workers, executor);
    CHECK(failed == owner);
    return message;
  };
  CHECK(failing([] { throw Error(Code::refused, "no"); }) == "refused: no");
  CHECK(failing([] { throw std::runtime_error("odd"); }) == "internal: the executor failed: odd");
  CHECK(failing([] { throw 42; }) == "internal: the executor failed with an exception of an unknown type");
}

TEST_CASE("with an executor that does not block, an exception of an unknown type leaves through post(), on the caller's own thread") {
  SimulatedExecutor executor;
  Workers workers(executor, 2);
  CHECK_THROWS_AS(workers.post([] { throw 42; }, [](const Error&) { FAIL("it is not told"); }), int);
  std::string message;
  workers.post([] { throw Error(Code::refused, "no"); }, [&](const Error& error) { message = error.message(); });
  serve(workers, executor);
  CHECK(message == "no");
}
