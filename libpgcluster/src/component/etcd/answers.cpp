// What etcd says of itself, asked on the hosts: by curl of its gateway, for the start of etcdctl takes longer than all else that a plan asks.
#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "component/etcd/etcd.hpp"
#include "component/etcd/shell.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;

bool is_member(const ClusterView& cluster, const std::string& host) {
  const auto& members = cluster.topology.dcs_members;
  return std::find(members.begin(), members.end(), host) != members.end();
}

Json json_of(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  return output && output->status == 0 ? Json::parse(output->out, nullptr, false) : Json();
}

const Json& at(const Json& json, const char* name) {
  static const Json nothing;
  const auto it = json.is_object() ? json.find(name) : json.end();
  return json.is_object() && it != json.end() ? *it : nothing;
}

// The gateway writes such numbers as strings, etcdctl as numbers.
std::string hexadecimal(const Json& number) {
  std::uint64_t id = 0;
  if (number.is_number_integer()) {
    id = number.get<std::uint64_t>();
  } else if (number.is_string()) {
    const auto& digits = number.get_ref<const std::string&>();
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (bad != std::errc() || end != digits.data() + digits.size()) return {};
  } else {
    return {};
  }
  char text[17] = {};
  std::to_chars(text, text + sizeof text - 1, id, 16);
  return text;
}

// Linearizable: an answer of etcd 3.5 means that there is a quorum. 3.4 does not know the word, and tells what it has, as it tells etcdctl.
constexpr const char* members_body = R"({"linearizable":true})";
constexpr const char* members_path = "/v3/cluster/member/list";

}  // namespace

std::string http_url(const std::string& address, int port) {
  const bool v6 = address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Ask etcd_members_ask(const ClusterView& cluster, const TopologyHost& host) {
  const int port = cluster.spec.etcd_client_port;
  Exec exec{.argv = {"curl", "-sf", "-m", "2", "--connect-timeout", "1", "-d", members_body, http_url(host.address, port) + members_path},
            .about = {"unit:etcd.service", "dcs:members"}};
  if (!is_member(cluster, host.name)) {
    exec.argv = {"sh", "-c", shell::any_member, "sh", members_body, members_path};
    for (const std::string& name : cluster.topology.dcs_members) exec.argv.push_back(http_url(cluster.topology.host(name).address, port));
  }
  return {host.name, exec};
}
Ask etcd_status_ask(const ClusterView& cluster, const TopologyHost& host) {
  const int port = cluster.spec.etcd_client_port;
  return {host.name, Exec{.argv = {"bash", "-c", shell::own_member, "etcdctl", host.address + "/" + std::to_string(port),
                                   http_url(host.address, port), "endpoint", "status", "-w", "json"},
                          .about = {"unit:etcd.service", "dcs:members"}}};
}

std::vector<EtcdMember> read_etcd_members(const Answer& answer) {
  std::vector<EtcdMember> members;
  const Json json = json_of(answer);
  const Json& list = at(json, "members");
  if (!list.is_array()) return members;
  for (const Json& one : list) {
    EtcdMember member{.id = hexadecimal(at(one, "ID"))};
    if (const Json& name = at(one, "name"); name.is_string()) member.name = name.get<std::string>();
    if (const Json& urls = at(one, "peerURLs"); urls.is_array())
      for (const Json& url : urls)
        if (url.is_string()) member.peer_urls.push_back(url.get<std::string>());
    const Json& clients = at(one, "clientURLs");
    member.started = clients.is_array() && !clients.empty();
    members.push_back(std::move(member));
  }
  return members;
}

EtcdStatus read_etcd_status(const Answer& answer) {
  EtcdStatus status;
  const Json json = json_of(answer);
  if (!json.is_array() || json.empty()) return status;
  const Json& told = at(json[0], "Status");
  const std::string leader = hexadecimal(at(told, "leader"));
  status.answers = told.is_object();
  status.has_leader = !leader.empty() && leader != "0";
  status.leads = status.has_leader && leader == hexadecimal(at(at(told, "header"), "member_id"));
  if (const Json& errors = at(told, "errors"); errors.is_array())
    for (const Json& error : errors)
      if (error.is_string()) status.errors += (status.errors.empty() ? "" : ", ") + error.get<std::string>();
  return status;
}

StepPtr dcs_gate(const NodeView& node, std::string_view component) {
  const Ask ask = etcd_members_ask(node.cluster, node.host);
  auto decide = [ask](const Answers& answers) -> Decision {
    if (answers.out(ask)) return Done{};
    return Later{"etcd answers with a quorum"};
  };
  return gate(node.step(component, "dcs"), {.asks = {ask}, .decide = decide, .settle = etcd_patience});
}

}  // namespace pgcluster
