#include "component/postgresql/sql_step.hpp"

#include "base/nearest.hpp"

#include <chrono>
#include <utility>

namespace pgcluster {
namespace {

// Nothing of what comes may reach the server's log or its statistics: it holds verifiers. Settings of extensions that are not loaded have no effect.
std::string quiet(int version) {
  std::string script =
      "set log_statement = 'none';\nset log_min_duration_statement = -1;\nset log_min_error_statement = 'panic';\nset synchronous_commit = 'local';\n"
      "set pg_stat_statements.track = 'none';\nset pgaudit.log = 'none';\n";
  if (version >= 12) script += "set log_transaction_sample_rate = 0;\n";
  if (version >= 13) script += "set log_min_duration_sample = -1;\n";
  return script;
}

}  // namespace

Change on_server(const View& view, const TopologyHost& host, const Text& script, std::string touches, std::string name) {
  Run run{.argv = psql(*view, host.name, {"-v", "ON_ERROR_STOP=1", "-f", "-"}),
          .input = quiet(view->spec.postgresql_version) + script,
          .touches = {std::move(touches)},
          .look = recovery_look(*view, host.name),
          .name = std::move(name)};
  return {.todo = {Do{.at = host.name, .what = std::move(run), .was = Output{.out = "f\n"}}}, .action = Action::run};
}

Later nobody_writes(const ClusterView& view, const Answers& answers, Action action) {
  return {.until = "one server, and only one, takes writes", .action = action, .seen = servers_in_words(view, answers)};
}

Refused no_such_role(const View& view, const Server& server, const std::string& role, const std::string& path) {
  std::vector<std::string_view> known;
  for (const auto& [name, state] : server.roles) known.push_back(name);
  const auto near = nearest(role, known);
  return Refused{{.message = "there is no role " + role + ", neither in the spec nor on the server",
                  .hint = near.empty() || near == view->spec.patroni_replication_username ? "add - { name: " + role + " } to postgresql_users"
                                                                                          : "did you mean " + std::string(near) + "?",
                  .path = path}};
}

StepPtr sql_step(const View& view, const StepRef& name, OnServer decide, std::vector<Ask> more) {
  auto whole = [view, decide = std::move(decide)](const Answers& answers) -> Decision {
    const TopologyHost* host = writable_host(*view, answers);
    if (!host) return nobody_writes(*view, answers, Action::run);
    return decide(*host, answers.read(server_ask(*view, *host), read_server), answers);
  };
  return make_step(name, {.asks = std::move(more), .decide = whole, .settle = std::chrono::seconds(60), .common = view->derived(server_asks)});
}

}  // namespace pgcluster
