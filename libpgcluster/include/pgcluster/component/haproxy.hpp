#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component haproxy that other components may wait for.
namespace pgcluster::haproxy {

/// The haproxy package is installed. Planned for each balancer.
inline StepRef packages(const std::string& host) { return {host, "haproxy", "packages"}; }
/// HAProxy listens on all its ports. Planned for each balancer.
inline StepRef listens(const std::string& host) { return {host, "haproxy", "listens"}; }
/// HAProxy runs on its present configuration and reaches the leader. Planned for each balancer.
inline StepRef serves(const std::string& host) { return {host, "haproxy", "serves"}; }

}  // namespace pgcluster::haproxy
