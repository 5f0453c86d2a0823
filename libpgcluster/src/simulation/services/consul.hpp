#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "simulation/services/etcd.hpp"

namespace pgcluster {

/// Consul on a simulated fleet: which agents belong together follows from their files and data directories.
class ConsulModel final : public ServiceModel {
 public:
  void added(SimulatedExecutor& fleet) override { fleet_ = &fleet; }
  std::optional<SimulatedPackage> package(const std::string& name) override;
  std::optional<Start> unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void passed(SimulatedTime now) override;
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) override;

  /// The datacenter's keys as the host's agent reaches them; null where there is no agent, no server or no quorum. "": the agent's own datacenter.
  EtcdModel::Cluster* reach(const std::string& host, const std::string& datacenter = {});
  /// The same, but null also if the token does not allow to read Patroni's keys, or to write them if `writes`.
  EtcdModel::Cluster* reach_by_token(const std::string& host, const std::string& datacenter, const std::string& token, const std::string& scope,
                                     bool writes);
  /// Takes an external node out of a datacenter's catalog.
  void forget(const std::string& node, const std::string& datacenter) { named(datacenter)->nodes.erase(node); }
  /// The descriptions of the tokens in the host's datacenter.
  std::set<std::string> token_owners(const std::string& host);
  /// How many tokens the host's datacenter has, without those that allow everything.
  std::size_t tokens(const std::string& host);
  /// How many tokens of the host's datacenter allow everything.
  std::size_t managers(const std::string& host) { return of(fleet_->host(host))->management.size(); }
  /// Deletes a token by its description, as an operator may do.
  void delete_token(const std::string& host, const std::string& owner);
  /// How many servers of the host's datacenter serve, and how many it takes; all 0 where the host is none of them.
  EtcdModel::Health health(const std::string& host);
  /// How often Raft began on the host.
  int made(const std::string& host) const;

 private:
  using Json = nlohmann::json;
  struct Datacenter {
    EtcdModel::Cluster keys{};
    std::vector<std::string> servers{};          // hosts, in the order of their names; empty: Raft has not begun
    std::map<std::string, Json> queries{};       // by id
    std::map<std::string, std::string> nodes{};  // external ones: name, address
    bool cleanup = true;
    std::set<std::string> management{};          // the tokens that allow everything; empty: without tokens
    std::string leader{};                        // the server that leads: it makes the one of its configuration
    std::map<std::string, std::string> lines{};  // policies and tokens, by kind and name, as tokens.sh gets them
  };

  static Json agent(const SimulatedHost& host);
  bool serves(const std::string& host);
  std::size_t serving(const Datacenter& one);
  Datacenter* of(const SimulatedHost& host);
  Datacenter* named(const std::string& datacenter);
  /// The rules of a token's policies; nullopt if the token is unknown.
  static std::optional<std::string> rules(const Datacenter& one, const std::string& token);
  static bool has_rule(const Datacenter& one, const std::string& token, const std::string& kind, const std::string& name, bool writes = false);
  Output knows(const SimulatedHost& host, const std::string& input);
  Output tokens(const SimulatedHost& host, const std::string& mode, const std::string& input);
  Output get(Datacenter* own, const SimulatedHost& host, const std::string& path, const std::string& token);
  static bool hears(const SimulatedHost& one, const SimulatedHost& other);
  Output exchange_key(const SimulatedHost& server, const std::string& key);
  Output change(Datacenter* own, const std::string& method, const std::string& path, const std::string& body);

  SimulatedExecutor* fleet_ = nullptr;
  std::map<std::string, Datacenter> datacenters_;  // by what its servers have in their data directories
  std::map<std::string, int> made_;
  std::map<std::string, std::string> loaded_;  // by host, the token that allows everything of the configuration with which a server has started
};

}  // namespace pgcluster
