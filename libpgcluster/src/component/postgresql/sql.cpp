#include "component/postgresql/sql.hpp"

#include <set>
#include <sstream>

#include "base/joined.hpp"
#include "base/json.hpp"
#include "op/answer_json.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;

constexpr const char* start_expression = "pg_postmaster_start_time()::text";

std::string query(const ClusterView& view) {
  std::set<std::string> names;
  for (const auto& [name, value] : postgresql_parameters(view)) names.insert(name);
  // Of roles and databases those that are described, or were: somebody else may have made thousands.
  Objects objects = described_objects(view.spec), before = remembered_objects(view.facts);
  objects.roles.merge(before.roles);
  objects.databases.merge(before.databases);
  for (const std::string& own : {view.spec.patroni_superuser_username, view.spec.patroni_replication_username, std::string("pgbouncer")})
    objects.roles.insert(own);
  objects.databases.insert("postgres");
  return std::string("select json_build_object('recovery', pg_is_in_recovery(), 'started', ") + start_expression +
         ", 'config', current_setting('pgcluster.config', true), 'settings', (select json_object_agg(name, json_build_array(setting, unit, vartype, "
         "context, boot_val, source,"
         " sourcefile like '%/postgresql.auto.conf', pending_restart, f.file, f.error)) from pg_settings left join"
         " (select distinct on (lower(name)) lower(name) as key, setting as file, error from pg_file_settings"
         " where sourcefile not like '%/postgresql.auto.conf' order by lower(name), seqno desc) f on key = lower(name)"
         " where context = 'postmaster' and setting is distinct from boot_val or name in (" +
         joined(names, ",", sql_literal) +
         ")), 'roles', (select json_object_agg(rolname, json_build_array(rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin,"
         " rolreplication, rolbypassrls, rolpassword)) from pg_authid where rolname in (" +
         joined(objects.roles, ",", sql_literal) +
         "))"
         ", 'databases', (select json_object_agg(datname, json_build_array(pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate,"
         " datctype)) from pg_database where datname in (" +
         joined(objects.databases, ",", sql_literal) +
         "))"
         ", 'session_settings', (select setconfig from pg_db_role_setting where setdatabase = 0 and setrole = 0)"
         // A file's time is in whole seconds.
         ", 'files_read', (select pg_conf_load_time() >= max((pg_stat_file(sourcefile, true)).modification) from pg_file_settings)"
         ", 'reloaded', pg_conf_load_time() - pg_postmaster_start_time() > interval '0.5 s'"
         ", 'md5_roles', (select coalesce(json_agg(rolname order by rolname), '[]') from (select rolname from pg_authid"
         " where rolpassword like 'md5%' and rolcanlogin order by rolname limit 100) as old)"
         ", 'slots', (select coalesce(json_agg(slot_name), '[]') from pg_replication_slots)"
         ", 'user_search', (select json_build_array(prosrc, proconfig::text, array_to_string(array(select case grantee when 0 then '(everybody)'"
         " else pg_get_userbyid(grantee)::text end collate \"C\" from aclexplode(coalesce(proacl, acldefault('f', proowner))) order by 1), ','), "
         "prosecdef, exists (select from aclexplode(coalesce(nspacl, acldefault('n', nspowner))) where privilege_type = 'USAGE'"
         " and (grantee = 0 or grantee = (select oid from pg_roles where rolname = 'pgbouncer'))))"
         " from pg_proc join pg_namespace on pg_namespace.oid = pronamespace where proname = 'user_search'"
         " and nspname = 'public' and proargtypes = '25'))";
}

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

Objects described_objects(const Spec& spec) {
  Objects all;
  for (const UserSpec& user : spec.postgresql_users) all.roles.insert(user.name);
  for (const DatabaseSpec& database : spec.postgresql_databases) all.databases.insert(database.db);
  return all;
}

Objects remembered_objects(const std::map<std::string, Facts>& facts) {
  Objects all;
  for (const auto& [host, fact] : facts) {
    std::istringstream lines(fact.objects);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("role ")) all.roles.insert(line.substr(5));
      if (line.starts_with("database ")) all.databases.insert(line.substr(9));
    }
  }
  return all;
}

std::string objects_file(const Objects& objects) {
  std::string text = "# Roles and databases that the spec describes, or that left it and are still there.\n";
  for (const std::string& name : objects.roles) text += "role " + name + "\n";
  for (const std::string& name : objects.databases) text += "database " + name + "\n";
  return text;
}

// A cluster, a database or a role may have settings for everybody: these must not change our session. Who may make functions, operators or temporary tables in a
// database must not have us call them: search_path names pg_catalog only, and pg_temp last.
static constexpr const char* own_session =
    "dbname=postgres options='-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c search_path=pg_catalog,pg_temp"
    " -c client_encoding=UTF8 -c default_transaction_isolation=read\\\\ committed -c default_transaction_read_only=off -c "
    "session_replication_role=origin"
    " -c standard_conforming_strings=on -c DateStyle=ISO -c bytea_output=hex -c row_security=on -c client_min_messages=warning'";

std::vector<std::string> psql(const ClusterView& view, const std::string& host, const std::vector<std::string>& more) {
  const std::string& account = view.platform(host).postgresql.account;
  // Neither PAM nor Debian's wrapper of psql, which is written in Perl: they take longer than all else that a host is asked.
  std::vector<std::string> argv{"setpriv",
                                "--reuid=" + account,
                                "--regid=" + account,
                                "--init-groups",
                                postgresql_bin_dir(view, host) + "/psql",
                                "-XAtq",
                                "-p",
                                std::to_string(view.spec.postgresql_port),
                                "-U",
                                view.spec.patroni_superuser_username,
                                "-d",
                                own_session};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

Ask server_ask(const ClusterView& view, const TopologyHost& host) {
  const auto text = view.derived(query);
  // The kernel takes at most 128 KiB as one argument: a query that names thousands of roles goes by standard input.
  const bool is_long = text->size() > (100U << 10);
  // Each described object makes the answer longer.
  const auto more = std::chrono::milliseconds(5) * (view.spec.postgresql_users.size() + view.spec.postgresql_databases.size());
  return {host.name, Exec{.argv = psql(view, host.name, is_long ? std::vector<std::string>{"-f", "-"} : std::vector<std::string>{"-c", *text}),
                          .input = is_long ? Text(*text + ";\n") : Text(),
                          .about = {"unit:patroni.service", "dcs:config", "sql:roles", "sql:databases"},
                          .limit = std::chrono::seconds(10) + more}};
}

std::vector<Ask> server_asks(const ClusterView& view) {
  std::vector<Ask> asks;
  for (const TopologyHost* host : view.topology.with(Role::postgres)) asks.push_back(server_ask(view, *host));
  return asks;
}

Server read_server(const Answer& answer) {
  Server server;
  const Json json = json_of(answer);
  if (!json_read::at(json, "recovery").is_boolean()) return server;
  server.answers = true;
  server.recovery = json_read::flag(json, "recovery");
  server.started = json_read::text(json, "started");
  server.config = json_read::text(json, "config");
  for (const Json& one : json_read::list(json, "session_settings")) {
    const std::string text = json_read::plain(one);
    const auto equals = text.find('=');
    if (equals != std::string::npos) server.session_settings[text.substr(0, equals)] = text.substr(equals + 1);
  }
  server.files_read = json_read::flag(json, "files_read");
  server.reloaded = json_read::flag(json, "reloaded");
  for (const auto& [name, one] : json_read::at(json, "settings").items())
    if (one.is_array() && (one.size() == 7 || one.size() == 10))
      server.settings[name] = {name,
                               json_read::plain(one[0]),
                               json_read::plain(one[1]),
                               json_read::plain(one[2]),
                               json_read::plain(one[3]),
                               json_read::plain(one[4]),
                               json_read::plain(one[5]),
                               json_read::flag(one[6]),
                               one.size() > 7 && json_read::flag(one[7]),
                               one.size() > 7 && !one[8].is_null() ? std::optional(json_read::plain(one[8])) : std::nullopt,
                               one.size() > 7 ? json_read::plain(one[9]) : ""};
  for (const auto& [name, one] : json_read::at(json, "roles").items())
    if (one.is_array() && one.size() == 8)
      server.roles[name] = {json_read::flag(one[0]), json_read::flag(one[1]), json_read::flag(one[2]), json_read::flag(one[3]),
                            json_read::flag(one[4]), json_read::flag(one[5]), json_read::flag(one[6]), json_read::plain(one[7])};
  for (const auto& [name, one] : json_read::at(json, "databases").items())
    if (one.is_array() && one.size() == 4)
      server.databases[name] = {json_read::plain(one[0]), json_read::plain(one[1]), json_read::plain(one[2]), json_read::plain(one[3])};
  if (const Json& one = json_read::at(json, "user_search"); one.is_array() && one.size() == 5)
    server.user_search = UserSearch{.source = json_read::plain(one[0]),
                                    .config = json_read::plain(one[1]),
                                    .callers = json_read::plain(one[2]),
                                    .definer = json_read::flag(one[3]),
                                    .reachable = json_read::flag(one[4])};
  for (const Json& name : json_read::list(json, "md5_roles")) server.md5_roles.push_back(json_read::plain(name));
  if (const Json& slots = json_read::at(json, "slots"); slots.is_array()) {
    server.slots.emplace();
    for (const Json& name : slots) server.slots->insert(json_read::plain(name));
  }
  return server;
}

Exec recovery_look(const ClusterView& view, const std::string& host) { return {.argv = psql(view, host, {"-c", "select pg_is_in_recovery()"})}; }
Exec start_look(const ClusterView& view, const std::string& host) {
  return {.argv = psql(view, host, {"-c", std::string("select ") + start_expression})};
}

std::string servers_in_words(const ClusterView& view, const Answers& answers) {
  std::string text;
  for (const TopologyHost* host : view.topology.with(Role::postgres)) {
    const Ask ask = server_ask(view, *host);
    const Server& server = answers.read(ask, read_server);
    const auto* output = answers.get<Output>(ask);
    const auto* unknown = answers.get<Unreadable>(ask);
    append(text, server.answers ? host->name + (server.recovery ? " is a replica" : " takes writes")
                 : unknown
                     ? host->name + ": " + unknown->why
                     : host->name + ": " + (output && !output->err.empty() ? output->err.substr(0, output->err.find('\n')) : "psql has no answer"));
  }
  return text;
}

std::vector<std::string> md5_roles(const ClusterView& view, const Answers& answers) {
  for (const TopologyHost* host : view.topology.with(Role::postgres))
    if (const Server& server = answers.read(server_ask(view, *host), read_server); server.answers) return server.md5_roles;
  return {};
}

Diagnostic md5_warning(const std::vector<std::string>& roles) {
  const std::size_t shown = std::min<std::size_t>(roles.size(), 5);
  std::string names = joined(std::vector<std::string>(roles.begin(), roles.begin() + static_cast<std::ptrdiff_t>(shown)));
  if (roles.size() > shown) names += " and " + std::to_string(roles.size() - shown) + " more";
  const bool one = roles.size() == 1;
  return {.severity = Severity::warning,
          .message = std::string(one ? "the role " : "the roles ") + names + (one ? " has an md5 password" : " have md5 passwords") +
                     ", and cannot log in with it: PgBouncer and pgcluster's lines of pg_hba.conf take scram-sha-256 only",
          .hint = "set the password again, as the superuser in psql: \\password " + sql_identifier(roles.empty() ? "" : roles.front())};
}

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
