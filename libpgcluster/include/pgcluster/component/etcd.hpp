#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component etcd that other components may wait for.
namespace pgcluster::etcd {

/// The host's member is part of a quorum, and the cluster's members are those of the spec. Planned for each member.
inline StepRef healthy(const std::string& host) { return {host, "etcd", "healthy"}; }
/// Its member no longer answers in the way that the cluster leaves (TLS or plain). Planned while a cluster goes over.
inline StepRef closed(const std::string& host) { return {host, "etcd", "closed"}; }

/// etcd has its users, and lets in nobody else; or it lets in everybody again, where the cluster gives up TLS. Planned where it has users or gives
/// them up.
inline StepRef users() { return {"", "etcd", "users"}; }

/// The host no longer tells that etcd has users. Planned where the cluster gives up TLS.
inline StepRef unmarked(const std::string& host) { return {host, "etcd", "remove:file:/var/lib/pgcluster/etcd-users"}; }

}  // namespace pgcluster::etcd
