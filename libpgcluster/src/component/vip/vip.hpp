#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

inline constexpr const char* vip_unit = "pgcluster-vip.service";
inline constexpr const char* vip_unit_file = "/etc/systemd/system/pgcluster-vip.service";
/// The name of pgcluster's VIP unit in early versions. Debian's vip-manager2 uses the same name: the unit belongs to pgcluster only on hosts where
/// `owned` lists it.
inline constexpr const char* former_vip_unit = "vip-manager.service";
inline constexpr const char* former_vip_unit_file = "/etc/systemd/system/vip-manager.service";
inline constexpr const char* keepalived_unit = "keepalived.service";
inline constexpr const char* keepalived_file = "/etc/keepalived/keepalived.conf";

/// The interface that carries the VIP: of the spec, else the one in whose network the host's address lies, else the default route's.
std::string vip_interface(const NodeView& node);
/// A finding where the spec's interface is not there.
std::vector<Diagnostic> no_vip_interface(const NodeView& node);
/// Asks for the VIP on a host, in the output of `ip -o address`; the output is empty if the host does not have it.
Ask vip_ask(const Spec& spec, const std::string& host);

/// The hosts, in order, the one that holds the VIP last.
Order vip_holder_last(const Spec& spec, const std::vector<std::string>& hosts);

/// The component that manages the VIP, and the component that would manage it in the other scheme (A or B).
struct VipKeeper {
  std::string component;  ///< "vip-manager"
  std::string unit;       ///< "pgcluster-vip.service"
  std::string other_component;
  std::vector<std::string> other_units;         ///< those of them count that a host's `owned` names
  StepRef free, released, held;                 ///< of the keeper
  StepRef (*service)(const std::string& host);  ///< the keeper's on a host
  std::vector<std::string> hosts;               ///< where it runs
  bool lease = false;                           ///< the address has a lifetime: a permanent one is not pgcluster's
  /// Asks how many seconds ago the keeper on a host started or read its configuration.
  Ask (*settled)(const std::string& host) = nullptr;
  /// After that many, a keeper has noticed that it hears no other one, or that its host does not serve. Before, the address may still move.
  std::chrono::seconds settles{0};
};

/// VipKeeper::free: before the VIP is used for the first time, checks that no other host has it. Steps that configure another VIP on a host wait for
/// this.
Steps vip_free(const ClusterView& cluster, const VipKeeper& keeper);
/// VipKeeper::released: the component of the other scheme has released the VIP on every host. The new component must not start before this.
Steps vip_released(const ClusterView& cluster, const VipKeeper& keeper);
/// VipKeeper::held: exactly one host has the VIP.
Steps vip_held(const ClusterView& cluster, const VipKeeper& keeper);

}  // namespace pgcluster
