#include <algorithm>
#include <utility>

#include "base/joined.hpp"
#include "base/nearest.hpp"
#include "plan/data.hpp"
#include "plan/projection.hpp"
#include "plan/schedule.hpp"

namespace pgcluster {
namespace {

// Each required reference of after() leads to a step of the plan, or to a host that the plan leaves out.
void check_references(const Steps& steps, const std::set<std::string>& without) {
  std::vector<Steps::Missing> missing = steps.missing();
  std::erase_if(missing, [&](const Steps::Missing& one) { return without.contains(host_of(one.awaited)); });
  if (missing.empty()) return;
  std::vector<std::string> names;
  for (const Steps::Node& node : steps.nodes()) names.push_back(node.step->name());
  const std::vector<std::string_view> known(names.begin(), names.end());
  std::vector<Diagnostic> findings;
  for (const Steps::Missing& one : missing) {
    const std::string_view near = nearest(one.awaited, known);
    findings.push_back(
        {.message = one.step + " waits for " + one.awaited + ", and the plan has no such step",
         .hint = near.empty() ? "use after_where_planned() to wait for a step that only some plans have" : "did you mean " + std::string(near) + "?",
         .path = one.step});
  }
  Failure failure{
      .code = Code::internal, .message = findings[0].message, .hint = findings[0].hint, .host = host_of(missing[0].step), .step = missing[0].step};
  failure.diagnostics.assign(findings.begin() + 1, findings.end());
  throw Error(std::move(failure));
}

std::vector<PlanNode> lay_out(const Steps& steps, Questions& questions) {
  std::vector<PlanNode> nodes;
  std::map<std::string, std::size_t> index;
  std::map<std::string, std::string> keeper;  // resource -> step
  const std::vector<Steps::Node> ordered = steps.nodes();
  nodes.reserve(ordered.size());
  for (const Steps::Node& node : ordered) {
    PlanNode made{.step = node.step, .id = node.step->name(), .group = node.group, .member = node.member, .asks = questions.add(node.step->asks())};
    made.host = host_of(made.id);
    for (const std::string& before : steps.before(made.id)) made.before.push_back(index.at(before));
    for (const std::string& resource : node.step->keeps()) {
      if (resource.starts_with("package:")) continue;  // several steps may need the same package: each can only wish that it is installed
      const auto [it, is_new] = keeper.emplace(made.host + " " + resource, made.id);
      if (!is_new)
        throw Error(Code::spec_invalid,
                    "two steps keep " + resource + (made.host.empty() ? "" : " on " + made.host) + ": " + it->second + " and " + made.id,
                    "one resource, one step: change one of the components");
    }
    index[made.id] = nodes.size();
    nodes.push_back(std::move(made));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (const std::size_t before : nodes[i].before) nodes[before].after.push_back(i);
  return nodes;
}

// Throws the error of the first host, with those of the others as its diagnostics.
[[noreturn]] void throw_all(const std::map<std::string, Error>& errors) {
  const auto& first = errors.begin()->second;
  if (errors.size() == 1) throw first;
  Failure failure = first.failure();
  for (const auto& [host, error] : errors)
    if (&error != &first) failure.diagnostics.push_back({.message = error.message(), .hint = error.hint(), .path = host});
  throw Error(std::move(failure));
}

void ask_all(const Hosts& hosts, const std::vector<AskPtr>& questions, Projection& projection, Executor& executor, const PlanOptions& options) {
  if (questions.empty()) return;
  std::map<std::string, std::vector<AskPtr>> by_host;
  std::map<std::string, std::vector<Ask>> asks;
  for (const AskPtr& ask : questions) {
    if (options.without.contains(ask->at)) {
      projection.add(ask, Unreadable{ask->at + " is left out"});
      continue;
    }
    by_host[ask->at].push_back(ask);
    asks[ask->at].push_back(*ask);
  }
  Observed observed = observe(hosts, asks, executor, options);
  if (!observed.errors.empty()) throw_all(observed.errors);
  for (const auto& [host, of_host] : by_host) {
    const auto given = observed.answers.find(host);
    if (given == observed.answers.end())
      throw Error({.code = Code::timed_out,
                   .message = host + " did not answer within " + std::to_string(options.deadline.count()) + " s",
                   .hint = "check whether the host is overloaded, and plan again",
                   .host = host,
                   .retryable = true});
    auto& answers = given->second;
    for (std::size_t i = 0; i < of_host.size(); ++i)
      projection.add(of_host[i], i < answers.size() ? std::move(answers[i]) : Answer(Unreadable{"the host gave no answer"}));
  }
}

// Whether an earlier change may alter an answer. The answers to Exec and Http after a change are unknown.
bool guessed(const PlanNode& node, const Answers& answers) {
  return std::any_of(node.asks.begin(), node.asks.end(), [&](const AskPtr& ask) { return answers.pending(*ask); });
}

void decide_all(std::vector<PlanNode>& nodes, Projection& projection) {
  std::vector<Diagnostic> refusals;
  std::set<std::pair<std::string, std::string>> told;  // host and message: one cause, one error
  Code code = Code::refused;
  std::string host, step;
  for (PlanNode& node : nodes) {
    const Answers answers = projection.answers(node.asks);
    node.promise = node.step->decide(answers);
    if (std::holds_alternative<Change>(node.promise) || std::holds_alternative<Later>(node.promise))
      if (auto failure = lasting_failure(node.asks, answers)) {
        if (failure->host.empty()) failure->host = node.host;
        failure->step = node.id;
        throw Error(std::move(*failure));
      }
    if (auto* change = std::get_if<Change>(&node.promise)) {
      for (Do& d : change->todo)
        if (projection.touched(d)) d.was.reset();
      for (const Do& d : change->todo) projection.project(d);
    } else if (std::holds_alternative<Later>(node.promise)) {
      projection.may_touch(node.host, node.step->keeps());
    } else if (const auto* refused = std::get_if<Refused>(&node.promise)) {
      Diagnostic why = refused->why;
      if (why.path.empty()) why.path = node.id;
      const std::string& on = refused->host.empty() ? node.host : refused->host;
      if (!told.emplace(on, why.message).second) continue;
      if (refusals.empty()) code = refused->code, host = on, step = node.id;
      refusals.push_back(std::move(why));
    } else {
      node.verify = guessed(node, answers);
    }
  }
  if (refusals.empty()) return;
  Failure failure{.code = code, .message = refusals[0].message, .hint = refusals[0].hint, .host = host, .step = step};
  failure.diagnostics.assign(refusals.begin() + 1, refusals.end());
  throw Error(std::move(failure));
}

// Takes what would restart something out of the plan, and what comes after it: that was decided for a service that has been restarted.
std::optional<Diagnostic> leave_restarts(Plan::Data& plan) {
  std::vector<PlanNode>& nodes = plan.nodes;
  std::vector<bool> after(nodes.size());
  std::vector<std::string> restarts, others;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    PlanNode& node = nodes[i];
    const bool restarts_now = disturbs(node.impact()) && node.impact() != Impact::data;
    after[i] = restarts_now || std::any_of(node.before.begin(), node.before.end(), [&](std::size_t before) { return after[before]; });
    if (!after[i]) continue;
    if (node.changes()) (restarts_now ? restarts : others).push_back(node.id);
    node.promise = Done{};
    node.verify = false;
  }
  plan.left_out = restarts.size() + others.size();
  if (restarts.empty()) return std::nullopt;
  std::string all = joined(restarts);
  if (!others.empty()) all += "; and what comes after: " + joined(others);
  return Diagnostic{.severity = Severity::warning,
                    .message = "left out, as nothing may be restarted: " + all,
                    .hint = "an apply without that limit makes these changes"};
}

// Moves the diff out of the step's decision: the apply does not need it.
PlannedChange describe(PlanNode& node) {
  PlannedChange change{.id = node.id, .host = node.host, .component = component_of(node.id)};
  const auto ref = parse_step_name(node.id);
  change.step = ref ? ref->what : node.id;
  change.impact = node.impact();
  if (auto* known = std::get_if<Change>(&node.promise)) {
    change.action = known->action;
    change.reason = known->reason;
    if (!known->diff.empty()) change.diff = std::exchange(known->diff, {});
  } else if (const auto* later = std::get_if<Later>(&node.promise)) {
    change.action = later->action;
    change.known = false;
    change.reason = "waits until " + later->until;
  }
  return change;
}

}  // namespace

std::optional<Failure> lasting_failure(const std::vector<AskPtr>& asks, const Answers& answers) {
  for (const AskPtr& ask : asks)
    if (const auto* unknown = answers.get<Unreadable>(*ask); unknown && unknown->lasting)
      return Failure{.code = Code::command_failed,
                     .message = unknown->why,
                     .hint = (std::holds_alternative<Exec>(ask->what) ? "run the command on " : "look at the file on ") + ask->at +
                             " to see what makes it so long",
                     .host = ask->at};
  return std::nullopt;
}

AskPtr Questions::add(AskPtr ask) {
  const std::size_t at = hash(*ask);
  const auto [begin, end] = known_.equal_range(at);
  if (const auto it = std::find_if(begin, end, [&](const auto& one) { return *one.second == *ask; }); it != end) return it->second;
  all_.push_back(ask);
  return known_.emplace(at, std::move(ask))->second;
}

std::vector<AskPtr> Questions::add(std::vector<Ask> asks) {
  std::vector<AskPtr> added;
  added.reserve(asks.size());
  for (Ask& ask : asks) added.push_back(add(std::make_shared<const Ask>(std::move(ask))));
  return added;
}

Plan make_plan(const Hosts& hosts, const Steps& steps, Executor& executor, const PlanOptions& options) {
  return make_plan(hosts, steps, executor, options, Known{});
}

Plan make_plan(const Hosts& hosts, const Steps& steps, Executor& executor, const PlanOptions& options, Known known, LostHostHint lost_host_hint) {
  auto data = std::make_shared<Plan::Data>();
  data->hosts = hosts;
  check_references(steps, options.without);
  Questions questions;
  data->nodes = lay_out(steps, questions);
  data->orders = steps.orders();
  data->warnings = options.warnings;
  data->origin = options.origin;
  data->parallel = options.parallel;
  data->lost_host_hint = std::move(lost_host_hint);

  Projection projection;
  for (auto& [ask, answer] : known)
    if (hosts.contains(ask->at)) projection.add(questions.add(std::move(ask)), std::move(answer));
  known = {};
  std::vector<AskPtr> open;
  for (const AskPtr& ask : questions.all())
    if (!projection.knows(*ask)) open.push_back(ask);
  ask_all(hosts, open, projection, executor, options);
  decide_all(data->nodes, projection);
  if (options.no_restart)
    if (auto left = leave_restarts(*data)) data->warnings.push_back(std::move(*left));

  // The asks of an order cost one more round trip. Send them only for groups in which a step disturbs a member.
  std::map<std::string, std::vector<AskPtr>> order_asks;
  Questions more;
  for (const PlanNode& node : data->nodes) {
    const auto order = data->orders.find(node.group);
    if (!disturbs(node.impact()) || order == data->orders.end() || order_asks.contains(node.group)) continue;
    for (const AskPtr& ask : order_asks[node.group] = questions.add(order->second.all_asks()))
      if (!projection.knows(*ask)) more.add(ask);
  }
  ask_all(hosts, more.all(), projection, executor, options);
  std::map<std::string, Answers> order_answers;
  for (const auto& [group, asks] : order_asks) order_answers[group] = projection.first(asks);

  const auto awaited = awaited_changes(data->nodes);
  data->changes.reserve(
      static_cast<std::size_t>(std::count_if(data->nodes.begin(), data->nodes.end(), [](const PlanNode& node) { return node.changes(); })));
  std::string last_disturbed;
  std::string lane;
  for (const std::size_t i : expected_order(data->nodes, data->orders, order_answers)) {
    PlanNode& node = data->nodes[i];
    if (!node.changes()) continue;
    PlannedChange change = describe(node);
    change.after.reserve(awaited[i].size());
    for (const std::size_t before : awaited[i]) change.after.push_back(data->nodes[before].id);
    if (disturbs(node.impact())) {
      // Only one turn runs at a time: this one also waits for the turn before it.
      if (const std::string turn = lane_key(node); turn != lane) {
        if (!last_disturbed.empty() && std::find(change.after.begin(), change.after.end(), last_disturbed) == change.after.end())
          change.after.push_back(last_disturbed);
        lane = turn;
      }
      last_disturbed = node.id;
    }
    data->changes.push_back(std::move(change));
  }
  data->unchanged = data->nodes.size() - data->changes.size() - data->left_out;
  if (data->changes.empty()) data->nodes.clear();  // an empty plan needs no steps: a caller may keep the plans of a whole fleet
  return Plan(std::move(data));
}

}  // namespace pgcluster
