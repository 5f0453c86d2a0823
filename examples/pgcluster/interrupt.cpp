#include "interrupt.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include <pgcluster/base/error.hpp>

namespace command {
namespace {

std::atomic<int> signals = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch nothing else");

extern "C" void on_signal(int) {
  if (signals.fetch_add(1) >= 2) _exit(130);
}

}  // namespace

Interrupt::Interrupt(pgcluster::Executor& executor) : executor_(executor) {
  struct sigaction action {};
  action.sa_handler = on_signal;  // without SA_RESTART, so that a signal also ends a question
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A reader of our output that exits must not end a running apply.
  signal(SIGPIPE, SIG_IGN);
}

bool Interrupt::requested() const noexcept { return signals.load() > 0; }

void Interrupt::check() const {
  if (requested()) throw pgcluster::Error(pgcluster::Code::cancelled, "cancelled; nothing was changed");
}

void Interrupt::poll() {
  const int now = signals.load();
  if (now == seen_) return;
  if (seen_ == 0) {
    if (tell && now == 1) tell("stopping: running steps are finished, no further step starts (Ctrl-C again: do not wait for them)");
    source_.request_stop();
  }
  if (now >= 2) {
    if (tell && seen_ < 2) tell("not waiting; steps that still run on a host go on there, and the next apply waits for them");
    executor_.cancel();
  }
  seen_ = now;
}

}  // namespace command
