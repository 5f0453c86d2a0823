// Sub-commands that change something: each makes a plan, shows it, asks, and applies it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "commands.hpp"
#include "progress.hpp"

namespace command {
namespace {

// The file of --log: the events of an apply as lines of JSON, readable by its owner only.
class Log {
 public:
  explicit Log(const Session& session) : session_(session) {
    const std::string& path = session.arguments.log;
    if (path.empty()) return;
    fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd_ < 0) throw Usage("--log: " + path + ": " + std::strerror(errno));
    struct stat found {};
    if (fstat(fd_, &found) == 0 && S_ISREG(found.st_mode)) fchmod(fd_, 0600);
  }
  ~Log() {
    if (fd_ >= 0) close(fd_);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Warns once if the log cannot be written.
  void write(std::string line) {
    if (fd_ < 0) return;
    if (!line.ends_with('\n')) line += '\n';
    for (std::size_t at = 0; at < line.size();) {
      const ssize_t count = ::write(fd_, line.data() + at, line.size() - at);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        const std::string why = std::strerror(errno);
        if (!std::exchange(broken_, true)) tell("warning: --log: " + why + "; the log is incomplete");
        return;
      }
      at += static_cast<std::size_t>(count);
    }
  }

 private:
  // Goes above the progress lines, if there are any.
  void tell(const std::string& line) const {
    if (session_.interrupt.tell)
      session_.interrupt.tell(line);
    else
      session_.console.tell(line);
  }

  const Session& session_;
  int fd_ = -1;
  bool broken_ = false;
};

std::string number_of(std::size_t changes) { return changes == 1 ? "this change" : "these " + std::to_string(changes) + " changes"; }

// Waits for input or a signal. Signals are blocked until ppoll() waits, so that none is lost in between.
void wait_for_answer(const Interrupt& interrupt) {
  sigset_t stops, before;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stops, &before);
  pollfd terminal{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  while (!interrupt.requested() && ppoll(&terminal, 1, nullptr, &before) < 0 && errno == EINTR) continue;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void confirm(Session& session, std::size_t changes) {
  if (session.arguments.yes) return;
  if (!session.console.can_ask())
    throw pgcluster::Error(pgcluster::Code::refused, "not confirmed, because there is no terminal to ask; nothing was changed",
                           "use --yes to apply without asking");
  const std::string question = "Apply " + number_of(changes) + "? [y/N] ";
  if (::write(STDERR_FILENO, question.data(), question.size()) < 0) session.interrupt.check();
  std::string answer;
  for (char c = 0; c != '\n';) {
    wait_for_answer(session.interrupt);
    if (session.interrupt.requested()) session.console.tell("");
    session.interrupt.check();
    const ssize_t count = ::read(STDIN_FILENO, &c, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      session.console.tell("");
      break;
    }
    if (c != '\n' && c != '\r' && c != ' ') answer += c;
  }
  if (answer != "y" && answer != "Y" && answer != "yes" && answer != "Yes")
    throw pgcluster::Error(pgcluster::Code::refused, "not confirmed; nothing was changed");
}

int outcome(const pgcluster::Report& report) {
  if (report.cancelled) return status::cancelled;
  if (report.failures.empty()) return status::ok;
  for (const pgcluster::Failure& failure : report.failures)
    if (status_of(failure.code) != status::refused) return status::failed;
  return status::refused;
}

void close(Session& session, const pgcluster::Report& report) {
  if (session.console.json()) session.console.answer(report.json());
  if (report.ok()) {
    if (!session.console.json()) session.console.answer(report.text());
    return;
  }
  session.console.tell(report.text());
  if (report.cancelled) session.console.tell("Run the same command again to continue.");
}

int carry_out(Session& session, const pgcluster::Plan& plan, Log& log, bool ask) {
  const Console& console = session.console;
  if (plan.empty()) {
    for (const pgcluster::Diagnostic& warning : plan.warnings()) console.tell(warning.text());
    const pgcluster::Report report = pgcluster::apply(plan, session.executor);
    log.write(report.json());
    const std::string nothing = (plan.left_out() > 0 ? "No changes without a restart: the other " : "No changes: all ") +
                                std::to_string(plan.unchanged()) + " steps are up to date";
    if (console.json()) console.tell(nothing);
    console.answer(console.json() ? report.json() : nothing);
    return status::ok;
  }
  if (console.json())
    console.tell(plan.text(false, console.color_err()));
  else
    console.answer(plan.text(false, console.color_out()));
  if (ask) confirm(session, plan.changes().size());
  session.interrupt.check();

  std::optional<Progress> progress(std::in_place, console, plan);
  session.interrupt.tell = [&](const std::string& line) { progress->note(line); };
  pgcluster::ApplyOptions options;
  options.deadline = std::chrono::hours(240);  // a backup or a restore of a large database takes its time; each step has a limit of its own
  options.stop = session.interrupt.token();
  options.poll = [&] {
    session.interrupt.poll();
    progress->poll();
  };
  options.on_event = [&](const pgcluster::Event& event) {
    const std::string line = pgcluster::json(event);
    if (console.json()) console.answer(line);
    log.write(line);
    progress->on(event);
  };
  const pgcluster::Report report = pgcluster::apply(plan, session.executor, options);
  progress->finish();
  session.interrupt.tell = {};
  log.write(report.json());
  close(session, report);
  return outcome(report);
}

enum class Asks { each_plan, once, never };

int plan_and_carry_out(Session& session, const pgcluster::Spec& spec, const Planner& planner, Asks asks = Asks::each_plan) {
  Log log(session);
  try {
    for (bool first = true;; first = false) {
      std::optional<pgcluster::Plan> plan;
      asking(session, spec, [&](const auto& options) { plan = planner(spec, session.executor, options); });
      const int result = carry_out(session, *plan, log, asks == Asks::each_plan || (asks == Asks::once && first));
      if (result != status::ok || !plan->continues()) return result;
    }
  } catch (const pgcluster::Error& error) {
    session.interrupt.tell = {};
    log.write(pgcluster::json(error.failure()));
    throw;
  }
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw Usage("the plan " + path + " cannot be read");
  return text.str();
}

}  // namespace

int apply(Session& session) {
  const Arguments& arguments = session.arguments;
  const std::string document = arguments.plan.empty() ? "" : read_file(arguments.plan);
  return plan_and_carry_out(session, pgcluster::load_spec(arguments.spec),
                            [&](const pgcluster::Spec& spec, pgcluster::Executor& executor, const pgcluster::OperateOptions& options) {
                              auto deploy = options_from<pgcluster::DeployOptions>(options);
                              deploy.prune = arguments.prune;
                              deploy.no_restart = arguments.no_restart;
                              deploy.without = without(arguments, spec);
                              return arguments.plan.empty() ? pgcluster::plan_deploy(spec, executor, deploy)
                                                            : pgcluster::plan_from_document(document, spec, executor, deploy);
                            });
}

int destroy(Session& session) {
  const pgcluster::Spec spec = pgcluster::load_spec(session.arguments.spec);
  if (!session.arguments.yes)
    throw pgcluster::Error(pgcluster::Code::refused,
                           "destroy removes " + spec.patroni_cluster_name + " with all its data, so it needs --yes; nothing was changed",
                           "to remove it: pgcluster destroy -f " + session.arguments.spec + " --yes");
  return plan_and_carry_out(session, spec, [](const pgcluster::Spec& of, pgcluster::Executor& executor, const pgcluster::OperateOptions& options) {
    return pgcluster::plan_destroy(of, executor, options);
  });
}

int operate(Session& session, const Planner& planner) { return plan_and_carry_out(session, pgcluster::load_spec(session.arguments.spec), planner); }

int operate_as_one(Session& session, const Planner& planner) {
  return plan_and_carry_out(session, pgcluster::load_spec(session.arguments.spec), planner, Asks::once);
}

int operate_at_once(Session& session, const Planner& planner) {
  return plan_and_carry_out(session, pgcluster::load_spec(session.arguments.spec), planner, Asks::never);
}

}  // namespace command
