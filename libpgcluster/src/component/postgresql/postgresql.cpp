#include "component/postgresql/postgresql.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"
#include "component/backup.hpp"
#include "component/certificates.hpp"
#include "component/postgresql/sql.hpp"
#include "platform/platform.hpp"
#include "spec/fixed.hpp"
#include "spec/server_settings.hpp"

namespace pgcluster {
namespace {

template <std::size_t N>
bool any_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// These show what was computed, not the -1 or 0 that asks for it.
bool computed(const Setting& running, std::string_view wish) {
  static constexpr std::array<std::string_view, 3> by_zero{"commit_timestamp_buffers", "subtransaction_buffers", "transaction_buffers"};
  static constexpr std::array<std::string_view, 2> by_minus_one{"wal_buffers", "io_max_concurrency"};
  return (any_of(by_minus_one, running.name) && wish == "-1") || (any_of(by_zero, running.name) && wish == "0");
}

std::uint64_t least_memory(const ClusterView& view) {
  std::uint64_t least = 0;
  for (const std::string& name : view.topology.database)
    if (const auto it = view.facts.find(name); it != view.facts.end() && it->second.memory_bytes > 0)
      least = least == 0 ? it->second.memory_bytes : std::min(least, it->second.memory_bytes);
  return least == 0 ? 1ull << 30 : least;
}

// A cluster begins with archive_mode on, which takes a restart, so that backups can be switched on later without one. A cluster of an earlier version
// has it off until then.
bool archives(const ClusterView& view) {
  bool begun = false, on = backup::wanted(view.spec);
  for (const auto& [host, facts] : view.facts) {
    begun = begun || !facts.begun.empty();
    on = on || began_archiving(facts.begun);
  }
  return on || !begun;
}

// PostgreSQL takes one of archive_library and archive_command.
bool archives_by_library(const Spec& spec) {
  return std::any_of(spec.postgresql_parameters.begin(), spec.postgresql_parameters.end(),
                     [](const auto& one) { return strings::lower(one.first) == "archive_library" && !one.second.empty(); });
}

}  // namespace

Pairs postgresql_parameters(const ClusterView& view) {
  // Size for the host with the least memory: any host may become leader, and these parameters must not be lower on a replica than on its leader.
  const std::uint64_t megabytes = least_memory(view) >> 20;
  const auto mb = [](std::uint64_t amount) { return std::to_string(std::max<std::uint64_t>(amount, 128)) + "MB"; };
  // An idle connection also needs memory. Beside shared_buffers there is room for about one connection per 8 MB of the host's memory.
  const std::uint64_t connections = std::clamp<std::uint64_t>(megabytes / 8 / 50 * 50, 100, 1000);
  Pairs all{{"max_connections", std::to_string(connections)},
            {"superuser_reserved_connections", "5"},
            {"max_locks_per_transaction", "512"},
            {"max_prepared_transactions", "0"},
            {"max_worker_processes", "16"},
            {"max_wal_senders", "20"},
            {"max_replication_slots", "20"},
            {"wal_level", "logical"},
            {"wal_log_hints", "on"},
            {"wal_keep_size", "1GB"},
            {"wal_compression", "on"},
            {"track_commit_timestamp", "off"},
            {"huge_pages", "try"},
            {"shared_buffers", mb(megabytes / 4)},
            {"effective_cache_size", mb(megabytes / 4 * 3)},
            {"maintenance_work_mem", mb(std::min<std::uint64_t>(megabytes / 20, 1024))},
            {"work_mem", megabytes >= 16384  ? "64MB"
                         : megabytes >= 4096 ? "16MB"
                                             : "8MB"},
            {"checkpoint_timeout", "15min"},
            {"checkpoint_completion_target", "0.9"},
            {"min_wal_size", "1GB"},
            {"max_wal_size", "8GB"},
            {"random_page_cost", "1.1"},
            {"autovacuum_max_workers", "5"},
            {"autovacuum_vacuum_scale_factor", "0.01"},
            {"autovacuum_analyze_scale_factor", "0.01"},
            {"hot_standby_feedback", "on"},
            {"jit", "off"},
            {"password_encryption", "scram-sha-256"},
            {"log_checkpoints", "on"},
            {"log_lock_waits", "on"},
            {"log_temp_files", "0"},
            {"track_io_timing", "on"}};
  if (certificates::wanted(view.spec)) {
    const std::string name = "postgresql";
    all.insert(all.end(), {{"ssl", "on"},
                           {"ssl_cert_file", certificates::certificate_file(name)},
                           {"ssl_key_file", certificates::key_file(name)},
                           {"ssl_ca_file", certificates::authority_file},
                           {"ssl_min_protocol_version", "TLSv1.2"}});
  }
  if (archives(view)) {
    all.emplace_back("archive_mode", "on");
    if (!archives_by_library(view.spec)) all.emplace_back("archive_command", backup::archive_command(view.spec));
  }
  const int version = view.spec.postgresql_version;
  for (const auto& [given, value] : view.spec.postgresql_parameters) {
    if (only_for_sessions(given)) continue;
    const std::string name = server_settings::spelled(version, given);
    const auto it = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.first == name; });
    if (it == all.end())
      all.emplace_back(name, server_settings::plain(version, name, value));
    else
      it->second = server_settings::plain(version, name, value);
  }
  return all;
}

bool only_for_sessions(std::string_view name) { return std::count(name.begin(), name.end(), '.') > 1; }

std::string postgresql_data_dir(const ClusterView& view, const std::string& host) {
  return for_major(view.platform(host).postgresql.data_dir, view.spec.postgresql_version);
}
std::string postgresql_bin_dir(const ClusterView& view, const std::string& host) {
  return for_major(view.platform(host).postgresql.bin_dir, view.spec.postgresql_version);
}

bool holds(const Setting& running, std::string_view wish, int version) {
  using server_settings::Type;
  if (running.value == wish) return true;
  const auto* known = server_settings::find_near(version, running.name);
  server_settings::Definition setting = known ? *known : server_settings::Definition{};
  setting.type = running.type == "bool"      ? Type::boolean
                 : running.type == "integer" ? Type::integer
                 : running.type == "real"    ? Type::real
                 : running.type == "enum"    ? Type::word
                                             : Type::text;
  setting.unit = running.unit;
  setting.min = setting.max = {};
  if (setting.type == Type::text) return false;
  if (setting.words.empty() && setting.type == Type::word) return strings::lower(running.value) == strings::lower(wish);
  const auto is = server_settings::canonical(setting, running.value), wished = server_settings::canonical(setting, wish);
  return wished && (is == wished || computed(running, *wished));
}

bool runs(const Server& server, const Setting& running, std::string_view wish, int version) {
  if (holds(running, wish, version)) return true;
  // What a server shows is not always what it was told: by a Unix socket there are no keepalives, and an archive_command is "(disabled)" while
  // nothing is archived. So its own word of its files counts, too.
  return server.files_read && running.file && running.file_error.empty() && !running.pending_restart &&
         (*running.file == wish || server_settings::same(version, running.name, *running.file, wish));
}

bool runs_without(const Server& server, const Setting& running, int version) {
  return holds(running, running.boot, version) || (server.files_read && !running.file && !running.pending_restart);
}

bool kept_by_patroni(std::string_view name) {
  static constexpr std::array<std::string_view, 8> names{"cluster_name",   "hot_standby", "listen_addresses", "port",
                                                         "data_directory", "hba_file",    "ident_file",       "synchronous_standby_names"};
  return any_of(names, name);
}

bool lowered_on_leader_first(std::string_view name) {
  static constexpr std::array<std::string_view, 5> names{"max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
                                                         "max_locks_per_transaction"};
  return any_of(names, name);
}

}  // namespace pgcluster
