// A backup is proven by a unit on a database host; what it finds is kept beside the repository.
#include <algorithm>
#include <sstream>

#include "component/certificates.hpp"
#include "component/pgbackrest/pgbackrest.hpp"
#include "component/pgbackrest/shell.hpp"
#include "component/postgresql/postgresql.hpp"
#include "component/proof.hpp"
#include "component/restore.hpp"
#include "spec/roles.hpp"

namespace pgcluster::proof {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using View = std::shared_ptr<const ClusterView>;

constexpr const char* prove_program = "/usr/local/lib/pgcluster/prove";
constexpr const char* due_program = "/usr/local/lib/pgcluster/prove-due";
constexpr const char* prove_progress = "/var/lib/pgcluster/prove.progress";
// Two proofs would take each other's place.
constexpr const char* lock_path = "/run/pgcluster-prove.lock";
constexpr std::size_t most_kept = 50;

std::string unit_of(const std::string& repo, const std::string& label) { return "pgcluster-prove-" + repo + "@" + label + ".service"; }

// Beside the repository; what a database host has proven by itself, it keeps itself.
std::string path_of(const ClusterView& view, const std::string& host, const std::string& repo) {
  for (const pgbackrest::NumberedRepo& one : pgbackrest::repos(view.spec))
    if (one.name() == repo) return repo_host(view.spec, one.spec) == host ? one.spec.path + ".proven" : "/var/lib/pgcluster/proven-" + repo;
  return {};
}

std::string due_of(const pgbackrest::NumberedRepo& repo) { return "pgcluster-prove-due-" + repo.name(); }

Steps due_steps(const NodeView& node, const pgbackrest::NumberedRepo& repo) {
  const Spec& spec = node.spec();
  const std::string rest = certificates::url(spec, node.host.address, spec.patroni_restapi_port);
  const WriteFile unit{.path = "/etc/systemd/system/" + due_of(repo) + ".service",
                       .content = "[Unit]\nDescription=proves the newest backup of " + spec.patroni_cluster_name + " in " + repo.name() +
                                  "\nAfter=network-online.target\n\n[Service]\nType=oneshot\n"
                                  // It waits until an operation of pgcluster has ended.
                                  "ExecStartPre=/bin/sh -c '[ ! -e /run/pgcluster/lock ] || flock -s -w 600 /run/pgcluster/lock true || :'\n"
                                  "ExecStart=" +
                                  due_program + " " + std::to_string(repo.number) + " " + stanza_of(spec) + " " + node.name() + " " + rest +
                                  (rest.starts_with("https:") ? std::string(" ") + certificates::authority_file : "") +
                                  "\nTimeoutStartSec=infinity\nNice=10\n"};
  const WriteFile timer{.path = "/etc/systemd/system/" + due_of(repo) + ".timer",
                        .content = "[Unit]\nDescription=schedule of proofs of backups in " + repo.name() + "\n\n[Timer]\nOnCalendar=" +
                                   spec.pgbackrest_schedule.prove + "\nPersistent=true\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"};
  return sequence(file(node.step("pgbackrest", "prove-due-" + repo.name()), node.name(), unit),
                  pgbackrest::timer_step(node, "prove-timer-" + repo.name(), timer));
}

WriteFile unit_file(const NodeView& node, const pgbackrest::NumberedRepo& repo) {
  const Spec& spec = node.spec();
  return {.path = "/etc/systemd/system/pgcluster-prove-" + repo.name() + "@.service",
          .content = std::string("[Unit]\nDescription=proves the backup %i of ") + spec.patroni_cluster_name + "\nAfter=network-online.target\n\n" +
                     "[Service]\nType=oneshot\nExecStart=/usr/bin/flock -n -o " + lock_path + " " + prove_program + " %i " +
                     std::to_string(repo.number) + " " + stanza_of(spec) + " " + postgresql_bin_dir(node.cluster, node.name()) + " " +
                     spec.patroni_superuser_username +
                     // Also after a kill: its data is as large as the cluster's.
                     "\nExecStopPost=/usr/bin/flock -n " + lock_path +
                     " /bin/rm -rf /var/lib/postgresql/.pgcluster-prove\nTimeoutStartSec=infinity\nNice=10\nIOSchedulingClass=idle\n"};
}

// The line of progress: "STATE LABEL TIME SECONDS WORDS".
struct Progress {
  std::string line, state;
  Proof proof;
  bool untried() const { return state == "untried"; }
  bool ended() const { return state == "proven" || state == "failed" || untried(); }
};
Progress read_progress(const Answer& answer, const std::string& repo) {
  Progress found;
  const auto* file = std::get_if<File>(&answer);
  if (!file) return found;
  found.line = file->content.substr(0, file->content.find('\n'));
  std::istringstream words(found.line);
  words >> found.state >> found.proof.label >> found.proof.at >> found.proof.seconds;
  std::getline(words >> std::ws, found.proof.wrong);
  found.proof.repo = repo;
  if (found.state == "proven") found.proof.wrong.clear();
  return found;
}

std::string line_of(const Proof& one) {
  return one.label + " " + std::to_string(one.at) + " " + std::to_string(one.seconds) + " " + (one.wrong.empty() ? "ok" : one.wrong) + "\n";
}

StepPtr prove_step(const std::string& host, const std::string& repo, const std::string& label, const std::string& before) {
  const Ask progress = progress_ask(host), state{host, UnitOf{unit_of(repo, label)}};
  auto decide = [=](const Answers& answers) -> Decision {
    const Progress now = read_progress(answers[progress], repo);
    const bool is_this = now.proof.label == label && now.line != before;
    if (is_this && now.ended()) return Done{};
    const auto* running = answers.get<Unit>(state);
    if (running && (running->active == "activating" || running->active == "deactivating"))
      return Later{.until = "the backup " + label + " is proven",
                   .at_most = Impact::none,
                   .action = Action::run,
                   .seen = is_this ? now.state + " " + now.proof.wrong : std::string()};
    Change change{.todo = {Do{.at = host, .what = SetUnit{unit_of(repo, label), SetUnit::Go::start, std::nullopt}}},
                  .action = Action::run,
                  .reason = "the backup " + label + " is restored into a server of its own, looked through, and removed"};
    if (running && running->active == "failed")
      change.failed = is_this ? "the proof of " + label + " was ended (" + running->result + ")"
                              : "the proof of " + label + " did not begin: does another one run on " + host + "? Try again when it has ended";
    else if (is_this)
      change.failed = "the proof of " + label + " was interrupted (has the host been restarted?)";
    return change;
  };
  return make_step(StepRef{host, "pgbackrest", "prove"},
                   {.asks = {state, progress}, .decide = decide, .settle = hours(240), .evidence = {journal_ask(host, unit_of(repo, label))}});
}

StepPtr record_step(const View& view, const std::string& host, const backup::Repository& repo, const std::string& label, const std::string& missing,
                    const Proofs& before, const std::string& progress_before) {
  const Ask progress = progress_ask(host), kept = ask(*view, repo.host, repo.name);
  auto decide = [=, path = path_of(*view, repo.host, repo.name)](const Answers& answers) -> Decision {
    Progress now = read_progress(answers[progress], repo.name);
    if (!now.ended() || now.proof.label != label || now.line == progress_before)
      return Later{.until = "the backup is proven", .at_most = Impact::none, .action = Action::update};
    if (now.untried()) return Done{};
    if (now.proof.wrong.empty() && !missing.empty()) now.proof.wrong = wal_missing + missing + " is missing";
    std::string content;
    std::vector<Proof> all = before.all;
    std::erase_if(all, [&](const Proof& one) { return one.label == label; });
    if (all.size() >= most_kept) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(most_kept) + 1);
    for (const Proof& one : all) content += line_of(one);
    const auto* written = answers.get<Output>(kept);
    if (written && written->out.ends_with(line_of(now.proof))) return Done{};
    return Change{.todo = {Do{.at = repo.host, .what = WriteFile{.path = path, .content = Text(content + line_of(now.proof))}}},
                  .action = Action::update,
                  .reason = "what was found is kept with the repository"};
  };
  return make_step(StepRef{repo.host, "pgbackrest", "proven"}, {.asks = {progress, kept}, .decide = decide, .settle = seconds(30)});
}

StepPtr verdict_gate(const View& view, const backup::Repository& repo, const std::string& host, const std::string& label, const std::string& missing,
                     const std::string& before) {
  const Ask progress = progress_ask(host);
  auto decide = [=, name = repo.name, keeper = repo.host, cluster = view->spec.patroni_cluster_name](const Answers& answers) -> Decision {
    const Progress now = read_progress(answers[progress], name);
    if (!now.ended() || now.proof.label != label || now.line == before) return Later{"the backup " + label + " is proven"};
    if (now.untried())
      return Refused{{.message = "the backup " + label + " in " + name + " could not be tried on " + host + ": " + now.proof.wrong,
                      .hint = "this says nothing of the backup: mend the cause, and prove again"},
                     Code::not_converged};
    const std::string hint = "make a full backup now (pgcluster backup --type full), and prove that one";
    if (!now.proof.wrong.empty())
      return Refused{{.message = "the backup " + label + " in " + name + " on " + keeper + " cannot be restored: " + now.proof.wrong, .hint = hint},
                     Code::not_converged};
    if (!missing.empty())
      return Refused{{.message = "the backup " + label + " is good, but the WAL file " + missing + " is missing in " + name +
                                 ": nothing after it can be restored from this backup",
                      .hint = hint},
                     Code::not_converged};
    return Done{};
  };
  return gate(StepRef{host, "pgbackrest", "verdict"}, {.asks = {progress}, .decide = decide});
}

}  // namespace

Ask ask(const ClusterView& view, const std::string& host, const std::string& repo) {
  const std::string path = path_of(view, host, repo);
  return {host, Exec{.argv = {"sh", "-c", shell::proofs, "sh", path}, .about = {"file:" + path}}};
}

Proofs read(const std::string& repo, const Answer& answer) {
  Proofs proofs;
  const auto* output = std::get_if<Output>(&answer);
  std::istringstream lines(output && output->status == 0 ? output->out : "");
  std::string line;
  if (std::getline(lines, line)) proofs.now = std::atoll(line.c_str());
  while (std::getline(lines, line)) {
    Proof one{.repo = repo};
    std::istringstream words(line);
    words >> one.label >> one.at >> one.seconds;
    std::getline(words >> std::ws, one.wrong);
    if (one.wrong.empty()) continue;
    if (one.wrong == "ok") one.wrong.clear();
    proofs.all.push_back(std::move(one));
  }
  return proofs;
}

std::vector<Ask> asks(const ClusterView& view, const std::string& host, const std::string& repo) {
  std::vector<Ask> all{ask(view, host, repo)};
  if (!view.spec.pgbackrest_schedule.prove.empty())
    for (const TopologyHost* database : view.topology.with(Role::postgres)) all.push_back(ask(view, database->name, repo));
  return all;
}

Proofs read(const ClusterView& view, const std::string& host, const std::string& repo, const Answers& answers) {
  Proofs found;
  for (const Ask& one : asks(view, host, repo)) {
    Proofs more = read(repo, answers[one]);
    found.now = std::max(found.now, more.now);
    for (Proof& proof : more.all) {
      const auto same = std::find_if(found.all.begin(), found.all.end(), [&](const Proof& other) { return other.label == proof.label; });
      if (same == found.all.end())
        found.all.push_back(std::move(proof));
      else if (same->at < proof.at)
        *same = std::move(proof);
    }
  }
  std::stable_sort(found.all.begin(), found.all.end(), [](const Proof& a, const Proof& b) { return a.at < b.at; });
  return found;
}

std::vector<std::string> timers(const Spec& spec) {
  std::vector<std::string> all;
  if (spec.pgbackrest_schedule.prove.empty()) return all;
  for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(spec)) all.push_back(due_of(repo) + ".timer");
  return all;
}

std::vector<Probe> due_probes(const NodeView& node) {
  std::vector<Probe> all;
  if (node.spec().pgbackrest_schedule.prove.empty()) return all;
  for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(node.spec())) {
    const std::string unit = due_of(repo) + ".service";
    all.push_back({{node.name(), UnitOf{unit}}, [unit, name = repo.name()](const Answer& answer) -> std::optional<Problem> {
                     const auto* state = std::get_if<Unit>(&answer);
                     if (!state || state->active != "failed") return std::nullopt;
                     return Problem{.cause = "proof_failed",
                                    .message = "the last proof of a backup in " + name + " that was due here has failed (" + state->result + ")",
                                    .remedy = "journalctl -u " + unit + " on the host says why; pgcluster prove tries the newest backup now"};
                   }});
  }
  return all;
}

const Proof* newest_good(const std::vector<Proof>& proofs) {
  const Proof* best = nullptr;
  for (const Proof& one : proofs)
    if (one.wrong.empty() && (!best || one.at > best->at)) best = &one;
  return best;
}

Ask progress_ask(const std::string& host) { return {host, FileOf{prove_progress}}; }

Steps prepared(const NodeView& node) {
  std::vector<Steps> all{file(node.step("pgbackrest", "prove-program"), node.name(),
                              {.path = prove_program, .content = std::string(shell::recovery) + shell::prove, .mode = 0755})};
  for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(node.spec()))
    all.push_back(file(node.step("pgbackrest", "prove-unit-" + repo.name()), node.name(), unit_file(node, repo)));
  if (node.spec().pgbackrest_schedule.prove.empty()) return parallel(std::move(all));
  all.push_back(file(node.step("pgbackrest", "prove-due-program"), node.name(), {.path = due_program, .content = shell::prove_due, .mode = 0755}));
  for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(node.spec())) all.push_back(due_steps(node, repo));
  return parallel(std::move(all));
}

Steps steps(const View& view, const std::string& host, const backup::Repository& repo, const std::string& label, const std::string& missing,
            const Proofs& before, const std::string& progress) {
  return sequence(prove_step(host, repo.name, label, progress), record_step(view, host, repo, label, missing, before, progress),
                  verdict_gate(view, repo, host, label, missing, progress));
}

}  // namespace pgcluster::proof
