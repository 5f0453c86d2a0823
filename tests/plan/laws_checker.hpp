#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <pgcluster/simulation/simulated.hpp>
#include <pgcluster/plan/plan.hpp>

// What an apply did, judged by its trace, the declared graph and what the plan said. Knows nothing of how the engine schedules.
namespace laws {

using pgcluster::Plan;
using pgcluster::PlannedChange;
using pgcluster::SimulatedAct;
using pgcluster::SimulatedTime;
using pgcluster::Steps;

class Checker {
 public:
  /// `recovers`: how long a service that was restarted is not ready after it is active.
  Checker(const Steps& steps, const Plan& plan, std::chrono::milliseconds recovers) : recovers_(recovers) {
    for (const Steps::Node& node : steps.nodes()) {
      const std::string id = node.step->name();
      std::set<std::string>& all = before_[id];
      for (const std::string& one : steps.before(id)) {
        all.insert(one);
        all.insert(before_[one].begin(), before_[one].end());
      }
      for (const std::string& resource : node.step->keeps()) keepers_[pgcluster::host_of(id) + " " + resource].push_back(id);
      turn_[id] = node.group.empty() ? id : node.group + " " + node.member;
      if (!node.group.empty()) grouped_.insert(id);
    }
    for (const PlannedChange& change : plan.changes()) planned_.emplace(change.id, change);
  }

  std::vector<std::string> violations(const std::vector<SimulatedAct>& trace) const {
    std::vector<std::string> found;
    announced(trace, found);
    ordered(trace, found);
    one_at_a_time(trace, found);
    return found;
  }

  /// Planned changes that neither the host's trouble nor a place in the lane can hold up.
  std::vector<std::string> independent_of(const std::string& host) const {
    std::set<std::string> disturbing;
    for (const auto& [id, change] : planned_)
      if (disturbs(change.impact)) disturbing.insert(turn_.at(id));
    const auto held = [&](const std::string& id) { return pgcluster::host_of(id) == host || disturbing.contains(turn_.at(id)); };
    std::vector<std::string> free;
    for (const auto& [id, change] : planned_) {
      const auto& all = before_.at(id);
      if (!held(id) && std::none_of(all.begin(), all.end(), held)) free.push_back(id);
    }
    return free;
  }

 private:
  static std::string say(const SimulatedAct& act) { return "#" + std::to_string(act.sequence) + " " + act.host + ": " + act.description; }

  std::set<std::string> steps_of(const SimulatedAct& act) const {
    std::set<std::string> steps;
    for (const std::string& resource : act.resources)
      if (const auto it = keepers_.find(act.host + " " + resource); it != keepers_.end()) steps.insert(it->second.begin(), it->second.end());
    return steps;
  }

  void announced(const std::vector<SimulatedAct>& trace, std::vector<std::string>& found) const {
    for (const SimulatedAct& act : trace)
      for (const std::string& resource : act.resources) {
        const auto keepers = keepers_.find(act.host + " " + resource);
        bool promised = false;
        if (keepers != keepers_.end())
          for (const std::string& id : keepers->second)
            if (const auto it = planned_.find(id); it != planned_.end()) promised = promised || !act.disturbed || disturbs(it->second.impact);
        if (!promised) found.push_back("not announced: " + say(act) + " (" + resource + ")");
      }
  }

  void ordered(const std::vector<SimulatedAct>& trace, std::vector<std::string>& found) const {
    std::map<std::string, std::size_t> first, last;
    for (const SimulatedAct& act : trace)
      for (const std::string& id : steps_of(act)) {
        first.emplace(id, act.sequence);
        last[id] = act.sequence;
      }
    for (const auto& [id, at] : first)
      for (const std::string& one : before_.at(id))
        if (const auto it = last.find(one); it != last.end() && it->second >= at)
          found.push_back("too early: " + id + " at #" + std::to_string(at) + ", but " + one + " acted at #" + std::to_string(it->second));
  }

  void one_at_a_time(const std::vector<SimulatedAct>& trace, std::vector<std::string>& found) const {
    const SimulatedAct* last = nullptr;
    SimulatedTime until{};
    for (const SimulatedAct& act : trace) {
      if (!act.disturbed) continue;
      if (last && last->host != act.host && act.begin < until) found.push_back("two at once: " + say(*last) + " and " + say(act));
      last = &act;
      // Only a member of a group has its gate in its turn.
      const std::set<std::string> ids = steps_of(act);
      const bool gated = std::any_of(ids.begin(), ids.end(), [this](const std::string& id) { return grouped_.contains(id); });
      until = std::max(until, act.serving_at + (gated ? recovers_ : std::chrono::milliseconds(0)));
    }
  }

  std::chrono::milliseconds recovers_;
  std::map<std::string, std::set<std::string>> before_;
  std::map<std::string, std::vector<std::string>> keepers_;
  std::map<std::string, std::string> turn_;
  std::set<std::string> grouped_;
  std::map<std::string, PlannedChange> planned_;
};

}  // namespace laws
