#include "spec/roles.hpp"

#include <algorithm>

namespace pgcluster {

Role dcs_role(const Spec& spec) { return spec.dcs_type == DcsType::consul ? Role::consul : Role::etcd; }

bool has_role(const HostSpec& host, Role role) { return std::find(host.roles.begin(), host.roles.end(), role) != host.roles.end(); }

bool is_database(const HostSpec& host) { return host.roles.empty() || has_role(host, Role::postgres); }

bool is_balancer(const Spec& spec, const HostSpec& host) {
  const bool named = std::any_of(spec.hosts.begin(), spec.hosts.end(), [](const HostSpec& one) { return has_role(one, Role::balancer); });
  return named ? has_role(host, Role::balancer) : is_database(host);
}

bool with_haproxy(const Spec& spec) { return spec.with_haproxy_load_balancing && !with_cloud_balancer(spec); }

bool with_cloud_balancer(const Spec& spec) { return spec.cloud_provider && spec.cloud_load_balancer; }

std::string stanza_of(const Spec& spec) { return spec.pgbackrest_stanza.empty() ? spec.patroni_cluster_name : spec.pgbackrest_stanza; }

std::string repo_host(const Spec& spec, const RepoSpec& repo) {
  if (!repo.host.empty()) return repo.host;
  std::string only;
  for (const HostSpec& host : spec.hosts) {
    if (!has_role(host, Role::backup)) continue;
    if (!only.empty()) return {};
    only = host.name;
  }
  return only;
}

bool dcs_is_named(const Spec& spec) {
  return std::any_of(spec.hosts.begin(), spec.hosts.end(), [&](const HostSpec& host) { return has_role(host, dcs_role(spec)); });
}

std::string consul_home(const Spec& spec) {
  if (!spec.consul_datacenter.empty() || spec.consul_layout != ConsulLayout::federated)
    return spec.consul_datacenter.empty() ? "dc1" : spec.consul_datacenter;
  const auto first = std::find_if(spec.hosts.begin(), spec.hosts.end(), is_database);
  return first == spec.hosts.end() || first->datacenter.empty() ? "dc1" : first->datacenter;
}

std::string consul_datacenter_of(const Spec& spec, const HostSpec& host) {
  return spec.consul_layout != ConsulLayout::federated ? consul_home(spec) : host.datacenter.empty() ? "dc1" : host.datacenter;
}

std::vector<const HostSpec*> dcs_hosts(const Spec& spec) {
  std::vector<const HostSpec*> members;
  const bool named = dcs_is_named(spec);
  for (const HostSpec& host : spec.hosts)
    if ((named ? has_role(host, dcs_role(spec)) : is_database(host)) &&
        (spec.dcs_type != DcsType::consul || consul_datacenter_of(spec, host) == consul_home(spec)))
      members.push_back(&host);
  if (!named) members.resize(std::min<std::size_t>(members.size(), members.size() >= 7 ? 5 : 3));
  return members;
}

}  // namespace pgcluster
