// What Consul keeps for all of its servers together, checked by every plan.
#include <algorithm>
#include <functional>

#include "base/json.hpp"
#include "component/certificates.hpp"
#include "component/consul/consul.hpp"

namespace pgcluster {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Hosts = std::vector<const TopologyHost*>;

Run request(const ClusterView& cluster, const std::string& method, const std::string& path, const OrderedJson& body, const std::string& touches) {
  // Servers that have just been started may answer "stream closed".
  std::vector<std::string> argv{"curl",          "-sS", "--fail-with-body",  "--stderr", "-", "-m", "20", "--retry", "3",
                                "--retry-delay", "1",   "--retry-all-errors"};
  for (std::string& word : consul_options(cluster)) argv.push_back(std::move(word));
  argv.insert(argv.end(), {"-X", method, "--data-binary", "@-", consul_url(cluster.spec, path)});
  return {.argv = std::move(argv), .input = body.dump(), .touches = {touches}, .name = "Consul's " + method + " " + path};
}

// What to do, by what the first server that answers has; empty: nothing.
using Wish = std::function<std::vector<std::pair<Run, std::string>>(const OrderedJson&)>;

Steps on_servers(const ClusterView& cluster, const std::string& name, const Hosts& servers, const std::string& path, const std::string& about,
                 const Wish& wish) {
  std::vector<std::pair<std::string, Ask>> asked;
  std::vector<Ask> asks;
  std::vector<StepRef> up;
  for (const TopologyHost* server : servers) {
    asks.push_back(consul_get(cluster, server->name, path, {about, "unit:consul.service"}));
    asked.emplace_back(server->name, asks.back());
    up.push_back(consul::healthy(server->name));
  }
  auto decide = [asked, wish](const Answers& answers) -> Decision {
    for (const auto& [host, ask] : asked) {
      const auto body = consul_body(answers[ask]);
      const OrderedJson json = body ? json_read::parse<OrderedJson>(*body) : OrderedJson(OrderedJson::value_t::discarded);
      if (json.is_discarded()) continue;
      Change change{.todo = {}, .action = Action::update};
      for (auto& [run, why] : wish(json)) {
        change.todo.push_back({.at = host, .what = run});
        change.reason += (change.reason.empty() ? "" : "; ") + why;
      }
      if (change.todo.empty()) return Done{};
      return change;
    }
    return Later{"a server of Consul answers", Impact::none, Action::update};
  };
  return after(up, make_step(name, {.asks = asks, .decide = decide, .settle = std::chrono::seconds(30)}));
}

// The file's value is read only when Raft begins.
Steps autopilot(const ClusterView& cluster, const std::string& datacenter, const Hosts& servers) {
  Run run{.argv = consul_environment(cluster), .touches = {"consul:autopilot"}, .name = "have Consul keep dead servers"};
  run.argv.insert(run.argv.end(), {consul_program(cluster.spec), "operator", "autopilot", "set-config", "-cleanup-dead-servers=false"});
  return on_servers(cluster, "cluster/consul/autopilot-" + datacenter, servers, "/v1/operator/autopilot/configuration", "consul:autopilot",
                    [run](const OrderedJson& json) -> std::vector<std::pair<Run, std::string>> {
                      if (!json.is_object() || !json.value("CleanupDeadServers", false)) return {};
                      return {{run, "dead servers would be removed, and with them their sessions"}};
                    });
}

// CLUSTER-master.query.consul: the leader, in whatever datacenter it is.
Steps query(const ClusterView& cluster, const std::string& datacenter, const Hosts& servers) {
  const Spec& spec = cluster.spec;
  const auto view = shared(cluster);
  const std::string name = spec.patroni_cluster_name + "-master";
  std::vector<std::string> others;
  for (const std::string& other : consul_datacenters(cluster))
    if (other != datacenter) others.push_back(other);
  const OrderedJson failover =
      others.empty() ? OrderedJson{{"NearestN", 0}, {"Datacenters", nullptr}} : OrderedJson{{"NearestN", 0}, {"Datacenters", others}};
  const OrderedJson wished{{"Name", name},
                           {"Service", {{"Service", spec.patroni_cluster_name}, {"Failover", failover}, {"OnlyPassing", true}, {"Tags", {"master"}}}},
                           {"DNS", {{"TTL", "0s"}}}};
  return on_servers(cluster, "cluster/consul/query-" + datacenter, servers, "/v1/query", "consul:query", [=](const OrderedJson& all) {
    std::vector<std::pair<Run, std::string>> todo;
    if (!all.is_array()) return todo;
    for (const OrderedJson& one : all) {
      if (!one.is_object() || one.value("Name", "") != name) continue;
      const OrderedJson service = one.value("Service", OrderedJson::object());
      const OrderedJson datacenters =
          service.is_object() && service.contains("Failover") ? service["Failover"].value("Datacenters", OrderedJson()) : OrderedJson();
      const bool same = service.value("Service", "") == spec.patroni_cluster_name && service.value("OnlyPassing", false) &&
                        service.value("Tags", OrderedJson()) == wished["Service"]["Tags"] &&
                        (others.empty() ? datacenters.empty() : datacenters == failover["Datacenters"]) &&
                        one.value("DNS", OrderedJson::object()).value("TTL", "") == "0s";
      if (!same)
        todo.emplace_back(request(*view, "PUT", "/v1/query/" + one.value("ID", ""), wished, "consul:query"),
                          name + ".query.consul asks for something else");
      return todo;
    }
    todo.emplace_back(request(*view, "POST", "/v1/query", wished, "consul:query"), "there is no " + name + ".query.consul");
    return todo;
  });
}

// Consul refuses a session of a node that is not in the catalog of its datacenter, so the home's catalog has the database hosts of the other
// datacenters as external nodes.
Steps catalog(const ClusterView& cluster, const Hosts& servers) {
  const auto view = shared(cluster);
  const std::string home = consul_home(cluster.spec);
  std::vector<std::pair<std::string, std::string>> strangers;  // name, address
  for (const std::string& name : cluster.topology.database)
    if (const TopologyHost& host = cluster.topology.host(name); consul_datacenter(cluster.spec, host) != home)
      strangers.emplace_back(name, host.address);
  if (strangers.empty()) return {};
  return on_servers(cluster, "cluster/consul/catalog", servers, "/v1/catalog/nodes", "consul:catalog", [=](const OrderedJson& nodes) {
    std::vector<std::pair<Run, std::string>> todo;
    for (const auto& [name, address] : strangers) {
      const auto is = [&name = name, &address = address](const OrderedJson& one) {
        return one.is_object() && one.value("Node", "") == name && one.value("Address", "") == address;
      };
      if (nodes.is_array() && std::any_of(nodes.begin(), nodes.end(), is)) continue;
      // Without checks: one that failed would end the node's sessions.
      todo.emplace_back(request(*view, "PUT", "/v1/catalog/register",
                                OrderedJson{{"Datacenter", home}, {"Node", name}, {"Address", address}, {"NodeMeta", {{"external-node", "true"}}}},
                                "consul:catalog"),
                        home + "'s catalog does not know " + name);
    }
    return todo;
  });
}

// Refuses a second state of the cluster in another datacenter's KV: Patroni would run a second cluster of the same name there.
Steps one_state(const ClusterView& cluster, const std::string& datacenter, const Hosts& servers) {
  const std::string scope = cluster.spec.patroni_cluster_name, home = consul_home(cluster.spec);
  std::vector<Ask> asks;
  std::vector<StepRef> up;
  for (const TopologyHost* server : servers) {
    asks.push_back(consul_get(cluster, server->name, "/v1/kv/service/" + scope + "/?keys", {"unit:consul.service"}));
    up.push_back(consul::healthy(server->name));
  }
  auto decide = [=, command = consul_command(cluster)](const Answers& answers) -> Decision {
    for (const Ask& ask : asks)
      if (consul_body(answers[ask]))
        return Refused{
            {.message = "Consul's datacenter " + datacenter + " has a state of the cluster " + scope + " of its own, beside that of " + home,
             .hint =
                 "federated datacenters do not share their KV: a Patroni in each with a KV of its own is several clusters of one name, and several "
                 "leaders. All members must use the KV of one datacenter, which consul_datacenter names; where it holds nothing that is needed, "
                 "on a host of " +
                 datacenter + ": " + command + " kv delete -recurse service/" + scope + "/"}};
    for (const Ask& ask : asks)
      if (consul_body(answers[ask], 404)) return Done{};
    return Later{"a server of Consul answers"};
  };
  return after(up, gate("cluster/consul/one-state-" + datacenter, {.asks = asks, .decide = decide, .settle = consul_patience}));
}

}  // namespace

Steps consul_cluster_steps(const ClusterView& cluster) {
  std::vector<Steps> all;
  for (const std::string& datacenter : consul_datacenters(cluster)) {
    Hosts servers = consul_servers(cluster, datacenter);
    std::erase_if(servers, [&](const TopologyHost* host) { return cluster.leaves_out(host->name); });
    if (servers.empty()) continue;
    all.push_back(consul_token_steps(cluster, datacenter, servers));
    all.push_back(autopilot(cluster, datacenter, servers));
    all.push_back(query(cluster, datacenter, servers));
    if (datacenter == consul_home(cluster.spec))
      all.push_back(catalog(cluster, servers));
    else
      all.push_back(one_state(cluster, datacenter, servers));
  }
  all.push_back(consul_gossip(cluster));
  return parallel(std::move(all));
}

}  // namespace pgcluster
