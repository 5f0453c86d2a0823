#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/base64.hpp"
#include "component/parts.hpp"
#include "component/patroni/patroni.hpp"
#include "component/postgresql/objects.hpp"
#include "component/postgresql/postgresql.hpp"
#include "component/postgresql/scram.hpp"
#include "component/postgresql/sql.hpp"
#include "component/registry.hpp"
#include "op/ask.hpp"

// Three database hosts as Patroni's steps see them, with answers that a test can bend.
namespace world {

using namespace pgcluster;

template <class T>
bool is(const Decision& decision) {
  return std::holds_alternative<T>(decision);
}

inline ClusterView cluster(Spec spec) {
  ClusterView view;
  view.topology = resolve(spec);
  for (const TopologyHost& host : view.topology.hosts) view.facts[host.name].memory_bytes = 8ull << 30;
  for (const std::string& name : parts::secret_names(patroni_component(), spec)) view.secrets[name] = {name, "password \"of\" " + name};
  view.spec = std::move(spec);
  return view;
}
inline ClusterView cluster() {
  Spec spec;
  for (const int i : {1, 2, 3}) spec.hosts.push_back({.name = "pg" + std::to_string(i), .address = "10.77.0.1" + std::to_string(i)});
  spec.postgresql_users = {{.name = "app"}};
  spec.postgresql_databases = {{.db = "app", .owner = "app"}};
  return cluster(std::move(spec));
}

struct World {
  struct Member {
    bool leads = false, streams = true, sync = false;
    std::string state = "running";
  };
  ClusterView view = cluster();
  nlohmann::ordered_json settings;
  std::map<std::string, std::map<std::string, std::string>> running;
  std::map<std::string, Member> members;
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> mark;  // by host, where its Patroni has read another file
  std::map<std::string, Unit> units;
  std::map<std::string, std::string> locales;  ///< what `locale -a` prints, by host
  std::map<std::string, RoleState> roles;
  std::map<std::string, DatabaseState> databases;
  std::map<std::string, std::string> needed;  ///< why a role or a database cannot be dropped: Server::needed
  std::string contents;                       ///< what the leader says of its databases: a line of JSON for each
  std::string extensions = "{}";              ///< what each host says of the files that it has
  bool reloaded = false;
  std::set<std::string> slots{"pg1", "pg2", "pg3"};
  std::set<std::string> waiting;            // parameters that Patroni wants a restart for
  std::map<std::string, std::string> said;  // by step: output of its command
  Answer initialize = Output{.status = 127};
  std::string verdict;  // of a throw-away server
  bool installed = false, search = false, pending = false;
  std::optional<Answer> everything;

  void fresh() {}
  void converged() {
    installed = search = true;
    initialized(true);
    for (const auto& [path, value] : patroni::cluster_settings(view.spec)) {
      const auto typed = nlohmann::json::parse(value);
      if (path.starts_with("postgresql."))
        settings["postgresql"][path.substr(11)] = typed;
      else
        settings[path] = typed;
    }
    for (const auto& [name, value] : postgresql_parameters(view)) {
      settings["postgresql"]["parameters"][name] = value;
      for (const std::string& host : view.topology.database) running[host][name] = value;
    }
    for (const std::string& host : view.topology.database) {
      members[host] = {.leads = host == "pg1"};
      files[host] = (patroni::config_head(view, view.topology.host(host)) + patroni::config_bootstrap(view)).reveal();
      units[host] = {.active = "active", .enabled = true, .started = 1};
    }
    const auto verifier = [&](const std::string& role, const std::string& secret) { return scram_verifier(role, view.secret(secret).value); };
    roles = {{"postgres", {.superuser = true, .login = true, .verifier = verifier("postgres", "patroni_superuser_password")}},
             {"replicator", {.login = true, .replication = true, .verifier = verifier("replicator", "patroni_replication_password")}},
             {"pgbouncer", {.login = true, .verifier = verifier("pgbouncer", "pgbouncer_auth_password")}},
             {"app", {.login = true, .verifier = verifier("app", "postgresql_users.app.password")}}};
    databases = {{"app", {"app", "UTF8", "C.UTF-8", "C.UTF-8"}}, {"postgres", {"postgres", "UTF8", "C.UTF-8", "C.UTF-8"}}};
  }
  void answer() {}
  void initialized(bool yes) {
    initialize = Output{.out = yes ? R"({"header":{},"kvs":[{"key":"x","value":"NzQyMQ=="}],"count":"1"})" : R"({"header":{}})"};
  }
  void unit(const std::string& host, Unit as) { units[host] = std::move(as); }
  void exec(const std::string& step, const std::string& out) { said[step] = out; }
  void wish(const std::string& name, const std::string& value) { view.spec.postgresql_parameters.emplace_back(name, value); }
  void announce(const std::string& parameter) { waiting.insert(parameter); }
  void all(const Answer& answer) { everything = answer; }

  Steps steps() const {
    const ComponentPtr component = patroni_component();
    std::vector<Steps> parts;
    for (const TopologyHost& host : view.topology.hosts) parts.push_back(component->steps({view, host, view.facts.at(host.name)}));
    parts.push_back(component->cluster_steps(view));
    return parallel(parts);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& node : steps().nodes()) found.push_back(node.step->name());
    return found;
  }
  Decision decide(const std::string& name) const {
    for (const auto& node : steps().nodes())
      if (node.step->name() == name) return node.step->decide(answers(node.step->asks(), name));
    throw Error(Code::internal, "there is no step " + name);
  }
  std::vector<std::string> whole_order() const {
    const Order order = steps().orders().at("patroni");
    return order.order(answers(order.all_asks(), ""));
  }
  /// Whose turn it may be now, and whose later.
  std::vector<std::string> order() const {
    const auto all = whole_order();
    return {all.begin(), std::find(all.begin(), all.end(), "")};
  }
  std::vector<std::string> later() const {
    const auto all = whole_order();
    const auto end = std::find(all.begin(), all.end(), "");
    return {end == all.end() ? end : end + 1, all.end()};
  }

  Answers answers(const std::vector<Ask>& asks, const std::string& step) const {
    Answers found;
    for (const Ask& ask : asks) found.set(ask, everything ? *everything : of(ask, step), pending);
    return found;
  }
  Answer of(const Ask& ask, const std::string& step) const {
    if (std::holds_alternative<PackageOf>(ask.what)) return installed ? Answer(Package{"1"}) : Absent{};
    if (std::holds_alternative<UnitOf>(ask.what)) return units.contains(ask.at) ? Answer(units.at(ask.at)) : Absent{};
    if (const auto* file = std::get_if<FileOf>(&ask.what)) return file_of(ask.at, file->path);
    const auto& argv = std::get<Exec>(ask.what).argv;
    if (view.spec.synchronous_mode && ask == patroni::sync_ask(view, view.topology.host(ask.at))) return synchronous();
    if (ask == patroni::initialize_ask(view, view.topology.host(ask.at)) || !first_call(argv).empty()) return initialize;
    if (argv[0] == "locale") return locales.contains(ask.at) ? Answer(Output{.out = locales.at(ask.at)}) : Answer(Output{.status = 1});
    if (argv[0] == "sh") return Output{.out = said.contains(step) ? said.at(step) : ""};
    if (!installed) return Output{.status = 127};
    if (argv.back() == "-") return Output{.out = members.at(ask.at).leads ? extensions + "\nf\n" + contents : extensions + "\nt\n"};
    return Output{.out = argv[0] == "curl" ? rest(ask.at) : server(ask.at)};
  }
  // What the DCS has under /sync.
  Answer synchronous() const {
    std::string names;
    for (const auto& [host, member] : members)
      if (member.sync) names += (names.empty() ? "" : ",") + host;
    const std::string value = nlohmann::json{{"leader", "pg1"}, {"sync_standby", names}}.dump();
    return Output{.out = nlohmann::json{{"header", nlohmann::json::object()}, {"kvs", {{{"key", "x"}, {"value", to_base64(value)}}}}}.dump()};
  }
  Answer file_of(const std::string& host, const std::string& path) const {
    if (path == patroni::config_path && files.contains(host))
      return File{.content = files.at(host), .mode = 0600, .owner = "postgres", .group = "postgres"};
    if (path.ends_with("/settings-trial")) return verdict.empty() ? Answer(Absent{}) : Answer(File{.content = verdict, .mode = 0600});
    if (!installed) return Absent{};
    if (path.ends_with("/role-change")) return File{.content = patroni::role_change_program(view.spec).content.reveal(), .mode = 0755};
    if (path.ends_with("/await-server")) return File{.content = patroni::await_server_program().content.reveal(), .mode = 0755};
    if (path.ends_with("/etcd-leader")) return File{.content = patroni::etcd_leader_program().content.reveal(), .mode = 0755};
    if (path.ends_with(patroni::etcd_leader_unit))
      return File{.content = patroni::etcd_leader_unit_file({view, view.topology.host(host), view.facts.at(host)}).content.reveal()};
    if (path.ends_with(patroni::etcd_leader_unit + std::string(".d/50-pgcluster.conf")))
      return File{.content = unit_notes(patroni::etcd_leader_wish()).content.reveal()};
    if (path.ends_with("/60-pgcluster.conf")) return File{.content = patroni::await_server_drop_in(view, host).content.reveal()};
    if (path.ends_with("/55-pgcluster-certificates.conf"))
      return File{.content =
                      unit_notes(patroni::service_wish(view.spec), patroni::certificate_reloads(postgresql_data_dir(view, host))).content.reveal()};
    if (path == "/var/lib/pgcluster/objects") return File{.content = objects_file(described_objects(view.spec))};
    return File{.content = path.ends_with("patroni.service.d/50-pgcluster.conf") ? patroni::drop_in(view.spec, {}).content.reveal()
                                                                                 : "create_main_cluster = false\n"};
  }
  std::string rest(const std::string& host) const {
    const Member& member = members.at(host);
    nlohmann::json json{
        {"state", member.state},
        {"role", member.leads ? "primary" : "replica"},
        {"xlog", member.leads ? nlohmann::json{{"location", 1000}} : nlohmann::json{{"received_location", 1000}, {"replayed_location", 1000}}},
        {"patroni", {{"version", "4.0.7"}, {"scope", "postgres-cluster"}, {"name", host}}}};
    if (!member.leads && member.streams) json["replication_state"] = "streaming";
    if (member.sync) json["sync_standby"] = true;
    if (!waiting.empty()) json["pending_restart"] = true;
    for (const std::string& name : waiting) json["pending_restart_reason"][name] = {{"old_value", "1"}, {"new_value", "2"}};
    return json.dump() + settings.dump();
  }
  std::string server(const std::string& host) const {
    static const std::set<std::string> at_start{"max_connections", "shared_buffers", "max_worker_processes",
                                                "max_wal_senders", "wal_level",      "huge_pages"};
    nlohmann::json json{{"recovery", !members.at(host).leads},
                        {"started", "start of " + host},
                        {"config", mark.contains(host) ? mark.at(host) : patroni::config_mark(view, view.topology.host(host))}};
    for (const auto& [name, value] : running.at(host)) {
      const bool number = value.find_first_not_of("0123456789") == std::string::npos;
      json["settings"][name] = {
          value, nullptr, number ? "integer" : "string", at_start.contains(name) ? "postmaster" : "sighup", "1", "configuration file", false};
    }
    for (const auto& [name, r] : roles)
      json["roles"][name] = {
          r.superuser,   r.createdb,  r.createrole, r.inherit,          r.login,
          r.replication, r.bypassrls, r.verifier,   r.connection_limit, r.valid_until ? nlohmann::json(*r.valid_until) : nlohmann::json(),
          r.member_of};
    for (const auto& [name, one] : databases) json["databases"][name] = {one.owner, one.encoding, one.collate, one.ctype};
    for (const auto& [what, words] : needed) {
      const auto space = what.find(' ');
      json[what.substr(0, space) + "_needed"][what.substr(space + 1)] = words;
    }
    json["slots"] = slots;
    json["reloaded"] = reloaded;
    json["user_search"] = nullptr;
    if (search)
      json["user_search"] = {
          "select usename, passwd from pg_catalog.pg_shadow where usename = $1 and (valuntil is null or valuntil > pg_catalog.now())",
          "{\"search_path=pg_catalog, pg_temp\"}", "pgbouncer,postgres", true, true};
    return json.dump();
  }
};

}  // namespace world
