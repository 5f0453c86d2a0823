// Hosts and clouds that the spec no longer describes, by the cluster file that the hosts keep.
#include <algorithm>

#include "base/joined.hpp"
#include "operate/view.hpp"
#include "spec/roles.hpp"
#include "topology/cloud.hpp"

namespace pgcluster {

void check_still_ours(const Topology& topology, const std::map<std::string, Facts>& left) {
  for (const auto& [name, fact] : left)
    if (const auto known = fact.cluster.empty() ? std::nullopt : read_cluster_file(fact.cluster); known && known->cluster != topology.cluster)
      throw Error({.code = Code::refused,
                   .message = name + " left the spec, and belongs to the cluster " + known->cluster + " by now: nothing of it is removed",
                   .hint = "apply --prune --without " + name + " forgets it",
                   .host = name});
}

std::vector<KnownHost> left_hosts(const Topology& topology, const std::map<std::string, Facts>& facts) {
  std::map<std::string, KnownHost> left;
  std::set<std::string_view> seen;  // the hosts' files are mostly equal
  for (const auto& [name, fact] : facts) {
    if (fact.cluster.empty() || !seen.insert(fact.cluster).second) continue;
    const auto known = read_cluster_file(fact.cluster);
    if (!known) continue;
    if (known->cluster != topology.cluster)
      throw Error({.code = Code::refused,
                   .message = name + " belongs to the cluster " + known->cluster + ", not to " + topology.cluster,
                   .hint = "a cluster keeps its name; to give the host to another cluster, destroy the old one first",
                   .host = name});
    for (const KnownHost& host : known->hosts)
      // A host with another name now is still the same host: check_changes refuses it.
      if (std::none_of(topology.hosts.begin(), topology.hosts.end(),
                       [&](const TopologyHost& one) { return one.name == host.name || one.address == host.address; }))
        left.emplace(host.name, host);
  }
  std::vector<KnownHost> all;
  all.reserve(left.size());
  for (auto& [name, host] : left) all.push_back(std::move(host));
  return all;
}

namespace {

// Balancer names are unique only within a region or resource group of the provider, so that is part of the key. The API's address is not: the same
// cloud may be reached by several.
std::string whereabouts(const KnownCloud& cloud) {
  const auto setting = [&](std::string_view wanted) {
    for (const auto& [key, value] : cloud.settings)
      if (key == wanted && !value.empty()) return " " + value;
    return std::string();
  };
  const std::string provider(to_string(cloud.provider));
  switch (cloud.provider) {
    case CloudProvider::aws:
      return provider + setting("server_location");
    case CloudProvider::gcp: {
      const std::string zones = setting("server_location");
      return provider + zones.substr(0, zones.rfind('-', zones.find(',')));  // their region
    }
    case CloudProvider::azure:
      return provider + setting("azure_resource_group");
    case CloudProvider::digitalocean:
    case CloudProvider::hetzner:
      return provider;
  }
  return provider;
}

}  // namespace

std::vector<KnownCloud> own_cloud(const Spec& spec, const Topology& topology) {
  if (!with_cloud_balancer(spec)) return {};
  const CloudAccess& cloud = *topology.cloud->cloud;
  Pairs settings = cloud.settings;
  std::erase_if(settings, [](const auto& one) { return one.second.empty(); });
  return {{.provider = cloud.provider, .endpoint = cloud.endpoint, .settings = std::move(settings)}};
}

std::vector<LeftCloud> left_clouds(const Spec& spec, const Topology& topology, const std::map<std::string, Facts>& facts) {
  std::set<std::string> seen;
  std::set<std::string_view> read;
  if (topology.cloud) {
    const CloudAccess& cloud = *topology.cloud->cloud;
    seen.insert(whereabouts({.provider = cloud.provider, .endpoint = cloud.endpoint, .settings = cloud.settings}));
  }
  std::vector<LeftCloud> left;
  for (const auto& [name, fact] : facts)
    if (const auto known = read.insert(fact.cluster).second ? read_cluster_file(fact.cluster) : std::nullopt) {
      if (!known->unknown_clouds.empty())
        throw Error({.code = Code::refused,
                     .message = name + " has a record of load balancers of the cluster at " + joined(known->unknown_clouds) +
                                ", a cloud that this version does not know",
                     .hint = "use the version of pgcluster that made them, or a later one",
                     .host = name});
      for (const KnownCloud& cloud : known->clouds) {
        if (!seen.insert(whereabouts(cloud)).second) continue;
        HostAccess access = cloud_access(spec, cloud);
        const auto taken = [&](const std::string& other) {
          return (topology.cloud && topology.cloud->name == other) ||
                 std::any_of(left.begin(), left.end(), [&](const LeftCloud& one) { return one.access.name == other; });
        };
        const std::string plain = access.name;
        for (int n = 2; taken(access.name); ++n) access.name = plain + ":" + std::to_string(n);
        left.push_back({cloud, std::move(access)});
      }
    }
  return left;
}

TopologyHost as_host(const KnownHost& left, const Topology& topology) {
  return {.name = left.name, .address = left.address, .datacenter = {}, .roles = left.roles, .patroni_tags = {}, .access = access_of(left, topology)};
}

HostAccess access_of(const KnownHost& left, const Topology& topology) {
  HostAccess access = topology.hosts.front().access;
  for (const TopologyHost& host : topology.hosts)
    if (access.transport == Transport::local) access = host.access;
  if (access.transport == Transport::local) access.transport = Transport::libssh2;
  // A password or passphrase that only some hosts use is never offered to another host.
  const auto common = [&](auto HostAccess::*what) {
    for (const TopologyHost& host : topology.hosts)
      if (!(host.access.*what == topology.hosts.front().access.*what)) return access.*what = {}, void();
  };
  common(&HostAccess::password);
  common(&HostAccess::sudo_password);
  common(&HostAccess::passphrase);
  access.name = left.name;
  access.address = left.access.address;
  access.port = left.access.port;
  access.user = left.access.user;
  access.jump = left.access.jump;
  return access;
}

}  // namespace pgcluster
