#pragma once

#include <string>
#include <string_view>

namespace pgcluster {

std::string sha256(std::string_view bytes);                             ///< raw
std::string sha256_hex(std::string_view bytes);                         ///< lower-case hex
std::string hmac_sha1(std::string_view key, std::string_view bytes);    ///< raw
std::string hmac_sha256(std::string_view key, std::string_view bytes);  ///< raw
std::string hex(std::string_view bytes);                                ///< lower case
std::string random_hex(std::size_t bytes);
/// The argument in single quotes, as one word of a POSIX shell.
std::string shell_word(std::string_view word);

}  // namespace pgcluster
