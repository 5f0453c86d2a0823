#include "base/network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace pgcluster::net {

std::optional<Ip> parse_ip(const std::string& text) {
  Ip ip;
  if (inet_pton(AF_INET, text.c_str(), ip.bytes.data()) == 1) return ip;
  ip.v6 = true;
  if (inet_pton(AF_INET6, text.c_str(), ip.bytes.data()) == 1) return ip;
  return std::nullopt;
}

bool is_ip(const std::string& text) { return parse_ip(text).has_value(); }

std::string address_text(const std::string& bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if (bytes.size() != 4 && bytes.size() != 16) return {};
  return inet_ntop(family, bytes.data(), text.data(), text.size()) ? text.data() : "";
}

bool is_ipv6(const std::string& address) { return address.find(':') != std::string::npos; }

std::string canonical(const std::string& address) {
  const auto ip = parse_ip(address);
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ip && ip->v6 && inet_ntop(AF_INET6, ip->bytes.data(), text.data(), text.size()) ? text.data() : address;
}

bool same_network(const Ip& a, const Ip& b, int prefix) {
  if (a.v6 != b.v6) return false;
  for (int bit = 0; bit < prefix; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int mask = 0x80 >> (bit % 8);
    if ((a.bytes[byte] & mask) != (b.bytes[byte] & mask)) return false;
  }
  return true;
}

std::string single_address(const std::string& address) { return address + (is_ipv6(address) ? "/128" : "/32"); }

std::string without_prefix(const std::string& cidr) { return cidr.substr(0, cidr.find('/')); }

int bits(const Ip& ip) { return ip.v6 ? 128 : 32; }

std::optional<Network> parse_network(const std::string& text) {
  const auto slash = text.find('/');
  const auto ip = parse_ip(text.substr(0, slash));
  if (!ip || slash == std::string::npos || text.size() > slash + 4) return std::nullopt;
  int length = -1;
  const char* end = text.data() + text.size();
  const auto [at, bad] = std::from_chars(text.data() + slash + 1, end, length);
  if (bad != std::errc() || at != end || length < 0 || length > bits(*ip)) return std::nullopt;
  return Network{*ip, length};
}

Network network_of(Network network) {
  for (int bit = network.length; bit < bits(network.ip); ++bit)
    network.ip.bytes[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(~(0x80 >> (bit % 8)));
  return network;
}

bool contains(const Network& outer, const Network& inner) { return outer.length <= inner.length && same_network(outer.ip, inner.ip, outer.length); }

std::optional<int> mask_length(const Ip& mask) {
  int length = 0;
  while (length < bits(mask) && (mask.bytes[static_cast<std::size_t>(length / 8)] & (0x80 >> (length % 8))) != 0) ++length;
  return network_of({mask, length}).ip == mask ? std::optional(length) : std::nullopt;
}

std::optional<Network> mapped(const Network& network) {
  const Network prefix = *parse_network("::ffff:0:0/96");
  if (!network.ip.v6 || !contains(prefix, network)) return std::nullopt;
  Network v4{.ip = {}, .length = network.length - 96};
  std::copy(network.ip.bytes.begin() + 12, network.ip.bytes.end(), v4.ip.bytes.begin());
  return v4;
}

std::string to_string(const Network& network) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(network.ip.v6 ? AF_INET6 : AF_INET, network.ip.bytes.data(), text.data(), text.size());
  return std::string(text.data()) + "/" + std::to_string(network.length);
}

}  // namespace pgcluster::net
