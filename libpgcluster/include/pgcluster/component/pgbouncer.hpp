#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component pgbouncer that other components may wait for.
namespace pgcluster::pgbouncer {

/// PgBouncer listens on its port. Planned for each database host, if pgbouncer_install is true.
inline StepRef listens(const std::string& host) { return {host, "pgbouncer", "listens"}; }

}  // namespace pgcluster::pgbouncer
