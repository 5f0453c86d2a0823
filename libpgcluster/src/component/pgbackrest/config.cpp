// The files of pgBackRest: database hosts and hosts with repositories reach each other by TLS.
#include "base/network.hpp"
#include "component/certificates.hpp"
#include "component/pgbackrest/pgbackrest.hpp"
#include "component/postgresql/postgresql.hpp"
#include "platform/platform.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace pgbackrest {
namespace {

// How the host at the other end is reached: "repo1-host=…" or "pg1-host=…".
std::string reach(const std::string& prefix, const std::string& address) {
  return prefix + "-host=" + address + "\n" + prefix + "-host-type=tls\n" + prefix +
         "-host-cert-file=" + certificates::certificate_file(certificate) + "\n" + prefix + "-host-key-file=" + certificates::key_file(certificate) +
         "\n" + prefix + "-host-ca-file=" + certificates::authority_file + "\n";
}

std::string server_lines(const NodeView& node) {
  return "\ntls-server-address=" + node.host.address + "\ntls-server-cert-file=" + certificates::certificate_file(certificate) +
         "\ntls-server-key-file=" + certificates::key_file(certificate) + "\ntls-server-ca-file=" + certificates::authority_file + "\n";
}

// Who may connect: by the name in the certificate, and for this cluster only.
std::string admits(const std::string& host, const Spec& spec) { return "tls-server-auth=" + host + "=" + stanza_of(spec) + "\n"; }

std::string database_lines(const NodeView& node, const std::string& host, const std::string& prefix) {
  return prefix + "-path=" + postgresql_data_dir(node.cluster, host) + "\n" + prefix + "-port=" + std::to_string(node.spec().postgresql_port) + "\n" +
         prefix + "-socket-path=" + node.cluster.platform(host).postgresql.socket_dir + "\n" + prefix +
         "-user=" + node.spec().patroni_superuser_username + "\n";
}

Text database_config(const NodeView& node) {
  const Spec& spec = node.spec();
  std::string text = "[global]\n";
  std::string admitted;
  for (const NumberedRepo& repo : repos(spec)) text += reach(repo.name(), node.topology().host(repo_host(spec, repo.spec)).address);
  for (const TopologyHost* keeper : backup::hosts(node.cluster)) admitted += admits(keeper->name, spec);
  text += std::string("spool-path=") + spool_path + "\narchive-async=y\ncompress-type=zst\n" + server_lines(node) + admitted;
  // An asynchronous archive-get of pgBackRest before 2.60 may miss a file at a change of timeline (pgbackrest#2423).
  text += "\n[global:archive-get]\narchive-async=n\n";
  // A server that stops tries three times to archive what is left: with a repository that is down it would take minutes.
  text += "\n[global:archive-push]\nio-timeout=10\narchive-timeout=20\n\n[" + stanza_of(spec) + "]\n";
  return text + database_lines(node, node.name(), "pg1");
}

Text repository_config(const NodeView& node) {
  const Spec& spec = node.spec();
  Text text = "[global]\n";
  for (const NumberedRepo& repo : repos(spec, node.name())) {
    const std::string key = repo.name();
    text += key + "-path=" + repo.spec.path + "\n";
    if (repo.spec.cipher) {
      text += key + "-cipher-type=aes-256-cbc\n" + key + "-cipher-pass=";
      text += node.cluster.secret(passphrase(spec, repo).name);
      text += "\n";
    }
    text += key + "-retention-full=" + std::to_string(repo.spec.retention_full) + "\n";
    if (repo.spec.retention_diff) text += key + "-retention-diff=" + std::to_string(*repo.spec.retention_diff) + "\n";
    text += key + "-bundle=y\n" + key + "-block=y\n";
  }
  text += std::string("compress-type=zst\nstart-fast=y\nbackup-standby=prefer\nprocess-max=2\n") + server_lines(node);
  const std::vector<const TopologyHost*> databases = node.topology().with(Role::postgres);
  for (const TopologyHost* host : databases) text += admits(host->name, spec);
  text += "\n[" + stanza_of(spec) + "]\n";
  int number = 0;
  for (const TopologyHost* host : databases) {
    const std::string prefix = "pg" + std::to_string(++number);
    text += reach(prefix, host->address) + database_lines(node, host->name, prefix);
  }
  return text;
}

}  // namespace

std::vector<NumberedRepo> repos(const Spec& spec, const std::string& host) {
  std::vector<NumberedRepo> found;
  int number = 0;
  for (const RepoSpec& repo : spec.pgbackrest_repos)
    if (++number; host.empty() || repo_host(spec, repo) == host) found.push_back({number, repo});
  return found;
}

SecretNeed passphrase(const Spec& spec, const NumberedRepo& repo) {
  return {.name = "pgbackrest_repos." + repo_host(spec, repo.spec) + repo.spec.path + ".cipher_pass", .given = repo.spec.cipher_pass};
}

std::string passphrase_file(const NumberedRepo& repo) { return repo.spec.path + ".passphrase"; }

Text config(const NodeView& node) {
  Text text = header;
  text += node.has(Role::postgres) ? database_config(node) : repository_config(node);
  return text;
}

std::vector<std::string> command(const ClusterView& view, const std::string& host, const std::vector<std::string>& words) {
  const std::string& account = view.platform(host).pgbackrest.account;
  std::vector<std::string> argv{"setpriv",       "--reuid=" + account, "--regid=" + account,
                                "--init-groups", "pgbackrest",         "--stanza=" + stanza_of(view.spec)};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

// A unit of its own for each repository: one that fails, and is tried again, makes no backups in another.
std::string backup_unit(const NumberedRepo& repo, const std::string& type) { return "pgcluster-backup-" + repo.name() + "@" + type + ".service"; }

WriteFile backup_unit_file(const NodeView& node, const NumberedRepo& repo) {
  const std::string &account = node.platform().pgbackrest.account, stanza = stanza_of(node.spec());
  return {.path = "/etc/systemd/system/pgcluster-backup-" + repo.name() + "@.service",
          .content =
              "[Unit]\nDescription=%i backup of " + node.spec().patroni_cluster_name + " in " + repo.name() +
              "\nAfter=network-online.target\n"
              "StartLimitIntervalSec=0\n\n[Service]\nType=oneshot\nUser=" +
              account + "\nGroup=" + account +
              "\n"
              // What is due waits until an operation of pgcluster has ended. Not for ever: that operation may wait for this backup.
              "ExecStartPre=+/bin/sh -c '[ -z \"$TRIGGER_UNIT\" ] || [ ! -e /run/pgcluster/lock ] || flock -s -w 600 /run/pgcluster/lock true || :'\n"
              // Backups wait for each other. One that fails, as at a switchover, is tried again and goes on from where it was.
              "ExecStart=/usr/bin/flock " +
              std::string(spool_path) + " /usr/bin/pgbackrest --stanza=" + stanza + " --repo=" + std::to_string(repo.number) +
              " --type=%i --log-level-console=info backup\nRestart=on-failure\nRestartSec=1min\n"};
}

Pairs schedule(const Spec& spec) {
  Pairs all{{"full", spec.pgbackrest_schedule.full}, {"diff", spec.pgbackrest_schedule.diff}, {"incr", spec.pgbackrest_schedule.incr}};
  std::erase_if(all, [](const auto& one) { return one.second.empty(); });
  return all;
}

std::string timer(const NumberedRepo& repo, const std::string& type) { return "pgcluster-backup-" + repo.name() + "-" + type + ".timer"; }

WriteFile timer_file(const NumberedRepo& repo, const std::string& type, const std::string& when) {
  return {.path = "/etc/systemd/system/" + timer(repo, type),
          .content = "[Unit]\nDescription=schedule of " + type + " backups in " + repo.name() + "\n\n[Timer]\nOnCalendar=" + when +
                     "\nPersistent=true\nAccuracySec=1s\nUnit=" + backup_unit(repo, type) + "\n\n[Install]\nWantedBy=timers.target\n"};
}

}  // namespace pgbackrest

std::string backup::archive_command(const Spec& spec) {
  return wanted(spec) ? "pgbackrest --stanza=" + stanza_of(spec) + " archive-push %p" : "/bin/true";
}

}  // namespace pgcluster
