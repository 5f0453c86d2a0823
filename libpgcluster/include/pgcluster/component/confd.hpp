#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component confd that other components may wait for.
namespace pgcluster::confd {

/// HAProxy asks all Patronis in the wished way only. Planned while a cluster goes over from plain to TLS, or back.
inline StepRef closed(const std::string& host) { return {host, "confd", "closed"}; }
/// confd runs. Planned for each balancer, if confd_install and confd_binary are set.
inline StepRef service(const std::string& host) { return {host, "confd", "service"}; }

}  // namespace pgcluster::confd
