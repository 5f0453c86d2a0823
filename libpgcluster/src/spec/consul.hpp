#pragma once

#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// What of Consul contradicts the rest of a spec, or says nothing.
void check_consul(const Spec& spec, std::vector<Diagnostic>& findings);

}  // namespace pgcluster
