#include "base/url.hpp"

#include <cctype>

#include "base/network.hpp"

namespace pgcluster::net {

std::string in_url(const std::string& address) { return is_ipv6(address) ? '[' + address + ']' : address; }

std::string host_port(const std::string& address, int port) { return in_url(address) + ':' + std::to_string(port); }

std::string http_url(const std::string& address, int port, const std::string& path) { return "http://" + host_port(address, port) + path; }

std::string url_encoded(const std::string& text) {
  static constexpr const char* digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~')
      out += c;
    else
      (((out += '%') += digits[byte >> 4])) += digits[byte & 15];
  }
  return out;
}

std::string url_decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto value = [&](std::size_t at) {
      const auto byte = at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
      return std::isdigit(byte) ? byte - '0' : std::isxdigit(byte) ? std::tolower(byte) - 'a' + 10 : -1;
    };
    if (text[i] == '%' && value(i + 1) >= 0 && value(i + 2) >= 0) {
      out += static_cast<char>(value(i + 1) * 16 + value(i + 2));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace pgcluster::net
