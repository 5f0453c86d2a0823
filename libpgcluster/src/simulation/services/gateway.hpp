#pragma once

#include <string>
#include <vector>

#include "simulation/tls.hpp"

namespace pgcluster {

/// A command as a request to etcd's gateway, with its endpoints in order. `path` is empty if the command is no such request.
struct GatewayCall {
  std::string path{};
  std::string key{}, range_end{};  ///< in base64
  Endpoints endpoints{};
};
GatewayCall gateway_call(const std::vector<std::string>& argv);

}  // namespace pgcluster
