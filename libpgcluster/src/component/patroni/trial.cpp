// Settings that only PostgreSQL can judge: a throw-away server starts with them on each host before they stand in a file or in the DCS.
#include <algorithm>
#include <cstdlib>

#include "base/digest.hpp"
#include "base/strings.hpp"
#include "component/patroni/patroni.hpp"
#include "component/patroni/shell.hpp"
#include "component/postgresql/postgresql.hpp"
#include "component/postgresql/sql.hpp"
#include "spec/server_settings.hpp"

namespace pgcluster::patroni {
namespace {

constexpr const char* verdict_path = "/var/lib/pgcluster/settings-trial";

// Whether the setting needs PostgreSQL's own word. A number, a truth value or a word that the table of settings takes does not, unless the server
// has to find memory, files or libraries for it.
bool in_doubt(const Spec& spec, const std::string& name, const std::string& value) {
  const auto* setting = server_settings::find_near(spec.postgresql_version, name);
  if (!setting || setting->type == server_settings::Type::text) return true;
  // PostgreSQL compares these with the host, or with each other.
  constexpr std::string_view compared[] = {"max_stack_depth",   "effective_io_concurrency",         "maintenance_io_concurrency",
                                           "recovery_prefetch", "client_connection_check_interval", "vacuum_buffer_usage_limit"};
  if (std::find(std::begin(compared), std::end(compared), setting->name) != std::end(compared)) return true;
  if (setting->name.starts_with("ssl") || setting->name.ends_with("_stats")) return true;
  if (setting->context != "postmaster") return false;
  constexpr const char* counts[] = {"max_connections",           "max_worker_processes",          "max_wal_senders",
                                    "max_replication_slots",     "autovacuum_max_workers",        "max_locks_per_transaction",
                                    "max_prepared_transactions", "superuser_reserved_connections"};
  const std::string meant = server_settings::canonical(*setting, value).value_or("");
  const double number = std::strtod(meant.c_str(), nullptr);
  if (std::find(std::begin(counts), std::end(counts), setting->name) != std::end(counts)) return number > 1000;
  if (setting->name == "shared_buffers") return number > 16384;  // 128MB
  return setting->name != "wal_level" && setting->name != "archive_mode";
}

bool in_doubt(const Spec& spec) {
  return !spec.postgresql_pg_hba.empty() || std::any_of(spec.postgresql_parameters.begin(), spec.postgresql_parameters.end(), [&](const auto& one) {
    return !only_for_sessions(one.first) && in_doubt(spec, one.first, one.second);
  });
}

std::string conf_line(const std::string& name, const std::string& value) {
  std::string line = name + " = '";
  for (const char c : value) {
    if (c == '\'' || c == '\\') line += c;
    line += c;
  }
  return line + "'\n";
}

std::string files(const ClusterView& view) {
  std::string text = "--- postgresql.conf\n";
  for (const auto& [name, value] : postgresql_parameters(view)) text += conf_line(name, value);
  text += "--- pg_hba.conf\n";
  for (const std::string& line : hba_lines(view)) text += line + "\n";
  text += "--- pg_ident.conf\n";
  for (const std::string& line : ident_lines(view.spec)) text += line + "\n";
  return text;
}

// All of it runs already.
bool runs_so(const ClusterView& view, const TopologyHost& host, const Server& server) {
  if (!server.answers || server.config != config_mark(view, host)) return false;
  const Pairs wishes = postgresql_parameters(view);
  return std::all_of(wishes.begin(), wishes.end(), [&](const auto& wish) {
    const auto found = server.settings.find(wish.first);
    return kept_by_patroni(wish.first) ||
           (found != server.settings.end() && (found->second.altered || runs(server, found->second, wish.second, view.spec.postgresql_version)));
  });
}

}  // namespace

StepPtr trial_step(const View& view, const TopologyHost& host) {
  const Spec& spec = view->spec;
  const Ask verdict{host.name, FileOf{verdict_path}};
  const Ask server = server_ask(*view, host);
  const std::string text = files(*view), digest = sha256_hex(text).substr(0, 16);
  // A second server would not find the huge pages that the first one holds.
  const std::string huge = configured(*view, host.name) ? "-c huge_pages=off" : "";
  // Stale statistics are removed from this directory when a server starts.
  const std::string statistics = spec.postgresql_version < 15 ? "-c stats_temp_directory=pg_stat_tmp" : "";
  Run run{.argv = {"sh", "-c", shell::settings_trial, "sh", postgresql_bin_dir(*view, host.name), postgresql_data_dir(*view, host.name),
                   spec.patroni_superuser_username, digest, verdict_path, huge, statistics},
          .input = text,
          .touches = {std::string("file:") + verdict_path},
          .look = {},
          .slow = true,
          .name = "try the settings on a throw-away server"};
  auto decide = [=, doubt = in_doubt(spec)](const Answers& answers) -> Decision {
    if (!doubt || runs_so(*view, host, answers.read(server, read_server))) return Done{};
    Change change{.todo = {Do{.at = host.name, .what = run, .was = {}, .limit = std::chrono::seconds(150)}},
                  .action = Action::run,
                  .reason = "a throw-away server tries the settings before they stand anywhere"};
    if (const auto* file = answers.get<File>(verdict)) {
      if (file->content == "good " + digest + "\n") return Done{};
      const std::string bad = "bad " + digest + "\n";
      std::string why = file->content.starts_with(bad) ? file->content.substr(bad.size()) : "";
      while (!why.empty() && why.back() == '\n') why.pop_back();
      for (auto at = why.find('\n'); at != std::string::npos; at = why.find('\n', at)) why.replace(at, 1, "; ");
      if (!why.empty()) change.failed = "PostgreSQL on " + host.name + " would not start with these settings: " + why;
    }
    if (change.failed.empty()) change.failed = "PostgreSQL on " + host.name + " would not start with these settings, and does not tell why";
    return change;
  };
  return make_step(trial(host.name), {.asks = {verdict, server}, .decide = decide});
}

}  // namespace pgcluster::patroni
