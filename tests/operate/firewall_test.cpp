// The firewall on the simulated fleet: when its rules open and close, and whose ports they know.
#include <doctest/doctest.h>

#include <algorithm>

#include "component/firewall/firewall.hpp"
#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;
using namespace std::chrono_literals;

namespace {

const std::string guarded = "firewall_enabled_at_boot: true\n";

std::string rules_on(Fleet& fleet, const std::string& host) {
  const std::string* rules = fleet.executor.host(host).read(firewall_file);
  return rules ? *rules : "";
}

bool calls(const SimulatedAct& act, const std::string& word) {
  const auto* run = std::get_if<Run>(&act.what.what);
  return run && run->argv.front() == firewall_program_file && run->argv.at(1) == word;
}

// The sequences of the acts that `which` picks.
template <class Which>
std::vector<std::size_t> sequences(Fleet& fleet, const Which& which) {
  std::vector<std::size_t> found;
  for (const SimulatedAct& act : fleet.executor.trace())
    if (which(act)) found.push_back(act.sequence);
  return found;
}

std::vector<std::size_t> calls_of(Fleet& fleet, const std::string& word) {
  return sequences(fleet, [&](const SimulatedAct& act) { return calls(act, word); });
}

std::vector<std::size_t> starts_of(Fleet& fleet, const std::string& host, const std::string& unit) {
  return sequences(fleet, [&](const SimulatedAct& act) {
    const auto* set = std::get_if<SetUnit>(&act.what.what);
    return act.host == host && set && set->name == unit && act.go == SetUnit::Go::start;
  });
}

class Measured final : public Component {
 public:
  std::string name() const override { return "exporter"; }
  Steps steps(const NodeView& node) const override { return package(node, "exporter"); }
  Needs needs(const NodeView&) const override { return {.ports = {{.number = 9100, .purpose = "metrics", .reach = Reach::clients}}}; }
};

}  // namespace

TEST_CASE("firewall: a first deployment closes its ports when all hosts are as they should be") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, guarded));
  apply_it(fleet, spec);
  settled(fleet, spec);
  CHECK(rules_on(fleet, "pg2").find("tcp dport 22 accept") != std::string::npos);
  CHECK(calls_of(fleet, "widen").empty());
  REQUIRE(calls_of(fleet, "try").size() == 3);
  REQUIRE(calls_of(fleet, "confirm").size() == 3);
  for (const char* host : {"pg1", "pg2", "pg3"}) CHECK(starts_of(fleet, host, "patroni.service").at(0) < calls_of(fleet, "try").front());
}

TEST_CASE("firewall: it comes to a running cluster and goes from it, and interrupts nobody") {
  Fleet fleet;
  const Spec without = spec_of(scheme_a()), with = spec_of(scheme_a(3, "cluster_vip: 10.77.0.100\n" + guarded));
  apply_it(fleet, without);
  const Plan on = plan_deploy(with, fleet.executor);
  CHECK(disturbing(on).empty());
  REQUIRE(apply(on, fleet.executor).ok());
  settled(fleet, with);
  const Plan off = plan_deploy(without, fleet.executor);
  CHECK(disturbing(off).empty());
  REQUIRE(apply(off, fleet.executor).ok());
  settled(fleet, without);
  const SimulatedHost& host = fleet.executor.host("pg1");
  CHECK(rules_on(fleet, "pg1").empty());
  CHECK_FALSE(host.active(firewall_unit));
  CHECK_FALSE(host.packages.contains("nftables"));
  CHECK_FALSE(host.read(firewall_program_file));
}

TEST_CASE("firewall: a host that joins is let in before it starts anything, and the old rules go last") {
  Fleet fleet;
  apply_it(fleet, spec_of(scheme_a(3, guarded)));
  fleet.executor.clear_trace();
  const Spec four = spec_of(scheme_a(4, guarded + "pgbouncer_listen_port: 6433\n"));
  apply_it(fleet, four);
  settled(fleet, four);
  REQUIRE(calls_of(fleet, "widen").size() == 3);
  REQUIRE(calls_of(fleet, "try").size() == 4);
  const std::size_t joins = starts_of(fleet, "pg4", "patroni.service").at(0);
  CHECK(calls_of(fleet, "widen").back() < joins);
  CHECK(joins < calls_of(fleet, "try").front());
  for (const char* host : {"pg1", "pg4"}) {
    CHECK(rules_on(fleet, host).find("10.77.0.14") != std::string::npos);
    CHECK(rules_on(fleet, host).find("6432") == std::string::npos);
  }
}

TEST_CASE("firewall: a host that is pruned is shut out once it is clean") {
  Fleet fleet;
  const std::string roles = guarded +
                            "patroni_cluster_name: test\nhosts:\n  pg1: {address: 10.77.0.11, roles: [postgres, etcd]}\n  pg2: {address: 10.77.0.12, "
                            "roles: [postgres, etcd]}\n"
                            "  pg3: {address: 10.77.0.13, roles: [postgres, etcd]}\n";
  apply_it(fleet, spec_of(roles + "  pg4: {address: 10.77.0.14}\n"));
  const Spec three = spec_of(roles);
  CHECK(plan_deploy(three, fleet.executor).empty());
  fleet.executor.clear_trace();
  apply_it(fleet, three, {.prune = true});
  settled(fleet, three);
  CHECK(rules_on(fleet, "pg1").find("10.77.0.14") == std::string::npos);
  const auto cleaned = sequences(fleet, [](const SimulatedAct& act) {
    const auto* remove = std::get_if<Remove>(&act.what.what);
    return act.host == "pg4" && remove && remove->name == "/var/lib/pgcluster";
  });
  REQUIRE(cleaned.size() == 1);
  CHECK(cleaned.front() < calls_of(fleet, "try").front());
}

TEST_CASE("firewall: the port of a user's own component is open, and goes with it") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, guarded));
  apply_it(fleet, spec, {.components = {std::make_shared<Measured>()}});
  CHECK(rules_on(fleet, "pg3").find("9100 metrics") != std::string::npos);
  apply_it(fleet, spec);
  CHECK(rules_on(fleet, "pg3").find("9100") == std::string::npos);
  settled(fleet, spec);
}

TEST_CASE("firewall: rules that nobody confirms are taken back, and the next plan has them again") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, guarded));
  fleet.executor.fail([](const Do& d) -> std::optional<Output> {
    const auto* run = std::get_if<Run>(&d.what);
    return run && run->reconnect && d.at == "pg2" ? std::optional<Output>(Output{.status = 1}) : std::nullopt;
  });
  const Report report = fleet.deploy(spec);
  CHECK_FALSE(report.ok());
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures.front().step == "pg2/firewall/rules");
  CHECK(rules_on(fleet, "pg1") != "");
  CHECK(rules_on(fleet, "pg2") == "");
  fleet.executor.fail({});
  fleet.executor.advance(1min);
  const Plan again = plan_deploy(spec, fleet.executor);
  REQUIRE(again.changes().size() == 1);
  CHECK(again.changes().front().id == "pg2/firewall/rules");
  fleet.executor.clear_trace();
  REQUIRE(apply(again, fleet.executor).ok());
  CHECK(calls_of(fleet, "try").size() == 1);
  settled(fleet, spec);
}

TEST_CASE("firewall: a reboot brings the rules back, and a stopped firewall is a problem that apply mends") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, guarded));
  apply_it(fleet, spec);
  fleet.executor.reboot(fleet.executor.host("pg3"));
  fleet.executor.advance(2min);
  settled(fleet, spec);
  fleet.executor.stop_unit(fleet.executor.host("pg3"), firewall_unit);
  const Status status = read_status(spec, fleet.executor);
  CHECK(std::any_of(status.problems.begin(), status.problems.end(),
                    [](const Status::Finding& one) { return one.host == "pg3" && one.what.cause == "firewall_down"; }));
  CHECK_FALSE(status.healthy);
  apply_it(fleet, spec);
  settled(fleet, spec);
}
