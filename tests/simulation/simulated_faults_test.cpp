#include <doctest/doctest.h>

#include <chrono>

#include <pgcluster/simulation/simulated.hpp>

using namespace pgcluster;
using namespace std::chrono_literals;

namespace {

const HostAccess pg1{.name = "pg1"};

Program three_files() {
  Program program;
  for (const char* path : {"/1", "/2", "/3"}) program.dos.push_back({.at = "pg1", .what = WriteFile{.path = path, .content = "x"}});
  return program;
}

Failure failure(const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& error) {
    return error.failure();
  }
  FAIL("no error");
  return {};
}

std::size_t written(SimulatedExecutor& executor) {
  std::size_t count = 0;
  for (const char* path : {"/1", "/2", "/3"}) count += executor.host("pg1").files.contains(path);
  return count;
}

}  // namespace

TEST_CASE("a host that is down, frozen, or that nobody may ask any more") {
  SimulatedExecutor executor;
  executor.host("pg1").down = true;
  CHECK(failure([&] { executor.run(pg1, {}); }).code == Code::host_unreachable);
  executor.host("pg1").down = false;
  executor.host("pg1").frozen = true;
  CHECK(failure([&] { executor.beat(pg1); }).code == Code::timed_out);
  executor.host("pg1").frozen = false;
  executor.cancel();
  CHECK(failure([&] { executor.lock(pg1, {}); }).code == Code::cancelled);
  executor.resume();
  executor.run(pg1, {});
}

TEST_CASE("a connection that breaks") {
  using Lost = SimulatedExecutor::Lost;
  const std::pair<Lost, std::size_t> cases[] = {{Lost::before, 1}, {Lost::after, 2}, {Lost::orphan, 3}};
  for (const auto& [how, expected] : cases) {
    SimulatedExecutor executor;
    executor.lose_connection("pg1", 2, how);
    const Failure lost = failure([&] { executor.run(pg1, three_files()); });
    CHECK(lost.code == Code::connection_lost);
    CHECK(lost.retryable);
    CHECK(lost.state_unknown);
    CHECK(written(executor) == expected);
    for (const DoResult& one : executor.run(pg1, three_files()).dos) CHECK((one.what == DoResult::What::done || one.what == DoResult::What::skipped));
  }
}

TEST_CASE("a controller that is killed") {
  struct Killed {};
  SimulatedExecutor executor;
  executor.interrupt(2, false, [] { throw Killed(); });
  CHECK_THROWS_AS(executor.run(pg1, three_files()), Killed);
  CHECK(written(executor) == 1);
  executor.interrupt(2, true, [] { throw Killed(); });
  CHECK_THROWS_AS(executor.run(pg1, three_files()), Killed);
  CHECK(written(executor) == 2);
  executor.run(pg1, three_files());
  CHECK(written(executor) == 3);
}

TEST_CASE("somebody changes the host meanwhile") {
  SimulatedExecutor executor;
  executor.meanwhile([](SimulatedHost& host, const Do& d) {
    if (std::get<WriteFile>(d.what).path == "/2") host.write("/2", "stranger");
  });
  Program program = three_files();
  for (Do& d : program.dos) d.was = Absent{};
  const auto dos = executor.run(pg1, program).dos;
  CHECK(dos[0].what == DoResult::What::done);
  CHECK(dos[1].what == DoResult::What::drifted);
  CHECK(dos[2].what == DoResult::What::not_run);
}

TEST_CASE("the lock is a live one") {
  SimulatedExecutor executor;
  const LockHolder us{"us", 1, "a"}, others{"others", 2, "b"};
  CHECK_FALSE(executor.lock(pg1, us));
  CHECK_FALSE(executor.lock(pg1, us));
  CHECK(executor.lock(pg1, others) == us);
  executor.advance(20s);
  executor.beat(pg1);
  executor.advance(20s);
  CHECK(executor.lock(pg1, others) == us);
  executor.run(pg1, three_files());  // who works is alive
  executor.advance(29s);
  CHECK(executor.lock(pg1, others) == us);
  executor.advance(2s);
  CHECK(failure([&] { executor.beat(pg1); }).code == Code::connection_lost);
  CHECK_FALSE(executor.lock(pg1, others));
  executor.unlock(pg1);
  CHECK_FALSE(executor.host("pg1").lock);

  executor.host("pg1").lock = others;
  executor.host("pg1").beaten = executor.now();
  SimulatedExecutor second;
  CHECK(executor.lock(pg1, {"us", 3, "c"}) == others);
}

TEST_CASE("a reboot") {
  SimulatedExecutor executor;
  SimulatedHost& host = executor.host("pg1");
  executor.install(host, "x");
  host.write("/run/x", "1");
  host.write("/etc/x", "1");
  host.write("/etc/systemd/system/on.service", "");
  host.write("/etc/systemd/system/off.service", "");
  for (const char* unit : {"on.service", "off.service"}) executor.start_unit(host, unit);
  host.units["on.service"].state.enabled = true;
  executor.lock(pg1, {"us", 1, "a"});
  executor.advance(5s);
  CHECK(host.active("off.service"));
  const std::string boot = *host.read("/proc/sys/kernel/random/boot_id");
  executor.reboot(host);
  executor.advance(5s);
  CHECK(host.active("on.service"));
  CHECK_FALSE(host.active("off.service"));
  CHECK_FALSE(host.read("/run/x"));
  CHECK(host.read("/etc/x"));
  CHECK_FALSE(host.lock);
  CHECK(*host.read("/proc/sys/kernel/random/boot_id") != boot);
}
