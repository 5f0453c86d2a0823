#include "operate/member.hpp"

#include <nlohmann/json.hpp>

namespace pgcluster {
namespace {

std::string base(const TopologyHost& host, int port) {
  const bool v6 = host.address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + host.address + "]" : host.address) + ":" + std::to_string(port);
}

}  // namespace

Ask member_ask(const TopologyHost& host, int port) {
  return {host.name, Exec{.argv = {"curl", "-s", "-m", "3", base(host, port) + "/patroni"}, .about = {"unit:patroni.service"}}};
}

MemberState read_member(const Answer& answer) {
  MemberState member;
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0) return member;
  const auto json = nlohmann::json::parse(output->out, nullptr, false);
  if (!json.is_object() || !json.contains("state")) return member;
  member.answers = true;
  const auto text = [&](const char* name) { return json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : std::string(); };
  const auto flag = [&](const char* name) { return json.contains(name) && json[name].is_boolean() && json[name].get<bool>(); };
  member.state = text("state");
  const std::string role = text("role");
  member.role = role == "primary" || role == "master" ? "leader" : role == "standby_leader" ? role : "replica";
  if (member.role == "replica" && flag("sync_standby")) member.role = "sync_standby";
  if (member.role == "replica" && flag("quorum_standby")) member.role = "quorum_standby";
  if (const std::string replication = text("replication_state"); !member.leads() && member.state == "running" && !replication.empty())
    member.state = replication;
  member.start_time = text("postmaster_start_time");
  if (json.contains("timeline") && json["timeline"].is_number_integer()) member.timeline = json["timeline"].get<int>();
  if (json.contains("xlog") && json["xlog"].is_object())
    for (const char* name : {"location", "replayed_location"})
      if (const auto& xlog = json["xlog"]; xlog.contains(name) && xlog[name].is_number_integer()) member.wal = xlog[name].get<std::int64_t>();
  member.pending_restart = flag("pending_restart");
  member.paused = flag("pause");
  return member;
}

Exec rest_code(const TopologyHost& host, int port, const std::string& path) {
  return {.argv = {"curl", "-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", base(host, port) + path}, .about = {"unit:patroni.service"}};
}

}  // namespace pgcluster
