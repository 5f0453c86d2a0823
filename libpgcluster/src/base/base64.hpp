#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgcluster {

/// RFC 4648, with padding and without line ends.
std::string to_base64(std::string_view bytes);
/// Empty where it is not base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace pgcluster
