// Planner of prove: which backup is tried, and where.
#include <algorithm>

#include "component/proof.hpp"
#include "component/restore.hpp"
#include "operate/declared.hpp"
#include "operate/deployment.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

// What the hosts say, and what is chosen by it.
class Proving {
 public:
  Proving(const Spec& spec, Executor& executor, const ProveOptions& options)
      : spec_(spec), executor_(executor), options_(options), topology_(resolve(spec)), view_(outline(spec, topology_)) {
    if (!backup::wanted(spec))
      throw Error(Code::refused, spec.patroni_cluster_name + " is not backed up", "write pgbackrest_install: true and pgbackrest_repos, and apply");
  }

  Plan plan() {
    look();
    const backup::Repository repo = repository();
    const backup::Backup& chosen = the_backup(repo);
    const std::string host = place(chosen);
    const auto* progress = answers_.get<File>(proof::progress_ask(host));
    const Steps steps = proof::steps(view_, host, repo, chosen.label, missing(repo, chosen),
                                     proof::read(repo.name, answers_[proof::ask(*view_, repo.host, repo.name)]),
                                     progress ? progress->content.substr(0, progress->content.find('\n')) : std::string());
    PlanOptions plan = plan_options(options_);
    plan.origin = {.planner = "prove", .spec = dump(spec_, Secrets::references), .options = {}};
    if (!options_.backup.empty()) plan.origin.options["backup"] = options_.backup;
    return make_plan({{host, hosts_.at(host)}, {repo.host, hosts_.at(repo.host)}}, steps, executor_, plan);
  }

 private:
  void look() {
    std::map<std::string, std::vector<Ask>> asks;
    for (const TopologyHost* host : topology_.with(Role::postgres))
      asks[host->name] = {restore::place_ask(*view_, host->name), restore::note_ask(host->name), restore::present_ask(*view_, host->name),
                          proof::progress_ask(host->name)};
    for (const TopologyHost* host : backup::hosts(*view_)) {
      asks[host->name] = {backup::repositories_ask(*view_, host->name)};
      for (const backup::Repository& repo : backup::read_repositories(*view_, host->name, Unreadable{}))
        for (Ask& ask : std::vector<Ask>{restore::archive_ask(*view_, host->name, repo.name), proof::ask(*view_, host->name, repo.name)})
          asks[host->name].push_back(std::move(ask));
    }
    for (const auto& [name, access] : hosts_of(topology_))
      if (asks.contains(name)) hosts_.emplace(name, access);
    const Observed observed = observe(hosts_, asks, executor_, plan_options(options_));
    errors_ = observed.errors;
    for (const auto& [name, answers] : observed.answers)
      for (std::size_t i = 0; i < answers.size(); ++i) answers_.set(asks.at(name)[i], answers[i]);
  }

  // The one that has the backup; without a label, the first one that can be used.
  backup::Repository repository() const {
    std::string problem = "there is no backup yet";
    for (const TopologyHost* host : backup::hosts(*view_)) {
      if (const auto error = errors_.find(host->name); error != errors_.end()) throw error->second;
      for (const backup::Repository& one : backup::read_repositories(*view_, host->name, answers_[backup::repositories_ask(*view_, host->name)])) {
        if (!one.problem.empty()) problem = one.name + " on " + one.host + " cannot be used: " + one.problem;
        if (std::any_of(one.backups.begin(), one.backups.end(), [&](const backup::Backup& made) { return wished(made); })) return one;
        if (one.problem.empty() && !options_.backup.empty()) problem = "there is no backup " + options_.backup;
      }
    }
    throw Error(Code::refused, problem, "pgcluster backups shows which there are");
  }

  bool wished(const backup::Backup& one) const { return options_.backup.empty() || one.label == options_.backup; }
  const backup::Backup& the_backup(const backup::Repository& repo) const {
    return *std::find_if(repo.backups.rbegin(), repo.backups.rend(), [&](const backup::Backup& one) { return wished(one); });
  }

  // A replica that has the room; where there is none, the leader.
  std::string place(const backup::Backup& chosen) const {
    constexpr std::int64_t margin = 500'000'000;
    std::string leader, why = "no database host answers";
    for (const TopologyHost* host : topology_.with(Role::postgres)) {
      if (restore::read_note(answers_[restore::note_ask(host->name)])) throw Error(Code::refused, "a restore is under way", "finish it first");
      const restore::Place room = restore::read_place(answers_[restore::place_ask(*view_, host->name)]);
      if (!room.answers) continue;
      if (room.work_bytes < chosen.whole_bytes + margin) {
        why = "no database host has room for it: " + host->name + " has " + std::to_string(room.work_bytes / 1'000'000) +
              " MB free in /var/lib/postgresql, and the backup is " + std::to_string(chosen.whole_bytes / 1'000'000) + " MB";
        continue;
      }
      if (!restore::read_present(answers_[restore::present_ask(*view_, host->name)]).leads) return host->name;
      leader = host->name;
    }
    if (leader.empty()) throw Error(Code::refused, why, "make room, and prove again");
    return leader;
  }

  // Of the WAL since the backup, as far as the present timeline has it.
  std::string missing(const backup::Repository& repo, const backup::Backup& chosen) const {
    const wal::Archive archive = wal::read_archive(answers_.out(restore::archive_ask(*view_, repo.host, repo.name)));
    const auto first = wal::read_segment(chosen.first_wal);
    if (!archive.answers || !first) return {};
    int timeline = first->first;
    for (const TopologyHost* host : topology_.with(Role::postgres))
      if (const auto present = restore::read_present(answers_[restore::present_ask(*view_, host->name)]); present.leads) timeline = present.timeline;
    std::vector<wal::Stretch> path = wal::path_to(archive, timeline);
    // A backup of a timeline that a restore has left.
    if (!wal::leads_through(path, first->first, wal::read_lsn(chosen.stop_lsn).value_or(0))) path = wal::path_to(archive, first->first);
    return wal::first_gap(archive, path, first->second, wal::last_segment(archive, path));
  }

  const Spec& spec_;
  Executor& executor_;
  const ProveOptions& options_;
  Topology topology_;
  std::shared_ptr<const ClusterView> view_;
  Hosts hosts_{};
  Answers answers_{};
  std::map<std::string, Error> errors_{};
};

}  // namespace

Plan plan_prove(const Spec& spec, Executor& executor, const ProveOptions& options) {
  check_spec(spec, options.components);
  return Proving(spec, executor, options).plan();
}

}  // namespace pgcluster
