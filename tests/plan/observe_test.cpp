#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
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
