// Load balancers of a cloud: what of them contradicts the rest of a spec, or says nothing.
#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/network.hpp"
#include "spec/balancing.hpp"
#include "spec/keys.hpp"
#include "spec/roles.hpp"
#include "spec/words.hpp"

namespace pgcluster {
namespace {

struct Network {
  net::Ip ip;
  int length;
};

std::optional<Network> parse_network(const std::string& text) {
  const auto slash = text.find('/');
  const auto ip = net::parse_ip(text.substr(0, slash));
  if (!ip || slash == std::string::npos) return std::nullopt;
  const int length = std::atoi(text.c_str() + slash + 1);
  return length <= (ip->v6 ? 128 : 32) ? std::optional<Network>({*ip, length}) : std::nullopt;
}

// Vendors refuse such ones, or write them otherwise.
bool has_bits_beyond(const Network& network) {
  for (int bit = network.length; bit < (network.ip.v6 ? 128 : 32); ++bit)
    if (network.ip.bytes[static_cast<std::size_t>(bit / 8)] & (0x80 >> (bit % 8))) return true;
  return false;
}

bool known_provider(const std::string& name) {
  const auto& all = keys::of<Spec>();
  const auto key = std::find_if(all.begin(), all.end(), [](const auto& one) { return one.name == "cloud_provider"; });
  return std::find(key->rule.values.begin(), key->rule.values.end(), name) != key->rule.values.end();
}

}  // namespace

void check_cloud(const Spec& s, std::vector<Diagnostic>& findings) {
  const auto warning = [&](std::string path, std::string message, std::string hint) {
    findings.push_back({Severity::warning, std::move(message), std::move(hint), std::move(path)});
  };
  const auto error = [&](std::string path, std::string message, std::string hint) {
    findings.push_back({Severity::error, std::move(message), std::move(hint), std::move(path)});
  };
  const std::string& provider = s.cloud_provider;
  if (provider.empty()) {
    const auto unused = [&](const char* key, bool set) {
      if (set) warning(key, "says nothing without cloud_provider", "write cloud_provider: hetzner (or another), or remove it");
    };
    unused("cloud_load_balancer", !s.cloud_load_balancer);
    unused("cloud_api_endpoint", !s.cloud_api_endpoint.empty());
    unused("database_public_access", s.database_public_access);
    return;
  }
  if (!known_provider(provider)) return;  // which is said already
  if (!s.cluster_vip.empty())
    error("cluster_vip", "does not go with cloud_provider: a cloud carries no traffic to an address that a host gives itself",
          "remove it; clients connect to the cloud's load balancers, or to the hosts");
  if (!s.cloud_load_balancer) return;
  if (s.with_haproxy_load_balancing)
    warning("with_haproxy_load_balancing", "says nothing with cloud_provider: the cloud's load balancers take HAProxy's place",
            "remove it, or write cloud_load_balancer: false");
  const auto needs = [&](const char* key, const std::string& value, const std::string& hint) {
    if (value.empty()) error(key, "is missing, which the load balancers of " + provider + " need", "write " + std::string(key) + ": " + hint);
  };
  const bool in_network = provider == "aws" || provider == "azure" || (provider != "gcp" && !s.database_public_access);
  needs("server_location", s.server_location,
        provider == "aws"       ? "the region, like eu-central-1"
        : provider == "gcp"     ? "the zone, like europe-west3-a"
        : provider == "azure"   ? "the location, like germanywestcentral"
        : provider == "hetzner" ? "the location, like fsn1"
                                : "the region, like fra1");
  if (in_network)
    needs("server_network", s.server_network,
          provider == "aws"       ? "one or several subnets, like subnet-0a1b2c,subnet-3d4e5f"
          : provider == "azure"   ? "VNET/SUBNET"
          : provider == "hetzner" ? "name or number of the servers' network"
                                  : "id of the VPC");
  if (provider == "azure") needs("azure_resource_group", s.azure_resource_group, "the resource group of the servers");
  // Names are <cluster>-primary and the like.
  const std::string& name = s.patroni_cluster_name;
  const std::size_t most = provider == "aws" ? 24 : 40;
  if ((provider != "hetzner" && name.find('_') != std::string::npos) || name.size() > most)
    error("patroni_cluster_name", "does not fit into the name of a load balancer of " + provider,
          "write small letters, digits and '-', at most " + std::to_string(most));
  if (provider == "gcp" && !name.empty() && name[0] >= '0' && name[0] <= '9')
    error("patroni_cluster_name", "begins with a digit, which no name at Google may", "begin it with a letter");
  const auto databases = std::count_if(s.hosts.begin(), s.hosts.end(), [](const HostSpec& host) {
    return host.roles.empty() || std::find(host.roles.begin(), host.roles.end(), "postgres") != host.roles.end();
  });
  if (provider == "digitalocean" && databases > 10)
    error("hosts", "has " + std::to_string(databases) + " database hosts, and a load balancer of digitalocean leads to 10 at most",
          "write cloud_load_balancer: false, or take some out");
  if (provider == "aws" && name.starts_with("internal-"))
    error("patroni_cluster_name", "begins with internal-, which no load balancer's name at AWS may", "begin it with another word");
  bool only_v6 = true;
  for (std::size_t i = 0; i < s.database_public_allowed_ips.size(); ++i) {
    const std::string &one = s.database_public_allowed_ips[i], path = "database_public_allowed_ips[" + std::to_string(i) + "]";
    const auto network = parse_network(one);
    only_v6 &= network && network->ip.v6;
    if (!network) {
      if (one.find('/') != std::string::npos)
        error(path, words::shown(one) + " is not a network", "write an address and a length, like 203.0.113.0/24");
    } else if (has_bits_beyond(*network)) {
      error(path, one + " has bits beyond its length",
            std::string("write the network's first address, or ") + (network->ip.v6 ? "/128" : "/32") + " for this address alone");
    } else if (network->ip.v6 && provider != "hetzner" && one != "::/0") {
      warning(path, one + " says nothing: the load balancers of " + provider + " are made with an IPv4 address", "remove it");
    }
  }
  if (!s.database_public_access) {
    if (!s.database_public_allowed_ips.empty())
      warning("database_public_allowed_ips", "says nothing without database_public_access", "write database_public_access: true, or remove it");
    return;
  }
  if (provider == "azure") needs("azure_network_security_group", s.azure_network_security_group, "the servers' group: it holds the allow list");
  auto all = s.database_public_allowed_ips;
  std::sort(all.begin(), all.end());
  if (all.empty())
    error("database_public_allowed_ips", "is missing: with database_public_access the whole world could connect",
          "name the networks that may, like [203.0.113.0/24]; who wants all writes [0.0.0.0/0, \"::/0\"]");
  else if (provider != "hetzner" && only_v6)
    error("database_public_allowed_ips",
          "has no IPv4 network, and the load balancers of " + provider + " have an IPv4 address only: nobody could connect",
          "name the IPv4 networks that may, like [203.0.113.0/24]");
  else if (provider == "hetzner" && all != std::vector<std::string>{"0.0.0.0/0", "::/0"})
    error("database_public_allowed_ips", "cannot be held: Hetzner's load balancers let everybody in, and its firewalls do not see them",
          "leave database_public_access away, or write [0.0.0.0/0, \"::/0\"] where everybody may connect");
}

}  // namespace pgcluster
