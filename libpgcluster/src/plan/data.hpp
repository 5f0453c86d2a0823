#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <pgcluster/plan/plan.hpp>

namespace pgcluster {

/// The controller's clock, in seconds since 1970.
inline std::int64_t unix_time() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The asks of all steps of a plan, each once.
class Questions {
 public:
  AskPtr add(AskPtr ask);
  std::vector<AskPtr> add(std::vector<Ask> asks);
  /// In the order in which they were first added.
  const std::vector<AskPtr>& all() const noexcept { return all_; }

 private:
  std::vector<AskPtr> all_;
  std::unordered_multimap<std::size_t, AskPtr> known_;  // by hash(ask)
};

/// A step in the graph of a plan, with the decision that the plan shows.
struct PlanNode {
  StepPtr step;
  std::string id;
  std::string host;   // in the step's name; empty: the cluster
  std::string group;  // rolling group
  std::string member;
  std::vector<std::size_t> before;  // indices of the steps that it waits for
  std::vector<std::size_t> after;   // indices of the steps that wait for it
  std::vector<AskPtr> asks;
  Decision promise;
  bool verify = false;  // Done was decided on answers that an earlier change may alter: decided again when reached

  bool changes() const { return !std::holds_alternative<Done>(promise); }
  Impact impact() const {
    if (const auto* change = std::get_if<Change>(&promise)) return change->impact;
    if (const auto* later = std::get_if<Later>(&promise)) return later->at_most;
    return Impact::none;
  }
};

/// What else a user may do about a host that an apply has lost, given its name; empty: nothing. Planners add it to the hint of the engine.
using LostHostHint = std::function<std::string(const std::string& host)>;

struct Plan::Data {
  Hosts hosts;
  std::vector<PlanNode> nodes;          // in a possible order of execution; empty if the plan has no changes
  std::map<std::string, Order> orders;  // by rolling group
  std::vector<PlannedChange> changes;   // in the order in which apply begins them
  std::vector<Diagnostic> warnings;
  PlanOrigin origin;
  std::size_t unchanged = 0;
  std::size_t left_out = 0;  // as PlanOptions::no_restart says
  std::size_t parallel = 32;
  LostHostHint lost_host_hint;
};

/// The failure of an apply that was cancelled before its end.
Failure cancelled_failure();

/// The failure of a step that cannot decide because an answer can never be read (Unreadable::lasting); nothing where all can.
std::optional<Failure> lasting_failure(const std::vector<AskPtr>& asks, const Answers& answers);

/// Answers that the planner has already.
using Known = std::vector<std::pair<AskPtr, Answer>>;
/// The public make_plan(), without the asks whose answers are known.
Plan make_plan(const Hosts& hosts, const Steps& steps, Executor& executor, const PlanOptions& options, Known known, LostHostHint lost_host_hint = {});

/// The turn to which a step belongs: that of its member of a rolling group, or one of its own.
std::string lane_key(const PlanNode& node);
/// The turns in which at least one step may disturb, with all their steps.
std::map<std::string, std::vector<std::size_t>> disturbing_turns(const std::vector<PlanNode>& nodes);

}  // namespace pgcluster
