#include "base/paths.hpp"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

namespace pgcluster {

std::string expand_home(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  std::string home;
  if (const char* set = std::getenv("HOME"); set && *set == '/') {
    home = set;
  } else {
    std::vector<char> buffer(16384);
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) home = found->pw_dir;
  }
  return home.empty() ? path : home + path.substr(1);
}

}  // namespace pgcluster
