// Planner of restore: what must hold before anything is stopped, and how an interrupted one goes on.
#include "component/restore.hpp"

#include <algorithm>

#include "base/joined.hpp"
#include "component/patroni/patroni.hpp"
#include "operate/declared.hpp"
#include "operate/deployment.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

using restore::Kind;
using restore::Note;
using restore::Target;

[[noreturn]] void refuse(std::string message, std::string hint, std::string host = {}) {
  throw Error({.code = Code::refused, .message = std::move(message), .hint = std::move(hint), .host = std::move(host)});
}

Target time_target(const std::string& text) {
  const auto time = restore::read_time(text);
  if (!time) refuse("\"" + text + "\" is no time", "write it like 2026-11-30 09:00:00+01, with the offset of its zone");
  if (!time->zone) refuse("the time " + text + " has no zone", "write it with its offset, like " + text + "+01, or " + text + "Z for UTC");
  return {.kind = Kind::time, .value = restore::time_text(time->micros), .micros = time->micros};
}

Target lsn_target(const std::string& text) {
  const auto lsn = wal::read_lsn(text);
  if (!lsn) refuse("\"" + text + "\" is no LSN", "write it like 0/5000028, as pg_current_wal_lsn() shows it");
  return {.kind = Kind::lsn, .value = wal::lsn_text(*lsn), .lsn = *lsn};
}

Target target_of(const RestoreOptions& options) {
  const std::string* given[] = {&options.time, &options.lsn, &options.xid, &options.name, &options.backup};
  if (std::count_if(std::begin(given), std::end(given), [](const std::string* one) { return !one->empty(); }) > 1)
    refuse("a restore has one target", "name one of time, lsn, xid, name and backup");
  if (!options.time.empty()) return time_target(options.time);
  if (!options.lsn.empty()) return lsn_target(options.lsn);
  if (!options.xid.empty() && options.xid.find_first_not_of("0123456789") != std::string::npos)
    refuse("\"" + options.xid + "\" is no transaction", "write its number, as pg_current_xact_id() shows it");
  if (!options.xid.empty()) return {.kind = Kind::xid, .value = options.xid};
  if (options.name.find('\n') != std::string::npos) refuse("a restore point's name has one line", "see pg_create_restore_point()");
  if (!options.name.empty()) return {.kind = Kind::name, .value = options.name};
  if (!options.backup.empty()) return {.kind = Kind::backup, .value = options.backup};
  return {};
}

// The hosts as the planner finds them.
class Restoring {
 public:
  Restoring(const Spec& spec, Executor& executor, const RestoreOptions& options)
      : spec_(spec), executor_(executor), options_(options), topology_(resolve(spec)), view_(outline(spec, topology_)), target_(target_of(options)) {
    if (!backup::wanted(spec))
      refuse(spec.patroni_cluster_name + " is not backed up", "write pgbackrest_install: true and pgbackrest_repos, and apply");
  }

  Plan plan() {
    look();
    const auto note = noted();
    if (!note) return begin();
    const bool promoted = is_free(note->host);
    if (note->target != target_.text() || (options_.timeline != 0 && options_.timeline != note->timeline)) {
      if (promoted || !restore::has_failed(*note, answers_[restore::progress_ask(note->host)])) refuse_other(*note);
      return begin_again(*note);
    }
    if (held_ == 0 && promoted)
      return plan_deployment(spec_, executor_,
                             {.stop = options_.stop, .parallel = options_.parallel, .poll = options_.poll, .components = options_.components});
    return finish(*note, true, promoted);
  }

 private:
  void look() {
    for (const TopologyHost* host : topology_.with(Role::postgres))
      asks_[host->name] = {restore::note_ask(host->name), patroni::member_ask(*view_, *host), restore::place_ask(*view_, host->name),
                           restore::present_ask(*view_, host->name), restore::progress_ask(host->name)};
    for (const TopologyHost* host : backup::hosts(*view_)) {
      asks_[host->name] = {backup::repositories_ask(*view_, host->name), restore::tool_ask(*view_, host->name)};
      for (const backup::Repository& repo : backup::read_repositories(*view_, host->name, Unreadable{}))
        asks_[host->name].push_back(restore::archive_ask(*view_, host->name, repo.name));
    }
    for (const auto& [name, access] : hosts_of(topology_))
      if (asks_.contains(name) || std::find(topology_.dcs_members.begin(), topology_.dcs_members.end(), name) != topology_.dcs_members.end())
        hosts_.emplace(name, access);
    const Observed observed = observe(hosts_, asks_, executor_, plan_options(options_));
    if (!observed.errors.empty()) throw observed.errors.begin()->second;
    for (const auto& [name, answers] : observed.answers)
      for (std::size_t i = 0; i < answers.size(); ++i) answers_.set(asks_.at(name)[i], answers[i]);
  }

  // The restored data may serve on the host. A host without a note has not been stopped yet.
  bool is_free(const std::string& host) const {
    const auto note = restore::read_note(answers_[restore::note_ask(host)]);
    return note && !note->hold;
  }

  std::optional<Note> noted() {
    std::optional<Note> found;
    for (const std::string& host : topology_.database)
      if (const auto note = restore::read_note(answers_[restore::note_ask(host)])) {
        if (found && found->id != note->id)
          refuse(host + " has the note of another restore", "see " + std::string(restore::note_path) + " on the database hosts", host);
        found = note;
        held_ += note->hold;
      }
    return found;
  }

  [[noreturn]] static void refuse_other(const Note& note) {
    const Diagnostic told = restore::interrupted(note);
    refuse(told.message, told.hint + "; another target comes after it");
  }

  Plan begin() {
    Note note{.host = the_leader(), .keep = options_.keep_data};
    note.id = std::to_string(present_.micros / 1'000'000);
    const backup::Repository repository = the_repository();
    for (const backup::Repository& one : repositories_) note.before[one.name] = one.backups.empty() ? "" : one.backups.back().label;
    const wal::Archive archive = archive_of(repository);
    note.newest = std::max(present_.timeline, archive.timelines.empty() ? 0 : archive.timelines.rbegin()->first);
    choose(note, repository, archive);
    return finish(note, false, false);
  }

  // The former target could not be reached after all. All servers are stopped, and the archive has all that they wrote.
  Plan begin_again(Note note) {
    const backup::Repository repository = the_repository();
    const wal::Archive archive = archive_of(repository);
    present_ = {.leads = true,
                .timeline = note.newest,
                .lsn = (wal::last_segment(archive, wal::path_to(archive, note.newest)) + 1) * wal::segment_bytes,
                .micros = std::atoll(note.id.c_str()) * 1'000'000};
    choose(note, repository, archive);
    return finish(note, true, false);
  }

  wal::Archive archive_of(const backup::Repository& repository) const {
    wal::Archive archive = wal::read_archive(answers_.out(restore::archive_ask(*view_, repository.host, repository.name)));
    if (!archive.answers) refuse("the WAL of " + repository.name + " cannot be listed", "see pgcluster status", repository.host);
    return archive;
  }

  void choose(Note& note, const backup::Repository& repository, const wal::Archive& archive) {
    check_tools(note.host);
    const restore::Choice choice = restore::choose(repository, archive, present_, target_, options_.timeline, finds(note.host, archive));
    check_set(choice.set);
    check_room(choice.set, note.host);
    tell(choice, repository);
    note.target = target_.text();
    note.backup = choice.set.label;
    note.repo = restore::number_of(*view_, repository.name);
    note.timeline = choice.timeline;
  }

  std::string the_leader() {
    const patroni::Members members = patroni::read_members(*view_, answers_);
    const TopologyHost* leader = members.leader();
    if (leader) present_ = restore::read_present(answers_[restore::present_ask(*view_, leader->name)]);
    if (!leader || !present_.leads)
      refuse("no member of " + spec_.patroni_cluster_name + " leads, so nobody can archive what was written until now",
             "see pgcluster status; failover --to HOST promotes a replica");
    for (const auto& [host, member] : members.all)
      if (member.paused) refuse(spec_.patroni_cluster_name + " is paused: PostgreSQL would go on when Patroni stops", "pgcluster resume first");
    return leader->name;
  }

  // The first one that can be used.
  backup::Repository the_repository() {
    for (const TopologyHost* host : backup::hosts(*view_))
      for (backup::Repository& one : backup::read_repositories(*view_, host->name, answers_[backup::repositories_ask(*view_, host->name)]))
        repositories_.push_back(std::move(one));
    for (const backup::Repository& one : repositories_) {
      if (one.running) refuse("a backup is being made in " + one.name, "try again when it has ended; pgcluster backups shows it", one.host);
      if (one.problem.empty() && one.exists && !one.backups.empty()) return one;
    }
    const backup::Repository& first = repositories_.front();
    refuse(first.problem.empty() ? "there is no backup in " + first.name : first.name + " cannot be used: " + first.problem, "see pgcluster status",
           first.host);
  }

  void check_tools(const std::string& leader) const {
    const std::string version = restore::read_place(answers_[restore::place_ask(*view_, leader)]).tool;
    for (const backup::Repository& one : repositories_)
      if (const std::string other = restore::read_place(answers_[restore::tool_ask(*view_, one.host)]).tool; other != version)
        refuse("the tool that makes the backups is of version " + version + " on " + leader + " and of version " + other + " on " + one.host +
                   ": they do not work together",
               "bring both to the same version", one.host);
  }

  std::vector<restore::Found> finds(const std::string& leader, const wal::Archive& archive) {
    if (target_.kind != Kind::xid && target_.kind != Kind::name) return {};
    const Ask ask = restore::find_ask(*view_, leader, target_, archive);
    const Observed observed = observe({{leader, hosts_.at(leader)}}, {{leader, {ask}}}, executor_, plan_options(options_));
    if (!observed.errors.empty()) throw observed.errors.begin()->second;
    const auto answers = observed.answers.find(leader);
    const auto* output = answers == observed.answers.end() ? nullptr : std::get_if<Output>(&answers->second.front());
    if (!output || output->status != 0)
      refuse(target_.words() + " could not be looked for in the WAL" + (output && output->status == 124 ? ": there is too much of it" : ""),
             "restore to a time (--time) instead");
    return restore::read_found(*output);
  }

  void check_set(const backup::Backup& set) const {
    if (set.version != std::to_string(spec_.postgresql_version))
      refuse("the backup " + set.label + " is of PostgreSQL " + set.version + ", and the cluster runs " + std::to_string(spec_.postgresql_version),
             "a backup of another major version is restored into a cluster of its own");
  }

  void check_room(const backup::Backup& set, const std::string& leader) const {
    constexpr std::int64_t margin = 200'000'000;
    for (const std::string& host : topology_.database) {
      const restore::Place place = restore::read_place(answers_[restore::place_ask(*view_, host)]);
      if (!place.answers) refuse("the data directory of " + host + " cannot be looked at", "see pgcluster status", host);
      if (options_.keep_data && !place.fixed.empty())
        refuse("the data directory of " + host + " cannot be renamed: " + place.fixed, "leave --keep-data out, and copy what you want to keep", host);
      if (host != leader && !options_.keep_data) continue;  // a replica's own data goes first
      const std::int64_t room = place.free_bytes + (options_.keep_data ? 0 : place.used_bytes);
      const auto megabytes = [](std::int64_t bytes) { return std::to_string(bytes / 1'000'000) + " MB"; };
      if (room < set.whole_bytes + margin)
        refuse("the disk of " + host + " has room for " + megabytes(room) + ", and the restored data takes " + megabytes(set.whole_bytes) +
                   " and some WAL",
               options_.keep_data ? "make room, or leave --keep-data out" : "make room", host);
    }
  }

  void warn(std::string message, std::string hint = {}) {
    warnings_.push_back({.severity = Severity::warning, .message = std::move(message), .hint = std::move(hint)});
  }

  void tell(const restore::Choice& choice, const backup::Repository& repository) {
    warn("the cluster goes back to " + target_.words() + ", on timeline " + std::to_string(choice.timeline) + ", from the backup " +
         choice.set.label + " in " + repository.name + " (ended " + restore::time_text(choice.set.stop * 1'000'000) + ")");
    if (target_.kind != Kind::end || choice.timeline != present_.timeline)
      warn("everything that was written after it is lost to the cluster",
           "it stays in the archive, on timeline " + std::to_string(present_.timeline) + ", as long as the backups before it are kept");
    warn("nobody is served from the first stop until the restored data leads");
    if (!present_.slots.empty())
      warn("the logical replication slots go: " + joined(present_.slots), "make them again, and let their subscribers begin anew");
    if (choice.set.error) warn("the backup " + choice.set.label + " has pages with a wrong checksum", "see pgcluster status");
  }

  Plan finish(const Note& note, bool begun, bool promoted) {
    PlanOptions plan = plan_options(options_);
    plan.warnings = std::move(warnings_);
    plan.origin = {.planner = "restore", .spec = dump(spec_, Secrets::references), .options = {}, .continues = true};
    for (const auto& [key, value] :
         {std::pair{"time", &options_.time}, {"lsn", &options_.lsn}, {"xid", &options_.xid}, {"name", &options_.name}, {"backup", &options_.backup}})
      if (!value->empty()) plan.origin.options[key] = *value;
    if (options_.timeline != 0) plan.origin.options["timeline"] = std::to_string(options_.timeline);
    if (options_.keep_data) plan.origin.options["keep_data"] = "true";
    return make_plan(hosts_, restore::steps(view_, note, begun, promoted), executor_, plan);
  }

  const Spec& spec_;
  Executor& executor_;
  const RestoreOptions& options_;
  Topology topology_;
  std::shared_ptr<const ClusterView> view_;
  Target target_;
  Hosts hosts_{};
  std::map<std::string, std::vector<Ask>> asks_{};
  Answers answers_{};
  std::vector<backup::Repository> repositories_{};
  restore::Present present_{};
  std::vector<Diagnostic> warnings_{};
  int held_ = 0;
};

}  // namespace

Plan plan_restore(const Spec& spec, Executor& executor, const RestoreOptions& options) {
  check_spec(spec, options.components);
  return Restoring(spec, executor, options).plan();
}

}  // namespace pgcluster
