#pragma once

#include <string>
#include <vector>

#include "operate/declared.hpp"

namespace pgcluster {

/// The certificates that the host's components declare: keys that are made on the host, requests for them, and what the cluster's authority signs.
Steps certificate_steps(const NodeView& node, const std::vector<Declaration>& declared);

/// Where the plan replaces certificates: each port shows the new one to a new connection.
Steps served_steps(const NodeView& node, const std::vector<Declaration>& declared);

/// The end of a cluster's way from plain to TLS, or back: the host notes that nothing on it speaks plainly any more, or it gives up its certificates.
/// Nothing where the cluster does not go over.
Steps settle_steps(const NodeView& node);

}  // namespace pgcluster
