// confd: writes haproxy.cfg from Patroni's members in the DCS, so that who joins or leaves needs no apply.
#include <fmt/format.h>

#include <algorithm>

#include <pgcluster/component/confd.hpp>
#include <pgcluster/component/etcd.hpp>
#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "component/certificates.hpp"
#include "component/consul/consul.hpp"
#include "component/etcd/etcd.hpp"
#include "component/haproxy/haproxy.hpp"
#include "component/program.hpp"
#include "component/registry.hpp"
#include "component/sandbox.hpp"

namespace pgcluster {
namespace {

constexpr const char* unit = "confd.service";
constexpr const char* certificate = "confd";
constexpr const char* program_file = "/usr/local/bin/confd";
constexpr const char* config_file = "/etc/confd/confd.toml";
constexpr const char* resource_file = "/etc/confd/conf.d/haproxy.toml";
constexpr const char* template_file = "/etc/confd/templates/haproxy.tmpl";
constexpr const char* unit_file = "/etc/systemd/system/confd.service";
constexpr const char* token_file = "/etc/confd/consul.env";
constexpr const char* drop_in_file = "/etc/systemd/system/confd.service.d/50-pgcluster.conf";

std::vector<std::string> nodes_of(const NodeView& node) {
  if (node.topology().dcs_type != DcsType::etcd) return {"127.0.0.1:" + std::to_string(consul_api_port(node.spec()))};
  return etcd_client_urls(node.cluster);
}

// Looks every few seconds instead of watching: a watch that has died in silence is not noticed.
std::string config_text(const NodeView& node) {
  const std::string nodes = joined(nodes_of(node), ", ", [](const std::string& one) { return '"' + one + '"'; });
  std::string text =
      fmt::format("# Written by pgcluster.\nbackend = \"{}\"\nconfdir = \"/etc/confd\"\ninterval = {}\nlog-level = \"info\"\nnodes = [{}]\n",
                  to_string(node.topology().dcs_type), node.spec().confd_interval, nodes);
  if (certificates::wanted(node.spec()))
    text += fmt::format("scheme = \"https\"\nclient_cakeys = \"{}\"\nclient_cert = \"{}\"\nclient_key = \"{}\"\n", certificates::authority_file,
                        certificates::certificate_file(certificate), certificates::key_file(certificate));
  return text;
}

std::string resource_text(const NodeView& node) {
  return fmt::format(R"(# Written by pgcluster.
[template]
prefix = "/service/{}"
keys = ["/members/"]
src = "haproxy.tmpl"
dest = "{}"
mode = "0644"
check_cmd = "/usr/sbin/haproxy -c -q -f {{{{.src}}}}"
reload_cmd = "/usr/bin/systemctl try-reload-or-restart haproxy.service"
)",
                     node.spec().patroni_cluster_name, haproxy_file);
}

// confd runs as root to write haproxy.cfg and to have systemd reload HAProxy. It also runs `haproxy -c`, which reads all files that HAProxy may read.
const Sandbox confd_sandbox{.capabilities = "CAP_DAC_READ_SEARCH",
                            .families = "AF_NETLINK",
                            .writes = "/etc/haproxy",
                            .privileged = true,
                            .compiles = true,
                            .reads_home = true};

// From version 0.40 on, confd takes the backend as a command, and does not read the nodes and the interval from its file. Its help tells which it is.
std::string unit_text(const NodeView& node) {
  std::string nodes = joined(nodes_of(node), " ", [](const std::string& one) { return "--node \"" + one + '"'; });
  if (certificates::wanted(node.spec()))
    nodes += std::string(" --scheme https --client-ca-keys ") + certificates::authority_file + " --client-cert " +
             certificates::certificate_file(certificate) + " --client-key " + certificates::key_file(certificate);
  return fmt::format(R"([Unit]
Description=confd: HAProxy's servers are Patroni's members (pgcluster)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
{6}ExecStart=/bin/sh -c 'if {0} --help 2>&1 | grep -q "<command>"; then exec {0} {2} --config-file {1} --interval {3} {4}; fi; exec {0} -config-file {1}'
Restart=always
RestartSec=2
# Nothing that serves waits for it: it must not take the machine from what does.
CPUQuota=50%
MemoryMax=512M
{5}
[Install]
WantedBy=multi-user.target
)",
                     program_file, config_file, to_string(node.topology().dcs_type), node.spec().confd_interval, nodes,
                     sandbox_lines(node.facts, confd_sandbox),
                     consul_has_tokens(node.cluster) ? fmt::format("EnvironmentFile={}\n", token_file) : "");
}

// What confd writes from it is ours as well, and goes with it. Checked with the servers of the spec in place of Patroni's members.
StepPtr template_step(const NodeView& node) {
  const std::string written = std::string("file:") + haproxy_file;
  return haproxy_checked_file(node, node.step("confd", "template"), template_file, haproxy_template, {std::string("file:") + template_file, written},
                              {written});
}

StepPtr close_step(const NodeView& node) {
  return haproxy_closing_file(node, confd::closed(node.name()), template_file, haproxy_template(node), {unit, SetUnit::Go::restart, {}},
                              Impact::none);
}

class Confd final : public Component {
 public:
  std::string name() const override { return "confd"; }

  Steps steps(const NodeView& node) const override {
    if (!node.has(Role::balancer) || !with_confd(node.spec())) return {};
    const auto step = [&](const char* what) { return node.step("confd", what); };
    const std::string host = node.name();
    // Nobody waits for confd: its restart disturbs nothing.
    ServiceWish wish{.unit = unit,
                     .start_files = {config_file, resource_file, template_file, unit_file, drop_in_file, program_file},
                     .restart_impact = Impact::none,
                     .settle = std::chrono::seconds(30)};
    if (certificates::wanted(node.spec()))
      wish.start_files.insert(wish.start_files.end(), {certificates::authority_file, certificates::certificate_file(certificate)});
    Steps token;
    if (consul_has_tokens(node.cluster)) {
      wish.start_files.emplace_back(token_file);
      Text content = "CONSUL_HTTP_TOKEN=";
      content += consul_reader_token(node.cluster);
      content += "\n";
      token = after_where_planned({consul::known_tokens(host)},
                                  file(step("token"), host, {.path = token_file, .content = std::move(content), .mode = 0600}));
    }
    const std::vector<std::string> packages = needs(node).packages;
    const Steps installed = packages.empty() ? Steps() : Steps(pgcluster::packages(step("packages"), host, packages));
    return after(
        {haproxy::packages(host)},
        sequence(installed,
                 parallel(program_step(node, "confd", program_file, node.spec().confd_binary),
                          after_where_planned({etcd::voting()}, file(step("config"), host, {.path = config_file, .content = config_text(node)})),
                          file(step("resource"), host, {.path = resource_file, .content = resource_text(node)}),
                          after_where_planned({certificates::ready(host, haproxy_certificate)}, template_step(node)),
                          after_where_planned({etcd::voting()}, file(step("unit"), host, {.path = unit_file, .content = unit_text(node)})),
                          std::move(token), file(step("notes"), host, unit_notes(wish))),
                 after_where_planned({certificates::ready(host, certificate), consul::healthy(host), consul::tokens(consul_home(node.spec()))},
                                     service(confd::service(host), host, wish)),
                 closing(node)));
  }

  static Steps closing(const NodeView& node) {
    if (!certificates::goes_over(node.cluster)) return {};
    std::vector<StepRef> members;
    for (const std::string& name : node.topology().database) members.push_back(patroni::member(name));
    return after(members, close_step(node));
  }

  Needs needs(const NodeView& node) const override {
    if (!node.has(Role::balancer) || !with_confd(node.spec())) return {};
    Needs all{.units = {unit}};
    // openssl and the account come with HAProxy, for which confd waits anyway.
    if (certificates::wanted(node.spec())) {
      all.certificates = {{.name = certificate, .serves = false, .asks = true, .after = "template"}};
      if (node.topology().dcs_type == DcsType::etcd) all.packages.push_back(node.platform().etcd_client);
      if (etcd_has_users(node.cluster)) all.certificates.front().user = etcd_reader(node.spec());
    }
    if (const std::string& path = node.spec().confd_binary.path; !path.empty()) all.programs.push_back({"confd_binary", path});
    return all;
  }
};

}  // namespace

ComponentPtr confd_component() { return std::make_shared<Confd>(); }

}  // namespace pgcluster
