#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component etcd that other components may wait for.
namespace pgcluster::etcd {

/// The host's member is part of a quorum, and the cluster's members are those of the spec, but for such as still join or leave. Planned for each
/// member.
inline StepRef healthy(const std::string& host) { return {host, "etcd", "healthy"}; }
/// Its member no longer answers in the way that the cluster leaves (TLS or plain). Planned while a cluster goes over.
inline StepRef closed(const std::string& host) { return {host, "etcd", "closed"}; }

/// Members that are gone, and what an aborted change has left, are removed. Planned where the members change, before anything else of that.
inline StepRef cleared() { return {"", "etcd", "cleared"}; }
/// The host's member is in the list of members, and may start. Planned for each member that joins a running etcd.
inline StepRef added(const std::string& host) { return {host, "etcd", "added"}; }
/// All members that join have a vote. Planned where some join: clients may be told of them then.
inline StepRef voting() { return {"", "etcd", "voting"}; }

/// etcd has its users; or it lets in everybody again, where the cluster gives up TLS. Planned where it has users or gives them up.
inline StepRef users() { return {"", "etcd", "users"}; }
/// etcd lets in nobody but its users. Planned where it has users.
inline StepRef auth() { return {"", "etcd", "auth"}; }

/// The host no longer tells that etcd has users. Planned where the cluster gives up TLS.
inline StepRef unmarked(const std::string& host) { return {host, "etcd", "remove:file:/var/lib/pgcluster/etcd-users"}; }

}  // namespace pgcluster::etcd
