#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "component/postgresql/objects.hpp"
#include "component/postgresql/sql.hpp"

// What is in the databases: schemas. A server answers for one database at a time, so this is a question of its own beside server_ask().
namespace pgcluster {

/// What one database has, of what is described, or once was.
struct DatabaseContents {
  std::map<std::string, std::string> schemas{};        ///< owners, by name
  std::map<std::string, std::string> schema_needed{};  ///< what keeps a schema that is to be dropped, in words
};

struct Contents {
  bool answers = false;
  std::map<std::string, DatabaseContents> databases{};  ///< by name; only of a server that takes writes
  std::string seen{};                                   ///< what psql said against it
};

/// Whether the spec describes something that is in a database, or once did.
bool has_contents(const ClusterView& view);
/// One psql for all databases, and one query in each of them. Only the server that takes writes is asked more than that.
Ask contents_ask(const ClusterView& view, const TopologyHost& host);
Contents read_contents(const Answer& answer);
/// server_asks(), and contents_ask() of each host where there is something to ask.
std::vector<Ask> object_asks(const ClusterView& view);
/// How the script of contents_ask() begins.
extern const std::string_view contents_head;

/// Schemas: "cluster/patroni/schemas". They come after databases.
Steps contents_steps(const std::shared_ptr<const ClusterView>& view);
/// What is dropped of them, before databases and roles are.
Steps dropped_contents_steps(const std::shared_ptr<const ClusterView>& view);

}  // namespace pgcluster
