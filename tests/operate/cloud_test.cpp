#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

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

std::string warnings(const Plan& plan) {
  std::string all;
  for (const Diagnostic& one : plan.warnings()) all += one.path + ": " + one.message + "; " + one.hint + "\n";
  return all;
}

void apply_and_plan_again(Fleet& fleet, const Spec& spec) {
  apply_it(fleet, spec);
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK_MESSAGE(plan.empty(), plan.text(true));
}

}  // namespace

TEST_CASE("a cloud that leaves the spec keeps its load balancers until --prune, and the plan says so") {
  Fleet fleet;
  apply_and_plan_again(fleet, spec_of(scheme_a(3, hetzner)));
  Spec without = spec_of(scheme_a(3, ""));
  SUBCASE("none in its place") {}
  SUBCASE("another one in its place") {
    without = spec_of(scheme_a(3, "cloud_provider: digitalocean\nserver_location: fra1\nserver_network: 4de7ac8b-495b-4884-9a69-1050c6793cd6\n"));
  }
  for (int n = 0; n < 2; ++n) {
    const Plan plan = plan_deploy(without, fleet.executor);
    CHECK_MESSAGE(warnings(plan).find("cloud:hetzner (fsn1) still has load balancers of this cluster") != std::string::npos, warnings(plan));
    CHECK(warnings(plan).find("--prune") != std::string::npos);
    CHECK(plan.empty() == (n == 1));
    CHECK(plan.text(true).find("cloud/remove:") == std::string::npos);
    REQUIRE(apply(plan, fleet.executor).ok());
  }
  CHECK(balancers(fleet) == std::vector<std::string>{"test-primary", "test-replica"});
  fleet.executor.host(at).write("/load-balancers/test-sync", "name: test-sync\ncluster: another\n");

  SUBCASE("prune") {
    const Plan plan = plan_deploy(without, fleet.executor, {.prune = true});
    CHECK(warnings(plan).find("load balancers") == std::string::npos);
    REQUIRE(apply(plan, fleet.executor).ok());
    CHECK(balancers(fleet) == std::vector<std::string>{"test-sync"});
    const Plan after = plan_deploy(without, fleet.executor, {.prune = true});
    CHECK_MESSAGE(after.empty(), after.text(true));
    CHECK(warnings(plan_deploy(without, fleet.executor)).find("load balancers") == std::string::npos);
  }
  SUBCASE("destroy") {
    REQUIRE(apply(plan_destroy(without, fleet.executor), fleet.executor).ok());
    CHECK(balancers(fleet) == std::vector<std::string>{"test-sync"});
  }
}

TEST_CASE("a cloud that is left is known by what tells its balancers apart: AWS's region, not the API's address") {
  Fleet fleet;
  const auto aws = [](const std::string& region, const std::string& more = "") {
    return spec_of(scheme_a(3, "cloud_provider: aws\nserver_location: " + region + "\nserver_network: subnet-0a1b2c\n" + more));
  };
  apply_and_plan_again(fleet, aws("eu-central-1"));
  CHECK(warnings(plan_deploy(aws("eu-central-1", "cloud_api_endpoint: https://cloud.example.org\n"), fleet.executor)).find("load balancers") ==
        std::string::npos);
  const std::string said = warnings(plan_deploy(aws("eu-west-1"), fleet.executor));
  CHECK_MESSAGE(said.find("cloud:aws:2 (eu-central-1) still has load balancers of this cluster") != std::string::npos, said);
}

TEST_CASE("load balancers at a cloud that this version does not know are not forgotten: the plan is refused") {
  Fleet fleet;
  apply_it(fleet, spec_of(scheme_a(3, hetzner)));
  File& known = fleet.executor.host("pg2").files.at("/var/lib/pgcluster/cluster");
  const std::string word = "\"hetzner\"";
  known.content.replace(known.content.find(word), word.size(), "\"another\"");
  for (const bool destroy : {false, true}) {
    const Spec spec = spec_of(scheme_a(3, ""));
    const auto refused = [&] { destroy ? plan_destroy(spec, fleet.executor) : plan_deploy(spec, fleet.executor); };
    CHECK_THROWS_WITH_AS(
        refused(), doctest::Contains("pg2 has a record of load balancers of the cluster at another, a cloud that this version does not know"), Error);
  }
}

TEST_CASE("a cloud whose load balancers are not wished any more leaves the spec without a word") {
  Fleet fleet;
  apply_and_plan_again(fleet, spec_of(scheme_a(3, hetzner)));
  apply_and_plan_again(fleet, spec_of(scheme_a(3, hetzner + "cloud_load_balancer: false\n")));
  CHECK(balancers(fleet).empty());
  const Plan plan = plan_deploy(spec_of(scheme_a(3, "")), fleet.executor);
  CHECK_MESSAGE(warnings(plan).find("load balancers") == std::string::npos, warnings(plan));
}

TEST_CASE("a cloud's credentials stand in no document, event or file") {
  setenv("CLOUD_TEST_TOKEN", "token-of-the-tests", 1);
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, hetzner + "hcloud_api_token: !env CLOUD_TEST_TOKEN\n"));
  const Plan plan = plan_deploy(spec, fleet.executor);
  std::string all = plan.document() + plan.json() + plan.text(true);
  CHECK(plan.document().find("!env CLOUD_TEST_TOKEN") != std::string::npos);
  const Report report = apply(plan, fleet.executor, {.on_event = [&](const Event& event) { all += json(event); }});
  REQUIRE(report.ok());
  all += report.json() + report.text();
  for (const char* host : {"pg1", "pg2", "pg3", at})
    for (const auto& [path, file] : fleet.executor.host(host).files) all += file.content;
  CHECK(all.find("token-of-the-tests") == std::string::npos);
}

TEST_CASE("a cloud's load balancers come, change and go with the spec") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, hetzner));
  apply_and_plan_again(fleet, spec);
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
    apply_and_plan_again(fleet, changed);
    CHECK(fleet.executor.host(at).read("/load-balancers/test-primary")->find("port: 6543") != std::string::npos);
  }
  SUBCASE("HAProxy in their place") {
    Spec changed = spec;
    changed.cloud_load_balancer = false;
    changed.with_haproxy_load_balancing = true;
    apply_and_plan_again(fleet, changed);
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
