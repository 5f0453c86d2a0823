#include "spec/parameters.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string_view>

#include "base/strings.hpp"
#include "spec/server_settings.hpp"
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

// What tls_cert_generate brings: Patroni, replicas and clients verify these certificates, and an apply renews them. The protocols, ciphers and
// revocation lists (ssl_min_protocol_version, ssl_ciphers, ssl_crl_file, …) are the user's choice.
constexpr Refused kOfTls[] = {
    {"ssl", "tls_cert_generate turns it on", "remove it, or write tls_cert_generate: false and take care of TLS yourself"},
    {"ssl_cert_file", "tls_cert_generate makes and renews the certificate", "remove it; with tls_ca your own authority signs the certificates"},
    {"ssl_key_file", "tls_cert_generate makes the key on each host", "remove it; with tls_ca your own authority signs the certificates"},
    {"ssl_ca_file", "tls_cert_generate brings the cluster's authority, which must sign clients' certificates, too",
     "remove it, and use tls_ca if your own authority signs the clients' certificates"},
};

// Values that PostgreSQL takes, and under which Patroni or pgcluster cannot work.
struct Barred {
  std::string_view name;
  std::string_view value;  // as the server keeps it
  std::string_view why;
  std::string_view instead;
};
constexpr Barred kBarred[] = {
    {"default_transaction_isolation", "serializable", "replicas refuse serializable transactions, so Patroni's own sessions would fail there",
     "write repeatable read, or set it for the roles that need it: ALTER ROLE app SET default_transaction_isolation = 'serializable'"},
    {"default_transaction_read_only", "on", "Patroni and pgcluster could not create roles, databases and slots on the leader",
     "set it for the roles that need it: ALTER ROLE app SET default_transaction_read_only = on"},
    {"wal_level", "minimal", "replicas need replica or logical", "write replica or logical, or remove it"},
};

// Numbers that PostgreSQL takes, and with which Patroni's sessions or the replicas' would be ended again and again. In the unit of the setting.
struct Bounds {
  std::string_view name;
  std::int64_t least, most;  // zero is always good: it turns the setting off
  std::string_view why;
  std::string_view instead;
};
constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
constexpr Bounds kBounds[] = {
    {"post_auth_delay", 0, 0, "each connection would wait so long, Patroni's too, which gives up meanwhile",
     "remove it: it is for debugging PostgreSQL"},
    {"pre_auth_delay", 0, 0, "each connection would wait so long, Patroni's too, which gives up meanwhile",
     "remove it: it is for debugging PostgreSQL"},
    {"transaction_timeout", 10'000, any, "Patroni's own sessions would be ended, too",
     "write 10s or more, or set it for the roles that need it: ALTER ROLE app SET transaction_timeout = '1s'"},
    {"wal_receiver_timeout", 1'000, any, "replicas would lose their connection again and again", "write 1s or more"},
    {"wal_sender_timeout", 1'000, any, "replicas would lose their connection again and again", "write 1s or more"},
};

struct Least {
  std::string_view name;
  std::int64_t min;
  std::string_view shown;  // the least that Patroni takes
};
// Below Patroni's limits it takes its own default, and says so in its log only.
constexpr Least kLeast[] = {
    {"max_connections", 25, "25"},           {"max_wal_senders", 3, "3"},      {"max_replication_slots", 4, "4"},
    {"max_locks_per_transaction", 32, "32"}, {"max_worker_processes", 2, "2"}, {"wal_keep_size", 16, "16MB"},
};

// What belongs to one session or transaction; no configuration file may hold it.
constexpr std::string_view kOfSession[] = {
    "transaction_isolation", "transaction_read_only", "transaction_deferrable", "session_authorization", "role", "seed", "is_superuser"};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

std::string versions(const std::vector<int>& all) {
  std::string text;
  for (const int one : all) text += (text.empty() ? "" : ", ") + std::to_string(one);
  return text;
}

using Findings = std::vector<Diagnostic>;
void add(Findings& findings, const std::string& path, std::string message, std::string hint) {
  findings.push_back({Severity::error, std::move(message), std::move(hint), path});
}

// Settings that are not the user's to make; false where this one is.
bool refused(const Spec& spec, const std::string& lower, const std::string& path, Findings& findings) {
  const auto in = [&](const auto& list) {
    const auto one = std::find_if(std::begin(list), std::end(list), [&](const Refused& r) { return r.name == lower; });
    return one == std::end(list) ? nullptr : &*one;
  };
  const Refused* one = in(kRefused);
  if (!one && spec.tls_cert_generate) one = in(kOfTls);
  if (one) {
    add(findings, path, "cannot be set here: " + std::string(one->why), std::string(one->instead));
  } else if (lower.starts_with("recovery_target")) {
    add(findings, path, "cannot be set here: Patroni decides where recovery ends", "remove it");
  } else if (lower.starts_with("pgcluster.")) {
    add(findings, path, "cannot be set here: pgcluster keeps its own marks under this name", "use another prefix");
  } else if (contains(kOfSession, lower)) {
    add(findings, path, "cannot be set here: it belongs to one session or transaction", "remove it");
  } else if (lower == "synchronous_standby_names" && spec.synchronous_mode) {
    add(findings, path, "cannot be set here: with synchronous_mode Patroni sets it", "remove it, and use synchronous_node_count");
  } else {
    return false;
  }
  return true;
}

// The setting, where the version has one; else the finding.
const server_settings::Definition* defined(int version, const std::string& name, const std::string& path, Findings& findings) {
  const auto* setting = server_settings::find_near(version, name);
  if (setting || (!server_settings::known(version) && server_settings::versions_with(name).empty())) return setting;
  const std::string server = "PostgreSQL " + std::to_string(version);
  if (const auto others = server_settings::versions_with(name); !others.empty()) {
    add(findings, path,
        server + " has no setting " + name + (others.back() < version ? " any more" : " yet") + ": versions " + versions(others) + " have it",
        "remove it");
  } else {
    const auto near = words::nearest(strings::lower(name), server_settings::names(version));
    add(findings, path, server + " has no setting " + name,
        near.empty() ? "write the name of a setting as in pg_settings; one of an extension has a dot in it, like auto_explain.log_min_duration"
                     : "did you mean " + std::string(near) + "?");
  }
  return nullptr;
}

void check_value(const server_settings::Definition& setting, const std::string& value, const std::string& path, Findings& findings) {
  const std::string lower = strings::lower(setting.name);
  if (setting.context == "internal") {
    add(findings, path, "cannot be set here: it shows what PostgreSQL was built or initialised with", "remove it");
    return;
  }
  if (setting.dropped) {
    add(findings, path, "cannot be set here: Patroni leaves it out of postgresql.conf",
        "remove it, or set it for a role or database: ALTER ROLE … SET");
    return;
  }
  if (auto wrong = server_settings::wrong(setting, value)) {
    add(findings, path, std::move(wrong->message), std::move(wrong->hint));
    return;
  }
  const std::string meant = server_settings::canonical(setting, value).value_or("");
  for (const Barred& one : kBarred)
    if (one.name == lower && one.value == meant)
      add(findings, path, words::shown(value) + " does not do: " + std::string(one.why), std::string(one.instead));
  for (const Bounds& one : kBounds)
    if (const std::int64_t number = std::atoll(meant.c_str()); one.name == lower && number != 0 && (number < one.least || number > one.most))
      add(findings, path, words::shown(value) + " does not do: " + std::string(one.why), std::string(one.instead));
  if (const auto least = std::find_if(std::begin(kLeast), std::end(kLeast), [&](const Least& l) { return l.name == lower; });
      least != std::end(kLeast) && std::atoll(meant.c_str()) < least->min)
    add(findings, path, value + " is too small: Patroni would take its own default", "write " + std::string(least->shown) + " or more");
  if (lower == "fsync" && meant == "off")
    findings.push_back({Severity::warning, "without fsync a crash of a host loses its data", "remove it, or use synchronous_commit: off", path});
}

// What one setting means for another.
void check_together(const Spec& spec, const std::map<std::string, std::string>& meant, Findings& findings) {
  const auto number = [&](const char* name) -> std::optional<long long> {
    const auto found = meant.find(name);
    return found == meant.end() ? std::nullopt : std::optional(std::atoll(found->second.c_str()));
  };
  const std::string prefix = "postgresql_parameters.";
  if (const auto max = number("max_connections")) {
    const long long superuser = number("superuser_reserved_connections").value_or(5), others = number("reserved_connections").value_or(0);
    if (superuser + others >= *max)
      add(findings, prefix + (number("superuser_reserved_connections") ? "superuser_reserved_connections" : "reserved_connections"),
          "leaves no connection for other roles than the superuser: max_connections is " + std::to_string(*max), "write less than max_connections");
    if (spec.pgbouncer_install && spec.pgbouncer_default_pool_size > *max)
      findings.push_back(
          {Severity::warning,
           std::to_string(spec.pgbouncer_default_pool_size) + " connections for one pool, but PostgreSQL takes " + std::to_string(*max) + " in all",
           "lower it, or raise max_connections in postgresql_parameters", "pgbouncer_default_pool_size"});
  }
  const auto set = [&](const char* name) {
    const auto found = meant.find(name);
    return found != meant.end() && !found->second.empty();
  };
  if (set("archive_command") && set("archive_library"))
    add(findings, prefix + "archive_library", "archive_command is set, too: PostgreSQL takes one of the two", "remove one of them");
  const auto mode = meant.find("archive_mode");
  if (mode != meant.end() && mode->second == "off")
    for (const char* name : {"archive_command", "archive_library"})
      if (set(name))
        findings.push_back(
            {Severity::warning, "archives nothing while archive_mode is off", "write archive_mode: on, too, or remove it", prefix + name});
}

}  // namespace

void check_parameters(const Spec& spec, std::vector<Diagnostic>& findings) {
  // PostgreSQL's form of a parameter name: identifiers separated by dots.
  static const std::regex name_form("[A-Za-z_][A-Za-z0-9_$]*(\\.[A-Za-z_][A-Za-z0-9_$]*)*");
  std::set<std::string> seen;
  std::map<std::string, std::string> meant;  // of the good ones
  for (const auto& [name, value] : spec.postgresql_parameters) {
    const std::string path = "postgresql_parameters." + name;
    const std::string lower = strings::lower(name);
    const auto before = findings.size();
    if (!std::regex_match(name, name_form)) {
      add(findings, path, "is not the name of a setting", "write a name as in postgresql.conf, like shared_buffers");
    } else if (!seen.insert(lower).second) {
      add(findings, path, "is given twice", "remove one of them; upper and lower case do not differ");
    } else if (value.find_first_of(std::string("\n\r\0", 3)) != std::string::npos) {
      add(findings, path, "has a line break in its value", "write it in one line");
    } else if (!refused(spec, lower, path, findings) && name.find('.') == std::string::npos) {
      if (const auto* setting = defined(spec.postgresql_version, name, path, findings)) check_value(*setting, value, path, findings);
    }
    if (findings.size() == before)
      if (const auto* setting = server_settings::find_near(spec.postgresql_version, name))
        meant[lower] = server_settings::canonical(*setting, value).value_or("");
  }
  check_together(spec, meant, findings);
}

}  // namespace pgcluster
