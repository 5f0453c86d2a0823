#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component vip-manager that other components may wait for.
namespace pgcluster::vip_manager {

/// The unit pgcluster-vip.service runs. Planned for each database host, if cluster_vip is set without HAProxy.
inline StepRef service(const std::string& host) { return {host, "vip-manager", "service"}; }
/// Keepalived has given up the VIP on every host. Planned if vip-manager is.
inline StepRef released() { return {"", "vip-manager", "released"}; }
/// One database host holds the VIP. Planned if vip-manager is.
inline StepRef held() { return {"", "vip-manager", "held"}; }
/// No other host on the network answers for the VIP. Planned only before the cluster uses the VIP for the first time.
inline StepRef free() { return {"", "vip-manager", "free"}; }

}  // namespace pgcluster::vip_manager
