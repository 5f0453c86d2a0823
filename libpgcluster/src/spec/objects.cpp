#include "spec/objects.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "spec/privileges.hpp"
#include "spec/words.hpp"

namespace pgcluster {
namespace {

std::string item(const char* key, std::size_t at) { return std::string(key) + '[' + std::to_string(at) + ']'; }

class ObjectChecker {
 public:
  ObjectChecker(const Spec& spec, std::vector<Diagnostic>& findings) : spec_(spec), findings_(findings) {
    for (const UserSpec& user : spec.postgresql_users) (user.state == ObjectState::present ? roles_ : dropped_roles_).insert(user.name);
    for (const SchemaSpec& one : spec.postgresql_schemas)
      if (one.state == ObjectState::absent) dropped_schemas_.emplace(one.db, one.schema);
    for (const DatabaseSpec& one : spec.postgresql_databases) (one.state == ObjectState::present ? databases_ : dropped_databases_).insert(one.db);
  }

  void check() {
    for (std::size_t i = 0; i < spec_.postgresql_users.size(); ++i) user(spec_.postgresql_users[i], item("postgresql_users", i));
    circles();
    for (std::size_t i = 0; i < spec_.postgresql_databases.size(); ++i) database(spec_.postgresql_databases[i], item("postgresql_databases", i), i);
    for (std::size_t i = 0; i < spec_.postgresql_schemas.size(); ++i) schema(spec_.postgresql_schemas[i], item("postgresql_schemas", i));
    for (std::size_t i = 0; i < spec_.postgresql_extensions.size(); ++i) extension(spec_.postgresql_extensions[i], item("postgresql_extensions", i));
    for (std::size_t i = 0; i < spec_.postgresql_privs.size(); ++i) privilege(spec_.postgresql_privs[i], item("postgresql_privs", i));
    contradictions();
  }

 private:
  void error(std::string path, std::string message, std::string hint) {
    findings_.push_back({Severity::error, std::move(message), std::move(hint), std::move(path)});
  }

  void present_role(const std::string& role, const std::string& path) {
    if (dropped_roles_.contains(role) && !roles_.contains(role))
      error(path, words::shown(role) + " has state: absent in postgresql_users", "name another role, or let this one stay");
  }

  void user(const UserSpec& user, const std::string& path) {
    if (!user.valid_until.empty() && !time_of(user.valid_until))
      error(path + ".valid_until", words::shown(user.valid_until) + " is not a time", "write one like 2027-01-31, or 2027-01-31 18:00+01");
    if (user.state == ObjectState::absent) return;
    for (std::size_t i = 0; i < user.member_of.size(); ++i) {
      const std::string& group = user.member_of[i];
      const std::string here = user.member_of.size() == 1 ? path + ".member_of" : path + ".member_of[" + std::to_string(i) + ']';
      if (group == user.name) error(here, group + " cannot be a member of itself", "remove it");
      if (group == "public") error(here, "every role is a member of public", "remove it");
      if (group == "pg_database_owner") error(here, "PostgreSQL chooses the member of pg_database_owner: the owner of the database", "remove it");
      present_role(group, here);
    }
  }

  // Roles that are members of each other: PostgreSQL refuses the last of these grants.
  void circles() {
    std::map<std::string, const UserSpec*> users;
    for (const UserSpec& user : spec_.postgresql_users)
      if (user.state == ObjectState::present) users.emplace(user.name, &user);
    std::map<std::string, int> seen;  // 1: on the way, 2: done
    const std::function<bool(const std::string&)> leads_back = [&](const std::string& name) {
      const auto found = users.find(name);
      if (found == users.end() || seen[name] == 2) return false;
      if (seen[name] == 1) return true;
      seen[name] = 1;
      bool circle = false;
      for (const std::string& group : found->second->member_of) circle = circle || (group != name && leads_back(group));
      seen[name] = 2;
      return circle;
    };
    for (std::size_t i = 0; i < spec_.postgresql_users.size(); ++i)
      if (const UserSpec& user = spec_.postgresql_users[i]; user.state == ObjectState::present && leads_back(user.name))
        error(item("postgresql_users", i) + ".member_of", user.name + " is a member of itself by way of other roles",
              "remove one of these memberships");
  }

  void database(const DatabaseSpec& database, const std::string& path, std::size_t at) {
    if (database.state == ObjectState::absent) return;
    present_role(database.owner, path + ".owner");
    if (database.template_.empty()) return;
    const std::string here = path + ".template";
    if (database.template_ == database.db) error(here, database.db + " cannot be a copy of itself", "name another database");
    if (dropped_databases_.contains(database.template_)) {
      error(here, words::shown(database.template_) + " has state: absent in postgresql_databases", "name another database, or let this one stay");
      return;
    }
    const auto later = std::find_if(spec_.postgresql_databases.begin() + static_cast<std::ptrdiff_t>(at) + 1, spec_.postgresql_databases.end(),
                                    [&](const DatabaseSpec& one) { return one.db == database.template_; });
    if (later != spec_.postgresql_databases.end())
      error(here, words::shown(database.template_) + " is created later, because it comes later in the list", "move it before " + database.db);
  }

  // A database that something is in.
  void in_database(const std::string& db, const std::string& path) {
    if (db == "template0") error(path, "template0 takes no connections", "name another database");
    if (dropped_databases_.contains(db))
      error(path, words::shown(db) + " has state: absent in postgresql_databases", "remove this item: what is in a database goes with it");
  }

  void owner(const std::string& role, const std::string& path) {
    if (role.empty() || role == spec_.patroni_superuser_username || roles_.contains(role)) return;
    if (dropped_roles_.contains(role)) return present_role(role, path);
    std::vector<std::string_view> known(roles_.begin(), roles_.end());
    known.push_back(spec_.patroni_superuser_username);
    const auto near = words::nearest(role, known);
    error(path, words::shown(role) + " is neither one of postgresql_users nor the superuser",
          near.empty() ? "add - { name: " + role + " } to postgresql_users" : "did you mean " + std::string(near) + "?");
  }

  void schema(const SchemaSpec& schema, const std::string& path) {
    if (!schema.schema.empty() && !schema.db.empty() && !schemas_.emplace(schema.db, schema.schema).second)
      error(path + ".schema", schema.schema + " of " + schema.db + " is given twice", "remove one of them");
    if (schema.schema.starts_with("pg_") || schema.schema == "information_schema")
      error(path + ".schema", "PostgreSQL keeps the name " + words::shown(schema.schema) + " for itself", "write another name");
    in_database(schema.db, path + ".db");
    if (schema.state == ObjectState::present) return owner(schema.owner, path + ".owner");
    if (schema.schema == "public" && schema.db == "postgres" && spec_.pgbouncer_install)
      error(path + ".state", "PgBouncer's function user_search is in the schema public of postgres", "let this one stay");
  }

  void kept_schema(const std::string& db, const std::string& schema, const std::string& path) {
    if (dropped_schemas_.contains({db, schema}))
      error(path, words::shown(schema) + " has state: absent in postgresql_schemas", "name another schema, or let this one stay");
  }

  void extension(const ExtensionSpec& extension, const std::string& path) {
    if (!extension.ext.empty() && !extension.db.empty() && !extensions_.emplace(extension.db, extension.ext).second)
      error(path + ".ext", extension.ext + " of " + extension.db + " is given twice", "remove one of them");
    in_database(extension.db, path + ".db");
    if (extension.state == ObjectState::present) kept_schema(extension.db, extension.schema.empty() ? "public" : extension.schema, path + ".schema");
  }

  void privilege(const PrivilegeSpec& one, const std::string& path) {
    const std::string type(to_string(one.type));
    const bool present = one.state == ObjectState::present;
    in_database(one.db, path + ".db");
    if (present) present_role(one.role, path + ".role");
    if (one.type == PrivilegeType::procedure && spec_.postgresql_version < 11)
      error(path + ".type", "PostgreSQL has procedures since version 11", "write function");
    if (one.type != PrivilegeType::default_privs && !one.target_roles.empty())
      error(path + ".target_roles", "belongs to type default_privs only", "remove it");
    for (const std::string& maker : one.target_roles)
      if (present) present_role(maker, path + ".target_roles");
    if (!one.schema.empty() && !privileges::in_schema(one.type) && one.type != PrivilegeType::default_privs)
      error(path + ".schema", "the type " + type + " is in no schema",
            one.type == PrivilegeType::schema ? "write the schema's name in objs" : "remove it");
    if (present && (privileges::in_schema(one.type) || !one.schema.empty())) kept_schema(one.db, privileges::schema(one), path + ".schema");
    const std::vector<std::string> objects = privileges::objects(one);
    if (objects.empty()) error(path + ".objs", "is missing", privileges::has_all(one.type) ? "write names, or ALL_IN_SCHEMA" : "write names");
    for (const std::string& object : objects) {
      if (present && one.type == PrivilegeType::schema) kept_schema(one.db, object, path + ".objs");
      if (present && one.type == PrivilegeType::database && dropped_databases_.contains(object))
        error(path + ".objs", words::shown(object) + " has state: absent in postgresql_databases", "name another database, or let this one stay");
      if (object == privileges::all_in_schema && !privileges::has_all(one.type))
        error(path + ".objs", "ALL_IN_SCHEMA does not go with the type " + type, "write names");
      if (object == privileges::all_in_schema && objects.size() > 1)
        error(path + ".objs", "ALL_IN_SCHEMA includes the other names", "write it alone, or remove it");
      if (one.type == PrivilegeType::default_privs) kind(object, one, path + ".objs");
    }
    const std::vector<std::string> written = privileges::items(one.privs);
    if (written.empty()) error(path + ".privs", "is missing", "write some, or ALL");
    std::set<std::string> bad;
    for (const std::string& object : objects) {
      const auto known = privileges::known(one.type, object, spec_.postgresql_version);
      for (const std::string& word : privileges::words(one, object, spec_.postgresql_version)) {
        if (known.empty() || !bad.insert(word).second) continue;
        bad.erase(word);
        if (std::find(known.begin(), known.end(), word) == known.end()) {
          bad.insert(word);
          const auto near = words::nearest(word, known);
          const bool all = word == "ALL" || word == "ALL PRIVILEGES";
          error(path + ".privs",
                all ? "ALL includes the other privileges"
                    : (one.type == PrivilegeType::default_privs ? object + " have" : "the type " + type + " has") + " no privilege " +
                          words::shown(word),
                all            ? "write it alone, or remove it"
                : near.empty() ? "it takes " + words::one_of(known) + ", or ALL"
                               : "did you mean " + std::string(near) + "?");
          continue;
        }
        for (const std::string& maker : privileges::makers(spec_, one)) {
          const Atom atom{one.db, privileges::role(one), type, privileges::schema(one), maker, word, object};
          const auto [found, first] = atoms_.emplace(atom, std::pair{one.state, path});
          if (first) continue;
          if (found->second.first == one.state)
            error(path + ".privs", word + " on " + object + " is given twice", "remove one of them");
          else
            error(path + ".state", word + " on " + object + " is to be present and absent", "keep one of them");
        }
      }
    }
  }

  void kind(const std::string& object, const PrivilegeSpec& one, const std::string& path) {
    static const std::vector<std::string_view> known{"TABLES", "SEQUENCES", "FUNCTIONS", "TYPES", "SCHEMAS"};
    if (std::find(known.begin(), known.end(), object) == known.end()) {
      const auto near = words::nearest(object, known);
      error(path, "there are no default privileges on " + words::shown(object),
            near.empty() ? "write " + words::one_of(known) + ", or ALL_DEFAULT" : "did you mean " + std::string(near) + "?");
    } else if (object == "SCHEMAS" && !one.schema.empty()) {
      error(path, "a schema is in no schema", "remove schema");
    }
  }

  // All objects of a schema are to have a privilege that one of them is not to have, or the other way round.
  void contradictions() {
    for (const auto& [atom, found] : atoms_) {
      if (atom.back() == privileges::all_in_schema) continue;
      Atom whole = atom;
      whole.back() = privileges::all_in_schema;
      const auto other = atoms_.find(whole);
      if (other != atoms_.end() && other->second.first != found.first)
        error(found.second + ".state", atom[5] + " on " + atom.back() + " contradicts " + other->second.second + " with ALL_IN_SCHEMA",
              "keep one of them");
    }
  }

  using Atom = std::array<std::string, 7>;  ///< database, role, type, schema, maker, privilege, object
  const Spec& spec_;
  std::vector<Diagnostic>& findings_;
  std::map<Atom, std::pair<ObjectState, std::string>> atoms_;                             ///< with the item's path
  std::set<std::pair<std::string, std::string>> schemas_, dropped_schemas_, extensions_;  ///< database and name
  std::set<std::string> roles_, dropped_roles_, databases_, dropped_databases_;
};

}  // namespace

std::optional<std::int64_t> time_of(const std::string& valid_until) {
  static const std::regex form(
      "([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?)?(?: ?(Z|UTC|([+-])([0-9]{2})(?::?([0-9]{2}))?))?");
  std::smatch parts;
  if (valid_until.size() > 40 || !std::regex_match(valid_until, parts, form)) return std::nullopt;
  const auto number = [&](std::size_t n) { return parts[n].matched ? std::stoi(parts[n]) : 0; };
  const std::chrono::year_month_day day{std::chrono::year(number(1)), std::chrono::month(static_cast<unsigned>(number(2))),
                                        std::chrono::day(static_cast<unsigned>(number(3)))};
  if (!day.ok() || number(1) < 1970 || number(4) > 23 || number(5) > 59 || number(6) > 59 || number(9) > 15 || number(10) > 59) return std::nullopt;
  const std::int64_t local =
      std::chrono::sys_days(day).time_since_epoch().count() * std::int64_t{86400} + number(4) * 3600 + number(5) * 60 + number(6);
  const int ahead = number(9) * 3600 + number(10) * 60;
  return parts[8] == "-" ? local + ahead : local - ahead;
}

std::string utc_time(std::int64_t seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto rest = (time - day).count();
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}+00", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), rest / 3600, rest / 60 % 60, rest % 60);
}

void check_objects(const Spec& spec, std::vector<Diagnostic>& findings) { ObjectChecker(spec, findings).check(); }

}  // namespace pgcluster
