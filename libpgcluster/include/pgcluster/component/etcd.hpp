#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component etcd that other components may wait for.
namespace pgcluster::etcd {

/// The host's member answers with a quorum, and the members are the described ones. Planned for each member.
inline StepRef healthy(const std::string& host) { return {host, "etcd", "healthy"}; }

}  // namespace pgcluster::etcd
