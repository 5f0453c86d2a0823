#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgcluster::strings {

/// ASCII letters only; other bytes stay as they are, whatever the locale.
std::string lower(std::string_view text);
std::string upper(std::string_view text);
/// The letters, in lower case, and digits: encodings and locales have several spellings, UTF8 and utf-8, C.UTF-8 and C.utf8.
std::string plain(std::string_view text);
/// Splits at any of the separators; empty parts are left out.
std::vector<std::string> split(std::string_view text, std::string_view separators);
/// Without white space at both ends.
std::string trimmed(std::string_view text);
/// At most `bytes` of UTF-8, whole characters, with "…" at the end where some are missing.
std::string shortened(std::string text, std::size_t bytes);
/// For XML and HTML: the content of an element, or an attribute in double quotes.
std::string markup(std::string_view text);

}  // namespace pgcluster::strings
