#pragma once

#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

inline constexpr const char* vip_unit = "pgcluster-vip.service";
inline constexpr const char* vip_unit_file = "/etc/systemd/system/pgcluster-vip.service";
/// Our unit of releases up to 0.1, under the name that Debian's vip-manager2 has for its own: it is ours only on hosts where `owned` names it.
inline constexpr const char* former_vip_unit = "vip-manager.service";
inline constexpr const char* former_vip_unit_file = "/etc/systemd/system/vip-manager.service";
inline constexpr const char* keepalived_unit = "keepalived.service";
inline constexpr const char* keepalived_file = "/etc/keepalived/keepalived.conf";

/// The interface that carries the VIP: of the spec, else the one in whose network the host's address lies, else the default route's.
std::string vip_interface(const NodeView& node);
/// A finding where the spec's interface is not there.
std::vector<Diagnostic> no_vip_interface(const NodeView& node);
/// The VIP on a host, as `ip -o address` shows it; nothing where it has it not.
Ask vip_ask(const Spec& spec, const std::string& host);

/// The hosts, in order, the one that holds the VIP last.
Order vip_holder_last(const Spec& spec, const std::vector<std::string>& hosts);

/// Who keeps the VIP, and who would if the spec were of the other scheme.
struct VipKeeper {
  std::string component;  ///< "vip-manager"
  std::string unit;       ///< "pgcluster-vip.service"
  std::string other_component;
  std::vector<std::string> other_units;         ///< those of them count that a host's `owned` names
  StepRef free, released, held;                 ///< of the keeper
  StepRef (*service)(const std::string& host);  ///< the keeper's on a host
  std::vector<std::string> hosts;               ///< where it runs
  bool lease = false;                           ///< the address has a lifetime: a permanent one is not pgcluster's
};

/// VipKeeper::free: before the address is used for the first time, whether a stranger has it. What makes a host take another address waits for it.
Steps vip_free(const ClusterView& cluster, const VipKeeper& keeper);
/// VipKeeper::released: the other scheme's keeper has given the address up on every host. Before this the keeper must not start.
Steps vip_released(const ClusterView& cluster, const VipKeeper& keeper);
/// VipKeeper::held: one host has it.
Steps vip_held(const ClusterView& cluster, const VipKeeper& keeper);

}  // namespace pgcluster
