#pragma once

#include <pgcluster/op/ask.hpp>

namespace pgcluster {

/// A command for people, in one line of at most 100 bytes. Arguments never contain secrets.
std::string shown(const std::vector<std::string>& argv);

}  // namespace pgcluster
