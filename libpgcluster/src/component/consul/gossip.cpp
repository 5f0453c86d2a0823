// The key that encrypts the gossip between Consul's agents. An agent keeps the keys in a file of its own and heeds the configured one only before
// that file is there, so Consul itself spreads another key: no agent restarts.
#include <algorithm>
#include <set>

#include "base/joined.hpp"
#include "base/json.hpp"
#include "component/certificates.hpp"
#include "component/consul/consul.hpp"
#include "component/consul/shell.hpp"

namespace pgcluster {
namespace {

constexpr const char* gossip_file = "/etc/consul.d/pgcluster-gossip.json";
constexpr const char* keyring = "/var/lib/consul/serf/local.keyring";
constexpr const char* servers_keyring = "/var/lib/consul/serf/remote.keyring";

Secret gossip_key(const ClusterView& cluster) { return cluster.secret(consul_gossip_secret); }

Ask keyring_ask(const ClusterView& cluster, const TopologyHost& host) {
  Exec exec{.argv = {"sh", "-c", shell::keyring, "sh", keyring}, .input = gossip_key(cluster), .about = {"consul:gossip"}};
  if (host.has(Role::consul)) exec.argv.emplace_back(servers_keyring);
  return {host.name, std::move(exec)};
}

// How the keys in an agent's files compare with the wished key.
enum class Keys { unknown, only, also, another };

Keys keys_of(const Answers& answers, const Ask& ask) {
  const std::string* words = answers.out(ask);
  if (!words || words->empty()) return Keys::unknown;
  if (words->find("another") != words->npos) return Keys::another;
  return words->find("also") == words->npos ? Keys::only : Keys::also;
}

// The agents of a datacenter that answer the others, as one of its servers sees them.
void read_alive(const Answer& answer, std::set<std::string>& alive) {
  constexpr int is_alive = 1;  // MemberStatus in Serf's serf.go
  const auto body = consul_body(answer);
  const auto json = json_read::parse(body ? *body : "");
  if (!json.is_array()) return;
  for (const auto& one : json)
    if (json_read::number(one, "Status") == is_alive) alive.insert(json_read::text(one, "Name"));
}

Run exchange(const ClusterView& cluster) {
  Run run{.argv = {"sh", "-c", shell::gossip_key, "sh", keyring, consul_url(cluster.spec, "/v1/operator/keyring")},
          .input = gossip_key(cluster),
          .touches = {"consul:gossip"},
          .name = "spread the new gossip key"};
  for (std::string& word : consul_options(cluster)) run.argv.push_back(std::move(word));
  return run;
}

}  // namespace

StepPtr consul_gossip_file(const NodeView& node) {
  Text content("{\n  \"encrypt\": \"");
  content += gossip_key(node.cluster);
  content += "\"\n}\n";
  return file(node.step("consul", "gossip"), node.name(),
              {.path = gossip_file, .content = content, .mode = 0640, .owner = "root", .group = "consul"});
}

// An agent that was away while the others changed the key is alone: they do not understand each other any more. Without the file of its keys it takes
// the configured one when it starts.
StepPtr consul_rejoin(const NodeView& node) {
  const Ask own = keyring_ask(node.cluster, node.host);
  std::vector<Ask> servers, asks{own};
  for (const TopologyHost* server : consul_servers(node.cluster, consul_datacenter(node.spec(), node.host)))
    if (owns_consul(node.cluster, server->name)) servers.push_back(keyring_ask(node.cluster, *server));
  asks.insert(asks.end(), servers.begin(), servers.end());
  auto decide = [own, servers, host = node.name()](const Answers& answers) -> Decision {
    const auto changed = std::count_if(servers.begin(), servers.end(), [&](const Ask& ask) { return keys_of(answers, ask) == Keys::only; });
    if (keys_of(answers, own) != Keys::another || changed <= static_cast<std::ptrdiff_t>(servers.size() / 2)) return Done{};
    Change change{.todo = {{.at = host, .what = SetUnit{.name = consul_unit, .go = SetUnit::Go::stop}}},
                  .action = Action::restart,
                  .reason = "the other agents have another gossip key, so this one is alone"};
    for (const char* file : {keyring, servers_keyring}) change.todo.push_back({.at = host, .what = Remove{.name = file}});
    change.todo.push_back({.at = host, .what = SetUnit{.name = consul_unit, .go = SetUnit::Go::start}});
    return change;
  };
  return make_step(node.step("consul", "rejoin"), {.asks = asks, .decide = decide, .settle = std::chrono::seconds(30)});
}

Steps consul_gossip(const ClusterView& cluster) {
  std::vector<Ask> asks, members;
  std::vector<StepRef> up;
  std::vector<std::string> agents;
  for (const TopologyHost& host : cluster.topology.hosts) {
    if (!has_consul_agent(cluster.spec, host)) continue;
    // An agent that is away now could not come back: the key stays as it is until all are there.
    if (cluster.leaves_out(host.name)) return {};
    if (!owns_consul(cluster, host.name)) continue;
    agents.push_back(host.name);
    asks.push_back(keyring_ask(cluster, host));
    up.push_back(consul::healthy(host.name));
    if (host.has(Role::consul)) members.push_back(consul_get(cluster, host.name, "/v1/agent/members", {"consul:gossip", "unit:consul.service"}));
  }
  if (members.empty()) return {};
  std::vector<Ask> all = asks;
  all.insert(all.end(), members.begin(), members.end());
  auto decide = [asks, members, agents, run = exchange(cluster)](const Answers& answers) -> Decision {
    std::set<std::string> others, more, alive;
    for (const Ask& ask : asks) {
      if (keys_of(answers, ask) == Keys::another) others.insert(ask.at);
      if (keys_of(answers, ask) == Keys::also) more.insert(ask.at);
    }
    if (others.empty() && more.empty()) return Done{};
    for (const Ask& ask : members) read_alive(answers[ask], alive);
    for (const std::string& agent : agents)
      if (!alive.contains(agent))
        return Later{.until = "every agent of Consul is alive, because one that is away could not come back with another key",
                     .action = Action::update,
                     .seen = "the agent on " + agent + " is not"};
    return Change{.todo = {Do{.at = members.front().at, .what = run, .limit = std::chrono::minutes(5)}},
                  .action = Action::update,
                  .reason = others.empty() ? "the gossip of " + joined(more) + " still takes a former key"
                                           : "the gossip of " + joined(others) + " has another key",
                  .failed = "consul members shows which agents do not answer: start them, and apply again"};
  };
  return after(up, make_step("cluster/consul/gossip", {.asks = all, .decide = decide, .settle = std::chrono::seconds(60)}));
}

}  // namespace pgcluster
