#include "component/postgresql/contents.hpp"

#include <cstdlib>
#include <sstream>
#include <tuple>

#include "base/joined.hpp"
#include "base/json.hpp"
#include "component/postgresql/sql_step.hpp"
#include "spec/privileges.hpp"

namespace pgcluster {

using Json = nlohmann::json;

namespace shell {
extern const char *const database_contents, *const due_privileges;
}

std::string due_privileges(int version) {
  std::string query = shell::due_privileges;
  if (version < 11)
    for (const std::string column = "(prokind = 'p')"; query.find(column) != std::string::npos;)
      query.replace(query.find(column), column.size(), "false");
  return query + "\n";
}

std::vector<GrantItem> grant_items(const ClusterView& view) {
  const Objects described = described_objects(view.spec), dropped = dropped_objects(view.spec), left = left_privileges(view);
  // Objects with the same privileges are one item.
  std::map<std::tuple<bool, Objects::Grant, std::set<std::string>, std::set<std::string>, bool>, std::set<std::string>> items;
  const auto add = [&](const Objects::Grant& grant, const std::set<std::string>& words, bool take, const std::set<std::string>& held = {}) {
    Objects::Grant key = grant;
    key.object.clear();
    const bool all = grant.object == privileges::all_in_schema;
    auto& objects = items[{!take, key, words, held, all}];
    if (!all) objects.insert(grant.object);
  };
  for (const auto& [grant, words] : described.privileges) add(grant, words, false);
  for (const Objects* some : {&left, &dropped})
    for (const auto& [grant, words] : some->privileges)
      for (const std::string& word : words) {
        std::set<std::string> held;
        if (grant.object == privileges::all_in_schema)
          for (const auto& [other, kept] : described.privileges)
            if (Objects::Grant whole = other; kept.contains(word) && (whole.object = grant.object, whole == grant)) held.insert(other.object);
        add(grant, {word}, true, held);
      }
  std::vector<GrantItem> all;
  for (const auto& [key, objects] : items) {
    const auto& [give, grant, words, held, whole] = key;
    all.push_back({grant, objects, words, !give, held});
  }
  return all;
}

nlohmann::json grant_json(const GrantItem& item, int number) {
  Json json{{"n", number}, {"take", item.take}, {"type", item.grant.type}, {"privs", item.words}};
  if (item.grant.role != privileges::everybody) json["role"] = item.grant.role;
  if (!item.grant.schema.empty()) json["schema"] = item.grant.schema;
  if (!item.grant.maker.empty()) json["maker"] = item.grant.maker;
  if (!item.objects.empty()) json["objs"] = item.objects;
  if (!item.held.empty()) json["held"] = item.held;
  return json;
}

namespace {

// What is asked of each database.
std::map<std::string, Json> contents_wishes(const ClusterView& view) {
  std::map<std::string, Json> all;
  const Objects described = described_objects(view.spec), dropped = dropped_objects(view.spec), before = remembered_objects(view.facts);
  const auto want = [&](const char* key, const std::set<Objects::Inside>& some) {
    for (const auto& [database, name] : some)
      if (!dropped.databases.contains(database)) all[database][key].push_back(name);
  };
  for (const Objects* one : {&described, &dropped, &before}) {
    want("schemas", one->schemas);
    want("extensions", one->extensions);
  }
  want("dropped_schemas", dropped.schemas);
  want("dropped_extensions", dropped.extensions);
  std::set<Objects::Inside> schemas;
  for (const ExtensionSpec& one : view.spec.postgresql_extensions)
    if (one.state == ObjectState::present) schemas.emplace(one.db, one.schema.empty() ? "public" : one.schema);
  const std::vector<GrantItem> grants = grant_items(view);
  for (std::size_t i = 0; i < grants.size(); ++i) {
    const GrantItem& item = grants[i];
    all[item.grant.db]["privileges"].push_back(grant_json(item, static_cast<int>(i)));
    if (!item.take && !item.grant.schema.empty()) schemas.emplace(item.grant.db, item.grant.schema);
  }
  want("schemas", schemas);
  return all;
}

std::string contents_script(const ClusterView& view) {
  std::string script(contents_head), question = due_privileges(view.spec.postgresql_version) + shell::database_contents;
  std::set<std::string> extensions;
  for (const auto& [database, name] : described_objects(view.spec).extensions) extensions.insert(name);
  if (!extensions.empty())
    script +=
        "select jsonb_build_object('available', (select jsonb_object_agg(name, found) from (select a.name, jsonb_build_object('default',"
        " a.default_version, 'versions', jsonb_object_agg(v.version, jsonb_build_array(v.schema, v.requires))) as found from pg_available_extensions "
        "a"
        " join pg_available_extension_versions v using (name) where a.name in (" +
        joined(extensions, ",", sql_literal) + ") group by a.name, a.default_version) as extensions));\n";
  script += "select pg_is_in_recovery() as recovery \\gset\n\\echo :recovery\n\\if :recovery\n\\else\n";
  for (const auto& [database, wishes] : contents_wishes(view))
    script += "select exists (select from pg_database where datname = " + sql_literal(database) +
              " and datallowconn) as there \\gset\n\\if :there\n" + into_database(database) + "\\set asked " + psql_argument(wishes.dump()) + "\n" +
              question + "\n\\endif\n";
  return script + "\\endif\n";
}

}  // namespace

const std::string_view contents_head = "-- What is in the databases.\n";

bool has_contents(const ClusterView& view) { return !view.derived(contents_wishes)->empty(); }

Ask contents_ask(const ClusterView& view, const TopologyHost& host) {
  const auto wishes = view.derived(contents_wishes);
  return {host.name, Exec{.argv = psql(view, host.name, {"-f", "-"}),
                          .input = *view.derived(contents_script),
                          .about = {"unit:patroni.service", "dcs:config", "sql:databases", "sql:contents"},
                          .limit = std::chrono::seconds(20) + std::chrono::milliseconds(500) * wishes->size() +
                                   std::chrono::milliseconds(50) * view.derived(grant_items)->size()}};
}

std::vector<Ask> object_asks(const ClusterView& view) {
  std::vector<Ask> asks = server_asks(view);
  if (has_contents(view))
    for (const TopologyHost* host : view.topology.with(Role::postgres)) asks.push_back(contents_ask(view, *host));
  return asks;
}

Contents read_contents(const Answer& answer) {
  Contents contents;
  const auto* output = std::get_if<Output>(&answer);
  if (!output) return contents;
  contents.seen = output->err.substr(0, output->err.find('\n'));
  std::istringstream lines(output->out);
  std::string line;
  while (std::getline(lines, line)) {
    const Json json = json_read::parse(line);
    contents.answers = contents.answers || line == "t" || line == "f";
    for (const auto& [name, one] : json_read::at(json, "available").items()) {
      AvailableExtension& extension = contents.available[name];
      extension.standard = json_read::text(one, "default");
      for (const auto& [version, parts] : json_read::at(one, "versions").items()) {
        ExtensionVersion& made = extension.versions[version];
        if (!parts.is_array() || parts.size() != 2) continue;
        made.schema = json_read::plain(parts[0]);
        for (const Json& needed : parts[1]) made.requires_.insert(json_read::plain(needed));
      }
    }
    if (!json_read::at(json, "db").is_string()) continue;
    DatabaseContents& database = contents.databases[json_read::text(json, "db")];
    for (const auto& [name, owner] : json_read::at(json, "schemas").items()) database.schemas[name] = json_read::plain(owner);
    for (const auto& [name, words] : json_read::at(json, "schema_needed").items()) database.schema_needed[name] = json_read::plain(words);
    for (const auto& [name, words] : json_read::at(json, "extension_needed").items()) database.extension_needed[name] = json_read::plain(words);
    for (const auto& [number, one] : json_read::at(json, "grants").items())
      if (one.is_array() && one.size() == 3 && one[0].is_number_integer() && one[1].is_number_integer()) {
        GrantState& grant = database.grants[std::atoi(number.c_str())] = {one[0].get<std::int64_t>(), one[1].get<std::int64_t>()};
        for (const Json& name : one[2]) grant.missing.insert(json_read::plain(name));
      }
    for (const auto& [name, one] : json_read::at(json, "extensions").items())
      if (one.is_array() && one.size() == 4) {
        ExtensionState& extension = database.extensions[name] = {json_read::plain(one[0]), json_read::plain(one[1]), json_read::flag(one[2])};
        for (const Json& version : one[3]) extension.updates.insert(json_read::plain(version));
      }
  }
  return contents;
}

}  // namespace pgcluster
