#pragma once

#include <string>

namespace pgcluster {

/// "~/x" as "$HOME/x"; without $HOME the account's home directory counts. Other paths stay as they are.
std::string expand_home(const std::string& path);

}  // namespace pgcluster
