// A user's own component describes itself, and takes part in everything that ours take part in.
#include <doctest/doctest.h>

#include <algorithm>

#include "component/planned.hpp"
#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;

namespace {

constexpr const char* unit = "node-exporter.service";

// A metrics exporter with a package, a port, a unit, a secret, a probe, and data.
class SelfDescribed final : public Component {
 public:
  explicit SelfDescribed(int port = 9100, std::string package = "node-exporter") : port_(port), package_(std::move(package)) {}
  std::string name() const override { return "exporter"; }
  Steps steps(const NodeView& node) const override {
    const Text token = Text(node.cluster.secret("exporter_token"));
    return sequence(packages(node.step(name(), "package"), node.name(), needs(node).packages),
                    file(node.step(name(), "token"), node.name(), {.path = "/etc/exporter.token", .content = token, .mode = 0600}),
                    pgcluster::service(node.step(name(), "service"), node.name(), {.unit = unit}));
  }
  Needs needs(const NodeView&) const override {
    return {.packages = {package_},
            .ports = {{port_, "the metrics exporter", unit}},
            .units = {unit},
            .secrets = {{.name = "exporter_token", .roles = {"exporter"}}}};
  }
  std::vector<Probe> health(const NodeView& node) const override {
    return {{probe(node.name()), [](const Answer& answer) -> std::optional<Problem> {
               const auto* output = std::get_if<Output>(&answer);
               if (output && output->out == "fine") return std::nullopt;
               return Problem{.cause = "exporter_silent", .message = "the exporter does not answer", .remedy = "restart it"};
             }}};
  }
  std::vector<std::string> data(const NodeView&) const override { return {"/srv/exporter"}; }
  static Ask probe(const std::string& host) { return {host, Exec{.argv = {"exporter-probe"}}}; }

 private:
  int port_;
  std::string package_;
};

// The hosts' side of it: which packages apt has, which ports are taken, and how the exporter does.
class SelfDescribedModel final : public ServiceModel {
 public:
  std::optional<SimulatedPackage> package(const std::string& name) override {
    if (name != "node-exporter") return std::nullopt;
    return SimulatedPackage{.version = "1.9", .units = {unit}};
  }
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string&) override {
    if (argv[0] == "exporter-probe") return Output{.out = host.active(unit) && host.name != ill ? "fine" : "ill"};
    if (argv[0] == "apt-cache") {
      std::string policy;
      for (std::size_t i = 2; i < argv.size(); ++i) policy += argv[i] + ":\n  Candidate: " + (argv[i] == "no-such-package" ? "(none)" : "1") + "\n";
      return Output{.out = policy};
    }
    if (argv[0] == "ss" && argv.back() == "-ltunp") return Output{.out = taken};
    return std::nullopt;
  }
  std::string ill{}, taken{};
};

struct Scene {
  Scene() {
    executor.add(model);  // before the others: the first model that has an answer gives it
    add_service_models(executor);
  }
  std::shared_ptr<SelfDescribedModel> model = std::make_shared<SelfDescribedModel>();
  SimulatedExecutor executor{};
  Spec spec = spec_of(scheme_a());
  std::vector<ComponentPtr> own{std::make_shared<SelfDescribed>()};
};

bool says(const std::vector<CheckReport::Finding>& findings, const std::string& host, const std::string& words) {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const CheckReport::Finding& one) { return one.host == host && one.what.message.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("own component: check looks for its port and its package") {
  Scene scene;
  scene.model->taken = "tcp LISTEN 0 128 *:9100 *:* users:((\"nginx\",pid=7,fd=5))\n";
  const CheckReport report = check_hosts(scene.spec, scene.executor, {.components = {std::make_shared<SelfDescribed>(9100, "no-such-package")}});
  for (const char* host : {"pg1", "pg2", "pg3"}) {
    CHECK(says(report.findings, host, "port 9100, wanted for the metrics exporter, is taken by nginx"));
    CHECK(says(report.findings, host, "apt has no no-such-package"));
  }
  CHECK_FALSE(says(check_hosts(scene.spec, scene.executor).findings, "pg1", "9100"));  // nobody else wants it
}

TEST_CASE("own component: two components on one port are an error of the spec, and a finding of check") {
  Scene scene;
  const std::vector<ComponentPtr> clashing{std::make_shared<SelfDescribed>(6432)};
  const CheckReport report = check_hosts(scene.spec, scene.executor, {.components = clashing});
  CHECK(says(report.findings, "pg1", "port 6432 is wanted by both PgBouncer and the metrics exporter on pg1"));
  CHECK_FALSE(report.ok());
  DeployOptions options;
  options.components = clashing;
  try {
    plan_deploy(scene.spec, scene.executor, options);
    FAIL("the clash was accepted");
  } catch (const Error& error) {
    CHECK(error.code() == Code::spec_invalid);
    REQUIRE(error.failure().diagnostics.size() == 1);
    CHECK(error.failure().diagnostics[0].message == "port 6432 is wanted by both PgBouncer and the metrics exporter on pg1");
  }
}

TEST_CASE("own component: it is deployed, watched, and removed with its data") {
  Scene scene;
  SimulatedExecutor& executor = scene.executor;
  DeployOptions options;
  options.components = scene.own;
  const Plan plan = plan_deploy(scene.spec, executor, options);
  for (const char* id : {"pg1/exporter/package", "pg1/exporter/token", "pg1/exporter/service", "pg1/secrets/exporter_token"})
    CHECK_MESSAGE(std::any_of(plan.changes().begin(), plan.changes().end(), [&](const PlannedChange& one) { return one.id == id; }), id);
  apply(plan, executor).check();
  CHECK(plan_deploy(scene.spec, executor, options).empty());

  // Its secret was made by apply, stands on each database host, and is given to those who ask for its role.
  const std::string token = read_password(scene.spec, executor, "exporter", {.components = scene.own});
  CHECK(token.size() == 32);
  CHECK(*executor.host("pg2").read("/etc/exporter.token") == token);

  // Its unit and its probe make the cluster unhealthy.
  const auto status = [&] { return read_status(scene.spec, executor, {.components = scene.own}); };
  CHECK_MESSAGE(status().healthy, status().text());
  CHECK(status().json().find(R"("kind": "read-write")") != std::string::npos);
  scene.model->ill = "pg2";
  const Status ill = status();
  CHECK_FALSE(ill.healthy);
  REQUIRE(ill.problems.size() == 1);
  CHECK(ill.problems[0].host == "pg2");
  CHECK(ill.problems[0].component == "exporter");
  CHECK(ill.problems[0].what.cause == "exporter_silent");
  CHECK(ill.text().find("pg2: the exporter does not answer; restart it") != std::string::npos);
  scene.model->ill.clear();
  executor.stop_unit(executor.host("pg3"), unit);
  const Status stopped = status();
  REQUIRE(stopped.problems.size() == 2);
  CHECK(stopped.problems[0].what.cause == "unit_down");
  CHECK(stopped.problems[0].what.message == "node-exporter.service is inactive");
  CHECK(read_status(scene.spec, executor).healthy);  // who does not know the component does not miss it
  apply(plan_deploy(scene.spec, executor, options), executor).check();

  executor.host("pg1").write("/srv/exporter/seen", "data");
  apply(plan_destroy(scene.spec, executor, {.components = scene.own}), executor).check();
  for (const char* path : {"/srv/exporter/seen", "/etc/exporter.token", "/var/lib/pgcluster/secrets/exporter_token"})
    CHECK_MESSAGE(!executor.host("pg1").read(path), path);
  CHECK_FALSE(executor.host("pg1").active(unit));
}

TEST_CASE("own component: the package that another one replaces goes last, as a restart, one host at a time") {
  Scene scene;
  DeployOptions options;
  options.components = scene.own;
  apply(plan_deploy(scene.spec, scene.executor, options), scene.executor).check();
  options.components = {std::make_shared<SelfDescribed>(9100, "exporter-of-another-vendor")};
  const Plan plan = plan_deploy(scene.spec, scene.executor, options);
  const auto change = [&](const std::string& id) -> const PlannedChange& {
    const auto found = std::find_if(plan.changes().begin(), plan.changes().end(), [&](const PlannedChange& one) { return one.id == id; });
    REQUIRE_MESSAGE(found != plan.changes().end(), id);
    return *found;
  };
  for (const std::string host : {"pg1", "pg2", "pg3"}) {
    const PlannedChange &comes = change(host + "/exporter/package"), &goes = change(removal(host, "exporter", "package:node-exporter").name());
    CHECK(comes.impact == Impact::none);
    CHECK(goes.impact == Impact::restart);
    CHECK(&comes < &goes);
    CHECK(std::find(goes.after.begin(), goes.after.end(), comes.id) != goes.after.end());
  }
  CHECK(plan.text().find("restart") != std::string::npos);
}

TEST_CASE("own component: what it opens comes before all others, and what it closes after them") {
  class Guard final : public Component {
   public:
    std::string name() const override { return "guard"; }
    Turn turn() const override { return Turn::around; }
    Steps steps(const NodeView& node) const override {
      return sequence(file(node.step("open"), node.name(), {.path = "/etc/guard.open", .content = "x"}),
                      after({in_place(node.name())}, file(node.step("closed"), node.name(), {.path = "/etc/guard.closed", .content = "x"})));
    }
  };
  Scene scene;
  DeployOptions options;
  options.components = {std::make_shared<Guard>()};
  const Plan plan = plan_deploy(scene.spec, scene.executor, options);
  std::vector<std::string> of_pg1;
  for (const PlannedChange& one : plan.changes())
    if (one.host == "pg1" && one.component != "secrets") of_pg1.push_back(one.id);
  const auto at = [&](const std::string& id) { return std::find(of_pg1.begin(), of_pg1.end(), id) - of_pg1.begin(); };
  CHECK(at("pg1/guard/closed") > at("pg1/pgbouncer/service"));
  CHECK(at("pg1/guard/closed") > at("pg1/patroni/service"));
}
