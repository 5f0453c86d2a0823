#include "operate/member.hpp"

#include "base/json.hpp"
#include "base/url.hpp"
#include "op/answer_json.hpp"

namespace pgcluster {
Ask member_ask(const TopologyHost& host, int port) {
  return {host.name, Exec{.argv = {"curl", "-s", "-m", "3", net::http_url(host.address, port, "/patroni")}, .about = {"unit:patroni.service"}}};
}

MemberState read_member(const Answer& answer) {
  MemberState member;
  const auto json = json_of(answer);
  if (!json.is_object() || !json.contains("state")) return member;
  member.answers = true;
  member.state = json::text(json, "state");
  const std::string role = json::text(json, "role");
  member.role = role == "primary" || role == "master" ? "leader" : role == "standby_leader" ? role : "replica";
  if (member.role == "replica" && json::flag(json, "sync_standby")) member.role = "sync_standby";
  if (member.role == "replica" && json::flag(json, "quorum_standby")) member.role = "quorum_standby";
  if (const std::string replication = json::text(json, "replication_state"); !member.leads() && member.state == "running" && !replication.empty())
    member.state = replication;
  member.start_time = json::text(json, "postmaster_start_time");
  member.timeline = json::number<int>(json, "timeline");
  for (const char* name : {"location", "replayed_location"})
    if (const std::int64_t wal = json::number(json::at(json, "xlog"), name); wal != 0) member.wal = wal;
  member.pending_restart = json::flag(json, "pending_restart");
  member.paused = json::flag(json, "pause");
  return member;
}

Exec rest_code(const TopologyHost& host, int port, const std::string& path) {
  return {.argv = {"curl", "-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", net::http_url(host.address, port, path)},
          .about = {"unit:patroni.service"}};
}

}  // namespace pgcluster
