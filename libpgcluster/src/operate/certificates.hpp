#pragma once

#include <string>
#include <vector>

#include "operate/declared.hpp"

namespace pgcluster {

/// The certificates that the host's components declare: keys that are made on the host, requests for them, and what the cluster's authority signs.
Steps certificate_steps(const NodeView& node, const std::vector<Declaration>& declared);

}  // namespace pgcluster
