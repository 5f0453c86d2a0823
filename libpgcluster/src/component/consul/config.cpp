// The agent's files, and with them whether an agent may be made on a host at all.
#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/consul/consul.hpp"
#include "component/listening.hpp"
#include "component/sandbox.hpp"

namespace pgcluster {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::vector<std::string> addresses(const std::vector<const TopologyHost*>& hosts) {
  std::vector<std::string> all;
  for (const TopologyHost* host : hosts) all.push_back(host->address);
  return all;
}

// How an agent speaks with the others. Between plain and TLS it takes both, and speaks first the one, then the other: an agent that takes only TLS is
// lost to those that speak plainly, and one that speaks TLS to those that have no certificates.
enum class Form { plain, takes_both, takes_both_speaks_tls, tls };
struct Way {
  Form open, turned, closed;
};
Way way(const ClusterView& cluster) {
  if (certificates::wanted(cluster.spec)) return {Form::takes_both, Form::takes_both_speaks_tls, Form::tls};
  return {Form::takes_both_speaks_tls, Form::takes_both, Form::plain};
}

Text agent_text(const NodeView& node, Form form) {
  const Spec& spec = node.spec();
  const std::string datacenter = consul_datacenter(spec, node.host);
  const auto servers = consul_servers(node.cluster, datacenter);
  const bool server = node.has(Role::consul);
  OrderedJson json{{"datacenter", datacenter}, {"node_name", node.name()}, {"server", server}};
  if (server) {
    json["bootstrap_expect"] = servers.size();
    json["performance"] = {{"raft_multiplier", 1}};
    // A dead server that is cleaned away takes the sessions of its node with it, and on a database host so Patroni's leader key, long before its
    // TTL: two leaders. And where it comes back it is a server that nobody knows.
    json["autopilot"] = {{"cleanup_dead_servers", false}};
  }
  json["bind_addr"] = node.host.address;
  json["client_addr"] = "127.0.0.1";
  json["retry_join"] = addresses(servers);
  json["retry_interval"] = "1s";
  if (server && spec.consul_layout == ConsulLayout::federated) {
    std::vector<std::string> others;
    for (const TopologyHost* one : node.topology().with(Role::consul))
      if (consul_datacenter(spec, *one) != datacenter) others.push_back(one->address);
    json["retry_join_wan"] = others;
    json["retry_interval_wan"] = "2s";
  }
  // An agent that is restarted stays a member: one that left would take its sessions along.
  json["leave_on_terminate"] = false;
  json["skip_leave_on_interrupt"] = true;
  json["disable_update_check"] = true;
  json["dns_config"] = {{"allow_stale", true}, {"node_ttl", "0s"}, {"service_ttl", {{"*", "0s"}}}, {"only_passing", true}};
  if (form != Form::plain) {
    json["ca_file"] = certificates::authority_file;
    json["cert_file"] = certificates::certificate_file(consul_certificate);
    json["key_file"] = certificates::key_file(consul_certificate);
    json["verify_incoming"] = form == Form::tls;
    json["verify_outgoing"] = form != Form::takes_both;
    // Only servers have the name server.DATACENTER.consul: no other host can take a server's place.
    json["verify_server_hostname"] = form == Form::tls;
    json["ports"] = {{"http", form == Form::tls ? -1 : consul_http_port}, {"https", consul_https_port}};
    // The checks of Patroni's REST API trust the cluster's authority, and expect the name of this node.
    json["enable_agent_tls_for_checks"] = true;
  }
  return json.dump(2) + "\n";
}

StepPtr agent_file(const NodeView& node, Form form) {
  return file("config", node.name(),
              {.path = consul_agent_file, .content = agent_text(node, form), .mode = 0640, .owner = "root", .group = "consul"});
}

bool holds(const StepPtr& step, const Answers& answers) { return std::holds_alternative<Done>(step->decide(answers)); }

// ":8600 " of what ss prints.
int port_of(const std::vector<PortNeed>& ports, const std::string& line) {
  for (const PortNeed& port : ports)
    if (line.find(":" + std::to_string(port.number) + " ") != std::string::npos) return port.number;
  return 0;
}

}  // namespace

StepPtr consul_turn(const NodeView& node) {
  const std::string host = node.name();
  const Way forms = way(node.cluster);
  const StepPtr turned = agent_file(node, forms.turned), closed = agent_file(node, forms.closed);
  const bool reloadable = node.has(Role::postgres) || certificates::wanted(node.spec());
  auto decide = [=](const Answers& answers) -> Decision {
    if (holds(closed, answers)) return Done{};
    Decision decision = turned->decide(answers);
    if (auto* change = std::get_if<Change>(&decision)) {
      // A unit that has nothing to reload otherwise has no command for it.
      if (reloadable)
        change->todo.push_back({.at = host, .what = SetUnit{consul_unit, SetUnit::Go::reload, {}}});
      else
        change->todo.push_back(
            {.at = host,
             .what = Run{
                 .argv = {"systemctl", "kill", "-s", "HUP", consul_unit}, .touches = {std::string("unit:") + consul_unit}, .name = "reload Consul"}});
      change->action = Action::reload;
      change->impact = Impact::reload;
      change->reason = "all agents accept both protocols: this one now sends the wished one";
    }
    return decision;
  };
  return make_step(node.step("consul", "turn"), {.asks = turned->asks(), .decide = decide, .settle = std::chrono::seconds(10)});
}

StepPtr consul_close(const NodeView& node) {
  const std::string host = node.name();
  std::vector<StepPtr> files{agent_file(node, way(node.cluster).closed)};
  if (node.has(Role::postgres)) files.push_back(file("services", host, consul_services(node)));
  std::vector<Ask> asks;
  for (const StepPtr& one : files)
    for (const Ask& ask : one->asks()) asks.push_back(ask);
  auto decide = [=](const Answers& answers) -> Decision {
    Change change{
        .todo = {}, .action = Action::restart, .impact = Impact::restart, .reason = "all agents have gone over: the former protocol is closed"};
    for (const StepPtr& one : files) {
      Decision decision = one->decide(answers);
      auto* more = std::get_if<Change>(&decision);
      if (!more && !std::holds_alternative<Done>(decision)) return decision;
      if (!more) continue;
      change.todo.insert(change.todo.end(), more->todo.begin(), more->todo.end());
      change.diff += more->diff;
    }
    if (change.todo.empty()) return Done{};
    change.todo.push_back({.at = host, .what = SetUnit{consul_unit, SetUnit::Go::restart, {}}});
    return change;
  };
  return make_step(node.step("consul", "close"), {.asks = asks, .decide = decide, .settle = std::chrono::seconds(10)});
}

WriteFile consul_services(const NodeView& node, bool open) {
  const Spec& spec = node.spec();
  const std::string& cluster = spec.patroni_cluster_name;
  const std::string rest = net::host_port(node.host.address, spec.patroni_restapi_port);
  const int port = spec.pgbouncer_install ? spec.pgbouncer_listen_port : spec.postgresql_port;
  const std::string lag = "?lag=" + spec.patroni_maximum_lag_on_replica;
  const bool tokens = consul_has_tokens(node.cluster);
  const std::string token_here = "TOKEN";
  OrderedJson services = OrderedJson::array();
  const auto add_one = [&](const std::string& kind, const std::vector<std::string>& names, const std::string& scheme, const std::string& check) {
    OrderedJson tags = OrderedJson::array();
    for (const std::string& name : names) tags.push_back(name);
    for (const std::string& name : names) tags.push_back(name + "." + node.host.datacenter);  // replica.dc2.CLUSTER.service.consul
    OrderedJson checks = OrderedJson::array({OrderedJson{{"id", cluster + "-" + kind + "-role"},
                                                         {"name", "Patroni says " + check.substr(0, check.find('?'))},
                                                         {"http", scheme + rest + check},
                                                         {"method", "OPTIONS"},
                                                         {"interval", "1s"},
                                                         {"timeout", "1s"}}});
    if (spec.pgbouncer_install) {
      checks.push_back({{"id", cluster + "-" + kind + "-pgbouncer"},
                        {"name", "PgBouncer answers"},
                        {"tcp", net::host_port(node.host.address, port)},
                        {"interval", "1s"},
                        {"timeout", "1s"}});
    }
    services.push_back(
        {{"id", cluster + "-" + kind}, {"name", cluster}, {"tags", tags}, {"address", node.host.address}, {"port", port}, {"checks", checks}});
    if (tokens) services.back()["token"] = token_here;
  };
  // While the cluster goes over there are two of each, of which one at most passes: Patroni answers one way.
  const bool tls = certificates::wanted(spec);
  const auto add = [&](const std::string& kind, const std::vector<std::string>& names, const std::string& check) {
    add_one(kind, names, tls ? "https://" : "http://", check);
    if (open) add_one(kind + "-before", names, tls ? "http://" : "https://", check);
  };
  add("master", {"master", "primary"}, "/primary");
  add("replica", {"replica"}, "/replica" + lag);
  if (spec.synchronous_mode) {
    add("sync-replica", {"sync-replica"}, "/sync");
    add("async-replica", {"async-replica"}, "/async" + lag);
  }
  const std::string text = OrderedJson{{"services", services}}.dump(2) + "\n";
  if (!tokens) return {.path = consul_services_file, .content = text};
  const Secret token = consul_agent_token(node.cluster, node.name());
  const std::string before = "\"token\": \"";
  Text content;
  std::size_t from = 0;
  for (std::size_t at; (at = text.find(before + token_here + '"', from)) != std::string::npos; from = at + before.size() + token_here.size()) {
    content += text.substr(from, at + before.size() - from);
    content += token;
  }
  content += text.substr(from);
  return {.path = consul_services_file, .content = std::move(content), .mode = 0640, .owner = "root", .group = "consul"};
}

std::string consul_unit_text(const NodeView& node) {
  // Its heartbeats must not wait behind PostgreSQL. Containers may not be allowed to ask for that.
  std::string more = node.facts.container.empty() ? "Nice=-10\nOOMScoreAdjust=-900\n" : "";
  more += sandbox_lines(node.facts, {.families = "AF_NETLINK"});  // Go lists the host's addresses by it
  return fmt::format(R"([Unit]
Description=Consul agent (pgcluster)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
User=consul
Group=consul
StateDirectory=consul
StateDirectoryMode=0700
ExecStart={} agent -config-dir=/etc/consul.d -data-dir={}
Restart=always
RestartSec=1
TimeoutStopSec=20
LimitNOFILE={}
{}
[Install]
WantedBy=multi-user.target
)",
                     consul_program(node.spec()), consul_data_dir, std::min<std::uint64_t>(65536, node.facts.nofile_limit), more);
}

StepPtr consul_config(const NodeView& node) {
  const std::string host = node.name();
  const Way forms = way(node.cluster);
  const bool open = certificates::goes_over(node.cluster);
  const StepPtr wished = agent_file(node, open ? forms.open : forms.closed);
  std::vector<StepPtr> further;
  if (open) further = {agent_file(node, forms.turned), agent_file(node, forms.closed)};
  const Ask data{host, FileOf{std::string(consul_data_dir) + "/node-id", false}};
  std::string filter;
  const std::vector<PortNeed> wanted = consul_ports(node.spec(), node.host);
  for (const PortNeed& port : wanted) filter += (filter.empty() ? "sport = :" : " or sport = :") + std::to_string(port.number);
  const Ask ports{host, Exec{.argv = {"ss", "-Hlntup", filter}}};
  std::vector<Ask> asks = wished->asks();
  asks.insert(asks.end(), {data, ports});
  auto decide = [=, present = wished->asks().front(), owned = owns_consul(node.cluster, host),
                 datacenter = consul_datacenter(node.spec(), node.host)](const Answers& answers) -> Decision {
    const bool ours = owned || answers.get<File>(present);
    if (answers.get<File>(data) && !ours)
      return Refused{{.message = host + " has a Consul agent's data in " + consul_data_dir + " that pgcluster has not made",
                      .hint = "take another host; or, where nobody needs that Consul: systemctl disable --now consul, and move the folder away"}};
    if (const std::string* listening = answers.out(ports); listening && !listening->empty())
      if (const std::string process = listening_process(*listening, ours ? "consul" : "another process"); process != "consul" || !ours)
        return Refused{{.message = "port " + std::to_string(port_of(wanted, *listening)) + " on " + host + ", wanted for Consul, is taken by " +
                                   process + (process == "consul" ? ", which pgcluster has not set up" : ""),
                        .hint = "stop it, or take another host; it listens on " + listening->substr(0, listening->find('\n'))}};
    if (const auto* file = answers.get<File>(present); file && owned) {
      const auto before = json_read::parse(file->content);
      const std::string was = json_read::text(before, "datacenter");
      if (!was.empty() && was != datacenter)
        return Refused{{.message = "Consul on " + host + " belongs to the datacenter " + was + ", and the spec says " + datacenter,
                        .hint = "write " + was +
                                " again (consul_datacenter, or the host's datacenter with consul_layout: federated): an agent that "
                                "changes its datacenter finds none of its servers"}};
    }
    if (std::any_of(further.begin(), further.end(), [&](const StepPtr& one) { return holds(one, answers); })) return Done{};
    return wished->decide(answers);
  };
  return make_step(node.step("consul", "config"), {.asks = asks, .decide = decide, .keeps = {std::string("file:") + consul_agent_file}});
}

}  // namespace pgcluster
