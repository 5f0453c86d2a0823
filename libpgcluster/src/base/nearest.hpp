#pragma once

#include <string_view>
#include <vector>

namespace pgcluster {

/// The known word that was probably meant; empty where none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace pgcluster
