#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "component/postgresql/contents.hpp"
#include "component/postgresql/sql.hpp"

namespace pgcluster {

/// What all servers of a simulated cluster hold: roles, databases, and the function that PgBouncer calls.
struct SqlCatalog {
  std::map<std::string, RoleState> roles{};
  std::map<std::string, DatabaseState> databases{};
  std::map<std::string, DatabaseContents> contents{};  ///< by database
  /// Privileges, by database and by what they are on; simulated tables exist as soon as somebody asks for them.
  std::map<std::string, std::map<std::string, std::set<std::string>>> granted{};
  std::optional<UserSearch> search{};
  std::map<std::string, std::string> session_settings{};  ///< of ALTER ROLE ALL SET

  /// The statements that components make; empty, or what PostgreSQL says against it.
  std::string run(const std::string& script, const std::string& superuser);
  /// The answer to contents_ask().
  std::string contents_json(const std::string& script, bool recovery) const;
  /// The answer to server_ask(). `config`: the mark of the file that Patroni has read.
  std::string json(int version, bool recovery, const std::string& started, const std::string& config,
                   const std::map<std::string, std::string>& running, const std::set<std::string>& slots, bool reloaded,
                   const std::string& query) const;
};

/// A parameter that changes only with a restart.
bool postmaster_parameter(int version, const std::string& name);
/// What it is where nobody sets it.
std::string boot_value(int version, const std::string& name);

}  // namespace pgcluster
