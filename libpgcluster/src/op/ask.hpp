#pragma once

#include <pgcluster/op/ask.hpp>

namespace pgcluster {

/// A command in one line of at most 100 bytes, for people. Arguments never hold secrets.
std::string shown(const std::vector<std::string>& argv);

}  // namespace pgcluster
