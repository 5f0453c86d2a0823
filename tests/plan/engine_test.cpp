#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pgcluster/plan/plan.hpp>
#include <pgcluster/simulation/simulated.hpp>

#include "forwarding.hpp"

using namespace pgcluster;
using std::chrono::seconds;

namespace {

struct Fleet {
  SimulatedExecutor executor;
  Hosts hosts;

  explicit Fleet(int count) {
    for (int i = 1; i <= count; ++i) {
      const std::string name = "h" + std::to_string(i);
      hosts[name] = {.name = name, .address = "192.0.2." + std::to_string(i)};
      executor.host(hosts[name]);
    }
  }
  Plan plan(const Steps& steps) { return make_plan(hosts, steps, executor); }
  Report apply(const Steps& steps, ApplyOptions options = {}) { return pgcluster::apply(plan(steps), executor, options); }
  std::vector<std::string> done() const {
    std::vector<std::string> all;
    for (const SimulatedAct& act : executor.trace()) all.push_back(act.host + ": " + act.description);
    return all;
  }
};

Steps write(const std::string& host, const std::string& what, const std::string& content = "x\n") {
  return file(host + "/test/" + what, host, {.path = "/etc/" + what, .content = content});
}

// A service with one configuration file, which is restarted when that changes; a member of a rolling group.
Steps server(const std::string& host, const std::string& content, const std::vector<std::string>& order) {
  const ServiceWish wish{.unit = "server.service", .start_files = {"/etc/server.conf"}, .settle = seconds(30)};
  const Ask unit{host, UnitOf{"server.service"}};
  const Steps healthy = gate(host + "/server/healthy", {.asks = {unit},
                                                        .decide = [unit](const Answers& answers) -> Decision {
                                                          const auto* found = answers.get<Unit>(unit);
                                                          if (found && found->active == "active") return Done{};
                                                          return Later{"the server answers"};
                                                        },
                                                        .settle = seconds(60)});
  return sequence(packages(host + "/server/package", host, {"server"}, {"server.service"}),
                  file(host + "/server/config", host, {.path = "/etc/server.conf", .content = content}),
                  file(host + "/server/notes", host, unit_notes(wish)),
                  rolling("server", host, {.asks = {}, .order = [order](const Answers&) { return order; }},
                          sequence(service(host + "/server/service", host, wish), healthy)));
}

Steps servers(const std::string& content, const std::vector<std::string>& order = {"h2", "h3", "h1"}) {
  return parallel(server("h1", content, order), server("h2", content, order), server("h3", content, order));
}

class ServerModel final : public ServiceModel {
 public:
  std::optional<SimulatedPackage> package(const std::string& name) override {
    if (name != "server") return std::nullopt;
    return SimulatedPackage{.units = {"server.service"}};
  }
};

std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> all;
  for (const PlannedChange& change : plan.changes()) all.push_back(change.id);
  return all;
}

}  // namespace

TEST_CASE("a fresh host: planned, done, and then nothing is left to do") {
  Fleet fleet(1);
  const Steps steps = sequence(write("h1", "a"), write("h1", "b"));
  const Plan plan = fleet.plan(steps);
  CHECK(ids(plan) == std::vector<std::string>{"h1/test/a", "h1/test/b"});
  CHECK(plan.changes()[1].after == std::vector<std::string>{"h1/test/a"});
  CHECK(plan.changes()[0].diff->masked().find("+x") != std::string::npos);
  const Report report = apply(plan, fleet.executor);
  CHECK(report.ok());
  CHECK(report.changed == 2);
  CHECK(fleet.plan(steps).empty());
  CHECK(*fleet.executor.host("h1").read("/etc/b") == "x\n");
}

TEST_CASE("an empty plan takes no lock and does nothing") {
  Fleet fleet(1);
  fleet.apply(write("h1", "a"));
  fleet.executor.host("h1").lock = LockHolder{"somebody", 0, "t"};
  fleet.executor.clear_trace();
  CHECK(fleet.apply(write("h1", "a")).ok());
  CHECK(fleet.executor.trace().empty());
}

TEST_CASE("what a stranger changes between plan and apply stops that host as drifted, and only that one") {
  Fleet fleet(2);
  const Steps both = parallel(sequence(write("h1", "a"), write("h1", "b")), sequence(write("h2", "a"), write("h2", "b")));
  const Plan plan = fleet.plan(both);
  fleet.executor.host("h1").write("/etc/a", "a stranger's\n");
  const Report report = apply(plan, fleet.executor);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].code == Code::drifted);
  CHECK(report.failures[0].host == "h1");
  CHECK(fleet.executor.host("h1").read("/etc/b") == nullptr);
  CHECK(*fleet.executor.host("h1").read("/etc/a") == "a stranger's\n");
  CHECK(*fleet.executor.host("h2").read("/etc/b") == "x\n");
  const auto blocked = std::find_if(report.steps.begin(), report.steps.end(), [](const StepReport& step) { return step.id == "h1/test/b"; });
  REQUIRE(blocked != report.steps.end());
  CHECK(blocked->state == StepReport::State::blocked);
  CHECK(blocked->blocked_by == "h1/test/a");
}

TEST_CASE("one cause is one error; what does not depend on it is finished; the next apply goes on") {
  Fleet fleet(2);
  const Steps steps = parallel(sequence(write("h1", "a"), write("h1", "b"), write("h1", "c")), write("h2", "a"));
  fleet.executor.fail([](const Do& d) -> std::optional<Output> {
    if (d.at == "h1" && describe(d).find("/etc/b") != std::string::npos) return Output{.status = 1, .err = "no space left"};
    return std::nullopt;
  });
  const Report report = fleet.apply(steps);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].code == Code::command_failed);
  CHECK(text(report.failures[0]).find("no space left") != std::string::npos);
  CHECK_THROWS_AS(report.check(), Error);
  CHECK(*fleet.executor.host("h2").read("/etc/a") == "x\n");
  fleet.executor.fail({});
  CHECK(fleet.apply(steps).ok());
  CHECK(fleet.plan(steps).empty());
}

TEST_CASE("two steps that keep one resource are an error of the plan") {
  Fleet fleet(1);
  CHECK_THROWS_WITH_AS(fleet.plan(parallel(file("h1/one/conf", "h1", {.path = "/etc/x", .content = "1"}),
                                           file("h1/two/conf", "h1", {.path = "/etc/x", .content = "2"}))),
                       doctest::Contains("two steps keep file:/etc/x on h1"), Error);
}

TEST_CASE("a first deployment disturbs nobody and runs on all hosts at once; a change goes host by host, in the group's order, gate included") {
  Fleet fleet(3);
  fleet.executor.add(std::make_shared<ServerModel>());
  REQUIRE(fleet.apply(servers("1\n")).ok());
  CHECK(fleet.plan(servers("1\n")).empty());
  for (const SimulatedAct& act : fleet.executor.trace()) CHECK_FALSE(act.disturbed);

  const Plan plan = fleet.plan(servers("2\n"));
  std::vector<std::string> restarts;
  for (const PlannedChange& change : plan.changes())
    if (change.action == Action::restart) restarts.push_back(change.host);
  CHECK(restarts == std::vector<std::string>{"h2", "h3", "h1"});
  fleet.executor.clear_trace();
  REQUIRE(apply(plan, fleet.executor).ok());
  std::vector<const SimulatedAct*> disturbed;
  for (const SimulatedAct& act : fleet.executor.trace())
    if (act.disturbed) disturbed.push_back(&act);
  REQUIRE(disturbed.size() == 3);
  CHECK(disturbed[0]->host == "h2");
  CHECK(disturbed[2]->host == "h1");
  CHECK(disturbed[1]->begin >= disturbed[0]->serving_at);
  CHECK(disturbed[2]->begin >= disturbed[1]->serving_at);
  CHECK(fleet.plan(servers("2\n")).empty());
}

TEST_CASE("where one member fails after it was disturbed, no other one is disturbed") {
  Fleet fleet(3);
  fleet.executor.add(std::make_shared<ServerModel>());
  REQUIRE(fleet.apply(servers("1\n")).ok());
  fleet.executor.clear_trace();
  fleet.executor.fail([](const Do& d) -> std::optional<Output> {
    if (d.at == "h2" && std::holds_alternative<SetUnit>(d.what)) return Output{.status = 1, .err = "Job failed"};
    return std::nullopt;
  });
  const Report report = fleet.apply(servers("2\n"));
  CHECK(report.failures.size() == 1);
  for (const SimulatedAct& act : fleet.executor.trace()) CHECK_FALSE(act.disturbed);
}

namespace {

// Three servers that are restarted with a setting of the cluster, h2 first.
struct Taking {
  static constexpr const char* settings = "/etc/settings";

  Taking() : fleet(3) {
    REQUIRE(fleet.apply(steps("1\n")).ok());
    fleet.executor.clear_trace();
  }

  Steps steps(const std::string& wish) const {
    const Ask at{"h1", FileOf{settings}};
    std::vector<Steps> parts{make_step("cluster/server/settings", {.asks = {at}, .decide = [=](const Answers& answers) -> Decision {
                                                                     const auto* found = answers.get<File>(at);
                                                                     if (found && found->content == wish) return Done{};
                                                                     Change change{.todo = {writes("h1", settings, wish)},
                                                                                   .reason = "the settings differ"};
                                                                     if (found) change.undo = {writes("h1", settings, found->content)};
                                                                     return change;
                                                                   }})};
    for (const std::string host : {"h1", "h2", "h3"}) {
      const Ask own{host, FileOf{"/run/server"}}, healthy{host, FileOf{"/run/ill"}};
      const auto restart = [=](const Answers& answers) -> Decision {
        const auto* found = answers.get<File>(own);
        if (found && found->content == wish) return Done{};
        Change change{.todo = {writes(host, "/run/server", wish)},
                      .action = Action::restart,
                      .impact = found ? Impact::restart : Impact::none,
                      .reason = "the setting is new"};
        change.takes_back = TakeBack{.changes = {{"", "server", "settings"}, {"", "server", "not planned"}},
                                     .until = [=](const Answers& after) { return after.get<File>(healthy) ? host + " is healthy" : std::string(); },
                                     .then = "the servers run as before"};
        return change;
      };
      const Steps is_healthy = gate(host + "/server/healthy", {.asks = {healthy},
                                                               .decide = [=](const Answers& answers) -> Decision {
                                                                 if (answers.get<File>(healthy)) return Later{host + " is healthy"};
                                                                 return Done{};
                                                               },
                                                               .settle = seconds(20)});
      const StepPtr start = make_step(host + "/server/restart", {.asks = {own, healthy}, .decide = restart, .settle = seconds(20)});
      const Order order{.order = [](const Answers&) { return std::vector<std::string>{"h2", "h3", "h1"}; }};
      parts.push_back(after({StepRef{"", "server", "settings"}}, rolling("server", host, order, sequence(start, is_healthy))));
    }
    return join(std::move(parts), false);
  }

  static Do writes(const std::string& host, const std::string& path, const std::string& content) {
    return {.at = host, .what = WriteFile{.path = path, .content = content}};
  }
  // The servers of these hosts do not start with a new setting.
  void refuse(std::set<std::string> hosts) {
    fleet.executor.fail([hosts](const Do& d) -> std::optional<Output> {
      const auto* write = std::get_if<WriteFile>(&d.what);
      if (write && write->path == "/run/server" && hosts.contains(d.at)) return Output{.status = 1, .err = "does not start"};
      return std::nullopt;
    });
  }
  Report apply() {
    return fleet.apply(steps("2\n"), {.on_event = [this](const Event& event) {
                         if (event.kind == Event::Kind::step_taken_back) taken_back.push_back(event.step + " " + event.message);
                       }});
  }
  std::string now() { return *fleet.executor.host("h1").read(settings); }
  std::string runs(const std::string& host) { return *fleet.executor.host(host).read("/run/server"); }

  Fleet fleet;
  std::vector<std::string> taken_back;
};

StepReport::State state_of(const Report& report, const std::string& id) {
  const auto found = std::find_if(report.steps.begin(), report.steps.end(), [&](const StepReport& step) { return step.id == id; });
  REQUIRE(found != report.steps.end());
  return found->state;
}

}  // namespace

TEST_CASE("what the first member cannot use is taken back, and told") {
  Taking taking;
  taking.refuse({"h2"});
  const Report report = taking.apply();
  REQUIRE_MESSAGE(report.failures.size() == 1, report.text());
  const std::string text = report.text();
  CHECK_MESSAGE(text.find("(the setting is new); the servers run as before (taken back: cluster/server/settings)") != std::string::npos, text);
  CHECK(text.find("does not start") != std::string::npos);
  CHECK(report.failures[0].step == "h2/server/restart");
  CHECK(taking.now() == "1\n");
  CHECK(taking.taken_back == std::vector<std::string>{"cluster/server/settings taken back, because h2/server/restart failed"});
  CHECK(state_of(report, "cluster/server/settings") == StepReport::State::taken_back);
  CHECK(report.changed == 0);
  CHECK(state_of(report, "h3/server/restart") == StepReport::State::blocked);
  CHECK(taking.fleet.plan(taking.steps("1\n")).empty());
}

TEST_CASE("nothing is taken back where all goes well, or once another member runs with it") {
  for (const std::set<std::string>& ill : {std::set<std::string>{}, {"h3"}, {"h1", "h3"}}) {
    Taking taking;
    taking.refuse(ill);
    const Report report = taking.apply();
    CHECK(report.ok() == ill.empty());
    CHECK(report.text().find("taken back") == std::string::npos);
    CHECK(taking.now() == "2\n");
    CHECK(taking.runs("h2") == "2\n");
    CHECK(taking.taken_back.empty());
  }
}

TEST_CASE("a change is taken back where a later step of the first member's turn fails, and what is not as before is told") {
  Taking taking;
  taking.fleet.executor.host("h2").write("/run/ill", "");
  const Report report = taking.apply();
  REQUIRE_MESSAGE(report.failures.size() == 1, report.text());
  CHECK(taking.now() == "1\n");
  CHECK(report.failures[0].step == "h2/server/healthy");
  CHECK_MESSAGE(report.failures[0].message.find("taken back: cluster/server/settings; but not all is as before: timed out") != std::string::npos,
                report.text());
  CHECK(taking.runs("h3") == "1\n");
}

TEST_CASE("a change that cannot be taken back is told") {
  Taking taking;
  taking.fleet.executor.fail([](const Do& d) -> std::optional<Output> {
    const auto* write = std::get_if<WriteFile>(&d.what);
    if (write && (d.at == "h2" || (write->path == Taking::settings && write->content.reveal() == "1\n")))
      return Output{.status = 1, .err = "no space left"};
    return std::nullopt;
  });
  const Report report = taking.apply();
  REQUIRE_MESSAGE(report.failures.size() == 1, report.text());
  CHECK_MESSAGE(report.failures[0].message.find("cluster/server/settings could not be taken back: write /etc/settings failed") != std::string::npos,
                report.text());
  CHECK(taking.now() == "2\n");
  CHECK(taking.taken_back.empty());
  CHECK(state_of(report, "cluster/server/settings") == StepReport::State::done);
}

TEST_CASE("a connection that breaks while a change is taken back: it is taken back all the same") {
  for (const auto how : {SimulatedExecutor::Lost::before, SimulatedExecutor::Lost::after, SimulatedExecutor::Lost::orphan})
    for (const std::string host : {"h1", "h2"})
      for (std::size_t nth = 2; nth < 7; ++nth) {
        Taking taking;
        taking.refuse({"h2"});
        taking.fleet.executor.lose_connection(host, nth, how);
        const Report report = taking.apply();
        REQUIRE_MESSAGE(report.failures.size() == 1, report.text());
        CHECK_MESSAGE(taking.now() == "1\n", report.text());
        CHECK(taking.taken_back.size() == 1);
        CHECK(taking.fleet.plan(taking.steps("1\n")).empty());
      }
}

TEST_CASE("a connection that breaks in the middle: asked again, gone on with, done once") {
  for (const auto how : {SimulatedExecutor::Lost::before, SimulatedExecutor::Lost::after, SimulatedExecutor::Lost::orphan}) {
    Fleet fleet(1);
    fleet.executor.lose_connection("h1", 2, how);
    std::vector<Event::Kind> kinds;
    const Steps steps = sequence(write("h1", "a"), write("h1", "b"), write("h1", "c"));
    const Report report = fleet.apply(steps, {.on_event = [&](const Event& event) { kinds.push_back(event.kind); }});
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(std::count(kinds.begin(), kinds.end(), Event::Kind::host_lost) == 1);
    CHECK(std::count(kinds.begin(), kinds.end(), Event::Kind::host_back) == 1);
    CHECK(fleet.plan(steps).empty());
  }
}

TEST_CASE("a lock that somebody holds refuses the apply, and says who") {
  Fleet fleet(2);
  const Plan plan = fleet.plan(parallel(write("h1", "a"), write("h2", "a")));
  fleet.executor.lock(fleet.hosts["h2"], {"root@elsewhere pid 7", 1'700'000'000, "theirs"});
  try {
    apply(plan, fleet.executor);
    FAIL("it must be refused");
  } catch (const Error& error) {
    CHECK(error.code() == Code::locked);
    CHECK(error.message().find("root@elsewhere pid 7") != std::string::npos);
  }
  CHECK(fleet.executor.trace().empty());
  CHECK_FALSE(fleet.executor.host("h1").lock.has_value());
}

TEST_CASE("a callback that throws while the hosts are being locked leaves none of them locked") {
  Fleet fleet(3);
  const Plan plan = fleet.plan(parallel(write("h1", "a"), write("h2", "a"), write("h3", "a")));
  const auto unlocked = [&] {
    return std::none_of(fleet.hosts.begin(), fleet.hosts.end(), [&](const auto& one) { return fleet.executor.host(one.first).lock.has_value(); });
  };
  const auto on_event = [](const Event& event) {
    if (event.kind == Event::Kind::lock_taken) throw std::runtime_error("mine");
  };
  CHECK_THROWS_WITH(apply(plan, fleet.executor, {.on_event = on_event}), "mine");
  CHECK(unlocked());
  for (int nth = 1; nth <= 2; ++nth) {
    int polls = 0;
    CHECK_THROWS_WITH(apply(plan, fleet.executor,
                            {.poll =
                                 [&] {
                                   if (++polls == nth) throw std::runtime_error("mine");
                                 }}),
                      "mine");
    CHECK(unlocked());
  }
  CHECK(apply(plan, fleet.executor).ok());
}

TEST_CASE("a wait that is never over fails as not_converged, when its time is over") {
  Fleet fleet(1);
  const Ask file_there{"h1", FileOf{"/run/there"}};
  const Steps steps = sequence(write("h1", "a"), gate("h1/test/there", {.asks = {file_there},
                                                                        .decide = [file_there](const Answers& answers) -> Decision {
                                                                          if (answers.get<File>(file_there)) return Done{};
                                                                          return Later{"/run/there is there"};
                                                                        },
                                                                        .settle = seconds(20)}));
  const Plan plan = fleet.plan(steps);
  REQUIRE(plan.changes().size() == 2);
  CHECK(plan.changes()[1].action == Action::wait);
  CHECK_FALSE(plan.changes()[1].known);
  const Report report = apply(plan, fleet.executor);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].code == Code::not_converged);
  CHECK(report.failures[0].message.find("/run/there is there") != std::string::npos);
  CHECK(report.took >= seconds(20));
}

TEST_CASE("a command that comes after a wait is decided anew, because the state that it was planned for may be over") {
  // A program of the host's own makes the role shortly before the host leads.
  class Bootstrap final : public ServiceModel {
   public:
    void added(SimulatedExecutor& fleet) override { leads_at_ = fleet.now() + seconds(5); }
    void passed(SimulatedTime now) override { leads_ = now >= leads_at_; }
    std::optional<Output> exec(SimulatedHost&, const std::vector<std::string>& argv, const std::string&) override {
      if (argv[0] == "leads") return Output{.status = leads_ ? 0 : 1};
      if (argv[0] == "roles") return Output{.out = leads_ ? "replicator" : ""};
      if (argv[0] == "create-role") return leads_ ? Output{.status = 3, .err = "role \"replicator\" already exists\n"} : Output{};
      return std::nullopt;
    }

   private:
    SimulatedTime leads_at_{};
    bool leads_ = false;
  };
  const Ask leads{"h1", Exec{{"leads"}}}, roles{"h1", Exec{{"roles"}}};
  const Steps wait = gate("cluster/test/leader", {.asks = {leads}, .decide = [leads](const Answers& answers) -> Decision {
                                                    if (const auto* output = answers.get<Output>(leads); output && output->status == 0) return Done{};
                                                    return Later{"h1 leads"};
                                                  }});
  const Steps role =
      make_step("cluster/test/role", {.asks = {roles}, .decide = [roles](const Answers& answers) -> Decision {
                                        if (const std::string* out = answers.out(roles); out && !out->empty()) return Done{};
                                        return Change{.todo = {Do{.at = "h1", .what = Run{.argv = {"create-role"}}}}, .action = Action::run};
                                      }});
  for (const Steps& between : {Steps{}, write("h1", "a")}) {
    Fleet fleet(1);
    fleet.executor.add(std::make_shared<Bootstrap>());
    const Plan plan = fleet.plan(sequence(wait, between, role));
    REQUIRE(plan.changes().back().action == Action::run);
    const Report report = apply(plan, fleet.executor);
    CHECK(report.failures.empty());
    CHECK(fleet.plan(sequence(wait, between, role)).empty());
  }
}

namespace {

// Journals say this.
class Log final : public ServiceModel {
 public:
  explicit Log(std::string text) : text_(std::move(text)) {}
  std::optional<Output> exec(SimulatedHost&, const std::vector<std::string>& argv, const std::string&) override {
    if (argv[0] != "journalctl") return std::nullopt;
    return Output{.out = text_};
  }

 private:
  std::string text_;
};

}  // namespace

TEST_CASE("a failure's hint is what its log says of the system, however far above the last lines") {
  const auto hint = [](const std::string& text) {
    Fleet fleet(1);
    fleet.executor.add(std::make_shared<Log>(text));
    const Report report = fleet.apply(gate("h1/test/gate", {.asks = {},
                                                            .decide = [](const Answers&) -> Decision { return Later{"it serves"}; },
                                                            .settle = seconds(5),
                                                            .evidence = {journal_ask("h1", "server.service")}}));
    REQUIRE(report.failures.size() == 1);
    return report.failures[0].hint;
  };
  std::string stack;
  for (int i = 0; i < 50; ++i) stack += "one more line\n";
  CHECK(hint("write: no space left on device\npanic\n" + stack).find("its log says \"No space left on device\"") == 0);
  CHECK(hint("starting\nstopped\n").find("its log says") == std::string::npos);
}

TEST_CASE("a wait says at least every 10 s what it waits for, what it sees, and how its log ends; its failure says so, too") {
  class Tool final : public ServiceModel {
   public:
    std::optional<Output> exec(SimulatedHost&, const std::vector<std::string>& argv, const std::string&) override {
      if (argv[0] == "journalctl")
        return Output{.out = "an error of long ago\n" + std::string(60, '\n') +
                             "starting\ncannot bind to port 7000\n{\"level\":\"info\",\"error\":1}\nstill here\n"};
      if (argv[0] == "ask-it") return Output{.status = 2, .err = "first line\nit has no quorum\n"};
      return std::nullopt;
    }
  };
  const auto wait_for = [](const std::string& seen) {
    Fleet fleet(1);
    fleet.executor.add(std::make_shared<Tool>());
    std::vector<Event> told;
    const Report report =
        fleet.apply(gate("h1/test/gate", {.asks = {{"h1", Exec{{"ask-it"}}}},
                                          .decide = [seen](const Answers&) -> Decision { return Later{.until = "it serves", .seen = seen}; },
                                          .settle = seconds(35),
                                          .evidence = {journal_ask("h1", "server.service")}}),
                    {.on_event = [&](const Event& event) {
                      if (event.kind == Event::Kind::step_waiting) told.push_back(event);
                    }});
    REQUIRE(told.size() == 4);
    for (std::size_t i = 0; i < told.size(); ++i) {
      CHECK(told[i].step == "h1/test/gate");
      CHECK(told[i].message == "waits until it serves");
      CHECK(told[i].took >= seconds(8 * (i + 1) - 1));
      CHECK(told[i].took <= seconds(8 * (i + 1) + 2));
      CHECK(told[i].seen.ends_with("; the log on h1 says: cannot bind to port 7000"));
    }
    CHECK(json(told[0]).find("\"seen\":\"") != std::string::npos);
    REQUIRE(report.failures.size() == 1);
    REQUIRE(report.failures[0].causes.size() >= 2);
    CHECK(told[0].seen.starts_with(report.failures[0].causes[0] + "; "));
    return report.failures[0].causes[0];
  };
  CHECK(wait_for("") == "h1: it has no quorum");
  CHECK(wait_for("two of three are away") == "two of three are away");
}

TEST_CASE("short waits that follow each other are not silent for longer than 10 s") {
  Fleet fleet(1);
  const auto began = fleet.executor.now();
  const auto wait = [&](int until) {
    return gate("h1/test/gate" + std::to_string(until), {.asks = {},
                                                         .decide = [&, until](const Answers&) -> Decision {
                                                           if (fleet.executor.now() - began >= seconds(until)) return Done{};
                                                           return Later{"it serves"};
                                                         },
                                                         .settle = seconds(60)});
  };
  auto last = began;
  auto longest = last - began;
  const Report report = fleet.apply(sequence(wait(8), wait(17), wait(26), wait(35)), {.on_event = [&](const Event& event) {
                                      if (event.kind == Event::Kind::step_started) return;
                                      longest = std::max(longest, fleet.executor.now() - last);
                                      last = fleet.executor.now();
                                    }});
  CHECK(report.ok());
  CHECK(report.took >= seconds(35));
  CHECK(longest < seconds(10));
}

TEST_CASE("a wait shows the line of its log that names the cause, and not the ones that follow from it") {
  const auto shown = [](const std::string& text) {
    Fleet fleet(1);
    fleet.executor.add(std::make_shared<Log>(text));
    std::string seen;
    fleet.apply(gate("h1/test/gate", {.asks = {},
                                      .decide = [](const Answers&) -> Decision { return Later{"it serves"}; },
                                      .settle = seconds(15),
                                      .evidence = {journal_ask("h1", "server.service")}}),
                {.on_event = [&](const Event& event) {
                  if (event.kind == Event::Kind::step_waiting) seen = event.seen;
                }});
    const std::string before = "the log on h1 says: ";
    REQUIRE(seen.starts_with(before));
    return seen.substr(before.size());
  };
  const std::string timed_out = "failed to publish: request timed out", refused = "dial tcp 192.0.2.2:2380: connect: Connection refused";
  CHECK(shown(refused + "\n" + timed_out + "\n") == refused);
  CHECK(shown("dial tcp 192.0.2.2:2380: i/o timeout\n" + refused + "\n" + timed_out + "\n") == refused);
  CHECK(shown("cannot open x: No space left on device\nstarting again\nit failed\n") == "cannot open x: No space left on device");
  CHECK(shown("cannot read y: Permission denied\nfatal: cannot start\n") == "cannot read y: Permission denied");
  CHECK(shown("starting\n" + timed_out + "\nstill here\n") == timed_out);
  std::string later;
  for (int i = 0; i < 8; ++i) later += "error " + std::to_string(i) + "\n";
  CHECK(shown(refused + "\n" + later) == "error 7");  // too long ago
}

namespace {

Steps failing(const std::string& host) {
  return make_step(host + "/test/make",
                   {.asks = {}, .decide = [host](const Answers&) -> Decision { return Change{.todo = {Do{.at = host, .what = Run{{"fails"}}}}}; }});
}

// Waits on the host for what others bring about.
Steps waiting(const std::string& name, const std::string& asked, const std::vector<StepRef>& brought_by, std::size_t enough = 1) {
  return gate(name, {.asks = {{asked, FileOf{"/run/there"}}},
                     .decide = [](const Answers&) -> Decision { return Later{"it is there"}; },
                     .settle = seconds(60),
                     .brought_by = {brought_by, enough}});
}

StepReport of(const Report& report, const std::string& id) {
  for (const StepReport& step : report.steps)
    if (step.id == id) return step;
  return {};
}

}  // namespace

TEST_CASE("a wait ends at once when nothing is left that brings it about, and is no second error") {
  Fleet fleet(3);
  fleet.executor.fail([](const Do& d) -> std::optional<Output> {
    if (!std::holds_alternative<Run>(d.what)) return std::nullopt;
    return Output{.status = 1, .err = "no space left"};
  });
  const std::vector<StepRef> both{{"h1", "test", "make"}, {"h2", "test", "make"}};
  SUBCASE("all have failed") {
    const Report report = fleet.apply(parallel(failing("h1"), failing("h2"), waiting("h3/test/wait", "h3", both)));
    CHECK(report.failures.size() == 2);
    CHECK(of(report, "h3/test/wait").state == StepReport::State::blocked);
    CHECK(report.took < seconds(10));
  }
  SUBCASE("one is not in the plan") {
    const Report report = fleet.apply(
        parallel(sequence(failing("h1"), write("h1", "a")), waiting("h3/test/wait", "h3", {{"h1", "test", "a"}, {"h9", "test", "make"}})));
    CHECK(report.took >= seconds(60));  // the other is not of this plan: it may bring it about
    CHECK(of(report, "h3/test/wait").state == StepReport::State::failed);
  }
  SUBCASE("fewer are left than it takes") {
    const Report report = fleet.apply(parallel(sequence(failing("h1"), write("h1", "a")), write("h2", "a"), write("h3", "a"),
                                               waiting("h3/test/wait", "h3", {{"h1", "test", "a"}, {"h2", "test", "a"}, {"h3", "test", "a"}}, 3)));
    CHECK(report.failures.size() == 1);
    CHECK(of(report, "h3/test/wait").blocked_by == "h1/test/make");
    CHECK(report.took < seconds(10));
  }
  SUBCASE("one of them is still at work") {
    const Report report = fleet.apply(parallel(failing("h1"), waiting("h2/test/make", "h2", {}), waiting("h3/test/wait", "h3", both)));
    CHECK(report.took >= seconds(60));
    CHECK(report.failures.size() == 2);
  }
}

TEST_CASE("a wait that is over in vain is blocked by what failed before on a host that it asks, and is an error of its own elsewhere") {
  Fleet fleet(3);
  fleet.executor.fail([](const Do& d) -> std::optional<Output> {
    if (!std::holds_alternative<Run>(d.what)) return std::nullopt;
    return Output{.status = 1, .err = "no space left"};
  });
  std::vector<std::string> blocked;
  const Report report = fleet.apply(parallel(failing("h1"), waiting("cluster/test/wait", "h1", {}), waiting("h2/test/wait", "h2", {})),
                                    {.on_event = [&](const Event& event) {
                                      if (event.kind == Event::Kind::step_blocked) blocked.push_back(event.message);
                                    }});
  CHECK(of(report, "cluster/test/wait").blocked_by == "h1/test/make");
  CHECK(of(report, "h2/test/wait").state == StepReport::State::failed);
  REQUIRE(report.failures.size() == 2);
  CHECK(report.failures[0].hint.empty());  // the command's words are all there is
  CHECK(report.failures[0].causes == std::vector<std::string>{"no space left"});
  CHECK(blocked == std::vector<std::string>{"blocked by h1/test/make (timed out after 60 s while waiting until it is there)"});
  const std::string text = report.text();
  CHECK(text.find("Run the same command again") == text.rfind("Run the same command again"));
}

namespace {

// Waits for the service on h1, and refuses once the file tells that it has died.
Steps watching(const std::string& name, const std::string& file, const std::string& message, const std::string& about) {
  const Ask dead{"h1", FileOf{file}};
  return gate(name, {.asks = {dead},
                     .decide = [=](const Answers& answers) -> Decision {
                       if (answers.get<File>(dead)) return Refused{{.message = message}, Code::not_converged, about};
                       return Later{"the service on h1 serves"};
                     },
                     .settle = seconds(60),
                     .evidence = {journal_ask("h1", "server.service")}});
}

}  // namespace

TEST_CASE("steps that fail with the same message about the same host are one error, and the later ones are blocked by the first") {
  Fleet fleet(3);
  const std::string died = "the service on h1 has died";
  const auto apply_and_die = [&](const Steps& steps, int later = 0) {
    const Plan plan = fleet.plan(steps);
    fleet.executor.host("h1").write("/run/dead", "");
    int polls = 0;
    return apply(plan, fleet.executor, {.poll = [&] {
                   if (++polls == later) fleet.executor.host("h1").write("/run/dead-later", "");
                 }});
  };
  SUBCASE("several gates see one thing") {
    const Report report = apply_and_die(
        parallel(sequence(watching("h2/test/sees", "/run/dead", died, "h1"), write("h2", "a")), watching("h3/test/sees", "/run/dead", died, "h1"),
                 watching("cluster/test/sees", "/run/dead", died, "h1"), watching("h1/test/serves", "/run/dead", died, "")));
    REQUIRE_MESSAGE(report.failures.size() == 1, report.text());
    CHECK(report.failures[0].host == "h1");
    CHECK(std::count_if(report.steps.begin(), report.steps.end(),
                        [&](const StepReport& step) { return step.blocked_by == report.failures[0].step; }) == 4);
  }
  SUBCASE("one of them sees it later") {
    const Report report =
        apply_and_die(parallel(watching("h2/test/sees", "/run/dead", died, "h1"), watching("h3/test/sees", "/run/dead-later", died, "h1")), 200);
    REQUIRE_MESSAGE(report.failures.size() == 1, report.text());
    CHECK(of(report, "h3/test/sees").blocked_by == "h2/test/sees");
  }
  SUBCASE("other words are another error") {
    const Report report = apply_and_die(
        parallel(watching("h2/test/sees", "/run/dead", died, "h1"), watching("h3/test/sees", "/run/dead", "the disk of h1 is full", "h1")));
    CHECK(report.failures.size() == 2);
  }
  SUBCASE("each host's own service has died") {
    const Report report = apply_and_die(parallel(watching("h1/test/serves", "/run/dead", "the service has died", ""),
                                                 watching("h2/test/serves", "/run/dead", "the service has died", ""),
                                                 watching("h3/test/serves", "/run/dead", "the service has died", "")));
    CHECK(report.failures.size() == 3);
  }
  SUBCASE("a command fails twice, and says something else each time") {
    int times = 0;
    fleet.executor.fail([&times](const Do& d) -> std::optional<Output> {
      if (!std::holds_alternative<Run>(d.what)) return std::nullopt;
      return Output{.status = 1, .err = ++times == 1 ? "no space left" : "permission denied"};
    });
    const auto runs = [](const std::string& name) {
      return make_step(name,
                       {.asks = {}, .decide = [](const Answers&) -> Decision { return Change{.todo = {Do{.at = "h1", .what = Run{{"fails"}}}}}; }});
    };
    const Report report = fleet.apply(parallel(runs("h1/test/one"), runs("h1/test/two")));
    REQUIRE_MESSAGE(report.failures.size() == 2, report.text());
    CHECK(report.failures[0].message == report.failures[1].message);
  }
}

TEST_CASE("a plan that several steps refuse for one reason is refused once") {
  Fleet fleet(2);
  fleet.executor.host("h1").write("/run/dead", "");
  const auto refused = [&](const std::string& about) {
    try {
      fleet.plan(parallel(watching("h1/test/sees", "/run/dead", "it has died", about), watching("h2/test/sees", "/run/dead", "it has died", about)));
    } catch (const Error& error) {
      return error.failure();
    }
    return Failure{};
  };
  CHECK(refused("h1").message == "it has died");
  CHECK(refused("h1").host == "h1");
  CHECK(refused("h1").diagnostics.empty());
  CHECK(refused("").diagnostics.size() == 1);
}

TEST_CASE("a group of which no member may be restarted is one error") {
  Fleet fleet(3);
  fleet.executor.add(std::make_shared<ServerModel>());
  REQUIRE(fleet.apply(servers("1\n")).ok());
  const Report report = fleet.apply(servers("2\n", {""}));
  REQUIRE_MESSAGE(report.failures.size() == 1, report.text());
  CHECK(report.failures[0].message == "no member of server could be restarted safely for 120 s");
}

TEST_CASE("the numbers at the end of an apply that failed add up to those of its plan") {
  Fleet fleet(2);
  fleet.executor.fail([](const Do& d) -> std::optional<Output> {
    if (!std::holds_alternative<Run>(d.what)) return std::nullopt;
    return Output{.status = 1, .err = "no space left"};
  });
  fleet.executor.host("h2").write("/run/there", "");
  const Ask there{"h2", FileOf{"/run/late"}};
  const Steps wait = gate("h2/test/wait", {.asks = {there}, .decide = [there](const Answers& answers) -> Decision {
                                             if (answers.get<File>(there)) return Done{};
                                             return Later{"it is there"};
                                           }});
  const Steps appears = file("h2/test/late", "h2", {.path = "/run/late", .content = "x"});
  const Plan plan = fleet.plan(parallel(sequence(write("h1", "a"), failing("h1"), write("h1", "b"), write("h1", "c")), sequence(appears, wait)));
  const Report report = apply(plan, fleet.executor);
  REQUIRE(report.steps.size() == plan.changes().size());
  CHECK(report.changed == 2);
  const std::string text = report.text();
  CHECK_MESSAGE(text.find("Failed after 2 changes in ") != std::string::npos, text);
  CHECK_MESSAGE(text.find(plan.changes().size() == 6 ? ", 1 waited for or held already, 1 failed, 2 blocked.\n" : ", 1 failed, 2 blocked.\n") !=
                    std::string::npos,
                text);
}

TEST_CASE("a command that was ended names its limit") {
  Fleet fleet(1);
  fleet.executor.fail([](const Do&) { return std::optional(Output{.status = 124, .err = "terminated"}); });
  const Report report = fleet.apply(failing("h1"));
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].code == Code::timed_out);
  CHECK(report.failures[0].message == "run fails was ended after 60 s, the limit of this step");
}

TEST_CASE("an answer that can never be read ends a plan, or a wait, at once") {
  class Cutting final : public Executor {
   public:
    explicit Cutting(Executor& inner) : inner_(inner) {}
    ProgramResult run(const HostAccess& host, const Program& program) override {
      ProgramResult result = inner_.run(host, program);
      for (std::size_t i = 0; cuts && i < program.asks.size(); ++i)
        if (std::holds_alternative<Exec>(program.asks[i].what))
          result.answers[i] = Unreadable{.why = "the answer of `list` is longer than 8 MiB", .lasting = true};
      return result;
    }
    std::optional<LockHolder> lock(const HostAccess& host, const LockHolder& us) override { return inner_.lock(host, us); }
    void beat(const HostAccess& host) override { inner_.beat(host); }
    void unlock(const HostAccess& host) noexcept override { inner_.unlock(host); }
    bool blocking() const noexcept override { return false; }
    std::chrono::steady_clock::time_point now() const override { return inner_.now(); }
    void sleep_until(std::chrono::steady_clock::time_point until) override { inner_.sleep_until(until); }
    bool cuts = true;

   private:
    Executor& inner_;
  };
  Fleet fleet(1);
  Cutting cutting(fleet.executor);
  const auto step = [](Decision without_answer) {
    const Ask ask{"h1", Exec{{"list"}}};
    return make_step("h1/test/list", {.asks = {ask},
                                      .decide = [ask, without_answer](const Answers& answers) -> Decision {
                                        return answers.get<Output>(ask) ? Decision(Later{"it is there"}) : without_answer;
                                      },
                                      .settle = seconds(60)});
  };
  const Steps waits = step(Later{"one server takes writes"}), changes = step(Change{.todo = {Do{.at = "h1", .what = Run{{"make"}}}}});
  for (const Steps& steps : {waits, changes})
    CHECK_THROWS_WITH_AS(make_plan(fleet.hosts, steps, cutting), doctest::Contains("the answer of `list` is longer than 8 MiB"), Error);
  CHECK(make_plan(fleet.hosts, step(Done{}), cutting).empty());
  cutting.cuts = false;
  const Plan plan = make_plan(fleet.hosts, waits, cutting);
  cutting.cuts = true;
  const Report report = apply(plan, cutting);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].message == "the answer of `list` is longer than 8 MiB");
  CHECK(report.took < seconds(10));
}

TEST_CASE("cancelled: no further program, and the next apply goes on") {
  Fleet fleet(1);
  std::stop_source stop;
  const Steps steps = sequence(packages("h1/test/package", "h1", {"curl"}), write("h1", "b"));
  const Report report = fleet.apply(steps, {.on_event =
                                                [&](const Event& event) {
                                                  if (event.kind == Event::Kind::step_started) stop.request_stop();
                                                },
                                            .stop = stop.get_token()});
  CHECK(report.cancelled);
  CHECK_FALSE(report.ok());
  CHECK(fleet.executor.host("h1").read("/etc/b") == nullptr);
  CHECK(fleet.apply(steps).ok());
}

TEST_CASE("installs that are ready together are one apt call") {
  Fleet fleet(1);
  REQUIRE(fleet
              .apply(parallel(sequence(packages("h1/a/package", "h1", {"a1", "a2"}), write("h1", "a")),
                              sequence(packages("h1/b/package", "h1", {"b1"}), write("h1", "b"))))
              .ok());
  const auto installs = std::count_if(fleet.executor.trace().begin(), fleet.executor.trace().end(),
                                      [](const SimulatedAct& act) { return std::holds_alternative<Install>(act.what.what); });
  CHECK(installs == 1);
}

TEST_CASE("what we make is owned, what was there is not") {
  Fleet fleet(1);
  fleet.executor.host("h1").packages["there"] = "1";
  REQUIRE(fleet.apply(parallel(packages("h1/a/package", "h1", {"there", "new"}), write("h1", "a"))).ok());
  const std::string* owned = fleet.executor.host("h1").read("/var/lib/pgcluster/owned");
  REQUIRE(owned);
  CHECK(owned->find("package:new\th1/a/package") != std::string::npos);
  CHECK(owned->find("package:there") == std::string::npos);
  CHECK(owned->find("file:/etc/a\th1/test/a") != std::string::npos);
  REQUIRE(fleet.apply(absent("h1/test/gone", "h1", "file:/etc/a")).ok());
  CHECK(fleet.executor.host("h1").read("/var/lib/pgcluster/owned")->find("/etc/a") == std::string::npos);
}

TEST_CASE("several slow or disturbing things that are ready on one host at once: each gets its program") {
  Fleet fleet(1);
  const auto slow = [](const std::string& name) {
    const Ask ask{"h1", FileOf{"/run/" + name}};
    return make_step("h1/test/" + name, {.asks = {ask}, .decide = [ask, name](const Answers& answers) -> Decision {
                                           if (answers.get<File>(ask)) return Done{};
                                           return Change{.todo = {Do{.at = "h1", .what = WriteFile{.path = "/run/" + name}}},
                                                         .action = Action::run,
                                                         .impact = Impact::outage};
                                         }});
  };
  const Steps steps = parallel(slow("a"), slow("b"), slow("c"), write("h1", "d"));
  REQUIRE(fleet.apply(steps, {.deadline = seconds(100)}).ok());
  CHECK(fleet.plan(steps).empty());
}

TEST_CASE("what confirms over a new connection begins a program") {
  struct Recording final : Forwarding {
    using Forwarding::Forwarding;
    ProgramResult run(const HostAccess& host, const Program& program) override {
      const bool records = program.dos.size() == 1 && describe(program.dos[0]) == "write /var/lib/pgcluster/history";
      if (program.dos.empty() || records) return Forwarding::run(host, program);
      programs.emplace_back();
      for (const Do& one : program.dos) programs.back().push_back(describe(one));
      return Forwarding::run(host, program);
    }
    std::vector<std::vector<std::string>> programs;
  };
  Fleet fleet(1);
  Recording recording(fleet.executor);
  const Ask ask{"h1", FileOf{"/etc/kept"}};
  const StepPtr step =
      make_step("h1/test/tried", {.asks = {ask}, .decide = [ask](const Answers& answers) -> Decision {
                                    if (answers.get<File>(ask)) return Done{};
                                    return Change{.todo = {Do{.at = "h1", .what = Run{.argv = {"true", "try"}}},
                                                           Do{.at = "h1", .what = Run{.argv = {"true", "confirm"}, .reconnect = true}},
                                                           Do{.at = "h1", .what = WriteFile{.path = "/etc/kept"}}}};
                                  }});
  REQUIRE(apply(make_plan(fleet.hosts, parallel(write("h1", "a"), step), recording), recording).ok());
  CHECK(recording.programs == std::vector<std::vector<std::string>>{{"write /etc/a", "run true try"}, {"run true confirm", "write /etc/kept"}});
}

TEST_CASE("a member that waits for a step which needs the lane is an error, not a wait for ever") {
  Fleet fleet(2);
  const auto disturb = [](const std::string& host, const std::string& name) {
    const Ask ask{host, FileOf{"/run/" + name}};
    return Steps(make_step(host + "/test/" + name, {.asks = {ask}, .decide = [ask, host, name](const Answers& answers) -> Decision {
                                                      if (answers.get<File>(ask)) return Done{};
                                                      return Change{.todo = {Do{.at = host, .what = WriteFile{.path = "/run/" + name}}},
                                                                    .action = Action::restart,
                                                                    .impact = Impact::restart};
                                                    }}));
  };
  const Steps other = disturb("h2", "other");
  const Steps member = rolling("g", "h1", {}, sequence(disturb("h1", "first"), after({{"h2", "test", "other"}}, write("h1", "last"))));
  const Report report = fleet.apply(parallel(member, sequence(write("h2", "before"), other)), {.deadline = seconds(100)});
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].code == Code::internal);
  CHECK(report.failures[0].message.find("h2/test/other waits for its turn") != std::string::npos);
}

TEST_CASE("a unit that dies is told with its journal, but without the stack") {
  class Dying final : public ServiceModel {
    std::optional<Start> unit_starts(SimulatedHost&, const std::string& unit, SimulatedTime) override {
      if (unit != "server.service") return std::nullopt;
      return Start{.takes = {},
                   .dies = "starting\nno space left on device\n\tmain.go:12\ngoroutine 1 [running]:\nmain.(*Server).Run(0x1, {0x2, 0x3})\n"};
    }
  };
  Fleet fleet(1);
  fleet.executor.add(std::make_shared<Dying>());
  const Report report = fleet.apply(server("h1", "a\n", {"h1"}));
  REQUIRE(report.failures.size() == 1);
  const std::string text = pgcluster::text(report.failures[0]);
  CHECK(text.find("no space left on device") != std::string::npos);
  CHECK(report.failures[0].causes.back().ends_with("starting\nno space left on device\n"));
}

TEST_CASE("what is wrong may pass for a while, and then the step fails with it") {
  Fleet fleet(1);
  const Ask ask{"h1", FileOf{"/etc/state"}};
  const auto waiting = [ask](seconds patience) {
    return Steps(gate("h1/test/state", {.asks = {ask},
                                        .decide = [ask, patience](const Answers& answers) -> Decision {
                                          const auto* file = answers.get<File>(ask);
                                          if (file && file->content == "good\n") return Done{};
                                          return Later{.until = "it is good", .wrong = "it is bad", .patience = patience};
                                        },
                                        .settle = seconds(600)}));
  };
  const Report report = fleet.apply(waiting(seconds(20)));
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].code == Code::not_converged);
  CHECK(report.failures[0].message == "it is bad");
  CHECK(report.took < seconds(25));
  int polls = 0;
  const Report passed = fleet.apply(waiting(seconds(20)), {.poll = [&] {
                                      if (++polls == 10) fleet.executor.host("h1").write("/etc/state", "good\n");
                                    }});
  CHECK(passed.ok());
}

TEST_CASE("each question is asked once, however many steps have it; the order of a group only where a member is disturbed") {
  struct Counting final : Forwarding {
    using Forwarding::Forwarding;
    std::vector<Ask> asked;
    ProgramResult run(const HostAccess& host, const Program& program) override {
      asked.insert(asked.end(), program.asks.begin(), program.asks.end());
      return Forwarding::run(host, program);
    }
  };
  SimulatedExecutor fleet;
  Counting executor(fleet);
  const Hosts hosts{{"h1", {.name = "h1"}}};
  const Ask file{"h1", FileOf{"/etc/a"}}, order{"h1", FileOf{"/etc/order"}};
  const auto steps = [&](Impact impact) {
    const auto nothing = [](const Answers&) -> Decision { return Done{}; };
    const auto change = [impact](const Answers&) -> Decision {
      return Change{.todo = {Do{.at = "h1", .what = Run{{"true"}}}}, .action = Action::run, .impact = impact};
    };
    const Order by{.asks = {order}, .order = [](const Answers&) { return std::vector<std::string>{"h1"}; }};
    return parallel(make_step("h1/a/1", {.asks = {file}, .decide = nothing}), make_step("h1/a/2", {.asks = {file}, .decide = nothing}),
                    rolling("g", "h1", by, make_step("h1/a/3", {.asks = {file}, .decide = change})));
  };
  CHECK(make_plan(hosts, steps(Impact::reload), executor).changes().size() == 1);
  CHECK(executor.asked == std::vector<Ask>{file});
  executor.asked.clear();
  CHECK(make_plan(hosts, steps(Impact::restart), executor).changes().size() == 1);
  CHECK(executor.asked == std::vector<Ask>{file, order});
}

TEST_CASE("a plan in which nothing changes still tells how many steps are up to date") {
  Fleet fleet(2);
  const Steps steps = parallel(write("h1", "a"), write("h2", "b"));
  CHECK(fleet.apply(steps).ok());
  const Plan again = fleet.plan(steps);
  CHECK(again.empty());
  CHECK(again.unchanged() == 2);
  CHECK(apply(again, fleet.executor).ok());
}
