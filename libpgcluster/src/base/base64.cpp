#include "base/base64.hpp"

namespace pgcluster {

std::string to_base64(std::string_view bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    auto at = [&](std::size_t j) -> unsigned { return j < left ? static_cast<unsigned char>(bytes[i + j]) : 0U; };
    const unsigned group = at(0) << 16 | at(1) << 8 | at(2);
    text += digits[group >> 18];
    text += digits[group >> 12 & 63];
    text += left > 1 ? digits[group >> 6 & 63] : '=';
    text += left > 2 ? digits[group & 63] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    unsigned group = 0;
    int padding = 0;
    for (std::size_t j = i; j < i + 4; ++j) {
      const char c = text[j];
      unsigned digit = 0;
      if (c >= 'A' && c <= 'Z') {
        digit = static_cast<unsigned>(c - 'A');
      } else if (c >= 'a' && c <= 'z') {
        digit = static_cast<unsigned>(c - 'a') + 26;
      } else if (c >= '0' && c <= '9') {
        digit = static_cast<unsigned>(c - '0') + 52;
      } else if (c == '+') {
        digit = 62;
      } else if (c == '/') {
        digit = 63;
      } else if (c == '=' && i + 4 == text.size() && j >= i + 2) {
        ++padding;
      } else {
        return std::nullopt;
      }
      if (padding > 0 && c != '=') return std::nullopt;
      group = group << 6 | digit;
    }
    bytes += static_cast<char>(group >> 16);
    if (padding < 2) bytes += static_cast<char>(group >> 8 & 255);
    if (padding < 1) bytes += static_cast<char>(group & 255);
  }
  return bytes;
}

}  // namespace pgcluster
