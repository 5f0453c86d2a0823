#include "base/network.hpp"

#include <arpa/inet.h>

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

}  // namespace pgcluster::net
