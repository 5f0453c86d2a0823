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
/// A name as a field of a line: quoted, so that it is never read as a keyword.
std::string hba_name(const std::string& name);

/// The first lines of pg_hba.conf, which the cluster needs to work: connections through the Unix sockets, and from the addresses of members and of
/// other hosts.
std::vector<std::string> internal_hba_lines(const Spec& spec, const std::vector<std::string>& members, const std::vector<std::string>& others);

/// Whether every connection that matches `later` also matches `earlier`. PostgreSQL resolves +group and @file at run time, so such a field is only
/// covered by an equal field or by `all`.
bool covers(const HbaLine& earlier, const HbaLine& later);

/// If `line` admits the superuser without naming it (all, +group, /regex): a line that rejects the same connections for the superuser only. Empty if
/// `line` names the superuser, rejects, or is local.
std::optional<HbaLine> without_superuser(const HbaLine& line, const std::string& superuser);

/// The lines of PgBouncer's rules file for a line of pg_hba.conf. PgBouncer supports fewer keywords. `lost` describes a part that PgBouncer does not
/// support, or logins that PostgreSQL accepts and PgBouncer rejects; empty if there is none.
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
