#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgcluster::executor {

std::string to_base64(std::string_view bytes);
/// Empty where it is not base64.
std::optional<std::string> from_base64(std::string_view text);
std::string sha256(std::string_view bytes);      ///< raw
std::string sha256_hex(std::string_view bytes);  ///< lower-case hex
std::string hmac_sha1(std::string_view key, std::string_view bytes);
std::string random_hex(std::size_t bytes);
/// The argument in single quotes, as one word of a POSIX shell.
std::string shell_word(std::string_view word);

}  // namespace pgcluster::executor
