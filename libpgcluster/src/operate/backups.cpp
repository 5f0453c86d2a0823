// Which backups there are, and the planner that makes one.
#include "component/backup.hpp"
#include "component/proof.hpp"

#include <algorithm>

#include "base/certificate.hpp"
#include "operate/declared.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

void need_backups(const Spec& spec) {
  if (backup::wanted(spec)) return;
  throw Error(Code::refused, spec.patroni_cluster_name + " is not backed up", "write pgbackrest_install: true and pgbackrest_repos, and apply");
}

// What the hosts with repositories say, and the database hosts' archivers.
struct BackupScene {
  std::shared_ptr<const ClusterView> view;
  Hosts hosts;
  Observed observed;
  Answers answers{};

  std::vector<backup::Repository> repositories() const {
    std::vector<backup::Repository> all;
    for (const TopologyHost* host : backup::hosts(*view)) {
      const auto answers = observed.answers.find(host->name);
      const Answer answer = answers == observed.answers.end() ? Answer(Unreadable{silence(host->name)}) : answers->second.front();
      for (backup::Repository& one : backup::read_repositories(*view, host->name, answer)) all.push_back(std::move(one));
    }
    return all;
  }
  std::string silence(const std::string& host) const {
    const auto error = observed.errors.find(host);
    return error == observed.errors.end() ? host + " did not answer in time" : error->second.message();
  }
};

BackupScene look_at_backups(const Spec& spec, Executor& executor, const OperateOptions& options, bool archivers) {
  need_backups(spec);
  BackupScene scene;
  scene.view = outline(spec, resolve(spec));
  std::map<std::string, std::vector<Ask>> asks;
  for (const TopologyHost* host : backup::hosts(*scene.view)) {
    asks[host->name].push_back(backup::repositories_ask(*scene.view, host->name));
  }
  if (archivers)
    for (const TopologyHost* host : scene.view->topology.with(Role::postgres))
      asks[host->name].push_back(backup::archiver_ask(*scene.view, host->name));
  for (const TopologyHost* host : backup::hosts(*scene.view))
    for (const backup::Repository& repo : backup::read_repositories(*scene.view, host->name, Unreadable{}))
      for (Ask& one : proof::asks(*scene.view, host->name, repo.name))
        if (asks.contains(one.at)) asks[one.at].push_back(std::move(one));
  for (const auto& [name, host] : hosts_of(scene.view->topology))
    if (asks.contains(name)) scene.hosts.emplace(name, host).first->second.connect_timeout = std::chrono::seconds(5);
  scene.observed = observe(scene.hosts, asks, executor, plan_options(options));
  for (const auto& [name, answers] : scene.observed.answers)
    for (std::size_t i = 0; i < answers.size(); ++i) scene.answers.set(asks.at(name)[i], answers[i]);
  return scene;
}

}  // namespace

Backups read_backups(const Spec& spec, Executor& executor, const OperateOptions& options) {
  const BackupScene scene = look_at_backups(spec, executor, options, true);
  Backups found;
  std::optional<std::int64_t> from, to;
  std::int64_t proven_at = 0;
  for (const backup::Repository& repo : scene.repositories()) {
    const std::string problem = repo.problem.empty() && !repo.exists ? "it does not know the cluster yet" : repo.problem;
    found.repos.push_back({.name = repo.name, .type = repo.type, .host = repo.host, .ok = problem.empty(), .problem = problem});
    const std::vector<proof::Proof> proofs = proof::read(*scene.view, repo.host, repo.name, scene.answers).all;
    if (const proof::Proof* good = proof::newest_good(proofs); good && good->at > proven_at) {
      proven_at = good->at;
      found.proven = Backups::Proven{.label = good->label, .at = x509::iso_time(good->at), .seconds = good->seconds};
    }
    for (const backup::Backup& one : repo.backups) {
      const auto proof = std::find_if(proofs.begin(), proofs.end(), [&](const proof::Proof& tried) { return tried.label == one.label; });
      found.backups.push_back({.label = one.label,
                               .type = one.type,
                               .repo = one.repo,
                               .start = x509::iso_time(one.start),
                               .stop = x509::iso_time(one.stop),
                               .size_bytes = one.size_bytes,
                               .error = one.error,
                               .proven = proof != proofs.end() && proof->wrong.empty(),
                               .unproven = proof != proofs.end() ? proof->wrong : ""});
      if (one.error || one.stop == 0) continue;
      from = std::min(from.value_or(one.stop), one.stop);
      to = std::max(to.value_or(one.stop), one.stop);
    }
  }
  found.archived.unknown = true;
  for (const TopologyHost* host : scene.view->topology.with(Role::postgres)) {
    const auto answers = scene.observed.answers.find(host->name);
    if (answers == scene.observed.answers.end()) continue;
    const backup::Archiver archiver = backup::read_archiver(answers->second.front());
    if (!archiver.leads) continue;
    found.archived.unknown = false;
    found.archived.failed = archiver.failed;
    if (!archiver.last) continue;
    found.archived.last = x509::iso_time(*archiver.last);
    found.archived.age_s = archiver.age_s;
    if (to) to = std::max(*to, *archiver.last);
  }
  if (from) found.window = Backups::Window{.from = x509::iso_time(*from), .to = x509::iso_time(*to)};
  return found;
}

Plan plan_backup(const Spec& spec, Executor& executor, const BackupOptions& options) {
  const BackupScene scene = look_at_backups(spec, executor, options, false);
  std::map<std::string, std::map<std::string, std::string>> before;  // newest labels, by host and repository
  for (const backup::Repository& repo : scene.repositories()) {
    if (const auto error = scene.observed.errors.find(repo.host); error != scene.observed.errors.end()) throw error->second;
    if (!repo.problem.empty())
      throw Error({.code = Code::command_failed,
                   .message = repo.name + " on " + repo.host + " cannot be used: " + repo.problem,
                   .hint = "pgcluster status says more, and what to do",
                   .host = repo.host});
    if (!repo.exists)
      throw Error({.code = Code::refused,
                   .message = repo.name + " on " + repo.host + " does not know the cluster yet",
                   .hint = "apply makes it ready, and makes the first backup",
                   .host = repo.host});
    before[repo.host][repo.name] = repo.backups.empty() ? "" : repo.backups.back().label;
  }
  const std::string type(to_string(options.type));
  std::vector<Steps> all;
  for (const auto& [host, labels] : before) all.push_back(backup::make(scene.view, host, type, labels));
  Hosts hosts = scene.hosts;
  std::erase_if(hosts, [&](const auto& host) { return !before.contains(host.first); });
  PlanOptions plan = plan_options(options);
  plan.origin = {.planner = "backup", .spec = dump(spec, Secrets::references), .options = {{"type", type}}};
  return make_plan(hosts, parallel(std::move(all)), executor, plan);
}

}  // namespace pgcluster
