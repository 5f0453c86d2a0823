// Consul in etcd's place: servers, and an agent on every host that asks them. Servers are placed once: this version neither adds nor removes any.
#include "component/consul/consul.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <pgcluster/component/confd.hpp>
#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "component/certificates.hpp"
#include "component/program.hpp"
#include "component/registry.hpp"
#include "op/facts.hpp"

namespace pgcluster {
namespace {

std::vector<std::string> names(const std::vector<const TopologyHost*>& hosts) {
  std::vector<std::string> all;
  for (const TopologyHost* host : hosts) all.push_back(host->name);
  std::sort(all.begin(), all.end());
  return all;
}

// A server: Raft has just the described ones, and it is one that votes and is up to date. Any other agent: it knows who leads.
StepPtr healthy(const NodeView& node, const StepRef& step) {
  const Ask journal = journal_ask(node.name(), consul_unit);
  const std::string host = node.name();
  // Without a majority of the servers none of them leads.
  Bringers servers_up;
  for (const TopologyHost* server : consul_servers(node.cluster, consul_datacenter(node.spec(), node.host)))
    servers_up.steps.push_back({server->name, "consul", "service"});
  servers_up.enough = servers_up.steps.size() / 2 + 1;
  if (!node.has(Role::consul)) {
    const Ask ask = consul_leader_ask(node.cluster, host);
    auto decide = [ask](const Answers& answers) -> Decision {
      if (!read_consul_leader(answers[ask]).empty()) return Done{};
      return Later{"Consul's agent has found servers with a leader"};
    };
    return gate(step, {.asks = {ask}, .decide = decide, .settle = consul_patience, .evidence = {journal}, .brought_by = servers_up});
  }
  const Ask ask = consul_health_ask(node.cluster, node.host);
  auto decide = [ask, host, servers = names(consul_servers(node.cluster, consul_datacenter(node.spec(), node.host))),
                 view = shared(node.cluster)](const Answers& answers) -> Decision {
    std::vector<std::string> described = servers;
    std::vector<std::string> found;
    bool serves = false;
    for (const ConsulServer& one : read_consul_servers(answers[ask])) {
      found.push_back(one.name);
      serves = serves || (one.name == host && one.serves());
    }
    if (found.empty()) return Later{"Consul has a leader"};
    std::sort(found.begin(), found.end());
    // Consul itself forgets one that is dead for long.
    std::erase_if(described, [&](const std::string& one) { return view->leaves_out(one) && !std::binary_search(found.begin(), found.end(), one); });
    if (found != described) return consul_moved(view->topology, found, described);
    if (!serves) return Later{host + " is a healthy, voting server of Consul"};
    return Done{};
  };
  return gate(step, {.asks = {ask}, .decide = decide, .settle = consul_patience, .evidence = {journal}, .brought_by = servers_up});
}

// Agents first; of each datacenter's servers those that do not serve anyway, then followers, the leader last, and never below the quorum.
Order restart_order(const ClusterView& cluster) {
  struct Server {
    std::string name, datacenter;
    Ask ask;
  };
  std::vector<Server> servers;
  std::vector<std::string> agents;
  Order order;
  for (const TopologyHost& host : cluster.topology.hosts) {
    if (!has_consul_agent(cluster.spec, host)) continue;
    if (!host.has(Role::consul)) {
      agents.push_back(host.name);
      continue;
    }
    servers.push_back({host.name, consul_datacenter(cluster.spec, host), consul_health_ask(cluster, host)});
    order.asks.push_back(servers.back().ask);
  }
  order.order = [servers, agents](const Answers& answers) {
    std::vector<std::string> turn = agents;
    std::map<std::string, std::pair<std::vector<std::string>, std::vector<std::string>>> by_datacenter;  // followers, leaders
    std::map<std::string, std::size_t> size;
    for (const Server& server : servers) {
      ++size[server.datacenter];
      // Its own agent's word: one that is down says nothing, and is disturbed by nothing.
      bool serves = false, leads = false;
      for (const ConsulServer& one : read_consul_servers(answers[server.ask]))
        if (one.name == server.name) serves = one.serves(), leads = one.leads;
      if (!serves)
        turn.push_back(server.name);
      else
        (leads ? by_datacenter[server.datacenter].second : by_datacenter[server.datacenter].first).push_back(server.name);
    }
    for (auto& [datacenter, serving] : by_datacenter) {
      const std::size_t all = size[datacenter], quorum = all / 2 + 1;
      // One or two servers have none to spare, ever: Patroni's failsafe mode carries the leader over a restart.
      if (all > quorum && serving.first.size() + serving.second.size() <= quorum) continue;
      turn.insert(turn.end(), serving.first.begin(), serving.first.end());
      turn.insert(turn.end(), serving.second.begin(), serving.second.end());
    }
    return turn;
  };
  return order;
}

StepPtr account(const NodeView& node) {
  const Ask ask{node.name(), AccountOf{"consul"}};
  auto decide = [ask, host = node.name()](const Answers& answers) -> Decision {
    if (answers.get<Account>(ask)) return Done{};
    return Change{.todo = {Do{.at = host, .what = SetAccount{.name = "consul", .home = consul_data_dir}}},
                  .action = Action::create,
                  .reason = "there is no such account"};
  };
  return make_step(node.step("consul", "account"), {.asks = {ask}, .decide = decide, .settle = std::chrono::seconds(0)});
}

class Consul final : public Component {
 public:
  std::string name() const override { return "consul"; }

  Leaving leaving(const ClusterView&) const override { return {.readers = consul_dns_readers()}; }

  Steps steps(const NodeView& node) const override {
    if (node.topology().dcs_type != DcsType::consul) return {};
    if (!node.has(Role::consul) && is_server(node)) return stays(node);
    if (!has_consul_agent(node.spec(), node.host)) return {};
    const auto step = [&](const char* what) { return node.step("consul", what); };
    const std::string host = node.name(), unit_file = std::string("/etc/systemd/system/") + consul_unit;
    ServiceWish wish{.unit = consul_unit, .reloadable = true, .settle = std::chrono::seconds(60)};
    wish.start_files = {consul_agent_file, unit_file, unit_file + ".d/50-pgcluster.conf"};
    if (node.spec().consul_binary.given()) wish.start_files.emplace_back(consul_program(node.spec()));
    if (consul_has_tokens(node.cluster)) wish.start_files.emplace_back(consul_tokens_file);
    if (node.has(Role::postgres)) wish.load_files = {consul_services_file};
    // A reload reads the authority again, too.
    if (certificates::wanted(node.spec()))
      wish.load_files.insert(wish.load_files.end(), {certificates::authority_file, certificates::certificate_file(consul_certificate)});
    const bool over = certificates::goes_over(node.cluster);
    wish.reloadable = !wish.load_files.empty();
    Steps program = packages(step("packages"), host, needs(node).packages, {wish.unit});
    if (node.spec().consul_binary.given())
      program = parallel(std::move(program), program_step(node, "consul", consul_program(node.spec()), node.spec().consul_binary));
    const std::vector<std::string> reload = wish.reloadable ? std::vector<std::string>{"/bin/kill -HUP $MAINPID"} : std::vector<std::string>{};
    std::vector<Steps> files;
    const auto once_known = [&](Steps one) { return after_where_planned({consul::known_tokens(host)}, std::move(one)); };
    if (node.has(Role::postgres)) files.push_back(once_known(file(step("services"), host, consul_services(node, over))));
    files.emplace_back(consul_gossip_file(node));
    files.push_back(consul_known_tokens(node));
    for (Steps& one : consul_token_files(node)) files.push_back(once_known(std::move(one)));
    files.emplace_back(file(step("unit"), host, {.path = unit_file, .content = consul_unit_text(node)}));
    files.emplace_back(file(step("notes"), host, unit_notes(wish, reload)));
    // First what may be refused: nothing is installed on a host that has a Consul, or somebody else on its ports.
    Steps dns;
    if (node.has(Role::consul_client)) dns = consul_dns(node);
    Steps names;
    if (node.has(Role::postgres)) names = after({patroni::member(host)}, consul_names_gate(node));
    return sequence(checked(node), std::move(program), account(node), consul_tokens_mark(node),
                    after_where_planned({certificates::ready(host, consul_certificate)}, consul_config(node)), parallel(std::move(files)),
                    rolling("consul", host, restart_order(node.cluster),
                            sequence(after_where_planned({certificates::ready(host, consul_certificate)}, service(step("service"), host, wish)),
                                     consul_rejoin(node), healthy(node, consul::healthy(host)))),
                    goes_over(node), std::move(dns), std::move(names));
  }

  Steps cluster_steps(const ClusterView& cluster) const override {
    return cluster.topology.dcs_type == DcsType::consul ? consul_cluster_steps(cluster) : Steps{};
  }

  Needs needs(const NodeView& node) const override {
    const Spec& spec = node.spec();
    if (!has_consul_agent(spec, node.host)) return {};
    Needs all{.packages = {node.platform().http_client},
              .ports = consul_ports(spec, node.host),
              .units = {consul_unit},
              .accounts = {node.platform().consul.account},
              .directories = {consul_data_dir},
              .secrets = {{.name = consul_gossip_secret, .given = spec.consul_encrypt_key, .word = "gossip-key"}}};
    if (!spec.consul_binary.given())
      all.packages.insert(all.packages.end(), node.platform().consul.packages.begin(), node.platform().consul.packages.end());
    CertificateNeed certificate{.name = consul_certificate, .account = node.platform().consul.account, .asks = true, .after = "account"};
    if (node.has(Role::consul)) certificate.names.push_back("server." + consul_datacenter(spec, node.host) + ".consul");
    certificates::declare(node, all, {std::move(certificate)});
    if (consul_has_tokens(node.cluster)) all.secrets.push_back({.name = consul_tokens_secret, .word = "consul"});
    all.findings = without_consul_tokens(node);
    if (!spec.consul_binary.path.empty()) all.programs.push_back({"consul_binary", spec.consul_binary.path});
    return all;
  }

  std::vector<Probe> health(const NodeView& node) const override {
    if (node.topology().dcs_type != DcsType::consul || !node.has(Role::consul)) return {};
    return {{consul_health_ask(node.cluster, node.host), [host = node.name()](const Answer& answer) -> std::optional<Problem> {
               const std::vector<ConsulServer> servers = read_consul_servers(answer);
               if (std::any_of(servers.begin(), servers.end(), [&](const ConsulServer& one) { return one.name == host && one.serves(); }))
                 return std::nullopt;
               return Problem{.cause = "dcs_unhealthy",
                              .message = "consul is not healthy",
                              .remedy = "read the journal of consul.service on the host; Consul needs a majority of its servers"};
             }}};
  }

  std::vector<std::string> data(const NodeView& node) const override {
    return owns(node.facts, std::string("file:") + consul_agent_file) ? std::vector<std::string>{consul_data_dir} : std::vector<std::string>{};
  }

 private:
  // Once all agents serve both ways, they speak in the wished one; and once nobody comes by the other way, it is closed.
  static Steps goes_over(const NodeView& node) {
    if (!certificates::goes_over(node.cluster)) return {};
    std::vector<StepRef> open, turned;
    for (const TopologyHost& host : node.topology().hosts) {
      open.push_back(consul::healthy(host.name));
      turned.insert(turned.end(), {StepRef{host.name, "consul", "turn"}, patroni::member(host.name), confd::service(host.name)});
    }
    return sequence(after_where_planned(open, consul_turn(node)),
                    after_where_planned(turned, rolling("consul-closed", node.name(), restart_order(node.cluster),
                                                        sequence(consul_close(node), healthy(node, consul::closed(node.name()))))));
  }

  // By the cluster's file: the host was a server when the cluster was last applied.
  static bool is_server(const NodeView& node) {
    const auto known = read_cluster_file(node.facts.cluster);
    if (!known || !owns_consul(node.cluster, node.name())) return false;
    return std::any_of(known->hosts.begin(), known->hosts.end(), [&](const KnownHost& host) {
      return host.name == node.name() && std::find(host.roles.begin(), host.roles.end(), Role::consul) != host.roles.end();
    });
  }

  static Steps stays(const NodeView& node) {
    std::vector<std::string> runs;
    for (const auto& [host, facts] : node.cluster.facts)
      if (is_server(NodeView{node.cluster, node.topology().host(host), facts})) runs.push_back(host);
    const auto described = names(consul_servers(node.cluster, consul_datacenter(node.spec(), node.host)));
    const StepPtr refused =
        gate(node.step("consul", "stays"),
             {.asks = {}, .decide = [why = consul_moved(node.topology(), runs, described)](const Answers&) -> Decision { return why; }});
    return sequence(refused, healthy(node, consul::healthy(node.name())));  // Patroni's steps wait for the latter
  }

  // What consul_config would refuse, seen before the package.
  static Steps checked(const NodeView& node) {
    const StepPtr config = consul_config(node);
    auto decide = [config](const Answers& answers) -> Decision {
      Decision decision = config->decide(answers);
      if (std::holds_alternative<Refused>(decision)) return decision;
      return Done{};
    };
    return gate(node.step("consul", "stranger"), {.asks = config->asks(), .decide = decide, .settle = std::chrono::seconds(0)});
  }
};

}  // namespace

Refused consul_moved(const Topology& topology, const std::vector<std::string>& runs, const std::vector<std::string>& described) {
  Diagnostic why{.message = "Consul's servers are " + joined(runs) + ", and the spec places them on " + joined(described)};
  why.hint = "a running DCS stays where it is: this version neither grows nor shrinks it. ";
  why.hint += topology.dcs_named ? "Give the role consul to exactly these hosts:" : "Name its hosts in the spec:";
  for (const TopologyHost& host : topology.hosts) {
    if (std::find(runs.begin(), runs.end(), host.name) == runs.end()) continue;
    std::vector<std::string> roles;
    for (const Role role : host.roles)
      if (role != Role::consul) roles.emplace_back(to_string(role));
    roles.emplace_back("consul");
    why.hint += "\n  " + host.name + ": roles: [" + joined(roles) + "]";
  }
  return {std::move(why)};
}

ComponentPtr consul_component() { return std::make_shared<Consul>(); }

}  // namespace pgcluster
