// haproxy.cfg, as a file and as confd's template.

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.hpp"
#include "base/network.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/haproxy/haproxy.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

struct Section {
  const char* name;
  int HaproxyPorts::*port;
  const char* check;  ///< of Patroni's REST API
  bool lag;           ///< only servers that are not too far behind
  bool direct;
};
constexpr Section sections[] = {
    {"master", &HaproxyPorts::master, "/primary", false, false},
    {"replicas", &HaproxyPorts::replicas, "/replica", true, false},
    {"replicas_sync", &HaproxyPorts::replicas_sync, "/sync", false, false},
    {"replicas_async", &HaproxyPorts::replicas_async, "/async", true, false},
    {"master_direct", &HaproxyPorts::master_direct, "/primary", false, true},
    {"replicas_direct", &HaproxyPorts::replicas_direct, "/replica", true, true},
    {"replicas_sync_direct", &HaproxyPorts::replicas_sync_direct, "/sync", false, true},
    {"replicas_async_direct", &HaproxyPorts::replicas_async_direct, "/async", true, true},
};

// Servers as the file has them, or as confd writes them.
struct Servers {
  std::string count;
  std::string (*lines)(const NodeView& node, int port, bool open);
  bool open = false;  ///< each server twice, asked with TLS and without, as long as the cluster goes over: one of the two is up
};

// How the Patroni of a server is asked. Its certificate must be by the cluster's authority, and of that host.
std::string check(const Spec& spec, const std::string& host, bool tls) {
  std::string text = fmt::format("check port {}", spec.patroni_restapi_port);
  if (tls) text += std::string(" check-ssl verify required ca-file ") + certificates::authority_file + " verifyhost " + host;
  return text;
}

std::string static_lines(const NodeView& node, int port, bool open) {
  const Spec& spec = node.spec();
  std::string text;
  for (const TopologyHost* host : node.cluster.known(Role::postgres)) {
    const std::string at = net::host_port(host->address, port);
    text += fmt::format("    server {} {} {}\n", host->name, at, check(spec, host->name, !open && certificates::wanted(spec)));
    if (open) text += fmt::format("    server {}{} {} {}\n", host->name, haproxy_tls_suffix, at, check(spec, host->name, true));
  }
  return text;
}

// Patroni says "postgres://10.77.0.11:5432/postgres" of each member.
std::string template_lines(const NodeView& node, int port, bool open) {
  const Spec& spec = node.spec();
  const auto line = [&](const char* suffix, bool tls) {
    return fmt::format("    server {{{{base .Key}}}}{} {{{{trimSuffix (index (split $member.conn_url \"/\") 2) \":{}\"}}}}:{} {}\n", suffix,
                       spec.postgresql_port, port, check(spec, "{{base .Key}}", tls));
  };
  return "{{range gets \"/members/*\"}}{{$member := json .Value}}" + line("", !open && certificates::wanted(spec)) +
         (open ? line(haproxy_tls_suffix, true) : "") + "{{end}}";
}

std::string bind(const NodeView& node, int port) {
  bool any = net::is_ipv6(node.spec().cluster_vip);
  for (const TopologyHost* host : node.cluster.known()) any = any || net::is_ipv6(host->address);
  return any ? fmt::format("bind :::{} v4v6", port) : fmt::format("bind :{}", port);
}

// Each session needs two file descriptors; some are reserved for listeners and checks.
int maxconn(const NodeView& node) {
  const std::uint64_t limit = node.facts.nofile_limit;
  const std::uint64_t most = std::max<std::uint64_t>(1, (limit - limit / 20 - std::min<std::uint64_t>(limit / 2, 100)) / 2);
  return static_cast<int>(std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max(1, node.spec().haproxy_maxconn.global)), most));
}

std::string section_text(const NodeView& node, const Section& section, const Servers& servers) {
  const Spec& spec = node.spec();
  const bool master = std::string_view(section.check) == "/primary";
  const int inner = spec.pgbouncer_install && !section.direct ? spec.pgbouncer_listen_port : spec.postgresql_port;
  std::string lag = spec.patroni_maximum_lag_on_replica;
  std::erase(lag, ' ');
  std::string text = fmt::format("\nlisten {}\n    {}\n    maxconn {}\n", section.name, bind(node, spec.haproxy_listen_port.*section.port),
                                 std::min(maxconn(node), master ? spec.haproxy_maxconn.master : spec.haproxy_maxconn.replica));
  // Just started it takes every server for a good one, until it has asked each: who comes then waits for that.
  text += fmt::format(
      "    tcp-request inspect-delay 1500ms\n    tcp-request content accept if {{ nbsrv({}) {} }}\n"
      "    tcp-request content accept if WAIT_END\n",
      section.name, master ? "le 1" : "lt " + servers.count);
  if (!master) text += "    balance roundrobin\n";
  text += fmt::format("    option httpchk\n    http-check send meth OPTIONS uri {}{}\n    http-check expect status 200\n", section.check,
                      section.lag ? "?lag=" + lag : "");
  // A session must not stay on a leader that is none any more.
  text += "    default-server inter 1s fastinter 500ms fall 2 rise 2 on-marked-down shutdown-sessions\n";
  return text + servers.lines(node, inner, servers.open);
}

// The page of statistics, for the host itself and for who shows a certificate of the cluster; without TLS for everybody.
std::string stats_section(const NodeView& node, const std::string& mark) {
  const Spec& spec = node.spec();
  const bool tls = certificates::wanted(spec);
  std::string text = "\nfrontend stats\n    mode http\n    " + bind(node, spec.haproxy_listen_port.stats);
  if (tls)
    text += " ssl crt " + certificates::certificate_file(haproxy_certificate) + " ca-file " + certificates::authority_file + " verify optional";
  text += fmt::format("\n    monitor-uri {}\n", haproxy_ok);
  if (tls)
    text +=
        R"(    acl known src 127.0.0.0/8 ::1
    acl known ssl_c_used
    http-request return status 403 content-type text/plain string "A certificate of the cluster is needed here. By ssh: ssh -L PORT:localhost:PORT HOST\n" unless known
)";
  return text + fmt::format(
                    "    http-request return status 200 content-type text/plain string \"{}\\n\" if {{ path /pgcluster }}\n"
                    "    stats enable\n    stats uri /\n    stats refresh 5s\n",
                    mark);
}

// The health page for the VIP's check, without TLS: the check runs all the time, and TLS would cost more than everything else in it.
std::string health_section(const Spec& spec) {
  return fmt::format("\nfrontend health\n    mode http\n    bind {}:{}\n    monitor-uri {}\n", haproxy_health_address, spec.haproxy_listen_port.stats,
                     haproxy_ok);
}

std::string text_with(const NodeView& node, const Servers& servers, const std::string& extra, const std::string& mark) {
  const Spec& spec = node.spec();
  std::string text = fmt::format(R"(# Written by pgcluster{}. Sections of your own: haproxy_extra in the spec.
global
    log /dev/log local0 notice
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
    maxconn {}
    stats socket /run/haproxy/admin.sock mode 660 level admin expose-fd listeners
    stats timeout 30s
{}
defaults
    log global
    mode tcp
    option tcplog
    option dontlognull
    option dontlog-normal
    option tcpka
    retries 2
    timeout queue 5s
    timeout connect 5s
    timeout client {}
    timeout server {}
    timeout check 3s
)",
                                 with_confd(spec) ? " and confd" : "", maxconn(node),
                                 certificates::wanted(spec) ? "    ssl-default-bind-options ssl-min-ver TLSv1.2\n    ssl-load-extra-del-ext\n" : "",
                                 spec.haproxy_timeout.client, spec.haproxy_timeout.server);
  text += stats_section(node, mark) + health_section(spec);
  for (const Section& section : sections)
    if (spec.haproxy_listen_port.*section.port != 0) text += section_text(node, section, servers);
  if (!extra.empty()) text += "\n" + extra + (extra.ends_with('\n') ? "" : "\n");
  return text;
}

std::string as_file(const NodeView& node, const std::string& mark, bool open) {
  const Servers servers{std::to_string(node.cluster.known(Role::postgres).size()), static_lines, open};
  return text_with(node, servers, node.spec().haproxy_extra, mark);
}

std::string as_template(const NodeView& node, const std::string& mark, bool open) {
  std::string extra = node.spec().haproxy_extra;
  for (std::size_t at = 0; (at = extra.find("{{", at)) != std::string::npos; at += 10) extra.replace(at, 2, "{{\"{{\"}}");
  return text_with(node, {"{{len (gets \"/members/*\")}}", template_lines, open}, extra, mark);
}

}  // namespace

bool with_confd(const Spec& spec) { return with_haproxy(spec) && spec.confd_install && spec.confd_binary.given(); }

std::vector<std::pair<std::string, int>> haproxy_ports(const Spec& spec) {
  std::vector<std::pair<std::string, int>> found;
  for (const Section& section : sections)
    if (const int port = spec.haproxy_listen_port.*section.port; port != 0) found.emplace_back(section.name, port);
  found.emplace_back("stats", spec.haproxy_listen_port.stats);
  return found;
}

std::string haproxy_mark(const NodeView& node, bool open) {
  const std::string text = with_confd(node.spec()) ? as_template(node, "", open) : as_file(node, "", open);
  return sha256_hex(text).substr(0, 12);
}

std::string haproxy_config(const NodeView& node, bool open) { return as_file(node, haproxy_mark(node, open), open); }
std::string haproxy_template(const NodeView& node, bool open) { return as_template(node, haproxy_mark(node, open), open); }

}  // namespace pgcluster
