#pragma once

#include <pgcluster/topology/topology.hpp>

namespace pgcluster {

/// How to reach a cloud: with the spec's credentials, else with those that the vendor's own tools read.
HostAccess cloud_access(const Spec& spec, const KnownCloud& cloud);

}  // namespace pgcluster
