#include "simulation/services/etcd.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/base64.hpp"
#include "base/json.hpp"
#include "component/certificates.hpp"
#include "component/etcd/etcd.hpp"
#include "component/etcd/shell.hpp"
#include "component/patroni/shell.hpp"
#include "op/ask.hpp"
#include "simulation/services/gateway.hpp"
#include "simulation/url.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* members_path = "/v3/cluster/member/list";
constexpr const char* range_path = "/v3/kv/range";
constexpr const char* health_path = "/health";
constexpr const char* data_file = "/var/lib/etcd/default/member/snap/db";

std::map<std::string, std::string> environment(const SimulatedHost& host) {
  std::map<std::string, std::string> found;
  const std::string* text = host.read(platform_of(host.facts).etcd.config);
  std::istringstream lines(text ? *text : "");
  for (std::string line; std::getline(lines, line);)
    if (const auto at = line.find("=\""); at != std::string::npos && line[0] != '#')
      found[line.substr(0, at)] = line.substr(at + 2, line.size() - at - 3);
  return found;
}

bool is_loopback(const std::string& url) { return url.find("://127.") != std::string::npos || url.find("://[::1]") != std::string::npos; }

// The URLs of a list with commas.
std::vector<std::string> urls_of(const std::string& list) {
  std::vector<std::string> urls;
  std::istringstream all(list);
  for (std::string one; std::getline(all, one, ',');) urls.push_back(one);
  return urls;
}

std::string hexadecimal(std::uint64_t number) {
  char text[20];
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(number));
  return text;
}

std::uint64_t number_of(const std::string& text) { return std::hash<std::string>()(text) >> 1 | 1; }

}  // namespace

GatewayCall gateway_call(const std::vector<std::string>& argv) {
  GatewayCall call;
  if (argv[0] != "curl") return call;
  call.endpoints.tls = curl_files(argv);
  for (std::size_t i = 1; i < argv.size(); ++i) {
    if (argv[i - 1] == "-d") {
      const Json body = json_read::parse(argv[i]);
      call.key = json_read::text(body, "key");
      call.range_end = json_read::text(body, "range_end");
    }
    for (const char* known : {members_path, range_path, health_path})
      if (argv[i].ends_with(known) && argv[i] == origin_of(argv[i]) + known) {
        call.path = known;
        call.endpoints.urls.push_back(origin_of(argv[i]));
      }
  }
  return call;
}

std::optional<SimulatedPackage> EtcdModel::package(const std::string& name) {
  if (name == "etcd-client") return SimulatedPackage{.version = "3.5.16-4"};
  if (name != "etcd-server") return std::nullopt;
  return SimulatedPackage{.version = "3.5.16-4",
                          .units = {etcd_unit},
                          .files = {{platform_of({}).etcd.config, File{.content = "## etcd(1) daemon options\n"}}},
                          .accounts = {{"etcd", Account{101, "/var/lib/etcd", "/usr/sbin/nologin"}}}};
}

bool EtcdModel::serves(const Member& member) {
  if (member.host.empty()) return false;
  const SimulatedHost& host = fleet_->host(member.host);
  return !host.down && !host.frozen && host.active(etcd_unit);
}

std::size_t EtcdModel::serving(const Cluster& cluster) {
  return static_cast<std::size_t>(std::count_if(cluster.members.begin(), cluster.members.end(), [this](const Member& one) { return serves(one); }));
}

// As the real one it is active only when it has found a quorum.
void EtcdModel::form(Cluster& cluster, SimulatedTime now) {
  std::vector<SimulatedHost*> waiting;
  std::size_t there = 0;
  for (const Member& member : cluster.members) {
    if (member.host.empty() || !running_.contains(member.host)) continue;
    SimulatedHost& host = fleet_->host(member.host);
    if (host.down || host.frozen) continue;
    ++there;
    SimulatedUnit& unit = host.units[etcd_unit];
    if (unit.ready_at && *unit.ready_at > now + 1h) waiting.push_back(&host);
  }
  if (there < cluster.quorum()) return;
  for (SimulatedHost* host : waiting) host->units[etcd_unit].ready_at = std::max(now, host->busy_until) + 1s;
}

EtcdModel::Cluster* EtcdModel::of(const SimulatedHost& host) {
  const std::string* id = host.read(data_file);
  const auto it = id ? clusters_.find(*id) : clusters_.end();
  return it == clusters_.end() ? nullptr : &it->second;
}

std::optional<ServiceModel::Start> EtcdModel::unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime now) {
  if (unit != etcd_unit) return std::nullopt;
  auto env = environment(host);
  if (!env.contains("ETCD_NAME")) env = {{"ETCD_NAME", "default"}, {"ETCD_INITIAL_CLUSTER", "default=http://localhost:2380"}};
  for (const auto& [key, value] : env)
    if (!urls_are_valid(value)) return Start{.takes = {}, .dies = "invalid value \"" + value + "\" for " + key + ": too many colons in address"};
  for (const char* prefix : {"ETCD_", "ETCD_PEER_"})
    for (const char* kind : {"CERT_FILE", "KEY_FILE", "TRUSTED_CA_FILE"})
      if (const std::string file = env[prefix + std::string(kind)]; !missing_file(host, {file}).empty())
        return Start{.takes = {}, .dies = "open " + file + ": no such file or directory"};
  const std::string name = env["ETCD_NAME"], token = env["ETCD_INITIAL_CLUSTER_TOKEN"] + " " + env["ETCD_INITIAL_CLUSTER"];
  Cluster* cluster = of(host);
  const bool was_removed =
      cluster && std::none_of(cluster->members.begin(), cluster->members.end(), [&](const Member& one) { return one.host == host.name; });
  if (was_removed) return Start{.takes = {}, .dies = "the member has been permanently removed from the cluster"};
  if (!cluster && !host.read(data_file) && env["ETCD_INITIAL_CLUSTER_STATE"] == "existing") {
    cluster = reached_by(urls_of(env["ETCD_INITIAL_CLUSTER"]), name);
    if (!cluster) return Start{.takes = {}, .dies = "error validating peerURLs: member count is unequal"};
    const auto member = std::find_if(cluster->members.begin(), cluster->members.end(), [&](const Member& one) { return one.name == name; });
    if (!member->host.empty()) return Start{.takes = {}, .dies = "member " + name + " has already been bootstrapped"};
    member->host = host.name;
    host.write(data_file, cluster->id, 0600);
    ++made_[host.name];
  }
  if (!cluster) {
    if (host.read(data_file)) return Start{.takes = {}, .dies = "panic: the data directory is another cluster's"};
    for (auto& entry : clusters_) {
      Cluster& one = entry.second;
      const bool lives = std::any_of(one.members.begin(), one.members.end(),
                                     [&](const Member& member) { return !member.host.empty() && of(fleet_->host(member.host)) == &one; });
      if (lives && one.token == token) cluster = &one;
    }
    if (!cluster) {
      const std::string id = "cluster " + std::to_string(clusters_.size());
      cluster = &clusters_.emplace(id, Cluster{.id = id, .token = token, .members = {}}).first->second;
      std::istringstream all(env["ETCD_INITIAL_CLUSTER"]);
      for (std::string one; std::getline(all, one, ',');)
        if (const auto at = one.find('='); at != std::string::npos)
          cluster->members.push_back({.name = one.substr(0, at), .peer_url = one.substr(at + 1), .id = one.substr(0, at)});
    }
    const auto member = std::find_if(cluster->members.begin(), cluster->members.end(), [&](const Member& one) { return one.name == name; });
    if (member == cluster->members.end()) return Start{.takes = {}, .dies = "error validating peerURLs: member count is unequal"};
    if (!member->host.empty()) return Start{.takes = {}, .dies = "member " + name + " has already been bootstrapped"};
    member->host = host.name;
    host.write(data_file, cluster->id, 0600);
    ++made_[host.name];
  }
  // A member tells the others its URLs whenever it starts.
  for (Member& member : cluster->members)
    if (member.host == host.name) member.client_urls = urls_of(env["ETCD_ADVERTISE_CLIENT_URLS"]);
  running_[host.name] = {.urls = urls_of(env["ETCD_LISTEN_CLIENT_URLS"]), .asks_certificate = env["ETCD_CLIENT_CERT_AUTH"] == "true"};
  std::size_t there = 0;
  for (const Member& member : cluster->members) {
    if (member.host.empty() || !running_.contains(member.host)) continue;
    const SimulatedHost& one = fleet_->host(member.host);
    if (!one.down && !one.frozen) ++there;
  }
  form(*cluster, now);
  return Start{.takes = there >= cluster->quorum() ? std::chrono::milliseconds(1s) : std::chrono::milliseconds(24h), .dies = {}};
}

// The cluster whose members are exactly these ("pg1=https://…"), of which one that serves can be asked.
EtcdModel::Cluster* EtcdModel::reached_by(const std::vector<std::string>& initial, const std::string& name) {
  std::set<std::string> urls;
  for (const std::string& one : initial) urls.insert(one.substr(one.find('=') + 1));
  for (auto& [id, cluster] : clusters_) {
    std::set<std::string> known;
    for (const Member& one : cluster.members) known.insert(one.peer_url);
    const bool named = std::any_of(cluster.members.begin(), cluster.members.end(), [&](const Member& one) { return one.name == name; });
    if (named && known == urls && serving(cluster) > 0) return &cluster;
  }
  return nullptr;
}

void EtcdModel::unit_stopped(SimulatedHost& host, const std::string& unit, SimulatedTime) {
  if (unit == etcd_unit) running_.erase(host.name);
}

void EtcdModel::passed(SimulatedTime now) {
  for (auto& [id, cluster] : clusters_) form(cluster, now);
}

bool EtcdModel::answers(const Member& member, const SimulatedHost& from, const std::string& url, const TlsFiles& tls) const {
  const auto process = running_.find(member.host);
  if (process == running_.end() || (member.host != from.name && is_loopback(url))) return false;
  const auto& urls = process->second.urls;
  if (std::find(urls.begin(), urls.end(), url) == urls.end()) return false;
  return !url.starts_with("https:") || (tls_status(from, tls) == 0 && (tls.shown() || !process->second.asks_certificate));
}

EtcdModel::Cluster* EtcdModel::reach(const SimulatedHost& from, const Endpoints& endpoints) {
  for (const std::string& url : endpoints.urls)
    for (auto& [id, cluster] : clusters_)
      for (const Member& member : cluster.members)
        if (answers(member, from, url, endpoints.tls) && serves(member) && of(fleet_->host(member.host)) == &cluster &&
            serving(cluster) >= cluster.quorum())
          return &cluster;
  return nullptr;
}

// As the gateway has it: etcd with users takes no certificate that has a name.
EtcdModel::Cluster* EtcdModel::reach_by_password(const SimulatedHost& from, const Endpoints& endpoints, const std::string& user,
                                                 const std::string& password, const std::string& key, bool write) {
  Cluster* cluster = reach(from, endpoints);
  if (!cluster || !cluster->users.enabled) return cluster;
  const bool in = common_name(from, endpoints.tls).empty() && cluster->users.lets_in(user, password) && cluster->users.may(user, key, write);
  return in ? cluster : nullptr;
}

EtcdModel::Cluster* EtcdModel::reach_by_name(const SimulatedHost& from, const Endpoints& endpoints, const std::string& key) {
  Cluster* cluster = reach(from, endpoints);
  return cluster && cluster->users.may(common_name(from, endpoints.tls), key, false) ? cluster : nullptr;
}

EtcdModel::Health EtcdModel::health(const std::string& host) {
  const Cluster* cluster = of(fleet_->host(host));
  if (!cluster) return {};
  return {serving(*cluster), cluster->quorum(), cluster->members.size()};
}

int EtcdModel::made(const std::string& host) const {
  const auto it = made_.find(host);
  return it == made_.end() ? 0 : it->second;
}

Output EtcdModel::ctl(SimulatedHost& host, const std::vector<std::string>& words, Cluster* cluster) {
  if (!host.packages.contains("etcd-client")) return {.status = 127, .err = "etcdctl: command not found\n"};
  const auto asks = [&](const char* what) { return std::find(words.begin(), words.end(), what) != words.end(); };
  if (!cluster) return {.status = 1, .err = "context deadline exceeded\n"};
  if (asks("health")) return {.err = "is healthy: successfully committed proposal\n"};
  if (asks("status")) {
    std::string self;
    for (const Member& one : cluster->members)
      if (one.host == host.name) self = one.id;
    const Json header{{"member_id", number_of(cluster->id + self)}};
    const Json status{{"header", header}, {"leader", number_of(cluster->id + leader(*cluster)->id)}};
    return {.out = Json::array({Json{{"Status", status}}}).dump()};
  }
  return {.status = 1, .err = "Error: unknown command\n"};
}

const EtcdModel::Member* EtcdModel::leader(const Cluster& cluster) {
  const Member* first = nullptr;
  for (const Member& one : cluster.members) {
    if (!serves(one) || one.learner) continue;
    if (!first || one.id == cluster.leader) first = &one;
  }
  return first;
}

// With etcd's own checks, and in its words.
Output EtcdModel::change_members(SimulatedHost& host, Cluster& cluster, const std::vector<std::string>& words) {
  const auto fails = [](const char* why) { return Output{.status = 1, .err = std::string("Error: etcdserver: ") + why + "\n"}; };
  const auto by_id = [&](const std::string& id) {
    return std::find_if(cluster.members.begin(), cluster.members.end(),
                        [&](const Member& one) { return hexadecimal(number_of(cluster.id + one.id)) == id; });
  };
  const auto started = [](const Member& one) { return !one.host.empty(); };
  const auto count = static_cast<std::size_t>(std::count_if(cluster.members.begin(), cluster.members.end(), started));
  const std::string what = words[0] == "member" ? words[1] : words[0];
  if (what == "add") {
    const std::string url = words[3].substr(words[3].find('=') + 1);
    if (count < (cluster.members.size() + 1) / 2 + 1) return fails("re-configuration failed due to not enough started members");
    if (serving(cluster) < cluster.members.size()) return fails("unhealthy cluster");
    for (const Member& one : cluster.members)
      if (one.peer_url == url) return fails("Peer URLs already exists");
    cluster.members.push_back({.name = words[2], .peer_url = url, .id = words[2] + " " + std::to_string(++added_), .added = true});
    return {};
  }
  const auto member = by_id(words[what == "move-leader" ? 1 : 2]);
  if (member == cluster.members.end()) return fails("member not found");
  if (what == "move-leader") {
    if (leader(cluster)->host != host.name) return fails("not leader");
    if (!serves(*member)) return fails("bad leader transferee");
    cluster.leader = member->id;
    return {};
  }
  if (started(*member) && count - 1 < (cluster.members.size() - 1) / 2 + 1) return fails("re-configuration failed due to not enough started members");
  const std::string removed = member->host;
  cluster.members.erase(member);
  if (!removed.empty() && fleet_->host(removed).active(etcd_unit) && of(fleet_->host(removed)) == &cluster)
    fleet_->stop_unit(fleet_->host(removed), etcd_unit);
  return {};
}

Output EtcdModel::members(const Cluster& cluster) {
  Json members = Json::array();
  for (const Member& member : cluster.members) {
    Json one{{"ID", std::to_string(number_of(cluster.id + member.id))}, {"peerURLs", {member.peer_url}}};
    if (!member.host.empty() || !member.added) one["name"] = member.name;
    if (!member.host.empty()) one["clientURLs"] = member.client_urls;
    if (member.learner) one["isLearner"] = true;
    members.push_back(one);
  }
  return {.out = Json{{"members", members}}.dump()};
}

// As own_member.sh does: ADDRESS/PORT ADDRESS:PORT WORD…
Output EtcdModel::own_member(SimulatedHost& host, const std::vector<std::string>& argv) {
  TlsFiles files = host_files("etcd");
  if (const TlsFiles root = host_files(etcd_root_certificate); host.read(root.certificate)) files = root;
  const bool settled = host.read(certificates::settled_file);
  Cluster* cluster = settled || host.read(files.certificate) ? reach(host, {{"https://" + argv[5]}, files}) : nullptr;
  if (!cluster && !settled) cluster = reach(host, {{"http://" + argv[5]}});
  const std::vector<std::string> words(argv.begin() + 6, argv.end());
  if (cluster && host.packages.contains("etcd-client") && !words.empty() && (words[0] == "user" || words[0] == "role" || words[0] == "auth"))
    return cluster->users.command(common_name(host, files), words);
  if (cluster && words.size() > 3 && words[0] == "member" && words[1] == "update") {
    for (Member& member : cluster->members)
      if (hexadecimal(number_of(cluster->id + member.id)) == words[2]) member.peer_url = words[3].substr(words[3].find('=') + 1);
    return {};
  }
  if (cluster && words.size() > 1 && words[0] == "member" && words[1] == "list") return members(*cluster);
  if (cluster && words.size() > 1 && (words[0] == "move-leader" || (words[0] == "member" && (words[1] == "add" || words[1] == "remove"))))
    return change_members(host, *cluster, words);
  if (cluster && !words.empty() && words[0] == "alarm") return {.out = "{}"};
  return ctl(host, argv, cluster);
}

// ADDRESS:PORT CLUSTER READER USER users|auth, and the password.
Output EtcdModel::make_users(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) {
  const TlsFiles files = host_files(etcd_root_certificate);
  Cluster* cluster = host.packages.contains("etcd-client") ? reach(host, {{"https://" + argv[4]}, files}) : nullptr;
  if (!cluster) return {.status = 1, .err = "etcdctl user add: context deadline exceeded\n"};
  return cluster->users.make(common_name(host, files), argv[5], argv[6], argv[7], input.substr(0, input.find('\n')), argv.at(8) == "auth");
}

// As etcd_key.sh does for /v3/kv/range: PATH BODY CLUSTER CERTIFICATE URL…
Output EtcdModel::patronis_key(const SimulatedHost& host, const std::vector<std::string>& argv) {
  if (!host.packages.contains("curl")) return {.status = 1, .err = "sh: 1: curl: not found\n"};
  const Json body = json_read::parse(argv[5]);
  const std::string key = from_base64(json_read::text(body, "key")).value_or(""), end = from_base64(json_read::text(body, "range_end")).value_or("");
  const std::string* secret = host.read(std::string("/var/lib/pgcluster/secrets/") + etcd_password_secret);
  const std::string kept = secret ? *secret : "", mark = "\n# rotated ";
  const auto at = kept.find(mark);
  const bool second = at != std::string::npos && std::stoi(kept.substr(at + mark.size())) % 2 == 1;
  const Endpoints endpoints{{argv.begin() + 8, argv.end()}, host_files(argv[7])};
  const Cluster* cluster = reach_by_password(host, endpoints, (second ? "patroni2@" : "patroni@") + argv[6], kept.substr(0, at), key, false);
  return cluster ? range(*cluster, key, end) : Output{.status = 1};
}

Output EtcdModel::range(const Cluster& cluster, const std::string& key, const std::string& end) {
  Json answer{{"header", {{"revision", "1"}}}};
  for (auto it = cluster.keys.lower_bound(key); it != cluster.keys.end() && (it->first == key || it->first < end); ++it)
    answer["kvs"].push_back(Json{{"key", to_base64(it->first)}, {"value", to_base64(it->second)}});
  return {.out = answer.dump()};
}

Output EtcdModel::gateway(const SimulatedHost& host, const GatewayCall& call, const std::vector<std::string>& argv) {
  const Cluster* cluster = reach(host, call.endpoints);
  if (!cluster) {
    const int status = call.endpoints.urls[0].starts_with("https:") ? tls_status(host, call.endpoints.tls) : 0;
    return {.status = status != 0 ? status : 28};
  }
  if (call.path == health_path) return {.out = R"({"health":"true","reason":""})"};
  const bool fails = std::find(argv.begin(), argv.end(), "-sf") != argv.end();  // on an HTTP error
  const auto refused = [&](const char* why) { return fails ? Output{.status = 22} : Output{.out = why}; };
  if (cluster->users.enabled && !common_name(host, call.endpoints.tls).empty())
    return refused("CommonName of client sending a request against gateway will be ignored and not used as expected\n");
  if (call.path == members_path) return members(*cluster);
  if (cluster->users.enabled) return refused(R"({"code":3, "message":"etcdserver: user name is empty"})");
  return range(*cluster, from_base64(call.key).value_or(""));
}

std::optional<Output> EtcdModel::exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) {
  const auto own = [&]() -> Cluster* {
    Cluster* cluster = of(host);
    return cluster && host.active(etcd_unit) && serving(*cluster) >= cluster->quorum() ? cluster : nullptr;
  };
  if (argv[0] == "etcdctl" && argv.back().find("/members/") == std::string::npos) return ctl(host, argv, own());
  if (argv[0] == "sh" && argv.size() > 4 && argv[2] == shell::unit_age) {
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(std::max(fleet_->now(), host.busy_until).time_since_epoch());
    const auto age = now - std::chrono::microseconds(host.active(argv[4]) ? host.units.at(argv[4]).state.started : 0);
    return Output{.out = host.active(argv[4]) ? std::to_string(std::chrono::duration_cast<std::chrono::seconds>(age).count()) + "\n" : "0\n"};
  }
  if (argv[0] == "bash" && argv.size() > 8 && argv[2] == shell::add_member) {
    std::vector<std::string> once{"bash", "-c"};
    once.insert(once.end(), argv.begin() + 4, argv.end());
    return own_member(host, once);
  }
  if (argv[0] == "bash" && argv.size() > 6 && argv[3] == "etcdctl") return own_member(host, argv);
  if (argv[0] == "sh" && argv.size() > 7 && argv[2] == shell::make_users) return make_users(host, argv, input);
  if (argv[0] == "sh" && argv.size() > 8 && argv[2] == shell::etcd_key && argv[4] == "/v3/kv/range") return patronis_key(host, argv);
  const GatewayCall call = gateway_call(argv);
  if (call.path.empty() || !call.range_end.empty()) return std::nullopt;  // Patroni's members are the other models' matter
  if (!host.packages.contains("curl")) return Output{.status = 127, .err = "curl: command not found\n"};
  return gateway(host, call, argv);
}

}  // namespace pgcluster
