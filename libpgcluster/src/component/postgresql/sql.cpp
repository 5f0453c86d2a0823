#include "component/postgresql/sql.hpp"

#include <set>
#include <sstream>

#include "base/joined.hpp"
#include "base/json.hpp"
#include "component/postgresql/contents.hpp"
#include "component/postgresql/objects.hpp"
#include "op/answer_json.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;

constexpr const char* start_expression = "pg_postmaster_start_time()::text";

// Asks for the objects and privileges of roles, and the sessions of databases. While there are some, PostgreSQL drops neither.
std::string what_needs(const Objects& dropped) {
  std::string text;
  if (!dropped.roles.empty())
    text +=
        ", 'role_needed', (select json_object_agg(rolname, words) from (select rolname, string_agg(case deptype when 'o' then 'owns ' when 'a' then"
        " 'has privileges on ' else 'is named in ' end || coalesce(shared, n || case n when 1 then ' object of ' else ' objects of ' end || datname),"
        " ', ' order by deptype desc, shared, datname) as words from (select rolname, deptype, datname, case when dbid = 0 then coalesce('the "
        "database ' ||"
        " (select datname from pg_database where pg_database.oid = objid and classid = 'pg_database'::regclass), 'what all databases share') end as"
        " shared, count(*) as n from pg_shdepend join pg_authid on refobjid = pg_authid.oid and refclassid = 'pg_authid'::regclass left join"
        " pg_database on pg_database.oid = dbid where rolname in (" +
        joined(dropped.roles, ",", sql_literal) + ") group by 1, 2, 3, 4) as refs group by rolname) as roles)";
  if (!dropped.databases.empty())
    text +=
        ", 'database_needed', (select json_object_agg(datname, words) from (select datname, string_agg(format('process %s (user %s, application"
        " %s, from %s)', pid, usename, coalesce(nullif(application_name, ''), '-'), coalesce(host(client_addr), 'this host')), ', ') as words"
        " from (select *, row_number() over (partition by datname order by pid) as nth from pg_stat_activity where pid <> pg_backend_pid() and"
        " backend_type = 'client backend' and datname in (" +
        joined(dropped.databases, ",", sql_literal) + ")) as sessions where nth <= 5 group by datname) as databases)";
  return text;
}

std::string query(const ClusterView& view) {
  std::set<std::string> names;
  for (const auto& [name, value] : postgresql_parameters(view)) names.insert(name);
  // Of roles and databases those that are described, or were: somebody else may have made thousands.
  Objects objects = described_objects(view.spec), before = remembered_objects(view.facts);
  const Objects dropped = dropped_objects(view.spec);
  for (Objects one : {before, dropped}) {
    objects.roles.merge(one.roles);
    objects.databases.merge(one.databases);
  }
  for (const SchemaSpec& schema : view.spec.postgresql_schemas) objects.databases.insert(schema.db);
  for (const ExtensionSpec& extension : view.spec.postgresql_extensions) objects.databases.insert(extension.db);
  for (const PrivilegeSpec& one : view.spec.postgresql_privs) {
    objects.databases.insert(one.db);
    if (one.state == ObjectState::present) objects.roles.insert(one.role);
    objects.roles.insert(one.target_roles.begin(), one.target_roles.end());
  }
  std::set<std::string> groups;
  for (const Objects* one : {&objects, &before})
    for (const auto& [role, group] : one->memberships) groups.insert(group);
  objects.roles.insert(groups.begin(), groups.end());
  for (const DatabaseSpec& one : view.spec.postgresql_databases)
    if (!one.template_.empty()) objects.databases.insert(one.template_);
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
         " rolreplication, rolbypassrls, rolpassword, rolconnlimit, case when isfinite(rolvaliduntil) then extract(epoch from rolvaliduntil)::bigint"
         " when rolvaliduntil = '-infinity' then 0 end, " +
         (groups.empty() ? std::string("null")
                         : "(select json_object_agg(groups.name, groups.own) from (select g.rolname as name, bool_or(m.grantor = 10) as own from"
                           " pg_auth_members m join pg_authid g on g.oid = m.roleid where m.member = a.oid and g.rolname in (" +
                               joined(groups, ",", sql_literal) + ") group by g.rolname) as groups)") +
         ")) from pg_authid a where rolname in (" + joined(objects.roles, ",", sql_literal) +
         "))"
         ", 'databases', (select json_object_agg(datname, json_build_array(pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate,"
         " datctype)) from pg_database where datname in (" +
         joined(objects.databases, ",", sql_literal) + "))" + what_needs(dropped) +
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

std::string psql_argument(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

// A cluster, a database or a role may have settings for everybody: these must not change our session. Who may make functions, operators or temporary
// tables in a database must not have us call them: search_path names pg_catalog only, and pg_temp last.
static std::string own_session(const std::string& database) {
  std::string name;
  for (const char c : database) name += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return (database == "postgres" ? "dbname=postgres" : "dbname='" + name + "'") +
         " options='-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c search_path=pg_catalog,pg_temp"
         " -c client_encoding=UTF8 -c default_transaction_isolation=read\\\\ committed -c default_transaction_read_only=off"
         " -c session_replication_role=origin -c standard_conforming_strings=on -c DateStyle=ISO -c bytea_output=hex -c row_security=on"
         " -c client_min_messages=warning'";
}

std::string into_database(const std::string& database) { return "\\connect -reuse-previous=on " + psql_argument(own_session(database)) + "\n"; }

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
                                own_session("postgres")};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

Ask server_ask(const ClusterView& view, const TopologyHost& host) {
  const auto text = view.derived(query);
  // The kernel takes at most 128 KiB as one argument: a query that names thousands of roles goes by standard input.
  const bool is_long = text->size() > (100U << 10);
  // Each described object makes the answer longer.
  const auto more = std::chrono::milliseconds(5) * (view.spec.postgresql_users.size() + view.spec.postgresql_databases.size());
  std::vector<std::string> about{"unit:patroni.service", "dcs:config", "sql:roles", "sql:databases"};
  if (has_contents(view)) about.emplace_back("sql:contents");  // it tells what a role owns there
  return {host.name, Exec{.argv = psql(view, host.name, is_long ? std::vector<std::string>{"-f", "-"} : std::vector<std::string>{"-c", *text}),
                          .input = is_long ? Text(*text + ";\n") : Text(),
                          .about = std::move(about),
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
    if (one.is_array() && one.size() == 11) {
      RoleState& role = server.roles[name] = {json_read::flag(one[0]), json_read::flag(one[1]), json_read::flag(one[2]), json_read::flag(one[3]),
                                              json_read::flag(one[4]), json_read::flag(one[5]), json_read::flag(one[6]), json_read::plain(one[7])};
      if (one[8].is_number_integer()) role.connection_limit = one[8].get<int>();
      if (one[9].is_number_integer()) role.valid_until = one[9].get<std::int64_t>();
      for (const auto& [group, own] : one[10].items()) role.member_of[group] = json_read::flag(own);
    }
  for (const auto& [name, one] : json_read::at(json, "databases").items())
    if (one.is_array() && one.size() == 4)
      server.databases[name] = {json_read::plain(one[0]), json_read::plain(one[1]), json_read::plain(one[2]), json_read::plain(one[3])};
  for (const auto& [key, object] : {std::pair{"role_needed", "role "}, {"database_needed", "database "}})
    for (const auto& [name, words] : json_read::at(json, key).items()) server.needed[object + name] = json_read::plain(words);
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
