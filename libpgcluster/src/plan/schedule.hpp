#pragma once

#include <string>
#include <vector>

#include "plan/data.hpp"

namespace pgcluster {

/// The order in which apply begins the steps, as far as it is known: what disturbs comes a member at a time, in its group's order.
/// `answers` are those to the orders' asks.
std::vector<std::size_t> expected_order(const std::vector<PlanNode>& nodes, const std::map<std::string, Order>& orders,
                                        const std::map<std::string, Answers>& answers);

/// For each step the changes that it waits for directly, looking through steps that change nothing.
std::vector<std::vector<std::size_t>> awaited_changes(const std::vector<PlanNode>& nodes);

}  // namespace pgcluster
