#include "spec/parameters.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string_view>

#include "base/strings.hpp"
#include "spec/words.hpp"

namespace pgcluster {
namespace {

struct Refused {
  std::string_view name;
  std::string_view why;
  std::string_view instead;
};

// Patroni passes these on PostgreSQL's command line, or writes them itself, and silently ignores values set elsewhere.
constexpr Refused kRefused[] = {
    {"listen_addresses", "Patroni sets it from the host's addresses", "remove it"},
    {"port", "Patroni sets it", "use the key postgresql_port"},
    {"cluster_name", "Patroni sets it to the cluster's name", "use the key patroni_cluster_name"},
    {"hot_standby", "Patroni keeps it on, so that replicas answer", "remove it"},
    {"wal_log_hints", "Patroni keeps it on, because pg_rewind needs it", "remove it"},
    {"data_directory", "the data is in Debian's directory, and Patroni sets the path", "remove it"},
    {"config_file", "Patroni writes the configuration files and names them", "remove it"},
    {"hba_file", "Patroni writes pg_hba.conf", "use the key postgresql_pg_hba for further lines"},
    {"ident_file", "Patroni names it", "remove it"},
    {"external_pid_file", "Patroni manages the process", "remove it"},
    {"unix_socket_directories", "Patroni, PgBouncer and local clients meet at /var/run/postgresql", "remove it"},
    {"primary_conninfo", "Patroni sets it on replicas", "remove it"},
    {"primary_slot_name", "Patroni sets it on replicas", "remove it"},
    {"promote_trigger_file", "Patroni promotes replicas", "remove it"},
    {"recovery_min_apply_delay", "a replica that is behind on purpose must not become leader, and Patroni ignores it here", "remove it"},
    {"recovery_target_timeline", "Patroni keeps replicas on the leader's timeline", "remove it"},
    {"standby_mode", "PostgreSQL 12 and later do not know it, and Patroni makes replicas", "remove it"},
    {"trigger_file", "Patroni promotes replicas", "remove it"},
    {"restore_command", "Patroni takes it from its recovery settings only, and ignores it here", "remove it"},
    {"archive_cleanup_command", "Patroni takes it from its recovery settings only, and ignores it here", "remove it"},
    {"recovery_end_command", "Patroni takes it from its recovery settings only, and ignores it here", "remove it"},
};

constexpr std::string_view kMemory[] = {
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "autovacuum_work_mem",
    "logical_decoding_work_mem",
    "effective_cache_size",
    "temp_buffers",
    "wal_buffers",
    "min_wal_size",
    "max_wal_size",
    "wal_keep_size",
    "max_slot_wal_keep_size",
    "wal_skip_threshold",
    "min_dynamic_shared_memory",
    "max_stack_depth",
    "temp_file_limit",
    "log_rotation_size",
    "vacuum_buffer_usage_limit",
    "min_parallel_table_scan_size",
    "min_parallel_index_scan_size",
    "gin_pending_list_limit",
};
constexpr std::string_view kTimes[] = {
    "checkpoint_timeout",
    "archive_timeout",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
    "wal_sender_timeout",
    "wal_receiver_timeout",
    "wal_receiver_status_interval",
    "deadlock_timeout",
    "authentication_timeout",
    "autovacuum_naptime",
    "autovacuum_vacuum_cost_delay",
    "max_standby_streaming_delay",
    "max_standby_archive_delay",
    "log_min_duration_statement",
    "log_autovacuum_min_duration",
    "log_rotation_age",
    "bgwriter_delay",
    "wal_writer_delay",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "checkpoint_warning",
    "vacuum_cost_delay",
    "log_min_duration_sample",
    "wal_retrieve_retry_interval",
    "tcp_user_timeout",
    "client_connection_check_interval",
};
constexpr std::string_view kBooleans[] = {
    "hot_standby_feedback",
    "jit",
    "autovacuum",
    "fsync",
    "track_commit_timestamp",
    "log_disconnections",
    "log_checkpoints",
    "log_lock_waits",
    "ssl",
    "track_io_timing",
    "track_wal_io_timing",
    "logging_collector",
    "ssl_prefer_server_ciphers",
    "data_sync_retry",
};

struct Count {
  std::string_view name;
  std::int64_t min;
  std::int64_t max;
  std::string_view by;  // who refuses or ignores less
};
// Below Patroni's limits it takes its own default, and says so in its log only.
constexpr Count kCounts[] = {
    {"max_connections", 25, 262143, "Patroni"},
    {"max_wal_senders", 3, 262143, "Patroni"},
    {"max_replication_slots", 4, 262143, "Patroni"},
    {"max_prepared_transactions", 0, 262143, "PostgreSQL"},
    {"max_locks_per_transaction", 32, 2147483647, "Patroni"},
    {"max_worker_processes", 2, 262143, "Patroni"},
    {"max_parallel_workers", 0, 1024, "PostgreSQL"},
    {"max_parallel_workers_per_gather", 0, 1024, "PostgreSQL"},
    {"max_parallel_maintenance_workers", 0, 1024, "PostgreSQL"},
    {"autovacuum_max_workers", 1, 262143, "PostgreSQL"},
    {"superuser_reserved_connections", 0, 262143, "PostgreSQL"},
    {"max_files_per_process", 25, 2147483647, "PostgreSQL"},
};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "128mb" is refused by PostgreSQL: its units know upper and lower case.
std::string better_unit(const std::string& value, const std::vector<std::string_view>& units) {
  static const std::regex form(R"(\s*(-?[0-9.]+)\s*([A-Za-z]+)\s*)");
  std::smatch match;
  if (!std::regex_match(value, match, form)) return {};
  const std::string unit = strings::lower(match[2].str());
  for (const std::string_view known : units) {
    const std::string lower = strings::lower(known);
    if (unit == lower || unit + "b" == lower || (unit.size() == 3 && unit[1] == 'i' && unit.substr(0, 1) + "b" == lower))
      return "write " + match[1].str() + std::string(known);
  }
  if (unit.starts_with("sec")) return "write " + match[1].str() + "s";
  if (unit == "m" || unit.starts_with("minute")) return "write " + match[1].str() + "min";
  if (unit.starts_with("hour")) return "write " + match[1].str() + "h";
  if (unit.starts_with("day")) return "write " + match[1].str() + "d";
  return {};
}

}  // namespace

void check_parameters(const Spec& spec, std::vector<Diagnostic>& findings) {
  static const std::regex name_form("[A-Za-z_][A-Za-z0-9_$]*(\\.[A-Za-z_][A-Za-z0-9_$]*)?");
  static const std::regex memory_form(R"(\s*-?[0-9]+(\.[0-9]+)?\s*(B|kB|MB|GB|TB)?\s*)");
  static const std::regex time_form(R"(\s*-?[0-9]+(\.[0-9]+)?\s*(us|ms|s|min|h|d)?\s*)");
  std::set<std::string> seen;
  std::map<std::string, std::int64_t> counts;
  for (const auto& [name, value] : spec.postgresql_parameters) {
    const std::string path = "postgresql_parameters." + name;
    const std::string lower = strings::lower(name);
    const auto error = [&](std::string message, std::string hint) {
      findings.push_back({Severity::error, std::move(message), std::move(hint), path});
    };
    if (!std::regex_match(name, name_form)) {
      error("is not the name of a setting", "write a name as in postgresql.conf, like shared_buffers");
      continue;
    }
    if (!seen.insert(lower).second) {
      error("is given twice", "remove one of them; upper and lower case do not differ");
      continue;
    }
    if (value.find_first_of(std::string("\n\r\0", 3)) != std::string::npos) {
      error("has a line break in its value", "write it in one line");
      continue;
    }
    const auto refused = std::find_if(std::begin(kRefused), std::end(kRefused), [&](const Refused& r) { return r.name == lower; });
    if (refused != std::end(kRefused) || lower.starts_with("recovery_target")) {
      if (refused == std::end(kRefused)) {
        error("cannot be set here: Patroni decides where recovery ends", "remove it");
      } else {
        error("cannot be set here: " + std::string(refused->why), std::string(refused->instead));
      }
      continue;
    }
    if (lower == "synchronous_standby_names" && spec.synchronous_mode) {
      error("cannot be set here: with synchronous_mode Patroni sets it", "remove it, and use synchronous_node_count");
    } else if (const auto count = std::find_if(std::begin(kCounts), std::end(kCounts), [&](const Count& c) { return c.name == lower; });
               count != std::end(kCounts)) {
      const auto number = whole(value);
      if (!number) {
        error("expects a number, has " + words::shown(value),
              "write a whole number, like " + std::to_string(std::max<std::int64_t>(count->min * 4, 8)));
      } else if (*number < count->min || *number > count->max) {
        error(std::to_string(*number) + (*number < count->min ? " is too small" : " is too large"),
              std::string(count->by) + " takes " + std::to_string(count->min) + " to " + std::to_string(count->max));
      } else {
        counts[lower] = *number;
      }
    } else if (contains(kMemory, lower)) {
      if (!std::regex_match(value, memory_form)) {
        const std::string better = better_unit(value, {"B", "kB", "MB", "GB", "TB"});
        error("expects an amount of memory, has " + words::shown(value),
              better.empty() ? "write a number with B, kB, MB, GB or TB, like 128MB" : better);
      } else if (lower == "shared_buffers" && whole(value).value_or(16) < 16) {
        error(value + " is too small: without a unit it counts pages of 8 kB", "write an amount with its unit, like 128MB");
      }
    } else if (contains(kTimes, lower)) {
      if (!std::regex_match(value, time_form)) {
        const std::string better = better_unit(value, {"us", "ms", "s", "min", "h", "d"});
        error("expects a time, has " + words::shown(value), better.empty() ? "write a number with us, ms, s, min, h or d, like 15min" : better);
      }
    } else if (contains(kBooleans, lower)) {
      if (!contains(std::initializer_list<std::string_view>{"on", "off", "true", "false", "yes", "no", "1", "0"}, strings::lower(value)))
        error("expects on or off, has " + words::shown(value), "write on or off");
    } else if (lower == "wal_level") {
      if (strings::lower(value) != "replica" && strings::lower(value) != "logical")
        error(words::shown(value) + " does not do: replicas need replica or logical", "write replica or logical, or remove it");
    }
    if (lower == "fsync" && contains(std::initializer_list<std::string_view>{"off", "false", "no", "0"}, strings::lower(value)))
      findings.push_back({Severity::warning, "without fsync a crash of a host loses its data", "remove it, or use synchronous_commit: off", path});
  }
  if (const auto max = counts.find("max_connections"); max != counts.end()) {
    const auto reserved = counts.find("superuser_reserved_connections");
    if (reserved != counts.end() && reserved->second >= max->second)
      findings.push_back({Severity::error,
                          "leaves no connection for other roles than the superuser: max_connections is " + std::to_string(max->second),
                          "write less than max_connections", "postgresql_parameters.superuser_reserved_connections"});
    if (spec.pgbouncer_install && spec.pgbouncer_default_pool_size > max->second)
      findings.push_back({Severity::warning,
                          std::to_string(spec.pgbouncer_default_pool_size) + " connections for one pool, but PostgreSQL takes " +
                              std::to_string(max->second) + " in all",
                          "lower it, or raise max_connections in postgresql_parameters", "pgbouncer_default_pool_size"});
  }
}

}  // namespace pgcluster
