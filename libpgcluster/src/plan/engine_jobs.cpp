// The programs of each host and their results.
#include <algorithm>
#include <utility>

#include "base/strings.hpp"
#include "op/ask.hpp"
#include "op/reason.hpp"
#include "op/reconnects.hpp"
#include "plan/engine.hpp"

namespace pgcluster {
namespace {

bool owns(const std::vector<std::string>& keeps, const std::string& resource) {
  return std::find(keeps.begin(), keeps.end(), resource) != keeps.end();
}

constexpr std::chrono::seconds beat_every{5};

}  // namespace

// The next program of a host: the Dos that are ready and decided, up to and including the first slow or disturbing one, with all installs as one;
// then the asks. One that needs a new connection stands first in its program.
std::optional<Engine::Job> Engine::build(const std::string& name, Host& host) {
  Job job{.host = name};
  Install install;
  std::chrono::milliseconds install_limit{0};
  std::vector<Item> installing;
  std::set<std::size_t> front = host.acts;
  std::map<std::size_t, std::size_t> waits;  // the remaining waits of steps that this program makes ready
  std::vector<std::size_t> early;            // steps that will need answers once the program has ended
  bool ended = false;

  const auto passed = [&](std::size_t i, auto&& self) -> void {
    for (const std::size_t next : plan(i).after) {
      const auto it = waits.try_emplace(next, nodes_[next].waits).first;
      if (it->second == 0 || --it->second > 0 || nodes_[next].at != At::waiting) continue;
      if (turns_.contains(lane_key(plan(next))) && lane_ != lane_key(plan(next))) continue;
      const Decision& promise = plan(next).promise;
      const auto* change = std::get_if<Change>(&promise);
      if (change && !nodes_[next].refresh && !change->todo.empty() && change->todo[0].at == name)
        front.insert(next);
      else if (std::holds_alternative<Done>(promise) && !plan(next).verify && !nodes_[next].refresh)
        self(next, self);
      else if (!change)
        early.push_back(next);
    }
  };

  // Files are written before units are started, so that systemd reloads its configuration once and not for each unit.
  const auto change_of = [&](std::size_t i) -> const Change& {
    return nodes_[i].at == At::acting ? *nodes_[i].change : std::get<Change>(plan(i).promise);
  };
  const auto next_of = [&](std::size_t i) { return nodes_[i].at == At::acting ? nodes_[i].next_do : 0; };
  const auto writes = [&](std::size_t i) {
    const auto& what = change_of(i).todo.at(next_of(i)).what;
    return std::holds_alternative<WriteFile>(what) || std::holds_alternative<WriteBlock>(what);
  };
  while (!front.empty() && !ended) {
    auto chosen = std::find_if(front.begin(), front.end(), writes);
    if (chosen == front.end()) chosen = front.begin();
    const std::size_t i = *chosen;
    front.erase(chosen);
    const Change& change = change_of(i);
    const std::vector<std::string> keeps = plan(i).step->keeps();
    Item item{.node = i, .count = 0, .first = job.program.dos.size()};
    bool waits_for_install = false;
    for (std::size_t k = next_of(i); k < change.todo.size() && change.todo[k].at == name && !ended; ++k) {
      const Do& d = change.todo[k];
      if (reconnects(d) && !job.program.dos.empty()) break;  // begins the next program
      for (const std::string& resource : resources(d)) {
        if (std::holds_alternative<Remove>(d.what))
          job.program.disown.push_back(resource);
        else if (owns(keeps, resource))
          job.program.own.push_back({resource, plan(i).id});
      }
      if (const auto* wanted = std::get_if<Install>(&d.what)) {
        for (const std::string& package : wanted->packages)
          if (!owns(install.packages, package)) install.packages.push_back(package);
        install.mask.insert(install.mask.end(), wanted->mask.begin(), wanted->mask.end());
        install_limit = std::max(install_limit, d.limit);
        waits_for_install = true;
        break;
      }
      job.program.dos.push_back(d);
      ++item.count;
      ended = is_slow(d) || disturbs(change.impact);
    }
    if (waits_for_install) {
      if (item.count == 0) installing.push_back({.node = i, .count = 1, .first = 0});
    }
    if (item.count == 0) continue;
    job.items.push_back(item);
    if (!ended && !nodes_[i].takes_back && next_of(i) + item.count == change.todo.size()) passed(i, passed);
  }
  if (!installing.empty() && !ended) {
    for (Item item : installing) {
      item.first = job.program.dos.size();
      job.items.push_back(item);
    }
    job.program.dos.push_back({.at = name, .what = std::move(install), .limit = install_limit});
  }

  Questions questions;
  const auto ask_all = [&](const std::vector<AskPtr>& asks) {
    for (const AskPtr& ask : asks)
      if (ask->at == name) questions.add(ask);
  };
  for (const Item& item : job.items) ask_all(plan(item.node).asks);
  for (const std::size_t i : host.asks) {
    ask_all(round(i).asks);
    job.asked.push_back(i);
  }
  if (job.program.dos.empty() && questions.all().empty()) return std::nullopt;
  for (const std::size_t i : early) ask_all(plan(i).asks);
  job.asks = questions.all();
  for (const AskPtr& ask : job.asks) job.program.asks.push_back(*ask);
  return job;
}

void Engine::pump() {
  const Time now = executor_.now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const std::size_t i = timers_.begin()->second;
    timers_.erase(timers_.begin());
    if (!terminal(i)) ask_again(i);
  }
  take_lane();
  if (cancelled_) return;
  for (auto& [name, host] : hosts_) {
    if (host.busy || host.dead || now < host.retry_at || (host.acts.empty() && host.asks.empty())) continue;
    if (host.stopped) {
      for (const std::size_t i : std::set<std::size_t>(host.acts)) block(i, *host.stopped_by);
    }
    if (auto job = build(name, host)) {
      for (const Item& item : job->items) host.acts.erase(item.node);  // the others wait for the next program
      host.asks.clear();
      launch(std::move(*job));
    }
  }
}

void Engine::launch(Job job) {
  Host& host = hosts_.at(job.host);
  host.busy = true;
  host.busy_since = host.program_since = executor_.now();
  host.step.clear();
  ++running_;
  for (const Item& item : job.items) {
    Node& node = nodes_[item.node];
    const auto& change = node.change ? *node.change : std::get<Change>(plan(item.node).promise);
    node.sent = true;
    if (!node.takes_back) {
      node.undo = change.undo;
      node.may_take_back = change.takes_back;
      node.tried = change.reason;
    }
    if (!std::exchange(node.announced, true)) emit(Event::Kind::step_started, job.host, plan(item.node).id, std::string(to_string(change.action)));
  }
  auto shared = std::make_shared<Job>(std::move(job));
  std::map<std::size_t, std::string> names;
  for (const Item& item : shared->items) names.emplace(item.first, plan(item.node).id);
  shared->program.on_do = [this, name = shared->host, names = std::move(names), job = std::weak_ptr<Job>(shared)](std::size_t k) {
    if (const auto whole = job.lock(); whole && k < whole->program.dos.size())
      workers_->tell([this, name, step = names.contains(k) ? names.at(k) : std::string(), what = describe(whole->program.dos[k])] {
        Host& here = hosts_.at(name);
        here.busy_since = executor_.now();
        if (!step.empty()) here.step = step;
        here.doing = what;
        emit(Event::Kind::step_progress, name, step, what);
      });
  };
  workers_->post(
      [this, shared, access = host.access, locked = host.locked] {
        if (!locked)
          if (const auto holder = executor_.lock(access, us_))
            throw Error(Code::locked, "the lock of " + access.name + " was taken over by " + holder->who + " while the connection was lost");
        ProgramResult result = executor_.run(access, shared->program);
        workers_->tell([this, shared, result = std::move(result)]() mutable { completed(*shared, std::move(result)); });
      },
      [this, shared](const Error& error) { broken(*shared, error); });
}

void Engine::completed(Job& job, ProgramResult result) {
  Host& host = hosts_.at(job.host);
  host.busy = false;
  host.locked = true;
  host.last_contact = executor_.now();
  host.backoff = std::chrono::milliseconds(500);
  --running_;
  if (host.lost_since) {
    emit(Event::Kind::host_back, job.host, {}, "reached again after " + std::to_string(since(*host.lost_since).count() / 1000) + " s");
    host.lost_since.reset();
  }
  // Time in which a host could not be asked, because it was busy with other steps' changes, does not count for those that wait.
  if (!job.program.dos.empty()) {
    std::set<std::size_t> waiting(host.asks.begin(), host.asks.end());
    waiting.insert(job.asked.begin(), job.asked.end());
    for (const std::size_t i : waiting) {
      if (i == order_round) continue;
      nodes_[i].deadline += executor_.now() - std::max(host.program_since, nodes_[i].asked);
      nodes_[i].asked = executor_.now();  // the same time counts once, also where several hosts are asked
    }
  }
  result.dos.resize(job.program.dos.size());
  Answers fresh;
  for (std::size_t k = 0; k < job.asks.size(); ++k) {
    Answer answer = k < result.answers.size() ? std::move(result.answers[k]) : Answer(Unreadable{"the host gave no answer"});
    fresh.set(job.asks[k], std::make_shared<const Given>(Given{std::move(answer)}));
  }
  fresh_ = &fresh;
  for (const Item& item : job.items) item_result(job, item, result);
  for (const std::size_t i : job.asked)
    if (i == order_round || !terminal(i)) feed(i, job.host);
  fresh_ = nullptr;
}

void Engine::item_result(Job& job, const Item& item, const ProgramResult& result) {
  Node& node = nodes_[item.node];
  hosts_.at(job.host).acts.erase(item.node);
  if (terminal(item.node)) return;
  for (std::size_t k = item.first; k < item.first + item.count; ++k) {
    const DoResult& one = result.dos[k];
    const Do& d = job.program.dos[k];
    if (one.what == DoResult::What::done) node.changed = true;
    if (one.what == DoResult::What::done || one.what == DoResult::What::skipped) continue;
    if (one.what == DoResult::What::not_run) {
      if (node.at == At::acting) hosts_.at(job.host).acts.insert(item.node);
      return;
    }
    node.reached = node.reached == Time{} ? executor_.now() : node.reached;
    Host& host = hosts_.at(job.host);
    if (one.what == DoResult::What::drifted) {
      host.stopped = true;
      host.stopped_by = item.node;
      return fail(item.node, {.code = Code::drifted,
                              .message = describe(d) + ": its state is no longer the one that the plan found" +
                                         (one.found.empty() ? "" : " (now: " + one.found + ")"),
                              .hint = "no further change was made on this host; plan and apply again: the new plan starts from the present state",
                              .host = job.host});
    }
    // Several steps may share one install: the first of them reports the failure and blocks the others.
    for (const Item& other : job.items)
      if (other.first == item.first && other.node != item.node && nodes_[other.node].failure) return block(item.node, other.node);
    const bool late = one.output.status == 124;
    // A command with a name for people fails for a reason; of others the status is all that is known.
    const auto* run = std::get_if<Run>(&d.what);
    const std::string reason = run && !run->name.empty() ? reason_of(one.output) : "";
    Failure failure{.code = late ? Code::timed_out : Code::command_failed,
                    .message = describe(d) + (late ? " was ended after " + std::to_string(std::chrono::ceil<std::chrono::seconds>(d.limit).count()) +
                                                         " s, the limit of this step"
                                              : reason.empty()        ? " failed with status " + std::to_string(one.output.status)
                                              : reason.front() == '(' ? " failed " + reason
                                                                      : " failed: " + reason),
                    .hint = late ? "see on the host what it waits for, or why it is slow; an apply begins it anew" : "",
                    .host = job.host};
    if (one.failure) {
      failure = *one.failure;
      if (failure.host.empty()) failure.host = job.host;
      return fail(item.node, std::move(failure));
    }
    if (!one.output.err.empty()) failure.causes.push_back(one.output.err);
    if (!one.output.out.empty() && one.output.err.empty()) failure.causes.push_back(one.output.out);
    if (!reason.empty()) {
      // What the message says in full is not said again.
      std::erase_if(failure.causes, [&](const std::string& cause) { return strings::trimmed(cause) == reason; });
      failure.causes.push_back("the command was: " + shown(run->argv));
    }
    return fail(item.node, std::move(failure));
  }
  // The step is not reached yet, because a step before it is still settling. It decides anew when it is reached.
  if (node.at != At::acting) {
    node.refresh = true;
    return;
  }
  node.next_do += item.count;
  if (node.next_do < node.change->todo.size()) {
    const std::string& at = node.change->todo[node.next_do].at;
    const auto next = hosts_.find(at);
    if (next == hosts_.end() || next->second.dead)
      return fail(item.node,
                  {.code = Code::host_unreachable, .message = plan(item.node).id + " cannot continue on " + at + ", which cannot be reached"});
    next->second.acts.insert(item.node);
    return;
  }
  node.acted = true;
  node.pause = std::chrono::milliseconds(0);
  node.deadline = executor_.now() + plan(item.node).step->settle();
  start_round(item.node, asks_of(item.node));
}

void Engine::broken(Job& job, const Error& error) {
  Host& host = hosts_.at(job.host);
  host.busy = false;
  --running_;
  const Time now = executor_.now();
  // It is unknown whether the program ran: all its steps decide anew.
  for (const Item& item : job.items) {
    Node& node = nodes_[item.node];
    node.refresh = true;
    if (node.takes_back) {
      host.acts.insert(item.node);  // to undo twice does no harm
    } else if (node.at == At::acting) {
      node.change.reset();
      start_round(item.node, plan(item.node).asks);
    }
  }
  for (const std::size_t i : job.asked) host.asks.insert(i);
  if (cancelled_ && error.code() == Code::cancelled) return;
  const bool again = error.failure().retryable || error.code() == Code::connection_lost;
  if (again) {
    host.locked = false;
    if (!host.lost_since) {
      host.lost_since = now;
      host.lost_why = error.message();
      emit(Event::Kind::host_lost, job.host, {}, error.message());
    }
    if (now - *host.lost_since < options_.reconnect) {
      host.retry_at = now + host.backoff;
      host.backoff = std::min<std::chrono::milliseconds>(host.backoff * 2, std::chrono::seconds(5));
      return;
    }
  }
  lose_host(job.host, error.with(job.host).failure());
}

// Gives the host up: its steps fail or are blocked, and the asks of other steps to it are answered Unreadable.
void Engine::lose_host(const std::string& name, const Failure& failure) {
  Host& host = hosts_.at(name);
  host.dead = true;
  std::set<std::size_t> concerned = std::exchange(host.acts, {});
  const std::set<std::size_t> asked = std::exchange(host.asks, {});
  for (const std::size_t i : asked)
    if (i != order_round && plan(i).host == name) concerned.insert(i);
  for (const std::size_t i : concerned) {
    if (terminal(i)) continue;
    if (nodes_[i].takes_back) {
      gone_back(i, failure.message);
    } else if (!host.stopped_by) {
      host.stopped_by = i;
      nodes_[i].at = At::explaining;  // the host cannot be asked for evidence
      nodes_[i].failure = failure;
      nodes_[i].failure->step = plan(i).id;
      settle_failure(i);
    } else {
      block(i, *host.stopped_by);
    }
  }
  for (const std::size_t i : asked)
    if (i == order_round || !terminal(i)) feed(i, name);
}

// Sends heartbeats to the hosts on which no program is running, to keep their locks.
void Engine::beat() {
  const Time now = executor_.now();
  for (auto& [name, host] : hosts_) {
    if (host.busy || host.dead || !host.locked || now - host.last_contact < beat_every) continue;
    host.busy = true;
    host.busy_since = now;
    host.step.clear();
    ++running_;
    const auto ended = [this, name = name](bool locked) {
      Host& here = hosts_.at(name);
      here.busy = false;
      here.last_contact = executor_.now();
      here.locked = here.locked && locked;
      --running_;
    };
    workers_->post(
        [this, access = host.access, ended] {
          executor_.beat(access);
          workers_->tell([ended] { ended(true); });
        },
        [ended](const Error&) { ended(false); });
  }
}

}  // namespace pgcluster
