// Runs the command's way of changing things on three hosts that are only played: driver SPEC [--yes] [--json] [--log FILE] [--done] [--fail STEP]
// [--slow]
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>

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

}  // namespace

int main(int argc, char** argv) {
  command::Arguments arguments;
  Played played;
  arguments.spec = argv[1];
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--yes") arguments.yes = true;
    if (word == "--json") arguments.json = true;
    if (word == "--log") arguments.log = argv[++i];
    if (word == "--fail") played.fails = argv[++i];
    if (word == "--done") played.made_already = true;
    if (word == "--slow") played.takes = std::chrono::milliseconds(3000);
  }
  const command::Console console(arguments.json, false);
  command::Interrupt interrupt(played);
  command::Session session{arguments, console, played, interrupt};
  try {
    return command::operate(session, [](const Spec&, Executor& executor, const OperateOptions& options) { return planned(executor, options); });
  } catch (const Error& error) {
    console.error(error.failure());
    return command::status_of(error.code());
  }
}
