#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component consul that other components may wait for.
namespace pgcluster::consul {

/// On a server: it votes and is up to date, and the servers are those of the spec. On another agent: it knows the leader. Planned for each host with
/// a Consul agent.
inline StepRef healthy(const std::string& host) { return {host, "consul", "healthy"}; }
/// Its agent no longer answers in the way that the cluster leaves (TLS or plain). Planned while a cluster goes over.
inline StepRef closed(const std::string& host) { return {host, "consul", "closed"}; }
/// Consul knows the host's tokens. Planned for each host with a running agent whose cluster has replaced its tokens.
inline StepRef known_tokens(const std::string& host) { return {host, "consul", "known-tokens"}; }

}  // namespace pgcluster::consul
