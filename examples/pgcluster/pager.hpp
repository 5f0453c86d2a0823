#pragma once

#include <string>

#include "console.hpp"

namespace command {

/// Answers with `text`; where stdout is a terminal on which it does not fit, through $PAGER (less -R).
void page(const Console& console, const std::string& text);

}  // namespace command
