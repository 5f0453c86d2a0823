#include <algorithm>

#include <pgcluster/op/access.hpp>

#include "base/network.hpp"
#include "base/url.hpp"

namespace pgcluster {
namespace {

bool is_ipv6_address(const std::string& text) {
  const auto ip = net::parse_ip(text);
  return ip && ip->v6;
}

bool is_name(const std::string& text) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

std::string_view to_string(Transport transport) noexcept {
  switch (transport) {
    case Transport::libssh2:
      return "libssh2";
    case Transport::openssh:
      return "openssh";
    case Transport::local:
      return "local";
    case Transport::cloud:
      return "cloud";
  }
  return {};
}

std::string_view to_string(CloudProvider provider) noexcept {
  switch (provider) {
    case CloudProvider::aws:
      return "aws";
    case CloudProvider::gcp:
      return "gcp";
    case CloudProvider::azure:
      return "azure";
    case CloudProvider::digitalocean:
      return "digitalocean";
    case CloudProvider::hetzner:
      return "hetzner";
  }
  return {};
}

std::optional<Hop> parse_hop(const std::string& text) {
  Hop hop;
  std::string rest = text;
  if (const auto at = rest.rfind('@'); at != std::string::npos) {
    hop.user = rest.substr(0, at);
    rest.erase(0, at + 1);
    if (hop.user.empty() || hop.user.find_first_of(" \t\r\n'\"\\/@") != std::string::npos) return std::nullopt;
  }
  std::string port;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string::npos) return std::nullopt;
    hop.address = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
    if (!is_ipv6_address(hop.address)) return std::nullopt;
  } else if (is_ipv6_address(rest)) {
    hop.address = rest;
  } else {
    const auto colon = rest.find(':');
    hop.address = rest.substr(0, colon);
    if (colon != std::string::npos) port = rest.substr(colon);
    if (!is_name(hop.address)) return std::nullopt;
  }
  if (port.empty()) return hop;
  if (port.size() < 2 || port.size() > 6 || port[0] != ':' || port.find_first_not_of("0123456789", 1) != std::string::npos) return std::nullopt;
  hop.port = std::stoi(port.substr(1));
  if (hop.port < 1 || hop.port > 65535) return std::nullopt;
  return hop;
}

std::string to_string(const Hop& hop) {
  return (hop.user.empty() ? "" : hop.user + "@") + (hop.port == 0 ? hop.address : net::host_port(hop.address, hop.port));
}

}  // namespace pgcluster
