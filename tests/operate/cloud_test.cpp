#include <doctest/doctest.h>

#include <algorithm>

#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;

namespace {

const std::string hetzner = "cloud_provider: hetzner\nserver_location: fsn1\nserver_network: private\n";
constexpr const char* at = "cloud:hetzner";

std::vector<std::string> balancers(Fleet& fleet) {
  std::vector<std::string> names;
  for (const auto& [path, file] : fleet.executor.host(at).files)
    if (path.starts_with("/load-balancers/")) names.push_back(path.substr(16));
  return names;
}

void apply_it(Fleet& fleet, const Spec& spec) {
  const Report report = fleet.deploy(spec);
  REQUIRE_MESSAGE(report.ok(), report.text());
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK_MESSAGE(plan.empty(), plan.text(true));
}

}  // namespace

TEST_CASE("a cloud's load balancers come, change and go with the spec") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, hetzner));
  apply_it(fleet, spec);
  CHECK(balancers(fleet) == std::vector<std::string>{"test-primary", "test-replica"});
  for (const char* host : {"pg1", "pg2", "pg3"}) {
    CHECK_FALSE(fleet.executor.host(host).active("haproxy.service"));
    const std::string* program = fleet.executor.host(host).read("/usr/local/lib/pgcluster/role-change");
    REQUIRE(program);
    CHECK(program->find("-c \"KILL ") != std::string::npos);
    CHECK(fleet.executor.host(host).read("/etc/patroni/config.yml")->find("on_role_change: \"/usr/local/lib/pgcluster/role-change\"") !=
          std::string::npos);
  }

  SUBCASE("another port") {
    Spec changed = spec;
    changed.pgbouncer_listen_port = 6543;
    apply_it(fleet, changed);
    CHECK(fleet.executor.host(at).read("/load-balancers/test-primary")->find("port: 6543") != std::string::npos);
  }
  SUBCASE("HAProxy in their place") {
    Spec changed = spec;
    changed.cloud_load_balancer = false;
    changed.with_haproxy_load_balancing = true;
    apply_it(fleet, changed);
    CHECK(balancers(fleet).empty());
    CHECK(fleet.executor.host("pg1").active("haproxy.service"));
    CHECK(fleet.executor.host("pg1").read("/usr/local/lib/pgcluster/role-change"));
  }
  SUBCASE("one that was changed in between stops it") {
    Spec changed = spec;
    changed.pgbouncer_listen_port = 6543;
    const Plan plan = plan_deploy(changed, fleet.executor);
    fleet.executor.host(at).write("/load-balancers/test-primary", "name: test-primary\ncluster: test\nport: 1\n");
    const Report report = apply(plan, fleet.executor);
    REQUIRE_FALSE(report.ok());
    CHECK(
        std::any_of(report.failures.begin(), report.failures.end(), [](const Failure& one) { return one.code == Code::drifted && one.host == at; }));
  }
  SUBCASE("destroyed") {
    fleet.executor.host(at).write("/load-balancers/test-sync", "name: test-sync\ncluster: another\n");
    REQUIRE(apply(plan_destroy(spec, fleet.executor), fleet.executor).ok());
    CHECK(balancers(fleet) == std::vector<std::string>{"test-sync"});
  }
}
