// Schemas: what is in databases.
#include <functional>

#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "base/nearest.hpp"
#include "component/postgresql/contents.hpp"
#include "component/postgresql/sql_step.hpp"

namespace pgcluster {
namespace {

// What one step does in the databases, and the lines of its diff.
struct Work {
  std::map<std::string, std::string> scripts{};  ///< statements, by database
  std::string before{}, after{}, reason{};
};

// The server that takes writes, and what is in its databases.
struct Scene {
  const View& view;
  const TopologyHost& host;
  const Server& server;
  const Contents& contents;
  bool pending = false;  ///< an earlier step of the plan may change what the databases hold

  bool is_there(const std::string& database) const { return server.databases.contains(database); }
  /// What the database holds; nothing where an earlier step is about to create it.
  const DatabaseContents& of(const std::string& database) const {
    static const DatabaseContents nothing;
    const auto found = contents.databases.find(database);
    return found == contents.databases.end() ? nothing : found->second;
  }
};

Refused no_such_database(const Scene& scene, const std::string& database, const std::string& path) {
  std::vector<std::string_view> known;
  for (const DatabaseSpec& one : scene.view->spec.postgresql_databases) known.push_back(one.db);
  const auto near = nearest(database, known);
  return Refused{{.message = "there is no database " + database + ", neither in the spec nor on the server",
                  .hint = near.empty() ? "add - { db: " + database + " } to postgresql_databases" : "did you mean " + std::string(near) + "?",
                  .path = path}};
}

using DecideWork = std::function<std::optional<Decision>(const Scene&, Work&)>;
struct WorkStep {
  StepRef name;
  std::set<std::string> databases;  ///< where it may have something to do
  std::string title;                ///< of its diff
  Action action = Action::run;
  std::chrono::milliseconds limit{60'000};
};

// A step that works in databases: decided on the server that takes writes, and done there by one psql, a transaction for each database.
StepPtr work_step(const View& view, WorkStep wish, DecideWork decide) {
  auto whole = [view, wish, decide = std::move(decide)](const Answers& answers) -> Decision {
    const TopologyHost* host = writable_host(*view, answers);
    if (!host) return nobody_writes(*view, answers, Action::run);
    const Ask ask = contents_ask(*view, *host);
    const Scene scene{view, *host, answers.read(server_ask(*view, *host), read_server), answers.read(ask, read_contents), answers.pending(ask)};
    for (const std::string& database : wish.databases)
      if (scene.is_there(database) && !scene.contents.databases.contains(database))
        return Later{.until = "the server of " + host->name + " tells what is in the database " + database,
                     .action = Action::run,
                     .seen = scene.contents.seen};
    Work work;
    if (auto decided = decide(scene, work)) return *std::move(decided);
    if (work.scripts.empty()) return Done{};
    std::string script;
    for (const auto& [database, statements] : work.scripts)
      script += into_database(database) + "set synchronous_commit = 'local';\nbegin;\n" + statements + "commit;\n";
    Change change = on_server(view, *host, script, "sql:contents", wish.title);
    change.todo.front().limit = wish.limit + std::chrono::seconds(2) * work.scripts.size();
    change.action = wish.action;
    change.diff = unified_diff(wish.title, work.before, work.after);
    change.reason = std::move(work.reason);
    return change;
  };
  return make_step(wish.name, {.asks = {}, .decide = whole, .settle = std::chrono::seconds(60), .common = view->derived(object_asks)});
}

template <class Record>
std::set<std::string> databases_of(const std::vector<Record>& records) {
  std::set<std::string> all;
  for (const Record& one : records) all.insert(one.db);
  return all;
}

StepPtr schemas_step(const View& view) {
  auto decide = [view](const Scene& scene, Work& work) -> std::optional<Decision> {
    const std::set<std::string> described = described_objects(view->spec).databases;
    for (const SchemaSpec& wish : view->spec.postgresql_schemas) {
      if (wish.state == ObjectState::absent) continue;
      if (!scene.is_there(wish.db) && !described.contains(wish.db))
        return no_such_database(scene, wish.db, "postgresql_schemas." + wish.schema + ".db");
      const std::string owner = wish.owner.empty() ? view->spec.patroni_superuser_username : wish.owner;
      const auto& schemas = scene.of(wish.db).schemas;
      const auto found = schemas.find(wish.schema);
      const bool is_there = found != schemas.end();
      if (is_there && (wish.owner.empty() || found->second == owner)) continue;
      const std::string shown = wish.schema + " of " + wish.db;
      if (is_there) work.before += shown + ": owner " + found->second + "\n";
      work.after += shown + ": owner " + owner + "\n";
      work.scripts[wish.db] += is_there ? "alter schema " + sql_identifier(wish.schema) + " owner to " + sql_identifier(owner) + ";\n"
                                        : "create schema " + sql_identifier(wish.schema) + " authorization " + sql_identifier(owner) + ";\n";
      append(work.reason, shown + (is_there ? " has another owner" : " is not there"));
    }
    return std::nullopt;
  };
  return work_step(view,
                   {.name = {"", "patroni", "schemas"},
                    .databases = databases_of(view->spec.postgresql_schemas),
                    .title = "schemas",
                    .limit = std::chrono::seconds(60) + std::chrono::milliseconds(50) * view->spec.postgresql_schemas.size()},
                   decide);
}

// Drops what has state: absent, all of a database at once: then they may need each other.
StepPtr dropped_step(const View& view, const std::string& object, const std::set<Objects::Inside>& names,
                     std::map<std::string, std::string> DatabaseContents::*needed,
                     std::function<bool(const DatabaseContents&, const std::string&)> has, const std::string& hint) {
  std::set<std::string> databases;
  for (const auto& [database, name] : names) databases.insert(database);
  auto decide = [=](const Scene& scene, Work& work) -> std::optional<Decision> {
    std::map<std::string, std::string> lists;
    for (const auto& [database, name] : names) {
      const DatabaseContents& contents = scene.of(database);
      if (!has(contents, name)) continue;
      const auto& reasons = contents.*needed;
      if (const auto found = reasons.find(name); found != reasons.end()) {
        if (scene.pending) return Later{.until = "nothing needs the " + object + " " + name + " of " + database + " any more", .action = Action::run};
        return Refused{
            {.message = "the " + object + " " + name + " of the database " + database + " cannot be dropped: it is needed by " + found->second,
             .hint = hint,
             .path = "postgresql_" + object + "s." + name},
            Code::refused,
            scene.host.name};
      }
      append(lists[database], sql_identifier(name));
      work.before += name + " of " + database + "\n";
    }
    for (const auto& [database, list] : lists) work.scripts[database] = "drop " + object + " " + list + ";\n";
    work.reason = "state: absent in the spec";
    return std::nullopt;
  };
  return work_step(view,
                   {.name = {"", "patroni", "dropped-" + object + "s"},
                    .databases = databases,
                    .title = "dropped " + object + "s",
                    .action = Action::remove,
                    .limit = std::chrono::seconds(60) + std::chrono::milliseconds(200) * names.size()},
                   decide);
}

}  // namespace

Steps contents_steps(const View& view) {
  std::vector<Steps> steps;
  if (!described_objects(view->spec).schemas.empty()) steps.push_back(schemas_step(view));
  return sequence(std::move(steps));
}

Steps dropped_contents_steps(const View& view) {
  const Objects dropped = dropped_objects(view->spec);
  std::vector<Steps> steps;
  if (!dropped.schemas.empty())
    steps.push_back(dropped_step(
        view, "schema", dropped.schemas, &DatabaseContents::schema_needed,
        [](const DatabaseContents& contents, const std::string& name) { return contents.schemas.contains(name); },
        "drop them, or move them to another schema (alter … set schema); then plan again"));
  return sequence(std::move(steps));
}

}  // namespace pgcluster
