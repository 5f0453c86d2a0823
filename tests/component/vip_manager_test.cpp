#include "component/vip/vip.hpp"

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
  const auto first = [&](const Answer& answer) {
    return decide(vip_manager_component()->cluster_steps(view), "cluster/vip-manager/free", {{"pg1", "bash", answer}});
  };
  CHECK(is<Done>(first(Output{})));
  CHECK(message(first(Output{.out = "lladdr 86:50:3e:81:c7:2e REACHABLE \n"})).find("86:50:3e:81:c7:2e") != std::string::npos);
  view.facts["pg2"].owned = {{"unit:vip-manager.service", "pg2/vip-manager/service"}};
  for (const Steps::Node& node : vip_manager_component()->cluster_steps(view).nodes()) CHECK(node.step->name() != "cluster/vip-manager/free");
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
