#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// What a member's Patroni says of itself (GET /patroni): live, unlike /cluster, which lags by up to loop_wait.
struct MemberState {
  bool answers = false;
  std::string role;        ///< leader, standby_leader, replica, sync_standby, quorum_standby
  std::string state;       ///< running, streaming, starting, …
  std::string start_time;  ///< of the postmaster
  int timeline = 0;
  std::int64_t wal = 0;  ///< written by the leader, replayed by a replica
  bool pending_restart = false;
  bool paused = false;
  bool leads() const { return role == "leader" || role == "standby_leader"; }
  bool runs() const { return leads() ? state == "running" : state == "streaming" || state == "running"; }
};

Ask member_ask(const TopologyHost& host, int port);
MemberState read_member(const Answer& answer);

/// "200" where the path is answered so, on the host itself.
Exec rest_code(const TopologyHost& host, int port, const std::string& path);

}  // namespace pgcluster
