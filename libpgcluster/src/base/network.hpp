#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace pgcluster::net {

struct Ip {
  std::array<std::uint8_t, 16> bytes{};
  bool v6 = false;
  friend bool operator==(const Ip&, const Ip&) = default;
  friend auto operator<=>(const Ip&, const Ip&) = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14 sees a 0 in it
};

/// Empty for a host name, and for an address with a prefix length or a zone.
std::optional<Ip> parse_ip(const std::string& text);
bool is_ip(const std::string& text);
/// The address that these 4 or 16 bytes are, as text; empty for another number of bytes.
std::string address_text(const std::string& bytes);
/// Tells an IPv6 address from an IPv4 address and from a host name. A prefix length or a zone may follow it.
bool is_ipv6(const std::string& address);
/// An IPv6 address in the one spelling that the kernel and the services print ("fd00::1" of "FD00:0::1"); all else unchanged.
std::string canonical(const std::string& address);
bool same_network(const Ip& a, const Ip& b, int prefix);
/// "10.77.0.11/32", "fd00::1/128"
std::string single_address(const std::string& address);
/// "10.77.0.11" of "10.77.0.11/24"
std::string without_prefix(const std::string& cidr);

}  // namespace pgcluster::net
