#include "simulation/services/consul.hpp"

#include <algorithm>
#include <sstream>

#include "base/base64.hpp"
#include "base/json.hpp"
#include "component/consul/consul.hpp"
#include "component/consul/shell.hpp"
#include "op/ask.hpp"

namespace pgcluster {
namespace {

using namespace std::chrono_literals;

constexpr const char* node_file = "/var/lib/consul/node-id";
constexpr const char* keyring_file = "/var/lib/consul/serf/local.keyring";
constexpr const char* raft_file = "/var/lib/consul/raft/raft.db";

// "dc1" of "…?dc=dc1"
std::string datacenter_in(const std::string& path) {
  const auto at = path.find("dc=");
  return at == std::string::npos ? "" : path.substr(at + 3);
}

// The token in the header file that is named by curl's option -H; empty if there is none.
std::string shown_token(const SimulatedHost& host, const std::vector<std::string>& argv) {
  const auto option = std::find(argv.begin(), argv.end(), "-H");
  const std::string* header = option == argv.end() || option + 1 == argv.end() ? nullptr : host.read((option + 1)->substr(1));
  static const std::string name = "X-Consul-Token: ";
  return header && header->starts_with(name) ? header->substr(name.size(), header->size() - name.size() - 1) : "";
}

Output answered(const std::string& body, int status = 200) { return {.out = body + "\n" + std::to_string(status)}; }

}  // namespace

std::optional<SimulatedPackage> ConsulModel::package(const std::string& name) {
  if (name == "consul")
    return SimulatedPackage{.version = "1.8.7+dfsg1-2+b3", .units = {}, .accounts = {{"consul", Account{103, consul_data_dir, "/usr/sbin/nologin"}}}};
  if (name == "systemd-resolved" || name == "dnsmasq") return SimulatedPackage{.version = "1", .units = {name + ".service"}};
  if (name == "libnss-resolve") return SimulatedPackage{.version = "1"};
  return std::nullopt;
}

ConsulModel::Json ConsulModel::agent(const SimulatedHost& host) {
  const std::string* text = host.read(consul_agent_file);
  Json json = json_read::parse(text ? *text : "");
  return json.is_object() ? json : Json::object();
}

bool ConsulModel::serves(const std::string& name) {
  const SimulatedHost& host = fleet_->host(name);
  return !host.down && !host.frozen && host.active(consul_unit) && host.read(raft_file);
}

std::size_t ConsulModel::serving(const Datacenter& one) {
  return static_cast<std::size_t>(std::count_if(one.servers.begin(), one.servers.end(), [this](const std::string& name) { return serves(name); }));
}

std::optional<ServiceModel::Start> ConsulModel::unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime) {
  if (unit != consul_unit) return std::nullopt;
  if (agent(host).empty()) return Start{.takes = {}, .dies = "==> Must specify data directory using -data-dir"};
  return Start{.takes = 200ms, .dies = {}};
}

void ConsulModel::unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime now) {
  if (unit != consul_unit) return;
  if (!host.read(node_file)) host.write(node_file, host.name, 0600);
  if (!host.read(keyring_file))
    if (const std::string* configured = host.read("/etc/consul.d/pgcluster-gossip.json"))
      host.write(keyring_file, Json::array({json_read::text(json_read::parse(*configured), "encrypt")}).dump(), 0600);
  if (const std::string* acl = host.read(consul_tokens_file)) loaded_[host.name] = json_read::parse(*acl)["acl"]["tokens"].value("master", "");
  passed(now);
}

// Raft begins when as many servers of a datacenter as are expected have found each other, and none of them has data.
void ConsulModel::passed(SimulatedTime) {
  std::map<std::string, std::vector<std::string>> waiting;  // by the addresses that they join
  for (const std::string& name : fleet_->hosts()) {
    SimulatedHost& host = fleet_->host(name);
    if (host.down || host.frozen || !host.active(consul_unit) || host.read(raft_file)) continue;
    const Json json = agent(host);
    if (json_read::flag(json, "server")) waiting[json.value("datacenter", "") + json.value("retry_join", Json::array()).dump()].push_back(name);
  }
  for (auto& [key, servers] : waiting) {
    const Json json = agent(fleet_->host(servers.front()));
    if (servers.size() < json.value("bootstrap_expect", std::size_t{1})) continue;
    const std::string id = "consul " + std::to_string(datacenters_.size()) + " " + json.value("datacenter", "");
    Datacenter& one = datacenters_[id];
    one.keys.id = id;
    one.servers = servers;
    one.cleanup = json.value("autopilot", Json::object()).value("cleanup_dead_servers", true);
    for (const std::string& name : servers) {
      fleet_->host(name).write(raft_file, id, 0600);
      ++made_[name];
    }
  }
  for (auto& [id, one] : datacenters_) {
    const auto serving_one = std::find_if(one.servers.begin(), one.servers.end(), [this](const std::string& name) { return serves(name); });
    if (serving_one == one.servers.end() || *serving_one == one.leader) continue;
    one.leader = *serving_one;
    if (!loaded_[one.leader].empty()) one.management.insert(loaded_[one.leader]);
  }
}

// An agent belongs to the datacenter whose servers it joins.
ConsulModel::Datacenter* ConsulModel::of(const SimulatedHost& host) {
  const Json json = agent(host);
  for (const std::string& name : fleet_->hosts()) {
    const SimulatedHost& other = fleet_->host(name);
    const std::string* id = other.read(raft_file);
    const Json its = agent(other);
    if (id && datacenters_.contains(*id) && its.value("datacenter", "") == json.value("datacenter", "") &&
        its.value("retry_join", Json()) == json.value("retry_join", Json()))
      return &datacenters_.at(*id);
  }
  return nullptr;
}

ConsulModel::Datacenter* ConsulModel::named(const std::string& datacenter) {
  for (const std::string& name : fleet_->hosts()) {
    const std::string* id = fleet_->host(name).read(raft_file);
    if (id && datacenters_.contains(*id) && agent(fleet_->host(name)).value("datacenter", "") == datacenter) return &datacenters_.at(*id);
  }
  return nullptr;
}

EtcdModel::Cluster* ConsulModel::reach(const std::string& name, const std::string& datacenter) {
  const SimulatedHost& host = fleet_->host(name);
  if (host.down || host.frozen || !host.active(consul_unit)) return nullptr;
  Datacenter* one = datacenter.empty() ? of(host) : named(datacenter);
  return one && serving(*one) >= one->servers.size() / 2 + 1 ? &one->keys : nullptr;
}

EtcdModel::Health ConsulModel::health(const std::string& name) {
  const SimulatedHost& host = fleet_->host(name);
  const Datacenter* one = host.read(raft_file) ? of(host) : nullptr;
  if (!one) return {};
  return {serving(*one), one->servers.size() / 2 + 1, one->servers.size()};
}

int ConsulModel::made(const std::string& host) const {
  const auto it = made_.find(host);
  return it == made_.end() ? 0 : it->second;
}

std::optional<std::string> ConsulModel::rules(const Datacenter& one, const std::string& token) {
  for (const auto& [name, line] : one.lines) {
    if (!name.starts_with("token ")) continue;
    const Json json = json_read::parse(line.substr(name.size() + 1));
    if (json.value("SecretID", "") != token) continue;
    std::string all;
    for (const Json& link : json["Policies"])
      if (const auto policy = one.lines.find("policy " + link.value("Name", "")); policy != one.lines.end())
        all += json_read::text(json_read::parse(policy->second.substr(policy->first.size() + 1)), "Rules");
    return all;
  }
  if (token.empty()) return "";
  return std::nullopt;
}

bool ConsulModel::has_rule(const Datacenter& one, const std::string& token, const std::string& kind, const std::string& name, bool writes) {
  if (one.management.empty() || one.management.contains(token)) return true;
  const auto all = rules(one, token);
  const std::string rule = kind + " \"" + name + "\" { policy = \"";
  return all && (all->find(rule + "write") != std::string::npos || (!writes && all->find(rule + "read") != std::string::npos));
}

EtcdModel::Cluster* ConsulModel::reach_by_token(const std::string& name, const std::string& datacenter, const std::string& token,
                                                const std::string& scope, bool writes) {
  EtcdModel::Cluster* keys = reach(name, datacenter);
  if (!keys) return nullptr;
  const Datacenter* one = datacenter.empty() ? of(fleet_->host(name)) : named(datacenter);
  return has_rule(*one, token, "key_prefix", "service/" + scope + "/", writes) ? keys : nullptr;
}

std::set<std::string> ConsulModel::token_owners(const std::string& host) {
  std::set<std::string> owners;
  if (const Datacenter* own = of(fleet_->host(host)))
    for (const auto& [name, line] : own->lines)
      if (name.starts_with("token ")) owners.insert(json_read::text(json_read::parse(line.substr(name.size() + 1)), "Description"));
  return owners;
}

std::size_t ConsulModel::tokens(const std::string& host) {
  const auto& lines = of(fleet_->host(host))->lines;
  return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [](const auto& one) { return one.first.starts_with("token "); }));
}

void ConsulModel::delete_token(const std::string& host, const std::string& owner) {
  std::erase_if(of(fleet_->host(host))->lines, [&](const auto& one) { return one.second.find("\"" + owner + "\"") != std::string::npos; });
}

// As tokens.sh does.
Output ConsulModel::tokens(const SimulatedHost& host, const std::string& mode, const std::string& input) {
  Datacenter* own = host.active(consul_unit) ? of(host) : nullptr;
  const std::string* token = host.read(consul_token_file);
  if (!own || serving(*own) < own->servers.size() / 2 + 1 || !token || !own->management.contains(token->substr(0, token->size() - 1)))
    return {.status = 1};
  std::map<std::string, std::string> wished;
  std::string manager;
  std::istringstream lines(input);
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(0, line.find(' ', line.find(' ') + 1));
    if (line.starts_with("management "))
      manager = json_read::text(json_read::parse(line.substr(name.size() + 1)), "SecretID");
    else
      wished[name] = line;
  }
  Output output;
  if (mode == "make" && !manager.empty()) own->management.insert(manager);
  if (mode == "forget" && !manager.empty()) own->management = {manager};
  if (mode == "look" && !manager.empty()) {
    if (!own->management.contains(manager)) output.out += "no token management\n";
    if (own->management.size() > (own->management.contains(manager) ? 1 : 0)) output.out += "former token management\n";
  }
  if (mode == "look") {
    for (const auto& [name, line] : wished)
      if (const auto it = own->lines.find(name); it == own->lines.end() || it->second != line)
        output.out += (it == own->lines.end() ? "no " : "another ") + name + "\n";
    for (const auto& [name, line] : own->lines)
      if (name.starts_with("token ") && !wished.contains(name)) output.out += "former " + name + "\n";
    return output;
  }
  for (const auto& [name, line] : wished)
    if (mode == "make") own->lines[name] = line;
  if (mode == "forget") std::erase_if(own->lines, [&](const auto& one) { return one.first.starts_with("token ") && !wished.contains(one.first); });
  return output;
}

// As known_tokens.sh does.
Output ConsulModel::knows(const SimulatedHost& host, const std::string& input) {
  if (!host.active(consul_unit)) return {.out = "no agent\n"};
  std::istringstream lines(input);
  for (std::string url, token; lines >> url >> token;) {
    const std::string other = datacenter_in(url);
    const Datacenter* one = other.empty() ? of(host) : named(other);
    if (!one || serving(*one) < one->servers.size() / 2 + 1) return {.out = "unknown\n"};
    if (!one->management.contains(token) && !rules(*one, token)) return {.out = "unknown\n"};
  }
  return {.out = "known\n"};
}

Output ConsulModel::get(Datacenter* own, const SimulatedHost& host, const std::string& path, const std::string& token) {
  if (const std::string other = datacenter_in(path); !other.empty()) own = named(other);
  if (!own || serving(*own) < own->servers.size() / 2 + 1) return answered("No cluster leader", 500);
  const auto leader = std::find_if(own->servers.begin(), own->servers.end(), [this](const std::string& name) { return serves(name); });
  if (path.starts_with("/v1/status/leader")) return answered(Json(agent(fleet_->host(*leader)).value("bind_addr", "") + ":8300").dump());
  if (!own->management.empty() && !own->management.contains(token) && !rules(*own, token)) return answered("ACL not found", 403);
  if (path.starts_with("/v1/operator/") && !own->management.empty() && !own->management.contains(token)) return answered("Permission denied", 403);
  const bool names = has_rule(*own, token, "node_prefix", "");
  if (path.starts_with("/v1/operator/autopilot/health")) {
    Json servers = Json::array();
    for (const std::string& name : own->servers)
      servers.push_back({{"Name", name}, {"Leader", name == *leader}, {"Voter", true}, {"Healthy", serves(name)}});
    return answered(Json{{"Servers", servers}}.dump(), serving(*own) == own->servers.size() ? 200 : 429);
  }
  if (path.starts_with("/v1/operator/autopilot/configuration")) return answered(Json{{"CleanupDeadServers", own->cleanup}}.dump());
  if (path.starts_with("/v1/agent/members")) {
    Json all = Json::array();
    for (const std::string& name : fleet_->hosts()) {
      SimulatedHost& other = fleet_->host(name);
      if (!names || !other.read(keyring_file) || agent(other).value("datacenter", "") != agent(host).value("datacenter", "")) continue;
      const bool alive = hears(host, other);
      all.push_back({{"Name", name}, {"Status", alive ? 1 : 4}});
    }
    return answered(all.dump());
  }
  if (path.starts_with("/v1/query")) {
    Json all = Json::array();
    for (const auto& [id, query] : own->queries) {
      if (!own->management.empty() && !own->management.contains(token)) break;
      all.push_back(query);
      all.back()["ID"] = id;
    }
    return answered(all.dump());
  }
  if (path.starts_with("/v1/catalog/nodes")) {
    Json all = Json::array();
    for (const auto& [name, address] : own->nodes)
      if (names) all.push_back({{"Node", name}, {"Address", address}});
    return answered(all.dump());
  }
  if (path.starts_with("/v1/kv/")) {
    const auto question = path.find('?');
    const std::string key = path.substr(6, question == std::string::npos ? question : question - 6);
    Json found = Json::array();
    const bool keys = path.find("?keys") != std::string::npos;
    if (!has_rule(*own, token, "key_prefix", key.substr(1, key.find('/', 9) == std::string::npos ? std::string::npos : key.find('/', 9))))
      return keys ? answered("[]") : answered("Permission denied", 403);
    if (keys) {
      for (const auto& [name, value] : own->keys.keys)
        if (name.starts_with(key)) found.push_back(name.substr(1));
    } else if (const auto it = own->keys.keys.find(key); it != own->keys.keys.end()) {
      found.push_back({{"Key", key.substr(1)}, {"Value", to_base64(it->second)}});
    }
    return found.empty() ? answered("", 404) : answered(found.dump());
  }
  return answered("no handler for " + path + " on " + host.name, 404);
}

Output ConsulModel::change(Datacenter* own, const std::string& method, const std::string& path, const std::string& body) {
  const Json json = json_read::parse(body);
  if (!own || serving(*own) < own->servers.size() / 2 + 1 || !json.is_object()) return {.status = 22, .out = "No cluster leader"};
  if (path == "/v1/query" && method == "POST") {
    own->queries["query-" + std::to_string(own->queries.size())] = json;
  } else if (path.starts_with("/v1/query/") && method == "PUT" && own->queries.contains(path.substr(10))) {
    own->queries[path.substr(10)] = json;
  } else if (path == "/v1/catalog/register" && method == "PUT") {
    own->nodes[json.value("Node", "")] = json.value("Address", "");
  } else {
    return {.status = 22, .out = "404"};
  }
  return {.out = "true"};
}

// Whether the agents are alive and understand each other: the first key of each is one that the other has.
bool ConsulModel::hears(const SimulatedHost& one, const SimulatedHost& other) {
  if (other.down || other.frozen || !other.active(consul_unit)) return false;
  const Json ours = json_read::parse(*one.read(keyring_file)), theirs = json_read::parse(*other.read(keyring_file));
  const auto has = [](const Json& keys, const Json& key) { return std::find(keys.begin(), keys.end(), key) != keys.end(); };
  return has(ours, theirs.front()) && has(theirs, ours.front());
}

// As gossip_key.sh does: Consul tells the agents that are alive.
Output ConsulModel::exchange_key(const SimulatedHost& server, const std::string& key) {
  std::vector<SimulatedHost*> agents;
  for (const std::string& name : fleet_->hosts())
    if (SimulatedHost& host = fleet_->host(name); host.read(keyring_file) && hears(server, host)) agents.push_back(&host);
  for (SimulatedHost* one : agents) one->write(keyring_file, Json::array({key}).dump(), 0600);
  return {};
}

std::optional<Output> ConsulModel::exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) {
  if (argv.size() > 4 && argv[argv.size() - 5].ends_with("/consul") && argv.back() == "-cleanup-dead-servers=false") {
    if (Datacenter* own = of(host)) own->cleanup = false;
    return Output{.out = "Configuration updated!\n"};
  }
  if (argv[0] == "sh" && argv.size() > 4 && argv[2] == shell::keyring) {
    const Json keys = host.read(keyring_file) ? json_read::parse(*host.read(keyring_file)) : Json::array();
    if (keys.empty()) return Output{};
    if (std::find(keys.begin(), keys.end(), input) == keys.end()) return Output{.out = "another\n"};
    return Output{.out = keys.size() > 1 ? "also\n" : "only\n"};
  }
  if (argv[0] == "sh" && argv.size() > 4 && argv[2] == shell::gossip_key) return exchange_key(host, input);
  if (argv[0] == "sh" && argv.size() > 4 && argv[2] == shell::tokens) return tokens(host, argv[4], input);
  if (argv[0] == "sh" && argv.size() > 4 && argv[2] == shell::known_tokens) return knows(host, input);
  if (argv[0] == "resolvectl") return Output{.out = "Global:\n"};
  if (std::vector<std::string> first = first_call(argv); !first.empty()) {
    first.insert(first.begin(), "curl");
    return exec(host, first, input);
  }
  const std::string& url = argv.back();
  const auto at = url.find("://127.0.0.1:850");
  if (argv[0] != "curl" || at == std::string::npos) return std::nullopt;
  if (!host.packages.contains("curl")) return Output{.status = 127, .err = "curl: command not found\n"};
  if (const auto option = std::find(argv.begin(), argv.end(), "-H"); option != argv.end() && !host.read((option + 1)->substr(1)))
    return Output{.status = 26};
  const std::string scheme = url.substr(0, at), port = url.substr(at + 13, 4), path = url.substr(at + 17);
  const int open = agent(host).value("ports", Json::object()).value(scheme, scheme == "http" ? 8500 : -1);
  if (!host.active(consul_unit) || port != std::to_string(open)) return Output{.status = 7, .out = "\n000"};
  if (std::find(argv.begin(), argv.end(), "--next") != argv.end()) return Output{.out = "{}\n200\n[]\n200\n"};  // no services
  const auto method = std::find(argv.begin(), argv.end(), "-X");
  const std::string token = shown_token(host, argv);
  if (method == argv.end()) return get(of(host), host, path, token);
  if (Datacenter* own = of(host); own && !own->management.empty() && !own->management.contains(token))
    return Output{.status = 22, .out = "Permission denied"};
  return change(of(host), *(method + 1), path, input);
}

}  // namespace pgcluster
