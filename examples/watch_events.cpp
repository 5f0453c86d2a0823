// Deploys, and draws a progress bar for each host from the events; without a terminal, a line for each step: watch_events cluster.yaml
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <exception>
#include <iomanip>
#include <iostream>
#include <map>
#include <stop_token>
#include <string>

#include <pgcluster/executor/ssh.hpp>
#include <pgcluster/operate/operate.hpp>

namespace {

using pgcluster::Event;

volatile std::sig_atomic_t interrupted = 0;

/// One line for each host, redrawn in place.
class Board {
 public:
  explicit Board(const pgcluster::Plan& plan) {
    for (const pgcluster::PlannedChange& change : plan.changes()) ++rows_[owner(change.id)].total;
  }

  /// Like all callbacks it runs on the thread that called apply: no locks are needed.
  void on(const Event& event) {
    if (event.step.empty()) return;
    Row& row = rows_[owner(event.step)];
    if (event.kind == Event::Kind::step_started || event.kind == Event::Kind::step_progress) row.doing = event.step + " " + event.message;
    if (event.kind == Event::Kind::step_done) ++row.done, row.doing.clear();
    if (event.kind == Event::Kind::step_failed || event.kind == Event::Kind::step_blocked) row.failed = true, row.doing = event.message;
    if (terminal_)
      draw();
    else if (event.kind == Event::Kind::step_done || event.kind == Event::Kind::step_failed || event.kind == Event::Kind::step_blocked)
      std::cout << pgcluster::to_string(event.kind) << ' ' << event.step << (event.message.empty() ? "" : ": " + event.message) << std::endl;
  }

 private:
  struct Row {
    std::size_t total = 0;
    std::size_t done = 0;
    bool failed = false;
    std::string doing{};
  };

  // "pg1" of "pg1/etcd/config", "cluster" of steps that belong to no host.
  static std::string owner(const std::string& step) {
    const std::string host = pgcluster::host_of(step);
    return host.empty() ? "cluster" : host;
  }

  void draw() {
    if (drawn_ > 0) std::cout << "\x1b[" << drawn_ << 'A';
    for (const auto& [name, row] : rows_) {
      const std::size_t full = row.total == 0 ? width : std::min(row.done * width / row.total, width);
      std::cout << std::left << std::setw(12) << name << (row.failed ? " ! [" : "   [") << std::string(full, '#') << std::string(width - full, '.')
                << "] " << row.done << '/' << row.total << ' ' << row.doing.substr(0, row.doing.find('\n')).substr(0, 40) << "\x1b[K\n";
    }
    std::cout << std::flush;
    drawn_ = rows_.size();
  }

  static constexpr std::size_t width = 20;
  const bool terminal_ = isatty(STDOUT_FILENO) == 1;
  std::map<std::string, Row> rows_;
  std::size_t drawn_ = 0;  // lines on the screen
};

}  // namespace

int main(int argc, char** argv) try {
  const auto spec = pgcluster::load_spec(argc > 1 ? argv[1] : "cluster.yaml");
  pgcluster::SshExecutor ssh;
  const auto plan = pgcluster::plan_deploy(spec, ssh);

  // Ctrl-C: running steps finish, no further step starts, and the next apply continues from there.
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::stop_source stop;
  const auto poll = [&] {
    if (interrupted) stop.request_stop();
  };

  Board board(plan);
  const auto show = [&](const Event& event) { board.on(event); };
  const auto report = pgcluster::apply(plan, ssh, {.on_event = show, .stop = stop.get_token(), .poll = poll});
  std::cout << report.text();
  return report.ok() ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
