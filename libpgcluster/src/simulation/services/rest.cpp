// What simulated members of Patroni answer: its REST API by curl, and PostgreSQL by psql.
#include <algorithm>
#include <sstream>

#include "base/json.hpp"
#include "component/certificates.hpp"
#include "component/patroni/patroni.hpp"
#include "component/patroni/shell.hpp"
#include "simulation/services/patroni.hpp"
#include "simulation/url.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

// A value of curl's configuration file.
std::string option(const std::string& config, const std::string& name) {
  const auto at = ("\n" + config).find("\n" + name + " = \"");
  if (at == std::string::npos) return {};
  std::string value;
  for (std::size_t i = at + name.size() + 4; i < config.size() && config[i] != '"'; ++i) value += config[i] == '\\' ? config[++i] : config[i];
  return value;
}

std::string path_of(const std::string& url) {
  const auto at = url.rfind('/');
  return at == std::string::npos ? url : url.substr(at);
}

std::string unquoted(std::string text) {
  if (text.size() < 2 || text[0] != '"') return text;
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) out += text[i] == '\\' ? text[++i] : text[i];
  return out;
}

// A curl of a script on the host, by one of the two ways.
std::vector<std::string> by_scheme(const std::string& scheme, const std::vector<std::string>& words, const std::string& at) {
  std::vector<std::string> argv{"curl"};
  if (const TlsFiles files = host_files(patroni::certificate); scheme == "https")
    argv.insert(argv.end(), {"--cacert", files.authority, "--cert", files.certificate, "--key", files.key});
  argv.insert(argv.end(), words.begin(), words.end());
  argv.push_back(scheme + "://" + at);
  return argv;
}

}  // namespace

std::string PatroniModel::state(SimulatedHost& host, SimulatedTime now) {
  Member& member = members_[host.name];
  const auto value = [&](const char* path) { return unquoted(member.config.contains(path) ? member.config.at(path) : ""); };
  const Cluster* cluster = cluster_of(member);
  Json json{{"state", "stopped"}, {"role", "replica"}, {"patroni", {{"version", "4.0.4"}, {"scope", value("scope")}, {"name", value("name")}}}};
  if (member.phase == Phase::initdb) json["state"] = "initializing new cluster";
  if (member.phase == Phase::creating) json["state"] = "creating replica";
  if (member.phase == Phase::starting) json["state"] = "starting";
  Json tags = Json::object();
  for (const auto& [path, text] : member.config)
    if (path.starts_with("tags.")) {
      const Json number = Json::parse(text, nullptr, false);
      tags[path.substr(5)] = number.is_number() || number.is_boolean() ? number : Json(unquoted(text));
    }
  if (!tags.empty()) json["tags"] = tags;
  if ((member.phase != Phase::running && member.phase != Phase::first_roles) || !cluster) return json.dump();
  // Patroni calls a server primary that takes writes, also one that does not lead in the DCS yet.
  const bool leads = cluster->leader == host.name || member.phase == Phase::first_roles;
  json["state"] = "running";
  json["server_version"] = 170006;
  if (const std::string id = system_id_of(host.name); !id.empty()) json["database_system_identifier"] = id;
  json["postmaster_start_time"] = member.started;
  json["timeline"] = cluster->timeline;
  json["xlog"] = leads ? Json{{"location", 67108864}} : Json{{"received_location", 67108864}, {"replayed_location", 67108864}};
  if (leads) json["role"] = "primary";
  if (streams(*cluster, host.name, member, now)) json["replication_state"] = "streaming";
  if (sync(*cluster, host.name, now)) json["sync_standby"] = true;
  if (member.applied.contains("pause") && member.applied["pause"] == true) json["pause"] = true;
  if (!member.pending.empty()) {
    json["pending_restart"] = true;
    for (const std::string& name : member.pending) json["pending_restart_reason"][name] = Json::object();
  }
  return json.dump();
}

std::optional<std::vector<std::pair<std::string, std::string>>> PatroniModel::members(const std::string& asking, const Endpoints& endpoints,
                                                                                      const std::string& scope) {
  const bool own_agent = endpoints.urls == std::vector<std::string>{"http://127.0.0.1:8500"};
  const EtcdModel::Cluster* dcs = !own_agent ? etcd_->reach_by_name(fleet_->host(asking), endpoints, "/service/" + scope + "/members/")
                                  : consul_  ? consul_->reach(asking)
                                             : nullptr;
  if (!dcs) return std::nullopt;
  std::vector<std::pair<std::string, std::string>> found;
  for (auto& [host, member] : members_) {
    if (member.cluster != dcs->id + " " + scope || !alive(host, member)) continue;
    const std::string address = unquoted(member.config["postgresql.connect_address"]);
    found.emplace_back(unquoted(member.config["name"]), address.substr(0, address.rfind(':')));
  }
  return found;
}

bool PatroniModel::serves_as(const std::string& address, const std::string& check, bool tls) {
  for (auto& [host, member] : members_) {
    const std::string own = unquoted(member.config["postgresql.connect_address"]);
    if (own.substr(0, own.rfind(':')) != address || !alive(host, member) || member.phase != Phase::running) continue;
    const Cluster* cluster = cluster_of(member);
    if (!cluster || member.config.contains("restapi.certfile") != tls) return false;
    if (cluster->leader == host) return check == "/primary";
    if (!streams(*cluster, host, member, fleet_->now())) return false;
    if (check == "/sync" || check == "/async") return (check == "/sync") == sync(*cluster, host, fleet_->now());
    return check == "/replica";
  }
  return false;
}

std::string PatroniModel::code(SimulatedHost& host, const std::string& path) {
  const Member& member = members_[host.name];
  const Cluster* cluster = cluster_of(member);
  const bool leads = cluster && cluster->leader == host.name && member.phase == Phase::running;
  return leads == (path == "/leader" || path == "/primary") ? "200" : "503";
}

Output PatroniModel::request(SimulatedHost& host, const std::string& url, const std::string& input, SimulatedTime now) {
  Member& member = members_[host.name];
  const auto failed = [](const std::string& status, const std::string& why) {
    return Output{.status = 22, .out = why + "\ncurl: (22) The requested URL returned error: " + status + "\n"};
  };
  const std::string at = "restapi.authentication.";
  if (option(input, "user") != unquoted(member.config[at + "username"]) + ":" + unquoted(member.config[at + "password"]))
    return failed("401", "no auth");
  const std::string path = path_of(url), method = option(input, "request");
  std::string body = option(input, "data-raw");
  if (body.empty()) body = option(input, "data");
  const Json json = json_read::parse(body);
  Cluster* cluster = cluster_of(member);
  if (!cluster || cluster->system_id.empty() || !json.is_object() || !dcs_of(host.name, member)) return failed("503", "no cluster");
  const auto hosts = hosts_of(member.cluster);
  if (method == "PATCH" && path == "/config") {
    for (const std::string& name : hosts) members_[name].slot_from = std::min(members_[name].slot_from, now);
    Json settings = cluster->settings;
    settings.merge_patch(json);
    if (settings == cluster->settings) return {.out = settings.dump()};
    cluster->settings = std::move(settings);
    auto late = now + 1s;
    for (const std::string& name : hosts) {
      members_[name].notices = name == host.name ? now : late;
      late += 2s;
    }
    tick(now);
    return {.out = cluster->settings.dump()};
  }
  if (path == "/reload") {
    ++member.loads;
    return {.out = "reload scheduled"};
  }
  if (path == "/restart") {
    if (member.phase != Phase::running) return failed("503", "restart failed");
    if (refuses(*cluster)) {
      member.phase = Phase::stopped;
      return failed("503", "restart failed");
    }
    start_server(*cluster, host.name, member, now + 2s);
    for (const std::string& name : hosts)
      if (cluster->leader == host.name || name == host.name) members_[name].streams_from = now + 3s;
    host.busy_until = now + 2s;
    tick(host.busy_until);
    return {.out = "restarted successfully"};
  }
  if (path == "/reinitialize") {
    if (cluster->leader == host.name) return failed("503", "I am the leader, can not reinitialize");
    member.birth = ++counter_;
    member.phase = Phase::creating;
    member.until = now + 4s;
    return {.out = "reinitialize started"};
  }
  if (path == "/switchover" || path == "/failover") {
    const std::string candidate = json.value("candidate", "");
    const auto next = members_.find(candidate);
    if (next == members_.end() || !alive(candidate, next->second) || next->second.phase != Phase::running || next->second.cluster != member.cluster)
      return failed("412", "candidate is not available");
    if (path == "/switchover" && json.value("leader", "") != cluster->leader) return failed("412", "leader name does not match");
    if (!cluster->leader.empty()) start_server(*cluster, cluster->leader, members_[cluster->leader], now + 4s);
    cluster->leader.clear();
    cluster->candidate = candidate;
    cluster->free_from = now + 2s;
    host.busy_until = now + 2s;
    tick(host.busy_until);
    return {.out = "Successfully switched over to \"" + candidate + "\""};
  }
  return failed("404", "not found");
}

Output PatroniModel::curl(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input, SimulatedTime now) {
  if (!host.packages.contains("curl")) return {.status = 127, .err = "curl: command not found\n"};
  // It listens on the host's own address, at one port.
  const std::string own = unquoted(members_[host.name].config["restapi.connect_address"]);
  const auto reaches = [&](const std::string& url) { return authority_of(url) == own; };
  const std::string& asked = argv.back();
  const bool requests = std::find(argv.begin(), argv.end(), "-K") != argv.end();
  const bool answers = host.active(patroni::unit_name) && members_[host.name].up && reaches(asked);
  const bool asks_code = std::find(argv.begin(), argv.end(), "%{http_code}") != argv.end();
  const auto failed = [&](int status, const std::string& why) {
    return Output{.status = status, .out = asks_code ? "000" : "", .err = "curl: (" + std::to_string(status) + ") " + why + "\n"};
  };
  if (!answers) return failed(7, "Failed to connect");
  const bool tls = asked.starts_with("https:"), speaks_tls = members_[host.name].config.contains("restapi.certfile");
  const TlsFiles files = curl_files(argv);
  if (const int status = tls ? tls_status(host, files) : 0; status != 0) return failed(status, "the files of TLS");
  if (tls != speaks_tls) return tls ? failed(35, "wrong version number") : failed(52, "Empty reply from server");
  if (requests && tls && !files.shown() && !unquoted(members_[host.name].config["restapi.verify_client"]).empty())
    return {.status = 22, .out = "client certificate required\ncurl: (22) The requested URL returned error: 403\n"};
  if (asks_code) return {.out = code(host, path_of(argv.back()))};
  if (requests) return request(host, asked, input, now);
  Output output;
  for (const std::string& word : argv) {
    if (!word.starts_with("http") || !reaches(word)) continue;
    if (path_of(word) == "/patroni") output.out += state(host, now);
    if (const Json& settings = members_[host.name].applied; path_of(word) == "/config" && settings.is_object()) output.out += settings.dump();
  }
  return output;
}

// As settings_look.sh does: ADDRESS:PORT.
Output PatroniModel::settings_look(SimulatedHost& host, const std::string& address, SimulatedTime now) {
  const bool settled = host.read(certificates::settled_file), may = host.read(host_files(patroni::certificate).certificate);
  for (const char* scheme : {"https", "http"}) {
    if (scheme == std::string("https") ? !may : settled && may) continue;
    const Output leads = curl(host, by_scheme(scheme, {"%{http_code}"}, address + "/leader"), "", now);
    if (leads.status == 0) return {.out = leads.out + " " + curl(host, by_scheme(scheme, {}, address + "/config"), "", now).out};
  }
  return {};
}

Output PatroniModel::psql(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input, SimulatedTime now) {
  if (std::none_of(host.packages.begin(), host.packages.end(), [](const auto& one) { return one.first.starts_with("postgresql-client-"); }))
    return {.status = 127, .err = "psql: command not found\n"};
  Member& member = members_[host.name];
  Cluster* cluster = cluster_of(member);
  if (!cluster || !alive(host.name, member) || (member.phase != Phase::running && member.phase != Phase::first_roles))
    return {.status = 2, .err = "psql: error: connection refused\n"};
  const bool recovery = cluster->leader != host.name && member.phase != Phase::first_roles;
  const std::string& query = argv.back();
  if (query == "-" && input.starts_with(contents_head)) return {.out = cluster->catalog.contents_json(input, recovery)};
  if (query == "-") {
    if (recovery) return {.status = 3, .err = "ERROR:  cannot execute this in a read-only transaction\n"};
    if (member.phase == Phase::first_roles) make_role(*cluster, member, "replication");  // Patroni comes first just now
    const std::string why = cluster->catalog.run(input, unquoted(member.config["postgresql.authentication.superuser.username"]));
    return why.empty() ? Output{} : Output{.status = 3, .err = "ERROR:  " + why + "\n"};
  }
  if (query == "select pg_is_in_recovery()") return {.out = recovery ? "t\n" : "f\n"};
  if (query.starts_with("select pg_postmaster_start_time()")) return {.out = member.started + "\n"};
  if (query == "select pg_reload_conf()") {
    member.reloaded = true;
    return {.out = "t\n"};
  }
  if (query.starts_with("select pg_conf_load_time()")) return {.out = std::to_string(member.loads) + "\n"};
  if (query.starts_with("select json_build_object('recovery'")) {
    std::set<std::string> slots;
    for (const std::string& name : hosts_of(member.cluster))
      if (name != host.name && members_[name].slot_from <= now) slots.insert(patroni::slot_name(name));
    return {.out =
                cluster->catalog.json(member.version(), recovery, member.started, unquoted(member.config["postgresql.parameters.pgcluster.config"]),
                                      member.running, slots, member.reloaded, query)};
  }
  return {.status = 1, .err = "ERROR:  the simulated server does not know this query\n"};
}

std::optional<Output> PatroniModel::exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) {
  if (argv.size() > 4 && argv[0] == "sh" && argv[2] == shell::tried) {
    auto output = exec(host, {argv.begin() + 4, argv.end()}, input);
    if (output) output->status = 0;
    return output;
  }
  const bool script = argv[0] == "sh" && argv.size() > 4;
  if (script && argv[2] == shell::restart_server) {
    auto output = exec(host, {argv.begin() + 5, argv.end()}, input);
    const Cluster* cluster = cluster_of(members_[host.name]);
    if (output && output->status != 0 && cluster && refuses(*cluster)) output->err = "FATAL:  " + refused_.second + "\n";
    return output;
  }
  const bool looks = argv[0] == "sh" && argv.size() == 5 && argv[2] == shell::settings_look;
  const bool server = argv[0] == "setpriv" && argv.size() > 4 && argv[4].ends_with("/psql");
  const SimulatedTime now = std::max(fleet_->now(), host.busy_until);
  if (argv[0] == "curl" || looks || server) tick(now);
  if (argv[0] == "curl") return curl(host, argv, input, now);
  if (server) return psql(host, argv, input, now);
  // Still the leader, and with these settings.
  if (looks) {
    return settings_look(host, argv[4], now);
  }
  if (script && argv[2] == shell::rest_call) {
    tick(now);
    const std::string address = argv[4].substr(0, argv[4].find('/'));
    const bool tls = curl(host, by_scheme("https", {}, address + "/liveness"), "", now).status == 0;
    return curl(host, by_scheme(tls ? "https" : "http", {argv.begin() + 5, argv.end()}, argv[4]), input, now);
  }
  if (script && argv[2] == shell::foreign_server) {
    const std::string* id = host.read(argv[4] + "/PG_VERSION");
    return Output{.out = id ? "data " + *id + "\n" : ""};
  }
  if (script && argv[2] == shell::settings_trial && argv.size() > 8) {
    host.write(argv[8], "good " + argv[7] + "\n", 0600);
    return Output{};
  }
  if (argv[0].ends_with("/pg_controldata")) {
    std::string out;
    for (const auto& [name, value] : members_[host.name].control) {
      const std::string shown = name == "max_locks_per_transaction"   ? "max_locks_per_xact"
                                : name == "max_prepared_transactions" ? "max_prepared_xacts"
                                                                      : name;
      out += shown + " setting:   " + value + "\n";
    }
    return Output{.out = out};
  }
  if (argv[0] == "stat") return Output{.out = std::to_string(members_[host.name].birth) + " 1\n"};
  return std::nullopt;
}

}  // namespace pgcluster
