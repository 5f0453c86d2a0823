// The questions that a restore asks the hosts.
#include <algorithm>
#include <sstream>

#include "base/json.hpp"
#include "component/pgbackrest/pgbackrest.hpp"
#include "component/pgbackrest/shell.hpp"
#include "component/postgresql/sql.hpp"
#include "component/restore.hpp"
#include "op/answer_json.hpp"
#include "spec/roles.hpp"

namespace pgcluster::restore {

using std::chrono::seconds;

Ask place_ask(const ClusterView& view, const std::string& host) {
  return {host, Exec{.argv = {"sh", "-c", shell::restore_look, "sh", postgresql_data_dir(view, host)}, .limit = seconds(60)}};
}

Place read_place(const Answer& answer) {
  Place place;
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0) return place;
  place.answers = true;
  std::istringstream lines(output->out);
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.find(' ');
    const std::string key = line.substr(0, space), value = space == std::string::npos ? "" : line.substr(space + 1);
    if (key == "free") place.free_bytes = std::atoll(value.c_str()) * 1024;
    if (key == "work") place.work_bytes = std::atoll(value.c_str()) * 1024;
    if (key == "fixed") place.fixed = value;
    if (key == "tool") place.tool = value;
  }
  return place;
}

Ask used_ask(const ClusterView& view, const std::string& host) {
  return {host, Exec{.argv = {"du", "-skx", postgresql_data_dir(view, host) + "/"}, .limit = std::chrono::minutes(10)}};
}

// Files may go while they are counted: then the status is 1.
std::int64_t read_used(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  return output && output->status != 124 ? std::atoll(output->out.c_str()) * 1024 : 0;
}

Ask tool_ask(const std::string& host) { return {host, Exec{.argv = {"pgbackrest", "version"}}}; }

std::string read_tool(const Answer& answer) {
  static const std::string name = "pgBackRest ";
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0 || !output->out.starts_with(name)) return {};
  return output->out.substr(name.size(), output->out.find('\n') - name.size());
}

int number_of(const ClusterView& view, const std::string& repo) {
  for (const pgbackrest::NumberedRepo& one : pgbackrest::repos(view.spec))
    if (one.name() == repo) return one.number;
  return 1;
}

Ask archive_ask(const ClusterView& view, const std::string& host, const std::string& repo) {
  std::string path;
  for (const pgbackrest::NumberedRepo& one : pgbackrest::repos(view.spec))
    if (one.name() == repo) path = one.spec.path;
  std::vector<std::string> words = pgbackrest::command(view, host, {"--repo=" + std::to_string(number_of(view, repo))});
  std::erase_if(words, [](const std::string& word) { return word.starts_with("--stanza="); });
  words.insert(words.begin(), {"sh", "-c", shell::archive_list, "sh", path + "/archive/" + stanza_of(view.spec)});
  return {host, Exec{.argv = std::move(words), .about = {"backup:repositories"}, .limit = seconds(60)}};
}

Ask present_ask(const ClusterView& view, const std::string& host) {
  return {host,
          Exec{.argv = psql(view, host,
                            {"-c",
                             "select case when not pg_is_in_recovery() then json_build_object("
                             "'segment', pg_walfile_name(pg_current_wal_lsn()), 'lsn', pg_current_wal_lsn()::text,"
                             " 'micros', (extract(epoch from clock_timestamp()) * 1000000)::bigint,"
                             " 'slots', (select coalesce(json_agg(slot_name), '[]') from pg_replication_slots where slot_type = 'logical')) end"}),
               .about = {"unit:patroni.service"}}};
}

Present read_present(const Answer& answer) {
  Present present;
  const auto json = json_of(answer);
  const auto segment = wal::read_segment(json_read::text(json, "segment"));
  const auto lsn = wal::read_lsn(json_read::text(json, "lsn"));
  if (!segment || !lsn) return present;
  present.leads = true;
  present.timeline = segment->first;
  present.lsn = *lsn;
  present.micros = json_read::number(json, "micros");
  for (const auto& slot : json_read::list(json, "slots")) present.slots.push_back(json_read::text(slot));
  return present;
}

Ask find_ask(const ClusterView& view, const std::string& host, const Target& target, const wal::Archive& archive) {
  std::vector<std::string> names;
  for (const auto& [timeline, one] : archive.timelines)
    for (const auto& [number, archived] : one.segments) names.push_back(wal::segment_name(timeline, number));
  std::sort(names.rbegin(), names.rend());
  std::string input;
  for (const std::string& name : names) input += name + "\n";
  return {host, Exec{.argv = {"sh", "-c", shell::find_target, "sh", target.kind == Kind::name ? "name" : "xid", target.value,
                              postgresql_bin_dir(view, host), postgresql_data_dir(view, host), stanza_of(view.spec)},
                     .input = Text(input),
                     .limit = std::chrono::minutes(10)}};
}

std::vector<Found> read_found(const Answer& answer) {
  std::vector<Found> all;
  const auto* output = std::get_if<Output>(&answer);
  std::istringstream lines(output ? output->out : "");
  for (std::string segment, lsn; lines >> segment >> lsn;) {
    const auto name = wal::read_segment(segment);
    const auto at = wal::read_lsn(lsn);
    if (!name || !at) continue;
    const Found one{name->first, *at};
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  }
  return all;
}

std::vector<Ask> traces_asks(const ClusterView& view, const std::string& host) {
  return {{host, FileOf{"/var/lib/pgcluster/begun", false}}, {host, FileOf{postgresql_data_dir(view, host) + "/PG_VERSION", false}}};
}

Ask mark_ask(const std::string& host) { return {host, FileOf{"/var/lib/pgcluster/cluster", false}}; }

std::vector<KeptSecret> kept_secrets(const ClusterView& view, const std::string& host) {
  std::vector<KeptSecret> all;
  for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(view.spec, host))
    if (const std::string path = pgbackrest::passphrase_file(repo); repo.spec.cipher && !repo.spec.cipher_pass.given())
      all.push_back({.name = pgbackrest::passphrase(view.spec, repo).name, .repo = repo.name(), .path = path, .copy = {host, FileOf{path}}});
  return all;
}

}  // namespace pgcluster::restore
