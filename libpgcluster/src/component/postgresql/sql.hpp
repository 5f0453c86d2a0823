#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/component/component.hpp>

#include "component/postgresql/postgresql.hpp"

namespace pgcluster {

std::string sql_identifier(std::string_view name);
std::string sql_literal(std::string_view text);

struct RoleState {
  bool superuser = false, createdb = false, createrole = false, inherit = true, login = false, replication = false, bypassrls = false;
  std::string verifier;  ///< what pg_authid keeps; empty: no password
  int connection_limit = -1;
  std::optional<std::int64_t> valid_until{};  ///< seconds since 1970; empty: for ever
  std::map<std::string, bool> member_of{};    ///< roles that it is a member of, of those that are described; whether the superuser granted it
};

struct DatabaseState {
  std::string owner, encoding, collate, ctype;  ///< as pg_database has them
};

/// What PgBouncer's auth_query calls.
struct UserSearch {
  std::string source, config;
  std::string callers;  ///< who may call it: role names, sorted, with commas
  bool definer = false;
  bool reachable = false;  ///< PgBouncer's role may use the schema
};

/// A server as it says itself, through its own socket.
struct Server {
  bool answers = false;
  bool recovery = false;
  std::string started;                             ///< of the postmaster, as text
  std::string config;                              ///< pgcluster.config: the mark of the config.yml that its Patroni has read
  std::map<std::string, Setting> settings;         ///< by name, in the server's spelling
  bool files_read = false;                         ///< it has read its configuration files since they were written
  std::map<std::string, RoleState> roles;          ///< of those that are described, or once were
  std::map<std::string, DatabaseState> databases;  ///< likewise
  std::map<std::string, std::string> needed;       ///< what keeps a role or a database that is to be dropped, in words; by resource: "role app"
  std::optional<UserSearch> user_search;
  std::map<std::string, std::string> session_settings;  ///< of all sessions: ALTER ROLE ALL SET
  bool reloaded = false;                                ///< it has read its settings again since it was started
  std::optional<std::set<std::string>> slots;           ///< names of its replication slots
  std::vector<std::string> md5_roles;                   ///< roles that may log in and whose password is an md5 hash; at most 100

  bool writable() const { return answers && !recovery; }
};

/// All that any step wants to know of a server, in one psql: started once a host, whatever is asked.
Ask server_ask(const ClusterView& view, const TopologyHost& host);
Server read_server(const Answer& answer);

/// psql as the superuser, through the local socket.
std::vector<std::string> psql(const ClusterView& view, const std::string& host, const std::vector<std::string>& more);
/// The lines that lead a script of psql into another database, with the settings of our sessions.
std::string into_database(const std::string& database);
/// The argument as psql's own commands take it.
std::string psql_argument(std::string_view text);
/// Prints "f" where the server takes writes.
Exec recovery_look(const ClusterView& view, const std::string& host);
/// Prints the postmaster's start time as Server::started has it.
Exec start_look(const ClusterView& view, const std::string& host);

/// The one database host whose server takes writes, of those that answered; empty where none does, or several.
const TopologyHost* writable_host(const ClusterView& view, const Answers& answers);
/// What each server is, for who waits for one that takes writes: "pg1 is a replica, pg2: psql: error: …".
std::string servers_in_words(const ClusterView& view, const Answers& answers);
/// Server::md5_roles of the first server that answers; and what is said of them.
std::vector<std::string> md5_roles(const ClusterView& view, const Answers& answers);
Diagnostic md5_warning(const std::vector<std::string>& roles);
std::vector<Ask> server_asks(const ClusterView& view);

/// Roles, databases and PgBouncer's function, each kept on the server that takes writes: "cluster/patroni/roles" and so on.
Steps sql_steps(const ClusterView& view);
/// Whether the server has the passwords of superuser and replication that are wished.
bool knows_passwords(const ClusterView& view, const Server& server);
/// Waits, where a server takes writes, until its role "pgbouncer" has the password that is wished: a PgBouncer that has read the new one before could
/// not look up anybody.
StepPtr pgbouncer_password_gate(const ClusterView& view, const StepRef& name);

}  // namespace pgcluster
