// Load balancers of a cloud: what of them contradicts the rest of a spec, or says nothing.
#include <algorithm>
#include <optional>

#include "base/network.hpp"
#include "spec/balancing.hpp"
#include "spec/roles.hpp"
#include "spec/validate.hpp"
#include "spec/words.hpp"

namespace pgcluster {
namespace {

// With some providers, a load balancer with a public address reaches the hosts without being in their network.
enum class NeedsNetwork { always, if_private, never };

// What the load balancers of a provider need of a spec, and what they cannot do.
struct Limits {
  const char* location;  // what server_location has to be
  const char* network;   // what server_network has to be
  NeedsNetwork needs_network;
  std::size_t longest_name = 40;  // of the cluster: its load balancers are called <cluster>-primary and the like
  bool underscores = false;       // in that name
  bool leading_digit = true;      // in that name
  std::size_t targets = 0;        // the most database hosts; 0: no limit
  bool ipv6 = false;              // they have an IPv6 address
};

Limits limits_of(CloudProvider provider) {
  switch (provider) {
    case CloudProvider::aws:
      return {.location = "the region, like eu-central-1",
              .network = "one or several subnets, like subnet-0a1b2c,subnet-3d4e5f",
              .needs_network = NeedsNetwork::always,
              .longest_name = 24};
    case CloudProvider::gcp:
      return {.location = "the zone, like europe-west3-a", .network = "NETWORK/SUBNET", .needs_network = NeedsNetwork::never, .leading_digit = false};
    case CloudProvider::azure:
      return {.location = "the location, like germanywestcentral", .network = "VNET/SUBNET", .needs_network = NeedsNetwork::always};
    case CloudProvider::digitalocean:
      return {.location = "the region, like fra1", .network = "id of the VPC", .needs_network = NeedsNetwork::if_private, .targets = 10};
    case CloudProvider::hetzner:
      return {.location = "the location, like fsn1",
              .network = "name or number of the servers' network",
              .needs_network = NeedsNetwork::if_private,
              .underscores = true,
              .ipv6 = true};
  }
  return {};
}

}  // namespace

void check_cloud(const Spec& s, std::vector<Diagnostic>& findings) {
  const auto warning = [&](std::string path, std::string message, std::string hint) {
    findings.push_back({Severity::warning, std::move(message), std::move(hint), std::move(path)});
  };
  const auto error = [&](std::string path, std::string message, std::string hint) {
    findings.push_back({Severity::error, std::move(message), std::move(hint), std::move(path)});
  };
  if (!s.cloud_provider) {
    if (is_faulty(findings, "cloud_provider")) return;
    const auto unused = [&](const char* key, bool set) {
      if (set) warning(key, "has no effect without cloud_provider", "write cloud_provider: hetzner (or another), or remove it");
    };
    unused("cloud_load_balancer", !s.cloud_load_balancer);
    unused("cloud_api_endpoint", !s.cloud_api_endpoint.empty());
    unused("database_public_access", s.database_public_access);
    return;
  }
  const Limits limits = limits_of(*s.cloud_provider);
  const std::string provider(to_string(*s.cloud_provider));
  if (!s.cluster_vip.empty())
    error("cluster_vip", "cannot be used with cloud_provider: a cloud does not route traffic to an address that a host sets itself",
          "remove it; clients connect to the cloud's load balancers, or to the hosts");
  if (!s.cloud_load_balancer) return;
  if (s.with_haproxy_load_balancing)
    warning("with_haproxy_load_balancing", "has no effect with cloud_provider: the cloud's load balancers take HAProxy's place",
            "remove it, or write cloud_load_balancer: false");
  const auto needs = [&](const char* key, const std::string& value, const std::string& hint) {
    if (value.empty()) error(key, "is missing, which the load balancers of " + provider + " need", "write " + std::string(key) + ": " + hint);
  };
  needs("server_location", s.server_location, limits.location);
  if (limits.needs_network == NeedsNetwork::always || (limits.needs_network == NeedsNetwork::if_private && !s.database_public_access))
    needs("server_network", s.server_network, limits.network);
  const bool on_azure = s.cloud_provider == CloudProvider::azure, on_aws = s.cloud_provider == CloudProvider::aws;
  if (on_azure) needs("azure_resource_group", s.azure_resource_group, "the resource group of the servers");
  const std::string& name = s.patroni_cluster_name;
  if ((!limits.underscores && name.find('_') != std::string::npos) || name.size() > limits.longest_name)
    error("patroni_cluster_name", "does not fit into the name of a load balancer of " + provider,
          "write small letters, digits and '-', at most " + std::to_string(limits.longest_name));
  if (!limits.leading_digit && !name.empty() && name[0] >= '0' && name[0] <= '9')
    error("patroni_cluster_name", "begins with a digit, which Google does not allow", "begin it with a letter");
  const auto databases = static_cast<std::size_t>(std::count_if(s.hosts.begin(), s.hosts.end(), is_database));
  if (limits.targets != 0 && databases > limits.targets)
    error("hosts",
          "has " + std::to_string(databases) + " database hosts, and a load balancer of " + provider + " leads to " + std::to_string(limits.targets) +
              " at most",
          "write cloud_load_balancer: false, or take some out");
  if (on_aws && name.starts_with("internal-"))
    error("patroni_cluster_name", "begins with internal-, which no load balancer's name at AWS may", "begin it with another word");
  bool only_v6 = true;
  for (std::size_t i = 0; i < s.database_public_allowed_ips.size(); ++i) {
    const std::string &one = s.database_public_allowed_ips[i], path = "database_public_allowed_ips[" + std::to_string(i) + "]";
    const auto network = net::parse_network(one);
    only_v6 &= network && network->ip.v6;
    if (!network) {
      if (one.find('/') != std::string::npos)
        error(path, words::shown(one) + " is not a network", "write an address and a length, like 203.0.113.0/24");
    } else if (net::network_of(*network) != *network) {
      error(path, one + " has bits beyond its length",
            std::string("write the network's first address, or ") + (network->ip.v6 ? "/128" : "/32") + " for this address alone");
    } else if (network->ip.v6 && !limits.ipv6 && one != "::/0") {
      warning(path, one + " has no effect: the load balancers of " + provider + " are made with an IPv4 address", "remove it");
    }
  }
  if (!s.database_public_access) {
    if (!s.database_public_allowed_ips.empty())
      warning("database_public_allowed_ips", "has no effect without database_public_access", "write database_public_access: true, or remove it");
    return;
  }
  if (on_azure) needs("azure_network_security_group", s.azure_network_security_group, "the servers' group: it holds the allow list");
  auto all = s.database_public_allowed_ips;
  std::sort(all.begin(), all.end());
  if (all.empty())
    error("database_public_allowed_ips", "is missing: with database_public_access the whole world could connect",
          "name the networks that may, like [203.0.113.0/24]; who wants all writes [0.0.0.0/0, \"::/0\"]");
  else if (!limits.ipv6 && only_v6)
    error("database_public_allowed_ips",
          "has no IPv4 network, and the load balancers of " + provider + " have an IPv4 address only: nobody could connect",
          "name the IPv4 networks that may, like [203.0.113.0/24]");
  else if (s.cloud_provider == CloudProvider::hetzner && all != std::vector<std::string>{"0.0.0.0/0", "::/0"})
    error("database_public_allowed_ips", "cannot be held: Hetzner's load balancers let everybody in, and its firewalls do not see them",
          "leave database_public_access away, or write [0.0.0.0/0, \"::/0\"] where everybody may connect");
}

}  // namespace pgcluster
