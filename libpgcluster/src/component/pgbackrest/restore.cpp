// The steps of a restore. What takes long is done by a unit on the host, which goes on without us.
#include <algorithm>

#include "component/patroni/patroni.hpp"
#include "component/pgbackrest/pgbackrest.hpp"
#include "component/pgbackrest/shell.hpp"
#include "component/postgresql/sql.hpp"
#include "component/restore.hpp"

namespace pgcluster::restore {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using View = std::shared_ptr<const ClusterView>;

constexpr const char* program_path = "/usr/local/lib/pgcluster/restore";
constexpr const char* unit = "pgcluster-restore.service";
constexpr const char* progress_path = "/var/lib/pgcluster/restore.progress";
constexpr const char* switched_path = "/var/lib/pgcluster/restore.switched";

StepRef step(const std::string& host, const char* what) { return {host, "pgbackrest", what}; }
std::string content(const Answers& answers, const Ask& ask) {
  const auto* file = answers.get<File>(ask);
  return file ? file->content.substr(0, file->content.find('\n')) : std::string();
}

// All WAL that is written until now is in the repositories.
StepPtr archived_step(const View& view, const Note& note, int present_timeline) {
  const std::string host = note.host;
  const Ask switched{host, FileOf{switched_path}};
  std::vector<Ask> asks{switched};
  for (const TopologyHost* keeper : backup::hosts(*view)) asks.push_back(backup::repositories_ask(*view, keeper->name));
  std::vector<std::string> argv{"sh", "-c", shell::switch_wal, "sh", switched_path, note.id, std::to_string(present_timeline)};
  const std::vector<std::string> words = psql(*view, host, {});
  argv.insert(argv.end(), words.begin(), words.end());
  auto decide = [=, id = note.id](const Answers& answers) -> Decision {
    const std::string line = content(answers, switched), until = "all WAL up to now is archived";
    if (!line.starts_with(id + " "))
      return Change{.todo = {Do{.at = host,
                                .what = Run{.argv = argv,
                                            .touches = {std::string("file:") + switched_path, "backup:repositories"},
                                            .slow = true,  // no note is written before the WAL was seen in the repositories
                                            .name = "switch to another WAL file"}}},
                    .action = Action::run,
                    .reason = "nothing that is written by now is lost to a later restore"};
    for (const TopologyHost* keeper : backup::hosts(*view))
      for (const backup::Repository& repo : backup::read_repositories(*view, keeper->name, answers[backup::repositories_ask(*view, keeper->name)]))
        if (repo.last_wal < line.substr(id.size() + 1))
          return Later{.until = until, .seen = repo.name + " has WAL up to " + (repo.last_wal.empty() ? "nothing" : repo.last_wal)};
    return Done{};
  };
  return make_step(step(host, "restore-archived"), {.asks = asks, .decide = decide, .settle = seconds(300)});
}

// The note tells whether Patroni may start on the host.
StepPtr note_step(const View& view, const Note& note, const std::string& host, bool hold) {
  const Ask ask = note_ask(host);
  const WriteFile wish{.path = note_path, .content = Text(note_text(*view, note, host, hold))};
  auto decide = [=](const Answers& answers) -> Decision {
    const auto* found = answers.get<File>(ask);
    if (found && found->content == wish.content.reveal()) return Done{};
    // A host that nothing holds needs no leave.
    if (!hold && std::holds_alternative<Absent>(answers[ask])) return Done{};
    return Change{.todo = {Do{.at = host, .what = wish, .was = found ? std::nullopt : std::optional<Answer>(Absent{})}},
                  .action = found ? Action::update : Action::create,
                  .reason = hold ? "Patroni does not start on this host until the cluster is restored" : "Patroni may start on this host again"};
  };
  return make_step(step(host, hold ? "restore-hold" : "restore-free"), {.asks = {ask}, .decide = decide});
}

StepPtr stop_step(const View& view, const std::string& host, bool led) {
  const Ask ask = patroni::unit_ask(view->spec, view->topology.host(host));
  auto decide = [=](const Answers& answers) -> Decision {
    const auto* found = answers.get<Unit>(ask);
    if (!found || found->active == "inactive" || found->active == "failed") return Done{};
    return Change{.todo = {Do{.at = host, .what = SetUnit{patroni::unit_name, SetUnit::Go::stop, std::nullopt}, .limit = seconds(330)}},
                  .action = Action::stop,
                  .impact = led ? Impact::outage : Impact::restart,
                  .reason = led ? "the data is restored here; until then nobody is served" : "a replica of the data that is given up"};
  };
  return make_step(step(host, "restore-stop"), {.asks = {ask}, .decide = decide, .settle = seconds(60)});
}

WriteFile unit_file() {
  return {.path = std::string("/etc/systemd/system/") + unit,
          .content = std::string("[Unit]\nDescription=restores the cluster from a backup\nAfter=network-online.target\n\n[Service]\n"
                                 "Type=oneshot\nExecStart=") +
                     program_path + "\nTimeoutStartSec=infinity\nTimeoutStopSec=60\n"};
}

// Copy, recovery and promotion, by the unit. Its state is asked first: what it says of its progress when it has ended is the last word.
StepPtr recover_step(const Note& note) {
  const std::string host = note.host;
  const Ask progress{host, FileOf{progress_path}}, state{host, UnitOf{unit}};
  auto decide = [=, id = note.id](const Answers& answers) -> Decision {
    const std::string line = content(answers, progress);
    const auto is = [&](const char* word) { return line.starts_with(std::string(word) + " " + id + " "); };
    const std::string words = line.substr(std::min(line.size(), line.find(id) == std::string::npos ? 0 : line.find(id) + id.size() + 1));
    if (is("done")) return Done{};
    const auto* running = answers.get<Unit>(state);
    if (running && (running->active == "activating" || running->active == "active" || running->active == "deactivating"))
      return Later{.until = "the data is restored to " + note.target,
                   .at_most = Impact::data,
                   .action = Action::run,
                   .seen = is("copying") || is("recovering") ? line.substr(0, line.find(' ')) + " " + words : std::string()};
    Change change{.todo = {Do{.at = host, .what = Remove{Remove::Kind::file, progress_path}},
                           Do{.at = host, .what = SetUnit{unit, SetUnit::Go::start, std::nullopt}}},
                  .action = Action::run,
                  .impact = Impact::data,
                  .reason = "the backup " + note.backup + " is restored, and its WAL replayed on timeline " + std::to_string(note.timeline) + " to " +
                            note.target + (note.keep ? "; the former data is kept beside it (.before-" + note.id + ")" : "")};
    if (is("failed")) change.failed = "the restore has failed: " + words;
    if (running && running->active == "failed" && !is("failed")) change.failed = std::string(unit) + " has died (" + running->result + ")";
    if (change.failed.empty() && (is("copying") || is("recovering")))
      change.failed = std::string(unit) + " was interrupted (has the host been restarted?); run the same command again";
    return change;
  };
  return make_step(step(host, "restore"), {.asks = {state, progress}, .decide = decide, .settle = hours(240), .evidence = {journal_ask(host, unit)}});
}

StepPtr start_step(const View& view, const Note& note) {
  const TopologyHost host = view->topology.host(note.host);
  const Ask member = patroni::member_ask(*view, host), state = patroni::unit_ask(view->spec, host);
  auto decide = [=](const Answers& answers) -> Decision {
    const patroni::Member now = patroni::read_member(answers[member]);
    // An earlier step of this plan stops the member first.
    if (answers.pending(member)) return Later{.until = "the data is restored", .at_most = Impact::restart, .action = Action::start};
    if (now.leads && now.state == "running") return Done{};
    const auto* found = answers.get<Unit>(state);
    if (found && (found->active == "active" || found->active == "activating"))
      return Later{.until = host.name + " leads with the restored data",
                   .at_most = Impact::restart,
                   .action = Action::start,
                   .wrong = patroni::died(view->spec, answers, host) ? "Patroni on " + host.name + " has died" : std::string(),
                   .patience = seconds(10),
                   .seen = now.answers ? host.name + " is " + now.shown_state() : "Patroni does not answer yet"};
    return Change{.todo = {Do{.at = host.name, .what = SetUnit{patroni::unit_name, SetUnit::Go::start, std::nullopt}}},
                  .action = Action::start,
                  .impact = Impact::restart,
                  .reason = "the restored data serves again, and is archived"};
  };
  return make_step(step(host.name, "restore-start"), {.asks = {member, state},
                                                      .decide = decide,
                                                      .settle = seconds(view->spec.patroni_master_start_timeout + 300),
                                                      .evidence = {journal_ask(host.name, patroni::unit_name)}});
}

StepPtr clear_step(const View& view, const Note& note, const std::string& host) {
  const std::string data = postgresql_data_dir(*view, host);
  const Ask ask{host, FileOf{data + "/PG_VERSION", false}}, held = note_ask(host);
  auto decide = [=](const Answers& answers) -> Decision {
    if (std::holds_alternative<Absent>(answers[ask])) return Done{};
    // Its data is new where nothing holds it any more.
    if (const auto found = read_note(answers[held]); !answers.pending(held) && (!found || !found->hold)) return Done{};
    return Change{.todo = {Do{.at = host,
                              .what = Run{.argv = {"sh", "-c", shell::server_in + std::string("\n") + shell::set_aside, "sh", data, note.id,
                                                   note.keep ? "yes" : "no"},
                                          .touches = {"file:" + data + "/PG_VERSION"},
                                          .slow = true,
                                          .name = (note.keep ? "rename " : "remove ") + data},
                              .limit = hours(24)}},
                  .action = Action::remove,
                  .impact = Impact::data,
                  .reason = note.keep ? "the former data is renamed (.before-" + note.id + "); the replica is copied from the leader"
                                      : "the former data goes; the replica is copied from the leader"};
  };
  return make_step(step(host, "restore-clear"), {.asks = {ask, held}, .decide = decide, .settle = seconds(60)});
}

WriteFile program_file() {
  return {.path = program_path, .content = std::string(shell::recovery) + shell::server_in + "\n" + shell::restore, .mode = 0755};
}

Steps program_steps(const std::string& host) {
  return parallel(file(step(host, "restore-program"), host, program_file()), file(step(host, "restore-unit"), host, unit_file()));
}

// Patroni on each host knows that it must not start while the note holds it. The leader's note is the first one and the last to go: where it lacks,
// the restore has ended.
Steps prepared(const View& view, const Note& note) {
  const auto held = [&](const std::string& host) {
    return sequence(file(step(host, "restore-guard"), host, patroni::await_server_drop_in(*view, host)), note_step(view, note, host, true));
  };
  std::vector<Steps> others;
  for (const std::string& host : view->topology.database)
    if (host != note.host) others.push_back(held(host));
  return sequence(program_steps(note.host), held(note.host), parallel(std::move(others)));
}

}  // namespace

Ask progress_ask(const std::string& host) { return {host, FileOf{progress_path}}; }

bool has_failed(const Note& note, const Answer& progress) {
  const auto* file = std::get_if<File>(&progress);
  return file && file->content.starts_with("failed " + note.id + " ");
}

bool has_begun(const Note& note, const Answer& progress) {
  const auto* file = std::get_if<File>(&progress);
  return file && file->content.find(" " + note.id + " ") != std::string::npos;
}

Steps steps(const View& view, const Note& note, Stage stage, int present_timeline) {
  std::vector<Steps> stops, replicas;
  for (const std::string& host : view->topology.database) {
    if (host == note.host) continue;
    stops.push_back(stop_step(view, host, false));
    replicas.push_back(sequence(clear_step(view, note, host), note_step(view, note, host, false)));
  }
  if (stage == Stage::serves) return parallel(std::move(replicas));
  Steps restored, archived;
  if (stage == Stage::none) archived = archived_step(view, note, present_timeline);
  if (stage != Stage::promoted)
    restored = sequence(std::move(archived), prepared(view, note), sequence(std::move(stops)), stop_step(view, note.host, true), recover_step(note),
                        patroni::forget_step(view, note.host, step("", "restore-dcs")));
  return sequence(std::move(restored), note_step(view, note, note.host, false), start_step(view, note), parallel(std::move(replicas)));
}

Steps rebuild_notes(const View& view, const Note& note, const std::set<std::string>& free) {
  std::vector<Steps> others;
  for (const std::string& host : view->topology.database)
    if (host != note.host && !free.contains(host)) others.push_back(note_step(view, note, host, true));
  const Steps own = free.contains(note.host) ? Steps() : Steps(note_step(view, note, note.host, true));
  return sequence(own, parallel(std::move(others)));
}

Steps rebuild_steps(const View& view, const Note& note, const std::string& host) {
  if (host != note.host) return after({patroni::dcs(host)}, note_step(view, note, host, false));
  std::vector<StepRef> ready{patroni::loaded(host), backup::configured(host)};
  for (const TopologyHost* keeper : backup::hosts(*view)) ready.push_back(backup::configured(keeper->name));
  return sequence(program_steps(host), after(ready, recover_step(note)), note_step(view, note, host, false));
}

}  // namespace pgcluster::restore
