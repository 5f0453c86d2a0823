// What is in databases: schemas, extensions, privileges.
#include <algorithm>
#include <functional>

#include <nlohmann/json.hpp>

#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "base/nearest.hpp"
#include "component/postgresql/contents.hpp"
#include "component/postgresql/sql_step.hpp"
#include "spec/privileges.hpp"

namespace pgcluster {

namespace shell {
extern const char* const change_privileges;
}

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
  const Answers& answers;
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
    const Scene scene{
        view, *host, answers.read(server_ask(*view, *host), read_server), answers.read(ask, read_contents), answers, answers.pending(ask)};
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

// Where Debian's packages have an extension that PostgreSQL's own do not; %s: the major version.
std::string package_of(const View& view, const std::string& host, const std::string& extension) {
  static const std::map<std::string, std::string> known{{"postgis", "postgresql-%-postgis-3"},
                                                        {"postgis_raster", "postgresql-%-postgis-3"},
                                                        {"postgis_topology", "postgresql-%-postgis-3"},
                                                        {"vector", "postgresql-%-pgvector"},
                                                        {"pg_cron", "postgresql-%-cron"},
                                                        {"pg_partman", "postgresql-%-partman"},
                                                        {"pg_repack", "postgresql-%-repack"},
                                                        {"pgaudit", "postgresql-%-pgaudit"},
                                                        {"hypopg", "postgresql-%-hypopg"},
                                                        {"plpython3u", "postgresql-plpython3-%"},
                                                        {"plperl", "postgresql-plperl-%"},
                                                        {"pltcl", "postgresql-pltcl-%"}};
  const std::string& os = view->platform(host).os_id;
  const auto found = known.find(extension);
  if (found == known.end() || (os != "debian" && os != "ubuntu")) return {};
  std::string name = found->second;
  return name.replace(name.find('%'), 1, std::to_string(view->spec.postgresql_version));
}

// Every host must have the files of the extension: the next leader, too. `wanted`: the version; empty: any.
std::optional<Refused> no_files(const View& view, const Answers& answers, const ExtensionSpec& wish, const std::string& wanted) {
  for (const TopologyHost* host : view->topology.with(Role::postgres)) {
    const Contents& contents = answers.read(contents_ask(*view, *host), read_contents);
    if (!contents.answers) continue;
    const std::string path = "postgresql_extensions." + wish.ext;
    const auto found = contents.available.find(wish.ext);
    if (found == contents.available.end()) {
      const std::string package = package_of(view, host->name, wish.ext);
      return Refused{
          {.message = host->name + " has no files of the extension " + wish.ext,
           .hint = (package.empty() ? "install the package that has them" : "install " + package) +
                   " on every database host, or correct the name; `select name from pg_available_extensions` lists those that the host has",
           .path = path},
          Code::refused,
          host->name};
    }
    if (wanted.empty() || found->second.versions.contains(wanted)) continue;
    return Refused{{.message = host->name + " has no version " + wanted + " of the extension " + wish.ext,
                    .hint = "it has " + joined(found->second.versions, ", ", [](const auto& one) { return one.first; }),
                    .path = path + ".version"},
                   Code::refused,
                   host->name};
  }
  return std::nullopt;
}

// An extension that is to be created, and in which order: it comes after those that it requires.
struct NewExtension {
  const ExtensionSpec* wish;
  std::string schema;
  std::set<std::string> awaits;
};

class ExtensionWork {
 public:
  ExtensionWork(const View& view, const Scene& scene, const Answers& answers, Work& work)
      : view_(view), scene_(scene), answers_(answers), work_(work), described_(described_objects(view->spec)) {}

  std::optional<Decision> decide() {
    for (const ExtensionSpec& wish : view_->spec.postgresql_extensions) {
      if (wish.state == ObjectState::absent) continue;
      if (!scene_.is_there(wish.db) && !described_.databases.contains(wish.db))
        return no_such_database(scene_, wish.db, "postgresql_extensions." + wish.ext + ".db");
      const auto& installed = scene_.of(wish.db).extensions;
      const auto found = installed.find(wish.ext);
      if (auto refused = found == installed.end() ? create(wish) : change(wish, found->second)) return *std::move(refused);
    }
    create_in_order();
    return std::nullopt;
  }

 private:
  // The version that the spec asks for; empty: none. Each host is asked for its files first.
  std::string version_of(const ExtensionSpec& wish) const {
    return wish.version == "latest" ? scene_.contents.available.at(wish.ext).standard : wish.version;
  }
  std::string shown(const ExtensionSpec& wish) const { return wish.ext + " of " + wish.db; }

  std::optional<Refused> create(const ExtensionSpec& wish) {
    if (auto refused = no_files(view_, answers_, wish, wish.version == "latest" ? "" : wish.version)) return refused;
    const auto available = scene_.contents.available.find(wish.ext);
    if (available == scene_.contents.available.end()) return std::nullopt;
    const std::string version = version_of(wish);
    const auto known = available->second.versions.find(version.empty() ? available->second.standard : version);
    const ExtensionVersion made = known == available->second.versions.end() ? ExtensionVersion{} : known->second;
    const std::string path = "postgresql_extensions." + wish.ext;
    if (!made.schema.empty() && !wish.schema.empty() && made.schema != wish.schema)
      return Refused{{.message = "the extension " + wish.ext + " can be in the schema " + made.schema + " only, and the spec says " + wish.schema,
                      .hint = "remove schema, or write " + made.schema,
                      .path = path + ".schema"}};
    const std::string schema = !made.schema.empty() ? made.schema : wish.schema.empty() ? "public" : wish.schema;
    if (scene_.is_there(wish.db) && made.schema.empty() && !scene_.of(wish.db).schemas.contains(schema) &&
        !described_.schemas.contains({wish.db, schema}))
      return Refused{{.message = "there is no schema " + schema + " in the database " + wish.db + " for the extension " + wish.ext,
                      .hint = "add - { schema: " + schema + ", db: " + wish.db + " } to postgresql_schemas, or name another schema",
                      .path = path + ".schema"}};
    NewExtension one{&wish, made.schema.empty() ? schema : "", {}};
    for (const std::string& needed : made.requires_) {
      if (scene_.of(wish.db).extensions.contains(needed)) continue;
      if (!described_.extensions.contains({wish.db, needed}))
        return Refused{{.message = "the extension " + wish.ext + " requires the extension " + needed + " in the database " + wish.db,
                        .hint = "add - { ext: " + needed + ", db: " + wish.db + " } to postgresql_extensions",
                        .path = path}};
      one.awaits.insert(needed);
    }
    new_[wish.db].push_back(std::move(one));
    return std::nullopt;
  }

  std::optional<Refused> change(const ExtensionSpec& wish, const ExtensionState& is) {
    const std::string path = "postgresql_extensions." + wish.ext, name = sql_identifier(wish.ext);
    if (!wish.version.empty())
      if (auto refused = no_files(view_, answers_, wish, wish.version == "latest" || wish.version == is.version ? "" : wish.version)) return refused;
    const std::string version = wish.version == "latest" && !scene_.contents.available.contains(wish.ext) ? is.version : version_of(wish);
    const bool updates = !version.empty() && version != is.version, moves = !wish.schema.empty() && wish.schema != is.schema;
    if (updates && !is.updates.contains(version))
      return Refused{{.message = "no update leads from version " + is.version + " of the extension " + wish.ext + " to " + version,
                      .hint = is.updates.empty() ? "write " + is.version : "write one of " + joined(is.updates),
                      .path = path + ".version"}};
    if (moves && !is.relocatable)
      return Refused{{.message = "the extension " + wish.ext + " of the database " + wish.db + " is in the schema " + is.schema +
                                 ", and cannot be moved to " + wish.schema,
                      .hint = "write schema: " + is.schema + ", or drop it (state: absent) and create it again",
                      .path = path + ".schema"}};
    if (moves && !scene_.of(wish.db).schemas.contains(wish.schema) && !described_.schemas.contains({wish.db, wish.schema}))
      return Refused{{.message = "there is no schema " + wish.schema + " in the database " + wish.db + " for the extension " + wish.ext,
                      .hint = "add - { schema: " + wish.schema + ", db: " + wish.db + " } to postgresql_schemas, or name another schema",
                      .path = path + ".schema"}};
    if (updates) work_.scripts[wish.db] += "alter extension " + name + " update to " + sql_literal(version) + ";\n";
    if (moves) work_.scripts[wish.db] += "alter extension " + name + " set schema " + sql_identifier(wish.schema) + ";\n";
    if (!updates && !moves) return std::nullopt;
    work_.before += shown(wish) + ": version " + is.version + ", schema " + is.schema + "\n";
    work_.after += shown(wish) + ": version " + (updates ? version : is.version) + ", schema " + (moves ? wish.schema : is.schema) + "\n";
    append(work_.reason, shown(wish) + (updates ? " has version " + is.version : " is in the schema " + is.schema));
    return std::nullopt;
  }

  void create_in_order() {
    for (auto& [database, of_database] : new_) {
      auto& all = of_database;
      while (!all.empty()) {
        auto next = std::find_if(all.begin(), all.end(), [&](const NewExtension& one) {
          return std::none_of(all.begin(), all.end(), [&](const NewExtension& other) { return one.awaits.contains(other.wish->ext); });
        });
        if (next == all.end()) next = all.begin();  // PostgreSQL itself refuses a circle
        const ExtensionSpec& wish = *next->wish;
        const std::string version = version_of(wish);
        work_.scripts[database] += "create extension " + sql_identifier(wish.ext) +
                                   (next->schema.empty() ? "" : " schema " + sql_identifier(next->schema)) +
                                   (version.empty() ? "" : " version " + sql_literal(version)) + ";\n";
        work_.after += shown(wish) + ": version " + (version.empty() ? scene_.contents.available.at(wish.ext).standard : version) +
                       (next->schema.empty() ? "" : ", schema " + next->schema) + "\n";
        append(work_.reason, shown(wish) + " is not there");
        all.erase(next);
      }
    }
  }

  const View& view_;
  const Scene& scene_;
  const Answers& answers_;
  Work& work_;
  const Objects described_;
  std::map<std::string, std::vector<NewExtension>> new_;
};

StepPtr extensions_step(const View& view) {
  return work_step(view,
                   {.name = {"", "patroni", "extensions"},
                    .databases = databases_of(view->spec.postgresql_extensions),
                    .title = "extensions",
                    .limit = std::chrono::seconds(60) + std::chrono::seconds(30) * view->spec.postgresql_extensions.size()},
                   [view](const Scene& scene, Work& work) { return ExtensionWork(view, scene, scene.answers, work).decide(); });
}

// "SELECT, INSERT on all tables in sales of shop".
std::string in_words(const GrantItem& item) {
  const Objects::Grant& grant = item.grant;
  std::string type = grant.type == "default_privs" ? "future" : grant.type;
  std::replace(type.begin(), type.end(), '_', ' ');
  std::string text =
      grant.role + ": " + joined(item.words) + " on " + (item.objects.empty() ? "all " + type + "s" : type + " " + joined(item.objects));
  if (!grant.maker.empty()) text += " of " + grant.maker;
  if (!grant.schema.empty()) text += " in " + grant.schema;
  return text + " of " + grant.db;
}

bool privileges_have_all(const std::string& type) { return type == "table" || type == "sequence" || type == "function" || type == "procedure"; }

StepPtr privileges_step(const View& view) {
  const auto items = view->derived(grant_items);
  auto decide = [view, items](const Scene& scene, Work& work) -> std::optional<Decision> {
    const Objects described = described_objects(view->spec);
    std::map<std::string, nlohmann::json> changes;
    bool unknown = false;
    const auto has_role = [&](const std::string& role) {
      return role.empty() || role == privileges::everybody || scene.server.roles.contains(role) || described.roles.contains(role);
    };
    for (std::size_t i = 0; i < items->size(); ++i) {
      const GrantItem& item = (*items)[i];
      const Objects::Grant& grant = item.grant;
      const std::string path = "postgresql_privs." + grant.role;
      if (!item.take) {
        for (const std::string& role : {grant.role, grant.maker})
          if (!has_role(role)) return no_such_role(view, scene.server, role, path);
        if (!scene.is_there(grant.db) && !described.databases.contains(grant.db)) return no_such_database(scene, grant.db, path + ".db");
      }
      if (!scene.is_there(grant.db)) {
        unknown = unknown || !item.take;
        continue;
      }
      const DatabaseContents& contents = scene.of(grant.db);
      const auto found = contents.grants.find(static_cast<int>(i));
      const GrantState is = found == contents.grants.end() ? GrantState{} : found->second;
      if (!item.take && !grant.schema.empty() && !contents.schemas.contains(grant.schema)) {
        if (!scene.pending && !described.schemas.contains({grant.db, grant.schema}))
          return Refused{{.message = "there is no schema " + grant.schema + " in the database " + grant.db + " for the privileges of " + grant.role,
                          .hint = "add - { schema: " + grant.schema + ", db: " + grant.db + " } to postgresql_schemas, or name another schema",
                          .path = path + ".schema"}};
        unknown = true;
      } else if (!item.take && !is.missing.empty()) {
        if (!scene.pending && grant.type != "schema")
          return Refused{
              {.message = "there is no " + grant.type + " " + *is.missing.begin() + (grant.schema.empty() ? "" : " in the schema " + grant.schema) +
                          " of the database " + grant.db + " for the privileges of " + grant.role,
               .hint = "create it first, correct the name" + std::string(privileges_have_all(grant.type) ? ", or write ALL_IN_SCHEMA" : ""),
               .path = path + ".objs"}};
        for (const std::string& name : is.missing)
          if (grant.type == "schema" && !described.schemas.contains({grant.db, name}) && !scene.pending)
            return Refused{{.message = "there is no schema " + name + " in the database " + grant.db + " for the privileges of " + grant.role,
                            .hint = "add - { schema: " + name + ", db: " + grant.db + " } to postgresql_schemas, or correct the name",
                            .path = path + ".objs"}};
        unknown = true;
      } else if (is.due > 0) {
        changes[grant.db]["privileges"].push_back(grant_json(item, static_cast<int>(i)));
        (item.take ? work.before : work.after) += in_words(item) + "\n";
        append(work.reason, in_words(item) + (item.take             ? " is to be revoked"
                                              : is.due < is.objects ? " is granted on some only"
                                                                    : " is not granted"));
      }
    }
    // What an earlier step of the plan creates may be the first that lacks a privilege.
    if (unknown || (scene.pending && changes.empty() && !items->empty()))
      return Later{.until = "the databases have what the privileges are on", .action = Action::run};
    for (const auto& [database, asked] : changes)
      work.scripts[database] = "\\set asked " + psql_argument(asked.dump()) + "\n" + due_privileges(view->spec.postgresql_version) +
                               shell::change_privileges + "\n\\gexec\n";
    return std::nullopt;
  };
  std::set<std::string> databases;
  for (const GrantItem& item : *items) databases.insert(item.grant.db);
  return work_step(view,
                   {.name = {"", "patroni", "privileges"},
                    .databases = databases,
                    .title = "privileges",
                    .limit = std::chrono::seconds(60) + std::chrono::milliseconds(500) * items->size()},
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
  if (!described_objects(view->spec).extensions.empty()) steps.push_back(extensions_step(view));
  if (!view->derived(grant_items)->empty()) steps.push_back(privileges_step(view));
  return sequence(std::move(steps));
}

Steps dropped_contents_steps(const View& view) {
  const Objects dropped = dropped_objects(view->spec);
  std::vector<Steps> steps;
  if (!dropped.extensions.empty())
    steps.push_back(dropped_step(
        view, "extension", dropped.extensions, &DatabaseContents::extension_needed,
        [](const DatabaseContents& contents, const std::string& name) { return contents.extensions.contains(name); },
        "drop them, or let the extension stay; then plan again"));
  if (!dropped.schemas.empty())
    steps.push_back(dropped_step(
        view, "schema", dropped.schemas, &DatabaseContents::schema_needed,
        [](const DatabaseContents& contents, const std::string& name) { return contents.schemas.contains(name); },
        "drop them, or move them to another schema (alter … set schema); then plan again"));
  return sequence(std::move(steps));
}

}  // namespace pgcluster
