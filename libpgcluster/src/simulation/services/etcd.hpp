#pragma once

#include <map>
#include <string>
#include <vector>

#include <pgcluster/simulation/simulated.hpp>

#include "simulation/services/etcd_users.hpp"
#include "simulation/tls.hpp"

namespace pgcluster {

struct GatewayCall;

/// etcd on a simulated fleet: who is a member follows from the hosts' environment files and data directories.
class EtcdModel final : public ServiceModel {
 public:
  struct Member {
    std::string name;
    std::string peer_url;
    std::string host{};  ///< empty: never started
    std::vector<std::string> client_urls{};
    std::string id{};      ///< what its number is made of
    bool learner = false;  ///< of an aborted change
    bool added = false;    ///< to a running cluster, which learns its name when it starts
  };
  struct Cluster {
    std::string id;  ///< stands in its members' data directories
    std::string token;
    std::vector<Member> members;
    std::map<std::string, std::string> keys{};
    EtcdUsers users{};
    std::string leader{};  ///< a member's id, while it serves
    std::size_t quorum() const { return members.size() / 2 + 1; }
  };

  void added(SimulatedExecutor& fleet) override { fleet_ = &fleet; }
  std::optional<SimulatedPackage> package(const std::string& name) override;
  std::optional<Start> unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_stopped(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void passed(SimulatedTime now) override;
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) override;

  /// The cluster that answers a program of this host with a quorum at one of these endpoints; null where none does.
  Cluster* reach(const SimulatedHost& from, const Endpoints& endpoints);
  /// The same by the JSON gateway, for a program that logs in and then uses this key.
  Cluster* reach_by_password(const SimulatedHost& from, const Endpoints& endpoints, const std::string& user, const std::string& password,
                             const std::string& key, bool write);
  /// The same by gRPC, for a program that reads this key and is known by its certificate.
  Cluster* reach_by_name(const SimulatedHost& from, const Endpoints& endpoints, const std::string& key);
  /// How many members of the host's cluster serve, and how many it takes; both 0 where the host has no member.
  struct Health {
    std::size_t serving = 0, quorum = 0, members = 0;
  };
  Health health(const std::string& host);
  /// The cluster of the host's member; null where it has none.
  const Cluster* cluster_of(const std::string& host) { return of(fleet_->host(host)); }
  /// etcd of the host's cluster forgets its users and lets in everybody.
  void forget_users(const std::string& host) { of(fleet_->host(host))->users = {}; }
  /// How often a member was made on the host.
  int made(const std::string& host) const;

 private:
  /// What etcd read when it was started.
  struct Process {
    std::vector<std::string> urls{};  ///< where it listens to clients
    bool asks_certificate = false;    ///< it answers no https client without one
  };
  bool serves(const Member& member);
  bool answers(const Member& member, const SimulatedHost& from, const std::string& url, const TlsFiles& tls) const;
  std::size_t serving(const Cluster& cluster);
  void form(Cluster& cluster, SimulatedTime now);
  Cluster* of(const SimulatedHost& host);
  Cluster* reached_by(const std::vector<std::string>& initial, const std::string& name);
  Output ctl(SimulatedHost& host, const std::vector<std::string>& words, Cluster* cluster);
  Output change_members(SimulatedHost& host, Cluster& cluster, const std::vector<std::string>& words);
  const Member* leader(const Cluster& cluster);
  Output own_member(SimulatedHost& host, const std::vector<std::string>& argv);
  Output make_users(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input);
  Output patronis_key(const SimulatedHost& host, const std::vector<std::string>& argv);
  Output gateway(const SimulatedHost& host, const GatewayCall& call, const std::vector<std::string>& argv);
  static Output members(const Cluster& cluster);
  static Output range(const Cluster& cluster, const std::string& key, const std::string& end = {});

  SimulatedExecutor* fleet_ = nullptr;
  std::map<std::string, Cluster> clusters_;  // by id
  std::map<std::string, Process> running_;   // by host
  std::map<std::string, int> made_;
  int added_ = 0;
};

}  // namespace pgcluster
