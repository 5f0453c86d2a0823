#include <pgcluster/topology/topology.hpp>

#include <algorithm>
#include <set>

#include "base/choice.hpp"
#include "base/joined.hpp"
#include "base/network.hpp"
#include "base/paths.hpp"
#include "base/url.hpp"
#include "spec/roles.hpp"
#include "spec/words.hpp"
#include "topology/cloud.hpp"

namespace pgcluster {
namespace {

// What the host says, else what the cluster says, else the default.
HostAccess access(const Spec& spec, const HostSpec& host) {
  const SshSpec& own = host.ssh;
  const SshSpec& all = spec.ssh;
  HostAccess access;
  access.name = host.name;
  access.address = own.host.value_or(net::canonical(host.address));
  access.port = own.port.value_or(all.port.value_or(22));
  access.user = own.user.value_or(all.user.value_or("root"));
  for (const std::string& key : own.private_key.empty() ? all.private_key : own.private_key) access.private_keys.push_back(expand_home(key));
  access.known_hosts = {expand_home(own.known_hosts.value_or(all.known_hosts.value_or("~/.ssh/known_hosts")))};
  access.accept_new_host_key = own.host_key.value_or(all.host_key.value_or(HostKeyPolicy::strict)) == HostKeyPolicy::accept_new;
  access.transport = own.transport.value_or(all.transport.value_or(Transport::libssh2));
  const auto secret = [&](SpecSecret SshSpec::*member, const char* name) {
    const SpecSecret& found = (own.*member).given() ? own.*member : all.*member;
    return found.given() ? Text(Secret{name, found.value}) : Text();
  };
  access.passphrase = secret(&SshSpec::passphrase, "ssh.passphrase");
  access.password = secret(&SshSpec::password, "ssh.password");
  access.sudo_password = secret(&SshSpec::sudo_password, "ssh.sudo_password");
  const std::vector<std::string>& jump = own.jump.empty() ? all.jump : own.jump;
  for (const std::string& written : jump)
    if (const auto hop = parse_hop(written); hop && written != "none") access.jump.push_back(*hop);
  const std::string config = own.config.value_or(all.config.value_or(""));
  if (config != "none" && access.transport != Transport::local)
    access.config = SshConfig{.path = expand_home(config),
                              .user = !own.user && !all.user,
                              .port = !own.port && !all.port,
                              .private_keys = access.private_keys.empty(),
                              .known_hosts = !own.known_hosts && !all.known_hosts,
                              .jump = jump.empty()};
  return access;
}

std::optional<HostAccess> cloud_access(const Spec& spec) {
  if (!spec.cloud_provider) return std::nullopt;
  return cloud_access(spec, {.provider = *spec.cloud_provider,
                             .endpoint = spec.cloud_api_endpoint,
                             .settings = {{"server_location", spec.server_location},
                                          {"azure_resource_group", spec.azure_resource_group},
                                          {"azure_network_security_group", spec.azure_network_security_group}}});
}

bool tagged(const TopologyHost& host, std::string_view tag) {
  return std::any_of(host.patroni_tags.begin(), host.patroni_tags.end(), [&](const auto& t) { return t.first == tag && t.second == "true"; });
}

// libpq tries the hosts in turn. Without a timeout one that is switched off would cost minutes.
std::string multi_host_uri(const std::vector<const TopologyHost*>& hosts, int port, std::string_view wanted) {
  const std::string list = joined(hosts, ",", [&](const TopologyHost* host) { return net::host_port(host->address, port); });
  return "postgresql://" + list + "/postgres?target_session_attrs=" + std::string(wanted) + (hosts.size() > 1 ? "&connect_timeout=3" : "");
}

// Whether a member of this kind exists while all hosts are up. A port or name without one never answers.
bool ever_answers(EndpointKind kind, const Spec& spec, const Topology& topology) {
  const std::size_t replicas = topology.database.empty() ? 0 : topology.database.size() - 1;
  const std::size_t synchronous = spec.synchronous_mode ? std::min<std::size_t>(replicas, spec.synchronous_node_count) : 0;
  switch (kind) {
    case EndpointKind::read_write:
      return true;
    case EndpointKind::read_only:
      return replicas > 0;
    case EndpointKind::read_only_sync:
      return synchronous > 0;
    case EndpointKind::read_only_async:
      return replicas > synchronous;
  }
  return false;
}

// Of balancers: each port leads to the right servers, so that any of them will do.
std::vector<Endpoint> balanced_endpoints(const Spec& spec, const Topology& topology) {
  const std::vector<const TopologyHost*> balancers = topology.with(Role::balancer);
  if (balancers.empty()) return {};
  const HaproxyPorts& ports = spec.haproxy_listen_port;
  std::vector<Endpoint> found;
  for (const auto& [kind, port] : {std::pair{EndpointKind::read_write, ports.master},
                                   {EndpointKind::read_only, ports.replicas},
                                   {EndpointKind::read_only_sync, ports.replicas_sync},
                                   {EndpointKind::read_only_async, ports.replicas_async}}) {
    if (port == 0 || !ever_answers(kind, spec, topology)) continue;
    const std::string wanted = found.empty() ? "read-write" : "any";
    if (spec.cluster_vip.empty())
      found.push_back({kind, balancers.front()->address, port, multi_host_uri(balancers, port, wanted)});
    else
      found.push_back(
          {kind, spec.cluster_vip, port, "postgresql://" + net::host_port(spec.cluster_vip, port) + "/postgres?target_session_attrs=" + wanted});
  }
  return found;
}

// Names that Consul keeps.
std::vector<Endpoint> named_endpoints(const Spec& spec, const Topology& topology) {
  const int port = spec.pgbouncer_install ? spec.pgbouncer_listen_port : spec.postgresql_port;
  const std::string& cluster = spec.patroni_cluster_name;
  // Elsewhere than in the leader's own datacenter the plain name is empty.
  std::vector<std::pair<EndpointKind, std::string>> names{
      {EndpointKind::read_write,
       spec.consul_layout == ConsulLayout::federated ? cluster + "-master.query.consul" : "master." + cluster + ".service.consul"},
      {EndpointKind::read_only, "replica." + cluster + ".service.consul"}};
  if (spec.synchronous_mode) {
    names.emplace_back(EndpointKind::read_only_sync, "sync-replica." + cluster + ".service.consul");
    names.emplace_back(EndpointKind::read_only_async, "async-replica." + cluster + ".service.consul");
  }
  std::vector<Endpoint> found;
  for (const auto& [kind, name] : names)
    if (ever_answers(kind, spec, topology))
      found.push_back({kind, name, port,
                       "postgresql://" + net::host_port(name, port) + "/postgres?target_session_attrs=" + (found.empty() ? "read-write" : "any")});
  return found;
}

std::vector<Endpoint> addressed_endpoints(const Spec& spec, const Topology& topology) {
  if (with_haproxy(spec)) return balanced_endpoints(spec, topology);
  const int port = spec.pgbouncer_install ? spec.pgbouncer_listen_port : spec.postgresql_port;
  std::vector<const TopologyHost*> writers = topology.with(Role::postgres);
  if (writers.empty()) return {};
  std::vector<Endpoint> found;
  if (!spec.cluster_vip.empty()) {
    found.push_back({EndpointKind::read_write, spec.cluster_vip, port,
                     "postgresql://" + net::host_port(spec.cluster_vip, port) + "/postgres?target_session_attrs=read-write"});
  } else {
    found.push_back({EndpointKind::read_write, writers.front()->address, port, multi_host_uri(writers, port, "read-write")});
  }
  // The first host is preferred as leader: for reads it comes last, so that a client finds a replica at once, and also one that knows no
  // more than address and port.
  std::vector<const TopologyHost*> readers;
  for (const TopologyHost* host : writers)
    if (!tagged(*host, "noloadbalance")) readers.push_back(host);
  if (readers.empty()) readers = writers;
  if (readers.front() == writers.front()) std::rotate(readers.begin(), readers.begin() + 1, readers.end());
  found.push_back({EndpointKind::read_only, readers.front()->address, port, multi_host_uri(readers, port, "prefer-standby")});
  return found;
}

// The names of scheme C stand beside a VIP or balancers, and in place of a list of hosts.
std::vector<Endpoint> endpoints(const Spec& spec, const Topology& topology) {
  if (spec.dcs_type != DcsType::consul) return addressed_endpoints(spec, topology);
  std::vector<Endpoint> found;
  if (with_haproxy(spec) || !spec.cluster_vip.empty()) found = addressed_endpoints(spec, topology);
  for (Endpoint& one : named_endpoints(spec, topology)) found.push_back(std::move(one));
  return found;
}

std::string plural(std::size_t n, const std::string& what) { return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s"); }

void warn(const Spec& spec, Topology& topology) {
  const auto warning = [&](std::string message, std::string hint, std::string path) {
    topology.warnings.push_back({Severity::warning, std::move(message), std::move(hint), std::move(path)});
  };
  const std::size_t members = topology.dcs_members.size();
  const std::string dcs(to_string(topology.dcs_type));
  if (members == 0) {
    warning("nobody keeps the DCS", "name " + dcs + " in the roles of three hosts", "hosts");
  } else if (members < 3) {
    warning(dcs + " has " + plural(members, "member") + ": losing " + (members == 1 ? "it" : "one") + " stops the cluster",
            "use three hosts: three members survive the loss of one", "hosts");
  } else if (members % 2 == 0) {
    warning(dcs + " has " + plural(members, "member") + ", and survives the loss of " + std::to_string(topology.tolerates()) +
                ", no more than with " + std::to_string(members - 1),
            "use " + std::to_string(members - 1) + " or " + std::to_string(members + 1), "hosts");
  } else if (members > 7) {
    warning(dcs + " has " + plural(members, "member") + ": each further member makes every write slower", "use three, five or seven", "hosts");
  }
  if (topology.database.size() == 1)
    warning("only " + topology.database.front() + " is a database host: if it is down, there is no database", "add a database host", "hosts");

  std::map<std::string, std::size_t> by_datacenter;
  for (const std::string& member : topology.dcs_members) ++by_datacenter[topology.host(member).datacenter];
  std::set<std::string> datacenters;
  for (const TopologyHost& host : topology.hosts) datacenters.insert(host.datacenter);
  if (topology.hosts.size() > 1 && datacenters.size() == 1) {
    warning("all hosts stand in one datacenter, " + *datacenters.begin() + ": it fails as a whole",
            "spread them over three where you can, and say so: datacenter: …", "hosts");
  } else if (members >= 3) {
    for (const auto& [datacenter, count] : by_datacenter)
      if (members - count < topology.quorum())
        warning("the loss of datacenter " + datacenter + " stops the cluster: " + std::to_string(count) + " of " + plural(members, dcs + " member") +
                    " stand there",
                "spread them over three datacenters", "hosts");
  }
  if (auto outside = vip_network_warning(spec.cluster_vip, topology)) topology.warnings.push_back(std::move(*outside));
}

}  // namespace

std::string_view to_string(EndpointKind kind) noexcept {
  switch (kind) {
    case EndpointKind::read_write:
      return "read-write";
    case EndpointKind::read_only:
      return "read-only";
    case EndpointKind::read_only_sync:
      return "read-only-sync";
    case EndpointKind::read_only_async:
      return "read-only-async";
  }
  return {};
}

bool TopologyHost::has(Role role) const noexcept { return std::find(roles.begin(), roles.end(), role) != roles.end(); }

const TopologyHost& Topology::host(std::string_view name) const {
  const auto found = std::find_if(hosts.begin(), hosts.end(), [&](const TopologyHost& h) { return h.name == name; });
  if (found == hosts.end()) throw Error(Code::internal, "the topology has no host " + std::string(name));
  return *found;
}

std::vector<const TopologyHost*> Topology::with(Role role) const {
  std::vector<const TopologyHost*> found;
  for (const TopologyHost& host : hosts)
    if (host.has(role)) found.push_back(&host);
  return found;
}

std::string Topology::dcs_endpoints(int port) const {
  return joined(dcs_members, ",", [&](const std::string& member) { return net::host_port(host(member).address, port); });
}

Topology resolve(const Spec& spec) {
  Topology topology;
  topology.cluster = spec.patroni_cluster_name;
  topology.dcs_type = spec.dcs_type;
  topology.dcs_named = dcs_is_named(spec);
  std::set<std::string_view> dcs;
  for (const HostSpec* host : dcs_hosts(spec)) {
    dcs.insert(host->name);
    topology.dcs_members.push_back(host->name);
  }
  for (const HostSpec& written : spec.hosts) {
    TopologyHost host;
    host.name = written.name;
    host.address = net::canonical(written.address);
    host.datacenter = written.datacenter.empty() ? "dc1" : written.datacenter;
    host.patroni_tags = written.patroni_tags;
    host.access = access(spec, written);
    for (const Role role : all_values<Role>()) {
      const bool has = role == Role::postgres   ? is_database(written)
                       : role == Role::balancer ? with_haproxy(spec) && is_balancer(spec, written)
                       : role == dcs_role(spec) ? dcs.contains(written.name) || (role == Role::consul && has_role(written, Role::consul))
                                                : has_role(written, role);
      if (has) host.roles.push_back(role);
    }
    if (host.has(Role::postgres)) topology.database.push_back(host.name);
    topology.hosts.push_back(std::move(host));
  }
  topology.endpoints = endpoints(spec, topology);
  topology.cloud = cloud_access(spec);
  for (Diagnostic& doubt : validate(spec))
    if (doubt.severity == Severity::warning) topology.warnings.push_back(std::move(doubt));
  warn(spec, topology);
  return topology;
}

std::optional<Diagnostic> vip_network_warning(const std::string& vip, const Topology& topology,
                                              const std::map<std::string, std::vector<std::string>>& cidrs) {
  const auto wanted = net::parse_ip(vip);
  if (!wanted) return std::nullopt;
  std::vector<std::string> outside;
  const auto balancers = topology.with(Role::balancer);
  const auto holders = balancers.empty() ? topology.with(Role::postgres) : balancers;
  const std::string who = balancers.empty() ? "database hosts" : "balancers";
  for (const TopologyHost* host : holders) {
    const auto known = cidrs.find(host->name);
    bool inside = false;
    if (known == cidrs.end()) {
      const auto own = net::parse_ip(host->address);
      inside = own && net::same_network(*own, *wanted, wanted->v6 ? 64 : 24);
    } else {
      for (const std::string& cidr : known->second) {
        const auto slash = cidr.find('/');
        const auto own = net::parse_ip(cidr.substr(0, slash));
        const int prefix = slash == std::string::npos ? (wanted->v6 ? 128 : 32) : std::atoi(cidr.c_str() + slash + 1);
        inside |= own && net::same_network(*own, *wanted, prefix);
      }
    }
    if (!inside) outside.push_back(host->name);
  }
  // Without facts /24 is a guess: one host that fits is enough.
  if (outside.empty() || (cidrs.empty() && outside.size() < holders.size())) return std::nullopt;
  return Diagnostic{Severity::warning,
                    outside.size() == holders.size() ? vip + " seems to be in no network of the " + who + ", so that nobody would reach it"
                                                     : vip + " is in no network of " + joined(outside) + ": " +
                                                           (balancers.empty() ? "as leader such a host" : "it") + " cannot hold it",
                    "use a free address of the network that the " + who + " share", "cluster_vip"};
}

}  // namespace pgcluster
