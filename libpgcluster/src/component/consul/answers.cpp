// What Consul says of itself, asked of the agents on the hosts.
#include <algorithm>

#include "base/joined.hpp"
#include "base/json.hpp"
#include "component/certificates.hpp"
#include "component/consul/consul.hpp"
#include "component/haproxy/haproxy.hpp"
#include "op/facts.hpp"

namespace pgcluster {
using Json = nlohmann::json;

namespace {

std::vector<std::string> token_options(const ClusterView& cluster) {
  if (!consul_has_tokens(cluster)) return {};
  return {"-H", std::string("@") + consul_header_file};
}

}  // namespace

bool has_consul_agent(const Spec& spec, const TopologyHost& host) {
  if (spec.dcs_type != DcsType::consul) return false;
  return host.has(Role::consul) || host.has(Role::postgres) || host.has(Role::consul_client) || (host.has(Role::balancer) && with_confd(spec));
}

std::string consul_datacenter(const Spec& spec, const TopologyHost& host) {
  return spec.consul_layout == ConsulLayout::federated ? host.datacenter : consul_home(spec);
}

std::vector<std::string> consul_datacenters(const ClusterView& cluster) {
  std::vector<std::string> all{consul_home(cluster.spec)};
  for (const TopologyHost& host : cluster.topology.hosts) {
    const std::string one = consul_datacenter(cluster.spec, host);
    if (has_consul_agent(cluster.spec, host) && std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  }
  return all;
}

std::vector<const TopologyHost*> consul_servers(const ClusterView& cluster, const std::string& datacenter) {
  std::vector<const TopologyHost*> servers = cluster.topology.with(Role::consul);
  std::erase_if(servers, [&](const TopologyHost* host) { return consul_datacenter(cluster.spec, *host) != datacenter; });
  return servers;
}

std::vector<PortNeed> consul_ports(const Spec& spec, const TopologyHost& host) {
  std::vector<PortNeed> all{{.number = 8301, .purpose = "Consul's gossip", .unit = consul_unit, .udp = true},
                            {.number = consul_api_port(spec), .purpose = "Consul's HTTP API", .unit = consul_unit, .reach = Reach::host},
                            {.number = 8600, .purpose = "Consul's DNS", .unit = consul_unit, .reach = Reach::host, .udp = true}};
  if (host.has(Role::consul)) {
    all.push_back({.number = 8300, .purpose = "Consul's servers", .unit = consul_unit});
    all.push_back({.number = 8302, .purpose = "Consul's gossip between datacenters", .unit = consul_unit, .udp = true});
  }
  std::sort(all.begin(), all.end(), [](const PortNeed& a, const PortNeed& b) { return a.number < b.number; });
  return all;
}

const char* consul_program(const Spec& spec) { return spec.consul_binary.given() ? "/usr/local/bin/consul" : "/usr/bin/consul"; }

std::string consul_url(const Spec& spec, const std::string& path) { return certificates::url(spec, "127.0.0.1", consul_api_port(spec), path); }

std::string consul_home_path(const Spec& spec, const std::string& path) {
  if (spec.consul_layout != ConsulLayout::federated) return path;
  return path + (path.find('?') == std::string::npos ? "?dc=" : "&dc=") + consul_home(spec);
}

std::vector<std::string> consul_options(const ClusterView& cluster) {
  std::vector<std::string> options = certificates::curl_options(cluster.spec, consul_certificate);
  for (std::string& word : token_options(cluster)) options.push_back(std::move(word));
  return options;
}

std::vector<std::vector<std::string>> consul_calls(const ClusterView& cluster, const std::string& path, const std::vector<std::string>& options) {
  const auto calls = [&](const std::vector<std::string>& words) {
    return certificates::calls(cluster, consul_certificate, words, "127.0.0.1", consul_https_port, {path}, consul_http_port);
  };
  std::vector<std::string> words = options;
  for (std::string& word : token_options(cluster)) words.push_back(std::move(word));
  auto all = calls(words);
  // If the cluster has no tokens, curl does not find the file and fails; the same calls without a token follow.
  if (consul_tokens(cluster) == ConsulTokens::perhaps)
    for (auto& call : calls(options)) all.push_back(std::move(call));
  return all;
}

Ask consul_get(const ClusterView& cluster, const std::string& host, const std::string& path, std::vector<std::string> about) {
  const auto calls = consul_calls(cluster, path, {"-s", "-m", "5", "-w", "\\n%{http_code}"});
  return {host, Exec{.argv = certificates::command(calls), .about = std::move(about)}};
}

std::vector<std::string> consul_environment(const ClusterView& cluster) {
  std::vector<std::string> words;
  if (certificates::wanted(cluster.spec))
    words = {"CONSUL_HTTP_ADDR=" + consul_url(cluster.spec, ""), std::string("CONSUL_CACERT=") + certificates::authority_file,
             "CONSUL_CLIENT_CERT=" + certificates::certificate_file(consul_certificate),
             "CONSUL_CLIENT_KEY=" + certificates::key_file(consul_certificate)};
  if (consul_has_tokens(cluster)) words.push_back(std::string("CONSUL_HTTP_TOKEN_FILE=") + consul_token_file);
  if (!words.empty()) words.insert(words.begin(), "env");
  return words;
}

std::string consul_command(const ClusterView& cluster) {
  std::string words;
  for (const std::string& word : consul_environment(cluster))
    if (word != "env") words += word + " ";
  return words + "consul";
}

std::optional<std::string> consul_body(const Answer& answer, int also) {
  const auto* output = std::get_if<Output>(&answer);
  const auto end = output && output->status == 0 ? output->out.rfind('\n') : std::string::npos;
  if (end == std::string::npos) return std::nullopt;
  const std::string status = output->out.substr(end + 1);
  if (status != "200" && status != std::to_string(also)) return std::nullopt;
  return output->out.substr(0, end);
}

Ask consul_health_ask(const ClusterView& cluster, const TopologyHost& host) {
  return consul_get(cluster, host.name, "/v1/operator/autopilot/health", {"unit:consul.service", "dcs:members"});
}

std::vector<ConsulServer> read_consul_servers(const Answer& answer) {
  std::vector<ConsulServer> servers;
  const auto body = consul_body(answer, 429);  // 429: some server is not healthy
  const Json json = body ? json_read::parse(*body) : Json();
  for (const Json& one : json_read::list(json, "Servers"))
    servers.push_back({.name = json_read::text(one, "Name"),
                       .leads = json_read::flag(one, "Leader"),
                       .voter = json_read::flag(one, "Voter"),
                       .healthy = json_read::flag(one, "Healthy")});
  return servers;
}

Ask consul_leader_ask(const ClusterView& cluster, const std::string& host) {
  return consul_get(cluster, host, "/v1/status/leader", {"unit:consul.service", "dcs:members"});
}

std::string read_consul_leader(const Answer& answer) {
  const auto body = consul_body(answer);
  const Json json = body ? json_read::parse(*body) : Json();
  return json_read::text(json);
}

bool owns_consul(const ClusterView& cluster, const std::string& host) {
  const auto facts = cluster.facts.find(host);
  return facts != cluster.facts.end() && owns(facts->second, "unit:consul.service");
}

}  // namespace pgcluster
