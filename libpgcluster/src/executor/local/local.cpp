#include <pgcluster/executor/local.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "base/digest.hpp"
#include "executor/activities.hpp"
#include "executor/child.hpp"
#include "executor/program/lock.hpp"
#include "executor/program/outcome.hpp"
#include "executor/program/script.hpp"
#include "executor/program/shell.hpp"

namespace pgcluster {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

const Program kNothing{};

// A shell whose input is written without blocking.
class Shell {
 public:
  Shell(const char* shell, std::string_view boot) : child_({shell, "-c", std::string(boot)}, input_.theirs()) { input_.close_theirs(); }
  ~Shell() {
    end_input();
    // It ends soon, because its input has ended. The rest of a cancelled program runs on.
    if (!child_.wait(2s)) child_.leave();
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  void feed(std::string_view bytes) { pending_ += bytes; }
  std::size_t pending() const { return pending_.size(); }
  void end_input() { ::shutdown(input_.ours(), SHUT_WR); }

  // Writes pending input and reads output, for at most `time`. False: both outputs have ended.
  bool pump(std::string& out, std::string& err, std::chrono::milliseconds time) {
    if (!pending_.empty()) {
      const ssize_t size = ::send(input_.ours(), pending_.data(), pending_.size(), MSG_NOSIGNAL);
      if (size > 0) pending_.erase(0, static_cast<std::size_t>(size));
      if (size < 0 && errno != EAGAIN && errno != EINTR) pending_.clear();  // the shell reads no more input; its output tells why
    }
    // With input pending, return soon to write more of it.
    return child_.read(out, err, pending_.empty() ? time : std::min<std::chrono::milliseconds>(time, 1ms));
  }

 private:
  executor::SocketPair input_;
  executor::Child child_;
  std::string pending_;
};

}  // namespace

class LocalExecutor::Impl {
 public:
  executor::Places places;
  std::atomic<bool> cancelled = false;
  executor::Activities activities;
  std::recursive_mutex mutex;  // all hosts are this one machine
  std::unique_ptr<Shell> lock_holder;
  std::string token;  // of the lock; kept if the lock is lost, so that no program runs without it
  Clock::time_point beaten{};

  void check(const HostAccess& host) const {
    if (cancelled) throw Error(Code::cancelled, "cancelled").with(host.name);
    if (places.need_systemd && ::geteuid() != 0)
      throw Error(Failure{.code = Code::sudo_denied,
                          .message = "only root may change this machine",
                          .hint = "run it as root, or reach the machine by ssh as a user with sudo",
                          .host = host.name});
  }

  bool lock_lives() {
    std::string out, err;
    return lock_holder && lock_holder->pump(out, err, 0ms);
  }
};

LocalExecutor::LocalExecutor(LocalOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->places = {std::move(options.run_directory), std::move(options.state_directory), options.need_systemd};
}
LocalExecutor::~LocalExecutor() = default;

ProgramResult LocalExecutor::run(const HostAccess& host, const Program& program) {
  const std::lock_guard guard(impl_->mutex);
  impl_->check(host);
  const std::string nonce = random_hex(12);
  const executor::Script script = executor::render(program, nonce, impl_->places, impl_->token);
  executor::Reader reader(program, nonce);
  executor::Activities::Call call(impl_->activities, host.name, "");
  Shell shell("sh", shell::boot);
  executor::Deadline deadline(script, script.text.size());
  shell.feed(script.stdin_head());
  std::string log;
  auto turn = [&] {
    if (impl_->cancelled)
      throw Error(Failure{.code = Code::cancelled, .message = "cancelled", .host = host.name, .state_unknown = !program.dos.empty()});
    if (Clock::now() >= deadline.at(reader)) throw executor::too_late(host, program, deadline.limit());
    if (impl_->lock_holder && Clock::now() - impl_->beaten >= 5s) beat(host);
    std::string out, err;
    const bool more = shell.pump(out, err, 100ms);
    reader.feed(out);
    call.now(reader.note());
    executor::keep_tail(log, err);
    return more && !reader.ended() && reader.refusal().empty();
  };
  bool more = true;
  for (const auto& blob : script.blobs)
    executor::read_blob(blob, [&](std::string_view piece) {
      shell.feed(piece);
      while (more && shell.pending() > 0) more = turn();
      return more;
    });
  while (more && shell.pending() > 0) more = turn();
  shell.end_input();
  while (more) more = turn();
  if (!reader.refusal().empty()) throw executor::refused(host, reader);
  if (!reader.ended()) throw executor::unfinished(host, program, reader, log);
  return reader.result();
}

std::optional<LockHolder> LocalExecutor::lock(const HostAccess& host, const LockHolder& us) {
  const std::lock_guard guard(impl_->mutex);
  impl_->check(host);
  unlock(host);
  auto shell = std::make_unique<Shell>("bash", shell::lock_boot);
  shell->feed(executor::lock_script(us.who, us.since, us.token, impl_->places));
  std::string out, err;
  const auto deadline = Clock::now() + 60s;
  for (bool more = true;;) {
    const auto answer = executor::read_lock_answer(out);
    if (answer && answer->what == executor::LockAnswer::What::held) return answer->holder;
    if (answer && answer->what == executor::LockAnswer::What::ours) {
      impl_->lock_holder = std::move(shell);
      impl_->token = us.token;
      impl_->beaten = Clock::now();
      return std::nullopt;
    }
    if (answer) throw executor::no_lock(host, impl_->places, err);
    if (!more)
      throw Error(Failure{.code = Code::command_failed, .message = "the process that takes the lock has ended", .host = host.name, .causes = {err}});
    if (impl_->cancelled) throw Error(Code::cancelled, "cancelled").with(host.name);
    if (Clock::now() >= deadline) throw executor::too_late(host, kNothing, 60s);
    more = shell->pump(out, err, 100ms);
  }
}

void LocalExecutor::beat(const HostAccess& host) {
  const std::lock_guard guard(impl_->mutex);
  if (!impl_->lock_lives()) throw executor::lost(host, kNothing, "the process that holds the lock has ended");
  impl_->lock_holder->feed("beat\n");
  impl_->beaten = Clock::now();
  impl_->lock_lives();
}

void LocalExecutor::unlock(const HostAccess&) noexcept {
  try {
    const std::lock_guard guard(impl_->mutex);
    impl_->token.clear();
    if (!impl_->lock_holder) return;
    impl_->lock_holder->feed("unlock\n");
    std::string out, err;
    const auto deadline = Clock::now() + 2s;
    while (impl_->lock_holder->pump(out, err, 50ms) && Clock::now() < deadline) {
    }
    impl_->lock_holder.reset();
  } catch (...) {
    impl_->lock_holder.reset();
  }
}

std::vector<Activity> LocalExecutor::activities() const { return impl_->activities.list(); }

void LocalExecutor::cancel() noexcept { impl_->cancelled = true; }
void LocalExecutor::resume() noexcept { impl_->cancelled = false; }

}  // namespace pgcluster
