#include "component/postgresql/contents.hpp"

#include <sstream>

#include "base/json.hpp"
#include "component/postgresql/sql_step.hpp"

namespace pgcluster {

namespace shell {
extern const char* const database_contents;
}

namespace {

using Json = nlohmann::json;

// What is asked of each database.
std::map<std::string, Json> contents_wishes(const ClusterView& view) {
  std::map<std::string, Json> all;
  const Objects described = described_objects(view.spec), dropped = dropped_objects(view.spec), before = remembered_objects(view.facts);
  const auto want = [&](const char* key, const std::set<Objects::Inside>& some) {
    for (const auto& [database, name] : some)
      if (!dropped.databases.contains(database)) all[database][key].push_back(name);
  };
  for (const Objects* one : {&described, &dropped, &before}) want("schemas", one->schemas);
  want("dropped_schemas", dropped.schemas);
  return all;
}

std::string contents_script(const ClusterView& view) {
  std::string script(contents_head);
  script += "select pg_is_in_recovery() as recovery \\gset\n\\echo :recovery\n\\if :recovery\n\\else\n";
  for (const auto& [database, wishes] : contents_wishes(view))
    script += "select exists (select from pg_database where datname = " + sql_literal(database) +
              " and datallowconn) as there \\gset\n\\if :there\n" + into_database(database) + "\\set asked " + psql_argument(wishes.dump()) + "\n" +
              shell::database_contents + "\n\\endif\n";
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
                          .limit = std::chrono::seconds(20) + std::chrono::milliseconds(500) * wishes->size()}};
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
  contents.answers = output->status == 0 && std::getline(lines, line) && (line == "t" || line == "f");
  while (std::getline(lines, line)) {
    const Json json = json_read::parse(line);
    if (!json.is_object()) continue;
    DatabaseContents& database = contents.databases[json_read::text(json, "db")];
    for (const auto& [name, owner] : json_read::at(json, "schemas").items()) database.schemas[name] = json_read::plain(owner);
    for (const auto& [name, words] : json_read::at(json, "schema_needed").items()) database.schema_needed[name] = json_read::plain(words);
  }
  return contents;
}

}  // namespace pgcluster
