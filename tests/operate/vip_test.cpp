#include <doctest/doctest.h>

#include <algorithm>

#include "component/vip/vip.hpp"
#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;

namespace {

const std::string new_program = "/usr/local/lib/pgcluster/pgcluster-vip", old_program = "/usr/local/lib/pgcluster/vip-manager";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return text;
}

// The host as a release up to 0.1 has left it: with our unit under Debian's name.
void as_an_older_release(SimulatedExecutor& fleet, SimulatedHost& host) {
  fleet.stop_unit(host, vip_unit);
  const auto older = [](const std::string& text) { return replaced(replaced(text, vip_unit, former_vip_unit), new_program, old_program); };
  for (const std::string& path : {std::string(vip_unit_file), std::string(vip_unit_file) + ".d/50-pgcluster.conf", new_program}) {
    host.write(older(path), older(*host.read(path)));
    host.files.erase(path);
  }
  host.write("/var/lib/pgcluster/owned", older(*host.read("/var/lib/pgcluster/owned")));
  host.units.erase(vip_unit);
  host.units[former_vip_unit].state.enabled = true;
  fleet.start_unit(host, former_vip_unit);
}

// Debian's vip-manager2, which a host may have beside our cluster.
void with_debians_vip_manager(SimulatedExecutor& fleet, SimulatedHost& host) {
  host.write("/usr/lib/systemd/system/vip-manager.service", "[Service]\nExecStart=/usr/bin/vip-manager\n");
  host.units["vip-manager.service"].state.enabled = true;
  fleet.start_unit(host, "vip-manager.service");
}

// A host of the network that is not in the fleet has this address.
struct Neighbour final : ServiceModel {
  std::string address;
  std::vector<std::string> own_files{};  // what the probe was given besides
  std::optional<Output> exec(SimulatedHost&, const std::vector<std::string>& argv, const std::string&) override {
    if (argv.size() < 5 || argv[3] != "probe" || argv[4] != address) return std::nullopt;
    own_files.assign(argv.begin() + 5, argv.end());
    return Output{.out = "lladdr 86:50:3e:81:c7:2e REACHABLE\n"};
  }
};

std::string refusal(const Spec& spec, SimulatedExecutor& fleet) {
  try {
    plan_deploy(spec, fleet);
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
    std::string all = error.message() + "\n" + error.hint();
    for (const Diagnostic& one : error.diagnostics()) all += "\n" + one.message + "\n" + one.hint;
    return all;
  }
  FAIL("the plan is not refused");
  return "";
}

}  // namespace

TEST_CASE("the VIP's unit of an older release gives way in one apply, replicas first, each after its successor has started") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  apply_it(fleet, spec);
  for (const std::string& name : fleet.executor.hosts()) as_an_older_release(fleet.executor, fleet.executor.host(name));
  fleet.executor.advance(std::chrono::seconds(10));
  REQUIRE(read_status(spec, fleet.executor).vip->holders == std::vector<std::string>{"pg1"});
  fleet.executor.clear_trace();
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK(disturbing(plan) == std::vector<std::string>{"pg2 remove", "pg3 remove", "pg1 remove"});
  const Report report = apply(plan, fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
  std::map<std::string, std::size_t> started;
  std::vector<std::string> removed;
  for (const SimulatedAct& act : fleet.executor.trace()) {
    if (const auto* set = std::get_if<SetUnit>(&act.what.what); set && set->name == vip_unit) started[act.host] = act.sequence;
    if (const auto* remove = std::get_if<Remove>(&act.what.what); remove && remove->name == former_vip_unit) {
      removed.push_back(act.host);
      REQUIRE(started.contains(act.host));
    }
  }
  CHECK(removed == std::vector<std::string>{"pg2", "pg3", "pg1"});
  for (const std::string& name : fleet.executor.hosts()) {
    const SimulatedHost& host = fleet.executor.host(name);
    CHECK(host.active(vip_unit));
    CHECK_FALSE(host.active(former_vip_unit));
    for (const auto& [path, file] : host.files) CHECK_MESSAGE(path.find("vip-manager") == std::string::npos, path);
    CHECK(host.read("/var/lib/pgcluster/owned")->find("vip-manager.service") == std::string::npos);
    CHECK(host.read("/etc/default/pgcluster-vip"));
  }
  settled(fleet, spec);
}

TEST_CASE("an apply that is interrupted while the VIP's unit changes its name goes on where it was") {
  for (std::size_t nth = 1; nth < 28; nth += 2) {
    CAPTURE(nth);
    Fleet fleet;
    const Spec spec = spec_of(scheme_a());
    apply_it(fleet, spec);
    for (const std::string& name : fleet.executor.hosts()) as_an_older_release(fleet.executor, fleet.executor.host(name));
    fleet.executor.advance(std::chrono::seconds(10));
    struct Killed {};
    fleet.executor.interrupt(nth, true, [] { throw Killed(); });
    try {
      apply(plan_deploy(spec, fleet.executor), fleet.executor);
    } catch (const Killed&) {
    }
    CHECK(read_status(spec, fleet.executor).vip->holders == std::vector<std::string>{"pg1"});
    for (const std::string& name : fleet.executor.hosts()) {
      const SimulatedHost& host = fleet.executor.host(name);
      const bool served = host.active(vip_unit) || host.active(former_vip_unit);
      CHECK_MESSAGE(served, name);
    }
    fleet.executor.interrupt(1000000, true, {});
    apply_it(fleet, spec);
    settled(fleet, spec);
  }
}

TEST_CASE("an older release's cluster goes over to load balancing, or loses its VIP, in one apply") {
  for (const std::string& to : {std::string("cluster_vip: 10.77.0.100\nwith_haproxy_load_balancing: true\nconfd_install: false\n"), std::string()}) {
    Fleet fleet;
    apply_it(fleet, spec_of(scheme_a()));
    for (const std::string& name : fleet.executor.hosts()) as_an_older_release(fleet.executor, fleet.executor.host(name));
    const Spec spec = spec_of(scheme_a(3, to));
    apply_it(fleet, spec);
    for (const std::string& name : fleet.executor.hosts()) {
      CHECK_FALSE(fleet.executor.host(name).active(former_vip_unit));
      CHECK_FALSE(fleet.executor.host(name).read(former_vip_unit_file));
    }
    settled(fleet, spec);
  }
}

TEST_CASE("Debian's vip-manager beside the cluster is never touched, nor waited for") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  for (const HostAccess& access : {HostAccess{.name = "pg1"}, HostAccess{.name = "pg2"}})
    with_debians_vip_manager(fleet.executor, fleet.executor.host(access));
  const auto untouched = [&] {
    for (const char* name : {"pg1", "pg2"}) {
      CHECK(fleet.executor.host(name).active("vip-manager.service"));
      CHECK(fleet.executor.host(name).units.at("vip-manager.service").state.enabled);
      CHECK(fleet.executor.host(name).read("/usr/lib/systemd/system/vip-manager.service"));
    }
    for (const SimulatedAct& act : fleet.executor.trace())
      for (const std::string& resource : act.resources) CHECK(resource.find("vip-manager.service") == std::string::npos);
  };
  apply_it(fleet, spec);
  settled(fleet, spec);
  untouched();
  const Spec balanced = spec_of(scheme_a(3, "cluster_vip: 10.77.0.100\nwith_haproxy_load_balancing: true\nconfd_install: false\n"));
  apply_it(fleet, balanced);
  settled(fleet, balanced);
  untouched();
  apply_it(fleet, spec);
  untouched();
  const Report report = apply(plan_destroy(spec, fleet.executor), fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
  untouched();
}

TEST_CASE("a stranger's pgcluster-vip is refused before anything is done") {
  Fleet fleet;
  SimulatedHost& host = fleet.executor.host("pg2");
  SUBCASE("a unit in /etc") { host.write(vip_unit_file, "[Service]\nExecStart=/opt/theirs\n"); }
  SUBCASE("a unit of a package") { fleet.executor.start_unit(host, vip_unit); }
  SUBCASE("a program") { host.write(new_program, "#!/bin/sh\n"); }
  const auto before = host.files;
  CHECK(refusal(spec_of(scheme_a()), fleet.executor).find("that pgcluster has not set up") != std::string::npos);
  CHECK(host.files == before);
}

TEST_CASE("another cluster_vip that somebody has is refused, and the old one stays") {
  SimulatedExecutor fleet;
  const auto neighbour = std::make_shared<Neighbour>();
  neighbour->address = "10.77.0.200";
  fleet.add(neighbour);
  add_service_models(fleet);
  const std::string balanced = "with_haproxy_load_balancing: true\nconfd_install: false\n";
  for (const std::string& scheme : {std::string(), balanced}) {
    const Spec spec = spec_of(scheme_a(3, "cluster_vip: 10.77.0.100\n" + scheme));
    const Report report = apply(plan_deploy(spec, fleet), fleet);
    REQUIRE_MESSAGE(report.ok(), report.text());
    const auto holders = read_status(spec, fleet).vip->holders;
    REQUIRE(holders.size() == 1);
    const std::string why = refusal(spec_of(scheme_a(3, "cluster_vip: 10.77.0.200\n" + scheme)), fleet);
    CHECK(why.find("cluster_vip 10.77.0.200 is in use already: seen from pg1, a host answers for it (lladdr 86:50:3e:81:c7:2e REACHABLE)") !=
          std::string::npos);
    CHECK(neighbour->own_files == std::vector<std::string>{scheme.empty() ? vip_unit_file : keepalived_file});
    CHECK(read_status(spec, fleet).vip->holders == holders);
    const Spec moved = spec_of(scheme_a(3, "cluster_vip: 10.77.0.201\n" + scheme));
    const Report moves = apply(plan_deploy(moved, fleet), fleet);
    REQUIRE_MESSAGE(moves.ok(), moves.text());
    CHECK(read_status(moved, fleet).vip->holders.size() == 1);
    const Plan again = plan_deploy(moved, fleet);
    CHECK_MESSAGE(again.empty(), again.text(true));
  }
}
