// pgBackRest: database hosts archive their WAL to the hosts with repositories, which make the backups.
#include "component/pgbackrest/pgbackrest.hpp"

#include <algorithm>
#include <sstream>

#include <pgcluster/component/patroni.hpp>

#include "component/certificates.hpp"
#include "component/patroni/patroni.hpp"
#include "component/proof.hpp"
#include "component/registry.hpp"
#include "component/restore.hpp"
#include "op/facts.hpp"
#include "platform/platform.hpp"
#include "spec/roles.hpp"
#include "step/unit_state.hpp"

namespace pgcluster {
namespace {

using std::chrono::seconds;

bool keeps(const NodeView& node) { return node.has(Role::backup) && !pgbackrest::repos(node.spec(), node.name()).empty(); }
bool takes_part(const NodeView& node) { return backup::wanted(node.spec()) && (node.has(Role::postgres) || keeps(node)); }

// Debian's package brings a configuration that names only the default directory.
bool is_packaged(const std::string& config) {
  std::istringstream lines(config);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && !line.starts_with('#') && line != "[global]" && line != "repo1-path=/var/lib/pgbackrest") return false;
  return true;
}

// Somebody else's pgBackRest goes on as it is. It reads /etc/pgbackrest/pgbackrest.conf first, and the other file only where there is none.
StepPtr stranger_step(const NodeView& node) {
  const std::string foreign = "/etc/pgbackrest/pgbackrest.conf";
  const Ask config{node.name(), FileOf{pgbackrest::config_path}}, first{node.name(), FileOf{foreign, false}};
  auto decide = [=, host = node.name(), ours = owns(node.facts, std::string("file:") + pgbackrest::config_path)](const Answers& answers) -> Decision {
    const auto* found = answers.get<File>(config);
    const bool strange = !ours && found && !found->content.starts_with(pgbackrest::header) && !is_packaged(found->content);
    if (!strange && !answers.get<File>(first)) return Done{};
    return Refused{{.message = host + " has a configuration of pgBackRest that pgcluster has not written (" +
                               (strange ? pgbackrest::config_path : foreign) + ")",
                    .hint = "move it away, where nobody needs it; or write pgbackrest_install: false"}};
  };
  return gate(node.step("pgbackrest", "stranger"), {.asks = {config, first}, .decide = decide});
}

// The first bytes of what the stanzas of a repository keep in it: nothing where there is none. Encrypted files begin as those of openssl do.
Ask contents_ask(const std::string& host, const std::string& path) {
  return {host, Exec{.argv = {"find", path, "-maxdepth", "3", "-path", path + "/backup/*/backup.info", "-exec", "head", "-c", "8", "{}", ";"},
                     .about = {"backup:repositories"}}};
}
constexpr const char* encrypted_mark = "Salted__";

// The directory of a repository. No step keeps it: it stays when the cluster goes.
StepPtr directory_step(const NodeView& node, const pgbackrest::NumberedRepo& repo) {
  const std::string account = node.platform().pgbackrest.account, host = node.name(), path = repo.spec.path;
  const Ask look{host, FileOf{path, false}}, contents = contents_ask(host, path);
  auto decide = [=, cipher = repo.spec.cipher](const Answers& answers) -> Decision {
    if (const std::string* found = answers.out(contents); found && !found->empty() && found->starts_with(encrypted_mark) != cipher)
      return Refused{
          {.message = "the repository at " + path + " on " + host + " is " + (cipher ? "not encrypted" : "encrypted") + ", which cannot be changed",
           .hint = std::string("write cipher: ") + (cipher ? "false" : "true") +
                   " again, or name another path: the repository there stays with all its backups",
           .path = "pgbackrest_repos"}};
    if (std::holds_alternative<Absent>(answers[look]))
      return Change{.todo = {Do{.at = host,
                                .what = Run{.argv = {"install", "-d", "-m", "0750", "-o", account, "-g", account, path},
                                            .touches = {"file:" + path},
                                            .name = "make the directory " + path}}},
                    .action = Action::create,
                    .reason = "there is no directory for the repository"};
    const auto* found = answers.get<File>(look);
    if (!found) return Later{path + " on " + host + " can be read"};
    if (found->kind == File::Kind::directory && found->owner == account) return Done{};
    return Refused{{.message = path + " on " + host + (found->kind == File::Kind::directory ? " belongs to " + found->owner : " is no directory"),
                    .hint = "a repository is a directory that belongs to " + account + ": on " + host + ", chown -R " + account + ": " + path +
                            "; or name another path",
                    .path = "pgbackrest_repos"}};
  };
  return make_step(node.step("pgbackrest", repo.name()), {.asks = {look, contents}, .decide = decide});
}

// Without the passphrase nobody can read the repository, so the copy stays beside it when the cluster goes. No step keeps it.
Steps passphrase_step(const NodeView& node, const pgbackrest::NumberedRepo& repo) {
  if (!repo.spec.cipher) return {};
  const WriteFile wish{
      .path = pgbackrest::passphrase_file(repo), .content = Text(node.cluster.secret(pgbackrest::passphrase(node.spec(), repo).name)), .mode = 0600};
  const StepPtr wished = file(node.step("pgbackrest", repo.name() + "-passphrase"), node.name(), wish);
  const Ask present = wished->asks().front(), contents = contents_ask(node.name(), repo.spec.path);
  auto decide = [wish, wished, present, contents, path = repo.spec.path, host = node.name(),
                 begun = owns(node.facts, std::string("file:") + pgbackrest::config_path),
                 begins = patroni::begins(node.cluster)](const Answers& answers) -> Decision {
    Decision decision = wished->decide(answers);
    const auto* found = answers.get<File>(present);
    if (!std::holds_alternative<Change>(decision) || !found || found->content == wish.content.reveal()) return decision;
    const auto* kept = answers.get<Output>(contents);
    if (begun && kept && kept->out.empty()) return decision;
    return Refused{{.message = "the repository at " + path + " on " + host + " has another passphrase than this cluster",
                    .hint = std::string(begun && begins ? pgbackrest::rebuild_hint : "") +
                            "name another path: the repository there stays with all its backups. Or go on with it: copy " + wish.path +
                            " to this machine, and name the copy in the repository's cipher_pass (!file PATH); a new cluster needs another "
                            "pgbackrest_stanza, too",
                    .path = "pgbackrest_repos"}};
  };
  return make_step(wished->name(), {.asks = {present, contents}, .decide = decide});
}

ServiceWish server_wish() {
  ServiceWish wish{.unit = pgbackrest::unit, .reloadable = true, .restart_impact = Impact::none, .reload_impact = Impact::none};
  wish.start_files = {std::string("/etc/systemd/system/") + pgbackrest::unit + ".d/50-pgcluster.conf"};
  wish.load_files = {pgbackrest::config_path, certificates::authority_file, certificates::certificate_file(pgbackrest::certificate)};
  return wish;
}

// It answers with TLS, by its present configuration.
StepPtr listens(const NodeView& node) {
  std::vector<std::string> argv = pgbackrest::command(node.cluster, node.name(), {"server-ping", node.host.address});
  std::erase_if(argv, [](const std::string& word) { return word.starts_with("--stanza="); });
  const Ask ask{node.name(), Exec{.argv = std::move(argv), .about = {std::string("unit:") + pgbackrest::unit}}};
  auto decide = [ask, host = node.name()](const Answers& answers) -> Decision {
    if (answers.out(ask)) return Done{};
    return Later{"pgBackRest's server answers on " + host};
  };
  return gate(backup::configured(node.name()),
              {.asks = {ask}, .decide = decide, .settle = seconds(60), .evidence = {journal_ask(node.name(), pgbackrest::unit)}});
}

Steps repository_steps(const NodeView& node) {
  if (!keeps(node)) return {};
  std::vector<Steps> all;
  for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(node.spec(), node.name())) {
    Steps timers;
    for (const auto& [type, when] : pgbackrest::schedule(node.spec()))
      timers =
          parallel(std::move(timers), pgbackrest::timer_step(node, "timer-" + repo.name() + "-" + type, pgbackrest::timer_file(repo, type, when)));
    all.push_back(sequence(parallel(directory_step(node, repo), passphrase_step(node, repo)),
                           file(node.step("pgbackrest", "backup-unit-" + repo.name()), node.name(), pgbackrest::backup_unit_file(node, repo)),
                           std::move(timers)));
  }
  return parallel(std::move(all));
}

Probe archiver_probe(const NodeView& node) {
  return {backup::archiver_ask(node.cluster, node.name()), [](const Answer& answer) -> std::optional<Problem> {
            const backup::Archiver archiver = backup::read_archiver(answer);
            if (!archiver.leads || !archiver.failing) return std::nullopt;
            return Problem{.cause = "archive_failing",
                           .message = "WAL is not archived" + (archiver.last ? ", since " + std::to_string(archiver.age_s) + " s" : std::string()) +
                                      " (" + std::to_string(archiver.failed) + " failed attempts)",
                           .remedy = "see the repositories' hosts, and PostgreSQL's log on this host; until then WAL stays on this host's disk"};
          }};
}

Probe restore_probe(const NodeView& node) {
  return {restore::note_ask(node.name()), [](const Answer& answer) -> std::optional<Problem> {
            const auto note = restore::read_note(answer);
            if (!note) return std::nullopt;
            const Diagnostic told = restore::interrupted(*note);
            return Problem{.cause = "restore_unfinished", .message = "a restore to " + note->target + " has not ended", .remedy = told.hint};
          }};
}

Probe repositories_probe(const NodeView& node) {
  return {backup::repositories_ask(node.cluster, node.name()),
          [view = shared(node.cluster), host = node.name()](const Answer& answer) -> std::optional<Problem> {
            const std::vector<backup::Repository> repositories = backup::read_repositories(*view, host, answer);
            const std::vector<pgbackrest::NumberedRepo> numbered = pgbackrest::repos(view->spec, host);
            for (std::size_t i = 0; i < repositories.size(); ++i) {
              const backup::Repository& repo = repositories[i];
              if (!repo.problem.empty())
                return Problem{.cause = "repository_broken",
                               .message = repo.name + " cannot be read: " + repo.problem,
                               .remedy = "check the free space, owner and mount of " + numbered[i].spec.path};
              if (!repo.backups.empty() && repo.backups.back().error)
                return Problem{
                    .cause = "backup_damaged",
                    .message = "the newest backup in " + repo.name + " (" + repo.backups.back().label + ") has pages with a wrong checksum",
                    .remedy = "its log in /var/log/pgbackrest names them: repair the database, and make a full backup"};
            }
            return std::nullopt;
          }};
}

Probe proof_probe(const NodeView& node, const pgbackrest::NumberedRepo& repo) {
  return {proof::ask(node.cluster, node.name(), repo.name()), [name = repo.name()](const Answer& answer) -> std::optional<Problem> {
            const std::vector<proof::Proof> all = proof::read(name, answer).all;
            if (all.empty() || all.back().wrong.empty()) return std::nullopt;
            return Problem{.cause = "proof_failed",
                           .message = "the backup " + all.back().label + " in " + name + " was tried, and cannot be trusted: " + all.back().wrong,
                           .remedy = "pgcluster backup --type full makes another one, pgcluster prove tries it"};
          }};
}

Probe backup_probe(const NodeView& node, const pgbackrest::NumberedRepo& repo, const std::string& type) {
  const std::string unit = pgbackrest::backup_unit(repo, type);
  return {{node.name(), UnitOf{unit}}, [type, unit, repo = repo.name()](const Answer& answer) -> std::optional<Problem> {
            const auto* state = std::get_if<Unit>(&answer);
            if (!state || (state->active != "failed" && state->sub != "auto-restart")) return std::nullopt;
            return Problem{.cause = "backup_failed",
                           .message = "the " + type + " backup in " + repo + " has failed (" + state->result + ")" +
                                      (state->sub == "auto-restart" ? ", and is tried again" : ""),
                           .remedy = "journalctl -u " + unit + " on the host says why; pgcluster backup --type " + type + " makes one now"};
          }};
}

class PgBackRest final : public Component {
 public:
  std::string name() const override { return "pgbackrest"; }

  // PostgreSQL calls the program until its archive_command is another one.
  Leaving leaving(const ClusterView& cluster) const override {
    Leaving leaves;
    for (const std::string& host : cluster.topology.database) leaves.after.push_back(patroni::live(host));
    return leaves;
  }

  Steps steps(const NodeView& node) const override {
    if (!takes_part(node)) return {};
    const auto step = [&](const char* what) { return node.step("pgbackrest", what); };
    const std::string& account = node.platform().pgbackrest.account;
    const WriteFile config{.path = pgbackrest::config_path, .content = pgbackrest::config(node), .mode = 0640, .owner = account, .group = account};
    // The package's unit waits three seconds, to see whether the program dies.
    const WriteFile notes = unit_notes(server_wish(), {"/bin/kill -HUP $MAINPID"}, "ExecStartPost=\n");
    // The package starts its server at once, and without a configuration it dies again and again.
    Steps proves;
    if (node.has(Role::postgres)) proves = proof::prepared(node);
    return sequence(
        stranger_step(node), packages(step("packages"), node.name(), needs(node).packages, {pgbackrest::unit}),
        parallel(file(step("config"), node.name(), config), file(step("unit"), node.name(), notes)), repository_steps(node), std::move(proves),
        after_where_planned({certificates::ready(node.name(), pgbackrest::certificate)}, service(step("service"), node.name(), server_wish())),
        listens(node));
  }

  Steps cluster_steps(const ClusterView& cluster) const override {
    const auto view = shared(cluster);
    std::vector<Steps> all;
    for (const TopologyHost* host : backup::hosts(cluster))
      if (!cluster.leaves_out(host->name)) all.push_back(pgbackrest::first_steps(view, *host));
    if (backup::wanted(cluster.spec) && !cluster.rebuilds) all.push_back(pgbackrest::restored_steps(view));
    return parallel(std::move(all));
  }

  Needs needs(const NodeView& node) const override {
    const PackagedService& packaged = node.platform().pgbackrest;
    Needs all;
    if (!takes_part(node)) {
      left_repositories(node, all);
      return all;
    }
    all.packages = packaged.packages;
    all.ports = {{pgbackrest::port, "pgBackRest", pgbackrest::unit}};
    for (const TopologyHost& other : node.topology().hosts)
      if (other.has(node.has(Role::postgres) ? Role::backup : Role::postgres)) all.ports[0].from.push_back(other.name);
    all.units = {pgbackrest::unit};
    all.accounts = {packaged.account};
    all.directories = {pgbackrest::spool_path};
    for (const std::string& name : packaged.packages) all.least.emplace(name, "2.54");  // the first with backup-standby=prefer
    for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(node.spec()))
      if (repo.spec.cipher) all.secrets.push_back(pgbackrest::passphrase(node.spec(), repo));
    certificates::declare(node, all, {{.name = pgbackrest::certificate, .account = packaged.account, .asks = true, .port = pgbackrest::port}});
    if (node.has(Role::postgres))
      for (const std::string& timer : proof::timers(node.spec())) all.units.push_back(timer);
    if (!keeps(node)) return all;
    for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(node.spec(), node.name())) {
      all.directories.push_back(repo.spec.path);
      for (const auto& [type, when] : pgbackrest::schedule(node.spec())) all.units.push_back(pgbackrest::timer(repo, type));
    }
    return all;
  }

  std::vector<Probe> health(const NodeView& node) const override {
    if (!takes_part(node)) return {};
    std::vector<Probe> all;
    if (node.has(Role::postgres)) {
      all.insert(all.end(), {archiver_probe(node), restore_probe(node)});
      for (Probe& one : proof::due_probes(node)) all.push_back(std::move(one));
    }
    if (!keeps(node)) return all;
    all.push_back(repositories_probe(node));
    for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(node.spec(), node.name()))
      for (const char* type : {"full", "diff", "incr"}) all.push_back(backup_probe(node, repo, type));
    for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(node.spec(), node.name())) all.push_back(proof_probe(node, repo));
    return all;
  }

  // What is only of use to this cluster; the repositories are not.
  std::vector<std::string> data(const NodeView& node) const override {
    if (!takes_part(node)) return {};
    std::vector<std::string> all{pgbackrest::spool_path, "/var/log/pgbackrest"};
    if (node.has(Role::postgres))
      for (const std::string& timer : proof::timers(node.spec())) all.push_back("/var/lib/systemd/timers/stamp-" + timer);
    if (!keeps(node)) return all;
    for (const pgbackrest::NumberedRepo& repo : pgbackrest::repos(node.spec(), node.name()))
      for (const auto& [type, when] : pgbackrest::schedule(node.spec()))
        all.push_back("/var/lib/systemd/timers/stamp-" + pgbackrest::timer(repo, type));
    return all;
  }

 private:
  // A host that has kept repositories, and is not to any more.
  static void left_repositories(const NodeView& node, Needs& needs) {
    const auto& owned = node.facts.owned;
    if (std::none_of(owned.begin(), owned.end(),
                     [](const Owned& one) { return one.resource.starts_with("file:/etc/systemd/system/pgcluster-backup-repo"); }))
      return;
    needs.findings.push_back(
        {.severity = Severity::warning,
         .message = node.name() + " makes no backups any more; the repositories there stay with all their backups",
         .hint = "remove their directories by hand where they are of no use; beside each is its passphrase (PATH.passphrase). If you switch "
                 "backups on again, WAL from the time in between is missing: run pgcluster backup at once",
         .path = "pgbackrest_install"});
  }
};

}  // namespace

ComponentPtr pgbackrest_component() { return std::make_shared<PgBackRest>(); }

}  // namespace pgcluster
