#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/nearest.hpp"

// Small things about words, addresses and paths that the spec and the topology share.
namespace pgcluster::words {

/// A user's word in a message: in one line and not too long, in quotes where that is clearer.
std::string shown(std::string_view text);
/// "a, b or c"
std::string one_of(const std::vector<std::string_view>& words);
using pgcluster::nearest;
std::string lower(std::string_view text);
std::string upper(std::string_view text);
/// At any of the separators; no empty parts.
std::vector<std::string> split(std::string_view text, std::string_view separators);
bool starts_with_any(std::string_view text, const std::vector<std::string_view>& prefixes);

struct Ip {
  std::array<std::uint8_t, 16> bytes{};
  bool v6 = false;
  friend bool operator==(const Ip&, const Ip&) = default;
  friend auto operator<=>(const Ip&, const Ip&) = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14 sees a 0 in it
};
std::optional<Ip> parse_ip(const std::string& text);
bool same_network(const Ip& a, const Ip& b, int prefix);
/// "10.77.0.11:5432", "[fd00::1]:5432"
std::string host_port(const std::string& address, int port);

/// "~/x" as "$HOME/x".
std::string expand_home(const std::string& path);
/// A relative path as one that starts at the folder; "." leaves it as it is.
std::string in_folder(const std::string& folder, const std::string& path);

}  // namespace pgcluster::words
