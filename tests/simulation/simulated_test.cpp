#include <doctest/doctest.h>

#include <chrono>

#include <pgcluster/simulation/simulated.hpp>
#include <pgcluster/step/step.hpp>

using namespace pgcluster;
using namespace std::chrono_literals;
using What = DoResult::What;

namespace {

// A daemon with one configuration file, which refuses to start on a bad one.
class Toy final : public ServiceModel {
 public:
  std::optional<SimulatedPackage> package(const std::string& name) override {
    if (name != "toy") return std::nullopt;
    return SimulatedPackage{
        .version = "2.1", .depends = {"toy-common"}, .units = {"toy.service"}, .accounts = {{"toy", {101, "/var/lib/toy", "/bin/false"}}}};
  }
  std::optional<Start> unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime) override {
    if (unit != "toy.service") return std::nullopt;
    const std::string* config = host.read("/etc/toy.conf");
    if (config && config->find("bad") != std::string::npos) return Start{.dies = "toy: bad configuration"};
    return Start{.takes = 3s};
  }
  void unit_started(SimulatedHost& host, const std::string&, SimulatedTime) override { log += host.name + " up;"; }
  void unit_stopped(SimulatedHost& host, const std::string&, SimulatedTime) override { log += host.name + " down;"; }
  void unit_reloaded(SimulatedHost& host, const std::string&, SimulatedTime) override { log += host.name + " reload;"; }
  void passed(SimulatedTime) override { ++ticks; }
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) override {
    if (argv[0] != "toyctl") return std::nullopt;
    if (argv.at(1) == "set") shared = input;
    return Output{.status = host.active("toy.service") ? 0 : 1, .out = shared};
  }
  std::string shared = "one", log;
  int ticks = 0;
};

struct Fleet {
  explicit Fleet(SimulatedOptions options = {}) : executor(options) { executor.add(toy); }
  std::shared_ptr<Toy> toy = std::make_shared<Toy>();
  SimulatedExecutor executor;
  HostAccess pg1{.name = "pg1"}, pg2{.name = "pg2"};
  SimulatedHost& host() { return executor.host("pg1"); }

  DoResult act(Do d) {
    d.at = "pg1";
    return executor.run(pg1, Program{.dos = {std::move(d)}}).dos.at(0);
  }
  What what(Do d) { return act(std::move(d)).what; }
  Answer ask(decltype(Ask::what) what) { return executor.run(pg1, Program{.asks = {{"pg1", std::move(what)}}}).answers.at(0); }
  template <class T>
  T get(decltype(Ask::what) what) {
    return std::get<T>(ask(std::move(what)));
  }
};

Do write(std::string content, std::optional<Answer> was = {}) {
  return {.what = WriteFile{.path = "/etc/a", .content = std::move(content)}, .was = std::move(was)};
}
Do unit(SetUnit::Go go, std::optional<bool> enabled = {}, std::optional<Answer> was = {}) {
  return {.what = SetUnit{"toy.service", go, enabled}, .was = std::move(was)};
}
const Do install{.what = Install{.packages = {"toy"}, .mask = {"toy.service"}}};
const UnitOf toy_unit{"toy.service", {"/etc/toy.conf"}, {"/etc/toy.load"}};
using Go = SetUnit::Go;

}  // namespace

TEST_CASE("a file: fresh, again, changed, drifted") {
  Fleet f;
  CHECK(f.what(write("1", Absent{})) == What::done);
  CHECK(f.what(write("1", Absent{})) == What::skipped);
  auto seen = f.get<File>(FileOf{"/etc/a", false});
  CHECK(seen.content.empty());
  CHECK(f.what(write("2", seen)) == What::done);
  const DoResult drifted = f.act(write("3", seen));
  CHECK(drifted.what == What::drifted);
  CHECK(drifted.found.find("sha256") != std::string::npos);
  CHECK(f.act(write("3", Absent{})).what == What::drifted);
  CHECK(*f.host().read("/etc/a") == "2");
  CHECK(f.what(write("3")) == What::done);
  CHECK(f.what({.what = WriteFile{.path = "/etc/a", .content = "3", .mode = 0600}}) == What::done);
  CHECK(f.what({.what = WriteFile{.path = "/etc/b", .content = "3", .owner = "nobody here"}}) == What::failed);
  CHECK(std::holds_alternative<Absent>(f.ask(FileOf{"/etc/b"})));
  CHECK(f.get<File>(FileOf{"/etc"}).kind == File::Kind::directory);
  CHECK(f.executor.trace().size() == 4);
}

TEST_CASE("files and trees are removed") {
  Fleet f;
  f.host().write("/srv/t/a", "1");
  f.host().write("/srv/t/b", "2");
  const Do one{.what = Remove{Remove::Kind::file, "/srv/t/a"}, .was = File{.content = "1"}};
  const Do tree{.what = Remove{Remove::Kind::tree, "/srv/t"}};
  CHECK(f.what({.what = Remove{Remove::Kind::file, "/srv/t/b"}, .was = File{.content = "1"}}) == What::drifted);
  CHECK(f.what(one) == What::done);
  CHECK(f.what(one) == What::skipped);
  CHECK(f.what(tree) == What::done);
  CHECK(f.what(tree) == What::skipped);
  CHECK(f.what({.what = Remove{Remove::Kind::tree, "/etc"}}) == What::failed);
}

TEST_CASE("a block in a file that is not ours") {
  Fleet f;
  f.host().write("/etc/hosts", "127.0.0.1 localhost");
  const Do d{.what = WriteBlock{"/etc/hosts", "X", "10.0.0.1 pg1\n"}};
  CHECK(f.what(d) == What::done);
  CHECK(f.what(d) == What::skipped);
  CHECK(*f.host().read("/etc/hosts") == "127.0.0.1 localhost\n# BEGIN pgcluster X\n10.0.0.1 pg1\n# END pgcluster X\n");
  CHECK(f.what({.what = Remove{Remove::Kind::block, "/etc/hosts", "X"}}) == What::done);
  CHECK(*f.host().read("/etc/hosts") == "127.0.0.1 localhost\n");
  CHECK(f.what({.what = Remove{Remove::Kind::block, "/etc/hosts", "X"}}) == What::skipped);
  f.host().write("/etc/hosts", "# BEGIN pgcluster X\n");
  CHECK(f.what(d) == What::failed);
}

TEST_CASE("packages bring units, which stay down where they are masked") {
  Fleet f;
  CHECK(std::holds_alternative<Absent>(f.ask(PackageOf{"toy"})));
  CHECK(f.what(install) == What::done);
  CHECK(f.executor.finished() - f.executor.now() == 20s);
  CHECK(f.what(install) == What::skipped);  // waits for the first
  CHECK(f.executor.finished() == f.executor.now());
  CHECK(f.get<Package>(PackageOf{"toy"}).version == "2.1");
  CHECK(f.host().packages.contains("toy-common"));
  CHECK(f.get<Account>(AccountOf{"toy"}).uid == 101);
  CHECK(f.get<Unit>(toy_unit).active == "inactive");
  CHECK(f.get<Unit>(toy_unit).masked);

  Fleet bare;
  CHECK(bare.what({.what = Install{.packages = {"toy"}}}) == What::done);
  CHECK(bare.get<Unit>(toy_unit).active == "activating");
  CHECK(bare.what({.what = Remove{Remove::Kind::package, "toy"}}) == What::done);
  CHECK(std::holds_alternative<Absent>(bare.ask(toy_unit)));

  SimulatedOptions strict;
  strict.any_package = false;
  Fleet poor(strict);
  CHECK(poor.act(install).output.status == 100);
}

TEST_CASE("a unit starts in its time, restarts by compare-and-set, and dies") {
  Fleet f;
  CHECK(f.act(unit(Go::start)).output.status == 5);
  f.act(install);
  CHECK(f.what(unit(Go::start, true)) == What::done);
  CHECK(f.what(unit(Go::start, true)) == What::skipped);
  Unit state = f.get<Unit>(UnitOf{"toy.service"});
  CHECK(state.active == "activating");
  CHECK(state.enabled);
  CHECK_FALSE(state.masked);
  f.executor.advance(30s);
  CHECK(f.toy->log == "pg1 up;");
  state = f.get<Unit>(UnitOf{"toy.service"});
  CHECK(state.active == "active");

  CHECK(f.what(unit(Go::restart, true, state)) == What::done);
  f.executor.advance(5s);
  CHECK(f.what(unit(Go::restart, true, state)) == What::skipped);  // somebody has restarted it already
  CHECK(f.get<Unit>(UnitOf{"toy.service"}).started > state.started);
  CHECK(f.executor.trace().back().disturbed);
  CHECK(f.executor.trace().back().serving_at - f.executor.trace().back().begin == 3005ms);
  CHECK(f.what(unit(Go::reload)) == What::done);
  CHECK(f.toy->log == "pg1 up;pg1 down;pg1 up;pg1 reload;");

  f.executor.fail_unit(f.host(), "toy.service", "killed\n");
  state.started = 0;
  CHECK(f.what(unit(Go::restart, true, state)) == What::drifted);
  CHECK(f.what(unit(Go::reload)) == What::failed);
  f.host().write("/etc/toy.conf", "bad");
  CHECK(f.what(unit(Go::start)) == What::done);  // the command does not wait
  CHECK(f.get<Unit>(toy_unit).active == "failed");
  CHECK(f.get<Output>(Exec{{"journalctl", "-u", "toy.service"}}).out == "killed\ntoy: bad configuration\n");
  CHECK(f.what({.what = Remove{Remove::Kind::unit, "toy.service"}}) == What::done);
  CHECK(f.what({.what = Remove{Remove::Kind::unit, "toy.service"}}) == What::skipped);
}

TEST_CASE("a unit knows whether it runs on its present files") {
  Fleet f;
  f.act(install);
  f.act(unit(Go::start, true));
  f.executor.advance(60s);
  CHECK_FALSE(f.get<Unit>(toy_unit).start_files_current);  // nobody noted them
  f.act({.what = unit_notes({.unit = "toy.service", .start_files = {"/etc/toy.conf"}, .load_files = {"/etc/toy.load"}, .reloadable = true})});
  f.act(unit(Go::restart));
  f.executor.advance(5s);
  CHECK(f.get<Unit>(toy_unit).start_files_current);
  CHECK(f.get<Unit>(toy_unit).load_files_current);
  f.host().write("/etc/toy.load", "new");
  CHECK(f.get<Unit>(toy_unit).start_files_current);
  CHECK_FALSE(f.get<Unit>(toy_unit).load_files_current);
  f.host().write("/etc/toy.conf", "new");
  f.act(unit(Go::reload));
  CHECK_FALSE(f.get<Unit>(toy_unit).start_files_current);
  CHECK(f.get<Unit>(toy_unit).load_files_current);
  f.host().files.erase("/etc/toy.conf");
  CHECK(f.get<Unit>(toy_unit).start_files_current);
}

TEST_CASE("accounts") {
  Fleet f;
  const Do d{.what = SetAccount{"confd", "/var/lib/confd"}, .was = Absent{}};
  CHECK(f.what(d) == What::done);
  CHECK(f.what(d) == What::skipped);
  f.host().accounts["confd"].shell = "/bin/sh";
  CHECK(f.what(d) == What::drifted);
}

TEST_CASE("commands are the models'") {
  Fleet f;
  CHECK(f.get<Output>(Exec{{"nothing"}}).status == 127);
  f.act({.what = Install{.packages = {"toy"}}});
  f.executor.advance(60s);
  CHECK(f.toy->ticks == 1);
  const Exec look{{"toyctl", "get"}};
  const auto seen = f.get<Output>(look);
  const Do d{.what = Run{.argv = {"toyctl", "set"}, .input = "two", .look = look}, .was = seen};
  CHECK(f.what(d) == What::done);
  CHECK(f.get<Output>(look).out == "two");
  CHECK(f.what(d) == What::drifted);
  CHECK(f.act({.what = Run{.argv = {"nothing"}}}).output.status == 127);
}

TEST_CASE("after the first that fails nothing runs, but the asks are answered") {
  Fleet f;
  f.executor.fail([](const Do& d) -> std::optional<Output> {
    const auto* file = std::get_if<WriteFile>(&d.what);
    if (file && file->path == "/b") return Output{.status = 28, .err = "no space left"};
    return std::nullopt;
  });
  auto file = [](const char* path) { return Do{.at = "pg1", .what = WriteFile{.path = path, .content = "x"}}; };
  const Program program{.dos = {file("/a"), file("/b"), file("/c")},
                        .asks = {{"pg1", FileOf{"/a"}}, {"pg1", FileOf{"/c"}}},
                        .own = {{"file:/a", "s"}, {"file:/b", "s"}, {"file:/c", "s"}},
                        .disown = {"file:/a"}};
  const ProgramResult result = f.executor.run(f.pg1, program);
  CHECK(result.dos[0].what == What::done);
  CHECK(result.dos[1].what == What::failed);
  CHECK(result.dos[1].output.status == 28);
  CHECK(result.dos[2].what == What::not_run);
  CHECK(std::holds_alternative<File>(result.answers[0]));
  CHECK(std::holds_alternative<Absent>(result.answers[1]));
  CHECK(*f.host().read("/var/lib/pgcluster/owned") == "file:/a\ts\nfile:/b\ts\nfile:/c\ts\n");
  f.executor.fail({});
  f.executor.run(f.pg1, program);
  CHECK(*f.host().read("/var/lib/pgcluster/owned") == "file:/b\ts\nfile:/c\ts\n");
}

TEST_CASE("facts") {
  Fleet f;
  f.host().facts.memory_bytes = 2048u << 20;
  f.host().facts.interfaces = {{"eth0", "10.77.0.11/24"}};
  f.host().write("/var/lib/pgcluster/secrets/repl", "s3cr3t");
  f.host().write("/var/lib/pgcluster/owned", "file:/a\ts\n");
  f.host().write("/var/lib/pgcluster/cluster", "name: x\n");
  f.executor.advance(10s);
  const Facts facts = read_facts("pg1", f.executor.run(f.pg1, Program{.asks = facts_asks("pg1")}).answers);
  CHECK(facts.hostname == "pg1");
  CHECK(facts.os_version == "13");
  CHECK(facts.memory_bytes == 2048u << 20);
  CHECK(facts.interfaces.at(0).cidr == "10.77.0.11/24");
  CHECK(facts.clock == 1'700'000'010);
  CHECK(facts.owned == std::vector<Owned>{{"file:/a", "s"}});
  CHECK(facts.cluster == "name: x\n");
  CHECK(facts.secrets.at("repl") == "s3cr3t");
}

TEST_CASE("hosts work at the same time") {
  Fleet f;
  const auto begin = f.executor.now();
  for (const HostAccess& host : {f.pg1, f.pg2}) f.executor.run(host, Program{.dos = {install, unit(Go::start)}});
  CHECK(f.executor.now() == begin);
  const auto& trace = f.executor.trace();
  REQUIRE(trace.size() == 4);
  CHECK(trace[0].begin == trace[2].begin);
  CHECK(trace[1].begin == begin + 20s);
  CHECK(trace[1].resources == std::vector<std::string>{"unit:toy.service"});
  CHECK(trace[1].go == Go::start);
  CHECK_FALSE(trace[1].disturbed);
}
