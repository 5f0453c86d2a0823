#include "topology/graph/scene.hpp"

#include <algorithm>

#include "base/url.hpp"
#include "spec/roles.hpp"

namespace pgcluster::graphs {
namespace {

using Kind = Service::Kind;

std::string capitalized(std::string word) {
  word.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(word.front())));
  return word;
}

std::vector<int> haproxy_ports(const HaproxyPorts& all) {
  std::vector<int> ports;
  for (const int port : {all.master, all.replicas, all.replicas_sync, all.replicas_async, all.master_direct, all.replicas_direct,
                         all.replicas_sync_direct, all.replicas_async_direct, all.stats})
    if (port != 0) ports.push_back(port);
  return ports;
}

// The only place of a graph that names services: the programs of a host from its roles, in the order in which a client meets them.
std::vector<Service> services_of(const TopologyHost& host, const Spec& spec) {
  std::vector<Service> services;
  const bool confd = with_haproxy(spec) && spec.confd_install && spec.confd_binary.given();
  if (host.has(Role::balancer)) {
    if (!spec.cluster_vip.empty()) services.push_back({"Keepalived", {}, Kind::front});
    services.push_back({"HAProxy", haproxy_ports(spec.haproxy_listen_port), Kind::front});
    if (confd) services.push_back({"confd", {}, Kind::front});
  }
  if (host.has(Role::postgres)) {
    if (!spec.cluster_vip.empty() && !with_haproxy(spec)) services.push_back({"VIP manager", {}, Kind::front});
    if (spec.pgbouncer_install) services.push_back({"PgBouncer", {spec.pgbouncer_listen_port}});
    services.push_back({"PostgreSQL " + std::to_string(spec.postgresql_version), {spec.postgresql_port}});
    services.push_back({"Patroni", {spec.patroni_restapi_port}});
  }
  if (spec.pgbackrest_install && (host.has(Role::postgres) || host.has(Role::backup))) services.push_back({"pgBackRest", {8432}});
  if (host.has(Role::etcd)) services.push_back({"etcd", {spec.etcd_client_port, spec.etcd_peer_port}, Kind::dcs});
  if (host.has(Role::consul)) services.push_back({"Consul server", {8300, 8301, 8302, consul_api_port(spec), 8600}, Kind::dcs});
  if (spec.dcs_type == DcsType::consul && !host.has(Role::consul) &&
      (host.has(Role::postgres) || host.has(Role::consul_client) || (host.has(Role::balancer) && confd)))
    services.push_back({"Consul agent", {8301, consul_api_port(spec), 8600}, Kind::dcs});
  return services;
}

std::string role_of(const TopologyHost& host) {
  if (host.has(Role::postgres)) return "database";
  if (host.has(Role::balancer)) return "balancer";
  if (host.has(Role::etcd) || host.has(Role::consul)) return "DCS";
  if (host.has(Role::backup)) return "backup";
  return "application";
}

bool tagged(const TopologyHost& host, std::string_view tag) {
  return std::any_of(host.patroni_tags.begin(), host.patroni_tags.end(), [&](const auto& one) { return one.first == tag && one.second == "true"; });
}

Host host_of(const TopologyHost& host, const Topology& topology, const Spec& spec) {
  Host shown{.name = host.name, .address = host.address, .role = role_of(host), .services = services_of(host, spec)};
  for (const auto& [tag, value] : host.patroni_tags) shown.tags.push_back(tag + ": " + value);
  shown.database = host.has(Role::postgres);
  shown.balancer_only = host.has(Role::balancer) && !shown.database;
  shown.first_leader = !topology.database.empty() && topology.database.front() == host.name;
  shown.member = std::find(topology.dcs_members.begin(), topology.dcs_members.end(), host.name) != topology.dcs_members.end();
  return shown;
}

std::string goes_to(EndpointKind kind) {
  switch (kind) {
    case EndpointKind::read_write:
      return "the leader";
    case EndpointKind::read_only:
      return "replicas";
    case EndpointKind::read_only_sync:
      return "synchronous replicas";
    case EndpointKind::read_only_async:
      return "asynchronous replicas";
  }
  return {};
}

std::string condition_of(EndpointKind kind) {
  return kind == EndpointKind::read_write ? "if leader" : kind == EndpointKind::read_only_sync ? "if synchronous" : "if replica";
}

Traffic traffic_of(EndpointKind kind) { return kind == EndpointKind::read_write ? Traffic::writes : Traffic::reads; }

std::string vendor(CloudProvider provider) {
  switch (provider) {
    case CloudProvider::aws:
      return "AWS";
    case CloudProvider::gcp:
      return "Google Cloud";
    case CloudProvider::azure:
      return "Azure";
    case CloudProvider::digitalocean:
      return "DigitalOcean";
    case CloudProvider::hetzner:
      return "Hetzner Cloud";
  }
  return {};
}

// One load balancer a kind, which the cloud keeps on the members of that kind.
Way cloud_way(const Scene& scene, const Spec& spec) {
  const int port = spec.pgbouncer_install ? spec.pgbouncer_listen_port : spec.postgresql_port;
  Way way{.title = "Load balancers of " + vendor(*spec.cloud_provider),
          .note = spec.database_public_access ? "with public addresses" : "with private addresses",
          .prefix = "cloud_"};
  const auto add = [&](EndpointKind kind, const char* role) {
    way.lines.push_back({std::string(to_string(kind)), scene.cluster + '-' + role, port, goes_to(kind), condition_of(kind), traffic_of(kind),
                         traffic_of(kind) == Traffic::writes ? scene.databases : scene.readable});
  };
  add(EndpointKind::read_write, "primary");
  if (scene.databases.size() > 1) add(EndpointKind::read_only, "replica");
  if (scene.databases.size() > 1 && spec.synchronous_mode) add(EndpointKind::read_only_sync, "sync");
  return way;
}

// An address, or hosts that libpq tries in turn.
Way addressed_way(const Scene& scene, const Topology& topology, const Spec& spec, bool vip) {
  const bool balanced = with_haproxy(spec);
  std::vector<std::string> balancers;
  for (const TopologyHost* host : topology.with(Role::balancer)) balancers.push_back(host->name);
  Way way;
  if (vip) {
    way.title = "Virtual IP " + spec.cluster_vip;
    way.note = balanced ? "Keepalived holds it on one balancer" : "VIP manager holds it on the leader's host";
  } else {
    way.title = "Host list in the libpq URI";
    way.note = balanced ? "any balancer: " + listed(balancers, 4) : "libpq picks by target_session_attrs";
  }
  for (const Endpoint& endpoint : topology.endpoints) {
    if (endpoint.address.ends_with(".consul") || (endpoint.address == spec.cluster_vip) != vip) continue;
    Line line{.kind = std::string(to_string(endpoint.kind)),
              .where = vip        ? "VIP " + endpoint.address
                       : balanced ? "any balancer,"
                                  : "any host,",
              .port = endpoint.port,
              .goes = goes_to(endpoint.kind)};
    if (balanced) {
      line.traffic = Traffic::balanced;
      line.condition = vip ? "if it holds the VIP" : "";
      line.hosts = balancers;
    } else {
      line.traffic = traffic_of(endpoint.kind);
      line.condition = line.traffic == Traffic::writes ? "if leader" : "prefers replicas";
      for (const std::string& name : scene.databases)  // a URI may leave hosts out
        if (vip || endpoint.uri.find(net::host_port(topology.host(name).address, endpoint.port)) != std::string::npos) line.hosts.push_back(name);
      if (line.traffic == Traffic::reads) line.goes = "replicas first";
    }
    way.lines.push_back(std::move(line));
  }
  return way;
}

Way named_way(const Scene& scene, const Topology& topology) {
  Way way{.title = "DNS names from Consul", .note = "answered by the Consul agent on the client's host", .prefix = "name_"};
  for (const Endpoint& endpoint : topology.endpoints)
    if (endpoint.address.ends_with(".consul"))
      way.lines.push_back({std::string(to_string(endpoint.kind)), endpoint.address, endpoint.port, goes_to(endpoint.kind),
                           condition_of(endpoint.kind), traffic_of(endpoint.kind),
                           traffic_of(endpoint.kind) == Traffic::writes ? scene.databases : scene.readable});
  return way;
}

std::vector<Way> ways_of(const Scene& scene, const Topology& topology, const Spec& spec) {
  std::vector<Way> ways;
  if (with_cloud_balancer(spec)) {
    ways.push_back(cloud_way(scene, spec));
  } else {
    if (!spec.cluster_vip.empty()) ways.push_back(addressed_way(scene, topology, spec, true));
    ways.push_back(addressed_way(scene, topology, spec, false));
  }
  ways.push_back(named_way(scene, topology));
  std::erase_if(ways, [](const Way& way) { return way.lines.empty(); });
  return ways;
}

std::string dcs_text(const Topology& topology, const Spec& spec) {
  const std::size_t members = topology.dcs_members.size();
  std::string text = listed(topology.dcs_members, 9) + ": quorum " + std::to_string(topology.quorum()) + " of " + std::to_string(members) +
                     ", survives " + (topology.tolerates() == 0 ? "no loss" : "the loss of " + std::to_string(topology.tolerates()));
  if (spec.dcs_type == DcsType::consul && spec.consul_layout == ConsulLayout::federated)
    text += "; datacenter " + consul_home(spec) + " holds the cluster's state, others reach it over the WAN";
  return text;
}

}  // namespace

std::string listed(const std::vector<std::string>& names, std::size_t most) {
  std::string text;
  const std::size_t shown = names.size() > most ? most - 1 : names.size();
  for (std::size_t i = 0; i < shown; ++i) text += (i == 0 ? "" : ", ") + names[i];
  return shown == names.size() ? text : text + ", … (" + std::to_string(names.size()) + " hosts)";
}

std::string ports_text(const std::vector<int>& ports) {
  std::string text;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    std::size_t last = i;
    while (last + 1 < ports.size() && ports[last + 1] == ports[last] + 1) ++last;
    if (last < i + 2) last = i;
    text += (i == 0 ? "" : " ") + std::to_string(ports[i]) + (last == i ? "" : "–" + std::to_string(ports[last]));
    i = last;
  }
  return text;
}

Scene scene_of(const Topology& topology, const Spec& spec) {
  Scene scene{.cluster = topology.cluster,
              .dcs_type = std::string(to_string(topology.dcs_type)),
              .dcs_members = topology.dcs_members,
              .databases = topology.database};
  for (const std::string& name : topology.database)
    if (!tagged(topology.host(name), "noloadbalance")) scene.readable.push_back(name);
  for (const TopologyHost& host : topology.hosts) {
    auto at = std::find_if(scene.sites.begin(), scene.sites.end(), [&](const Site& site) { return site.name == host.datacenter; });
    if (at == scene.sites.end()) at = scene.sites.insert(at, {host.datacenter, {}});
    at->hosts.push_back(host_of(host, topology, spec));
  }
  scene.ways = ways_of(scene, topology, spec);
  scene.dcs_title = topology.dcs_type == DcsType::etcd ? "etcd" : capitalized(scene.dcs_type);
  scene.dcs_text = dcs_text(topology, spec);
  scene.subtitle = "PostgreSQL " + std::to_string(spec.postgresql_version) + " under Patroni, state in " + scene.dcs_title +
                   (spec.synchronous_mode ? ", synchronous replication" : "");
  return scene;
}

}  // namespace pgcluster::graphs
