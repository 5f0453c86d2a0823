#include <doctest/doctest.h>

#include <algorithm>

#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;
using namespace std::chrono_literals;

namespace {

std::string hosts_at(const std::vector<std::string>& addresses) {
  std::string yaml = "patroni_cluster_name: test\nhosts:\n";
  for (std::size_t i = 0; i < addresses.size(); ++i) yaml += "  pg" + std::to_string(i + 1) + ": {address: \"" + addresses[i] + "\"}\n";
  return yaml;
}
const std::string three = hosts_at({"fd00:77::11", "fd00:77::12", "fd00:77::13"});

const std::vector<std::pair<std::string, std::string>> schemes{
    {"scheme A", three + "cluster_vip: fd00:77::a0\n"},
    {"scheme A without PgBouncer", three + "pgbouncer_install: false\n"},
    {"scheme B", three + "cluster_vip: fd00:77::a0\nwith_haproxy_load_balancing: true\n"},
    {"scheme C", three + "dcs_type: consul\n"},
};

void settled_ipv6(Fleet& fleet, const Spec& spec) {
  const Status status = read_status(spec, fleet.executor);
  CHECK_MESSAGE(status.healthy, status.text());
  for (const Status::Host& host : status.hosts) CHECK_MESSAGE(host.problems.empty(), status.text());
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK_MESSAGE(plan.empty(), plan.text(true));
}

void carry_out(Fleet& fleet, const Plan& plan) {
  const Report report = apply(plan, fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
}

}  // namespace

TEST_CASE("IPv6: fresh hosts become a healthy cluster, a new plan is empty, and a file that drifted is written again") {
  for (const auto& [name, yaml] : schemes) {
    CAPTURE(name);
    Fleet fleet;
    const Spec spec = spec_of(yaml);
    carry_out(fleet, plan_deploy(spec, fleet.executor));
    settled_ipv6(fleet, spec);

    for (auto& [path, file] : fleet.executor.host("pg2").files) {
      const bool ours = path.starts_with("/etc/") && file.content.find("fd00:77::12") != std::string::npos && path != "/etc/default/etcd";
      if (!ours) continue;
      CAPTURE(path);
      file.content.replace(file.content.find("fd00:77::12"), 11, "fd00:77::99");
      const Plan plan = plan_deploy(spec, fleet.executor);
      CHECK(std::any_of(plan.changes().begin(), plan.changes().end(), [&path = path](const PlannedChange& one) {
        return one.host == "pg2" && one.diff && one.diff->masked().find(path) != std::string::npos;
      }));
      carry_out(fleet, plan);
      fleet.executor.advance(1min);
      settled_ipv6(fleet, spec);
    }
  }
}

TEST_CASE("IPv6: the leader moves by a switchover, and by itself when its host is lost") {
  for (const auto& [name, yaml] : schemes) {
    CAPTURE(name);
    Fleet fleet;
    const Spec spec = spec_of(yaml);
    carry_out(fleet, plan_deploy(spec, fleet.executor));
    carry_out(fleet, plan_switchover(spec, fleet.executor, {.to = "pg2"}));
    CHECK(read_status(spec, fleet.executor).leader == "pg2");
    fleet.executor.host("pg2").down = true;
    fleet.executor.advance(2min);
    const Status status = read_status(spec, fleet.executor);
    CHECK(!status.leader.empty());
    CHECK(status.leader != "pg2");
    CHECK(status.dcs.healthy_members.size() == 2);
    if (status.vip) CHECK(status.vip->holders.size() == 1);
  }
}

TEST_CASE("IPv6: however an address is spelt, the same cluster is meant") {
  Fleet fleet;
  carry_out(fleet, plan_deploy(spec_of(three), fleet.executor));
  const Spec same = spec_of(hosts_at({"FD00:77:0::11", "fd00:0077::12", "fd00:77:0:0:0:0:0:13"}));
  settled_ipv6(fleet, same);
}
