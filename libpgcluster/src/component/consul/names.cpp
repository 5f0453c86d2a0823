// The DNS names of Consul. Each agent runs the health checks of its host and sends the results to the servers. The names resolve by the servers'
// results.
#include <fmt/format.h>

#include <pgcluster/component/patroni.hpp>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "component/certificates.hpp"
#include "component/consul/consul.hpp"
#include "component/patroni/patroni.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;

// The bodies of the two answers, if both are there.
std::optional<std::pair<Json, Json>> read_both(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0) return std::nullopt;
  std::vector<std::string> lines = strings::split(output->out, "\n");
  if (lines.size() < 4 || lines[1] != "200" || lines[3] != "200") return std::nullopt;
  Json agent = json_read::parse(lines[0]), servers = json_read::parse(lines[2]);
  if (!agent.is_object() || !servers.is_array()) return std::nullopt;
  return std::pair{std::move(agent), std::move(servers)};
}

}  // namespace

Ask consul_names_ask(const ClusterView& cluster, const std::string& host) {
  const std::vector<std::string> options{"-s", "-m", "5", "-w", "\\n%{http_code}\\n"};
  auto calls = consul_calls(cluster, "/v1/agent/checks", options);
  const auto then = consul_calls(cluster, "/v1/health/node/" + host, options);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    calls[i].emplace_back("--next");
    calls[i].insert(calls[i].end(), then[i].begin(), then[i].end());
  }
  return {host, Exec{.argv = certificates::command(calls), .about = {std::string("unit:") + consul_unit, std::string("unit:") + patroni::unit_name}}};
}

std::optional<Problem> read_consul_names(const std::string& host, const Answer& answer) {
  const auto both = read_both(answer);
  if (!both) return std::nullopt;  // other probes tell of an agent that does not answer, and of servers without a leader
  const auto& [agent, servers] = *both;
  const std::string soon = "an agent that was started tells the servers within 30 s; if it does not, read the journal of consul.service on the host";
  for (const auto& [id, check] : agent.items()) {
    if (json_read::text(check, "ServiceID").empty()) continue;
    const std::string name = json_read::text(check, "Name"), here = json_read::text(check, "Status");
    // Before its first run, a check is critical and has no output.
    if (here == "critical" && json_read::text(check, "Output").empty())
      return Problem{.cause = "names_not_current",
                     .message = fmt::format("Consul's agent has not run its check \"{}\" yet, so that names may not lead to {}", name, host),
                     .remedy = soon};
    std::string there = "nothing";
    for (const Json& one : servers)
      if (json_read::text(one, "CheckID") == id) there = json_read::text(one, "Status");
    if (here != there)
      return Problem{.cause = "names_not_current",
                     .message = fmt::format("Consul's names are not up to date about {}: the check \"{}\" is {} there, and its servers have {}", host,
                                            name, here, there),
                     .remedy = soon};
  }
  for (const Json& one : servers)
    if (json_read::text(one, "CheckID") == "serfHealth" && json_read::text(one, "Status") != "passing")
      return Problem{
          .cause = "names_not_current",
          .message = fmt::format("Consul's servers take the host for dead ({}), so that no name leads to {}", json_read::text(one, "Output"), host),
          .remedy = soon};
  return std::nullopt;
}

StepPtr consul_names_gate(const NodeView& node) {
  const Ask ask = consul_names_ask(node.cluster, node.name());
  auto decide = [ask, host = node.name()](const Answers& answers) -> Decision {
    const auto problem = read_consul_names(host, answers[ask]);
    if (!problem) return Done{};
    return Later{.until = "Consul's names are up to date about " + host, .seen = problem->message};
  };
  return gate(node.step("consul", "names"),
              {.asks = {ask}, .decide = decide, .settle = std::chrono::seconds(90), .evidence = {journal_ask(node.name(), consul_unit)}});
}

}  // namespace pgcluster
