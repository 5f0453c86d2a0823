#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/component/component.hpp>

#include "op/balancer.hpp"

// Load balancers of a cloud: what is wished of each, and the steps that make them so. The executor knows the vendors' APIs.
namespace pgcluster {

/// The members that a balancer leads to.
enum class BalancerRole { primary, replica, sync };
/// The word of the role, which the names of the balancer and of its step end with: "primary".
std::string_view to_string(BalancerRole role) noexcept;

/// A role's balancer: what it should be, or that there should be none.
struct CloudBalancer {
  BalancerRole role;
  EndpointKind kind;
  Balancer wish;
  bool wanted = true;
};

/// A balancer of the wish's name is another's.
Diagnostic not_ours(const std::string& cloud, const Balancer& wish);

/// For each role, in that order; empty without cloud_provider.
std::vector<CloudBalancer> cloud_balancers(const Spec& spec, const Topology& topology);

/// All of them are taken away; what is not the cluster's is left alone. None without cloud_provider.
Steps cloud_removal(const Spec& spec, const Topology& topology);
/// The same for a cloud that the spec no longer names; `at` is its name in the plan.
Steps cloud_farewell(const std::string& cluster, const std::string& at, const KnownCloud& cloud);

}  // namespace pgcluster
