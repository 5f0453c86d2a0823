#include "executor/bytes.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <pgcluster/base/error.hpp>

namespace pgcluster::executor {
namespace {

const unsigned char* data(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

std::string hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

}  // namespace

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

std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha256(), nullptr) != 1)
    throw Error(Code::internal, "OpenSSL has no SHA-256");
  return digest;
}

std::string sha256_hex(std::string_view bytes) { return hex(sha256(bytes)); }

std::string hmac_sha1(std::string_view key, std::string_view bytes) {
  std::string digest(20, '\0');
  unsigned size = 0;
  if (HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), data(bytes), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size) ==
      nullptr)
    throw Error(Code::internal, "OpenSSL has no SHA-1");
  return digest;
}

std::string random_hex(std::size_t bytes) {
  std::string random(bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(bytes)) != 1)
    throw Error(Code::internal, "the system gives no random bytes");
  return hex(random);
}

std::string shell_word(std::string_view word) {
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'')
      text += "'\\''";
    else
      text += c;
  }
  return text += '\'';
}

}  // namespace pgcluster::executor
