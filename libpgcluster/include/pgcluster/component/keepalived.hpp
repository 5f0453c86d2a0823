#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component keepalived that other components may wait for.
namespace pgcluster::keepalived {

/// Keepalived's unit runs. Planned for each balancer, if cluster_vip is set with HAProxy.
inline StepRef service(const std::string& host) { return {host, "keepalived", "service"}; }
/// The component vip-manager (pgcluster-vip.service) has released the VIP on every host. Planned if Keepalived is.
inline StepRef released() { return {"", "keepalived", "released"}; }
/// One balancer holds the VIP. Planned if Keepalived is.
inline StepRef held() { return {"", "keepalived", "held"}; }
/// No other host on the network answers for the VIP. Planned only before the cluster uses the VIP for the first time.
inline StepRef free() { return {"", "keepalived", "free"}; }

}  // namespace pgcluster::keepalived
