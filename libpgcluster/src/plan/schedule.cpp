#include "plan/schedule.hpp"

#include <algorithm>
#include <set>

namespace pgcluster {

std::string lane_key(const PlanNode& node) { return node.group.empty() ? "step " + node.id : "group " + node.group + " " + node.member; }

std::map<std::string, std::vector<std::size_t>> disturbing_turns(const std::vector<PlanNode>& nodes) {
  std::map<std::string, std::vector<std::size_t>> turns;
  std::set<std::string> disturbing;
  for (const PlanNode& node : nodes)
    if (disturbs(node.impact())) disturbing.insert(lane_key(node));
  if (disturbing.empty()) return turns;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (const std::string turn = lane_key(nodes[i]); disturbing.contains(turn)) turns[turn].push_back(i);
  return turns;
}

std::vector<std::size_t> expected_order(const std::vector<PlanNode>& nodes, const std::map<std::string, Order>& orders,
                                        const std::map<std::string, Answers>& answers) {
  const auto turns = disturbing_turns(nodes);
  std::vector<std::size_t> order;
  order.reserve(nodes.size());
  std::vector<std::size_t> waits(nodes.size());
  std::set<std::size_t> ready;  // steps that do not disturb
  std::set<std::size_t> held;   // steps of disturbing turns
  std::string lane;
  const auto offer = [&](std::size_t i) { (turns.contains(lane_key(nodes[i])) && lane_key(nodes[i]) != lane ? held : ready).insert(i); };
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if ((waits[i] = nodes[i].before.size()) == 0) offer(i);
  // The rank of each member in its group's order.
  const auto rank = [&](std::size_t i) {
    const PlanNode& node = nodes[i];
    const auto it = orders.find(node.group);
    if (it == orders.end() || !it->second.order) return std::size_t(0);
    const auto known = answers.find(node.group);
    const std::vector<std::string> members = it->second.order(known == answers.end() ? Answers() : known->second);
    return static_cast<std::size_t>(std::find(members.begin(), members.end(), node.member) - members.begin());
  };
  while (!ready.empty() || !held.empty()) {
    if (ready.empty()) {
      const auto next = std::min_element(held.begin(), held.end(), [&](std::size_t a, std::size_t b) {
        return nodes[a].group == nodes[b].group ? rank(a) < rank(b) || (rank(a) == rank(b) && a < b) : a < b;
      });
      lane = lane_key(nodes[*next]);
      for (auto it = held.begin(); it != held.end();)
        if (lane_key(nodes[*it]) == lane) {
          ready.insert(*it);
          it = held.erase(it);
        } else {
          ++it;
        }
    }
    const std::size_t i = *ready.begin();
    ready.erase(ready.begin());
    order.push_back(i);
    for (const std::size_t next : nodes[i].after)
      if (--waits[next] == 0) offer(next);
  }
  return order;
}

std::vector<std::vector<std::size_t>> awaited_changes(const std::vector<PlanNode>& nodes) {
  std::vector<std::vector<std::size_t>> awaited(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    std::set<std::size_t> all;
    for (const std::size_t before : nodes[i].before) {
      if (nodes[before].changes())
        all.insert(before);
      else
        all.insert(awaited[before].begin(), awaited[before].end());
    }
    awaited[i].assign(all.begin(), all.end());
  }
  return awaited;
}

}  // namespace pgcluster
