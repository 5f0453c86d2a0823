// What etcd says of itself, asked on the hosts: by curl of its gateway, for the start of etcdctl takes longer than all else that a plan asks.
#include <algorithm>
#include <charconv>

#include "base/json.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/etcd/etcd.hpp"
#include "component/etcd/shell.hpp"
#include "op/answer_json.hpp"
#include "op/ask.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;

// Whether the host has a member, perhaps one that leaves.
bool is_member(const ClusterView& cluster, const std::string& host) {
  const auto& members = cluster.topology.dcs_members;
  return std::find(members.begin(), members.end(), host) != members.end() || cluster.derived(etcd_membership)->leaver(host);
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

// curl's words that ask one endpoint. A member's host shows the member's certificate, another database host Patroni's.
std::vector<std::vector<std::string>> posts(const ClusterView& cluster, const TopologyHost& host, const std::string& body, const TopologyHost& member,
                                            const char* path) {
  return certificates::calls(cluster, is_member(cluster, host.name) ? "etcd" : "patroni", {"-sf", "-m", "2", "--connect-timeout", "1", "-d", body},
                             member.address, cluster.spec.etcd_client_port, {path});
}

// From 3.4.42, 3.5.28 and 3.6.9 on, an etcd with users tells this to root only, which the gateway does not know.
std::vector<std::vector<std::string>> or_as_root(const ClusterView& cluster, const TopologyHost& host, std::vector<std::vector<std::string>> calls,
                                                 const std::vector<std::string>& words) {
  if (certificates::wanted(cluster.spec)) calls.push_back(etcdctl(cluster, host, words));
  return calls;
}

}  // namespace

Ask etcd_members_ask(const ClusterView& cluster, const TopologyHost& host) {
  std::vector<std::vector<std::string>> calls;
  if (is_member(cluster, host.name)) {
    calls = or_as_root(cluster, host, posts(cluster, host, members_body, host, members_path), {"member", "list", "-w", "json"});
  } else {
    for (const TopologyHost& member : etcd_hosts(cluster))
      for (auto& call : posts(cluster, host, members_body, member, members_path)) calls.push_back(std::move(call));
  }
  return {host.name, Exec{.argv = is_member(cluster, host.name) ? certificates::command(calls) : first_answer(calls),
                          .about = {"unit:etcd.service", "dcs:members"}}};
}
Ask etcd_alarms_ask(const ClusterView& cluster, const TopologyHost& host) {
  const auto calls =
      or_as_root(cluster, host, posts(cluster, host, R"({"action":"GET"})", host, "/v3/maintenance/alarm"), {"alarm", "list", "-w", "json"});
  return {host.name, Exec{.argv = certificates::command(calls), .about = {"unit:etcd.service", "dcs:alarms"}}};
}
bool read_etcd_full(const Answer& answer) {
  const Json json = json_of(answer);
  const Json& all = json_read::list(json, "alarms");
  constexpr int no_space = 1;  // AlarmType in etcd's rpc.proto, as etcdctl writes it
  return std::any_of(all.begin(), all.end(),
                     [](const Json& one) { return json_read::text(one, "alarm") == "NOSPACE" || json_read::number(one, "alarm") == no_space; });
}
Ask etcd_status_ask(const ClusterView& cluster, const TopologyHost& host) {
  return {host.name, Exec{.argv = etcdctl(cluster, host, {"endpoint", "status", "-w", "json"}), .about = {"unit:etcd.service", "dcs:members"}}};
}

std::vector<std::string> etcdctl(const ClusterView& cluster, const TopologyHost& host, const std::vector<std::string>& words) {
  std::vector<std::string> argv{"bash",
                                "-c",
                                shell::own_member,
                                "etcdctl",
                                host.address + "/" + std::to_string(cluster.spec.etcd_client_port),
                                net::host_port(host.address, cluster.spec.etcd_client_port)};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

std::vector<EtcdMember> read_etcd_members(const Answer& answer) {
  std::vector<EtcdMember> members;
  const Json json = json_of(answer);
  for (const Json& one : json_read::list(json, "members")) {
    EtcdMember member{.id = hexadecimal(json_read::at(one, "ID")), .name = json_read::text(one, "name")};
    for (const Json& url : json_read::list(one, "peerURLs"))
      if (url.is_string()) member.peer_urls.push_back(json_read::text(url));
    member.started = !json_read::list(one, "clientURLs").empty();
    member.learner = json_read::flag(one, "isLearner");
    members.push_back(std::move(member));
  }
  return members;
}

std::string etcd_silence(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  if (!output) return {};
  switch (output->status) {  // of curl
    case 7:
      return "nothing listens on its client port";
    case 22:
      return "it answers with an error, as without a quorum";
    case 28:
      return "it does not answer in time";
    default:
      return {};
  }
}

EtcdStatus read_etcd_status(const Answer& answer) {
  EtcdStatus status;
  const Json json = json_of(answer);
  if (!json.is_array() || json.empty()) return status;
  const Json& told = json_read::at(json[0], "Status");
  const std::string leader = hexadecimal(json_read::at(told, "leader"));
  status.answers = told.is_object();
  status.has_leader = !leader.empty() && leader != "0";
  status.leads = status.has_leader && leader == hexadecimal(json_read::at(json_read::at(told, "header"), "member_id"));
  return status;
}

}  // namespace pgcluster
