#include "simulation/url.hpp"

#include <algorithm>
#include <string_view>

namespace pgcluster {
namespace {

constexpr std::string_view mark = "://";

// What stands between the scheme and the path of the URL whose mark is at `at`.
std::string_view authority(std::string_view text, std::size_t at) {
  text.remove_prefix(at + mark.size());
  text = text.substr(0, text.find_first_of("/,;'\" \t\r\n?#"));
  return text.substr(text.rfind('@') + 1);  // without a user's name; npos + 1 is 0
}

bool valid(std::string_view authority) {
  std::string_view port = authority;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return false;
    port.remove_prefix(end + 1);
  } else {
    port.remove_prefix(std::min(authority.find(':'), authority.size()));
  }
  if (port.empty()) return !authority.empty();
  return port.size() > 1 && port.front() == ':' && port.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

}  // namespace

std::string authority_of(const std::string& url) {
  const auto at = url.find(mark);
  const std::string_view found = at == std::string::npos ? std::string_view() : authority(url, at);
  return valid(found) ? std::string(found) : std::string();
}

std::string origin_of(const std::string& url) {
  const std::string authority = authority_of(url);
  const auto end = url.find(mark);
  return authority.empty() ? std::string() : (url.substr(0, end).ends_with("https") ? "https://" : "http://") + authority;
}

bool urls_are_valid(const std::string& text) {
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1))
    if (!valid(authority(text, at))) return false;
  return true;
}

}  // namespace pgcluster
