#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "simulation/services/consul.hpp"
#include "simulation/services/etcd.hpp"
#include "simulation/services/sql.hpp"

namespace pgcluster {

/// Patroni with its PostgreSQL on a simulated fleet: who leads, who follows, and with which parameters the servers run.
class PatroniModel final : public ServiceModel {
 public:
  explicit PatroniModel(std::shared_ptr<EtcdModel> etcd, std::shared_ptr<ConsulModel> consul = nullptr)
      : etcd_(std::move(etcd)), consul_(std::move(consul)) {}

  void added(SimulatedExecutor& fleet) override { fleet_ = &fleet; }
  std::optional<SimulatedPackage> package(const std::string& name) override;
  std::optional<Start> unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_stopped(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_reloaded(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void passed(SimulatedTime now) override;
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) override;

  struct View {
    bool member = false;  ///< it has data of a cluster
    bool leads = false, serves = false;
    std::string cluster{};  ///< the same for all of its members
    std::string leader{};
    std::map<std::string, std::string> running{};
  };
  View view(const std::string& host);
  /// The members of a cluster that Patroni has a key of, by the DCS that answers at these endpoints ("127.0.0.1:8500": the host's Consul): name and
  /// address.
  std::optional<std::vector<std::pair<std::string, std::string>>> members(const std::string& host, const Endpoints& endpoints,
                                                                          const std::string& scope);
  /// Whether the member at this address would answer 200 to "/primary", "/replica", "/sync" or "/async", asked with TLS or without.
  bool serves_as(const std::string& address, const std::string& check, bool tls);
  /// From now on no server starts with this value, which a throw-away server takes.
  void refuse(std::string parameter, std::string value, std::string why) { refused_ = {{std::move(parameter), std::move(value)}, std::move(why)}; }
  /// How often a data directory was made on the host by initdb.
  int made(const std::string& host) const;

 private:
  using Json = nlohmann::json;
  using Config = std::map<std::string, std::string>;  // dotted paths; a quoted value keeps a '"' in front
  enum class Phase { none, initdb, first_roles, creating, starting, running, stopped };
  struct Member {
    bool up = false;  // Patroni's process
    Config config{};
    std::string cluster{};
    Phase phase = Phase::none;
    SimulatedTime until{}, streams_from{}, notices{};
    SimulatedTime slot_from{};  // the leader has made its slot
    bool reloaded = false;      // since the server was started
    std::string started{};
    Json applied{};
    std::map<std::string, std::string> running{};
    std::map<std::string, std::string> control{};  // of its control file: what it has replayed from its leader
    std::set<std::string> pending{};
    int loads = 0;
    int birth = 0;
    /// PostgreSQL's, by its bin_dir.
    int version() const;
  };
  struct Cluster {
    std::string scope;
    std::string system_id{};
    std::string initializing{};  // host
    std::string leader{}, candidate{};
    SimulatedTime lease{}, free_from{};
    Json settings{};
    int timeline = 0;
    SqlCatalog catalog{};
  };

  bool alive(const std::string& host, const Member& member) const;
  bool has_data(const std::string& host) const;
  void tick(SimulatedTime now);
  void tick(Cluster& cluster, EtcdModel::Cluster& dcs, const std::vector<std::string>& hosts, SimulatedTime now);
  void make_role(Cluster& cluster, Member& member, const std::string& kind);
  void begin(Cluster& cluster, SimulatedHost& host, Member& member, SimulatedTime now);
  void start_server(Cluster& cluster, const std::string& host, Member& member, SimulatedTime until);
  void runs(Cluster& cluster, const std::string& host, Member& member);
  bool streams(const Cluster& cluster, const std::string& host, const Member& member, SimulatedTime now) const;
  bool sync(const Cluster& cluster, const std::string& host, SimulatedTime now) const;
  EtcdModel::Cluster* dcs_of(const std::string& host, const Member& member);
  std::string system_id_of(const std::string& host) const;
  std::vector<std::string> hosts_of(const std::string& cluster) const;
  Cluster* cluster_of(const Member& member);
  bool refuses(const Cluster& cluster) const;

  std::string state(SimulatedHost& host, SimulatedTime now);
  std::string code(SimulatedHost& host, const std::string& path);
  Output request(SimulatedHost& host, const std::string& url, const std::string& input, SimulatedTime now);
  Output curl(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input, SimulatedTime now);
  Output settings_look(SimulatedHost& host, const std::string& address, SimulatedTime now);
  Output psql(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input, SimulatedTime now);

  std::shared_ptr<EtcdModel> etcd_;
  std::shared_ptr<ConsulModel> consul_;  // may be null
  SimulatedExecutor* fleet_ = nullptr;
  std::map<std::string, Member> members_;    // by host
  std::map<std::string, Cluster> clusters_;  // by etcd's id and scope
  std::map<std::string, int> made_;
  std::pair<std::pair<std::string, std::string>, std::string> refused_{};  // parameter and value, why
  SimulatedTime ticked_{};
  int counter_ = 0;
};

class PgBackRestModel;

/// add_service_models() with models that the caller can look into.
void add_service_models(SimulatedExecutor& fleet, const std::shared_ptr<EtcdModel>& etcd, const std::shared_ptr<PatroniModel>& patroni,
                        const std::shared_ptr<ConsulModel>& consul = nullptr, const std::shared_ptr<PgBackRestModel>& pgbackrest = nullptr);

}  // namespace pgcluster
