
#include <algorithm>
#include <regex>

#include "base/digest.hpp"
#include "base/network.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/patroni/patroni.hpp"
#include "component/patroni/shell.hpp"
#include "component/postgresql/networks.hpp"
#include "component/postgresql/postgresql.hpp"
#include "component/restore.hpp"
#include "component/sandbox.hpp"
#include "spec/pg_hba.hpp"
#include "spec/roles.hpp"
#include "spec/server_settings.hpp"

namespace pgcluster::patroni {
namespace {

constexpr const char* await_server_path = "/usr/local/lib/pgcluster/await-server";
constexpr const char* etcd_leader_path = "/usr/local/lib/pgcluster/etcd-leader";
constexpr const char* role_change_path = "/usr/local/lib/pgcluster/role-change";

std::string quoted(const std::string& value) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += std::string("\\x") + hex[c >> 4] + hex[c & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}
Text quoted(const Secret& secret) {
  const std::string escaped = quoted(secret.value);
  Text out = "\"";
  out += Secret{secret.name, escaped.substr(1, escaped.size() - 2)};
  return out + "\"";
}

// Numbers and truth values plain, all else quoted: "off" would be a truth value to YAML, and is a word to PostgreSQL.
std::string scalar(const std::string& value) {
  static const std::regex plain("true|false|0|-?[1-9][0-9]{0,17}");
  return std::regex_match(value, plain) ? value : quoted(value);
}

// PostgreSQL binds its addresses when it starts. A VIP that leads to it directly comes and goes, so only the wildcard serves it.
std::string listen_addresses(const Spec& spec, const TopologyHost& host) {
  if (!spec.cluster_vip.empty() && !spec.pgbouncer_install && !with_haproxy(spec)) return "*";
  return host.address + (net::is_ipv6(host.address) ? ",::1" : ",127.0.0.1");
}

Text head_with(const ClusterView& view, const TopologyHost& host, const Secret& mark) {
  const Spec& spec = view.spec;
  const std::string port = std::to_string(spec.postgresql_port), rest = std::to_string(spec.patroni_restapi_port);
  const bool v6 = net::is_ipv6(host.address), tls = certificates::wanted(spec);
  const std::string verified = std::string("      sslmode: verify-ca\n      sslrootcert: \"") + certificates::authority_file + "\"\n";
  Text out = "# Kept by pgcluster. What all members share (ttl, postgresql.parameters, …) is in the DCS: see patronictl show-config.\n";
  out += "scope: " + quoted(spec.patroni_cluster_name) + "\nnamespace: \"/service/\"\nname: " + quoted(host.name) + "\n\n";
  out += std::string("restapi:\n  listen: \"") + (v6 ? "[::]" : "0.0.0.0") + ":" + rest + "\"\n  connect_address: \"" +
         net::host_port(host.address, spec.patroni_restapi_port) + "\"\n";
  // A certificate is asked for by what changes something only: health checks need none.
  const std::string own =
      "certfile: \"" + certificates::certificate_file(certificate) + "\"\n  keyfile: \"" + certificates::key_file(certificate) + "\"\n";
  if (tls) out += "  " + own + "  cafile: \"" + certificates::authority_file + "\"\n  verify_client: optional\n";
  out += "  authentication:\n    username: " + quoted(spec.patroni_restapi_username) + "\n    password: ";
  out += quoted(view.secret("patroni_restapi_password"));
  if (tls) out += "\n\nctl:\n  " + own + std::string("  cacert: \"") + certificates::authority_file + "\"";
  out += "\n\n";
  out += dcs_section(view);
  out += "\npostgresql:\n  listen: \"" + listen_addresses(spec, host) + ":" + port + "\"\n  connect_address: \"" +
         net::host_port(host.address, spec.postgresql_port) + "\"\n  use_unix_socket: true\n";
  out += "  data_dir: " + quoted(postgresql_data_dir(view, host.name)) + "\n  bin_dir: " + quoted(postgresql_bin_dir(view, host.name)) +
         "\n  pgpass: \"" + pgpass_path(view.platform(host.name)) + "\"\n";
  out += "  authentication:\n    superuser:\n      username: " + quoted(spec.patroni_superuser_username) + "\n      password: ";
  out += quoted(view.secret("patroni_superuser_password"));
  if (tls) out += "\n" + verified.substr(0, verified.size() - 1);
  out += "\n    replication:\n      username: " + quoted(spec.patroni_replication_username) + "\n      password: ";
  out += quoted(view.secret("patroni_replication_password"));
  if (tls) out += "\n" + verified.substr(0, verified.size() - 1);
  out += "\n  parameters:\n    unix_socket_directories: \"" + view.platform(host.name).postgresql.socket_dir + "\"\n    pgcluster.config: ";
  out += quoted(mark);
  if (spec.pgbouncer_install) out += "\n  callbacks:\n    on_role_change: " + quoted(role_change_path);
  out += "\n  pg_hba:\n";
  for (const std::string& line : hba_lines(view)) out += "    - " + quoted(line) + "\n";
  if (const auto ident = ident_lines(spec); !ident.empty()) out += "  pg_ident:\n    - " + quoted(ident.front()) + "\n";
  out += "  basebackup:\n    checkpoint: \"fast\"\n\nwatchdog:\n  mode: " + quoted(std::string(to_string(spec.patroni_watchdog_mode))) + "\n";
  if (!host.patroni_tags.empty()) out += "\ntags:\n";
  for (const auto& [name, value] : host.patroni_tags) out += "  " + name + ": " + scalar(value) + "\n";
  return out;
}

// A line of ours as it is where what crosses a network is encrypted: it takes nobody without TLS.
std::string over_network(const Spec& spec, std::string line) {
  const bool network = line.starts_with("host ") && line.find(" 127.0.0.1/32 ") == std::string::npos && line.find(" ::1/128 ") == std::string::npos;
  return network && certificates::wanted(spec) ? "hostssl" + line.substr(4) : line;
}

}  // namespace

std::vector<std::string> hba_lines(const ClusterView& view) {
  const Spec& spec = view.spec;
  const std::string& super = spec.patroni_superuser_username;
  const std::vector<const TopologyHost*> known = known_to_others(view);
  std::vector<std::string> members, others;
  for (const TopologyHost* host : known) {
    if (host->has(Role::postgres))
      members.push_back(host->address);
    else if (!host->has(Role::balancer))  // who comes from there may be any client
      others.push_back(host->address);
  }
  // Without these there is no cluster. All others come after the user's, for the first line that matches wins.
  std::vector<std::string> lines = internal_hba_lines(spec, members, others);
  for (std::string& line : lines) line = over_network(spec, std::move(line));
  for (const std::string& text : spec.postgresql_pg_hba) {
    if (const auto line = parse_hba(text); line && !spec.postgresql_superuser_remote)
      if (const auto guard = without_superuser(*line, super)) lines.push_back(to_string(*guard));
    lines.push_back(text);
  }
  lines.insert(lines.end(), {"local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256", "host all all ::1/128 scram-sha-256"});
  if (!spec.postgresql_superuser_remote) lines.push_back("host all " + hba_name(super) + " all reject");
  for (const TopologyHost* host : known) lines.push_back(over_network(spec, "host all all " + net::single_address(host->address) + " scram-sha-256"));
  const auto networks = view.derived(allowed_networks);
  for (const std::string& network : *networks) lines.push_back(over_network(spec, "host all all " + network + " scram-sha-256"));
  return lines;
}

std::vector<std::string> ident_lines(const Spec& spec) {
  if (spec.patroni_superuser_username == "postgres") return {};
  return {"pgcluster postgres " + quoted(spec.patroni_superuser_username)};
}

std::string config_mark(const ClusterView& view, const TopologyHost& host) {
  const Text config = head_with(view, host, {"mark of this file", ""});
  // Every user of the database can read it: enough to see a change, too little to try passwords on.
  // Spelt so that no other word of a file is the same.
  return "mark-" + sha256_hex(config.reveal()).substr(0, 4);
}

// As it follows from the passwords it is shown no more than they are, and a plan with passwords that are yet to be made is the same each time.
Text config_head(const ClusterView& view, const TopologyHost& host) { return head_with(view, host, {"mark of this file", config_mark(view, host)}); }

Pairs cluster_settings(const Spec& spec) {
  const auto word = [](bool on) { return std::string(on ? "true" : "false"); };
  return {{"ttl", std::to_string(spec.patroni_ttl)},
          {"loop_wait", std::to_string(spec.patroni_loop_wait)},
          {"retry_timeout", std::to_string(spec.patroni_retry_timeout)},
          {"maximum_lag_on_failover", std::to_string(spec.patroni_maximum_lag_on_failover)},
          {"primary_start_timeout", std::to_string(spec.patroni_master_start_timeout)},
          {"failsafe_mode", word(spec.failsafe_mode)},
          {"synchronous_mode", word(spec.synchronous_mode)},
          {"synchronous_mode_strict", word(spec.synchronous_mode_strict)},
          {"synchronous_node_count", std::to_string(spec.synchronous_node_count)},
          {"postgresql.use_pg_rewind", "true"},
          {"postgresql.use_slots", "true"}};
}

std::string config_bootstrap(const ClusterView& view) {
  const Spec& spec = view.spec;
  std::string out = "\n# Read once, when the cluster begins. Later changes of these go to the DCS.\nbootstrap:\n  dcs:\n";
  std::string inner;
  for (const auto& [path, value] : cluster_settings(spec)) {
    if (path.starts_with("postgresql."))
      inner += "      " + path.substr(11) + ": " + scalar(value) + "\n";
    else
      out += "    " + path + ": " + scalar(value) + "\n";
  }
  out += "    postgresql:\n" + inner + "      parameters:\n";
  for (const auto& [name, value] : postgresql_parameters(view))
    out += "        " + name + ": " + (server_settings::is_text(spec.postgresql_version, name) ? quoted(value) : scalar(value)) + "\n";
  out += "  initdb:\n    - encoding: " + quoted(spec.postgresql_encoding) + "\n    - locale: " + quoted(spec.postgresql_locale) + "\n";
  if (spec.postgresql_data_checksums)
    out += "    - data-checksums\n";
  else if (spec.postgresql_version >= 18)  // which has them unless told otherwise
    out += "    - no-data-checksums\n";
  return out;
}

std::size_t bootstrap_at(const std::string& config) {
  const auto key = config.find("\nbootstrap:\n");
  if (key == std::string::npos) return key;
  // With the comment and the empty line before it.
  auto begin = key + 1;
  while (begin > 0) {
    const auto line = begin >= 2 ? config.rfind('\n', begin - 2) + 1 : 0;
    if (config[line] != '#' && config[line] != '\n') break;
    begin = line;
    if (config[line] == '\n') break;
  }
  return begin;
}

ServiceWish service_wish(const Spec& spec) {
  ServiceWish wish{.unit = unit_name,
                   .start_files = {"/etc/systemd/system/patroni.service.d/50-pgcluster.conf"},
                   .load_files = {config_path},
                   .reloadable = true,
                   .settle = std::chrono::seconds(90)};
  if (certificates::wanted(spec)) {
    // How it speaks with the DCS it reads only when it starts.
    wish.start_files.push_back(certificates::drop_in(unit_name));
    // Patroni reads the authority again together with a new certificate of its own, and each certificate is signed anew for another authority.
    wish.load_files.insert(wish.load_files.end(), {certificates::authority_file, certificates::certificate_file(certificate),
                                                   certificates::certificate_file(server_certificate)});
  }
  return wish;
}

// HAProxy does not cut sessions that began before its last reload, and a client keeps the address that it resolved, even after a failover.
bool cuts_sessions(const Spec& spec) {
  return spec.pgbouncer_install && (with_cloud_balancer(spec) || with_haproxy(spec) || spec.dcs_type == DcsType::consul);
}

WriteFile role_change_program(const Spec& spec) {
  std::string text = shell::role_change;
  const std::string port = " -p 6432 ";
  text.replace(text.find(port), port.size(), " -p " + std::to_string(spec.pgbouncer_listen_port) + " ");
  const std::string cuts = "cuts=yes\n";
  if (!cuts_sessions(spec)) text.replace(text.find(cuts), cuts.size(), "cuts=no\n");
  return {.path = role_change_path, .content = std::move(text), .mode = 0755};
}

WriteFile await_server_program() { return {.path = await_server_path, .content = shell::await_server, .mode = 0755}; }

// A file of its own, which no running unit has to be restarted for: it matters when Patroni starts next.
WriteFile await_server_drop_in(const ClusterView& view, const std::string& host) {
  const std::string data = postgresql_data_dir(view, host), ready = postgresql_bin_dir(view, host) + "/pg_isready";
  const std::string& socket = view.platform(host).postgresql.socket_dir;
  return {.path = "/etc/systemd/system/patroni.service.d/60-pgcluster.conf",
          // The note of a restore that has not ended: the data on this host is what the restore gives up.
          .content = std::string("[Service]\nExecCondition=+/bin/sh -c '! grep -qsx hold ") + restore::note_path + "'\nExecStartPre=-" +
                     await_server_path + " " + data + " " + ready + " " + socket + " " + std::to_string(view.spec.postgresql_port) + "\n"};
}

ServiceWish etcd_leader_wish() {
  return {.unit = etcd_leader_unit,
          .start_files = {etcd_leader_path, std::string("/etc/systemd/system/") + etcd_leader_unit},
          .restart_impact = Impact::none};
}

WriteFile etcd_leader_program() { return {.path = etcd_leader_path, .content = shell::etcd_leader, .mode = 0755}; }

WriteFile etcd_leader_unit_file(const NodeView& node) {
  const Spec& spec = node.spec();
  // It reads the member's certificate and key anew for each call.
  const std::string user = certificates::wanted(spec) ? "User=" + node.platform().etcd.account : std::string("DynamicUser=yes");
  return {
      .path = std::string("/etc/systemd/system/") + etcd_leader_unit,
      .content =
          std::string("[Unit]\nDescription=keeps etcd's leader off the host of PostgreSQL's\nAfter=network-online.target\n\n[Service]\nExecStart=") +
          etcd_leader_path + " " + rest_base(spec, node.host) + " " + certificates::url(spec, node.host.address, spec.etcd_client_port) + "\n" +
          user + "\nRestart=always\nRestartSec=5\n" + sandbox_lines(node.facts, {}) + "\n[Install]\nWantedBy=multi-user.target\n"};
}

std::vector<std::string> certificate_reloads(const std::string& data_dir) {
  // Patroni reloads its certificate only on a SIGHUP that finds no other change in its configuration, so send a second one. Patroni signals
  // PostgreSQL only if settings have changed, so send PostgreSQL its own SIGHUP.
  return {"/bin/kill -HUP $MAINPID", "-/bin/sh -c 'sleep 1; kill -HUP \"$MAINPID\"'",
          "-/bin/sh -c 'read -r server <" + data_dir + "/postmaster.pid && kill -HUP \"$$server\"'"};
}

// PostgreSQL is a child process of Patroni, and runs commands of users: archive_command, COPY … PROGRAM, callbacks, extensions, PAM. Therefore this
// sandbox does not
// - set NoNewPrivileges, directly or by implication: sudo and pam_unix's helper would stop working. In a unit with User=, it is implied by all
//   filters of system calls and address families, Protect(KernelTunables, KernelModules, KernelLogs, Clock, Hostname)=, Restrict…= and
//   PrivateDevices=;
// - hide directories: data directories, tablespaces and archives may be anywhere, also in /home (ProtectHome), and files for COPY and sockets may be
//   in /tmp (PrivateTmp). /usr/local stays writable, because PostgreSQL that was built from source is installed there;
// - forbid executable memory that is writable (MemoryDenyWriteExecute): the JIT compiler needs it;
// - hide processes of other accounts (ProtectProc): monitoring extensions show them;
// - remove shared memory (RemoveIPC), or drop capabilities that sudo may need for such commands. The capabilities that are dropped are those that
//   change the machine itself.
std::string server_sandbox(const Facts& facts) {
  std::string text =
      "CapabilityBoundingSet=~CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_BLOCK_SUSPEND CAP_BPF CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_PERFMON CAP_SYSLOG "
      "CAP_SYS_BOOT CAP_SYS_MODULE CAP_SYS_PACCT CAP_SYS_RAWIO CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM\n";
  if (has_private_mounts(facts)) text += "ProtectSystem=full\nReadWritePaths=-/usr/local\nProtectControlGroups=yes\n";
  return text;
}

WriteFile drop_in(const Spec& spec, const Facts& facts) {
  // Only this command runs as root, for the watchdog. Without a device, Patroni continues without a watchdog if the mode is "automatic".
  std::string lines;
  if (spec.patroni_watchdog_mode != WatchdogMode::off)
    lines += "ExecStartPre=-+/bin/sh -c 'modprobe -q softdog; [ ! -c /dev/watchdog ] || chown postgres /dev/watchdog'\n";
  // PostgreSQL may take longer to stop than the unit's own 30 s: a checkpoint. The server outlives a Patroni that the kernel kills for memory.
  lines += "LimitNOFILE=65536\nTimeoutStopSec=300\nOOMPolicy=continue\n" + server_sandbox(facts);
  ServiceWish plain = service_wish(spec);
  plain.start_files.resize(1);
  plain.load_files.resize(1);
  return unit_notes(plain, {"/bin/kill -HUP $MAINPID"}, lines);
}

}  // namespace pgcluster::patroni
