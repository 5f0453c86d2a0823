#include "spec/objects.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <regex>
#include <set>

#include <fmt/format.h>

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

  const Spec& spec_;
  std::vector<Diagnostic>& findings_;
  std::set<std::pair<std::string, std::string>> schemas_, dropped_schemas_;  ///< database and name
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
