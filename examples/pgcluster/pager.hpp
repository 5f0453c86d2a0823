#pragma once

#include <string>

#include "console.hpp"

namespace command {

/// Writes `text` to stdout, or through $PAGER (less -R) if it does not fit on the terminal.
void page(const Console& console, const std::string& text);

}  // namespace command
