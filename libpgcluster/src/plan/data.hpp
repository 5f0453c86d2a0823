#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <pgcluster/plan/plan.hpp>

namespace pgcluster {

/// All that the steps of a plan ask, each once, however many of them ask it.
class Questions {
 public:
  AskPtr add(AskPtr ask);
  std::vector<AskPtr> add(std::vector<Ask> asks);
  /// In the order of their first mention.
  const std::vector<AskPtr>& all() const noexcept { return all_; }

 private:
  std::vector<AskPtr> all_;
  std::unordered_multimap<std::size_t, AskPtr> known_;  // by hash(ask)
};

/// A step in its place, and what the plan promises of it.
struct PlanNode {
  StepPtr step;
  std::string id;
  std::string host;   // of its name; empty: the cluster's
  std::string group;  // rolling group
  std::string member;
  std::vector<std::size_t> before;  // indices of what it waits for
  std::vector<std::size_t> after;   // indices of what waits for it
  std::vector<AskPtr> asks;
  Decision promise;
  bool verify = false;  // promised Done on answers that an earlier change may alter: asked again when reached

  bool changes() const { return !std::holds_alternative<Done>(promise); }
  Impact impact() const {
    if (const auto* change = std::get_if<Change>(&promise)) return change->impact;
    if (const auto* later = std::get_if<Later>(&promise)) return later->at_most;
    return Impact::none;
  }
};

struct Plan::Data {
  Hosts hosts;
  std::vector<PlanNode> nodes;          // a step comes after all that it waits for; none where nothing changes
  std::map<std::string, Order> orders;  // by rolling group
  std::vector<PlannedChange> changes;   // in the order in which apply begins them
  std::vector<Diagnostic> warnings;
  PlanOrigin origin;
  std::size_t unchanged = 0;
  std::size_t parallel = 32;
};

/// Of an apply that was cancelled before its end.
Failure cancelled_failure();

/// Answers that have just come.
using Known = std::vector<std::pair<AskPtr, Answer>>;
/// The public one, which does not ask again what is known.
Plan make_plan(const Hosts& hosts, const Steps& steps, Executor& executor, const PlanOptions& options, Known known);

/// Which node a lane turn belongs to: the members of rolling groups as wholes, other steps each for itself.
std::string lane_key(const PlanNode& node);
/// The turns that disturb: every turn in which some step may.
std::map<std::string, std::vector<std::size_t>> disturbing_turns(const std::vector<PlanNode>& nodes);

}  // namespace pgcluster
