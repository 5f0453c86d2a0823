// PgBouncer in front of PostgreSQL: passwords are looked up in the database, so it knows only its own.
#include <algorithm>

#include <pgcluster/component/pgbouncer.hpp>

#include "base/joined.hpp"
#include "component/certificates.hpp"
#include "component/listening.hpp"
#include "component/pgbouncer/pgbouncer.hpp"
#include "component/postgresql/sql.hpp"
#include "component/registry.hpp"
#include "component/sandbox.hpp"
#include "step/made.hpp"

namespace pgcluster {
namespace {

constexpr const char* unit = "pgbouncer.service";
constexpr const char* main_file = "/etc/pgbouncer/pgbouncer.ini";
constexpr const char* listen_file = "/etc/pgbouncer/listen.ini";
constexpr const char* users_file = "/etc/pgbouncer/userlist.txt";
constexpr const char* hba_file = "/etc/pgbouncer/pg_hba.conf";

std::uint64_t file_limit(const NodeView& node) {
  const auto wanted =
      static_cast<std::uint64_t>(std::max(0, node.spec().pgbouncer_max_client_conn) + std::max(0, node.spec().pgbouncer_max_db_connections) + 1000);
  return std::min(wanted, node.facts.nofile_limit);
}

// Each client and each connection to PostgreSQL uses a file descriptor. Reserve a tenth of the limit for the connections to PostgreSQL.
std::uint64_t max_clients(const NodeView& node) {
  const std::uint64_t limit = file_limit(node);
  return std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max(1, node.spec().pgbouncer_max_client_conn)), limit - limit / 10);
}

WriteFile secret_file(const NodeView& node, const std::string& path, Text content) {
  const std::string& account = node.platform().pgbouncer.account;
  return {.path = path, .content = std::move(content), .mode = 0640, .owner = account, .group = account};
}

// All settings that a reload applies.
Text main_text(const NodeView& node) {
  const Spec& spec = node.spec();
  std::string text = "; Written by pgcluster.\n[databases]\n* = host=";
  text += node.platform().postgresql.socket_dir + " port=" + std::to_string(spec.postgresql_port) + " auth_user=pgbouncer\n\n[pgbouncer]\n";
  const auto add = [&](const char* key, const std::string& value) { text += std::string(key) + " = " + value + "\n"; };
  text += std::string("%include ") + listen_file + "\n";
  add("auth_type", "hba");
  add("auth_hba_file", hba_file);
  if (certificates::wanted(spec)) {
    add("client_tls_sslmode", "require");
    add("client_tls_key_file", certificates::key_file("pgbouncer"));
    add("client_tls_cert_file", certificates::certificate_file("pgbouncer"));
    add("client_tls_ca_file", certificates::authority_file);
    add("client_tls_protocols", "secure");
  }
  add("auth_file", users_file);
  add("auth_dbname", "postgres");
  add("auth_query", "SELECT usename, passwd FROM public.user_search($1)");
  add("admin_users", spec.patroni_superuser_username);
  add("stats_users", "pgbouncer");
  add("pool_mode", std::string(to_string(spec.pgbouncer_default_pool_mode)));
  add("max_client_conn", std::to_string(max_clients(node)));
  add("max_db_connections", std::to_string(spec.pgbouncer_max_db_connections));
  add("default_pool_size", std::to_string(spec.pgbouncer_default_pool_size));
  add("reserve_pool_size", "1");
  add("max_prepared_statements", std::to_string(spec.pgbouncer_max_prepared_statements));
  add("query_wait_timeout", std::to_string(spec.pgbouncer_query_wait_timeout));
  add("server_reset_query", "DISCARD ALL");
  add("ignore_startup_parameters", joined(spec.pgbouncer_ignore_startup_parameters, ","));
  // After PostgreSQL was away it would answer every client with the old failure for 15 s.
  add("server_login_retry", "1");
  add("server_connect_timeout", "5");
  // The journal has what it tells; a line for every client that comes and goes is too much there.
  add("log_connections", "0");
  add("log_disconnections", "0");
  return text;
}

// Read when it starts, and not again.
std::string listen_text(const NodeView& node) {
  const std::string& sockets = node.platform().postgresql.socket_dir;
  return "; Written by pgcluster. A change of this file restarts PgBouncer.\nlisten_addr = *\nlisten_port = " +
         std::to_string(node.spec().pgbouncer_listen_port) + "\nlisten_backlog = 4096\nunix_socket_dir = " + sockets + "\npidfile = " + sockets +
         "/pgbouncer.pid\n";
}

Text users_text(const NodeView& node) {
  Secret password = node.cluster.secret("pgbouncer_auth_password");
  for (std::size_t at = 0; (at = password.value.find('"', at)) != std::string::npos; at += 2) password.value.insert(at, 1, '"');
  Text text = "\"pgbouncer\" \"";
  text += password;
  text += "\"\n";
  return text;
}

StepPtr listens(const NodeView& node) {
  const int port = node.spec().pgbouncer_listen_port;
  const Ask ask{node.name(), Exec{.argv = {"ss", "-Hltnp", "sport = :" + std::to_string(port)}, .about = {std::string("unit:") + unit}}};
  auto decide = [ask, port, host = node.name()](const Answers& answers) -> Decision {
    const std::string* out = answers.out(ask);
    const std::string until = "PgBouncer listens on port " + std::to_string(port);
    if (!out || out->empty()) return Later{until};
    if (out->find("\"pgbouncer\"") != std::string::npos) return Done{};
    const std::string process = listening_process(*out, "");
    const std::string taken = "port " + std::to_string(port) + " of " + host + ", wanted for PgBouncer, is taken by ";
    if (process.empty()) return Later{.until = until, .wrong = taken + "another process", .patience = std::chrono::seconds(10)};
    return Refused{{.message = taken + process, .hint = "stop it, or choose another pgbouncer_listen_port: " + out->substr(0, out->find('\n'))}};
  };
  return gate(pgbouncer::listens(node.name()),
              {.asks = {ask}, .decide = decide, .settle = std::chrono::seconds(30), .evidence = {journal_ask(node.name(), unit)}});
}

class PgBouncer final : public Component {
 public:
  std::string name() const override { return "pgbouncer"; }

  Steps steps(const NodeView& node) const override {
    if (!node.spec().pgbouncer_install || !node.has(Role::postgres)) return {};
    const auto step = [&](const char* what) { return node.step("pgbouncer", what); };
    ServiceWish wish{.unit = unit, .reloadable = true, .settle = std::chrono::seconds(120)};
    const std::string drop_in = std::string("/etc/systemd/system/") + unit + ".d/50-pgcluster.conf";
    wish.start_files = {listen_file, drop_in};
    // The first drop-in stays as it always was: a change of it restarts PgBouncer. Further files stand in the second.
    wish.load_files = {main_file, users_file};
    const std::string more = "LimitNOFILE=" + std::to_string(file_limit(node)) + "\nRestart=on-failure\nRestartSec=1\n" +
                             sandbox_lines(node.facts, {.writes = node.platform().postgresql.socket_dir}) + "\n[Unit]\nStartLimitIntervalSec=0\n";
    const std::vector<std::string> reload{"/bin/kill -HUP $MAINPID"};
    const WriteFile notes = unit_notes(wish, reload, more);
    wish.load_files.emplace_back(hba_file);
    if (certificates::wanted(node.spec()))
      wish.load_files.insert(wish.load_files.end(), {certificates::authority_file, certificates::certificate_file("pgbouncer")});
    const StepRef ready = certificates::ready(node.name(), "pgbouncer");
    return sequence(
        packages(step("packages"), node.name(), needs(node).packages, {unit}),
        parallel(after_where_planned({ready}, file(step("config"), node.name(), secret_file(node, main_file, main_text(node)))),
                 file(step("listen"), node.name(), secret_file(node, listen_file, listen_text(node))),
                 file(step("hba"), node.name(), secret_file(node, hba_file, pgbouncer_hba(node.cluster))),
                 sequence(pgbouncer_password_gate(node.cluster, step("password")),
                          file(step("users"), node.name(), secret_file(node, users_file, users_text(node)))),
                 file(step("unit"), node.name(), notes), file(step("load-notes"), node.name(), load_notes(wish, reload))),
        rolling("pgbouncer", node.name(), {}, sequence(after_where_planned({ready}, service(step("service"), node.name(), wish)), listens(node))));
  }

  Needs needs(const NodeView& node) const override {
    const Spec& spec = node.spec();
    if (!spec.pgbouncer_install || !node.has(Role::postgres)) return {};
    const PackagedService& packaged = node.platform().pgbouncer;
    Needs all{.packages = packaged.packages,
              .ports = {{spec.pgbouncer_listen_port, "PgBouncer", unit, Reach::clients}},
              .units = {unit},
              .accounts = {packaged.account},
              .secrets = {pgbouncer_secret(spec)}};
    certificates::declare(node, all,
                          {{.name = "pgbouncer",
                            .account = packaged.account,
                            .names = certificates::client_names(node),
                            .port = spec.pgbouncer_listen_port,
                            .starttls = "postgres"}});
    return all;
  }
};

}  // namespace

ComponentPtr pgbouncer_component() { return std::make_shared<PgBouncer>(); }

}  // namespace pgcluster
