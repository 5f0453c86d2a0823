// What pgBackRest and PostgreSQL's archiver say about backups.
#include <algorithm>

#include "base/json.hpp"
#include "component/pgbackrest/pgbackrest.hpp"
#include "component/postgresql/sql.hpp"
#include "spec/roles.hpp"

namespace pgcluster::backup {
namespace {

using Json = nlohmann::json;

// What status codes mean, as pgBackRest's command/info/info.c has them.
enum Status { ok = 0, no_stanza = 1, no_backup = 2, no_stanza_data = 3 };

std::string last_line(const std::string& text) {
  const auto end = text.find_last_not_of("\n ");
  if (end == std::string::npos) return {};
  const auto begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

// A database of the list is the one that a backup names.
bool of_database(const Json& one, const Json& named) {
  return json_read::number(one, "id") == json_read::number(named, "id") && json_read::number(one, "repo-key") == json_read::number(named, "repo-key");
}

Backup read_backup(const Json& json, const std::string& repo, const Json& databases) {
  const Json &times = json_read::at(json, "timestamp"), &database = json_read::at(json, "database");
  std::string version;
  for (const Json& one : databases)
    if (of_database(one, database)) version = json_read::text(one, "version");
  return {.label = json_read::text(json, "label"),
          .type = json_read::text(json, "type"),
          .repo = repo,
          .start = json_read::number(times, "start"),
          .stop = json_read::number(times, "stop"),
          .size_bytes = json_read::number(json_read::at(json_read::at(json, "info"), "repository"), "delta"),
          .error = json_read::flag(json, "error"),
          .whole_bytes = json_read::number(json_read::at(json, "info"), "size"),
          .first_wal = json_read::text(json_read::at(json, "archive"), "start"),
          .stop_lsn = json_read::text(json_read::at(json, "lsn"), "stop"),
          .version = version};
}

bool of_repo(const Json& json, int number) { return json_read::number(json_read::at(json, "database"), "repo-key") == number; }

void read_into(Repository& repo, int number, const Json& stanza) {
  for (const Json& one : json_read::list(stanza, "repo")) {
    if (json_read::number(one, "key") != number) continue;
    const Json& status = json_read::at(one, "status");
    const auto code = json_read::number(status, "code");
    repo.exists = code == ok || code == no_backup;
    if (!repo.exists && code != no_stanza && code != no_stanza_data) repo.problem = json_read::text(status, "message");
  }
  for (const Json& one : json_read::list(stanza, "db"))
    if (json_read::number(one, "repo-key") == number) repo.system_id = json_read::plain(json_read::at(one, "system-id"));
  for (const Json& one : json_read::list(stanza, "archive"))
    if (of_repo(one, number)) repo.last_wal = json_read::text(one, "max");
  for (const Json& one : json_read::list(stanza, "backup"))
    if (of_repo(one, number)) repo.backups.push_back(read_backup(one, repo.name, json_read::list(stanza, "db")));
  const Json& lock = json_read::at(json_read::at(json_read::at(stanza, "status"), "lock"), "backup");
  repo.running = json_read::flag(lock, "held");
  repo.all_bytes = json_read::number(lock, "size");
  repo.done_bytes = json_read::number(lock, "size-cplt");
}

}  // namespace

std::vector<const TopologyHost*> hosts(const ClusterView& view) {
  std::vector<const TopologyHost*> found;
  if (!wanted(view.spec)) return found;
  for (const TopologyHost* host : view.topology.with(Role::backup))
    if (!pgbackrest::repos(view.spec, host->name).empty()) found.push_back(host);
  return found;
}

Ask repositories_ask(const ClusterView& view, const std::string& host) {
  return {host, Exec{.argv = pgbackrest::command(view, host, {"info", "--output=json"}),
                     .about = {"backup:repositories", std::string("file:") + pgbackrest::config_path},
                     .limit = std::chrono::seconds(60)}};
}

std::vector<Repository> read_repositories(const ClusterView& view, const std::string& host, const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  const Json json = json_read::parse(output && output->status == 0 ? output->out : "");
  std::string problem;
  if (const auto* unreadable = std::get_if<Unreadable>(&answer); unreadable && !unreadable->why.empty())
    problem = unreadable->why;
  else if (!output)
    problem = host + " does not answer";
  else if (!json.is_array())
    problem = output->err.empty() ? "pgbackrest info failed with status " + std::to_string(output->status) : last_line(output->err);
  std::vector<Repository> all;
  for (const pgbackrest::NumberedRepo& one : pgbackrest::repos(view.spec, host)) {
    Repository repo{.name = one.name(), .host = host, .type = one.spec.type, .answers = json.is_array(), .problem = problem};
    if (json.is_array())
      for (const Json& stanza : json)
        if (json_read::text(stanza, "name") == stanza_of(view.spec)) read_into(repo, one.number, stanza);
    all.push_back(std::move(repo));
  }
  return all;
}

Ask archiver_ask(const ClusterView& view, const std::string& host) {
  return {host,
          Exec{.argv = psql(view, host,
                            {"-c",
                             "select json_build_object('leads', not pg_is_in_recovery(), 'last', extract(epoch from last_archived_time)::bigint,"
                             " 'age', extract(epoch from now() - last_archived_time)::bigint, 'failed', failed_count,"
                             " 'failing', coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)) from pg_stat_archiver"})}};
}

Archiver read_archiver(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  const Json json = json_read::parse(output && output->status == 0 ? output->out : "");
  Archiver archiver;
  if (!json_read::at(json, "leads").is_boolean()) return archiver;
  archiver.answers = true;
  archiver.leads = json_read::flag(json, "leads");
  if (json_read::at(json, "last").is_number_integer()) archiver.last = json_read::number(json, "last");
  archiver.age_s = json_read::number(json, "age");
  archiver.failed = json_read::number(json, "failed");
  archiver.failing = json_read::flag(json, "failing");
  return archiver;
}

}  // namespace pgcluster::backup
