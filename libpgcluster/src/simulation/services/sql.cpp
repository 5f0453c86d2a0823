#include "simulation/services/sql.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/joined.hpp"
#include "base/strings.hpp"
#include "spec/objects.hpp"
#include "spec/server_settings.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;

// The quoted word that begins at or after `at`; moves `at` behind it.
std::string quoted(const std::string& text, char quote, std::size_t& at) {
  std::string word;
  at = text.find(quote, at);
  if (at == std::string::npos) return word;
  for (++at; at < text.size(); ++at) {
    if (text[at] == quote && (at + 1 == text.size() || text[at + 1] != quote)) break;
    if (text[at] == quote) ++at;
    word += text[at];
  }
  ++at;
  return word;
}

void set_flags(RoleState& role, const std::string& words) {
  static const std::pair<const char*, bool RoleState::*> known[] = {{"SUPERUSER", &RoleState::superuser},   {"CREATEDB", &RoleState::createdb},
                                                                    {"CREATEROLE", &RoleState::createrole}, {"INHERIT", &RoleState::inherit},
                                                                    {"LOGIN", &RoleState::login},           {"REPLICATION", &RoleState::replication},
                                                                    {"BYPASSRLS", &RoleState::bypassrls}};
  for (std::size_t at = 0; at < words.size();) {
    const auto end = std::min(words.find(' ', at), words.size());
    std::string word = words.substr(at, end - at);
    at = end + 1;
    word = strings::upper(word);
    for (const auto& [name, flag] : known)
      if (word == name || word == std::string("NO") + name) role.*flag = word == name;
  }
}

// The argument of one of psql's own commands.
std::string psql_word(const std::string& line) {
  std::string word;
  for (auto at = line.find('\'') + 1; at < line.size(); ++at) {
    if (line[at] == '\'' && (at + 1 == line.size() || line[at + 1] != '\'')) break;
    if (line[at] == '\'' || line[at] == '\\') ++at;
    if (at < line.size()) word += line[at];
  }
  return word;
}

// The database that a \connect leads to.
std::string database_of(const std::string& line) {
  const std::string words = psql_word(line), key = "dbname=";
  if (!words.starts_with(key + "'")) return words.substr(key.size(), words.find(' ') - key.size());
  std::string name;
  for (std::size_t at = key.size() + 1; at < words.size() && words[at] != '\''; ++at) name += words[at] == '\\' ? words[++at] : words[at];
  return name;
}

// What an item of a question about privileges is on: a text for each object.
std::vector<std::string> targets(const Json& item) {
  Json one{{"type", item["type"]}, {"role", item.value("role", "")}, {"schema", item.value("schema", "")}, {"maker", item.value("maker", "")}};
  std::vector<std::string> all;
  for (const Json& object : item.value("objs", Json::array({"*"}))) {
    one["object"] = object;
    all.push_back(one.dump());
  }
  return all;
}

// Of every extension that somebody asks for.
constexpr const char* extension_versions[] = {"1.0", "1.1"};

const DatabaseContents& new_database() {
  static const DatabaseContents made{.schemas = {{"public", "pg_database_owner"}}};
  return made;
}

// A statement about what is in a database; what PostgreSQL says against it.
std::string run_inside(DatabaseContents& inside, const std::map<std::string, RoleState>& roles, const std::string& one) {
  std::size_t at = 0;
  if (one.starts_with("create schema \"") || one.starts_with("alter schema ")) {
    const std::string name = quoted(one, '"', at), owner = quoted(one, '"', at);
    if (inside.schemas.contains(name) == one.starts_with("create")) return "schema \"" + name + "\" is there already, or not there";
    if (!roles.contains(owner)) return "role \"" + owner + "\" does not exist";
    inside.schemas[name] = owner;
  } else if (one.starts_with("create extension \"")) {
    const std::string name = quoted(one, '"', at), schema = quoted(one, '"', at);
    if (!inside.schemas.contains(schema)) return "schema \"" + schema + "\" does not exist";
    auto version = one.find(" version '", at);
    const ExtensionState made{.version = version == std::string::npos ? "1.1" : quoted(one, '\'', version), .schema = schema, .relocatable = true};
    if (!inside.extensions.emplace(name, made).second) return "extension \"" + name + "\" already exists";
  } else if (one.starts_with("alter extension \"")) {
    const auto found = inside.extensions.find(quoted(one, '"', at));
    if (found == inside.extensions.end()) return "extension does not exist";
    (one.find(" set schema ", at) == std::string::npos ? found->second.version : found->second.schema) =
        quoted(one, one.find(" set schema ", at) == std::string::npos ? '\'' : '"', at);
  } else if (one.starts_with("drop extension ")) {
    while (one.find('"', at) != std::string::npos)
      if (const std::string name = quoted(one, '"', at); inside.extensions.erase(name) == 0) return "extension \"" + name + "\" does not exist";
  } else if (one.starts_with("drop schema ")) {
    while (one.find('"', at) != std::string::npos)
      if (const std::string name = quoted(one, '"', at); inside.schemas.erase(name) == 0) return "schema \"" + name + "\" does not exist";
  }
  return {};
}

}  // namespace

std::string SqlCatalog::run(const std::string& script, const std::string& superuser) {
  std::string inside = "postgres";
  Json asked;
  for (std::size_t begin = 0; begin < script.size();) {
    const auto end = std::min(script.find(";\n", begin), script.size());
    std::string one = script.substr(begin, end - begin);
    begin = end + 2;
    while (one.starts_with('\\')) {
      if (one.starts_with("\\connect ")) inside = database_of(one.substr(0, one.find('\n')));
      if (one.starts_with("\\set asked ")) asked = Json::parse(psql_word(one.substr(0, one.find('\n'))), nullptr, false);
      if (!databases.contains(inside)) return "database \"" + inside + "\" does not exist";
      one.erase(0, std::min(one.find('\n'), one.size() - 1) + 1);
    }
    if (std::string why = run_inside(contents.try_emplace(inside, new_database()).first->second, roles, one); !why.empty()) return why;
    if (one.find("\\gexec\n") != std::string::npos) {
      for (const Json& item : asked.value("privileges", Json::array())) {
        for (const std::string& target : targets(item)) {
          auto& has = granted[inside][target];
          for (const Json& word : item["privs"]) {
            if (item["take"] == true)
              has.erase(word.get<std::string>());
            else
              has.insert(word.get<std::string>());
          }
        }
      }
    }
    std::size_t at = 0;
    if (one.starts_with("alter role all ")) {
      std::string name = quoted(one, '"', at);
      while (at < one.size() && one[at] == '.') name += "." + quoted(one, '"', at);
      session_settings.erase(name);
      if (one.starts_with("alter role all set ")) session_settings[name] = quoted(one, '\'', at);
    } else if (one.starts_with("create role ") || one.starts_with("alter role ")) {
      const std::string name = quoted(one, '"', at);
      if (roles.contains(name) == one.starts_with("create"))
        return "role \"" + name + "\" " + (roles.contains(name) ? "already exists" : "does not exist");
      const auto password = one.find(" password '");
      RoleState& role = roles[name];
      set_flags(role, one.substr(at, password == std::string::npos ? password : password - at));
      if (auto from = password; from != std::string::npos) role.verifier = quoted(one, '\'', from);
      if (const auto limit = one.find(" connection limit ", at); limit < password) role.connection_limit = std::atoi(one.c_str() + limit + 18);
      if (auto until = one.find(" valid until '", at); until < password) role.valid_until = time_of(quoted(one, '\'', until));
    } else if (one.starts_with("grant \"") || one.starts_with("revoke \"")) {
      const std::string group = quoted(one, '"', at), name = quoted(one, '"', at);
      for (const std::string& role : {group, name})
        if (!roles.contains(role)) return "role \"" + role + "\" does not exist";
      if (one.starts_with("grant"))
        roles[name].member_of[group] = true;
      else
        roles[name].member_of.erase(group);
    } else if (one.starts_with("drop role ")) {
      const std::string name = quoted(one, '"', at);
      for (const auto& [database, state] : databases)
        if (state.owner == name) return "role \"" + name + "\" cannot be dropped because some objects depend on it";
      for (const auto& [database, is] : contents)
        for (const auto& [schema, owner] : is.schemas)
          if (owner == name) return "role \"" + name + "\" cannot be dropped because some objects depend on it";
      if (roles.erase(name) == 0) return "role \"" + name + "\" does not exist";
      for (auto& [other, role] : roles) role.member_of.erase(name);
    } else if (one.starts_with("drop database ")) {
      const std::string name = quoted(one, '"', at);
      if (databases.erase(name) == 0) return "database \"" + name + "\" does not exist";
      contents.erase(name);
      granted.erase(name);
    } else if (one.starts_with("create database ") || one.starts_with("alter database ")) {
      const std::string name = quoted(one, '"', at), owner = quoted(one, '"', at);
      if (databases.contains(name) == one.starts_with("create")) return "database \"" + name + "\" is there already, or not there";
      if (!roles.contains(owner)) return "role \"" + owner + "\" does not exist";
      DatabaseState& database = databases[name];
      database.owner = owner;
      for (auto [word, member] :
           {std::pair{" encoding '", &DatabaseState::encoding}, {" lc_collate '", &DatabaseState::collate}, {" lc_ctype '", &DatabaseState::ctype}})
        if (auto from = one.find(word); from != std::string::npos) database.*member = quoted(one, '\'', from);
    } else if (one.starts_with("create function public.user_search")) {
      at = one.find(" as ");
      search = UserSearch{.source = quoted(one, '\'', at), .config = "{\"search_path=pg_catalog, pg_temp\"}", .callers = superuser, .definer = true};
    } else if (one.starts_with("drop function if exists public.user_search")) {
      search.reset();
    } else if (one.starts_with("grant execute on function public.user_search") && search) {
      std::set<std::string> all{superuser, quoted(one, '"', at)};
      search->callers = joined(all, ",");
    } else if (one.starts_with("grant usage on schema public") && search) {
      search->reachable = true;
    }
  }
  return {};
}

std::string SqlCatalog::contents_json(const std::string& script, bool recovery) const {
  std::string all, inside;
  Json available{{"available", Json::object()}};
  if (auto at = script.find("where a.name in ("); at != std::string::npos)
    for (const auto end = script.find(") group by", at); at < end;)
      if (const std::string name = quoted(script, '\'', at); at <= end)
        available["available"][name] = {{"default", "1.1"}, {"versions", {{"1.0", {nullptr, nullptr}}, {"1.1", {nullptr, nullptr}}}}};
  all = available.dump() + (recovery ? "\nt\n" : "\nf\n");
  if (recovery) return all;
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("\\connect ")) inside = database_of(line);
    if (!line.starts_with("\\set asked ") || !databases.contains(inside)) continue;
    const Json asked = Json::parse(psql_word(line), nullptr, false);
    const auto found = contents.find(inside);
    const DatabaseContents& is = found == contents.end() ? new_database() : found->second;
    Json json{{"db", inside}, {"schemas", Json::object()}};
    for (const Json& name : asked.value("schemas", Json::array()))
      if (const auto schema = is.schemas.find(name); schema != is.schemas.end()) json["schemas"][schema->first] = schema->second;
    for (const Json& item : asked.value("privileges", Json::array())) {
      int objects = 0, due = 0;
      for (const std::string& target : targets(item)) {
        const auto in = granted.find(inside);
        const auto has = in == granted.end()           ? std::set<std::string>{}
                         : in->second.contains(target) ? in->second.at(target)
                                                       : std::set<std::string>{};
        const bool take = item["take"] == true;
        const auto& words = item["privs"];
        ++objects;
        if (std::any_of(words.begin(), words.end(), [&](const Json& word) { return has.contains(word.get<std::string>()) == take; })) ++due;
      }
      json["grants"][std::to_string(item["n"].get<int>())] = {objects, due, nullptr};
    }
    for (const Json& name : asked.value("extensions", Json::array()))
      if (const auto one = is.extensions.find(name); one != is.extensions.end())
        json["extensions"][one->first] = {one->second.version, one->second.schema, one->second.relocatable, extension_versions};
    all += json.dump() + "\n";
  }
  return all;
}

std::string SqlCatalog::json(int version, bool recovery, const std::string& started, const std::string& config,
                             const std::map<std::string, std::string>& running, const std::set<std::string>& slots, bool reloaded,
                             const std::string& query) const {
  std::map<std::string, std::string> shown = running;
  if (auto at = query.find(" or name in ("); at != std::string::npos)
    for (const auto end = query.find(')', at); at < end;) {
      const std::string name = quoted(query, '\'', at);
      if (at <= end) shown.try_emplace(name, boot_value(version, name));
    }
  // As pg_settings shows them.
  static constexpr const char* types[] = {"bool", "integer", "real", "string", "enum"};
  Json settings = Json::object();
  for (const auto& [name, value] : shown) {
    const std::string source = running.contains(name) ? "configuration file" : "default";
    if (const auto* one = server_settings::find_near(version, name))
      settings[std::string(one->name)] = Json::array({server_settings::canonical(*one, value).value_or(value), one->unit,
                                                      types[static_cast<int>(one->type)], one->context, one->boot, source, false});
    else
      settings[name] = Json::array({value, "", "string", "user", "", source, false});
  }
  Json all_roles = Json::object();
  for (const auto& [name, role] : roles)
    all_roles[name] = Json::array({role.superuser, role.createdb, role.createrole, role.inherit, role.login, role.replication, role.bypassrls,
                                   role.verifier.empty() ? Json() : Json(role.verifier), role.connection_limit,
                                   role.valid_until ? Json(*role.valid_until) : Json(), role.member_of});
  Json md5_roles = Json::array();
  for (const auto& [name, role] : roles)
    if (role.login && role.verifier.starts_with("md5")) md5_roles.push_back(name);
  Json all_databases = Json::object();
  for (const auto& [name, one] : databases) all_databases[name] = Json::array({one.owner, one.encoding, one.collate, one.ctype});
  Json all{{"recovery", recovery},       {"started", started}, {"config", config},     {"settings", settings},  {"roles", all_roles},
           {"databases", all_databases}, {"slots", slots},     {"reloaded", reloaded}, {"md5_roles", md5_roles}};
  // A role that owns a database, where the query names it as one that is to be dropped.
  if (const auto asked = query.find("'role_needed'"); asked != std::string::npos) {
    Json needed = Json::object();
    for (const auto& [name, one] : databases)
      if (query.find(sql_literal(one.owner), asked) != std::string::npos) needed[one.owner] = "owns the database " + name;
    for (const auto& [name, is] : contents)
      for (const auto& [schema, owner] : is.schemas)
        if (query.find(sql_literal(owner), asked) != std::string::npos) needed[owner] = "owns 1 object of " + name;
    all["role_needed"] = needed;
  }
  all["session_settings"] = Json::array();
  for (const auto& [name, value] : session_settings) all["session_settings"].push_back(name + "=" + value);
  all["user_search"] = search ? Json::array({search->source, search->config, search->callers, search->definer, search->reachable}) : Json();
  return all.dump() + "\n";
}

bool postmaster_parameter(int version, const std::string& name) {
  const auto* one = server_settings::find_near(version, name);
  return one && one->context == "postmaster";
}

std::string boot_value(int version, const std::string& name) {
  const auto* one = server_settings::find_near(version, name);
  return one ? std::string(one->boot) : "";
}

}  // namespace pgcluster
