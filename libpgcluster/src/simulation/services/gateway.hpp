#pragma once

#include <string>
#include <vector>

#include "simulation/tls.hpp"

namespace pgcluster {

/// What a command asks etcd's gateway, by the first endpoint that answers; an empty path where it asks something else.
struct GatewayCall {
  std::string path{};
  std::string key{}, range_end{};  ///< in base64
  Endpoints endpoints{};
};
GatewayCall gateway_call(const std::vector<std::string>& argv);

}  // namespace pgcluster
