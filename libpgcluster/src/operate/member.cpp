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
  member.state = json_read::text(json, "state");
  const std::string role = json_read::text(json, "role");
  member.role = role == "primary" || role == "master" ? "leader" : role == "standby_leader" ? role : "replica";
  if (member.role == "replica" && json_read::flag(json, "sync_standby")) member.role = "sync_standby";
  if (member.role == "replica" && json_read::flag(json, "quorum_standby")) member.role = "quorum_standby";
  if (const std::string replication = json_read::text(json, "replication_state");
      !member.leads() && member.state == "running" && !replication.empty())
    member.state = replication;
  member.start_time = json_read::text(json, "postmaster_start_time");
  member.timeline = json_read::number<int>(json, "timeline");
  for (const char* name : {"location", "replayed_location"})
    if (const std::int64_t wal = json_read::number(json_read::at(json, "xlog"), name); wal != 0) member.wal = wal;
  member.pending_restart = json_read::flag(json, "pending_restart");
  member.paused = json_read::flag(json, "pause");
  return member;
}

Exec rest_code(const TopologyHost& host, int port, const std::string& path) {
  return {.argv = {"curl", "-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", net::http_url(host.address, port, path)},
          .about = {"unit:patroni.service"}};
}

}  // namespace pgcluster
