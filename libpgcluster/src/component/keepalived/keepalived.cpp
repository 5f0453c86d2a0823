// Keepalived: the virtual IP address on one of the balancers, wherever HAProxy serves.
#include <fmt/format.h>

#include <algorithm>

#include <pgcluster/component/keepalived.hpp>

#include "base/network.hpp"
#include "component/haproxy/haproxy.hpp"
#include "component/keepalived/shell.hpp"
#include "component/registry.hpp"
#include "component/sandbox.hpp"
#include "component/vip/vip.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

constexpr const char* config_file = keepalived_file;
constexpr const char* check_file = "/usr/local/lib/pgcluster/vip-check";
constexpr const char* drop_in_file = "/etc/systemd/system/keepalived.service.d/50-pgcluster.conf";
constexpr const char* secret_name = "keepalived_auth_password";
constexpr const char* header = "# Written by pgcluster.\n";

int router_id(const Spec& spec) {
  if (spec.keepalived_virtual_router_id != 0) return spec.keepalived_virtual_router_id;
  const auto vip = net::parse_ip(spec.cluster_vip);
  return vip ? vip->bytes[vip->v6 ? 15 : 3] : 0;
}

// Adverts go from address to address, so they need the interface of the host's own address. Another one may lead to no peer, and then each host would
// hold the VIP.
std::string advert_interface(const NodeView& node) {
  for (const Facts::Interface& one : node.facts.interfaces)
    if (net::without_prefix(one.cidr) == node.host.address) return one.name;
  return vip_interface(node);
}

Text config_text(const NodeView& node) {
  const Spec& spec = node.spec();
  const std::string& vip = spec.cluster_vip;
  const std::string interface = vip_interface(node);
  int place = 0;
  std::string peers;
  bool unicast = net::is_ipv6(node.host.address) == net::is_ipv6(vip);
  // One that left the spec still speaks until it is pruned: who did not listen to it would hold the VIP beside it.
  for (const TopologyHost* host : node.cluster.known(Role::balancer)) {
    if (host->name == node.name())
      place = static_cast<int>(host - &node.topology().hosts.front());
    else
      peers += "        " + host->address + "\n";
    unicast = unicast && net::is_ipv6(host->address) == net::is_ipv6(vip);
  }
  const std::string adverts = unicast && !peers.empty() ? advert_interface(node) : interface;
  // The check tries again after 0.5 s before it fails. It finds a dead HAProxy after 1.5 s on average and 2.5 s at most: as fast as a check that runs
  // every second and must fail twice, with half as many processes.
  // Peers are named: many networks carry no multicast. Whoever has it keeps it when another comes back. A high priority makes the wait for a
  // silent holder short: three adverts and (256 - priority) / 256 s.
  Text text = fmt::format(R"({}global_defs {{
    router_id {}
    vrrp_version {}
    enable_script_security
    script_user nobody nogroup
    vrrp_garp_master_delay 1
    vrrp_garp_master_repeat 3
    vrrp_garp_master_refresh 10
}}

vrrp_script haproxy {{
    script "{} {} {}"
    interval 2
    timeout 3
    fall 1
    rise 2
}}

vrrp_instance pgcluster {{
    state BACKUP
    nopreempt
    interface {}
    virtual_router_id {}
    priority {}
    advert_int 1
)",
                          header, node.name(), net::is_ipv6(vip) ? 3 : 2, check_file, spec.haproxy_listen_port.stats, spec.haproxy_listen_port.master,
                          adverts, router_id(spec), std::max(1, 250 - place));
  if (unicast && !peers.empty()) text += "    unicast_src_ip " + node.host.address + "\n    unicast_peer {\n" + peers + "    }\n";
  // Version 3, which IPv6 needs, knows no passwords.
  if (!net::is_ipv6(vip)) {
    Secret password = node.cluster.secret(secret_name);
    password.value = password.value.substr(0, 8);
    text += "    authentication {\n        auth_type PASS\n        auth_pass ";
    text += password;
    text += "\n    }\n";
  }
  if (adverts != interface) text += "    track_interface {\n        " + interface + "\n    }\n";
  text += "    virtual_ipaddress {\n        " + net::single_address(vip) + " dev " + interface +
          "\n    }\n    track_script {\n        haproxy\n    }\n}\n";
  return text;
}

StepPtr config_step(const NodeView& node) {
  const std::string host = node.name();
  const Ask present{host, FileOf{config_file}};
  const StepPtr wished = file(node.step("keepalived", "config"), host, {.path = config_file, .content = config_text(node), .mode = 0600});
  auto decide = [present, wished, host](const Answers& answers) -> Decision {
    if (const auto* found = answers.get<File>(present); found && !found->content.starts_with(header) && !found->content.empty())
      return Refused{{.message = host + " has a Keepalived that pgcluster has not set up: " + config_file + " is somebody else's",
                      .hint = "let other hosts balance (roles: [balancer]), or, where nobody needs it: systemctl disable --now keepalived, and move "
                              "the file away"}};
    return wished->decide(answers);
  };
  return make_step(node.step("keepalived", "config"), {.asks = {present}, .decide = decide, .keeps = {std::string("file:") + config_file}});
}

Ask settled(const std::string& host) {
  return {host, Exec{.argv = {"bash", "-c", shell::in_state, "in-state", keepalived_unit}, .about = {std::string("unit:") + keepalived_unit}}};
}

VipKeeper keeper(const ClusterView& cluster) {
  VipKeeper by{.component = "keepalived",
               .unit = keepalived_unit,
               .other_component = "vip-manager",
               .other_units = {vip_unit, former_vip_unit},
               .free = keepalived::free(),
               .released = keepalived::released(),
               .held = keepalived::held(),
               .service = keepalived::service,
               .hosts = {},
               .settled = settled,
               // Enough for a backup to miss three adverts and wait for the skew, and for a check of an HAProxy that hangs to fail.
               .settles = std::chrono::seconds(5)};
  for (const TopologyHost* host : cluster.topology.with(Role::balancer)) by.hosts.push_back(host->name);
  return by;
}

// It sets the address and announces it, and runs the check as nobody.
const Sandbox keepalived_sandbox{.capabilities = "CAP_KILL CAP_NET_ADMIN CAP_NET_BROADCAST CAP_NET_RAW CAP_SETGID CAP_SETUID",
                                 .families = "AF_NETLINK AF_PACKET",
                                 .writes = "/run",
                                 .privileged = true};

class Keepalived final : public Component {
 public:
  std::string name() const override { return "keepalived"; }

  Steps steps(const NodeView& node) const override {
    if (!wanted(node.spec()) || !node.has(Role::balancer)) return {};
    const auto step = [&](const char* what) { return node.step("keepalived", what); };
    const std::string host = node.name();
    const ServiceWish wish{
        .unit = keepalived_unit, .start_files = {drop_in_file}, .load_files = {config_file}, .reloadable = true, .settle = std::chrono::seconds(30)};
    // Killed, it cannot take the address away itself.
    const std::string more = fmt::format(
        "ExecStopPost=-/bin/sh -c 'ip address delete {} dev {} 2>/dev/null'\nRestart=always\nRestartSec=1\n{}\n[Unit]\n"
        "StartLimitIntervalSec=0\n",
        net::single_address(node.spec().cluster_vip), vip_interface(node), sandbox_lines(node.facts, keepalived_sandbox));
    // Who is pruned is spoken to until it speaks no more.
    std::vector<StepRef> silent;
    for (const TopologyHost& left : node.cluster.pruned) silent.push_back(removal(left.name, name(), std::string("unit:") + keepalived_unit));
    return sequence(packages(step("packages"), host, needs(node).packages, {wish.unit}),
                    parallel(after_where_planned(silent, after_where_planned({keepalived::free()}, config_step(node))),
                             file(step("unit"), host, unit_notes(wish, {"/bin/kill -HUP $MAINPID"}, more))),
                    // A running Keepalived uses the new check at once, so HAProxy must serve the health page before.
                    after({haproxy::listens(host)}, file(step("check"), host, {.path = check_file, .content = shell::vip_check, .mode = 0755})),
                    after({haproxy::listens(host), keepalived::released()},
                          rolling("keepalived", host, holder_last(node.cluster), service(keepalived::service(host), host, wish))));
  }

  Steps cluster_steps(const ClusterView& cluster) const override {
    const VipKeeper by = keeper(cluster);
    if (!wanted(cluster.spec) || by.hosts.empty()) return {};
    return parallel(vip_free(cluster, by), vip_released(cluster, by), vip_held(cluster, by));
  }

  Needs needs(const NodeView& node) const override {
    if (!wanted(node.spec()) || !node.has(Role::balancer)) return {};
    return {.packages = node.platform().keepalived.packages,
            .protocols = {{112, "VRRP"}},
            .units = {keepalived_unit},
            .secrets = {{.name = secret_name}},
            .findings = no_vip_interface(node)};
  }

 private:
  static bool wanted(const Spec& spec) { return with_haproxy(spec) && !spec.cluster_vip.empty(); }
};

}  // namespace

ComponentPtr keepalived_component() { return std::make_shared<Keepalived>(); }

}  // namespace pgcluster
