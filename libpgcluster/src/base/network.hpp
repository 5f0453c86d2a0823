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

/// An address and the length of the network's part of it.
struct Network {
  Ip ip;
  int length = 0;
  friend bool operator==(const Network&, const Network&) = default;
  friend auto operator<=>(const Network&, const Network&) = default;  // NOLINT(modernize-use-nullptr): as in Ip
};
/// Bits of an address: 32 or 128.
int bits(const Ip& ip);
/// "10.77.0.11/24", with all bits of the address. Empty for what is not an address and a length.
std::optional<Network> parse_network(const std::string& text);
/// The same network without the bits after its length: 10.77.0.0/24 of 10.77.0.11/24.
Network network_of(Network network);
/// Whether each address of `inner` is in `outer`.
bool contains(const Network& outer, const Network& inner);
/// The number of leading ones of a mask ("255.255.0.0": 16); empty where ones follow zeros.
std::optional<int> mask_length(const Ip& mask);
/// The IPv4 network that one of IPv4-mapped addresses stands for: 10.0.0.0/8 of ::ffff:10.0.0.0/104.
std::optional<Network> mapped(const Network& network);
/// "10.77.0.0/24"
std::string to_string(const Network& network);

}  // namespace pgcluster::net
