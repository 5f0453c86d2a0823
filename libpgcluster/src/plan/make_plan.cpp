#include <algorithm>
#include <set>

#include "plan/data.hpp"
#include "plan/projection.hpp"
#include "plan/schedule.hpp"

namespace pgcluster {
namespace {

std::vector<PlanNode> lay_out(const Steps& steps) {
  std::vector<PlanNode> nodes;
  std::map<std::string, std::size_t> index;
  std::map<std::string, std::string> keeper;  // resource -> step
  for (const Steps::Node& node : steps.nodes()) {
    PlanNode made{.step = node.step, .id = node.step->name(), .group = node.group, .member = node.member, .asks = node.step->asks()};
    made.host = host_of(made.id);
    for (const std::string& before : steps.before(made.id)) made.before.push_back(index.at(before));
    for (const std::string& resource : node.step->keeps()) {
      if (resource.starts_with("package:")) continue;  // installed is the only wish that there is for a package
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

std::map<std::string, std::vector<Ask>> questions(const std::vector<PlanNode>& nodes, const std::map<std::string, Order>& orders) {
  std::map<std::string, std::vector<Ask>> by_host;
  std::set<std::string> seen;
  const auto add = [&](const std::vector<Ask>& asks) {
    for (const Ask& ask : asks)
      if (seen.insert(key(ask)).second) by_host[ask.at].push_back(ask);
  };
  for (const PlanNode& node : nodes) add(node.asks);
  for (const auto& [group, order] : orders) add(order.asks);
  return by_host;
}

// One error for several hosts: the first host's own, with the others among its diagnostics.
[[noreturn]] void throw_all(const std::map<std::string, Error>& errors) {
  const auto& first = errors.begin()->second;
  if (errors.size() == 1) throw first;
  Failure failure = first.failure();
  for (const auto& [host, error] : errors)
    if (&error != &first) failure.diagnostics.push_back({.message = error.message(), .hint = error.hint(), .path = host});
  throw Error(std::move(failure));
}

// Exec and Http are not projected: what they will answer after a change is not known.
bool guessed(const PlanNode& node, const Answers& answers) {
  return std::any_of(node.asks.begin(), node.asks.end(), [&](const Ask& ask) { return answers.pending(ask); });
}

void decide_all(std::vector<PlanNode>& nodes, Projection& projection) {
  std::vector<Diagnostic> refusals;
  Code code = Code::refused;
  std::string host, step;
  for (PlanNode& node : nodes) {
    const Answers answers = projection.answers(node.asks);
    node.promise = node.step->decide(answers);
    if (auto* change = std::get_if<Change>(&node.promise)) {
      for (Do& d : change->todo)
        if (projection.touched(d)) d.was.reset();
      for (const Do& d : change->todo) projection.project(d);
    } else if (std::holds_alternative<Later>(node.promise)) {
      projection.may_touch(node.host, node.step->keeps());
    } else if (const auto* refused = std::get_if<Refused>(&node.promise)) {
      Diagnostic why = refused->why;
      if (why.path.empty()) why.path = node.id;
      if (refusals.empty()) code = refused->code, host = node.host, step = node.id;
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

PlannedChange describe(const PlanNode& node) {
  PlannedChange change{.id = node.id, .host = node.host, .component = component_of(node.id)};
  const auto end = node.id.find('/', node.id.find('/') + 1);
  change.step = end == std::string::npos ? node.id : node.id.substr(end + 1);
  change.impact = node.impact();
  if (const auto* known = std::get_if<Change>(&node.promise)) {
    change.action = known->action;
    change.reason = known->reason;
    if (!known->diff.empty()) change.diff = known->diff;
  } else if (const auto* later = std::get_if<Later>(&node.promise)) {
    change.action = later->action;
    change.known = false;
    change.reason = "waits until " + later->until;
  }
  return change;
}

}  // namespace

Plan make_plan(const Hosts& hosts, const Steps& steps, Executor& executor, const PlanOptions& options) {
  auto data = std::make_shared<Plan::Data>();
  data->hosts = hosts;
  data->nodes = lay_out(steps);
  data->orders = steps.orders();
  data->warnings = options.warnings;
  data->origin = options.origin;
  data->parallel = options.parallel;

  auto asks = questions(data->nodes, data->orders);
  Projection projection;
  for (const std::string& host : options.without)
    if (const auto left_out = asks.extract(host); !left_out.empty())
      for (const Ask& ask : left_out.mapped()) projection.add(ask, Unreadable{host + " is left out"});
  const Observed observed = observe(hosts, asks, executor, options);
  if (!observed.errors.empty()) throw_all(observed.errors);
  for (const auto& [host, questions_of_host] : asks) {
    const auto given = observed.answers.find(host);
    if (given == observed.answers.end())
      throw Error({.code = Code::timed_out,
                   .message = host + " did not answer within " + std::to_string(options.deadline.count()) + " s",
                   .hint = "see whether the host is overloaded, and plan again",
                   .host = host,
                   .retryable = true});
    const auto& answers = given->second;
    for (std::size_t i = 0; i < questions_of_host.size(); ++i)
      projection.add(questions_of_host[i], i < answers.size() ? answers[i] : Answer(Unreadable{"the host gave no answer"}));
  }
  std::map<std::string, Answers> order_answers;
  for (const auto& [group, order] : data->orders) order_answers[group] = projection.answers(order.asks);

  decide_all(data->nodes, projection);

  const auto awaited = awaited_changes(data->nodes);
  std::string last_disturbed;
  std::string lane;
  for (const std::size_t i : expected_order(data->nodes, data->orders, order_answers)) {
    const PlanNode& node = data->nodes[i];
    if (!node.changes()) continue;
    PlannedChange change = describe(node);
    for (const std::size_t before : awaited[i]) change.after.push_back(data->nodes[before].id);
    if (disturbs(node.impact())) {
      // One host at a time: the turn before is waited for, too.
      if (const std::string turn = lane_key(node); turn != lane) {
        if (!last_disturbed.empty() && std::find(change.after.begin(), change.after.end(), last_disturbed) == change.after.end())
          change.after.push_back(last_disturbed);
        lane = turn;
      }
      last_disturbed = node.id;
    }
    data->changes.push_back(std::move(change));
  }
  return Plan(std::move(data));
}

}  // namespace pgcluster
