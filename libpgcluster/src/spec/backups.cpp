// Findings about the keys of backups.
#include "spec/backups.hpp"

#include <algorithm>
#include <filesystem>
#include <regex>

#include "base/strings.hpp"
#include "spec/roles.hpp"
#include "spec/validate.hpp"
#include "spec/words.hpp"

namespace pgcluster {
namespace {

class BackupChecker {
 public:
  BackupChecker(const Spec& spec, std::vector<Diagnostic>& findings) : spec_(spec), findings_(findings) {}

  void check() {
    unused();
    if (!spec_.pgbackrest_install) return;
    if (spec_.pgbackrest_repos.empty())
      error("pgbackrest_repos", "there is no repository, and pgbackrest_install is on",
            "write pgbackrest_repos: [{ host: HOST }], and give that host roles: [backup]");
    if (!spec_.tls_cert_generate)
      error("tls_cert_generate", "false turns off the TLS by which database hosts reach a repository",
            "remove it, or write pgbackrest_install: false");
    static const std::regex stanza("[A-Za-z0-9][A-Za-z0-9_.-]*");
    if (!spec_.pgbackrest_stanza.empty() && !is_faulty(findings_, "pgbackrest_stanza") && !std::regex_match(spec_.pgbackrest_stanza, stanza))
      error("pgbackrest_stanza", words::shown(spec_.pgbackrest_stanza) + " is not a good name for a stanza",
            "write letters, digits, '-', '_' and '.'");
    for (std::size_t i = 0; i < spec_.pgbackrest_repos.size(); ++i) repository(i);
    schedule();
    archiving();
    hosts();
  }

 private:
  void error(std::string path, std::string message, std::string hint) {
    findings_.push_back({Severity::error, std::move(message), std::move(hint), std::move(path)});
  }
  void warning(std::string path, std::string message, std::string hint) {
    findings_.push_back({Severity::warning, std::move(message), std::move(hint), std::move(path)});
  }

  void unused() {
    if (spec_.pgbackrest_install) return;
    const auto no_effect = [&](const char* key, bool set) {
      if (set) warning(key, "has no effect without pgbackrest_install", "write pgbackrest_install: true, or remove it");
    };
    no_effect("pgbackrest_stanza", !spec_.pgbackrest_stanza.empty());
    no_effect("pgbackrest_repos", !spec_.pgbackrest_repos.empty());
    no_effect("pgbackrest_schedule", spec_.pgbackrest_schedule != BackupSchedule{});
    for (const HostSpec& host : spec_.hosts)
      if (has_role(host, Role::backup))
        warning("hosts." + host.name + ".roles", "has the role backup, which does nothing here", "write pgbackrest_install: true, or remove it");
  }

  void repository(std::size_t index) {
    const RepoSpec& repo = spec_.pgbackrest_repos[index];
    const std::string here = "pgbackrest_repos[" + std::to_string(index) + ']';
    place(repo, here);
    if (!repo.cipher && repo.cipher_pass.given()) error(here + ".cipher_pass", "has no effect with cipher: false", "remove one of them");
    if (!is_faulty(findings_, here + ".path")) {
      // Beside it is its passphrase (PATH.passphrase), and two repositories must not share a directory: so each has one spelling only.
      const std::filesystem::path plain = std::filesystem::path(repo.path + '/').lexically_normal().parent_path();
      if (!repo.path.starts_with('/') || plain == "/")
        error(here + ".path", words::shown(repo.path) + " is not the path of a directory", "write one that begins with /, like /var/lib/pgbackrest");
      else if (plain != repo.path)
        error(here + ".path", words::shown(repo.path) + " is not the shortest way to write this path", "write " + plain.string());
    }
    const auto below = [](const std::string& path, const std::string& other) { return (path + '/').starts_with(other + '/'); };
    for (std::size_t i = 0; i < index; ++i) {
      const RepoSpec& other = spec_.pgbackrest_repos[i];
      if (repo_host(spec_, repo) == repo_host(spec_, other) && (below(repo.path, other.path) || below(other.path, repo.path)))
        error(here + ".path", "is also the directory of pgbackrest_repos[" + std::to_string(i) + "], or one of them is in the other",
              "give each repository a directory of its own");
    }
  }

  // Where the repository is.
  void place(const RepoSpec& repo, const std::string& here) {
    std::vector<std::string_view> keepers;
    for (const HostSpec& host : spec_.hosts)
      if (has_role(host, Role::backup)) keepers.push_back(host.name);
    if (repo.host.empty()) {
      if (keepers.size() == 1) return;
      return error(here + ".host",
                   keepers.empty() ? "is missing, and no host has the role backup" : "is missing, and several hosts have the role backup",
                   keepers.empty() ? "describe a host with roles: [backup]" : "write " + words::one_of(keepers));
    }
    const HostSpec* host = spec_.host(repo.host);
    if (!host) {
      const auto near = words::nearest(repo.host, keepers);
      return error(here + ".host", words::shown(repo.host) + " is not a host of this cluster",
                   !near.empty()     ? "did you mean " + std::string(near) + "?"
                   : keepers.empty() ? "describe it with roles: [backup]"
                                     : "write " + words::one_of(keepers));
    }
    if (is_database(*host)) {
      error(here + ".host", repo.host + " is a database host: its backups would be lost together with it",
            "name a host that has roles: [backup] and no database");
    } else if (!has_role(*host, Role::backup)) {
      error(here + ".host", repo.host + " does not have the role backup", "add backup to roles of hosts." + repo.host);
    }
  }

  void schedule() {
    const BackupSchedule& all = spec_.pgbackrest_schedule;
    for (const auto& [key, text] :
         {std::pair<const char*, const std::string&>{"full", all.full}, {"diff", all.diff}, {"incr", all.incr}, {"prove", all.prove}})
      if (const std::string here = std::string("pgbackrest_schedule.") + key; !text.empty() && !is_faulty(findings_, here) && !is_calendar(text))
        error(here, words::shown(text) + " is not a calendar event", "write one as systemd takes it: daily, Sun 01:00, or *-*-* 00/6:00");
    if (all.full.empty())
      warning("pgbackrest_schedule.full", "full backups are never made by themselves, so old ones are never removed", "write a calendar event");
  }

  void archiving() {
    for (const auto& [name, value] : spec_.postgresql_parameters)
      for (const char* own : {"archive_mode", "archive_command", "archive_library"})
        if (strings::lower(name) == own)
          error("postgresql_parameters." + name, "is set by the backups (pgbackrest_install)", "remove it, or write pgbackrest_install: false");
  }

  void hosts() {
    for (const HostSpec& host : spec_.hosts) {
      if (!has_role(host, Role::backup)) continue;
      const std::string here = "hosts." + host.name + ".roles";
      if (is_database(host))
        error(here, "a host with the role backup is no database host: backups would be lost together with the database", "remove one of the roles");
      else if (!spec_.pgbackrest_repos.empty() && std::none_of(spec_.pgbackrest_repos.begin(), spec_.pgbackrest_repos.end(),
                                                               [&](const RepoSpec& repo) { return repo_host(spec_, repo) == host.name; }))
        warning(here, "has the role backup, and no repository is there", "name the host in pgbackrest_repos, or remove the role");
    }
  }

  const Spec& spec_;
  std::vector<Diagnostic>& findings_;
};

}  // namespace

void check_backups(const Spec& spec, std::vector<Diagnostic>& findings) { BackupChecker(spec, findings).check(); }

bool is_calendar(const std::string& text) {
  using std::regex;
  static const auto flags = regex::ECMAScript | regex::icase;
  static const regex word("minutely|hourly|daily|monthly|weekly|yearly|annually|quarterly|semiannually", flags);
  static const std::string day = "(mon|tue|wed|thu|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday)";
  static const regex days(day + "((\\.\\.|-)" + day + ")?(," + day + "((\\.\\.|-)" + day + ")?)*,?", flags);
  const auto numbers = [](const std::string& one) {
    const std::string item = "(\\*|" + one + "(\\.\\." + one + ")?)(/\\d{1,4})?";
    return item + "(," + item + ")*";
  };
  static const regex date("(" + numbers("\\d{4}") + "-)?" + numbers("(0?[1-9]|1[0-2])") + "[-~]" + numbers("(0?[1-9]|[12]\\d|3[01])"), flags);
  static const std::string sixty = "[0-5]?\\d";
  static const regex time(numbers("([01]?\\d|2[0-3])") + ":" + numbers(sixty) + "(:" + numbers(sixty + "(\\.\\d{1,6})?") + ")?", flags);
  static const regex zone("UTC|[A-Za-z_]+(/[A-Za-z0-9_+-]+)+");
  std::vector<std::string> parts = strings::split(text, " ");
  if (!parts.empty() && parts.size() > 1 && std::regex_match(parts.back(), zone)) parts.pop_back();
  if (parts.size() == 1 && std::regex_match(parts[0], word)) return true;
  std::size_t matched = 0;
  for (const regex* one : {&days, &date, &time})
    if (matched < parts.size() && std::regex_match(parts[matched], *one)) ++matched;
  return matched > 0 && matched == parts.size();
}

}  // namespace pgcluster
