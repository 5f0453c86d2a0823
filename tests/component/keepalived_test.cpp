#include <algorithm>

#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

Spec balanced_with_vip() {
  Spec wished = spec();
  wished.with_haproxy_load_balancing = true;
  wished.cluster_vip = "10.77.0.100";
  return wished;
}

const Bent settled{"", "in-state", Output{.out = "60\n"}};
const Output held{.out = "2: eth1    inet 10.77.0.100/32 scope global eth1\\       valid_lft forever preferred_lft forever\n"};

}  // namespace

TEST_CASE("keepalived: the files of a host") { golden_files(keepalived_component(), "keepalived"); }

TEST_CASE("keepalived: every answer has a decision") {
  const ClusterView view = cluster(balanced_with_vip());
  total(steps(keepalived_component(), view, "pg1"));
  total(keepalived_component()->cluster_steps(view));
}

TEST_CASE("keepalived: its password is eight characters, for root only, and of the secrets") {
  CHECK(secret_names(keepalived_component(), balanced_with_vip()) == std::set<std::string>{"keepalived_auth_password"});
  CHECK(secret_names(keepalived_component(), spec()).empty());
  const Decision config = decide(steps(keepalived_component(), cluster(balanced_with_vip()), "pg1"), "pg1/keepalived/config");
  const auto& write = std::get<WriteFile>(std::get<Change>(config).todo.at(0).what);
  CHECK(write.mode == 0600);
  CHECK(write.content.reveal().find("auth_pass eightand\n") != std::string::npos);
  CHECK(write.content.masked().find("eightand") == std::string::npos);
}

TEST_CASE("keepalived: a balancer that left the spec is spoken to, and may hold the VIP, until it is pruned") {
  ClusterView view = cluster(balanced_with_vip());
  const auto config = [&] {
    const Decision decision = decide(steps(keepalived_component(), view, "pg1"), "pg1/keepalived/config");
    return std::get<WriteFile>(std::get<Change>(decision).todo.at(0).what).content.reveal();
  };
  const auto held_by_nobody = [&] { return decide(keepalived_component()->cluster_steps(view), "cluster/keepalived/held", {settled}); };
  CHECK(config().find("10.77.0.19") == std::string::npos);
  CHECK(is<Later>(held_by_nobody()));
  const TopologyHost left{.name = "lb9", .address = "10.77.0.19", .datacenter = {}, .roles = {Role::balancer}, .patroni_tags = {}, .access = {}};
  view.left = {left};
  CHECK(config().find("        10.77.0.19\n") != std::string::npos);
  CHECK(is<Done>(held_by_nobody()));
  view.left.clear();
  view.pruned = {left};
  CHECK(config().find("10.77.0.19") == std::string::npos);
  const std::string stopped = "lb9/keepalived/remove:unit:keepalived.service";
  const auto done = [](const Answers&) -> Decision { return Done{}; };
  const auto before =
      parallel(steps(keepalived_component(), view, "pg1"), gate(stopped, {.asks = {}, .decide = done})).before("pg1/keepalived/config");
  CHECK(std::find(before.begin(), before.end(), stopped) != before.end());
}

TEST_CASE("keepalived: what somebody else has set up stays") {
  const Steps all = steps(keepalived_component(), cluster(balanced_with_vip()), "pg1");
  const auto config = [&](const std::string& content) {
    return decide(all, "pg1/keepalived/config", {{"pg1", "keepalived.conf", File{.content = content}}});
  };
  CHECK(message(config("vrrp_instance theirs {\n")).find("pg1 has a Keepalived that pgcluster has not set up") != std::string::npos);
  CHECK(is<Change>(config("# Written by pgcluster.\nolder\n")));
}

TEST_CASE("keepalived: it starts when HAProxy listens and vip-manager has given the VIP up everywhere") {
  for (const std::string unit : {"pgcluster-vip.service", "vip-manager.service"}) {  // the present name, and that of older releases
    CAPTURE(unit);
    ClusterView view = cluster(balanced_with_vip());
    view.facts["pg2"].owned = {{"unit:" + unit, "pg2/vip-manager/service"}};
    const std::string gone = "pg2/vip-manager/remove:unit:" + unit;
    const Steps others = parallel(make_step("pg1/haproxy/listens", {}), make_step(gone, {}));
    const Steps all = parallel(others, steps(keepalived_component(), view, "pg1"), keepalived_component()->cluster_steps(view));
    const auto has = [](const std::vector<std::string>& list, const std::string& one) {
      return std::find(list.begin(), list.end(), one) != list.end();
    };
    CHECK(has(all.before("pg1/keepalived/service"), "pg1/haproxy/listens"));
    CHECK(has(all.before("pg1/keepalived/check"), "pg1/haproxy/listens"));
    CHECK(has(all.before("pg1/keepalived/service"), "cluster/keepalived/released"));
    CHECK(has(all.before("cluster/keepalived/released"), gone));

    const auto released = [&](const std::vector<Bent>& bents) { return decide(all, "cluster/keepalived/released", bents); };
    CHECK(is<Done>(released({})));
    CHECK(std::get<Later>(released({{"pg2", unit, Unit{.active = "active"}}})).until == "pg2 has stopped " + unit);
    CHECK(std::get<Later>(released({{"pg2", unit, Unit{.active = "deactivating"}}})).until == "pg2 has stopped " + unit);
    CHECK(is<Done>(released({{"pg3", unit, Unit{.active = "active"}}})));  // a stranger's
    CHECK(std::get<Later>(released({{"pg2", "ip ", held}})).until == "pg2 has given up 10.77.0.100");
    CHECK(is<Done>(released({{"pg2", "ip ", held}, {"pg2", "keepalived.service", Unit{.active = "active"}}})));
  }
}

TEST_CASE("keepalived: one balancer holds it, and a stranger's address is refused") {
  ClusterView view = cluster(balanced_with_vip());
  const auto cluster_step = [&](const std::string& name, const std::vector<Bent>& bents) {
    return decide(keepalived_component()->cluster_steps(view), "cluster/keepalived/" + name, bents);
  };
  CHECK(std::get<Later>(cluster_step("held", {})).until == "a balancer has taken 10.77.0.100");
  const Bent elsewhere{"", "ip ", Output{}}, pg2{"pg2", "ip ", held};
  CHECK(is<Done>(cluster_step("held", {elsewhere, pg2, settled})));
  // The address may still move until each balancer has noticed that it hears no other one.
  for (const char* told : {"4\n", "-1\n", "", "Failed to connect to bus\n"}) {
    const Decision early = cluster_step("held", {elsewhere, pg2, settled, {"pg3", "in-state", Output{.out = told}}});
    REQUIRE(is<Later>(early));
    CHECK(std::get<Later>(early).until ==
          "5 s have passed since keepalived.service of pg3 started or read its configuration, and the address has not moved");
  }
  CHECK(std::get<Later>(cluster_step("held", {{"", "ip ", held}})).until.find("pg1 and pg2 and pg3 do") != std::string::npos);
  CHECK(message(cluster_step("free", {{"pg1", "bash", Output{.out = "lladdr 86:50:3e:81:c7:2e REACHABLE \n"}}})).find("is in use already") !=
        std::string::npos);
  // Where vip-manager holds it for now it is no stranger's.
  view.facts["pg2"].owned = {{"unit:pgcluster-vip.service", "pg2/vip-manager/service"}};
  const Output taken{.out = "lladdr 86:50:3e:81:c7:2e REACHABLE \n"};
  CHECK(is<Done>(cluster_step("free", {{"", "bash", taken}, {"pg2", "ip ", held}})));
  CHECK(is<Refused>(cluster_step("free", {{"", "bash", taken}})));
}

TEST_CASE("vip-manager: balancers that left the spec are waited for, not taken for strangers") {
  Spec wished = spec();
  wished.cluster_vip = "10.77.0.100";
  ClusterView view = cluster(wished);
  const TopologyHost lb1{.name = "lb1", .address = "10.77.0.21", .datacenter = {}, .roles = {Role::balancer}, .patroni_tags = {}, .access = {}};
  const auto free = [&] {
    return decide(vip_manager_component()->cluster_steps(view), "cluster/vip-manager/free",
                  {{"pg1", "bash", Output{.out = "lladdr 86:50:3e:81:c7:2e REACHABLE \n"}}});
  };
  for (const bool prune : {false, true}) {
    (prune ? view.pruned : view.left) = {lb1};
    (prune ? view.left : view.pruned).clear();
    const Decision decision = free();
    REQUIRE(is<Later>(decision));
    CHECK(std::get<Later>(decision).until.find("(lb1)") != std::string::npos);
  }
  const std::string stopped = "lb1/keepalived/remove:unit:keepalived.service";
  const Steps all = parallel(make_step(stopped, {}), vip_manager_component()->cluster_steps(view));
  CHECK(all.before("cluster/vip-manager/free") == std::vector<std::string>{stopped});
  // A database host that left the spec, or a balancer that is forgotten, is no reason to wait.
  view.pruned.clear();
  view.left = {{.name = "pg9", .address = "10.77.0.19", .datacenter = {}, .roles = {Role::postgres}, .patroni_tags = {}, .access = {}}};
  CHECK(is<Refused>(free()));
  view.left.clear();
  // An address for good is Keepalived's, where that is about to go.
  const auto given = [&] { return decide(vip_manager_component()->cluster_steps(view), "cluster/vip-manager/held", {{"pg1", "ip ", held}}); };
  CHECK(is<Refused>(given()));
  view.facts["pg1"].owned = {{"unit:keepalived.service", "pg1/keepalived/service"}};
  CHECK(is<Done>(given()));
}
