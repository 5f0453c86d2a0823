#pragma once

#include <string>
#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// What is wrong with postgresql_parameters: settings that are not the user's to make, and values that PostgreSQL or Patroni would refuse or ignore.
void check_parameters(const Spec& spec, std::vector<Diagnostic>& findings);

}  // namespace pgcluster
