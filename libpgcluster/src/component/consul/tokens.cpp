// Consul's tokens. Root on the servers' hosts has one that allows everything; each agent's allows to register its node and its services; those of
// Patroni and confd allow access to Patroni's keys. Requests without a token may only look up names.
#include <algorithm>
#include <sstream>

#include <pgcluster/component/confd.hpp>
#include <pgcluster/component/patroni.hpp>

#include "base/digest.hpp"
#include "base/json.hpp"
#include "component/certificates.hpp"
#include "component/consul/consul.hpp"
#include "component/consul/shell.hpp"
#include "component/patroni/patroni.hpp"
#include "op/facts.hpp"

namespace pgcluster {
namespace {

using OrderedJson = nlohmann::ordered_json;

// This file is on each agent's host of a cluster that began with tokens.
const std::string tokens_mark = "/var/lib/pgcluster/consul-tokens";
// Consul's built-in token for requests without a token.
constexpr const char* anonymous = "00000000-0000-0000-0000-000000000002";
// The accessor IDs of our tokens begin with this, and tokens.sh recognises them by it.
constexpr const char* our_accessors = "7067636c";
constexpr const char* names_policy = "pgcluster-names";
constexpr const char* everything_policy = "global-management";  // Consul's own

bool find_tokens(const ClusterView& cluster) {
  const auto any = [&](const auto& is) { return std::any_of(cluster.facts.begin(), cluster.facts.end(), is); };
  if (any([](const auto& one) { return owns(one.second, "file:" + tokens_mark); })) return true;
  return certificates::wanted(cluster.spec) && !any([&](const auto& one) { return owns_consul(cluster, one.first); });
}

// Consul requires tokens and accessor IDs to be UUIDs.
std::string uuid_of(const std::string& text) {
  const std::string hex = sha256_hex(text);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-4" + hex.substr(12, 3) + "-8" + hex.substr(15, 3) + "-" + hex.substr(18, 12);
}

// How often the tokens were replaced.
int turn_of(const ClusterView& cluster) {
  const auto it = cluster.rotations.find(consul_tokens_secret);
  return it == cluster.rotations.end() ? 0 : it->second;
}

// A replaced token has another accessor ID, so that both are there until each program has the new one.
std::string accessor_of(const ClusterView& cluster, const std::string& whose) {
  const int turn = turn_of(cluster);
  return our_accessors + uuid_of(turn == 0 ? whose : whose + "\n" + std::to_string(turn)).substr(8);
}

Secret token_of(const ClusterView& cluster, const std::string& name, const std::string& whose) {
  return {name, uuid_of(cluster.secret(consul_tokens_secret).value + "\n" + whose)};
}
Secret management_token(const ClusterView& cluster) { return token_of(cluster, "consul_management_token", "management"); }

// A policy's name may have letters, digits, - and _ only.
std::string agent_policy(const std::string& host) { return "pgcluster-agent-" + sha256_hex(host).substr(0, 16); }

std::string rule(const std::string& kind, const std::string& name, const char* may) {
  return kind + " " + OrderedJson(name).dump() + " { policy = \"" + may + "\" } ";
}

void add_policy(Text& lines, const std::string& name, const std::string& description, const std::string& rules) {
  lines += "policy " + name + " " + OrderedJson{{"Name", name}, {"Description", description}, {"Rules", rules}}.dump() + "\n";
}

OrderedJson links(const std::vector<std::string>& policies) {
  OrderedJson all = OrderedJson::array();
  for (const std::string& name : policies) all.push_back({{"Name", name}});
  return all;
}

void add_token(Text& lines, const std::string& kind, const std::string& accessor, const std::string& whose, const Secret& token,
               const std::vector<std::string>& policies) {
  std::string json = OrderedJson{{"AccessorID", accessor}, {"Description", "pgcluster: " + whose}, {"Policies", links(policies)}}.dump();
  json.pop_back();
  lines += kind + " " + accessor + " " + json + ",\"SecretID\":\"";
  lines += token;
  lines += "\"}\n";
}

// The policies and tokens that a datacenter must have, as input of tokens.sh.
Text wished_tokens(const ClusterView& cluster) {
  const std::string& scope = cluster.spec.patroni_cluster_name;
  const std::string keys = "service/" + scope + "/";
  Text lines;
  const auto add = [&](const char* kind, const std::string& whose, const Secret& token, const std::vector<std::string>& policies) {
    add_token(lines, kind, accessor_of(cluster, whose), whose, token, policies);
  };
  // Before the first rotation, the first Raft leader has made it from its configuration.
  if (turn_of(cluster) > 0) add("management", "management", management_token(cluster), {everything_policy});
  add_policy(lines, names_policy, "who has which address, and where services are",
             rule("node_prefix", "", "read") + rule("service_prefix", "", "read"));
  add_policy(lines, "pgcluster-patroni", "Patroni's keys and sessions", rule("key_prefix", keys, "write") + rule("session_prefix", "", "write"));
  add_policy(lines, "pgcluster-reader", "Patroni's keys, for reading", rule("key_prefix", keys, "read"));
  lines += std::string("token ") + anonymous + " " +
           OrderedJson{{"AccessorID", anonymous}, {"Description", "Anonymous Token"}, {"Policies", links({names_policy})}}.dump() + "\n";
  add("token", "patroni", consul_patroni_token(cluster), {"pgcluster-patroni", names_policy});
  add("token", "confd", consul_reader_token(cluster), {"pgcluster-reader", names_policy});
  for (const TopologyHost* host : cluster.known()) {
    if (!has_consul_agent(cluster.spec, *host)) continue;
    const bool serves = host->has(Role::postgres);
    add_policy(lines, agent_policy(host->name), "the agent on " + host->name,
               rule("node", host->name, "write") + (serves ? rule("service", scope, "write") : ""));
    add("token", "agent " + host->name, consul_agent_token(cluster, host->name), {agent_policy(host->name), names_policy});
  }
  return lines;
}

Exec tokens_call(const ClusterView& cluster, const char* mode) {
  Exec exec{.argv = {"sh", "-c", shell::tokens, "sh", mode, consul_url(cluster.spec, "/v1/acl"), consul_header_file},
            .input = wished_tokens(cluster)};
  for (std::string& word : certificates::curl_options(cluster.spec, consul_certificate)) exec.argv.push_back(std::move(word));
  return exec;
}

// A token of the host's files, and the datacenter of Consul that must know it before the file changes.
std::vector<std::pair<Secret, std::string>> tokens_of(const NodeView& node) {
  const ClusterView& cluster = node.cluster;
  const std::string own = "/v1/acl/token/self", home = consul_home_path(node.spec(), own);
  std::vector<std::pair<Secret, std::string>> all{{consul_agent_token(cluster, node.name()), own}};
  if (node.has(Role::consul)) all.emplace_back(management_token(cluster), own);
  if (node.has(Role::postgres)) all.emplace_back(consul_patroni_token(cluster), home);
  if (node.has(Role::balancer)) all.emplace_back(consul_reader_token(cluster), home);
  return all;
}

// The first difference in the output of tokens.sh, such as "no token 7067636c-…", in words; empty if there is none. Former tokens do not count.
std::string lack_of(const std::string& said) {
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("former "))
      return (line.starts_with("no ") ? "Consul does not have" : "somebody has changed") +
             std::string(line.find(" policy ") != std::string::npos ? " a policy" : " a token") + " of the cluster";
  return {};
}

}  // namespace

ConsulTokens consul_tokens(const ClusterView& cluster) {
  if (cluster.topology.dcs_type != DcsType::consul) return ConsulTokens::no;
  if (cluster.facts.empty()) return ConsulTokens::perhaps;
  return *cluster.derived(find_tokens) ? ConsulTokens::yes : ConsulTokens::no;
}

bool consul_has_tokens(const ClusterView& cluster) { return consul_tokens(cluster) != ConsulTokens::no; }

Secret consul_patroni_token(const ClusterView& cluster) { return token_of(cluster, "consul_patroni_token", "patroni"); }
Secret consul_reader_token(const ClusterView& cluster) { return token_of(cluster, "consul_reader_token", "confd"); }
Secret consul_agent_token(const ClusterView& cluster, const std::string& host) {
  return token_of(cluster, "consul_agent_token_" + host, "agent " + host);
}

Steps consul_tokens_mark(const NodeView& node) {
  if (!consul_has_tokens(node.cluster)) return {};
  return file(node.step("consul", "tokens-mark"), node.name(), {.path = tokens_mark, .content = "# Written by pgcluster: Consul has tokens.\n"});
}

std::vector<Steps> consul_token_files(const NodeView& node) {
  const ClusterView& cluster = node.cluster;
  if (!consul_has_tokens(cluster)) return {};
  const Secret agent = consul_agent_token(cluster, node.name());
  const Secret root = node.has(Role::consul) ? management_token(cluster) : node.has(Role::postgres) ? consul_patroni_token(cluster) : agent;
  Text config("{\n  \"acl\": {\n    \"enabled\": true,\n    \"default_policy\": \"deny\",\n    \"tokens\": {\n      \"agent\": \"");
  config += agent;
  // The first Raft leader makes the management token from this line, so no bootstrap request is needed. Since Consul 1.11 the key is named
  // initial_management, and the former name is still accepted.
  if (node.has(Role::consul)) {
    config += "\",\n      \"master\": \"";
    config += management_token(cluster);
  }
  config += "\"\n    }\n  }\n}\n";
  Text header("X-Consul-Token: "), token;
  header += root;
  header += "\n";
  token += root;
  token += "\n";
  const std::string host = node.name();
  return {file(node.step("consul", "tokens"), host,
               {.path = consul_tokens_file, .content = std::move(config), .mode = 0640, .owner = "root", .group = "consul"}),
          file(node.step("consul", "header"), host, {.path = consul_header_file, .content = std::move(header), .mode = 0600}),
          file(node.step("consul", "token"), host, {.path = consul_token_file, .content = std::move(token), .mode = 0600})};
}

// The new tokens come into files only when Consul knows them. A host without a running agent need not wait: what it does not ask cannot be refused.
Steps consul_known_tokens(const NodeView& node) {
  const ClusterView& cluster = node.cluster;
  if (!consul_has_tokens(cluster) || turn_of(cluster) == 0 || !owns_consul(cluster, node.name())) return {};
  Exec look{.argv = {"sh", "-c", shell::known_tokens, "sh"}, .about = {"consul:tokens", "unit:consul.service"}, .limit = std::chrono::seconds(30)};
  for (std::string& word : certificates::curl_options(cluster.spec, consul_certificate)) look.argv.push_back(std::move(word));
  for (const auto& [token, path] : tokens_of(node)) {
    look.input += consul_url(cluster.spec, path) + " ";
    look.input += token;
    look.input += "\n";
  }
  const Ask ask{node.name(), std::move(look)};
  auto decide = [ask, host = node.name()](const Answers& answers) -> Decision {
    const std::string* said = answers.out(ask);
    if (said && (*said == "known\n" || *said == "no agent\n")) return Done{};
    return Later{.until = "Consul's agent on " + host + " answers with the new tokens",
                 .seen = "an agent that has asked for them too early asks again after 30 s"};
  };
  return gate(consul::known_tokens(node.name()), {.asks = {ask},
                                                  .decide = decide,
                                                  .settle = consul_patience,
                                                  .evidence = {journal_ask(node.name(), consul_unit)},
                                                  .brought_by = {{consul::tokens(consul_datacenter(node.spec(), node.host))}}});
}

namespace {

// All that must have taken the new tokens before the former ones are deleted.
std::vector<StepRef> takers(const ClusterView& cluster) {
  std::vector<StepRef> all;
  for (const TopologyHost& host : cluster.topology.hosts) {
    for (const char* what : {"header", "token"}) all.push_back({host.name, "consul", what});
    for (const StepRef& one : {consul::healthy(host.name), patroni::loaded(host.name), confd::service(host.name)}) all.push_back(one);
  }
  return all;
}

}  // namespace

Steps consul_token_steps(const ClusterView& cluster, const std::string& datacenter, const std::vector<const TopologyHost*>& servers) {
  if (!consul_has_tokens(cluster)) return {};
  const bool replaced = turn_of(cluster) > 0;
  // Once they were replaced, this comes before the files that take the tokens, and so is asked with the token that root has now.
  const auto has_token = [&](const TopologyHost* server) {
    const auto facts = cluster.facts.find(server->name);
    return facts != cluster.facts.end() && owns(facts->second, std::string("file:") + consul_header_file);
  };
  const auto holder = replaced ? std::find_if(servers.begin(), servers.end(), has_token) : servers.end();
  std::vector<StepRef> healthy;
  if (holder == servers.end())
    for (const TopologyHost* server : servers) healthy.push_back(consul::healthy(server->name));
  const std::string host = (holder == servers.end() ? servers.front() : *holder)->name;
  Exec look = tokens_call(cluster, "look");
  const auto run = [&](const char* mode, const char* name) {
    const Exec call = tokens_call(cluster, mode);
    return Do{.at = host,
              .what = Run{.argv = call.argv, .input = call.input, .touches = {"consul:tokens", "dcs:initialize"}, .name = name},
              .limit = std::chrono::minutes(3)};
  };
  look.about = {"consul:tokens", "unit:consul.service"};
  const Ask ask{host, std::move(look)};
  auto made = [ask, rotates = cluster.rotated.contains(consul_tokens_secret),
               make = run("make", "make Consul's tokens")](const Answers& answers) -> Decision {
    const std::string* said = answers.out(ask);
    if (answers.pending(ask) || !said) return Later{.until = "Consul has its tokens", .action = Action::run};
    const std::string lack = lack_of(*said);
    if (lack.empty()) return Done{};
    return Change{.todo = {make}, .action = Action::run, .reason = rotates ? "new tokens, beside the former ones" : lack};
  };
  auto forgotten = [ask, forget = run("forget", "delete former tokens of Consul"),
                    reason = replaced && cluster.pruned.empty() ? "every program has its new token"
                                                                : "a token is there for a host that has gone"](const Answers& answers) -> Decision {
    const std::string* said = answers.out(ask);
    if (!said || ("\n" + *said).find("\nformer ") == std::string::npos) return Done{};
    return Change{.todo = {forget}, .action = Action::remove, .reason = reason};
  };
  // A pruned host needs its token until its Patroni and its agent have stopped.
  std::vector<StepRef> ended;
  for (const TopologyHost& left : cluster.pruned)
    for (const auto& [component, unit] : {std::pair{"patroni", patroni::unit_name}, std::pair{"consul", consul_unit}})
      ended.push_back(removal(left.name, component, std::string("unit:") + unit));
  if (replaced)
    for (StepRef& one : takers(cluster)) ended.push_back(std::move(one));
  const StepPtr make = make_step(
      consul::tokens(datacenter),
      {.asks = {ask}, .decide = made, .settle = replaced ? consul_patience : std::chrono::seconds(60), .evidence = {journal_ask(host, consul_unit)}});
  // Programs on a host that is left out may still have the former ones.
  if (replaced && !cluster.without.empty()) return after(healthy, make);
  return sequence(after(healthy, make),
                  after_where_planned(ended, make_step(StepRef{"", "consul", "former-tokens-" + datacenter},
                                                       {.asks = {ask}, .decide = forgotten, .settle = std::chrono::seconds(10)})));
}

std::vector<Diagnostic> without_consul_tokens(const NodeView& node) {
  const ClusterView& cluster = node.cluster;
  if (!certificates::wanted(cluster.spec) || cluster.facts.empty() || consul_has_tokens(cluster)) return {};
  const auto& members = cluster.topology.dcs_members;
  const auto first = std::find_if(members.begin(), members.end(), [&](const std::string& name) { return !cluster.leaves_out(name); });
  if (first == members.end() || *first != node.name()) return {};
  return {{.severity = Severity::warning,
           .message = "Consul has no tokens: whoever has a certificate of this cluster may read and change all that it keeps",
           .hint = "the cluster began without them, and pgcluster gives tokens to new clusters only"}};
}

}  // namespace pgcluster
