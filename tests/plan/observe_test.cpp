#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pgcluster/plan/plan.hpp>

using namespace pgcluster;
using std::chrono::seconds;

namespace {

// Hosts whose names begin with "silent" do not answer until they are cut off.
class SilentExecutor final : public Executor {
 public:
  ProgramResult run(const HostAccess& host, const Program& program) override {
    std::unique_lock lock(mutex_);
    if (host.name.starts_with("silent")) changed_.wait(lock, [&] { return cancelled_; });
    if (cancelled_) throw Error(Code::cancelled, "cancelled");
    return {.answers = std::vector<Answer>(program.asks.size(), Absent{})};
  }
  std::optional<LockHolder> lock(const HostAccess&, const LockHolder&) override { return std::nullopt; }
  void beat(const HostAccess&) override {}
  void unlock(const HostAccess&) noexcept override {}
  void cancel() noexcept override { set(true); }
  void resume() noexcept override { set(false); }

 private:
  void set(bool cancelled) {
    const std::lock_guard lock(mutex_);
    cancelled_ = cancelled;
    changed_.notify_all();
  }
  std::mutex mutex_{};
  std::condition_variable changed_{};
  bool cancelled_ = false;
};

}  // namespace

TEST_CASE("an exception of any type on a pool thread is an error of its host, and does not end the process") {
  class Throwing final : public Executor {
   public:
    ProgramResult run(const HostAccess& host, const Program& program) override {
      if (host.name == "odd") throw std::runtime_error("out of order");
      if (host.name == "odder") throw 42;
      return {.answers = std::vector<Answer>(program.asks.size(), Absent{})};
    }
    std::optional<LockHolder> lock(const HostAccess& host, const LockHolder&) override {
      if (lock_throws && host.name == "odd") throw std::runtime_error("no lock today");
      return std::nullopt;
    }
    void beat(const HostAccess&) override {}
    void unlock(const HostAccess&) noexcept override {}
    bool lock_throws = false;
  };
  Throwing executor;
  Hosts hosts;
  std::map<std::string, std::vector<Ask>> asks;
  for (const std::string name : {"answers", "odd", "odder"}) {
    hosts[name] = {.name = name, .address = "192.0.2.1"};
    asks[name] = {{name, FileOf{"/etc/a"}}};
  }
  const Observed observed = observe(hosts, asks, executor);
  CHECK(observed.answers.contains("answers"));
  REQUIRE(observed.errors.size() == 2);
  for (const auto& [name, error] : observed.errors) {
    CHECK(error.code() == Code::internal);
    CHECK(error.failure().host == name);
  }
  CHECK(observed.errors.at("odd").message() == "the executor failed: out of order");
  CHECK(observed.errors.at("odder").message() == "the executor failed with an exception of an unknown type");

  // The same while applying: in a program, and while the locks are taken.
  const auto run = [](const std::string& host) {
    return make_step(StepRef{host, "test", "run"}, {.asks = {}, .decide = [host](const Answers&) -> Decision {
                                                      return Change{.todo = {Do{.at = host, .what = Run{.argv = {"true"}}}}, .action = Action::run};
                                                    }});
  };
  const Plan plan = make_plan(hosts, parallel(run("odd"), run("odder")), executor);
  const Report report = apply(plan, executor);
  REQUIRE(report.failures.size() == 2);
  for (const Failure& failure : report.failures) CHECK(failure.code == Code::internal);
  executor.lock_throws = true;
  CHECK_THROWS_WITH_AS(apply(plan, executor), doctest::Contains("the executor failed: no lock today"), Error);
}

TEST_CASE("hosts that the time for asking cuts off have timed out, those that wait for their turn, too; who cancels is told so") {
  SilentExecutor executor;
  Hosts hosts;
  std::map<std::string, std::vector<Ask>> asks;
  for (const std::string name : {"answers", "silent1", "silent2", "silent3"}) {
    hosts[name] = {.name = name, .address = "192.0.2.1"};
    asks[name] = {{name, FileOf{"/etc/a"}}};
  }
  const Observed observed = observe(hosts, asks, executor, {.deadline = seconds(1), .parallel = 2});
  CHECK(observed.answers.contains("answers"));
  CHECK(observed.errors.size() == 3);
  for (const auto& [name, error] : observed.errors) {
    CHECK(error.code() == Code::timed_out);
    CHECK(error.message() == name + " did not answer within 1 s");
    CHECK(error.failure().host == name);
    CHECK_FALSE(error.hint().empty());
    CHECK(error.failure().retryable);
  }
  const Steps wish = file("silent1/test/a", "silent1", {.path = "/etc/a", .content = "x\n"});
  try {
    make_plan(hosts, wish, executor, {.deadline = seconds(0)});
    FAIL("it must not be planned");
  } catch (const Error& error) {
    CHECK(error.code() == Code::timed_out);
  }
  std::stop_source stop;
  stop.request_stop();
  try {
    make_plan(hosts, wish, executor, {.stop = stop.get_token()});
    FAIL("it must not be planned");
  } catch (const Error& error) {
    CHECK(error.code() == Code::cancelled);
  }
}
