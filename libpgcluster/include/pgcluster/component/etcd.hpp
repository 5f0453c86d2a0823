#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component etcd that other components may wait for.
namespace pgcluster::etcd {

/// The host's member is part of a quorum, and the cluster's members are those of the spec. Planned for each member.
inline StepRef healthy(const std::string& host) { return {host, "etcd", "healthy"}; }
/// Its member no longer answers in the way that the cluster leaves (TLS or plain). Planned while a cluster goes over.
inline StepRef closed(const std::string& host) { return {host, "etcd", "closed"}; }

}  // namespace pgcluster::etcd
