// The key that encrypts the gossip between Consul's agents. An agent keeps the keys in a file of its own and heeds the configured one only before
// that file is there, so Consul itself spreads another key: no agent restarts.
#include <set>

#include "base/joined.hpp"
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

Run exchange(const ClusterView& cluster) {
  Run run{.argv = {"sh", "-c", shell::gossip_key, "sh", keyring, consul_url(cluster.spec, "/v1/operator/keyring")},
          .input = gossip_key(cluster),
          .touches = {"consul:gossip"}};
  for (std::string& word : certificates::curl_options(cluster.spec, consul_certificate)) run.argv.push_back(std::move(word));
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

Steps consul_gossip(const ClusterView& cluster) {
  std::vector<Ask> asks;
  std::vector<StepRef> up;
  std::string server;
  for (const TopologyHost& host : cluster.topology.hosts) {
    if (!has_consul_agent(cluster.spec, host) || cluster.leaves_out(host.name)) continue;
    asks.push_back(keyring_ask(cluster, host));
    if (!host.has(Role::consul)) continue;
    up.push_back(consul::healthy(host.name));
    if (server.empty()) server = host.name;
  }
  if (server.empty()) return {};
  auto decide = [asks, server, run = exchange(cluster)](const Answers& answers) -> Decision {
    std::set<std::string> others, more;
    for (const Ask& ask : asks) {
      const std::string* words = answers.out(ask);
      if (!words) continue;
      if (words->find("another") != words->npos) others.insert(ask.at);
      if (words->find("also") != words->npos) more.insert(ask.at);
    }
    if (others.empty() && more.empty()) return Done{};
    return Change{.todo = {Do{.at = server, .what = run, .limit = std::chrono::minutes(5)}},
                  .action = Action::update,
                  .reason = others.empty() ? "the gossip of " + joined(more) + " still takes a former key"
                                           : "the gossip of " + joined(others) + " has another key",
                  .failed =
                      "Consul changes the key only while all of its agents answer: consul members shows which do not. Nothing is cut off; start "
                      "them, and apply again"};
  };
  return after(up, make_step("cluster/consul/gossip", {.asks = asks, .decide = decide, .settle = std::chrono::seconds(30)}));
}

}  // namespace pgcluster
