#include "simulation/services/patroni.hpp"

#include <algorithm>
#include <sstream>

#include "base/joined.hpp"
#include "base/json.hpp"
#include "component/patroni/patroni.hpp"
#include "component/postgresql/postgresql.hpp"
#include "component/postgresql/scram.hpp"
#include "spec/server_settings.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;
using patroni::unit_name;

std::string plain(const std::string& value) {
  if (!value.starts_with('"')) return value;
  std::string out;
  for (std::size_t i = 1; i + 1 < value.size(); ++i) out += value[i] == '\\' ? value[++i] : value[i];
  return out;
}

// YAML as config_head() and config_bootstrap() write it, and no more than that.
std::map<std::string, std::string> read_config(const std::string& text) {
  std::map<std::string, std::string> found;
  std::vector<std::pair<std::size_t, std::string>> open;  // indent, path
  std::map<std::string, int> items;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto indent = line.find_first_not_of(' ');
    if (indent == std::string::npos || line[indent] == '#') continue;
    while (!open.empty() && open.back().first >= indent) open.pop_back();
    const std::string parent = open.empty() ? "" : open.back().second + ".";
    line.erase(0, indent);
    if (line.starts_with("- ")) {
      found[parent + std::to_string(items[parent]++)] = line.substr(2);
      continue;
    }
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string path = parent + line.substr(0, colon);
    if (colon + 1 >= line.size())
      open.emplace_back(indent, path);
    else
      found[path] = line.substr(colon + 2);
  }
  return found;
}

std::string value_of(const std::map<std::string, std::string>& config, const std::string& path) {
  const auto it = config.find(path);
  return it == config.end() ? "" : plain(it->second);
}

Json bootstrap_settings(const std::map<std::string, std::string>& config) {
  Json settings = Json::object();
  for (const auto& [path, text] : config) {
    if (!path.starts_with("bootstrap.dcs.")) continue;
    std::string rest = path.substr(14);
    Json* into = &settings;
    for (const std::string part : {"postgresql.", "parameters."})
      if (rest.starts_with(part)) {
        into = &(*into)[part.substr(0, part.size() - 1)];
        rest.erase(0, part.size());
      }
    const Json value = text.starts_with('"') ? Json(plain(text)) : json_read::parse(text);
    (*into)[rest] = value.is_discarded() ? Json(text) : value;
  }
  return settings;
}

std::map<std::string, std::string> parameters(const Json& settings) {
  std::map<std::string, std::string> found;
  for (const auto& [name, value] : json_read::at(json_read::at(settings, "postgresql"), "parameters").items()) found[name] = json_read::plain(value);
  return found;
}

int number(const Json& settings, const char* name, int otherwise) {
  return json_read::at(settings, name).is_number_integer() ? json_read::number<int>(settings, name) : otherwise;
}

std::string data_dir(const std::map<std::string, std::string>& config) { return value_of(config, "postgresql.data_dir"); }

}  // namespace

std::optional<SimulatedPackage> PatroniModel::package(const std::string& name) {
  if (name == "postgresql-common")
    return SimulatedPackage{
        .version = "278", .units = {"postgresql.service"}, .accounts = {{"postgres", Account{102, "/var/lib/postgresql", "/bin/bash"}}}};
  if (name.starts_with("postgresql-client-")) return SimulatedPackage{.version = "17.6-0+deb13u1"};
  if (name.starts_with("postgresql-"))
    return SimulatedPackage{.version = "17.6-0+deb13u1", .depends = {"postgresql-common", "postgresql-client" + name.substr(10)}};
  if (name == "patroni") return SimulatedPackage{.version = "4.0.4-7", .depends = {"python3"}, .units = {unit_name}};
  return std::nullopt;
}

std::optional<ServiceModel::Start> PatroniModel::unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime) {
  if (unit != unit_name) return std::nullopt;
  const std::string* text = host.read(patroni::config_path);
  if (!text) return Start{.takes = {}, .dies = "FATAL: configuration file not found"};
  const auto config = read_config(*text);
  for (const char* key : {"restapi.certfile", "restapi.keyfile", "restapi.cafile", "etcd3.cacert", "etcd3.cert", "etcd3.key"})
    if (const std::string file = missing_file(host, {value_of(config, key)}); !file.empty())
      return Start{.takes = {}, .dies = "FileNotFoundError: [Errno 2] No such file or directory: '" + file + "'"};
  return Start{.takes = 500ms, .dies = {}};
}

void PatroniModel::unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime now) {
  if (unit != unit_name) return;
  Member& member = members_[host.name];
  const std::string* text = host.read(patroni::config_path);
  member.up = true;
  member.config = read_config(text ? *text : "");
  member.cluster.clear();
  member.applied = nullptr;
  member.phase = has_data(host.name) ? Phase::stopped : Phase::none;
  tick(now);
}

void PatroniModel::unit_stopped(SimulatedHost& host, const std::string& unit, SimulatedTime now) {
  if (unit != unit_name) return;
  Member& member = members_[host.name];
  member.up = false;
  Cluster* cluster = cluster_of(member);
  // A copy or an initdb that was cut short is cleaned up, as Patroni does.
  if (member.phase == Phase::initdb || member.phase == Phase::creating) {
    host.files.erase(data_dir(member.config) + "/PG_VERSION");
    if (cluster && cluster->initializing == host.name) cluster->initializing.clear();
    if (EtcdModel::Cluster* dcs = dcs_of(host.name, member); dcs && cluster && cluster->system_id.empty())
      dcs->keys.erase("/service/" + cluster->scope + "/initialize");
  }
  member.phase = Phase::stopped;
  if (cluster && cluster->leader == host.name) {
    cluster->leader.clear();
    cluster->free_from = now + 1s;
  }
}

void PatroniModel::unit_reloaded(SimulatedHost& host, const std::string& unit, SimulatedTime) {
  if (unit != unit_name) return;
  Member& member = members_[host.name];
  if (const std::string* text = host.read(patroni::config_path)) member.config = read_config(*text);
  ++member.loads;
}

bool PatroniModel::alive(const std::string& host, const Member& member) const {
  const SimulatedHost& here = fleet_->host(host);
  return member.up && !here.down && !here.frozen;
}

std::string PatroniModel::system_id_of(const std::string& host) const {
  const auto it = members_.find(host);
  const std::string* id = it == members_.end() ? nullptr : fleet_->host(host).read(data_dir(it->second.config) + "/PG_VERSION");
  return id ? *id : "";
}
bool PatroniModel::has_data(const std::string& host) const { return !system_id_of(host).empty(); }

EtcdModel::Cluster* PatroniModel::dcs_of(const std::string& host, const Member& member) {
  if (member.config.contains("consul.host"))
    return consul_ ? consul_->reach_by_token(host, value_of(member.config, "consul.dc"), value_of(member.config, "consul.token"),
                                             value_of(member.config, "scope"), true)
                   : nullptr;
  const std::string protocol = value_of(member.config, "etcd3.protocol");
  Endpoints endpoints;
  for (int i = 0; member.config.contains("etcd3.hosts." + std::to_string(i)); ++i)
    endpoints.urls.push_back((protocol.empty() ? "http" : protocol) + "://" + value_of(member.config, "etcd3.hosts." + std::to_string(i)));
  endpoints.tls = {value_of(member.config, "etcd3.cacert"), value_of(member.config, "etcd3.cert"), value_of(member.config, "etcd3.key")};
  return etcd_->reach_by_password(fleet_->host(host), endpoints, value_of(member.config, "etcd3.username"), value_of(member.config, "etcd3.password"),
                                  "/service/" + value_of(member.config, "scope") + "/", true);
}

PatroniModel::Cluster* PatroniModel::cluster_of(const Member& member) {
  const auto it = clusters_.find(member.cluster);
  return it == clusters_.end() ? nullptr : &it->second;
}

bool PatroniModel::refuses(const Cluster& cluster) const {
  const auto found = parameters(cluster.settings);
  const auto it = found.find(refused_.first.first);
  return it != found.end() && it->second == refused_.first.second;
}

std::vector<std::string> PatroniModel::hosts_of(const std::string& cluster) const {
  std::vector<std::string> hosts;
  for (const auto& [host, member] : members_)
    if (member.cluster == cluster) hosts.push_back(host);
  return hosts;
}

void PatroniModel::passed(SimulatedTime now) {
  // What takes several rounds of Patroni's loop takes them also where time makes a jump.
  if (ticked_ + 30s < now) ticked_ = now - 30s;
  for (; ticked_ + 1s < now; ticked_ += 1s) tick(ticked_);
  tick(now);
  ticked_ = now;
}

void PatroniModel::tick(SimulatedTime now) {
  std::map<std::string, std::pair<EtcdModel::Cluster*, std::vector<std::string>>> found;
  for (auto& [host, member] : members_) {
    EtcdModel::Cluster* dcs = alive(host, member) ? dcs_of(host, member) : nullptr;
    if (!dcs) continue;
    const std::string scope = value_of(member.config, "scope");
    member.cluster = dcs->id + " " + scope;
    clusters_.try_emplace(member.cluster, Cluster{.scope = scope});
    auto& [its, hosts] = found[member.cluster];
    its = dcs;
    hosts.push_back(host);
  }
  for (auto& [name, one] : found) tick(clusters_.at(name), *one.first, one.second, now);
}

void PatroniModel::tick(Cluster& cluster, EtcdModel::Cluster& dcs, const std::vector<std::string>& hosts, SimulatedTime now) {
  for (const std::string& name : hosts) {
    Member& member = members_[name];
    // The server takes writes before Patroni has made its roles, and nobody leads in the DCS until it has.
    if (member.phase == Phase::initdb && member.until <= now) {
      cluster.initializing.clear();
      cluster.system_id = system_id_of(name);
      cluster.catalog.databases = {{"postgres", {"postgres"}}, {"template0", {"postgres"}}, {"template1", {"postgres"}}};
      make_role(cluster, member, "superuser");
      runs(cluster, name, member);
      cluster.timeline = 1;
      member.phase = Phase::first_roles;
      member.applied = nullptr;
      member.until = now + 1s;
    } else if (member.phase == Phase::first_roles && member.until <= now) {
      dcs.keys["/service/" + cluster.scope + "/initialize"] = cluster.system_id;
      cluster.settings = bootstrap_settings(member.config);
      make_role(cluster, member, "replication");
      start_server(cluster, name, member, now);
      runs(cluster, name, member);
      cluster.leader = name;
    }
    if ((member.phase == Phase::creating || member.phase == Phase::starting) && member.until <= now) {
      if (member.phase == Phase::creating) {
        fleet_->host(name).write(data_dir(member.config) + "/PG_VERSION", cluster.system_id, 0600);
        if (!cluster.leader.empty()) member.control = members_[cluster.leader].control;
      }
      runs(cluster, name, member);
    }
    if (member.phase == Phase::running && member.notices <= now && member.applied != cluster.settings) runs(cluster, name, member);
    if (streams(cluster, name, member, now)) member.control = members_[cluster.leader].control;
  }
  if (!cluster.leader.empty()) {
    const Member& leader = members_[cluster.leader];
    if (alive(cluster.leader, leader) && (leader.phase == Phase::running || leader.phase == Phase::starting))
      cluster.lease = std::max(cluster.lease, now + std::chrono::seconds(number(cluster.settings, "ttl", 30)));
    else if (now >= cluster.lease)
      cluster.leader.clear();
  }
  if (cluster.leader.empty() && !cluster.system_id.empty() && now >= cluster.free_from && !json_read::flag(cluster.settings, "pause")) {
    std::string next;
    for (const std::string& name : hosts) {
      const Member& member = members_[name];
      if (member.phase != Phase::running || value_of(member.config, "tags.nofailover") == "true") continue;
      if (next.empty() || name == cluster.candidate) next = name;
    }
    if (!next.empty()) {
      cluster.leader = next;
      if (cluster.settings.is_null()) cluster.settings = bootstrap_settings(members_[next].config);
      cluster.candidate.clear();
      ++cluster.timeline;
      cluster.lease = now + std::chrono::seconds(number(cluster.settings, "ttl", 30));
      for (const std::string& name : hosts) members_[name].streams_from = now + 1s;
    }
  }
  if (json_read::flag(cluster.settings, "synchronous_mode") && !cluster.leader.empty()) {
    std::vector<std::string> standbys;
    for (const std::string& name : hosts)
      if (sync(cluster, name, now)) standbys.push_back(name);
    dcs.keys["/service/" + cluster.scope + "/sync"] = Json{{"leader", cluster.leader}, {"sync_standby", joined(standbys, ",")}}.dump();
  }
  for (const std::string& name : hosts)
    if (Member& member = members_[name]; member.phase == Phase::none || member.phase == Phase::stopped)
      begin(cluster, fleet_->host(name), member, now);
}

void PatroniModel::make_role(Cluster& cluster, Member& member, const std::string& kind) {
  const std::string at = "postgresql.authentication." + kind + ".";
  // One iteration: a simulated password needs no protection, and thousands of them are looked at.
  cluster.catalog.roles[value_of(member.config, at + "username")] = {
      .superuser = kind == "superuser",
      .login = true,
      .replication = kind == "replication",
      .verifier = make_scram(value_of(member.config, at + "password"), "salt", 1).text()};
}

void PatroniModel::begin(Cluster& cluster, SimulatedHost& host, Member& member, SimulatedTime now) {
  const std::string id = system_id_of(host.name);
  if (!id.empty()) {
    if (cluster.system_id.empty()) cluster.system_id = id;
    if (refuses(cluster)) return;
    if (cluster.system_id == id) start_server(cluster, host.name, member, now + 2s);
    return;  // another cluster's: Patroni refuses
  }
  if (cluster.system_id.empty()) {
    if (!cluster.initializing.empty()) return;
    cluster.initializing = host.name;
    if (EtcdModel::Cluster* dcs = dcs_of(host.name, member)) dcs->keys["/service/" + cluster.scope + "/initialize"] = "";
    host.write(data_dir(member.config) + "/PG_VERSION", std::to_string(7'400'000'000'000'000'000 + ++counter_), 0600);
    ++made_[host.name];
    member.birth = ++counter_;
    member.phase = Phase::initdb;
    member.until = now + 5s;
  } else if (!cluster.leader.empty() && members_[cluster.leader].phase == Phase::running) {
    member.birth = ++counter_;
    member.phase = Phase::creating;
    member.until = now + 4s;
    member.slot_from = now + std::chrono::seconds(number(cluster.settings, "loop_wait", 10));
  }
}

void PatroniModel::start_server(Cluster&, const std::string&, Member& member, SimulatedTime until) {
  member.phase = Phase::starting;
  member.until = until;
  member.running.clear();
}

int PatroniModel::Member::version() const {
  const auto found = config.find("postgresql.bin_dir");
  const auto digit = found == config.end() ? std::string::npos : found->second.find_first_of("0123456789");
  return digit == std::string::npos ? 0 : std::atoi(found->second.c_str() + digit);
}

// The server takes over the cluster's settings: all of them where it has just been started.
void PatroniModel::runs(Cluster& cluster, const std::string& host, Member& member) {
  const auto wished = parameters(cluster.settings);
  const int version = member.version();
  const bool fresh = member.phase != Phase::running;
  if (fresh) {
    member.reloaded = false;
    char text[64];
    std::snprintf(text, sizeof text, "2025-01-01 00:00:00.%06d+00", ++counter_);
    member.started = text;
    member.running = wished;
    // A replica never runs with less than it has replayed from its leader.
    const bool leads = cluster.leader.empty() || cluster.leader == host;
    for (auto& [name, value] : member.running)
      if (lowered_on_leader_first(name)) {
        if (const auto it = member.control.find(name);
            !leads && it != member.control.end() && std::atol(it->second.c_str()) > std::atol(value.c_str()))
          value = it->second;
        if (leads || !member.control.contains(name)) member.control[name] = value;
      }
  }
  for (const auto& [name, value] : wished)
    if (!postmaster_parameter(version, name)) member.running[name] = value;
  std::erase_if(member.running, [&](const auto& one) { return !postmaster_parameter(version, one.first) && !wished.contains(one.first); });
  member.pending.clear();
  for (const auto& [name, value] : wished)
    if (const auto it = member.running.find(name);
        postmaster_parameter(version, name) &&
        !server_settings::same(version, name, it == member.running.end() ? boot_value(version, name) : it->second, value))
      member.pending.insert(name);
  for (const auto& [name, value] : member.running)
    if (!wished.contains(name) && !server_settings::same(version, name, value, boot_value(version, name))) member.pending.insert(name);
  member.applied = cluster.settings;
  member.phase = Phase::running;
  ++member.loads;
}

bool PatroniModel::streams(const Cluster& cluster, const std::string& host, const Member& member, SimulatedTime now) const {
  if (cluster.leader.empty() || cluster.leader == host || member.phase != Phase::running || member.streams_from > now || member.slot_from > now)
    return false;
  const auto leader = members_.find(cluster.leader);
  return leader != members_.end() && alive(cluster.leader, leader->second) && leader->second.phase == Phase::running;
}

bool PatroniModel::sync(const Cluster& cluster, const std::string& host, SimulatedTime now) const {
  if (!json_read::flag(cluster.settings, "synchronous_mode")) return false;
  int left = number(cluster.settings, "synchronous_node_count", 1);
  for (const auto& [name, member] : members_)
    if (member.cluster == members_.at(host).cluster && alive(name, member) && streams(cluster, name, member, now) && left-- > 0 && name == host)
      return true;
  return false;
}

PatroniModel::View PatroniModel::view(const std::string& host) {
  View view;
  const auto it = members_.find(host);
  if (it == members_.end()) return view;
  const Member& member = it->second;
  const SimulatedHost& here = fleet_->host(host);
  view.member = has_data(host);
  view.cluster = member.cluster;
  view.running = member.running;
  if (const Cluster* cluster = cluster_of(member)) {
    view.leader = cluster->leader;
    view.leads = cluster->leader == host;
    view.serves = alive(host, member) && member.phase == Phase::running &&
                  (view.leads || streams(*cluster, host, member, std::max(fleet_->now(), here.busy_until)));
  }
  return view;
}

int PatroniModel::made(const std::string& host) const {
  const auto it = made_.find(host);
  return it == made_.end() ? 0 : it->second;
}

}  // namespace pgcluster
