#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <pgcluster/base/export.hpp>

namespace PGCLUSTER_API pgcluster {

/// A reference to a step, by value. A component declares in its header the steps that others may wait for, as functions that return one:
/// etcd::healthy("pg1"), patroni::leader(). The same function names the step where it is made, so that each name is spelt once.
struct StepRef {
  std::string host;       ///< empty: the step belongs to the cluster, not to one host
  std::string component;  ///< "etcd"
  std::string what;       ///< "healthy"

  /// "pg1/etcd/healthy", or "cluster/patroni/leader".
  std::string name() const;
  /// The same, so that a reference can be passed wherever a step's name is taken.
  operator std::string() const { return name(); }
  friend bool operator==(const StepRef&, const StepRef&) = default;
};

/// The reference of a name that comes from outside, such as a plan's document; nullopt where the text is not HOST/COMPONENT/WHAT.
std::optional<StepRef> parse_step_name(std::string_view name);

}  // namespace pgcluster
