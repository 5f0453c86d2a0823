// Runs the command's own way of doing things on hosts that are only played:
//   driver SPEC [--yes] [--json] [--log FILE] [--done] [--fail STEP] [--slow MS]    a change of nine steps on three hosts
//   driver SPEC plan|apply|status|report [OPTION]...    with models of the services: SPEC is deployed but for its pool size; hosts that the file
//                                                SPEC.down names are down; SPEC.asked gets a letter whenever a host is asked
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <set>
#include <string>

#include <pgcluster/simulation/services.hpp>

#include "commands.hpp"

namespace {

using namespace pgcluster;

// Everything takes a moment; what was made stays made.
class Played final : public Executor {
 public:
  std::string fails;
  std::chrono::milliseconds takes{60};
  bool made_already = false;

  ProgramResult run(const HostAccess&, const Program& program) override {
    ProgramResult result;
    result.dos.resize(program.dos.size());
    for (std::size_t i = 0; i < program.dos.size(); ++i) {
      if (program.on_do) program.on_do(i);
      const std::string& name = std::get<Run>(program.dos[i].what).argv.at(1);
      wait(takes);
      if (name == fails) {
        result.dos[i] = {.what = DoResult::What::failed, .output = {.status = 1, .err = "no room left for " + name}};
        break;
      }
      const std::scoped_lock lock(mutex_);
      made_.insert(name);
      result.dos[i].what = DoResult::What::done;
    }
    wait(std::chrono::milliseconds(5));
    const std::scoped_lock lock(mutex_);
    for (const Ask& ask : program.asks)
      result.answers.emplace_back(Output{.out = made_already || made_.contains(std::get<Exec>(ask.what).argv.at(1)) ? "yes" : "no"});
    return result;
  }
  std::optional<LockHolder> lock(const HostAccess&, const LockHolder&) override { return {}; }
  void beat(const HostAccess&) override {}
  void unlock(const HostAccess&) noexcept override {}
  void cancel() noexcept override { set(true); }
  void resume() noexcept override { set(false); }

 private:
  void set(bool cancelled) {
    const std::scoped_lock lock(mutex_);
    cancelled_ = cancelled;
    wake_.notify_all();
  }
  void wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, time, [&] { return cancelled_; })) throw Error(Code::cancelled, "cancelled");
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool cancelled_ = false;
  std::set<std::string> made_;
};

Steps made(const std::string& name) {
  const std::string host = host_of(name);
  const Ask ask{host, Exec{.argv = {"is", name}, .about = {"made:" + name}}};
  const Do make{.at = host, .what = Run{.argv = {"make", name}, .touches = {"made:" + name}, .slow = true}};
  return make_step(name, {.asks = {ask}, .decide = [=](const Answers& answers) -> Decision {
                            const std::string* out = answers.out(ask);
                            if (out && *out == "yes") return Done{};
                            return Change{.todo = {make}, .action = Action::create, .reason = "is not there"};
                          }});
}

Plan planned(Executor& executor, const OperateOptions& options) {
  Hosts hosts;
  std::vector<Steps> all;
  for (const std::string name : {"pg1", "pg2", "pg3"}) {
    hosts[name] = {.name = name, .address = "192.0.2.1"};
    all.push_back(sequence(made(name + "/demo/first"), made(name + "/demo/second"), made(name + "/demo/third")));
  }
  return make_plan(hosts, parallel(all), executor, {.stop = options.stop, .origin = {.planner = "demo"}, .poll = options.poll});
}

// A deployed cluster in memory, whose hosts go down and come back as a file says.
class Deployed final : public Executor {
 public:
  explicit Deployed(const std::string& spec) : down_(spec + ".down"), asked_(spec + ".asked") {
    add_service_models(fleet_);
    Spec before = load_spec(spec);
    before.pgbouncer_default_pool_size += 10;
    apply(plan_deploy(before, fleet_), fleet_).check();
  }
  ProgramResult run(const HostAccess& host, const Program& program) override {
    look();
    asked_ << '.' << std::flush;
    return fleet_.run(host, program);
  }
  std::optional<LockHolder> lock(const HostAccess& host, const LockHolder& us) override { return fleet_.lock(host, us); }
  void beat(const HostAccess& host) override { fleet_.beat(host); }
  void unlock(const HostAccess& host) noexcept override { fleet_.unlock(host); }
  bool blocking() const noexcept override { return false; }
  std::chrono::steady_clock::time_point now() const override { return fleet_.now(); }
  void sleep_until(std::chrono::steady_clock::time_point time) override { fleet_.sleep_until(time); }

 private:
  void look() {
    std::set<std::string> names;
    std::ifstream file(down_);
    for (std::string name; file >> name;) names.insert(name);
    for (const std::string& name : fleet_.hosts()) {
      SimulatedHost& host = fleet_.host(name);
      if (host.down && !names.contains(name)) fleet_.reboot(host);
      host.down = names.contains(name);
    }
    if (names != last_) fleet_.advance(std::chrono::minutes(1));
    last_ = names;
  }

  SimulatedExecutor fleet_;
  std::string down_;
  std::ofstream asked_;
  std::set<std::string> last_;
};

int run(command::Arguments& arguments, Executor& executor, const std::string& sub_command) {
  const command::Console console(arguments.json, false);
  command::Interrupt interrupt(executor);
  command::Session session{arguments, console, executor, interrupt};
  try {
    if (sub_command == "plan") return command::plan(session);
    if (sub_command == "apply") return command::apply(session);
    if (sub_command == "report") return command::report(session);
    if (sub_command == "status") return command::show_status(session);
    return command::operate(session, [](const Spec&, Executor& on, const OperateOptions& options) { return planned(on, options); });
  } catch (const command::Usage& error) {
    console.usage(error.what(), sub_command);
    return command::status::usage;
  } catch (const Error& error) {
    console.error(error.failure());
    return command::status_of(error.code());
  }
}

}  // namespace

int main(int argc, char** argv) {
  command::Arguments arguments;
  Played played;
  arguments.spec = argv[1];
  std::string sub_command;
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word[0] != '-') sub_command = word;
    if (word == "--yes") arguments.yes = true;
    if (word == "--json") arguments.json = true;
    if (word == "--diff") arguments.diff = true;
    if (word == "--watch") arguments.watch = true;
    if (word == "--without") arguments.without.emplace_back(argv[++i]);
    if (word == "--log") arguments.log = argv[++i];
    if (word == "--out") arguments.out = argv[++i];
    if (word == "--fail") played.fails = argv[++i];
    if (word == "--done") played.made_already = true;
    if (word == "--slow") played.takes = std::chrono::milliseconds(std::stoi(argv[++i]));
  }
  if (sub_command.empty()) return run(arguments, played, sub_command);
  Deployed deployed(arguments.spec);
  return run(arguments, deployed, sub_command);
}
