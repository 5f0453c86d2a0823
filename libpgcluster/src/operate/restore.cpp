// Planner of restore: what must hold before anything is stopped, and how an interrupted one goes on.
#include "component/restore.hpp"

#include <algorithm>
#include <set>

#include "base/joined.hpp"
#include "component/patroni/patroni.hpp"
#include "component/proof.hpp"
#include "operate/declared.hpp"
#include "operate/deployment.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

using restore::Kind;
using restore::Note;
using restore::Stage;
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
  if (options.name.find_first_of("'\\") != std::string::npos)
    refuse("a restore point with ' or \\ in its name cannot be named to the tool that restores", "restore to its time (--time) or its LSN (--lsn)");
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
    if (note ? note->anew : hosts_are_new()) return rebuild(note);
    if (!note || untouched(*note)) return begin();
    const Stage stage = stage_of(*note);
    const bool other = is_other(*note);
    if (other && (stage != Stage::begun || !restore::has_failed(*note, answers_[restore::progress_ask(note->host)]))) refuse_other(*note);
    check_keep(*note);
    if (other) return begin_again(*note);
    if (stage == Stage::serves && held_.empty()) return deployment();
    if (stage == Stage::begun) check_left(*note);
    warn("the restore to " + note->target + " goes on, from the backup " + note->backup + " on timeline " + std::to_string(note->timeline));
    return finish(*note, stage);
  }

 private:
  void look() {
    for (const TopologyHost* host : topology_.with(Role::postgres))
      asks_[host->name] = {restore::note_ask(host->name), patroni::member_ask(*view_, *host), restore::place_ask(*view_, host->name),
                           restore::present_ask(*view_, host->name), restore::progress_ask(host->name)};
    for (const TopologyHost* host : topology_.with(Role::postgres))
      for (Ask& ask : restore::traces_asks(*view_, host->name)) asks_[host->name].push_back(std::move(ask));
    for (const TopologyHost* host : backup::hosts(*view_)) {
      asks_[host->name] = {backup::repositories_ask(*view_, host->name), restore::tool_ask(host->name)};
      for (const backup::Repository& repo : backup::read_repositories(*view_, host->name, Unreadable{}))
        for (Ask& ask : std::vector<Ask>{restore::archive_ask(*view_, host->name, repo.name), proof::ask(*view_, host->name, repo.name)})
          asks_[host->name].push_back(std::move(ask));
      for (restore::KeptSecret& one : restore::kept_secrets(*view_, host->name)) asks_[host->name].push_back(std::move(one.copy));
    }
    for (const std::string& member : topology_.dcs_members) asks_[member].push_back(restore::mark_ask(member));
    for (const auto& [name, access] : hosts_of(topology_))
      if (asks_.contains(name)) hosts_.emplace(name, access);
    const Observed observed = observe(hosts_, asks_, executor_, plan_options(options_));
    if (!observed.errors.empty()) throw observed.errors.begin()->second;
    for (const auto& [name, answers] : observed.answers)
      for (std::size_t i = 0; i < answers.size(); ++i) answers_.set(asks_.at(name)[i], answers[i]);
  }

  // The note that counts is that of the host that is restored: it is written first, and goes last. Where a restore was planned anew, others may be
  // older (an id is the time of the plan). Notes that are left without it are of a restore that has ended.
  std::optional<Note> noted() {
    std::optional<Note> own, left;
    for (const std::string& host : topology_.database)
      if (const auto note = restore::read_note(answers_[restore::note_ask(host)])) {
        ids_.insert(note->id);
        (note->hold ? held_ : free_).insert(host);
        std::optional<Note>& known = note->host == host ? own : left;
        if (!known || known->id < note->id) known = note;
      }
    has_ended_ = left && !own;
    return own ? own : left;
  }

  // Whether the database host has never held a cluster.
  bool is_new(const std::string& host) const {
    const std::vector<Ask> traces = restore::traces_asks(*view_, host);
    return std::all_of(traces.begin(), traces.end(), [&](const Ask& ask) { return std::holds_alternative<Absent>(answers_[ask]); });
  }
  bool hosts_are_new() const {
    return std::all_of(topology_.database.begin(), topology_.database.end(), [&](const std::string& host) { return is_new(host); });
  }

  // A DCS that was not lost knows the former cluster, and its secrets were lost with the database hosts.
  void check_dcs() const {
    for (const std::string& member : topology_.dcs_members)
      if (!std::holds_alternative<Absent>(answers_[restore::mark_ask(member)]))
        refuse("the database hosts are new, and " + member + " still has the DCS of the lost cluster",
               "install " + member + " anew, or put a new host in its place; the repositories stay as they are", member);
  }

  // The host of the server that takes writes; empty where none does.
  std::string serving() const {
    for (const std::string& host : topology_.database)
      if (restore::read_present(answers_[restore::present_ask(*view_, host)]).leads) return host;
    return {};
  }

  // The former data still serves: the restore is planned anew, by what is so now.
  bool untouched(const Note& note) const {
    return !has_ended_ && held_.contains(note.host) && !serving().empty() && !restore::has_begun(note, answers_[restore::progress_ask(note.host)]);
  }

  Stage stage_of(const Note& note) const {
    if (!has_ended_ && held_.contains(note.host)) return Stage::begun;
    if (ids_.size() > 1)
      refuse("the database hosts have notes of different restores", "see " + std::string(restore::note_path) + " on them", note.host);
    const std::string serves = serving();
    if (!serves.empty() && !held_.contains(serves)) return Stage::serves;
    if (has_ended_)
      refuse("there is a note of a restore on other hosts, and none on " + note.host + ", which it restored; and no member of the cluster leads",
             "see pgcluster status, and " + std::string(restore::note_path) + " on the database hosts");
    return Stage::promoted;
  }

  void check_keep(const Note& note) const {
    if (options_.keep_data && !note.keep)
      refuse("the restore to " + note.target + " was begun without --keep-data, and may have changed data already", "leave --keep-data out");
  }

  // All servers are stopped, and nothing was restored yet. Did another one lead after the restore was planned?
  void check_left(const Note& note) const {
    if (restore::has_begun(note, answers_[restore::progress_ask(note.host)])) return;
    for (const TopologyHost* host : backup::hosts(*view_))
      for (const backup::Repository& repo : backup::read_repositories(*view_, host->name, Unreadable{})) {
        const wal::Archive archive = wal::read_archive(answers_.out(restore::archive_ask(*view_, host->name, repo.name)));
        if (!archive.timelines.empty() && archive.timelines.rbegin()->first > note.newest)
          refuse("the cluster went on to timeline " + std::to_string(archive.timelines.rbegin()->first) + " after the restore was planned",
                 "nothing was restored yet: remove " + std::string(restore::note_path) +
                     " on all database hosts, start Patroni on them, and restore again",
                 note.host);
      }
  }

  Plan deployment(std::optional<Rebuilding> rebuilding = {}) const {
    return plan_deployment(spec_, executor_,
                           {.stop = options_.stop, .parallel = options_.parallel, .poll = options_.poll, .components = options_.components}, {},
                           std::move(rebuilding));
  }

  // All hosts except those with repositories were lost. A deployment on new hosts begins with the data of a backup.
  Plan rebuild(const std::optional<Note>& begun) {
    const std::string& first = topology_.database.front();
    if (options_.keep_data) refuse("the hosts are new: there is no former data to keep", "leave --keep-data out");
    const bool other = begun && is_other(*begun);
    if (other && (!held_.contains(first) || !restore::has_failed(*begun, answers_[restore::progress_ask(first)]))) refuse_other(*begun);
    if (begun && held_.empty() && (has_ended_ || !serving().empty())) return deployment();
    if (begun && begun->host != first)
      refuse("the restore was begun with " + begun->host + " as the first database host, and now it is " + first,
             "list the hosts in the spec in their former order", begun->host);
    if (!begun) check_dcs();
    // Without a note and without data, the first host is a new one again: it restores once more.
    if (begun && has_ended_ && !is_new(first)) free_.insert(first);
    Rebuilding all{.note = begun.value_or(Note{.host = first, .anew = true}), .free = free_};
    if (!begun || other) choose_anew(all.note);
    if (begun && !other)
      warn("the restore to " + begun->target + " goes on, from the backup " + begun->backup + " on timeline " + std::to_string(begun->timeline));
    all.secrets = kept_secrets();
    all.origin = origin();
    all.warnings = std::move(warnings_);
    return deployment(std::move(all));
  }

  // Nothing is left but the archive, so the time of its last WAL becomes the id. New hosts have no note of another restore with the same id.
  void choose_anew(Note& note) {
    look_at_repositories();
    present_.leads = true;
    for (const backup::Repository& one : repositories_)
      for (const auto& [timeline, found] : archive_of(one).timelines) {
        present_.timeline = std::max(present_.timeline, timeline);
        for (const auto& [segment, archived] : found.segments) present_.micros = std::max(present_.micros, (archived + 1) * 1'000'000);
      }
    present_.lsn = archived_end(present_.timeline);
    note.newest = present_.timeline;
    if (note.id.empty()) note.id = std::to_string(present_.micros / 1'000'000);
    choose(note);
  }

  // The secrets of the lost hosts that cannot be generated again, from their copies beside the backups.
  std::map<std::string, std::string> kept_secrets() const {
    std::map<std::string, std::string> found;
    for (const TopologyHost* host : backup::hosts(*view_))
      for (const restore::KeptSecret& one : restore::kept_secrets(*view_, host->name)) {
        const auto* copy = answers_.get<File>(one.copy);
        if (!copy || copy->content.empty())
          refuse("the passphrase of " + one.repo + " was on the lost hosts, and its copy " + one.path + " on " + host->name + " is not there",
                 "write it into the repository's cipher_pass, as !file PATH or !env NAME", host->name);
        found[one.name] = copy->content;
      }
    return found;
  }

  // The command names another target than the restore that was begun.
  bool is_other(const Note& note) const { return note.target != target_.text() || (options_.timeline != 0 && options_.timeline != note.timeline); }

  [[noreturn]] static void refuse_other(const Note& note) {
    const Diagnostic told = restore::interrupted(note);
    refuse(told.message, told.hint + "; another target comes after it");
  }

  Plan begin() {
    Note note{.host = the_leader(), .keep = options_.keep_data};
    note.id = std::to_string(present_.micros / 1'000'000);
    note.newest = present_.timeline;
    look_at_repositories();
    for (const backup::Repository& one : repositories_)
      if (const wal::Archive archive = archive_of(one); !archive.timelines.empty())
        note.newest = std::max(note.newest, archive.timelines.rbegin()->first);
    choose(note);
    check_deployment();
    return finish(note, Stage::none);
  }

  // What the deployment after it would refuse is refused before anything is stopped.
  void check_deployment() {
    if (!held_.empty()) return;
    const Plan plan = deployment();
    if (!plan.empty()) warn("the spec has changes that were not applied yet; they are made once the data is restored", "pgcluster plan shows them");
  }

  // The former target could not be reached after all. All servers are stopped, and the archive has all that they wrote.
  Plan begin_again(Note note) {
    look_at_repositories();
    present_ = {.leads = true, .timeline = note.newest, .micros = std::atoll(note.id.c_str()) * 1'000'000};
    present_.lsn = archived_end(note.newest);
    choose(note);
    return finish(note, Stage::begun);
  }

  wal::Archive archive_of(const backup::Repository& repository) const {
    wal::Archive archive = wal::read_archive(answers_.out(restore::archive_ask(*view_, repository.host, repository.name)));
    if (!archive.answers) refuse("the WAL of " + repository.name + " cannot be listed", "see pgcluster status", repository.host);
    return archive;
  }

  // Where the WAL of a timeline ends in the repositories.
  std::uint64_t archived_end(int timeline) const {
    std::uint64_t end = 0;
    for (const backup::Repository& one : repositories_) {
      const wal::Archive archive = archive_of(one);
      end = std::max(end, (wal::last_segment(archive, wal::path_to(archive, timeline)) + 1) * wal::segment_bytes);
    }
    return end;
  }

  // The first repository that leads to the target.
  void choose(Note& note) {
    if (!note.anew) check_tools(note.host);
    std::optional<Error> why;
    for (const backup::Repository& repository : repositories_) {
      if (repository.backups.empty()) continue;
      const wal::Archive archive = archive_of(repository);
      const std::vector<restore::Found> found = finds(note.host, archive);
      try {
        const restore::Choice choice = restore::choose(able(repository), archive, present_, target_, options_.timeline, found);
        check_set(choice.set);
        check_room(choice.set, note.host, note.keep);
        note.anew ? tell_of_rebuilding(choice, repository) : tell(choice, repository, note.keep);
        if (choice.set.error) warn("the backup " + choice.set.label + " has pages with a wrong checksum", "see pgcluster status");
        note.target = target_.text();
        note.backup = choice.set.label;
        note.repo = restore::number_of(*view_, repository.name);
        note.timeline = choice.timeline;
        return;
      } catch (const Error& error) {
        if (!why) why = error;
      }
    }
    if (why) throw *why;
    refuse("there is no backup in " + repositories_.front().name, "see pgcluster status", repositories_.front().host);
  }

  // The repository without the backups of which a proof has found that they cannot be restored. One that builds on another is no better than that.
  backup::Repository able(backup::Repository repository) {
    if (target_.kind == Kind::backup) return repository;
    std::set<std::string> wrong;
    for (const proof::Proof& one : proof::read(repository.name, answers_[proof::ask(*view_, repository.host, repository.name)]).all)
      if (!one.wrong.empty() && !one.wrong.starts_with(proof::wal_missing)) wrong.insert(one.label);
    std::set<std::string> out;
    std::erase_if(repository.backups, [&](const backup::Backup& one) {
      const bool is = std::any_of(wrong.begin(), wrong.end(), [&](const std::string& label) { return one.label.starts_with(label); });
      if (is) out.insert(one.label);
      return is;
    });
    if (out.empty()) return repository;
    const std::string hint = "--backup LABEL takes one all the same";
    if (repository.backups.empty()) refuse("prove has found that the backups in " + repository.name + " cannot be restored: " + joined(out), hint);
    warn("left out, because prove has found that they cannot be restored: " + joined(out), hint);
    return repository;
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

  // All can be used: the leader's last WAL must come into each of them.
  void look_at_repositories() {
    for (const TopologyHost* host : backup::hosts(*view_))
      for (backup::Repository& one : backup::read_repositories(*view_, host->name, answers_[backup::repositories_ask(*view_, host->name)]))
        repositories_.push_back(std::move(one));
    for (const backup::Repository& one : repositories_) {
      if (one.running) refuse("a backup is being made in " + one.name, "try again when it has ended; pgcluster backups shows it", one.host);
      if (!one.problem.empty())
        refuse(one.name + " cannot be used: " + one.problem,
               repositories_.size() > 1 ? "see pgcluster status; or take it out of pgbackrest_repos and apply" : "see pgcluster status", one.host);
    }
  }

  void check_tools(const std::string& leader) const {
    const std::string version = restore::read_place(answers_[restore::place_ask(*view_, leader)]).tool;
    for (const backup::Repository& one : repositories_) {
      const std::string other = restore::read_tool(answers_[restore::tool_ask(one.host)]);
      for (const auto& [host, known] : {std::pair{leader, version}, std::pair{one.host, other}})
        if (known.empty()) refuse("the tool that makes the backups does not say its version on " + host, "try again; see pgcluster status", host);
      if (other != version)
        refuse("the tool that makes the backups is of version " + version + " on " + leader + " and of version " + other + " on " + one.host +
                   ": they do not work together",
               "bring both to the same version", one.host);
    }
  }

  // What one host says to one more question.
  Answer ask_once(const std::string& host, const Ask& ask) const {
    const Observed observed = observe({{host, hosts_.at(host)}}, {{host, {ask}}}, executor_, plan_options(options_));
    if (!observed.errors.empty()) throw observed.errors.begin()->second;
    const auto answers = observed.answers.find(host);
    return answers == observed.answers.end() ? Answer(Unreadable{}) : answers->second.front();
  }

  std::vector<restore::Found> finds(const std::string& leader, const wal::Archive& archive) {
    if (target_.kind != Kind::xid && target_.kind != Kind::name) return {};
    if (hosts_are_new())
      refuse(target_.words() + " cannot be looked up: that takes PostgreSQL's tools on a database host, and the hosts are new",
             "name a time (--time) or an LSN (--lsn)");
    const Ask ask = restore::find_ask(*view_, leader, target_, archive);
    const Answer answer = ask_once(leader, ask);
    const auto* output = std::get_if<Output>(&answer);
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

  void check_room(const backup::Backup& set, const std::string& leader, bool keep) const {
    constexpr std::int64_t margin = 200'000'000;
    for (const std::string& host : topology_.database) {
      const restore::Place place = restore::read_place(answers_[restore::place_ask(*view_, host)]);
      if (!place.answers) refuse("the data directory of " + host + " cannot be looked at", "see pgcluster status", host);
      if (keep && !place.fixed.empty())
        refuse("the data directory of " + host + " cannot be renamed: " + place.fixed, "leave --keep-data out, and copy what you want to keep", host);
      if (host != leader && !keep) continue;  // a replica's own data goes first
      std::int64_t room = place.free_bytes;
      if (!keep && room < set.whole_bytes + margin) room += restore::read_used(ask_once(host, restore::used_ask(*view_, host)));
      const auto megabytes = [](std::int64_t bytes) { return std::to_string(bytes / 1'000'000) + " MB"; };
      if (room < set.whole_bytes + margin)
        refuse("the disk of " + host + " has room for " + megabytes(room) + ", and the restored data takes " + megabytes(set.whole_bytes) +
                   " and some WAL",
               keep ? "make room, or leave --keep-data out" : "make room", host);
    }
  }

  void warn(std::string message, std::string hint = {}) {
    warnings_.push_back({.severity = Severity::warning, .message = std::move(message), .hint = std::move(hint)});
  }

  void tell(const restore::Choice& choice, const backup::Repository& repository, bool keep) {
    warn("the cluster goes back to " + target_.words() + ", on timeline " + std::to_string(choice.timeline) + ", from the backup " +
         choice.set.label + " in " + repository.name + " (ended " + restore::time_text(choice.set.stop * 1'000'000) + ")");
    if (target_.kind != Kind::end || choice.timeline != present_.timeline)
      warn("everything that was written after it is lost to the cluster",
           "it stays in the archive, on timeline " + std::to_string(present_.timeline) + ", as long as the backups before it are kept");
    warn("nobody is served from the first stop until the restored data leads");
    if (!present_.slots.empty())
      warn("the logical replication slots go: " + joined(present_.slots), "make them again, and let their subscribers begin anew");
    const std::vector<proof::Proof> proofs = proof::read(repository.name, answers_[proof::ask(*view_, repository.host, repository.name)]).all;
    if (!keep &&
        std::none_of(proofs.begin(), proofs.end(), [&](const proof::Proof& one) { return one.label == choice.set.label && one.wrong.empty(); }))
      warn("the backup " + choice.set.label + " was never proven, and its files replace those of the leader",
           "pgcluster prove --backup " + choice.set.label + " tries it first; --keep-data keeps the former files");
  }

  void tell_of_rebuilding(const restore::Choice& choice, const backup::Repository& repository) {
    warn("no database host has data, so the cluster is built anew, with its data up to " + target_.words() + ", on timeline " +
             std::to_string(choice.timeline) + ", from the backup " + choice.set.label + " in " + repository.name + " (ended " +
             restore::time_text(choice.set.stop * 1'000'000) + ")",
         "if the former hosts still run, stop them first: two clusters would serve, and archive to one repository");
    warn("WAL was archived last at " + restore::time_text(present_.micros - 1'000'000) + ": commits whose WAL was not archived are lost");
    warn("passwords that the spec does not give are generated anew, and so is the authority of the certificates without tls_ca",
         "pgcluster password ROLE prints a password; clients that verify the server need the new authority");
  }

  PlanOrigin origin() const {
    PlanOrigin origin{.planner = "restore", .spec = dump(spec_, Secrets::references), .options = {}, .continues = true};
    for (const auto& [key, value] :
         {std::pair{"time", &options_.time}, {"lsn", &options_.lsn}, {"xid", &options_.xid}, {"name", &options_.name}, {"backup", &options_.backup}})
      if (!value->empty()) origin.options[key] = *value;
    if (options_.timeline != 0) origin.options["timeline"] = std::to_string(options_.timeline);
    if (options_.keep_data) origin.options["keep_data"] = "true";
    return origin;
  }

  Plan finish(const Note& note, Stage stage) {
    PlanOptions plan = plan_options(options_);
    plan.warnings = std::move(warnings_);
    plan.origin = origin();
    return make_plan(hosts_, restore::steps(view_, note, stage, present_.timeline), executor_, plan);
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
  std::set<std::string> held_{}, free_{};  // hosts
  std::set<std::string> ids_{};            // of the notes
  bool has_ended_ = false;
};

}  // namespace

Plan plan_restore(const Spec& spec, Executor& executor, const RestoreOptions& options) {
  check_spec(spec, options.components);
  return Restoring(spec, executor, options).plan();
}

}  // namespace pgcluster
