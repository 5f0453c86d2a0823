#pragma once

#include <memory>
#include <string>
#include <vector>

#include <pgcluster/simulation/services.hpp>
#include <pgcluster/operate/operate.hpp>

#include "simulation/services/patroni.hpp"

namespace operate_test {

using namespace pgcluster;

/// A fleet with the models of the services, and what its tests ask of it.
struct Fleet {
  Fleet() { add_service_models(executor, etcd, patroni, consul); }

  Report deploy(const Spec& spec, const DeployOptions& options = {}) { return apply(plan_deploy(spec, executor, options), executor); }
  std::string leader(const Spec& spec) { return patroni->view(spec.hosts.front().name).leader; }

  SimulatedExecutor executor{};
  std::shared_ptr<EtcdModel> etcd = std::make_shared<EtcdModel>();
  std::shared_ptr<ConsulModel> consul = std::make_shared<ConsulModel>();
  std::shared_ptr<PatroniModel> patroni = std::make_shared<PatroniModel>(etcd, consul);
};

inline Spec spec_of(const std::string& yaml) { return parse_spec(yaml); }

/// Scheme A on so many hosts: pg1, pg2, …
inline std::string scheme_a(int hosts = 3, const std::string& more = "cluster_vip: 10.77.0.100\n") {
  std::string yaml =
      "patroni_cluster_name: test\npostgresql_users: [{name: app, password: \"app's secret\"}]\npostgresql_databases: [{db: app, owner: app}]\n" +
      more + "hosts:\n";
  for (int i = 1; i <= hosts; ++i) yaml += "  pg" + std::to_string(i) + ": {address: 10.77.0." + std::to_string(10 + i) + "}\n";
  return yaml;
}

/// "pg1 restart, pg2 switchover": what is announced and disturbs, in order.
inline std::vector<std::string> disturbing(const Plan& plan) {
  std::vector<std::string> found;
  for (const PlannedChange& change : plan.changes())
    if (disturbs(change.impact)) found.push_back(change.host + " " + std::string(to_string(change.action)));
  return found;
}

}  // namespace operate_test
