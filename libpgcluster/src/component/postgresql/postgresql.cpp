#include "component/postgresql/postgresql.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "base/strings.hpp"
#include "platform/platform.hpp"

namespace pgcluster {
namespace {

template <std::size_t N>
bool any_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<bool> truth(std::string_view text) {
  const std::string word = strings::lower(text);
  for (const char* yes : {"on", "true", "yes", "1"})
    if (word == yes) return true;
  for (const char* no : {"off", "false", "no", "0"})
    if (word == no) return false;
  return std::nullopt;
}

struct Amount {
  double number = 0;
  std::string unit;
};
std::optional<Amount> amount(std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  Amount found{std::strtod(copy.c_str(), &end), {}};
  if (end == copy.c_str() || !std::isfinite(found.number)) return std::nullopt;
  found.unit = end;
  found.unit.erase(0, found.unit.find_first_not_of(' '));
  return found;
}

// How many bytes or microseconds a unit is; the dimension keeps both apart.
struct Scale {
  char dimension = ' ';
  double factor = 0;
};
std::optional<Scale> scale(std::string_view unit) {
  double times = 1;
  std::size_t digits = 0;  // "8kB"
  while (digits < unit.size() && unit[digits] >= '0' && unit[digits] <= '9') ++digits;
  if (digits > 0) times = std::strtod(std::string(unit.substr(0, digits)).c_str(), nullptr);
  unit.remove_prefix(digits);
  constexpr double k = 1024;
  struct Known {
    std::string_view name;
    Scale scale;
  };
  static constexpr std::array known{
      Known{"B", {'b', 1}},      Known{"kB", {'b', k}},   Known{"MB", {'b', k * k}}, Known{"GB", {'b', k * k * k}}, Known{"TB", {'b', k * k * k * k}},
      Known{"us", {'t', 1}},     Known{"ms", {'t', 1e3}}, Known{"s", {'t', 1e6}},    Known{"min", {'t', 60e6}},     Known{"h", {'t', 3600e6}},
      Known{"d", {'t', 86400e6}}};
  for (const Known& one : known)
    if (one.name == unit) return Scale{one.scale.dimension, one.scale.factor * times};
  return std::nullopt;
}

bool near(double a, double b) { return std::fabs(a - b) <= 1e-9 * std::max(std::fabs(a), std::fabs(b)); }

// These show what was computed, not the -1 or 0 that asks for it.
bool computed(const Setting& running, double wish) {
  static constexpr std::array<std::string_view, 3> by_zero{"commit_timestamp_buffers", "subtransaction_buffers", "transaction_buffers"};
  return (running.name == "wal_buffers" && wish < 0) || (any_of(by_zero, running.name) && wish == 0);
}

std::uint64_t least_memory(const ClusterView& view) {
  std::uint64_t least = 0;
  for (const std::string& name : view.topology.database)
    if (const auto it = view.facts.find(name); it != view.facts.end() && it->second.memory_bytes > 0)
      least = least == 0 ? it->second.memory_bytes : std::min(least, it->second.memory_bytes);
  return least == 0 ? 1ull << 30 : least;
}

}  // namespace

Pairs postgresql_parameters(const ClusterView& view) {
  // The smallest host decides: any of them may lead, and a replica must offer what its leader does.
  const std::uint64_t megabytes = least_memory(view) >> 20;
  const auto mb = [](std::uint64_t amount) { return std::to_string(std::max<std::uint64_t>(amount, 128)) + "MB"; };
  // A connection costs memory even where it is idle; what is not spent on shared_buffers allows one for about 8 MB.
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
  for (const auto& [name, value] : view.spec.postgresql_parameters) {
    const auto it = std::find_if(all.begin(), all.end(), [&name = name](const auto& one) { return one.first == name; });
    if (it == all.end())
      all.emplace_back(name, value);
    else
      it->second = value;
  }
  return all;
}

std::string postgresql_data_dir(const ClusterView& view, const std::string& host) {
  return for_major(view.platform(host).postgresql.data_dir, view.spec.postgresql_version);
}
std::string postgresql_bin_dir(const ClusterView& view, const std::string& host) {
  return for_major(view.platform(host).postgresql.bin_dir, view.spec.postgresql_version);
}

bool holds(const Setting& running, std::string_view wish) {
  if (running.value == wish) return true;
  if (running.type == "bool") return truth(running.value) && truth(running.value) == truth(wish);
  if (running.type == "enum") {
    if (strings::lower(running.value) == strings::lower(wish)) return true;
    // An enum such as wal_compression takes truth values for its own words, and shows one of them.
    const auto a = truth(running.value), b = truth(wish);
    return running.name == "wal_compression" ? b && *b && running.value == "pglz" : a && b && *a == *b;
  }
  if (running.type != "integer" && running.type != "real") return false;
  const auto now = amount(running.value), then = amount(wish);
  if (!now || !then) return false;
  if (computed(running, then->number)) return true;
  double wished = then->number;
  if (!then->unit.empty()) {
    const auto from = scale(then->unit), to = scale(running.unit);
    if (!from || !to || from->dimension != to->dimension) return false;
    wished = wished * from->factor / to->factor;
  }
  return near(now->number, running.type == "integer" ? std::nearbyint(wished) : wished);
}

bool same_value(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto one = amount(a), other = amount(b);
  if (one && other) {
    if (one->unit.empty() || other->unit.empty()) return one->unit == other->unit && near(one->number, other->number);
    const auto first = scale(one->unit), second = scale(other->unit);
    return first && second && first->dimension == second->dimension && near(one->number * first->factor, other->number * second->factor);
  }
  // A number is no truth value here: for some parameters 0 and off differ.
  return !one && !other && truth(a) && truth(a) == truth(b);
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
