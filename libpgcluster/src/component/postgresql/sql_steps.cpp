// Roles, databases, and the function that PgBouncer asks for passwords.
#include <algorithm>
#include <memory>
#include <sstream>
#include <tuple>

#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "base/nearest.hpp"
#include "base/strings.hpp"
#include "component/postgresql/contents.hpp"
#include "component/postgresql/locales.hpp"
#include "component/postgresql/objects.hpp"
#include "component/postgresql/scram.hpp"
#include "component/postgresql/sql.hpp"
#include "component/postgresql/sql_step.hpp"
#include "spec/objects.hpp"

namespace pgcluster {
namespace {

constexpr const char* bouncer = "pgbouncer";
// PgBouncer itself does not look at VALID UNTIL.
constexpr const char* search_source =
    "select usename, passwd from pg_catalog.pg_shadow where usename = $1 and (valuntil is null or valuntil > pg_catalog.now())";

struct Flag {
  const char* word;
  bool RoleState::*value;
};
constexpr Flag flags[] = {{"SUPERUSER", &RoleState::superuser}, {"CREATEDB", &RoleState::createdb}, {"CREATEROLE", &RoleState::createrole},
                          {"INHERIT", &RoleState::inherit},     {"LOGIN", &RoleState::login},       {"REPLICATION", &RoleState::replication},
                          {"BYPASSRLS", &RoleState::bypassrls}};

struct RoleWish {
  std::string name;
  std::vector<std::pair<const Flag*, bool>> flags;
  const Secret* password = nullptr;
  const UserSpec* user = nullptr;  ///< null: one of pgcluster's own, of which only what is above matters
  std::optional<std::int64_t> valid_until{};
};

RoleWish from_spec(const ClusterView& view, const UserSpec& user) {
  RoleWish wish{.name = user.name};
  // What CREATE ROLE gives a role of which nothing is said, but for the right to log in.
  std::map<const Flag*, bool> set;
  for (const Flag& flag : flags) set[&flag] = flag.value == &RoleState::inherit || flag.value == &RoleState::login;
  for (const std::string& word : strings::split(strings::upper(user.flags), ", \t"))
    for (const Flag& flag : flags)
      if (word == flag.word || word == std::string("NO") + flag.word) set[&flag] = word == flag.word;
  for (const Flag& flag : flags) wish.flags.emplace_back(&flag, set[&flag]);
  wish.password = &view.secret("postgresql_users." + user.name + ".password");
  wish.user = &user;
  wish.valid_until = time_of(user.valid_until);
  return wish;
}

std::vector<RoleWish> role_wishes(const ClusterView& view) {
  const Spec& spec = view.spec;
  // These two Patroni makes itself at bootstrap: here for a changed password, and for a server that was there before.
  std::vector<RoleWish> wishes{
      {spec.patroni_superuser_username, {{&flags[0], true}, {&flags[4], true}}, &view.secret("patroni_superuser_password")},
      {spec.patroni_replication_username, {{&flags[5], true}, {&flags[4], true}}, &view.secret("patroni_replication_password")}};
  if (spec.pgbouncer_install) wishes.push_back({bouncer, {{&flags[4], true}}, &view.secret("pgbouncer_auth_password")});
  for (const UserSpec& user : spec.postgresql_users) {
    if (user.state == ObjectState::absent) continue;
    RoleWish wish = from_spec(view, user);
    if (std::none_of(wishes.begin(), wishes.end(), [&](const RoleWish& one) { return one.name == wish.name; })) wishes.push_back(std::move(wish));
  }
  return wishes;
}

Text shown(const RoleWish& wish, const RoleState* state) {
  std::string line = wish.name + ":";
  for (const auto& [flag, on] : wish.flags) {
    const bool is = state ? state->*flag->value : on;
    line += std::string(" ") + (is ? "" : "no") + flag->word;
  }
  if (wish.user) {
    const int limit = state ? state->connection_limit : wish.user->connection_limit;
    const auto until = state ? state->valid_until : wish.valid_until;
    std::string groups;
    if (state)
      for (const auto& [group, own] : state->member_of) append(groups, group);
    else
      groups = joined(std::set<std::string>(wish.user->member_of.begin(), wish.user->member_of.end()));
    if (limit != -1) line += " connection limit " + std::to_string(limit);
    if (until) line += " valid until " + utc_time(*until);
    if (!groups.empty()) line += " member of " + groups;
  }
  if (!state) return line + " password <secret " + wish.password->name + ">\n";
  const bool same = scram_matches(state->verifier, wish.password->value);
  return line + (same ? " password <secret " + wish.password->name + ">\n" : state->verifier.empty() ? " no password\n" : " another password\n");
}

// The function finds nothing that somebody else made, not even in its caller's temporary schema.
constexpr const char* search_config = "{\"search_path=pg_catalog, pg_temp\"}";

// Settings that no configuration file may hold stand with "all roles". The mark names those that are ours.
constexpr const char* session_mark = "pgcluster.session_settings";

std::string dotted_identifier(const std::string& name) { return joined(strings::split(name, "."), ".", sql_identifier); }

void add_session_settings(const ClusterView& view, const Server& server, std::string& script, std::string& before, Text& after, std::string& reason) {
  std::map<std::string, std::string> wishes;
  std::string names;
  for (const auto& [name, value] : view.spec.postgresql_parameters)
    if (only_for_sessions(name)) wishes[name] = value;
  for (const auto& [name, value] : wishes) names += (names.empty() ? "" : ",") + name;
  const auto found = server.session_settings.find(session_mark);
  const std::string ours = found == server.session_settings.end() ? "" : found->second;
  if (ours != names) wishes[session_mark] = names;
  const std::string set = "alter role all set ", reset = "alter role all reset ";
  for (const auto& [name, value] : wishes) {
    const auto is = server.session_settings.find(name);
    if (is != server.session_settings.end() && is->second == value) continue;
    script += name == session_mark && names.empty() ? reset + dotted_identifier(name) + ";\n"
                                                    : set + dotted_identifier(name) + " = " + sql_literal(value) + ";\n";
    if (name == session_mark) continue;
    if (is != server.session_settings.end()) before += name + ": " + is->second + "\n";
    after += name + ": " + value + "\n";
    append(reason, name + (is == server.session_settings.end() ? " is not set" : " is " + is->second));
  }
  for (const std::string& name : strings::split(ours, ",")) {
    if (wishes.contains(name)) continue;
    script += reset + dotted_identifier(name) + ";\n";
    if (const auto is = server.session_settings.find(name); is != server.session_settings.end()) before += name + ": " + is->second + "\n";
    append(reason, name + " is described no more");
  }
}

// Memberships of described roles that the spec had before. What somebody else granted stays, and so does all of a role that left the spec.
std::vector<Objects::Membership> left_memberships(const ClusterView& view, const Server& server) {
  const Objects described = described_objects(view.spec), remembered = remembered_objects(view.facts);
  std::vector<Objects::Membership> left;
  for (const auto& one : remembered.memberships) {
    if (described.memberships.contains(one) || !described.roles.contains(one.first)) continue;
    const auto role = server.roles.find(one.first);
    if (role == server.roles.end()) continue;
    const auto found = role->second.member_of.find(one.second);
    // Until version 16 a membership has one grantor only, who may have been renamed or dropped.
    if (found != role->second.member_of.end() && (found->second || view.spec.postgresql_version < 16)) left.push_back(one);
  }
  return left;
}

StepPtr roles_step(const View& view) {
  return sql_step(view, patroni::roles(), [view](const TopologyHost& host, const Server& server, const Answers&) -> Decision {
    Text script = "begin;\n", after;
    std::string before, reason, grants;
    const Objects described = described_objects(view->spec);
    for (const UserSpec& user : view->spec.postgresql_users)
      for (const std::string& group : user.member_of)
        if (user.state == ObjectState::present && !described.roles.contains(group) && !server.roles.contains(group))
          return no_such_role(view, server, group, "postgresql_users." + user.name + ".member_of");
    std::map<std::string, std::vector<std::string>> left;
    for (const auto& [role, group] : left_memberships(*view, server)) left[role].push_back(group);
    for (const RoleWish& wish : role_wishes(*view)) {
      const auto found = server.roles.find(wish.name);
      const RoleState* state = found == server.roles.end() ? nullptr : &found->second;
      const bool same_password = state && scram_matches(state->verifier, wish.password->value);
      const bool same_flags =
          state && std::all_of(wish.flags.begin(), wish.flags.end(), [&](const auto& one) { return state->*one.first->value == one.second; });
      const RoleState limits = state ? *state : RoleState{};
      const bool same_limits = !wish.user || (limits.connection_limit == wish.user->connection_limit && limits.valid_until == wish.valid_until);
      std::string changed;
      if (wish.user)
        for (const std::string& group : wish.user->member_of)
          if (!state || !state->member_of.contains(group)) changed += "grant " + sql_identifier(group) + " to " + sql_identifier(wish.name) + ";\n";
      for (const std::string& group : left[wish.name]) changed += "revoke " + sql_identifier(group) + " from " + sql_identifier(wish.name) + ";\n";
      grants += changed;
      if (same_password && same_flags && same_limits && changed.empty()) continue;
      if (!(same_password && same_flags && same_limits)) {
        script += (state ? "alter role " : "create role ") + sql_identifier(wish.name);
        for (const auto& [flag, on] : wish.flags) script += std::string(" ") + (on ? "" : "no") + flag->word;
        if (!same_limits) {
          script += " connection limit " + std::to_string(wish.user->connection_limit);
          if (wish.valid_until || state) script += " valid until '" + (wish.valid_until ? utc_time(*wish.valid_until) : "infinity") + "'";
        }
        if (!same_password) {
          script += " password '";
          script += Secret{wish.password->name + " (verifier)", scram_verifier(wish.name, wish.password->value)};
          script += "'";
        }
        script += ";\n";
      }
      if (state) before += shown(wish, state).reveal();
      after += shown(wish, nullptr);
      append(reason, wish.name + (!state ? " is not there" : !same_password ? " has another password" : " has other rights"));
    }
    std::string more = grants;
    add_session_settings(*view, server, more, before, after, reason);
    script += more;
    if (reason.empty()) return Done{};
    Change change = on_server(view, host, script + "commit;\n", "sql:roles", "create or change the roles");
    change.todo.front().limit += std::chrono::milliseconds(50) * (view->spec.postgresql_users.size() + view->spec.postgresql_parameters.size());
    change.diff = unified_diff("roles", before, after);
    change.reason = std::move(reason);
    return change;
  });
}

// What a database was made with, and the spec says otherwise: nothing changes it.
std::optional<Refused> other_locale(const DatabaseSpec& wish, const DatabaseState& is) {
  const std::tuple<const char*, const std::string&, const std::string&> all[] = {
      {"encoding", wish.encoding, is.encoding}, {"lc_collate", wish.lc_collate, is.collate}, {"lc_ctype", wish.lc_ctype, is.ctype}};
  for (const auto& [key, wished, has] : all) {
    if (wished.empty() || has.empty() || strings::plain(wished) == strings::plain(has)) continue;
    return Refused{{.message = std::string(key) + " of the database " + wish.db + " cannot be changed: it was made with " + has +
                               ", and the spec says " + wished,
                    .hint = "write " + has + " again, or take the key out. The way to " + wished +
                            ": describe a database of another name with it, and move the data there (pg_dump)",
                    .path = "postgresql_databases." + wish.db + "." + key}};
  }
  return std::nullopt;
}

// A database opens on a replica only if its locale is there, too.
std::optional<Refused> locale_missing(const ClusterView& view, const DatabaseSpec& wish, const Answers& answers) {
  for (const TopologyHost* host : view.topology.with(Role::postgres)) {
    const auto known = read_locales(answers[locales_ask(host->name)]);
    for (const std::string& name : {wish.lc_collate, wish.lc_ctype})
      if (known && !name.empty() && !known->contains(strings::plain(name)))
        return Refused{
            {.message = host->name + " has no locale " + name + ", so the database " + wish.db + " could not be opened there",
             .hint = "make the locale on every database host (package locales, then locale-gen), or write one that `locale -a` lists there",
             .path = "postgresql_databases." + wish.db}};
  }
  return std::nullopt;
}

std::optional<Refused> other_characters(const Spec& spec, const DatabaseSpec& wish) {
  const auto or_else = [](const std::string& own, const std::string& others) { return own.empty() ? others : own; };
  const std::string path = "postgresql_databases." + wish.db;
  if (wish.encoding.empty() && wish.lc_collate.empty() && wish.lc_ctype.empty()) return std::nullopt;
  for (const std::string& own : {wish.lc_collate, wish.lc_ctype}) {
    const std::string locale = or_else(own, spec.postgresql_locale);
    if (auto refused = unfit_characters(or_else(wish.encoding, spec.postgresql_encoding), locale, charmap_by_name(locale), path)) return refused;
  }
  return std::nullopt;
}

std::string template_of(const DatabaseSpec& wish) {
  if (!wish.template_.empty()) return wish.template_;
  return wish.encoding.empty() && wish.lc_collate.empty() && wish.lc_ctype.empty() ? "template1" : "template0";
}

std::optional<Refused> no_template(const ClusterView& view, const Server& server, const DatabaseSpec& wish) {
  if (wish.template_.empty() || server.databases.contains(wish.template_) || described_objects(view.spec).databases.contains(wish.template_))
    return std::nullopt;
  return Refused{{.message = "there is no database " + wish.template_ + " to make " + wish.db + " from, neither in the spec nor on the server",
                  .hint = "name another template, or take the key out",
                  .path = "postgresql_databases." + wish.db + ".template"}};
}

// CREATE DATABASE copies a template, to which nobody may be connected. It waits five seconds itself, and does not tell who it is.
std::string template_is_free(const std::string& name) {
  return "do $$ declare who text; copied name := " + sql_literal(name) +
         "; begin\n"
         "for look in 1..60 loop\n"
         "  perform pg_stat_clear_snapshot();\n"
         "  select string_agg(format('process %s (user %s, application %s, from %s)', pid, usename, coalesce(nullif(application_name, ''), '-'),\n"
         "    coalesce(host(client_addr), 'this host')), ', ') into who from pg_stat_activity where datname = copied and pid <> pg_backend_pid();\n"
         "  exit when who is null;\n"
         "  if look = 60 then raise exception '% is in use by %, so no database can be made from it', copied, who\n"
         "    using hint = 'End these sessions (select pg_terminate_backend(PID)), and apply again.'; end if;\n"
         "  perform pg_sleep(0.5);\n"
         "end loop; end $$;\n";
}

StepPtr databases_step(const View& view) {
  std::vector<Ask> locales;
  for (const DatabaseSpec& wish : view->spec.postgresql_databases)
    if (locales.empty() && !(wish.lc_collate.empty() && wish.lc_ctype.empty()))
      for (const TopologyHost* host : view->topology.with(Role::postgres))
        if (!view->leaves_out(host->name)) locales.push_back(locales_ask(host->name));
  auto decide = [view](const TopologyHost& host, const Server& server, const Answers& answers) -> Decision {
    std::string script, before, after, reason;
    for (const DatabaseSpec& wish : view->spec.postgresql_databases) {
      if (wish.state == ObjectState::absent) continue;
      const std::string owner = wish.owner.empty() ? view->spec.patroni_superuser_username : wish.owner;
      const auto found = server.databases.find(wish.db);
      const bool is_there = found != server.databases.end();
      if (is_there)
        if (auto refused = other_locale(wish, found->second)) return *std::move(refused);
      if (!is_there) {
        if (auto refused = locale_missing(*view, wish, answers)) return *std::move(refused);
        if (auto refused = other_characters(view->spec, wish)) return *std::move(refused);
      }
      if (is_there && (wish.owner.empty() || found->second.owner == owner)) continue;
      if (is_there) {
        script += "alter database " + sql_identifier(wish.db) + " owner to " + sql_identifier(owner) + ";\n";
        before += wish.db + ": owner " + found->second.owner + "\n";
      } else {
        const std::string& copied = template_of(wish);
        if (auto refused = no_template(*view, server, wish)) return *std::move(refused);
        if (copied != "template0") script += template_is_free(copied);
        script += "create database " + sql_identifier(wish.db) + " owner " + sql_identifier(owner);
        if (!wish.encoding.empty()) script += " encoding " + sql_literal(wish.encoding);
        if (!wish.lc_collate.empty()) script += " lc_collate " + sql_literal(wish.lc_collate);
        if (!wish.lc_ctype.empty()) script += " lc_ctype " + sql_literal(wish.lc_ctype);
        if (copied != "template1") script += " template " + (wish.template_.empty() ? copied : sql_identifier(copied));
        script += ";\n";
      }
      after += wish.db + ": owner " + owner + "\n";
      append(reason, wish.db + (is_there ? " has another owner" : " is not there"));
    }
    if (reason.empty()) return Done{};
    Change change = on_server(view, host, script, "sql:databases", "create or change the databases");
    // Each copies a template: some hundred are made in minutes, not in one.
    change.todo.front().limit += std::chrono::seconds(30) + std::chrono::seconds(5) * view->spec.postgresql_databases.size();
    change.diff = unified_diff("databases", before, after);
    change.reason = std::move(reason);
    return change;
  };
  return sql_step(view, patroni::databases(), decide, std::move(locales));
}

// Drops what has state: absent. Something that needs it is a reason to refuse, unless an earlier step of the plan may change that.
StepPtr drop_step(const View& view, const StepRef& name, const std::string& object, std::set<std::string> names, Impact impact) {
  auto decide = [view, object, names = std::move(names), impact](const Answers& answers) -> Decision {
    const TopologyHost* host = writable_host(*view, answers);
    Later later{
        .until = "one server, and only one, takes writes", .at_most = impact, .action = Action::run, .seen = servers_in_words(*view, answers)};
    if (!host) return later;
    const Ask ask = server_ask(*view, *host);
    const Server& server = answers.read(ask, read_server);
    std::string script, before;
    for (const std::string& one : names) {
      if (object == "role" ? !server.roles.contains(one) : !server.databases.contains(one)) continue;
      if (const auto needed = server.needed.find(object + " " + one); needed != server.needed.end()) {
        later.until = "nothing needs the " + object + " " + one + " any more";
        if (answers.pending(ask)) return later;
        return Refused{{.message = "the " + object + " " + one +
                                   (object == "role" ? " cannot be dropped: it " : " cannot be dropped: it is used by ") + needed->second,
                        .hint = object == "role" ? "in each of these databases, give away what it owns (REASSIGN OWNED BY " + sql_identifier(one) +
                                                       " TO …), and take its privileges (DROP OWNED BY " + sql_identifier(one) + "); then plan again"
                                                 : "end these sessions (select pg_terminate_backend(PID)), and plan again",
                        .path = "postgresql_" + std::string(object == "role" ? "users." : "databases.") + one},
                       Code::refused,
                       host->name};
      }
      script += "drop " + object + " " + sql_identifier(one) + ";\n";
      before += one + "\n";
    }
    if (script.empty()) return Done{};
    Change change = on_server(view, *host, script, "sql:" + object + "s", "drop the " + object + "s");
    change.todo.front().limit += std::chrono::seconds(1) * names.size();
    change.action = Action::remove;
    change.impact = impact;
    change.diff = unified_diff("dropped " + object + "s", before, "");
    change.reason = "state: absent in the spec";
    return change;
  };
  return make_step(name, {.asks = {}, .decide = decide, .settle = std::chrono::seconds(60), .common = view->derived(server_asks)});
}

StepPtr search_step(const View& view) {
  return sql_step(view, {"", "patroni", "pgbouncer-auth"}, [view](const TopologyHost& host, const Server& server, const Answers&) -> Decision {
    const auto& found = server.user_search;
    const std::string& owner = view->spec.patroni_superuser_username;
    const std::string callers = owner < bouncer ? owner + "," + bouncer : bouncer + ("," + owner);
    if (found && found->source == search_source && found->definer && found->reachable && found->config == search_config && found->callers == callers)
      return Done{};
    // Drop the function first: `create or replace` cannot change the result type of an older version, and would keep grants that somebody added.
    const std::string script = std::string("begin;\ncreate schema if not exists public;\ndrop function if exists public.user_search(text);\n") +
                               "create function public.user_search(uname text) returns table (usename name, passwd text)\n"
                               "  language sql security definer set search_path = pg_catalog, pg_temp as " +
                               sql_literal(search_source) +
                               ";\nrevoke all on function public.user_search(text) from public;\n"
                               "grant execute on function public.user_search(text) to " +
                               sql_identifier(bouncer) + ";\ngrant usage on schema public to " + sql_identifier(bouncer) + ";\ncommit;\n";
    Change change = on_server(view, host, script, "sql:roles", "create PgBouncer's function user_search");
    change.diff = unified_diff("user_search", found ? found->source + "\nmay be called by " + found->callers + "\n" : "",
                               std::string(search_source) + "\nmay be called by " + callers + "\n");
    change.reason = found ? "the function user_search, its grants or its schema's differ" : "there is no function user_search";
    return change;
  });
}

}  // namespace

bool knows_passwords(const ClusterView& view, const Server& server) {
  const std::vector<RoleWish> wishes = role_wishes(view);
  return std::all_of(wishes.begin(), wishes.begin() + 2, [&](const RoleWish& wish) {
    const auto it = server.roles.find(wish.name);
    return it != server.roles.end() && scram_matches(it->second.verifier, wish.password->value);
  });
}

StepPtr pgbouncer_password_gate(const ClusterView& cluster, const StepRef& name) {
  const auto view = shared(cluster);
  const bool begun = std::any_of(view->facts.begin(), view->facts.end(), [](const auto& host) { return !host.second.begun.empty(); });
  auto decide = [view, begun](const Answers& answers) -> Decision {
    const TopologyHost* leader = writable_host(*view, answers);
    if (!leader && begun) return nobody_writes(*view, answers, Action::wait);
    if (!leader) return Done{};
    const Server& server = answers.read(server_ask(*view, *leader), read_server);
    const auto role = server.roles.find(bouncer);
    if (role == server.roles.end() || scram_matches(role->second.verifier, view->secret("pgbouncer_auth_password").value)) return Done{};
    return Later{leader->name + " knows the new password of " + bouncer};
  };
  return gate(name, {.asks = {}, .decide = decide, .settle = std::chrono::seconds(90), .common = view->derived(server_asks)});
}

Steps sql_steps(const ClusterView& cluster) {
  const auto view = shared(cluster);
  std::vector<Steps> steps{roles_step(view)};
  if (!view->spec.postgresql_databases.empty()) steps.push_back(databases_step(view));
  steps.push_back(contents_steps(view));
  if (view->spec.pgbouncer_install) steps.push_back(search_step(view));
  const Objects dropped = dropped_objects(view->spec);
  steps.push_back(dropped_contents_steps(view));
  if (!dropped.databases.empty()) steps.push_back(drop_step(view, {"", "patroni", "dropped-databases"}, "database", dropped.databases, Impact::data));
  if (!dropped.roles.empty()) steps.push_back(drop_step(view, {"", "patroni", "dropped-roles"}, "role", dropped.roles, Impact::none));
  std::vector<Steps> remembered;
  for (const TopologyHost* host : view->topology.with(Role::postgres))
    if (!view->leaves_out(host->name)) remembered.push_back(objects_step(view, *host));
  steps.push_back(parallel(std::move(remembered)));
  return sequence(std::move(steps));
}

}  // namespace pgcluster
