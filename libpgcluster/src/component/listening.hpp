#pragma once

#include <string>

namespace pgcluster {

/// nginx of `users:(("nginx",pid=71,fd=5))`, which ss prints; `otherwise` where it does not say whose a port is. It does not, too, of who
/// began to listen while it looked: it reads the processes first, and the sockets then.
inline std::string listening_process(const std::string& line, const std::string& otherwise = "another process") {
  const auto begin = line.find("((\"");
  return begin == std::string::npos ? otherwise : line.substr(begin + 3, line.find('"', begin + 3) - begin - 3);
}

}  // namespace pgcluster
