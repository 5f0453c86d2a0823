#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/nearest.hpp"

// Words in messages, and paths, for the spec and the topology.
namespace pgcluster::words {

/// A user's word in a message: in one line and not too long, in quotes where that is clearer.
std::string shown(std::string_view text);
/// "a, b or c"
std::string one_of(const std::vector<std::string_view>& words);
using pgcluster::nearest;

/// A relative path as one that starts at the folder; "." leaves it as it is.
std::string in_folder(const std::string& folder, const std::string& path);

}  // namespace pgcluster::words
