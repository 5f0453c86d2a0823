#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// The role of the DCS's members: etcd or consul.
Role dcs_role(const Spec& spec);
bool has_role(const HostSpec& host, Role role);
/// A host without roles is a database node.
bool is_database(const HostSpec& host);
/// Whether the host is a balancer: it has the role, or no host has the role and it is a database host.
bool is_balancer(const Spec& spec, const HostSpec& host);
/// Whether clients connect through HAProxy: it is enabled, and no load balancer of a cloud replaces it.
bool with_haproxy(const Spec& spec);
/// Whether clients connect through the load balancers of cloud_provider.
bool with_cloud_balancer(const Spec& spec);
/// The name of the cluster in its repositories of backups.
std::string stanza_of(const Spec& spec);
/// The host of a repository: the host that the repository names, or the only host with the role backup. Empty if there is none, or if there are
/// several.
std::string repo_host(const Spec& spec, const RepoSpec& repo);
/// Whether some host names the DCS's role.
bool dcs_is_named(const Spec& spec);
/// The Consul datacenter whose KV store has the state of the cluster.
std::string consul_home(const Spec& spec);
/// Consul's datacenter that a host belongs to.
std::string consul_datacenter_of(const Spec& spec, const HostSpec& host);
/// The ports of the API of Consul's agents, on loopback: HTTPS, or HTTP with tls_cert_generate: false.
inline constexpr int consul_https_port = 8501, consul_http_port = 8500;
constexpr int consul_api_port(const Spec& spec) { return spec.tls_cert_generate ? consul_https_port : consul_http_port; }
/// The hosts of the DCS: those that have its role; otherwise the first three database hosts, or five if there are seven or more. With federated
/// Consul: those in consul_home.
std::vector<const HostSpec*> dcs_hosts(const Spec& spec);

}  // namespace pgcluster
