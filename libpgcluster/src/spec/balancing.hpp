#pragma once

#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// What is wrong or doubtful with the keys of load balancing.
void check_balancing(const Spec& spec, std::vector<Diagnostic>& findings);

}  // namespace pgcluster
