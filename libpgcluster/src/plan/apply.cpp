#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>
#include <utility>

#include "plan/engine.hpp"
#include "plan/history.hpp"

namespace pgcluster {
namespace {

std::string random_token() {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 16; ++i) token += "0123456789abcdef"[random() % 16];
  return token;
}

std::string this_process() {
  char host[256] = {};
  gethostname(host, sizeof(host) - 1);
  std::string user = "uid " + std::to_string(geteuid());
  passwd entry{}, *found = nullptr;
  std::array<char, 4096> text;
  if (getpwuid_r(geteuid(), &entry, text.data(), text.size(), &found) == 0 && found) user = found->pw_name;
  return user + "@" + host + " pid " + std::to_string(getpid());
}

std::string ago(std::int64_t since) {
  const std::int64_t now = unix_time();
  return std::to_string(std::max<std::int64_t>(0, now - since)) + " s ago";
}

}  // namespace

void Engine::lock() {
  std::optional<Error> failed;
  const auto take = [&](const std::string& name, const HostAccess& access) {
    workers_->post(
        [&, name, access] {
          if (const auto holder = executor_.lock(access, us_))
            throw Error({.code = Code::locked,
                         .message = name + " is locked by " + holder->who + ", which took the lock " + ago(holder->since),
                         .hint = "wait for that apply to end; if it has died, its lock is released within 30 s",
                         .host = name,
                         .retryable = true});
          workers_->tell([&, name] {
            hosts_.at(name).locked = true;
            hosts_.at(name).busy = false;
            hosts_.at(name).last_contact = executor_.now();
            --running_;
          });
        },
        [&, name](const Error& error) {
          if (!failed) failed = error.with(name);
          hosts_.at(name).busy = false;
          --running_;
        });
    ++running_;
    hosts_.at(name).busy = true;
    hosts_.at(name).busy_since = executor_.now();
  };
  const auto wait = [&] {
    while (running_ > 0) {
      workers_->serve(executor_.now() + std::chrono::milliseconds(100));
      tell_hosts();
      if (options_.poll) options_.poll();
    }
  };
  // Two applies that start together compete for the first host in name order only. Who has it takes the other locks at the same time.
  bool first = true;
  try {
    for (const auto& [name, host] : hosts_) {
      if (host.access.transport == Transport::cloud) {
        hosts_.at(name).locked = true;  // a cloud has no lock
        continue;
      }
      take(name, host.access);
      if (std::exchange(first, false)) wait();
      if (failed) break;
    }
    wait();
    if (!failed) return emit(Event::Kind::lock_taken, {}, {});
  } catch (...) {  // from a callback: wait for the locks that are being taken, so that they are released, too
    while (running_ > 0) workers_->serve(executor_.now() + std::chrono::milliseconds(100));
    unlock();
    throw;
  }
  unlock();
  throw *failed;
}

// All at the same time. Not by workers_: after an exception their results may still call back.
void Engine::unlock() noexcept {
  Workers releasing(executor_, std::min(options_.parallel, std::max<std::size_t>(1, hosts_.size())));
  for (auto& [name, host] : hosts_)
    if (std::exchange(host.locked, false)) releasing.post([this, &host = host] { executor_.unlock(host.access); }, [](const Error&) {});
}

// Whether steps are open although nothing runs and nothing is awaited: a member of a rolling group waits for a step that needs a turn itself.
bool Engine::stuck() {
  if (running_ > 0 || !timers_.empty() || !ordering_.empty() || order_since_ || lane_.empty()) return false;
  for (const auto& [name, host] : hosts_)
    if (!host.dead && (!host.acts.empty() || !host.asks.empty())) return false;
  if (held_.empty()) return false;
  const std::size_t waiting = *held_.begin();
  fail(waiting, {.code = Code::internal,
                 .message = plan(waiting).id + " waits for its turn, and the turn of " + lane_ + " cannot end before it",
                 .hint = "a rolling member must not wait for a step that disturbs: put that step into the member"});
  return failures_.size() > 1000 || open_ == 0;
}

Report Engine::run() {
  const Time deadline = started_ + options_.deadline;
  emit(Event::Kind::apply_started, {}, {}, std::to_string(plan_.changes.size()) + " changes");
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (plan(i).before.empty()) reach(i);
  bool timed_out = false;
  while (open_ > 0) {
    if (!cancelled_ && (options_.stop.stop_requested() || executor_.now() > deadline)) {
      cancelled_ = true;
      timed_out = !options_.stop.stop_requested();
    }
    pump();
    if (open_ == 0 || (cancelled_ && running_ == 0)) break;
    if (stuck()) break;
    if (!cancelled_) beat();
    tell_waits();
    Time until = executor_.now() + std::chrono::milliseconds(100);
    if (!executor_.blocking()) until = executor_.now() + std::chrono::seconds(1);
    if (!timers_.empty()) until = std::min(until, timers_.begin()->first);
    workers_->serve(until);
    if (options_.poll) options_.poll();
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (!terminal(i) && nodes_[i].takes_back) gone_back(i, "the apply was ended before");
  if (timed_out)
    failures_.push_back({.code = Code::timed_out,
                         .message = "apply took longer than its limit of " + std::to_string(options_.deadline.count()) + " s",
                         .hint = "apply again to continue"});
  return report();
}

Report Engine::report() {
  Report report;
  report.failures = failures_;
  report.took = since(started_);
  report.cancelled = cancelled_ && options_.stop.stop_requested() && open_ > 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    if (!plan(i).changes() && node.at != At::failed) continue;
    StepReport step{.id = plan(i).id, .host = plan(i).host, .took = node.took, .failure = node.failure, .blocked_by = node.blocked_by};
    if (node.at == At::done) step.state = node.changed ? StepReport::State::done : StepReport::State::unchanged;
    if (node.at == At::failed) step.state = StepReport::State::failed;
    if (node.at == At::blocked) step.state = StepReport::State::blocked;
    if (node.taken_back) step.state = StepReport::State::taken_back;
    if (step.state == StepReport::State::done) ++report.changed;
    report.steps.push_back(std::move(step));
  }
  emit(Event::Kind::apply_done, {}, {}, report.ok() ? "done" : report.cancelled ? "cancelled" : "failed", report.took);
  return report;
}

Report apply(const Plan& plan, Executor& executor, const ApplyOptions& options) {
  if (plan.empty()) return {};
  const std::int64_t now = unix_time();
  const LockHolder us{options.who.empty() ? this_process() : options.who, now, random_token()};
  Engine engine(plan.data(), executor, options, us);
  engine.lock();
  try {
    history::Record record(plan.data(), executor, options, us);
    Report report = engine.run();
    record.end(report);
    engine.unlock();
    return report;
  } catch (...) {
    engine.unlock();
    throw;
  }
}

}  // namespace pgcluster
