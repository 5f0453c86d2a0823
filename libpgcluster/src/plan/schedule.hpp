#pragma once

#include <string>
#include <vector>

#include "plan/data.hpp"

namespace pgcluster {

/// The order in which apply is expected to start the steps. Disturbing steps come one member at a time, in the order of their group. `answers` are
/// the answers to the asks of the orders, by group.
std::vector<std::size_t> expected_order(const std::vector<PlanNode>& nodes, const std::map<std::string, Order>& orders,
                                        const std::map<std::string, Answers>& answers);

/// For each step, the changes that it waits for, directly or through steps that change nothing.
std::vector<std::vector<std::size_t>> awaited_changes(const std::vector<PlanNode>& nodes);

}  // namespace pgcluster
