#pragma once

#include <optional>
#include <string>
#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// A line of pg_hba.conf.
struct HbaLine {
  /// One of the words of a field, which commas separate. In quotes a keyword such as `all` is a plain name.
  struct Item {
    std::string text;
    bool quoted = false;
    friend bool operator==(const Item&, const Item&) = default;
  };
  using Field = std::vector<Item>;

  std::string type;
  Field databases, users;
  std::string address;  ///< of a host; empty for local
  std::string mask;     ///< where it stands apart from the address
  std::string method;
  std::vector<std::string> options;
};

/// As PostgreSQL reads it. Empty for a line with too few fields, or a quote without its end.
std::optional<HbaLine> parse_hba(const std::string& text);
std::string to_string(const HbaLine& line);
/// A name as a field of a line has it: in quotes, so that it is never a keyword.
std::string hba_name(const std::string& name);

/// The first lines of pg_hba.conf, without which there is no cluster: by the Unix sockets, and from the addresses of members and of other hosts.
std::vector<std::string> internal_hba_lines(const Spec& spec, const std::vector<std::string>& members, const std::vector<std::string>& others);

/// Whether each connection that matches `later` matches `earlier`, too. A line that PostgreSQL decides by the roles of its groups, or by a file,
/// counts as covered by one with the same words only.
bool covers(const HbaLine& earlier, const HbaLine& later);

/// The line that keeps the superuser out where `line` lets in everybody, and so the superuser: the same connections, but for this role only. Empty
/// where the line names the role, or rejects.
std::optional<HbaLine> without_superuser(const HbaLine& line, const std::string& superuser);

/// What PgBouncer's own file of rules has for a line of pg_hba.conf. It knows fewer words. `lost` tells what it does not know, or that it refuses
/// logins that PostgreSQL takes; empty: nothing.
struct PoolerRules {
  std::vector<HbaLine> lines;
  std::string lost;
};
PoolerRules pooler_rules(const HbaLine& line);

/// What is wrong with postgresql_pg_hba: lines that PostgreSQL would refuse, which keeps a server from starting; lines that never match because
/// another stands before them; and lines that hold for PostgreSQL only, and not for PgBouncer.
void check_pg_hba(const Spec& spec, std::vector<Diagnostic>& findings);
/// The same for database_allowed_networks.
void check_allowed_networks(const Spec& spec, std::vector<Diagnostic>& findings);

}  // namespace pgcluster
