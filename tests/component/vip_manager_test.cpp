#include "component/vip/vip.hpp"

#include <algorithm>

#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

Spec with_vip() {
  Spec wished = spec();
  wished.cluster_vip = "10.77.0.100";
  return wished;
}

Output shows(const std::string& lifetime) {
  return {.out = "2: eth1    inet 10.77.0.100/32 scope global dynamic eth1\\       valid_lft " + lifetime + " preferred_lft " + lifetime + "\n"};
}

}  // namespace

TEST_CASE("vip-manager: the files of a host") { golden_files(vip_manager_component(), "vip_manager"); }

TEST_CASE("vip-manager: every answer has a decision") {
  const ClusterView view = cluster(with_vip());
  total(steps(vip_manager_component(), view, "pg1"));
  total(vip_manager_component()->cluster_steps(view));
}

TEST_CASE("vip-manager: the interface is the spec's, the one with the host's address, or the default route's") {
  ClusterView view = cluster(with_vip());
  const auto interface = [&] { return vip_interface(NodeView{view, view.topology.host("pg1"), view.facts.at("pg1")}); };
  CHECK(interface() == "eth1");
  view.facts["pg1"].interfaces.pop_back();
  CHECK(interface() == "eth0");
  view.facts["pg1"].default_interface.clear();
  CHECK_THROWS_AS(interface(), Error);
  view.spec.vip_interface = "bond0";
  CHECK(interface() == "bond0");
}

TEST_CASE("vip-manager: it starts after Patroni") {
  const Steps patroni = make_step("pg1/patroni/service", {});
  const Steps all = parallel(patroni, steps(vip_manager_component(), cluster(with_vip()), "pg1"));
  const auto before = all.before("pg1/vip-manager/service");
  CHECK(std::find(before.begin(), before.end(), "pg1/patroni/service") != before.end());
}

TEST_CASE("vip-manager: an address that a stranger has is refused, before anything of ours may hold it") {
  ClusterView view = cluster(with_vip());
  const Output taken{.out = "lladdr 86:50:3e:81:c7:2e REACHABLE \n"};
  const auto free = [&](const std::vector<Bent>& bents) {
    return decide(vip_manager_component()->cluster_steps(view), "cluster/vip-manager/free", bents);
  };
  CHECK(is<Done>(free({{"pg1", "bash", Output{}}})));
  CHECK(message(free({{"pg1", "bash", taken}})).find("86:50:3e:81:c7:2e") != std::string::npos);
  const Steps all = parallel(steps(vip_manager_component(), view, "pg1"), vip_manager_component()->cluster_steps(view));
  for (const char* written : {"pg1/vip-manager/unit", "pg1/vip-manager/program"}) {
    const auto before = all.before(written);
    CHECK(std::find(before.begin(), before.end(), "cluster/vip-manager/free") != before.end());
  }
}

TEST_CASE("vip-manager: another address for a running cluster is looked at from a host that has the old one") {
  for (const char* unit : {"pgcluster-vip.service", "vip-manager.service"}) {
    ClusterView view = cluster(with_vip());
    view.facts["pg2"].owned = {{std::string("unit:") + unit, "pg2/vip-manager/service"}};
    const Steps all = vip_manager_component()->cluster_steps(view);
    const StepPtr step = find(all, "cluster/vip-manager/free");
    std::vector<std::string> argv;
    for (const Ask& ask : step->asks())
      if (const auto& exec = std::get<Exec>(ask.what); exec.argv[0] == "bash") {
        CHECK(ask.at == "pg2");
        argv = exec.argv;
      }
    REQUIRE(argv.size() == 6);
    CHECK(argv[4] == "10.77.0.100");
    CHECK(argv[5] == std::string("/etc/systemd/system/") + unit);
    const Output taken{.out = "lladdr 86:50:3e:81:c7:2e REACHABLE \n"};
    const auto free = [&](const std::vector<Bent>& bents) { return decide(all, "cluster/vip-manager/free", bents); };
    CHECK(message(free({{"pg2", "bash", taken}})).find("a host answers for it") != std::string::npos);
    // One of ours has it already: the apply that gave it to the hosts was interrupted.
    CHECK(is<Done>(free({{"pg2", "bash", taken}, {"pg3", "ip ", shows("4sec")}})));
  }
}

TEST_CASE("vip-manager: a stranger's unit or program of our name is refused, before anything is written") {
  ClusterView view = cluster(with_vip());
  const std::string unit = "/etc/systemd/system/pgcluster-vip.service", program = "/usr/local/lib/pgcluster/pgcluster-vip";
  const auto looks = [&](const std::vector<Bent>& bents) {
    return decide(steps(vip_manager_component(), view, "pg1"), "pg1/vip-manager/stranger", bents);
  };
  const File theirs{.content = "[Service]\nExecStart=/opt/theirs\n"};
  CHECK(is<Done>(looks({})));
  CHECK(message(looks({{"pg1", unit, theirs}})).find("pg1 has a unit pgcluster-vip.service that pgcluster has not set up") != std::string::npos);
  CHECK(message(looks({{"pg1", "state of pgcluster-vip.service", Unit{.active = "inactive"}}})).find("systemctl cat") != std::string::npos);
  CHECK(message(looks({{"pg1", program, theirs}})).find("pg1 has a program " + program) != std::string::npos);
  // Ours, on a host that has lost its list of what is ours.
  const auto text = [&](const std::string& name) {
    const Decision decision = decide(steps(vip_manager_component(), view, "pg1"), "pg1/vip-manager/" + name);
    return File{.content = std::get<WriteFile>(std::get<Change>(decision).todo.at(0).what).content.reveal()};
  };
  CHECK(is<Done>(looks({{"pg1", unit, text("unit")}, {"pg1", program, text("program")}})));
  view.facts["pg1"].owned = {{"file:" + unit, "pg1/vip-manager/unit"}, {"file:" + program, "pg1/vip-manager/program"}};
  CHECK(is<Done>(looks({{"pg1", unit, theirs}, {"pg1", program, theirs}})));  // drifted: the file's own step writes it again
  const Steps all = steps(vip_manager_component(), view, "pg1");
  CHECK(all.before("pg1/vip-manager/packages") == std::vector<std::string>{"pg1/vip-manager/stranger"});
}

TEST_CASE("vip-manager: the unit of an older release goes when its successor runs, and a stranger's of that name stays") {
  ClusterView view = cluster(with_vip());
  const auto removals = [&](const std::string& host) {
    std::vector<std::string> found;
    for (const Steps::Node& node : steps(vip_manager_component(), view, host).nodes())
      if (node.step->name().find("/remove:") != std::string::npos) found.push_back(node.step->name());
    return found;
  };
  CHECK(removals("pg1").empty());
  const std::string unit = "unit:vip-manager.service", file = "file:/etc/systemd/system/vip-manager.service";
  view.facts["pg1"].owned = {{unit, "pg1/vip-manager/service"},
                             {file, "pg1/vip-manager/unit"},
                             {file + ".d/50-pgcluster.conf", "pg1/vip-manager/notes"},
                             {"file:/usr/local/lib/pgcluster/vip-manager", "pg1/vip-manager/program"}};
  CHECK(removals("pg1").size() == 4);
  CHECK(removals("pg2").empty());
  const Steps all = steps(vip_manager_component(), view, "pg1");
  const std::string gone = "pg1/vip-manager/remove:" + unit;
  CHECK(all.before(gone) == std::vector<std::string>{"pg1/vip-manager/service"});
  CHECK(all.before("pg1/vip-manager/remove:" + file) == std::vector<std::string>{gone});
  const Decision decision = decide(all, gone, {{"pg1", "vip-manager.service", Unit{.active = "active", .enabled = true}}});
  REQUIRE(is<Change>(decision));
  CHECK(std::get<Change>(decision).impact == Impact::restart);  // in the lane
  CHECK(std::get<Change>(decision).reason == "pgcluster-vip.service has taken its place");
  CHECK(is<Done>(decide(all, gone)));
  // It is one of the keeper's: no wait for it, and what it holds is ours.
  const Steps whole = parallel(all, vip_manager_component()->cluster_steps(view));
  const auto released = [&](const std::vector<Bent>& bents) { return decide(whole, "cluster/vip-manager/released", bents); };
  CHECK(is<Done>(released({{"pg1", "ip ", shows("4sec")}, {"pg1", "state of vip-manager.service", Unit{.active = "active"}}})));
  CHECK(is<Later>(released({{"pg2", "ip ", shows("4sec")}, {"pg2", "state of vip-manager.service", Unit{.active = "active"}}})));
  const auto before = whole.before("cluster/vip-manager/held");
  CHECK(std::find(before.begin(), before.end(), gone) != before.end());
}

TEST_CASE("vip-manager: the host that holds the VIP is disturbed last") {
  const ClusterView view = cluster(with_vip());
  const Order order = vip_holder_last(view.spec, view.topology.database);
  Answers answers;
  for (const Ask& ask : order.all_asks()) answers.set(ask, ask.at == "pg1" ? shows("4sec") : Output{});
  CHECK(order.order(answers) == std::vector<std::string>{"pg2", "pg3", "pg1"});
}

TEST_CASE("vip-manager: a stranger's Keepalived is not waited for, and ours is") {
  ClusterView view = cluster(with_vip());
  const auto released = [&] {
    return decide(vip_manager_component()->cluster_steps(view), "cluster/vip-manager/released", {{"pg2", "keepalived", Unit{.active = "active"}}});
  };
  CHECK(is<Done>(released()));
  view.facts["pg2"].owned = {{"unit:keepalived.service", "pg2/keepalived/service"}};
  CHECK(std::get<Later>(released()).until == "pg2 has stopped keepalived.service");
}

TEST_CASE("vip-manager: one host holds it") {
  const Steps all = vip_manager_component()->cluster_steps(cluster(with_vip()));
  const auto held = [&](const std::vector<Bent>& bents) { return decide(all, "cluster/vip-manager/held", bents); };
  CHECK(is<Later>(held({})));
  CHECK(is<Later>(held({{"", "ip ", Output{}}})));
  CHECK(is<Done>(held({{"", "ip ", Output{}}, {"pg2", "ip ", shows("3sec")}})));
  const Decision two = held({{"", "ip ", Output{}}, {"pg2", "ip ", shows("3sec")}, {"pg3", "ip ", shows("4sec")}});
  REQUIRE(is<Later>(two));
  CHECK(std::get<Later>(two).until.find("pg2 and pg3 do") != std::string::npos);
  CHECK(message(held({{"", "ip ", Output{}}, {"pg2", "ip ", shows("forever")}})).find("for good") != std::string::npos);
}

TEST_CASE("vip-manager: not without a VIP, nor beside load balancing, which brings its own") {
  CHECK(steps(vip_manager_component(), cluster(spec()), "pg1").empty());
  CHECK(vip_manager_component()->cluster_steps(cluster(spec())).empty());
  Spec balanced = with_vip();
  balanced.with_haproxy_load_balancing = true;
  CHECK(steps(vip_manager_component(), cluster(balanced), "pg1").empty());
}
