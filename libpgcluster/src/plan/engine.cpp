#include "plan/engine.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <utility>

#include "base/strings.hpp"

namespace pgcluster {
namespace {

constexpr std::chrono::milliseconds first_pause{50};
constexpr std::chrono::milliseconds longest_pause{1000};
constexpr std::chrono::seconds order_patience{120};
constexpr std::chrono::seconds tell_every{8};  // nobody waits for longer than 10 s for a word, also if the next event is late by 2 s
constexpr std::chrono::seconds look_after{5};  // of these 8
constexpr std::size_t most_words = 4, longest_words = 400;

// The last lines of a log without stack traces, which may be a hundred lines long.
std::string telling_lines(const std::string& log, std::size_t most = 20) {
  std::vector<std::string_view> lines;
  for (std::size_t begin = 0; begin < log.size();) {
    const std::size_t end = std::min(log.find('\n', begin), log.size());
    const std::string_view line = std::string_view(log).substr(begin, end - begin);
    begin = end + 1;
    const bool frame = line.ends_with(')') && line.find('(') != std::string_view::npos && line.find(' ') > line.find('(');
    if (!line.empty() && line[0] != ' ' && line[0] != '\t' && !line.starts_with("goroutine ") && !frame) lines.push_back(line);
  }
  if (lines.empty()) return log.size() > 4000 ? log.substr(log.size() - 4000) : log;
  std::string text;
  for (std::size_t i = lines.size() > most ? lines.size() - most : 0; i < lines.size(); ++i) (text += lines[i]) += '\n';
  return text;
}

std::string last_line(const std::string& text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return {};
  const auto before = text.find_last_of('\n', end);
  const auto begin = before == std::string::npos ? 0 : before + 1;
  return text.substr(begin, end - begin + 1);
}

// A line with one of these tells the cause; others, such as a request that timed out, may only follow from it.
bool names_system_error(const std::string& line) {
  for (const char* words : {"no space left on device", "permission denied", "address already in use", "cannot assign requested address",
                            "cannot allocate memory", "read-only file system", "input/output error", "too many open files", "connection refused",
                            "no route to host", "network is unreachable", "connection timed out", "i/o timeout", "name or service not known"})
    if (line.find(words) != std::string::npos) return true;
  return false;
}

// Of the last lines of a log the one that tells most of a problem: the last one with a system's error among the last few problems, else the last
// problem. If no line tells of one, the last line.
std::string problem_in(const std::string& log) {
  constexpr std::size_t few = 8;
  std::vector<std::string> problems;
  std::istringstream lines(telling_lines(log, 50));
  for (std::string line; std::getline(lines, line);) {
    const std::string words = strings::lower(line);
    if (words.find("\"level\":\"info\"") != std::string::npos || words.starts_with("info:") || words.find(" info: ") != std::string::npos) continue;
    for (const char* word :
         {"error", "fail", "fatal", "panic", "denied", "refused", "cannot", "could not", "unable", "timeout", "timed out", "no space"})
      if (words.find(word) != std::string::npos) {
        problems.push_back(line);
        break;
      }
  }
  if (problems.empty()) return last_line(log);
  const auto oldest = problems.rbegin() + static_cast<std::ptrdiff_t>(std::min(few, problems.size()));
  const auto telling = std::find_if(problems.rbegin(), oldest, [](const std::string& line) { return names_system_error(strings::lower(line)); });
  return telling != oldest ? *telling : problems.back();
}

// The last error of a system call in a log. It is often the cause, and stands far above the last lines.
std::string system_error_in(std::string log) {
  log = strings::lower(log);
  std::string found;
  std::size_t last = 0;
  for (const char* words : {"No space left on device", "Permission denied", "Address already in use", "Cannot assign requested address",
                            "Cannot allocate memory", "Read-only file system", "Input/output error", "Too many open files"}) {
    if (const auto at = log.rfind(strings::lower(words)); at != std::string::npos && (found.empty() || at > last)) found = words, last = at;
  }
  return found;
}

// Whether a failure has the cause of an earlier one, which may have been given its evidence since.
bool tells_nothing_new(const Failure& earlier, const Failure& failure) {
  return earlier.code == failure.code && earlier.host == failure.host && earlier.message == failure.message &&
         earlier.causes.size() >= failure.causes.size() && std::equal(failure.causes.begin(), failure.causes.end(), earlier.causes.begin());
}

std::vector<AskPtr> shared(std::vector<Ask> asks) {
  std::vector<AskPtr> all;
  all.reserve(asks.size());
  for (Ask& ask : asks) all.push_back(std::make_shared<const Ask>(std::move(ask)));
  return all;
}

}  // namespace

Engine::Engine(const Plan::Data& plan, Executor& executor, const ApplyOptions& options, LockHolder us)
    : plan_(plan),
      executor_(executor),
      options_(options),
      us_(std::move(us)),
      started_(executor.now()),
      nodes_(plan.nodes.size()),
      open_(plan.nodes.size()),
      turns_(disturbing_turns(plan.nodes)),
      workers_(std::make_unique<Workers>(executor, std::min(options.parallel, std::max<std::size_t>(1, plan.hosts.size())))) {
  for (const auto& [name, access] : plan.hosts) hosts_[name].access = access;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].waits = plan.nodes[i].before.size();
    by_id_.emplace(plan.nodes[i].id, i);
  }
  refresh_after_waits();
}

// While a step waits, the cluster goes on by itself. A command that comes after it was planned for a state that may be over, and cannot tell, as
// files and units do: its step decides anew.
void Engine::refresh_after_waits() {
  std::vector<bool> after(nodes_.size());
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (std::holds_alternative<Later>(plan(i).promise)) left.push_back(i);
  while (!left.empty()) {
    const std::size_t i = left.back();
    left.pop_back();
    for (const std::size_t next : plan(i).after) {
      if (after[next]) continue;
      after[next] = true;
      const auto* change = std::get_if<Change>(&plan(next).promise);
      nodes_[next].refresh =
          change && std::any_of(change->todo.begin(), change->todo.end(), [](const Do& one) { return std::holds_alternative<Run>(one.what); });
      left.push_back(next);
    }
  }
}

std::chrono::milliseconds Engine::since(Time begin) const { return std::chrono::duration_cast<std::chrono::milliseconds>(executor_.now() - begin); }

void Engine::emit(Event::Kind kind, const std::string& host, const std::string& step, std::string message, std::chrono::milliseconds took,
                  std::string seen) {
  if (kind != Event::Kind::step_started) told_ = executor_.now();
  if (options_.on_event) options_.on_event({kind, since(started_), host, step, std::move(message), took, std::move(seen)});
}

// Called when all steps before it are done.
void Engine::reach(std::size_t i) {
  if (terminal(i)) return;
  const auto turn = turns_.find(lane_key(plan(i)));
  if (turn != turns_.end() && lane_ != turn->first) {
    if (lane_broken_by_) return block(i, *lane_broken_by_);
    nodes_[i].at = At::held;
    held_.insert(i);
    return;
  }
  begin(i);
}

void Engine::begin(std::size_t i) {
  Node& node = nodes_[i];
  node.reached = executor_.now();
  node.deadline = node.reached + plan(i).step->settle();
  const Decision& promise = plan(i).promise;
  if (std::holds_alternative<Done>(promise) && !plan(i).verify && !node.refresh) return finish(i);
  if (const auto* change = std::get_if<Change>(&promise); change && !node.refresh) return act(i, *change);
  if (std::holds_alternative<Later>(promise)) {
    node.announced = true;
    emit(Event::Kind::step_started, plan(i).host, plan(i).id, "waits until " + std::get<Later>(promise).until);
  }
  start_round(i, plan(i).asks);
}

void Engine::act(std::size_t i, Change change) {
  Node& node = nodes_[i];
  node.at = At::acting;
  waiting_.erase(i);
  node.change = std::move(change);
  node.next_do = 0;
  if (node.change->todo.empty()) {
    node.acted = true;
    return start_round(i, plan(i).asks);
  }
  const std::string& at = node.change->todo[0].at;
  const auto host = hosts_.find(at);
  if (host == hosts_.end()) return fail(i, {.code = Code::internal, .message = plan(i).id + " acts on " + at + ", which is not a host of the plan"});
  if (host->second.dead || host->second.stopped) return block(i, host->second.stopped_by.value_or(i));
  host->second.acts.insert(i);
}

void Engine::start_round(std::size_t i, std::vector<AskPtr> asks) {
  if (i != order_round && nodes_[i].at != At::explaining) nodes_[i].at = At::asking;
  Round& r = round(i);
  r = Round{.asks = std::move(asks)};
  if (i != order_round) nodes_[i].asked = executor_.now();
  for (const AskPtr& ask : r.asks) {
    if (fresh_ && r.answers.take(ask, *fresh_)) continue;
    const auto host = hosts_.find(ask->at);
    if (host == hosts_.end())
      r.answers.set(*ask, Unreadable{ask->at + " is not a host of the plan"});
    else if (host->second.dead)
      r.answers.set(*ask, Unreadable{ask->at + " cannot be reached"});
    else
      r.missing.insert(ask->at);
  }
  for (const std::string& name : r.missing) hosts_.at(name).asks.insert(i);
  if (r.missing.empty()) judge(i);
}

// A round of a step that waits. Shortly before an event tells of the wait it also asks for the evidence.
void Engine::ask_again(std::size_t i) {
  Node& node = nodes_[i];
  std::vector<AskPtr> asks = asks_of(i);
  const Time now = executor_.now(), from = std::max(node.reached, node.told);
  node.looks = now - from >= look_after && node.looked < from + look_after;
  if (node.looks) {
    node.looked = now;
    for (AskPtr& ask : shared(plan(i).step->evidence())) asks.push_back(std::move(ask));
  }
  start_round(i, std::move(asks));
}

// Takes the round's answers of `host` from fresh_, the answers of the program that has just ended.
void Engine::feed(std::size_t i, const std::string& host) {
  Round& r = round(i);
  if (!r.missing.erase(host)) return;
  for (const AskPtr& ask : r.asks)
    if (ask->at == host && !(fresh_ && r.answers.take(ask, *fresh_))) r.answers.set(*ask, Unreadable{host + " cannot be reached"});
  if (r.missing.empty()) judge(i);
}

bool Engine::announced(std::size_t i, const Change& change) const {
  const Decision& promise = plan(i).promise;
  if (const auto* known = std::get_if<Change>(&promise)) return change.impact <= known->impact;
  if (const auto* later = std::get_if<Later>(&promise)) return later->action != Action::wait && change.impact <= later->at_most;
  return false;
}

void Engine::judge(std::size_t i) {
  if (i == order_round) return order_known();
  Node& node = nodes_[i];
  if (node.at == At::explaining) {
    for (const AskPtr& ask : node.round.asks)
      if (const auto* output = node.round.answers.get<Output>(*ask); output && !output->out.empty()) {
        node.failure->causes.push_back(describe(*ask) + ":\n" + telling_lines(output->out));
        if (const std::string error = system_error_in(output->out); !error.empty() && node.failure->code == Code::not_converged)
          node.failure->hint = "its log says \"" + error + "\": fix that";
      }
    return take_back(i) ? void() : settle_failure(i);
  }
  if (node.takes_back) {
    std::string awaited = node.takes_back->until ? node.takes_back->until(node.round.answers) : "";
    return awaited.empty() ? gone_back(i, {}) : again_later(i, {std::move(awaited)});
  }
  Decision decision;
  try {
    decision = plan(i).step->decide(node.round.answers);
  } catch (const std::exception& error) {
    return fail(i, {.code = Code::internal, .message = "the decision of " + plan(i).id + " failed: " + error.what()});
  }
  if (std::holds_alternative<Done>(decision)) {
    std::string awaited = node.acted && node.change && node.change->until ? node.change->until(node.round.answers) : "";
    return awaited.empty() ? finish(i) : again_later(i, {std::move(awaited)});
  }
  if (const auto* refused = std::get_if<Refused>(&decision))
    return fail(i, {.code = refused->code, .message = refused->why.message, .hint = refused->why.hint, .host = refused->host});
  if (auto lasting = lasting_failure(plan(i).asks, node.round.answers)) return fail(i, std::move(*lasting));
  if (auto* later = std::get_if<Later>(&decision)) {
    if (later->wrong.empty())
      node.wrong_since.reset();
    else if (!node.wrong_since)
      node.wrong_since = executor_.now();
    else if (executor_.now() - *node.wrong_since >= later->patience)
      return fail(i, {.code = Code::not_converged, .message = later->wrong, .host = later->host});
    return again_later(i, std::move(*later));
  }
  Change& change = std::get<Change>(decision);
  if (node.acted) {
    if (!change.failed.empty()) return fail(i, {.code = Code::not_converged, .message = change.failed, .hint = "its last log lines give the cause"});
    return again_later(i, {"it is as wished (" + change.reason + ")"});
  }
  if (!announced(i, change))
    return fail(i,
                {.code = Code::drifted,
                 .message = "the state has changed since the plan was made: " + plan(i).id + " would now " + std::string(to_string(change.action)) +
                            (change.reason.empty() ? "" : " (" + change.reason + ")") + ", which the plan did not announce",
                 .hint = "plan and apply again: the new plan shows it"});
  act(i, std::move(change));
}

// Names a lost host as the cause of a wait that has timed out.
void Engine::blame_lost_host(Failure& failure, const std::vector<AskPtr>& asks) const {
  for (const AskPtr& ask : asks) {
    const auto host = hosts_.find(ask->at);
    if (host == hosts_.end() || (!host->second.dead && !host->second.lost_since)) continue;
    failure.code = Code::connection_lost;
    failure.message += "; " + ask->at + " cannot be reached";
    failure.hint = "see whether " + ask->at + " is up and apply again to continue";
    if (plan_.lost_host_hint && host->second.access.transport != Transport::cloud)
      if (const std::string more = plan_.lost_host_hint(ask->at); !more.empty()) failure.hint += "; " + more;
    failure.host = ask->at;
    return;
  }
}

// Whether too few steps are left to bring about what the step waits for. It is blocked then.
bool Engine::in_vain(std::size_t i) {
  const Bringers bringers = plan(i).step->brought_by();
  std::size_t left = 0;
  std::optional<std::size_t> by;
  for (const StepRef& one : bringers.steps) {
    const auto it = by_id_.find(one.name());
    const bool lost = it != by_id_.end() && (nodes_[it->second].at == At::failed || nodes_[it->second].at == At::blocked);
    if (!lost)
      ++left;
    else if (!by || nodes_[it->second].at == At::failed)
      by = it->second;
  }
  if (!by || left >= bringers.enough) return false;
  block(i, *by);
  return true;
}

// What stands in the way of a step that waits, in its own words or those of the commands that failed, and how its log ends.
std::vector<std::string> Engine::seen(std::size_t i) const {
  const Node& node = nodes_[i];
  std::vector<std::string> words;
  const auto add = [&words](const std::string& text) {
    const std::string line = text.size() > longest_words ? text.substr(0, longest_words) + "…" : text;
    if (!line.empty() && words.size() < most_words && std::find(words.begin(), words.end(), line) == words.end()) words.push_back(line);
  };
  add(node.waits_for.seen);
  for (const AskPtr& ask : plan(i).asks) {
    if (!node.waits_for.seen.empty()) break;
    if (const auto* unknown = node.round.answers.get<Unreadable>(*ask))
      add(unknown->why.find(ask->at) == std::string::npos ? ask->at + ": " + unknown->why : unknown->why);
    const auto* output = node.round.answers.get<Output>(*ask);
    if (output && output->status != 0)
      if (const std::string line = last_line(output->err); !line.empty()) add(ask->at + ": " + line);
  }
  if (!node.log.empty()) add(node.log);
  return words;
}

void Engine::again_later(std::size_t i, Later what) {
  Node& node = nodes_[i];
  const Time now = executor_.now();
  node.waits_for = std::move(what);
  for (std::size_t k = asks_of(i).size(); node.looks && k < node.round.asks.size(); ++k)
    if (const AskPtr& ask = node.round.asks[k])
      if (const auto* output = node.round.answers.get<Output>(*ask))
        if (const std::string line = problem_in(output->out); !line.empty()) node.log = "the log on " + ask->at + " says: " + line;
  node.seen = seen(i);
  if (in_vain(i)) return;
  // An answer that was asked for in time may be old by now: the last one is asked for at the deadline.
  if (node.asked >= node.deadline) {
    const std::string waited = "timed out after " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now - node.reached).count()) +
                               " s while waiting until " + node.waits_for.until;
    Failure failure{.code = Code::not_converged, .message = waited, .causes = node.seen};
    std::erase(failure.causes, node.log);  // more of it is asked for now
    blame_lost_host(failure, plan(i).asks);
    // What failed before on a host that it asks is the cause, as far as anybody can tell.
    const auto earlier = std::find_if(failed_.begin(), failed_.end(), [&](std::size_t one) {
      const std::string& host = nodes_[one].failure->host;
      return host.empty() || std::any_of(plan(i).asks.begin(), plan(i).asks.end(), [&](const AskPtr& ask) { return ask->at == host; });
    });
    if (!node.acted && earlier != failed_.end()) return block(i, *earlier, waited);
    return fail(i, std::move(failure));
  }
  waiting_.insert(i);
  node.pause = node.pause.count() == 0 ? first_pause : std::min(longest_pause, node.pause * 3 / 2);
  timers_.emplace(std::min(node.deadline, now + node.pause), i);
}

// Report each wait every 8 s. The unit's log is read shortly before the report. A shorter wait is reported, too, if nothing else was reported
// for 8 s, so that a sequence of short waits is not silent.
void Engine::tell_waits() {
  const Time now = executor_.now();
  for (const std::size_t i : waiting_) {
    Node& node = nodes_[i];
    if (now - std::max(node.reached, node.told) < tell_every && now - told_ < tell_every) continue;
    node.told = now;
    std::string all;
    for (const std::string& name : node.round.missing)
      if (const Host& host = hosts_.at(name); host.busy && !host.step.empty() && host.step != plan(i).id) all = name + " is busy with " + host.step;
    for (const std::string& words : node.seen) all += (all.empty() ? "" : "; ") + words;
    emit(Event::Kind::step_waiting, plan(i).host, plan(i).id, "waits until " + node.waits_for.until, since(node.reached), std::move(all));
  }
  tell_hosts();
}

// The same for a program that runs, and for a host to which apply has no connection. A program's own news comes at most once a second.
void Engine::tell_hosts() {
  const Time now = executor_.now();
  std::map<std::string, std::string> activities;
  for (Activity& one : executor_.activities()) activities[one.host] = std::move(one.what);
  for (auto& [name, host] : hosts_) {
    if (!host.busy) {
      if (host.lost_since && !host.dead && now - std::max(*host.lost_since, host.told) >= tell_every) {
        host.told = now;
        emit(Event::Kind::host_waiting, name, {}, "tries to connect again", since(*host.lost_since), host.lost_why);
      }
      continue;
    }
    const std::string& words = activities[name];
    const bool news = !words.empty() && words != host.shown && !host.step.empty();
    const Time from = std::max(host.busy_since, host.told);
    const bool silent = now - told_ >= tell_every && now - host.busy_since >= std::chrono::seconds(1);
    if (now - from < (news ? std::chrono::seconds(1) : tell_every) && !silent) continue;
    host.told = now;
    host.shown = words;
    if (news)
      emit(Event::Kind::step_progress, name, host.step, words);
    else if (!host.step.empty())
      emit(Event::Kind::step_waiting, name, host.step, host.doing + " still runs", since(host.busy_since), words);
    else
      emit(Event::Kind::host_waiting, name, {}, words.empty() ? "has not answered yet" : words, since(host.busy_since),
           host.lost_since ? host.lost_why : "");
  }
}

void Engine::finish(std::size_t i) {
  Node& node = nodes_[i];
  node.at = At::done;
  node.took = since(node.reached);
  if (plan(i).changes() || node.changed) emit(Event::Kind::step_done, plan(i).host, plan(i).id, {}, node.took);
  close(i);
  for (const std::size_t next : plan(i).after)
    if (--nodes_[next].waits == 0) reach(next);
}

void Engine::fail(std::size_t i, Failure failure) {
  Node& node = nodes_[i];
  if (node.takes_back) return gone_back(i, failure.message);
  failure.step = plan(i).id;
  if (failure.host.empty()) failure.host = plan(i).host;
  for (std::size_t first = 0; first < nodes_.size(); ++first)
    if (first != i && nodes_[first].failure && tells_nothing_new(*nodes_[first].failure, failure)) return block(i, first);
  node.failure = std::move(failure);
  node.took = since(node.reached);
  if (std::vector<Ask> evidence = plan(i).step->evidence(); !evidence.empty() && node.at != At::explaining) {
    node.at = At::explaining;
    return start_round(i, shared(std::move(evidence)));
  }
  if (!take_back(i)) settle_failure(i);
}

// Undoes the changes that the failed step was the first to use. False if there is nothing to undo, or if it is too late.
bool Engine::take_back(std::size_t i) {
  const Code code = nodes_[i].failure->code;
  if (cancelled_ || (code != Code::command_failed && code != Code::timed_out && code != Code::not_converged)) return false;
  std::optional<std::size_t> user;  // the step itself, or an earlier one of its turn
  const std::string turn = lane_key(plan(i));
  for (std::size_t k = 0; k < nodes_.size(); ++k)
    if (nodes_[k].may_take_back && lane_key(plan(k)) == turn) user = k;
  if (!user) return false;
  for (std::size_t k = 0; k < nodes_.size(); ++k)
    if (nodes_[k].sent && !plan(k).group.empty() && plan(k).group == plan(i).group && plan(k).host != plan(i).host && disturbs(plan(k).impact()))
      return false;
  Node& node = nodes_[i];
  Change change{.todo = {}};
  for (const StepRef& ref : nodes_[*user].may_take_back->changes)
    if (const auto found = by_id_.find(ref.name()); found != by_id_.end() && !nodes_[found->second].undo.empty()) node.takes.push_back(found->second);
  std::sort(node.takes.rbegin(), node.takes.rend());
  for (const std::size_t k : node.takes) change.todo.insert(change.todo.end(), nodes_[k].undo.begin(), nodes_[k].undo.end());
  if (change.todo.empty()) return false;
  node.user = *user;
  node.takes_back = std::exchange(nodes_[*user].may_take_back, {});
  node.acted = node.looks = false;
  node.log.clear();
  node.reached = executor_.now();
  if (!nodes_[*user].tried.empty()) node.failure->message += " (" + nodes_[*user].tried + ")";
  emit(Event::Kind::step_progress, plan(i).host, plan(i).id, "failed: takes back " + plan(node.takes.front()).id);
  act(i, std::move(change));
  return true;
}

// The end of take_back(): all is as before, or what keeps it from that.
void Engine::gone_back(std::size_t i, const std::string& why_not) {
  Node& node = nodes_[i];
  const TakeBack what = *std::exchange(node.takes_back, {});
  for (auto& [name, host] : hosts_) host.acts.erase(i), host.asks.erase(i);
  std::string names;
  for (const std::size_t k : node.takes) {
    names += (names.empty() ? "" : ", ") + plan(k).id;
    if (!node.acted) continue;
    nodes_[k].taken_back = true;
    emit(Event::Kind::step_taken_back, plan(k).host, plan(k).id, "taken back, because " + plan(i).id + " failed");
  }
  std::string& message = node.failure->message;
  if (why_not.empty())
    message += "; " + what.then + " (taken back: " + names + ")";
  else if (node.acted)
    message += "; taken back: " + names + "; but not all is as before: " + why_not;
  else
    message += "; " + names + " could not be taken back: " + why_not;
  node.failure->hint =
      why_not.empty() ? "correct the cause, or the spec; an apply of the same spec tries it again" : "take the change out of the spec, and apply";
  settle_failure(i);
}

void Engine::settle_failure(std::size_t i) {
  Node& node = nodes_[i];
  node.at = At::failed;
  failures_.push_back(*node.failure);
  failed_.push_back(i);
  emit(Event::Kind::step_failed, plan(i).host, plan(i).id, text(*node.failure), node.took);
  if (turns_.contains(lane_key(plan(i))) && !lane_broken_by_) lane_broken_by_ = i;
  close(i);
  block_after(i);
}

void Engine::block_after(std::size_t i) {
  for (const std::size_t next : plan(i).after) block(next, i);
}

void Engine::block(std::size_t i, std::size_t by, const std::string& waited) {
  if (terminal(i)) return;
  Node& node = nodes_[i];
  if (node.takes_back) return gone_back(i, plan(by).id + " has failed on the same host");
  node.at = At::blocked;
  node.blocked_by = nodes_[by].at == At::blocked ? nodes_[by].blocked_by : plan(by).id;
  for (auto& [name, host] : hosts_) host.acts.erase(i), host.asks.erase(i);
  if (plan(i).changes())
    emit(Event::Kind::step_blocked, plan(i).host, plan(i).id, "blocked by " + node.blocked_by + (waited.empty() ? "" : " (" + waited + ")"));
  if (turns_.contains(lane_key(plan(i))) && lane_ == lane_key(plan(i)) && !lane_broken_by_) lane_broken_by_ = i;
  close(i);
  block_after(i);
}

void Engine::close(std::size_t i) {
  --open_;
  held_.erase(i);
  waiting_.erase(i);
  if (lane_.empty() || lane_key(plan(i)) != lane_) return;
  const auto& turn = turns_.at(lane_);
  if (std::all_of(turn.begin(), turn.end(), [this](std::size_t one) { return terminal(one); })) lane_.clear();
}

// Starts the next turn if none is running and a step waits for one.
void Engine::take_lane() {
  if (!lane_.empty() || held_.empty() || !ordering_.empty()) return;
  if (lane_broken_by_) {
    while (!held_.empty()) block(*held_.begin(), *lane_broken_by_);
    return;
  }
  auto next = std::find_if(held_.begin(), held_.end(), [this](std::size_t i) { return !passed_over_.contains(plan(i).group); });
  if (next == held_.end()) next = held_.begin();
  const PlanNode& first = plan(*next);
  const auto order = plan_.orders.find(first.group);
  if (first.group.empty() || order == plan_.orders.end() || !order->second.order) return give_lane(lane_key(first));
  if (executor_.now() < order_again_) return;
  ordering_ = first.group;
  start_round(order_round, shared(order->second.all_asks()));
}

void Engine::give_lane(const std::string& key) {
  order_since_.reset();
  passed_over_.clear();
  lane_ = key;
  const auto turn = turns_.at(key);
  for (const std::size_t i : turn) nodes_[i].refresh = true;
  for (const std::size_t i : turn)
    if (held_.erase(i)) begin(i);
}

void Engine::order_known() {
  const std::string group = std::exchange(ordering_, {});
  if (auto lasting = lasting_failure(order_.asks, order_.answers)) {
    for (const std::size_t i : std::set<std::size_t>(held_))
      if (plan(i).group == group && !terminal(i)) return fail(i, std::move(*lasting));
  }
  for (const std::string& member : plan_.orders.at(group).order(order_.answers)) {
    if (member.empty()) break;
    const auto turn = turns_.find("group " + group + " " + member);
    if (turn == turns_.end() || std::all_of(turn->second.begin(), turn->second.end(), [this](std::size_t i) { return terminal(i); })) continue;
    if (std::any_of(turn->second.begin(), turn->second.end(), [this](std::size_t i) { return held_.contains(i); })) return give_lane(turn->first);
    break;  // it is next, but a step before it is not done yet
  }
  passed_over_.insert(group);  // the step before it may need the turn of another group
  const Time now = executor_.now();
  // A change that is being made, or a wait of the group that has its own limit, may be the reason why no member is ready: the patience starts anew.
  bool busy = false;
  for (std::size_t i = 0; i < nodes_.size() && !busy; ++i)
    busy = nodes_[i].at == At::acting || (nodes_[i].at == At::asking && plan(i).group == group);
  if (!order_since_ || busy) order_since_ = now;
  if (std::any_of(held_.begin(), held_.end(), [this](std::size_t i) { return !passed_over_.contains(plan(i).group); })) return;
  passed_over_.clear();
  order_again_ = now + std::chrono::milliseconds(500);
  if (now - std::max(*order_since_, order_told_) >= tell_every) {
    order_told_ = now;
    for (const std::size_t i : held_)
      if (plan(i).group == group && plan(i).changes())
        emit(Event::Kind::step_waiting, plan(i).host, plan(i).id, "waits until a member of " + group + " can be restarted safely",
             since(*order_since_));
  }
  if (now - *order_since_ < order_patience) return;
  Failure failure{.code = Code::refused,
                  .message = "no member of " + group + " could be restarted safely for " + std::to_string(order_patience.count()) + " s",
                  .hint = "see status: the cluster must be healthy before a member is restarted"};
  blame_lost_host(failure, order_.asks);
  std::optional<std::size_t> first;
  for (const std::size_t i : std::set<std::size_t>(held_)) {
    if (plan(i).group != group || terminal(i)) continue;
    if (first) {
      block(i, *first);
    } else {
      first = i;
      fail(i, failure);
    }
  }
}

}  // namespace pgcluster
