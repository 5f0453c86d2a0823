#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "component/postgresql/objects.hpp"
#include "component/postgresql/sql.hpp"

// What is in the databases: schemas, extensions and privileges. A server answers for one database at a time, so this is a question of its own beside
// server_ask().
namespace pgcluster {

struct ExtensionState {
  std::string version, schema;
  bool relocatable = false;         ///< its objects can be moved to another schema
  std::set<std::string> updates{};  ///< versions that an update leads to
};
/// A version of an extension that a host has the files of.
struct ExtensionVersion {
  std::string schema{};               ///< that it demands
  std::set<std::string> requires_{};  ///< extensions
};
struct AvailableExtension {
  std::string standard{};  ///< the default version
  std::map<std::string, ExtensionVersion> versions{};
};

/// What a server has of one item of the question about privileges.
struct GrantState {
  std::int64_t objects = 0;         ///< that the item means
  std::int64_t due = 0;             ///< of these, such as lack a privilege; or have one that is to be taken
  std::set<std::string> missing{};  ///< names that no object has
};

/// What one database has, of what is described, or once was.
struct DatabaseContents {
  std::map<std::string, std::string> schemas{};        ///< owners, by name
  std::map<std::string, std::string> schema_needed{};  ///< what keeps a schema that is to be dropped, in words
  std::map<std::string, ExtensionState> extensions{};
  std::map<std::string, std::string> extension_needed{};
  std::map<int, GrantState> grants{};  ///< by their number in the question
};

struct Contents {
  bool answers = false;
  std::map<std::string, DatabaseContents> databases{};    ///< by name; only of a server that takes writes
  std::map<std::string, AvailableExtension> available{};  ///< extensions that the host has the files of
  std::string seen{};                                     ///< what psql said against it
};

/// One question about privileges: some that a role is to have on objects, or is not to have any more.
struct GrantItem {
  Objects::Grant grant;           ///< without the object
  std::set<std::string> objects;  ///< empty: all of the schema
  std::set<std::string> words;
  bool take = false;
  std::set<std::string> held{};  ///< objects that keep the privilege that is taken
};
/// All of the view; the position of an item is its number.
std::vector<GrantItem> grant_items(const ClusterView& view);
nlohmann::json grant_json(const GrantItem& item, int number);

/// Whether the spec describes something that is in a database, or once did.
bool has_contents(const ClusterView& view);
/// One psql for all databases, and one query in each of them. Only the server that takes writes is asked more than that.
Ask contents_ask(const ClusterView& view, const TopologyHost& host);
Contents read_contents(const Answer& answer);
/// server_asks(), and contents_ask() of each host where there is something to ask.
std::vector<Ask> object_asks(const ClusterView& view);
/// Common table expressions: which of the objects of the items, psql's variable `asked`, still need a change.
std::string due_privileges(int version);
/// How the script of contents_ask() begins.
extern const std::string_view contents_head;

/// Schemas, then extensions, then privileges: "cluster/patroni/schemas", "cluster/patroni/extensions", "cluster/patroni/privileges". They come after
/// databases.
Steps contents_steps(const std::shared_ptr<const ClusterView>& view);
/// What is dropped of them, before databases and roles are.
Steps dropped_contents_steps(const std::shared_ptr<const ClusterView>& view);

}  // namespace pgcluster
