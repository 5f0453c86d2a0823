#include "component/postgresql/sql.hpp"

#include <nlohmann/json.hpp>
#include <set>

namespace pgcluster {
namespace {

using Json = nlohmann::json;

constexpr const char* start_expression = "pg_postmaster_start_time()::text";

std::string query(const ClusterView& view) {
  std::set<std::string> names;
  for (const auto& [name, value] : postgresql_parameters(view)) names.insert(name);
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ",") + sql_literal(name);
  return std::string("select json_build_object('recovery', pg_is_in_recovery(), 'started', ") + start_expression +
         ", 'config', current_setting('pgcluster.config', true), 'settings', (select json_object_agg(name, json_build_array(setting, unit, vartype, "
         "context, boot_val, source,"
         " sourcefile like '%/postgresql.auto.conf')) from pg_settings where context = 'postmaster' and setting is distinct from boot_val"
         " or name in (" +
         list +
         ")), 'roles', (select json_object_agg(rolname, json_build_array(rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin,"
         " rolreplication, rolbypassrls, rolpassword)) from pg_authid where rolname !~ '^pg_')"
         ", 'databases', (select json_object_agg(datname, pg_get_userbyid(datdba)) from pg_database)"
         ", 'reloaded', pg_conf_load_time() - pg_postmaster_start_time() > interval '0.5 s'"
         ", 'slots', (select coalesce(json_agg(slot_name), '[]') from pg_replication_slots)"
         ", 'user_search', (select json_build_array(prosrc, proconfig::text, array_to_string(array(select case grantee when 0 then '(everybody)'"
         " else pg_get_userbyid(grantee)::text end collate \"C\" from aclexplode(coalesce(proacl, acldefault('f', proowner))) order by 1), ','), "
         "prosecdef)"
         " from pg_proc where proname = 'user_search'"
         " and pronamespace = 'public'::regnamespace and proargtypes = '25'))";
}

std::string text(const Json& json) { return json.is_string() ? json.get<std::string>() : json.is_null() ? "" : json.dump(); }
bool flag(const Json& json) { return json.is_boolean() && json.get<bool>(); }
Json member(const Json& json, const char* name) { return json.is_object() && json.contains(name) ? json[name] : Json(); }

}  // namespace

std::string sql_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string sql_literal(std::string_view text) {
  std::string out = "'";
  bool escaped = false;
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    escaped = escaped || c == '\\';
    out += c;
  }
  return (escaped ? " E" : "") + out + "'";  // a lone backslash is plain only under standard_conforming_strings
}

std::vector<std::string> psql(const Spec& spec, const std::vector<std::string>& more) {
  // Neither PAM nor Debian's wrapper of psql, which is written in Perl: they take longer than all else that a host is asked.
  std::vector<std::string> argv{"setpriv",
                                "--reuid=postgres",
                                "--regid=postgres",
                                "--init-groups",
                                postgresql_bin_dir(spec) + "/psql",
                                "-XAtq",
                                "-p",
                                std::to_string(spec.postgresql_port),
                                "-U",
                                spec.patroni_superuser_username,
                                "-d",
                                "postgres"};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

Ask server_ask(const ClusterView& view, const TopologyHost& host) {
  return {host.name,
          Exec{.argv = psql(view.spec, {"-c", *view.derived(query)}), .about = {"unit:patroni.service", "dcs:config", "sql:roles", "sql:databases"}}};
}

std::vector<Ask> server_asks(const ClusterView& view) {
  std::vector<Ask> asks;
  for (const TopologyHost* host : view.topology.with(Role::postgres)) asks.push_back(server_ask(view, *host));
  return asks;
}

Server read_server(const Answer& answer) {
  Server server;
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0) return server;
  const Json json = Json::parse(output->out, nullptr, false);
  if (!json.is_object() || !member(json, "recovery").is_boolean()) return server;
  server.answers = true;
  server.recovery = flag(member(json, "recovery"));
  server.started = text(member(json, "started"));
  server.config = text(member(json, "config"));
  server.reloaded = flag(member(json, "reloaded"));
  const Json settings = member(json, "settings"), roles = member(json, "roles"), databases = member(json, "databases");
  for (const auto& [name, one] : settings.items())
    if (one.is_array() && one.size() == 7)
      server.settings[name] = {name, text(one[0]), text(one[1]), text(one[2]), text(one[3]), text(one[4]), text(one[5]), flag(one[6])};
  for (const auto& [name, one] : roles.items())
    if (one.is_array() && one.size() == 8)
      server.roles[name] = {flag(one[0]), flag(one[1]), flag(one[2]), flag(one[3]), flag(one[4]), flag(one[5]), flag(one[6]), text(one[7])};
  for (const auto& [name, owner] : databases.items()) server.databases[name] = text(owner);
  if (const Json one = member(json, "user_search"); one.is_array() && one.size() == 4)
    server.user_search = UserSearch{.source = text(one[0]), .config = text(one[1]), .callers = text(one[2]), .definer = flag(one[3])};
  if (const Json slots = member(json, "slots"); slots.is_array()) {
    server.slots.emplace();
    for (const Json& name : slots) server.slots->insert(text(name));
  }
  return server;
}

Exec recovery_look(const Spec& spec) { return {.argv = psql(spec, {"-c", "select pg_is_in_recovery()"})}; }
Exec start_look(const Spec& spec) { return {.argv = psql(spec, {"-c", std::string("select ") + start_expression})}; }

const TopologyHost* writable_host(const ClusterView& view, const Answers& answers) {
  const TopologyHost* found = nullptr;
  const auto asks = view.derived(server_asks);
  const std::vector<const TopologyHost*> hosts = view.topology.with(Role::postgres);
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!answers.read((*asks)[i], read_server).writable()) continue;
    if (found) return nullptr;
    found = hosts[i];
  }
  return found;
}

}  // namespace pgcluster
