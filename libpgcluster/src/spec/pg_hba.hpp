#pragma once

#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// What is wrong with postgresql_pg_hba: lines that PostgreSQL would refuse, which keeps a server from starting, and lines that never match because
/// one of pgcluster's stands before them.
void check_pg_hba(const Spec& spec, std::vector<Diagnostic>& findings);

}  // namespace pgcluster
