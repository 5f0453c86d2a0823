#pragma once

#include <string>
#include <string_view>

namespace pgcluster {

/// "pg1, pg2"
template <class Names>
std::string joined(const Names& names, std::string_view between = ", ") {
  std::string all;
  for (const std::string& name : names) {
    if (!all.empty()) all += between;
    all += name;
  }
  return all;
}

}  // namespace pgcluster
