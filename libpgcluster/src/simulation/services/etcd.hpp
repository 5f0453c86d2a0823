#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <pgcluster/simulation/simulated.hpp>

namespace pgcluster {

/// etcd on a simulated fleet: who is a member follows from the hosts' environment files and data directories.
class EtcdModel final : public ServiceModel {
 public:
  struct Member {
    std::string name;
    std::string peer_url;
    std::string host{};  ///< empty: never started
    std::string client_url{};
  };
  struct Cluster {
    std::string id;  ///< stands in its members' data directories
    std::string token;
    std::vector<Member> members;
    std::map<std::string, std::string> keys{};
    std::size_t quorum() const { return members.size() / 2 + 1; }
  };

  void added(SimulatedExecutor& fleet) override { fleet_ = &fleet; }
  std::optional<SimulatedPackage> package(const std::string& name) override;
  std::optional<Start> unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_stopped(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void passed(SimulatedTime now) override;
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) override;

  /// The cluster that answers with a quorum at one of these endpoints ("10.77.0.11:2379"); null where none does.
  Cluster* reach(const std::vector<std::string>& endpoints);
  /// How many members of the host's cluster serve, and how many it takes; both 0 where the host has no member.
  struct Health {
    std::size_t serving = 0, quorum = 0, members = 0;
  };
  Health health(const std::string& host);
  /// How often a member was made on the host.
  int made(const std::string& host) const;

 private:
  bool serves(const Member& member);
  std::size_t serving(const Cluster& cluster);
  void form(Cluster& cluster, SimulatedTime now);
  Cluster* of(const SimulatedHost& host);
  Output ctl(SimulatedHost& host, const std::vector<std::string>& words, Cluster* cluster);
  Output members(const SimulatedHost& host, const Cluster* cluster) const;

  SimulatedExecutor* fleet_ = nullptr;
  std::map<std::string, Cluster> clusters_;  // by id
  std::set<std::string> running_;            // hosts whose process is there
  std::map<std::string, int> made_;
};

}  // namespace pgcluster
