// Load balancing: what of it contradicts the rest of a spec, or says nothing.
#include "spec/balancing.hpp"

#include <algorithm>

#include "base/network.hpp"
#include "spec/roles.hpp"

namespace pgcluster {

void check_balancing(const Spec& s, std::vector<Diagnostic>& findings) {
  const auto warning = [&](std::string path, std::string message, std::string hint) {
    findings.push_back({Severity::warning, std::move(message), std::move(hint), std::move(path)});
  };
  const auto error = [&](std::string path, std::string message, std::string hint) {
    findings.push_back({Severity::error, std::move(message), std::move(hint), std::move(path)});
  };
  const Spec defaults;
  if (!with_haproxy(s)) {
    const std::string hint = "write with_haproxy_load_balancing: true, or remove it";
    const auto unused = [&](const char* key, bool set) {
      if (set) warning(key, "has no effect without with_haproxy_load_balancing", hint);
    };
    unused("haproxy_listen_port", s.haproxy_listen_port != defaults.haproxy_listen_port);
    unused("haproxy_maxconn", s.haproxy_maxconn != defaults.haproxy_maxconn);
    unused("haproxy_timeout", s.haproxy_timeout != defaults.haproxy_timeout);
    unused("haproxy_extra", !s.haproxy_extra.empty());
    unused("confd_binary", s.confd_binary.given());
    unused("keepalived_virtual_router_id", s.keepalived_virtual_router_id != 0);
    for (const HostSpec& host : s.hosts)
      if (has_role(host, Role::balancer)) warning("hosts." + host.name + ".roles", "has the role balancer, which does nothing here", hint);
    return;
  }
  if (s.confd_install && !s.confd_binary.given())
    warning("confd_install", "needs confd_binary: without it HAProxy's servers are the database hosts of this file, as of the last apply",
            "write confd_binary: PATH or { url: …, sha256: … }, or confd_install: false");
  if (!s.confd_install && s.confd_binary.given()) warning("confd_binary", "has no effect with confd_install: false", "remove one of them");
  if (s.haproxy_listen_port.replicas_sync != 0 && !s.synchronous_mode)
    warning("haproxy_listen_port.replicas_sync",
            "port " + std::to_string(s.haproxy_listen_port.replicas_sync) + " never answers: there are no synchronous replicas",
            "write synchronous_mode: true, or haproxy_listen_port: { replicas_sync: 0 }");
  const auto balancers = std::count_if(s.hosts.begin(), s.hosts.end(), [&](const HostSpec& host) { return is_balancer(s, host); });
  if (balancers == 1 && s.hosts.size() > 1)
    warning("hosts", "only one host is a balancer: if it is down, no client can connect", "give another host the role balancer");
  if (s.cluster_vip.empty()) {
    if (s.keepalived_virtual_router_id != 0) warning("keepalived_virtual_router_id", "has no effect without cluster_vip", "remove it");
  } else if (const auto vip = net::parse_ip(s.cluster_vip); vip && s.keepalived_virtual_router_id == 0 && vip->bytes[vip->v6 ? 15 : 3] == 0) {
    error("cluster_vip", "its last byte is 0, which is not a valid virtual router id", "write keepalived_virtual_router_id: 1 to 255");
  }
}

}  // namespace pgcluster
