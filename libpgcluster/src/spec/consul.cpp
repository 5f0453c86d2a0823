#include "spec/consul.hpp"

#include <algorithm>
#include <map>
#include <regex>

#include "spec/keys.hpp"
#include "spec/roles.hpp"
#include "spec/validate.hpp"
#include "spec/words.hpp"

namespace pgcluster {
namespace {

bool is_key(const std::string& text) {
  static const std::regex base64("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?");
  if (!std::regex_match(text, base64)) return false;
  const auto bytes = text.size() / 4 * 3 - (text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0);
  return bytes == 16 || bytes == 24 || bytes == 32;
}

}  // namespace

void check_consul(const Spec& s, std::vector<Diagnostic>& findings) {
  const auto warning = [&](std::string path, std::string message, std::string hint) {
    findings.push_back({Severity::warning, std::move(message), std::move(hint), std::move(path)});
  };
  const auto error = [&](std::string path, std::string message, std::string hint) {
    findings.push_back({Severity::error, std::move(message), std::move(hint), std::move(path)});
  };
  const Spec defaults;
  if (s.dcs_type != DcsType::consul) {
    const auto unused = [&](const char* key, bool set) {
      if (set) warning(key, "has no effect without dcs_type: consul", "write dcs_type: consul, or remove it");
    };
    unused("consul_layout", s.consul_layout != defaults.consul_layout);
    unused("consul_datacenter", !s.consul_datacenter.empty());
    unused("consul_binary", s.consul_binary.given());
    unused("consul_dns", s.consul_dns != defaults.consul_dns);
    unused("consul_encrypt_key", s.consul_encrypt_key.given());
    if (is_faulty(findings, "dcs_type")) return;
    for (const HostSpec& host : s.hosts)
      for (const Role role : {Role::consul, Role::consul_client})
        if (has_role(host, role))
          error("hosts." + host.name + ".roles", std::string(to_string(role)) + " is a role here, but dcs_type is etcd",
                "remove the role, or write dcs_type: consul");
    return;
  }
  static const std::regex label{std::string(keys::pattern(keys::Format::dns_label))};
  if (!s.patroni_cluster_name.empty() && !std::regex_match(s.patroni_cluster_name, label))
    error("patroni_cluster_name", words::shown(s.patroni_cluster_name) + " cannot be part of a name in DNS, which clients get with Consul",
          "write small letters, digits, and '-' between them, like postgres-cluster");
  std::map<std::string, std::size_t> servers;  // of each datacenter
  for (const HostSpec& host : s.hosts) {
    if (!host.datacenter.empty() && !std::regex_match(host.datacenter, label))
      error("hosts." + host.name + ".datacenter", words::shown(host.datacenter) + " cannot be part of a name in DNS, which clients get with Consul",
            "write small letters, digits, and '-' between them, like dc1");
    servers[consul_datacenter_of(s, host)] += has_role(host, Role::consul) ? 1u : 0u;
  }
  if (s.consul_encrypt_key.given() && !is_key(s.consul_encrypt_key.value))
    error("consul_encrypt_key", "is not the base64 of 16, 24 or 32 bytes", "write what `consul keygen` prints, or remove it: one is made");
  if (s.consul_layout != ConsulLayout::federated || s.hosts.empty()) return;
  if (servers.size() < 2) {
    error("consul_layout", "federated needs hosts in several datacenters, and all are in " + servers.begin()->first,
          "write datacenter: … in the hosts, or consul_layout: stretched");
    return;
  }
  if (!servers.contains(consul_home(s)))
    error("consul_datacenter", "no host is in " + words::shown(consul_home(s)), "name the datacenter that holds the cluster's state");
  // confd knows no ?dc=: it would look for members in a KV that has none.
  if (s.with_haproxy_load_balancing && s.confd_install && s.confd_binary.given())
    for (const HostSpec& host : s.hosts)
      if (is_balancer(s, host) && consul_datacenter_of(s, host) != consul_home(s))
        error("hosts." + host.name + ".datacenter",
              "confd on a balancer of Consul's datacenter " + consul_datacenter_of(s, host) + " cannot read the KV of " + consul_home(s),
              "balance in " + consul_home(s) + " only, or write confd_install: false");
  for (const auto& [datacenter, count] : servers)
    if (count == 0)
      error("hosts", "Consul's datacenter " + datacenter + " has no server",
            "give the role consul to three hosts there: roles: [postgres, consul] where they are database hosts");
    else if (count % 2 == 0)
      warning("hosts",
              "Consul's datacenter " + datacenter + " has " + std::to_string(count) + " servers, and survives no more losses than with " +
                  std::to_string(count - 1),
              "use one or three");
}

}  // namespace pgcluster
