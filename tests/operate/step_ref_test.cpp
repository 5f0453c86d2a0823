#include <algorithm>

#include <doctest/doctest.h>

#include <pgcluster/component/confd.hpp>
#include <pgcluster/component/consul.hpp>
#include <pgcluster/component/etcd.hpp>
#include <pgcluster/component/haproxy.hpp>
#include <pgcluster/component/keepalived.hpp>
#include <pgcluster/component/patroni.hpp>
#include <pgcluster/component/pgbouncer.hpp>
#include <pgcluster/component/vip_manager.hpp>

#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;

namespace {

// A user's own component: a package, a service, and a file that is written after steps of others.
class Exporter final : public Component {
 public:
  explicit Exporter(std::function<std::vector<StepRef>(const NodeView&)> awaited = {}) : awaited_(std::move(awaited)) {}
  std::string name() const override { return "exporter"; }
  Steps steps(const NodeView& node) const override {
    const Steps config = file(node.step("config"), node.name(), {.path = "/etc/exporter.conf", .content = "x\n"});
    return parallel(sequence(package(node, "prometheus-node-exporter"), service(node, "prometheus-node-exporter")),
                    awaited_ ? after(awaited_(node), config) : config);
  }
  std::vector<std::string> data(const NodeView&) const override { return {"/var/lib/exporter"}; }

 private:
  std::function<std::vector<StepRef>(const NodeView&)> awaited_;
};

class ExporterModel final : public ServiceModel {
  std::optional<SimulatedPackage> package(const std::string& name) override {
    if (name != "prometheus-node-exporter") return std::nullopt;
    return SimulatedPackage{.units = {"prometheus-node-exporter.service"}};
  }
};

struct OwnFleet : Fleet {
  OwnFleet() { executor.add(std::make_shared<ExporterModel>()); }
};

DeployOptions with(std::function<std::vector<StepRef>(const NodeView&)> awaited = {}) {
  return {.components = {std::make_shared<Exporter>(std::move(awaited))}};
}

std::vector<std::string> after_of(const Plan& plan, const std::string& id) {
  for (const PlannedChange& change : plan.changes())
    if (change.id == id) return change.after;
  FAIL("there is no change " << id);
  return {};
}

}  // namespace

TEST_CASE("each step that a component's header declares is in the plans that it names") {
  const auto planned = [](const std::string& yaml, auto&& awaited) {
    OwnFleet fleet;
    CHECK_NOTHROW(plan_deploy(spec_of(yaml), fleet.executor, with(awaited)));
  };
  planned(scheme_a(), [](const NodeView& node) -> std::vector<StepRef> {
    const std::string& host = node.name();
    return {etcd::healthy(host),      patroni::dcs(host),         patroni::loaded(host), patroni::service(host),  patroni::created(host),
            patroni::member(host),    patroni::leader(),          patroni::settings(),   patroni::roles(),        patroni::databases(),
            pgbouncer::listens(host), vip_manager::service(host), vip_manager::free(),   vip_manager::released(), vip_manager::held()};
  });
  const std::string scheme_b = scheme_a(
      3, "cluster_vip: 10.77.0.100\nwith_haproxy_load_balancing: true\nconfd_binary: {url: https://192.0.2.1/confd, sha256: " + std::string(64, 'c') +
             "}\n");
  planned(scheme_b, [](const NodeView& node) -> std::vector<StepRef> {
    const std::string& host = node.name();
    return {haproxy::packages(host),   haproxy::listens(host), haproxy::serves(host),  confd::service(host),
            keepalived::service(host), keepalived::free(),     keepalived::released(), keepalived::held()};
  });
  planned(scheme_a(3, "dcs_type: consul\n"), [](const NodeView& node) -> std::vector<StepRef> { return {consul::healthy(node.name())}; });
}

TEST_CASE("an own component waits for steps of others, and its plan says so") {
  OwnFleet fleet;
  const Spec spec = spec_of(scheme_a());
  const Plan plan = plan_deploy(spec, fleet.executor, with([](const NodeView& node) -> std::vector<StepRef> {
                                  return {patroni::leader(), node.step("service:prometheus-node-exporter")};
                                }));
  const std::vector<std::string> before = after_of(plan, "pg2/exporter/config");
  CHECK(std::find(before.begin(), before.end(), "cluster/patroni/leader") != before.end());
  CHECK(std::find(before.begin(), before.end(), "pg2/exporter/service:prometheus-node-exporter") != before.end());
}

TEST_CASE("an own component that waits for a step which no plan has is told so, with the name that was probably meant") {
  OwnFleet fleet;
  try {
    plan_deploy(spec_of(scheme_a()), fleet.executor, with([](const NodeView&) -> std::vector<StepRef> { return {{"pg1", "patroni", "servce"}}; }));
    FAIL("it must not be planned");
  } catch (const Error& error) {
    CHECK(error.code() == Code::internal);
    CHECK(error.message() == "pg1/exporter/config waits for pg1/patroni/servce, and the plan has no such step");
    CHECK(error.hint() == "did you mean pg1/patroni/service?");
  }
}

TEST_CASE("an own component may wait for every database host, also where one of them is left out") {
  OwnFleet fleet;
  const Spec spec = spec_of(scheme_a());
  DeployOptions options = with([](const NodeView& node) {
    std::vector<StepRef> all;
    for (const std::string& name : node.topology().database) all.push_back(patroni::member(name));
    return all;
  });
  REQUIRE(fleet.deploy(spec, options).ok());
  options.without = {"pg3"};
  CHECK(plan_deploy(spec, fleet.executor, options).empty());
}

TEST_CASE("the steps of an own component carry its name, so that destroy removes its data and stops it before what came first") {
  OwnFleet fleet;
  const Spec spec = spec_of(scheme_a());
  const DeployOptions own = with();
  REQUIRE(fleet.deploy(spec, own).ok());
  for (const std::string& name : fleet.executor.hosts()) fleet.executor.host(name).write("/var/lib/exporter/state", "x");
  const Plan plan = plan_destroy(spec, fleet.executor, own);
  const auto at = [&](const std::string& id) {
    const auto& all = plan.changes();
    const auto found = std::find_if(all.begin(), all.end(), [&](const PlannedChange& change) { return change.id == id; });
    REQUIRE_MESSAGE(found != all.end(), id);
    return found - all.begin();
  };
  CHECK(at("pg1/exporter/remove:unit:prometheus-node-exporter.service") < at("pg1/patroni/remove:unit:patroni.service"));
  CHECK(at("pg1/exporter/remove:package:prometheus-node-exporter") < at("pg1/pgcluster/remove:tree:/var/lib/pgcluster"));
  REQUIRE(apply(plan, fleet.executor).ok());
  for (const std::string& name : fleet.executor.hosts()) CHECK_FALSE(fleet.executor.host(name).read("/var/lib/exporter/state"));
}
