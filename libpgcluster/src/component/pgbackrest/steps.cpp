// What is done once: the repositories learn of the cluster, the way of its WAL is tried, and backups are made.
#include <algorithm>

#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "component/patroni/patroni.hpp"
#include "component/pgbackrest/pgbackrest.hpp"
#include "component/restore.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace pgbackrest {
namespace {

using std::chrono::seconds;
using View = std::shared_ptr<const ClusterView>;

Run run(const ClusterView& view, const std::string& host, const std::vector<std::string>& words) {
  return {.argv = command(view, host, words), .touches = {"backup:repositories"}, .slow = true, .name = "pgbackrest " + words.front()};
}

// Why the repositories cannot be used now: it may go away by itself.
std::optional<Later> obstacle(const std::vector<backup::Repository>& repositories, const std::string& until) {
  for (const backup::Repository& repo : repositories)
    if (repo.answers && !repo.problem.empty())
      return Later{.until = until,
                   .at_most = Impact::none,
                   .action = Action::run,
                   .wrong = repo.name + " on " + repo.host + ": " + repo.problem,
                   .patience = seconds(20)};
  return std::nullopt;
}

bool all_of(const std::vector<backup::Repository>& repositories, bool (*holds)(const backup::Repository&)) {
  return !repositories.empty() && std::all_of(repositories.begin(), repositories.end(), holds);
}

// A repository with the backups of another cluster is never written to. A cluster that has not begun has no system identifier yet.
std::optional<Refused> stranger(const ClusterView& view, const std::vector<backup::Repository>& repositories, const std::string& system_id,
                                bool begun) {
  for (const backup::Repository& repo : repositories) {
    if (repo.system_id.empty() || repo.system_id == system_id) continue;
    return Refused{.why = {.message = repo.name + " on " + repo.host + " already holds backups of another cluster under the stanza " +
                                      stanza_of(view.spec) + " (its system identifier is " + repo.system_id + ")",
                           .hint = std::string(begun ? "keep them: " : rebuild_hint) +
                                   "give this cluster another pgbackrest_stanza, or the repository another path",
                           .path = "pgbackrest_repos"},
                   .host = repo.host};
  }
  return std::nullopt;
}

StepPtr stanza_step(const View& view, const TopologyHost& host) {
  const Ask info = backup::repositories_ask(*view, host.name);
  std::vector<Ask> asks{info};
  std::optional<Ask> initialize;
  for (const std::string& name : view->topology.database)
    if (!initialize && !view->leaves_out(name)) initialize = patroni::initialize_ask(*view, view->topology.host(name));
  if (initialize) asks.push_back(*initialize);
  auto decide = [view, host = host.name, info, initialize, nobody = Answer(Unreadable{})](const Answers& answers) -> Decision {
    const std::vector<backup::Repository> repositories = backup::read_repositories(*view, host, answers[info]);
    const Answer& key = initialize ? answers[*initialize] : nobody;
    const patroni::Initialized begun = patroni::read_initialized(key);
    const bool begins = patroni::begins(*view) || view->rebuilds;
    // A DCS that does not answer tells nothing, but where this plan brings it.
    const bool told = begun == patroni::Initialized::yes ||
                      (begins && !view->rebuilds && (begun == patroni::Initialized::no || !initialize || answers.pending(*initialize)));
    if (told) {
      if (auto refused = stranger(*view, repositories, patroni::read_system_id(*view, key), begun == patroni::Initialized::yes)) return *refused;
    } else if (begins) {
      return Later{.until = "the DCS tells the system identifier of the cluster", .at_most = Impact::none, .action = Action::run};
    }
    const std::string until = "the repositories on " + host + " know the cluster";
    if (auto later = obstacle(repositories, until)) return *later;
    if (all_of(repositories, [](const auto& repo) { return repo.exists; })) return Done{};
    if (!all_of(repositories, [](const auto& repo) { return repo.answers; }))
      return Later{.until = until, .at_most = Impact::none, .action = Action::run};
    return Change{.todo = {Do{.at = host, .what = run(*view, host, {"stanza-create"}), .limit = seconds(300)}},
                  .action = Action::run,
                  .reason = "a repository does not know the cluster yet"};
  };
  return make_step(backup::known(host.name), {.asks = asks, .decide = decide, .settle = seconds(60)});
}

StepPtr archive_step(const View& view, const TopologyHost& host) {
  const Ask info = backup::repositories_ask(*view, host.name);
  auto decide = [view, host = host.name, info](const Answers& answers) -> Decision {
    const std::vector<backup::Repository> repositories = backup::read_repositories(*view, host, answers[info]);
    const std::string until = "the repositories on " + host + " have WAL of the cluster";
    if (auto later = obstacle(repositories, until)) return *later;
    if (all_of(repositories, [](const auto& repo) { return !repo.last_wal.empty(); })) return Done{};
    if (!all_of(repositories, [](const auto& repo) { return repo.exists; }))
      return Later{.until = until, .at_most = Impact::none, .action = Action::run};
    return Change{.todo = {Do{.at = host, .what = run(*view, host, {"check"}), .limit = seconds(300)}},
                  .action = Action::run,
                  .reason = "test that WAL reaches the repositories"};
  };
  return make_step(StepRef{host.name, "pgbackrest", "archive"}, {.asks = {info}, .decide = decide, .settle = seconds(60)});
}

std::string progress(const std::vector<backup::Repository>& repositories) {
  for (const backup::Repository& repo : repositories)
    if (repo.running && repo.all_bytes > 0) {
      const auto megabytes = [](std::int64_t bytes) { return std::to_string(bytes / 1'000'000) + " MB"; };
      return megabytes(repo.done_bytes) + " of " + megabytes(repo.all_bytes) + " are copied";
    }
  return {};
}

// The note of a restore that waits for its last backup; none where nobody restores.
std::optional<restore::Note> note_of(const ClusterView& view, const Answers& answers) {
  std::optional<restore::Note> found;
  for (const std::string& name : view.topology.database)
    if (auto note = restore::read_note(answers[restore::note_ask(name)])) found = std::move(note);
  return found;
}

std::vector<Ask> note_asks(const ClusterView& view) {
  std::vector<Ask> asks;
  for (const std::string& name : view.topology.database)
    if (!view.leaves_out(name)) asks.push_back(restore::note_ask(name));
  return asks;
}

// A full backup of the restored data.
bool has_restored(const backup::Repository& repo, const restore::Note& note) {
  return std::any_of(repo.backups.begin(), repo.backups.end(), [&](const backup::Backup& one) {
    const auto first = wal::read_segment(one.first_wal);
    return one.type == "full" && first && first->first > note.newest;
  });
}

// A backup in one repository: the first one, one that is newer than the one of this label, or after a restore a full one.
StepPtr backup_step(const View& view, const std::string& host, const NumberedRepo& numbered, const std::string& type,
                    const std::optional<std::string>& asked) {
  const std::string unit = backup_unit(numbered, type), name = numbered.name();
  const Ask info = backup::repositories_ask(*view, host), state{host, UnitOf{unit}};
  std::vector<Ask> asks{info, state};
  if (!asked)
    for (Ask& ask : note_asks(*view)) asks.push_back(std::move(ask));
  auto decide = [=](const Answers& answers) -> Decision {
    const std::optional<restore::Note> note = asked ? std::nullopt : note_of(*view, answers);
    const std::vector<backup::Repository> repositories = backup::read_repositories(*view, host, answers[info]);
    const auto repo = std::find_if(repositories.begin(), repositories.end(), [&](const backup::Repository& one) { return one.name == name; });
    const auto* running = answers.get<Unit>(state);
    const bool runs = running && (running->active == "activating" || running->active == "deactivating");
    const bool is_there = repo != repositories.end() && !repo->backups.empty();
    // A scheduled backup that runs now is no business of a plan that only wants one to be there.
    if (is_there && !asked && !note) return Done{};
    if (is_there && !runs && (asked ? repo->backups.back().label != *asked : has_restored(*repo, *note))) return Done{};
    const std::string until = "the " + type + " backup in " + name + " has ended";
    if (runs) {
      Later later{.until = until, .at_most = Impact::none, .action = Action::run, .seen = progress(repositories)};
      if (running->restarts > 1) later.wrong = "the " + type + " backup in " + name + " fails again and again (" + running->result + ")";
      return later;
    }
    if (repo == repositories.end() || !repo->answers || !repo->problem.empty())
      return Later{.until = until, .at_most = Impact::none, .action = Action::run};
    return Change{.todo = {Do{.at = host, .what = SetUnit{unit, SetUnit::Go::start, std::nullopt}}},
                  .action = Action::run,
                  .reason = asked  ? "asked for"
                            : note ? "the cluster was restored: its next backups need a new full one"
                                   : "there is no backup yet"};
  };
  return make_step(StepRef{host, "pgbackrest", "backup-" + name},
                   {.asks = asks, .decide = decide, .settle = std::chrono::hours(48), .evidence = {journal_ask(host, unit)}});
}

// A cluster whose data is replaced at the moment is not touched. Afterwards the notes go, and last that of the host that was restored: a note that is
// left without it is one of a restore that has ended. It stays as long as another host is left out, which may have one.
StepPtr note_step(const View& view, const std::string& host, bool last) {
  const Ask ask = restore::note_ask(host);
  const bool all_here =
      std::none_of(view->topology.database.begin(), view->topology.database.end(), [&](const auto& name) { return view->leaves_out(name); });
  auto decide = [=](const Answers& answers) -> Decision {
    const auto note = restore::read_note(answers[ask]);
    if (!note) return Done{};
    if (note->hold) return Refused{restore::interrupted(*note)};
    if ((note->host == host) != last || (last && !all_here)) return Done{};
    Change change{.todo = {}, .action = Action::remove, .reason = "the cluster is restored"};
    for (const char* more : {".progress", ".switched", ".begun", ""})
      change.todo.push_back({.at = host, .what = Remove{Remove::Kind::file, restore::note_path + std::string(more)}});
    return change;
  };
  return make_step(StepRef{host, "pgbackrest", last ? "restored-last" : "restored"}, {.asks = {ask}, .decide = decide});
}

}  // namespace

Steps restored_steps(const View& view) {
  std::vector<StepRef> waits;
  for (const TopologyHost* host : backup::hosts(*view))
    for (const NumberedRepo& repo : repos(view->spec, host->name))
      if (!view->leaves_out(host->name)) waits.push_back({host->name, "pgbackrest", "backup-" + repo.name()});
  for (const std::string& name : view->topology.database)
    if (!view->leaves_out(name)) waits.push_back(patroni::member(name));
  std::vector<Steps> first, last;
  for (const std::string& name : view->topology.database)
    if (!view->leaves_out(name)) {
      first.push_back(note_step(view, name, false));
      last.push_back(note_step(view, name, true));
    }
  return after(waits, sequence(parallel(std::move(first)), parallel(std::move(last))));
}

Steps first_steps(const View& view, const TopologyHost& host) {
  std::vector<StepRef> reach{backup::configured(host.name), patroni::leader()}, live{patroni::settings()};
  for (const std::string& name : view->topology.database) {
    reach.push_back(backup::configured(name));
    live.insert(live.end(), {patroni::member(name), patroni::live(name)});
  }
  std::vector<Steps> backups;
  // The deployment that follows the rebuilding makes the first backup.
  for (const NumberedRepo& repo : view->rebuilds ? std::vector<NumberedRepo>() : repos(view->spec, host.name))
    backups.push_back(backup_step(view, host.name, repo, "full", std::nullopt));
  return sequence(after(reach, stanza_step(view, host)), after(live, archive_step(view, host)), parallel(std::move(backups)));
}

}  // namespace pgbackrest

// A timer takes a new time when systemd reads its file again.
StepPtr pgbackrest::timer_step(const NodeView& node, const std::string& step, const WriteFile& wish) {
  const std::string name = wish.path.substr(wish.path.rfind('/') + 1);
  const StepPtr written = file(node.step("pgbackrest", step), node.name(), wish);
  const Ask state{node.name(), UnitOf{name}};
  std::vector<Ask> asks = written->asks();
  asks.push_back(state);
  auto decide = [=, host = node.name()](const Answers& answers) -> Decision {
    Decision decision = written->decide(answers);
    const auto* timer = answers.get<Unit>(state);
    const bool runs = timer && timer->active == "active" && timer->enabled && !timer->masked;
    if (std::holds_alternative<Done>(decision) && runs) return Done{};
    if (std::holds_alternative<Done>(decision)) decision = Change{.todo = {}, .action = Action::start, .reason = "the timer does not run"};
    if (auto* change = std::get_if<Change>(&decision)) change->todo.push_back({.at = host, .what = SetUnit{name, SetUnit::Go::restart, true}});
    return decision;
  };
  std::vector<std::string> kept = written->keeps();
  kept.push_back("unit:" + name);
  return make_step(written->name(), {.asks = std::move(asks), .decide = decide, .settle = std::chrono::seconds(30), .keeps = std::move(kept)});
}

Steps backup::make(const std::shared_ptr<const ClusterView>& view, const std::string& host, const std::string& type,
                   const std::map<std::string, std::string>& before) {
  std::vector<Steps> all;
  for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(view->spec, host))
    if (const auto label = before.find(repo.name()); label != before.end())
      all.push_back(pgbackrest::backup_step(view, host, repo, type, label->second));
  return parallel(std::move(all));
}

StepRef backup::configured(const std::string& host) { return {host, "pgbackrest", "listens"}; }
StepRef backup::known(const std::string& host) { return {host, "pgbackrest", "stanza"}; }

}  // namespace pgcluster
