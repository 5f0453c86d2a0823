#include "executor/ssh/offer.hpp"

#include <algorithm>
#include <cstdint>

#include "base/joined.hpp"
#include "base/strings.hpp"

namespace pgcluster::executor {
namespace {

constexpr unsigned char kexinit = 20;

// A number of four bytes; takes it off.
bool take_length(std::string_view& bytes, std::size_t& length) {
  if (bytes.size() < 4) return false;
  length = 0;
  for (int i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  bytes.remove_prefix(4);
  return true;
}

}  // namespace

Algorithms read_offer(std::string_view bytes) {
  // Lines before the banner are allowed. The packet follows the banner: length, padding's length, the message's kind, a cookie, then lists of names.
  std::size_t length = 0;
  while (!bytes.starts_with("SSH-")) {
    const auto end = bytes.find('\n');
    if (end == std::string_view::npos) return {};
    bytes.remove_prefix(end + 1);
  }
  const auto end = bytes.find('\n');
  if (end == std::string_view::npos) return {};
  bytes.remove_prefix(end + 1);
  constexpr std::size_t cookie = 16;
  if (!take_length(bytes, length) || bytes.size() < 2 + cookie || static_cast<unsigned char>(bytes[1]) != kexinit) return {};
  bytes.remove_prefix(2 + cookie);
  Algorithms offered;
  // Of what goes both ways, from the client to the server.
  for (const char* kind : {"kexalgorithms", "hostkeyalgorithms", "ciphers", "", "macs"}) {
    if (!take_length(bytes, length) || length > bytes.size()) return {};
    if (*kind) offered[kind] = strings::split(bytes.substr(0, length), ",");
    bytes.remove_prefix(length);
  }
  return offered;
}

std::string nothing_in_common(const Algorithms& offered, const Algorithms& known) {
  std::string text;
  for (const auto& [kind, names] : offered) {
    const auto ours = known.find(kind);
    if (ours == known.end()) continue;
    const auto is_known = [&](const std::string& name) { return std::find(ours->second.begin(), ours->second.end(), name) != ours->second.end(); };
    if (std::none_of(names.begin(), names.end(), is_known)) append(text, kind + ": it offers only " + joined(names), "; ");
  }
  return text;
}

}  // namespace pgcluster::executor
