#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <pgcluster/operate/operate.hpp>
#include <pgcluster/simulation/services.hpp>

#include "simulation/services/pgbackrest.hpp"

namespace operate_test {

using namespace pgcluster;

/// A fleet with the models of the services, and what its tests ask of it.
struct Fleet {
  Fleet() { add_service_models(executor, etcd, patroni, consul, pgbackrest); }

  Report deploy(const Spec& spec, const DeployOptions& options = {}) { return apply(plan_deploy(spec, executor, options), executor); }
  std::string leader(const Spec& spec) { return patroni->view(spec.hosts.front().name).leader; }

  SimulatedExecutor executor{};
  std::shared_ptr<EtcdModel> etcd = std::make_shared<EtcdModel>();
  std::shared_ptr<ConsulModel> consul = std::make_shared<ConsulModel>();
  std::shared_ptr<PatroniModel> patroni = std::make_shared<PatroniModel>(etcd, consul);
  std::shared_ptr<PgBackRestModel> pgbackrest = std::make_shared<PgBackRestModel>(patroni);
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

/// Whether it is a request to this path of a REST API.
inline bool requests(const Run& run, const std::string& path) {
  return std::any_of(run.argv.begin(), run.argv.end(), [&](const std::string& word) { return word.ends_with(path); });
}

/// "pg1 restart, pg2 switchover": what is announced and disturbs, in order.
inline std::vector<std::string> disturbing(const Plan& plan) {
  std::vector<std::string> found;
  for (const PlannedChange& change : plan.changes())
    if (disturbs(change.impact)) found.push_back(change.host + " " + std::string(to_string(change.action)));
  return found;
}

inline void apply_it(Fleet& fleet, const Spec& spec, const DeployOptions& options = {}) {
  const Report report = fleet.deploy(spec, options);
  REQUIRE_MESSAGE(report.ok(), report.text());
}

/// The cluster is healthy, no host has a problem, and a new plan is empty.
inline void settled(Fleet& fleet, const Spec& spec) {
  const Status status = read_status(spec, fleet.executor);
  CHECK_MESSAGE(status.healthy, status.text());
  for (const Status::Host& host : status.hosts) CHECK_MESSAGE(host.problems.empty(), status.text());
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK_MESSAGE(plan.empty(), plan.text(true));
}

}  // namespace operate_test
