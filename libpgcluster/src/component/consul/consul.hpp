#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>
#include <pgcluster/component/consul.hpp>

#include "spec/roles.hpp"

namespace pgcluster {

namespace consul {

/// The datacenter's servers know the tokens of the cluster. Planned where Consul has tokens.
inline StepRef tokens(const std::string& datacenter) { return {"", "consul", "tokens-" + datacenter}; }

}  // namespace consul

inline constexpr const char* consul_unit = "consul.service";
inline constexpr const char* consul_data_dir = "/var/lib/consul";
inline constexpr const char* consul_gossip_secret = "consul_encrypt_key";
inline constexpr const char* consul_agent_file = "/etc/consul.d/pgcluster.json";
inline constexpr const char* consul_services_file = "/etc/consul.d/pgcluster-services.json";
/// The name of an agent's certificate. Our own questions to the agent show it, too.
inline constexpr const char* consul_certificate = "consul";
/// What a host's agent listens on; 8300 and 8302 are a server's.
std::vector<PortNeed> consul_ports(const Spec& spec, const TopologyHost& host);
/// How long a step waits for Consul. A server knows a leader only when there is a quorum, and the other hosts may still be busy with apt.
constexpr std::chrono::seconds consul_patience{300};

/// Whether the host runs an agent: servers, database hosts, clients, and balancers whose confd asks it.
bool has_consul_agent(const Spec& spec, const TopologyHost& host);
/// Consul's datacenter that the host belongs to.
std::string consul_datacenter(const Spec& spec, const TopologyHost& host);
/// Consul's datacenters, the home first.
std::vector<std::string> consul_datacenters(const ClusterView& cluster);
/// The servers of one of Consul's datacenters, in the topology's order.
std::vector<const TopologyHost*> consul_servers(const ClusterView& cluster, const std::string& datacenter);
/// The program's path.
const char* consul_program(const Spec& spec);

/// "https://127.0.0.1:8501/v1/…" of the host's own agent.
std::string consul_url(const Spec& spec, const std::string& path);
/// The path with ?dc= of the cluster's home where Consul is federated.
std::string consul_home_path(const Spec& spec, const std::string& path);
/// curl's options that authenticate it to an agent: a certificate and, where Consul has tokens, a token.
std::vector<std::string> consul_options(const ClusterView& cluster);
/// The calls of curl that ask the host's own agent, one for each way in which it may answer now.
std::vector<std::vector<std::string>> consul_calls(const ClusterView& cluster, const std::string& path, const std::vector<std::string>& options);
/// GET of the host's own agent: the body, and in a line of its own the status.
Ask consul_get(const ClusterView& cluster, const std::string& host, const std::string& path, std::vector<std::string> about = {});
/// The beginning of a command that calls the program consul: "env" and what it reads of its environment; nothing where it needs none.
std::vector<std::string> consul_environment(const ClusterView& cluster);
/// The same for people: "CONSUL_HTTP_ADDR=… CONSUL_CACERT=… consul".
std::string consul_command(const ClusterView& cluster);
/// The body where the status is one of 200 and `also`; empty elsewhere.
std::optional<std::string> consul_body(const Answer& answer, int also = 200);

/// The health of the servers as the Raft leader knows it; asked of a server's own agent.
Ask consul_health_ask(const ClusterView& cluster, const TopologyHost& host);
struct ConsulServer {
  std::string name;
  bool leads = false;
  bool voter = false;
  bool healthy = false;
  bool serves() const { return voter && healthy; }
};
/// Empty if there is no leader, or no answer.
std::vector<ConsulServer> read_consul_servers(const Answer& answer);
/// The Raft leader of the agent's datacenter, as the host's agent knows it; empty: no leader, or no agent.
Ask consul_leader_ask(const ClusterView& cluster, const std::string& host);
std::string read_consul_leader(const Answer& answer);

/// The checks of a database host's services: what its agent has found, and what the servers, which answer for the names, have of it.
Ask consul_names_ask(const ClusterView& cluster, const std::string& host);
/// A problem where the servers have not taken over the agent's checks. After the start of a host they keep those of before for up to 30 s.
std::optional<Problem> read_consul_names(const std::string& host, const Answer& answer);
/// Waits until there is no such problem.
StepPtr consul_names_gate(const NodeView& node);

/// The agent's file; refuses where an agent must not be made. While the cluster goes over it serves both ways.
StepPtr consul_config(const NodeView& node);
/// While the cluster goes over, and each agent serves both ways: the agent speaks with the others in the wished way. A reload is enough.
StepPtr consul_turn(const NodeView& node);
/// The agent no longer serves in the way that the cluster leaves.
StepPtr consul_close(const NodeView& node);
/// The services of a database host. `open`: as long as the cluster goes over, Patroni is asked both ways.
WriteFile consul_services(const NodeView& node, bool open = false);
std::string consul_unit_text(const NodeView& node);
/// *.consul is looked up at the host's own agent, by the resolver that the host uses.
Steps consul_dns(const NodeView& node);
/// The files that it gives to the resolvers, each with the resolver's unit.
std::map<std::string, std::string> consul_dns_readers();
/// The configured key of the gossip, in a file of its own: another key restarts no agent.
StepPtr consul_gossip_file(const NodeView& node);
/// An agent that was away while the others changed the key joins them again.
StepPtr consul_rejoin(const NodeView& node);
/// All agents use that key, and no other. The former one goes only while each of them is alive.
Steps consul_gossip(const ClusterView& cluster);

// --- access by tokens ---

/// Whether Consul has tokens, as in every cluster that began with them. Consul then refuses each request that no token allows; requests without a
/// token may only look up names. perhaps: the view has no facts.
enum class ConsulTokens { no, perhaps, yes };
ConsulTokens consul_tokens(const ClusterView& cluster);
/// Whether that is yes or perhaps.
bool consul_has_tokens(const ClusterView& cluster);
/// The secret from which all tokens are derived.
inline constexpr const char* consul_tokens_secret = "consul_tokens_key";
/// The token by which Patroni reads and writes its keys, and makes its sessions.
Secret consul_patroni_token(const ClusterView& cluster);
/// The token by which confd reads Patroni's keys.
Secret consul_reader_token(const ClusterView& cluster);
/// The token by which the host's agent registers its node and its services.
Secret consul_agent_token(const ClusterView& cluster, const std::string& host);
/// Files with root's token on the host, for curl and for the program consul. On servers it allows everything, on other database hosts it is Patroni's
/// token, and elsewhere the agent's.
inline constexpr const char* consul_header_file = "/etc/pgcluster/consul.header";
inline constexpr const char* consul_token_file = "/etc/pgcluster/consul.token";
/// The agent's configuration of tokens.
inline constexpr const char* consul_tokens_file = "/etc/consul.d/pgcluster-tokens.json";
/// A file on each agent's host that marks a cluster that began with tokens. It is written before the agent starts.
Steps consul_tokens_mark(const NodeView& node);
/// The host's files with tokens; empty where Consul has none.
std::vector<Steps> consul_token_files(const NodeView& node);
/// Once the tokens were replaced: waits until the host's agent answers with each of the host's tokens.
Steps consul_known_tokens(const NodeView& node);
/// Makes the policies and tokens of a datacenter, and deletes former tokens and those of pruned hosts.
Steps consul_token_steps(const ClusterView& cluster, const std::string& datacenter, const std::vector<const TopologyHost*>& servers);
/// The warning about a cluster with TLS that began without tokens. One host tells it for all.
std::vector<Diagnostic> without_consul_tokens(const NodeView& node);

/// Of each datacenter's servers together: autopilot's settings, the name that follows the leader everywhere, the catalog's external nodes.
Steps consul_cluster_steps(const ClusterView& cluster);

/// Refused: a running Consul's servers are others than the spec's.
Refused consul_moved(const Topology& topology, const std::vector<std::string>& runs, const std::vector<std::string>& described);
/// Whether an agent of ours was started there.
bool owns_consul(const ClusterView& cluster, const std::string& host);

}  // namespace pgcluster
