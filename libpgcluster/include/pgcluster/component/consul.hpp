#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component consul that other components may wait for.
namespace pgcluster::consul {

/// A server votes and is up to date, and the servers are the described ones; an agent knows the leader. Planned for each host with a
/// Consul agent.
inline StepRef healthy(const std::string& host) { return {host, "consul", "healthy"}; }

}  // namespace pgcluster::consul
