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
/// A host that names the role, or, where none does, every database host.
bool is_balancer(const Spec& spec, const HostSpec& host);
/// Whether HAProxy stands in front: it was asked for, and no cloud's load balancer takes its place.
bool with_haproxy(const Spec& spec);
/// Whether clients connect through the load balancers of cloud_provider.
bool with_cloud_balancer(const Spec& spec);
/// The name of the cluster in its repositories of backups.
std::string stanza_of(const Spec& spec);
/// The host that keeps a repository: the one that it names, or the only one with the role backup. Empty where there is none, or several.
std::string repo_host(const Spec& spec, const RepoSpec& repo);
/// Whether some host names the DCS's role.
bool dcs_is_named(const Spec& spec);
/// Consul's datacenter whose KV holds the cluster.
std::string consul_home(const Spec& spec);
/// Consul's datacenter that a host belongs to.
std::string consul_datacenter_of(const Spec& spec, const HostSpec& host);
/// Where Consul's agents serve their API, on loopback: by HTTPS, by HTTP where nothing is encrypted.
inline constexpr int consul_https_port = 8501, consul_http_port = 8500;
constexpr int consul_api_port(const Spec& spec) { return spec.tls_cert_generate ? consul_https_port : consul_http_port; }
/// The hosts of the DCS: those that name its role; else the first 3 database hosts, 5 from seven on. Of federated Consul: those in consul_home.
std::vector<const HostSpec*> dcs_hosts(const Spec& spec);

}  // namespace pgcluster
