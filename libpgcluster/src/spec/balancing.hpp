#pragma once

#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// What is wrong or doubtful with the keys of load balancing.
void check_balancing(const Spec& spec, std::vector<Diagnostic>& findings);
/// The same about the load balancers of a cloud.
void check_cloud(const Spec& spec, std::vector<Diagnostic>& findings);

}  // namespace pgcluster
