#include "component/haproxy/haproxy.hpp"

#include "component/patroni/patroni.hpp"
#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

Spec balanced(const std::string& confd = "") {
  Spec wished = spec();
  wished.with_haproxy_load_balancing = true;
  wished.confd_binary.path = confd;
  return wished;
}

NodeView node(const ClusterView& view, const std::string& host = "pg1") { return {view, view.topology.host(host), view.facts.at(host)}; }

// Its page of statistics, with its mark before it.
Output page(const std::string& mark, const std::string& rows) {
  return {.out = mark + "\n# pxname,svname,qcur,status\nmaster,FRONTEND,0,OPEN\n" + rows + "master,BACKEND,0,UP\n"};
}

// As etcd's gateway answers: /service/postgres-cluster/members/pg1 and pg2.
const Output two_members{.out = R"({"header":{"revision":"7"},"kvs":[{"key":"L3NlcnZpY2UvcG9zdGdyZXMtY2x1c3Rlci9tZW1iZXJzL3BnMg=="},
                                  {"key":"L3NlcnZpY2UvcG9zdGdyZXMtY2x1c3Rlci9tZW1iZXJzL3BnMQ=="}]})"};

}  // namespace

TEST_CASE("haproxy: the files of a host") { golden_files(haproxy_component(), "haproxy"); }

TEST_CASE("haproxy: every answer has a decision") {
  total(steps(haproxy_component(), cluster(balanced()), "pg1"));
  total(steps(haproxy_component(), cluster(balanced("/opt/confd")), "pg1"));
}

TEST_CASE("haproxy: only on balancers") {
  CHECK(steps(haproxy_component(), cluster(spec()), "pg1").empty());
  Spec apart = balanced();
  apart.hosts.push_back({.name = "lb1", .address = "10.77.0.21", .roles = {Role::balancer}});
  CHECK(steps(haproxy_component(), cluster(apart), "pg1").empty());
  CHECK_FALSE(steps(haproxy_component(), cluster(apart), "lb1").empty());
}

TEST_CASE("haproxy: its file is written when it takes it, and refused in its own words when not") {
  const ClusterView view = cluster(balanced());
  const Steps all = steps(haproxy_component(), view, "pg1");
  const std::string wished = haproxy_config(node(view));
  const auto config = [&](const Answer& present, const Answer& check) {
    return decide(all, "pg1/haproxy/config", {{"pg1", haproxy_file, present}, {"pg1", "haproxy -c", check}});
  };
  CHECK(is<Done>(config(File{.content = wished}, Output{})));
  const Decision drifted = config(File{.content = "another\n"}, Output{});
  REQUIRE(is<Change>(drifted));
  CHECK(std::get<Change>(drifted).action == Action::update);
  const auto& todo = std::get<Change>(drifted).todo;
  REQUIRE(todo.size() == 2);
  CHECK(std::get<Run>(todo[0].what).argv == std::vector<std::string>{"haproxy", "-c", "-f", "/dev/stdin"});
  CHECK(std::get<Run>(todo[0].what).input.reveal() == wished);
  CHECK(std::get<WriteFile>(todo[1].what).content.reveal() == wished);
  REQUIRE(todo[1].was);
  // Not installed yet: then the check just before the file is written decides.
  CHECK(is<Change>(config(Absent{}, Output{.status = 127})));
  const Output bad{.status = 1,
                   .err =
                       "[NOTICE]   (7) : haproxy version is 3.0.11\n[ALERT]    (7) : config : parsing [/dev/stdin:93] : unknown keyword 'lisen'\n"
                       "[ALERT]    (7) : config : Fatal errors found in configuration.\n"};
  const std::string why = message(config(File{.content = "another\n"}, bad));
  CHECK_MESSAGE(why.find("does not take the configuration: config : parsing [/dev/stdin:93] : unknown keyword 'lisen'\n") != std::string::npos, why);
  CHECK(why.find("haproxy_extra") != std::string::npos);
  CHECK(is<Refused>(config(Unreadable{"no"}, Output{})));
}

TEST_CASE("haproxy: all that its file says is a reload; a stranger's HAProxy stays") {
  ClusterView view = cluster(balanced());
  const Steps all = steps(haproxy_component(), view, "pg1");
  Unit unit{.active = "active", .enabled = true, .pid = 7, .load_files_current = false};
  const auto service = [&] { return decide(all, "pg1/haproxy/service", {{"pg1", "haproxy.service", unit}}); };
  CHECK(std::get<Change>(service()).impact == Impact::reload);
  const auto stranger = [&](const std::string& content) {
    return decide(all, "pg1/haproxy/stranger", {{"pg1", "haproxy.service", unit}, {"pg1", haproxy_file, File{.content = content}}});
  };
  CHECK(message(stranger("global\n")).find("pg1 runs a HAProxy that pgcluster has not set up") != std::string::npos);
  CHECK(is<Done>(stranger(haproxy_config(node(view)))));
  CHECK(is<Done>(decide(all, "pg1/haproxy/stranger")));
  unit.active = "inactive";
  CHECK(is<Done>(stranger("global\n")));
}

TEST_CASE("haproxy: a member that left the spec stays a server until it is pruned") {
  ClusterView view = cluster(balanced());
  CHECK(haproxy_config(node(view)).find("server pg9 ") == std::string::npos);
  view.left = {{.name = "pg9", .address = "10.77.0.19", .datacenter = {}, .roles = {Role::postgres}, .patroni_tags = {}, .access = {}}};
  CHECK(haproxy_config(node(view)).find("server pg9 10.77.0.19:6432 check port 8008") != std::string::npos);
}

TEST_CASE("haproxy: it listens on all of its ports, not yet, or somebody else does") {
  const Steps all = steps(haproxy_component(), cluster(balanced()), "pg1");
  const auto listens = [&](const std::string& out) { return decide(all, "pg1/haproxy/listens", {{"pg1", "ss ", Output{.out = out}}}); };
  std::string lines;
  for (const int port : {5000, 5001, 5002, 5003})
    lines += "LISTEN 0 1 0.0.0.0:" + std::to_string(port) + " 0.0.0.0:* users:((\"haproxy\",pid=7,fd=5))\n";
  CHECK(is<Later>(listens("")));
  CHECK(std::get<Later>(listens(lines)).until.find("7000") != std::string::npos);
  const std::string statistics = lines + "LISTEN 0 1 0.0.0.0:7000 0.0.0.0:* users:((\"haproxy\",pid=7,fd=5))\n";
  CHECK(std::get<Later>(listens(statistics)).until == "HAProxy listens on 127.0.0.2:7000");  // the VIP's check needs it
  CHECK(is<Done>(listens(statistics + "LISTEN 0 1 127.0.0.2:7000 0.0.0.0:* users:((\"haproxy\",pid=7,fd=6))\n")));
  CHECK(message(listens(lines + "LISTEN 0 1 0.0.0.0:7000 0.0.0.0:* users:((\"nginx\",pid=9,fd=5))\n")).find("port 7000 of pg1, wanted for HAProxy") !=
        std::string::npos);
  CHECK(is<Later>(listens(lines + "LISTEN 0 1 0.0.0.0:7000 0.0.0.0:*\n")));
}

TEST_CASE("haproxy: it serves when it has read its file, has the right servers, and sees one leader") {
  const ClusterView view = cluster(balanced());
  const std::string mark = haproxy_mark(node(view));
  const Steps all = steps(haproxy_component(), view, "pg1");
  const auto serves = [&](const Answer& answer) { return decide(all, "pg1/haproxy/serves", {{"pg1", "curl", answer}}); };
  const std::string down = "master,pg1,0,DOWN\nmaster,pg2,0,DOWN\nmaster,pg3,0,DOWN\n";
  const std::string up = "master,pg1,0,UP\nmaster,pg2,0,DOWN\nmaster,pg3,0,DOWN 1/2\n";
  CHECK(is<Done>(serves(page(mark, up))));
  CHECK(is<Later>(serves(Output{.status = 7})));
  CHECK(is<Later>(serves(page("older", up))));
  CHECK(std::get<Later>(serves(page(mark, down))).until == "HAProxy sees the leader");
  CHECK(std::get<Later>(serves(page(mark, "master,pg1,0,UP\nmaster,pg2,0,UP\nmaster,pg3,0,DOWN\n"))).until.find("only one leader") !=
        std::string::npos);
  CHECK(std::get<Later>(serves(page(mark, "master,pg1,0,UP\n"))).until == "HAProxy's servers are pg1, pg2, pg3 (it has pg1)");
}

TEST_CASE("haproxy: where confd has written its file and nobody has reloaded it, it is reloaded") {
  Spec wished = balanced();
  wished.confd_binary = {.path = "/opt/confd"};
  const Unit runs{.active = "active", .enabled = true}, older{.active = "active", .enabled = true, .load_files_current = false};
  const auto decision = [](const ClusterView& view, const char* step, const Answer& unit) {
    return decide(steps(haproxy_component(), view, "pg1"), step, {{"pg1", "haproxy.service", unit}});
  };
  const ClusterView view = cluster(wished);
  CHECK(is<Done>(decision(view, "pg1/haproxy/service", runs)));
  CHECK(std::get<Change>(decision(view, "pg1/haproxy/service", older)).action == Action::reload);
}

TEST_CASE("haproxy: it serves when each port leads to the replicas that exist") {
  Spec wished = balanced();
  wished.synchronous_mode = true;
  const std::string master = "master,pg1,0,UP\nmaster,pg2,0,DOWN\nmaster,pg3,0,DOWN\n", replicas = "replicas,pg2,0,UP\n",
                    synchronous = "replicas_sync,pg2,0,UP\nreplicas_sync,pg3,0,DOWN\n",
                    asynchronous = "replicas_async,pg2,0,DOWN\nreplicas_async,pg3,0,UP\n";
  const auto replica = [](const std::string& more, long replayed = 5000000) {
    return Output{.out = R"({"state":"running","role":"replica","xlog":{"replayed_location":)" + std::to_string(replayed) + "}" + more + "}"};
  };
  const Output leader{.out = R"({"state":"running","role":"primary","xlog":{"location":5000000}})"};
  const std::string streams = R"(,"replication_state":"streaming")";
  Output pg2 = replica(streams + R"(,"sync_standby":true)"), pg3 = replica(streams);
  const auto awaited = [&](const std::string& rows) {
    const ClusterView view = cluster(wished);
    const Decision decision =
        decide(steps(haproxy_component(), view, "pg1"), "pg1/haproxy/serves",
               {{"pg1", ":8008/", leader}, {"pg2", ":8008/", pg2}, {"pg3", ":8008/", pg3}, {"pg1", ";csv", page(haproxy_mark(node(view)), rows)}});
    return is<Done>(decision) ? "" : std::get<Later>(decision).until;
  };
  CHECK(awaited(master + replicas + synchronous + asynchronous) == "");
  CHECK(awaited(master + synchronous + asynchronous) == "port 5001 leads to a replica (pg2, pg3)");
  CHECK(awaited(master + replicas + asynchronous) == "port 5002 leads to a synchronous replica (pg2)");
  CHECK(awaited(master + replicas + synchronous) == "port 5003 leads to an asynchronous replica (pg3)");
  SUBCASE("a port without a replica is not awaited") {
    pg2 = pg3 = replica(streams);
    CHECK(awaited(master + replicas + asynchronous) == "");
    pg2 = pg3 = replica(streams + R"(,"sync_standby":true)");
    CHECK(awaited(master + replicas + synchronous) == "");
  }
  SUBCASE("nor one whose replica does not stream, or is far behind") {
    pg3 = replica("");
    CHECK(awaited(master + replicas + synchronous) == "");
    pg3 = replica(streams, 3000000);
    CHECK(awaited(master + replicas + synchronous) == "");
  }
  SUBCASE("nor a port that the spec turns off") {
    wished.haproxy_listen_port.replicas_async = 0;
    CHECK(awaited(master + replicas + synchronous) == "");
  }
  SUBCASE("a replica tagged noloadbalance is awaited as a synchronous one only") {
    wished.hosts[1].patroni_tags = wished.hosts[2].patroni_tags = {{"noloadbalance", "true"}};
    CHECK(awaited(master) == "port 5002 leads to a synchronous replica (pg2)");
    CHECK(awaited(master + synchronous) == "");
  }
}

TEST_CASE("haproxy: with confd its servers are Patroni's members, and who joins by this plan is waited for") {
  ClusterView view = cluster(balanced("/opt/confd"));
  for (auto& [host, facts] : view.facts) facts.owned = {{"file:/etc/patroni/config.yml", host + "/patroni/config"}};
  const std::string mark = haproxy_mark(node(view));
  const auto serves = [&](const Answer& members) {
    return decide(steps(haproxy_component(), view, "pg1"), "pg1/haproxy/serves",
                  {{"pg1", ";csv", page(mark, "master,pg1,0,UP\nmaster,pg2,0,DOWN\n")}, {"pg1", "/members/", members}});
  };
  CHECK(is<Done>(serves(two_members)));  // pg3 is described, and down: its key is gone
  CHECK(std::get<Later>(serves(Output{.status = 1})).until == "etcd says who Patroni's members are");
  CHECK(std::get<Later>(serves(Output{.out = R"({"header":{}})"})).until.find("nobody (it has pg1, pg2)") != std::string::npos);
  view.facts["pg3"].owned.clear();
  CHECK(std::get<Later>(serves(two_members)).until == "pg3 is a member of Patroni's");
}

TEST_CASE("haproxy: confd's file counts when it comes from the present template") {
  const ClusterView view = cluster(balanced("/opt/confd"));
  const Steps all = steps(haproxy_component(), view, "pg1");
  const auto rendered = [&](const Answer& file, const Answer& unit = Unit{.active = "active"}) {
    return decide(all, "pg1/haproxy/rendered", {{"pg1", haproxy_file, file}, {"pg1", "confd.service", unit}});
  };
  CHECK(is<Done>(rendered(File{.content = "… string \"" + haproxy_mark(node(view)) + "\\n\" …"})));
  CHECK(is<Later>(rendered(File{.content = "Debian's own"})));
  CHECK(is<Later>(rendered(Absent{})));
  CHECK(message(rendered(Absent{}, Unit{.active = "failed"})).find("confd has died") != std::string::npos);
}

TEST_CASE("haproxy: whoever holds the VIP is disturbed last") {
  Spec wished = balanced();
  wished.cluster_vip = "10.77.0.100";
  const Order order = holder_last(cluster(wished));
  REQUIRE(order.asks.size() == 3);
  Answers answers;
  answers.set(order.asks[0], Output{.out = "2: eth1 inet 10.77.0.100/32"});
  answers.set(order.asks[1], Output{});
  answers.set(order.asks[2], Unreadable{"no"});
  CHECK(order.order(answers) == std::vector<std::string>{"pg2", "pg3", "pg1"});
  CHECK(holder_last(cluster(balanced())).asks.empty());
}
