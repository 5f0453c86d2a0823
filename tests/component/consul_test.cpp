#include "component/consul/consul.hpp"

#include "component/patroni/patroni.hpp"
#include "op/ask.hpp"

#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

Spec consul_spec(int hosts = 3) {
  Spec wished = spec(hosts);
  wished.dcs_type = DcsType::consul;
  return wished;
}
Spec with_client() {
  Spec wished = consul_spec();
  wished.hosts.push_back({.name = "app1", .address = "10.77.0.21", .roles = {Role::consul_client}});
  return wished;
}
Spec federated() {
  Spec wished = consul_spec();
  wished.consul_layout = ConsulLayout::federated;
  for (HostSpec& host : wished.hosts) host.roles = {Role::postgres, Role::consul};
  wished.hosts[2].datacenter = "dc2";
  return wished;
}

Output said(const std::string& body, int status = 200) { return {.out = body + "\n" + std::to_string(status)}; }

struct Peer {
  std::string name;
  bool leads = false, voter = true, healthy = true;
};
// As Consul 1.8 prints it.
Output health(const std::vector<Peer>& peers) {
  std::string out = R"({"Healthy":true,"FailureTolerance":1,"Servers":[)";
  for (const Peer& peer : peers)
    out += std::string(&peer == &peers.front() ? "" : ",") + R"({"ID":"x","Name":")" + peer.name +
           R"(","Address":"10.77.0.11:8300","SerfStatus":"alive","Leader":)" + (peer.leads ? "true" : "false") + R"(,"Voter":)" +
           (peer.voter ? "true" : "false") + R"(,"Healthy":)" + (peer.healthy ? "true" : "false") + "}";
  return said(out + "]}", 429);
}

Steps together(const ClusterView& view) { return consul_component()->cluster_steps(view); }
const Change& changed(const Decision& decision) {
  REQUIRE(is<Change>(decision));
  return std::get<Change>(decision);
}
std::string sent(const Decision& decision) {
  const auto& run = std::get<Run>(changed(decision).todo.at(0).what);
  return run.argv.at(run.argv.size() - 4) + " " + run.argv.back() + " " + run.input.reveal();
}

}  // namespace

TEST_CASE("consul: the files of a host") { golden_files(consul_component(), "consul"); }

TEST_CASE("consul: only a server's certificate has the name by which others look for servers") {
  const auto need = [](const Spec& wished, const std::string& host) {
    const ClusterView view = cluster(wished);
    return consul_component()->needs(NodeView{view, view.topology.host(host), view.facts.at(host)}).certificates;
  };
  const CertificateNeed agent{.name = "consul", .account = "consul", .asks = true, .after = "account"};
  CertificateNeed server = agent;
  server.names = {"server.dc1.consul"};
  CHECK(need(with_client(), "pg1") == std::vector{server});
  CHECK(need(with_client(), "app1") == std::vector{agent});
  server.names = {"server.dc2.consul"};
  CHECK(need(federated(), "pg3") == std::vector{server});
  Spec plain = with_client();
  plain.tls_cert_generate = false;
  CHECK(need(plain, "pg1").empty());
}

TEST_CASE("consul: without TLS all is asked in the clear, on the other port") {
  Spec plain = consul_spec();
  CHECK(consul_url(plain, "/v1/query") == "https://127.0.0.1:8501/v1/query");
  CHECK(consul_command(cluster(plain))
            .ends_with("CONSUL_CLIENT_KEY=/etc/pgcluster/tls/consul.key CONSUL_HTTP_TOKEN_FILE=/etc/pgcluster/consul.token consul"));
  plain.tls_cert_generate = false;
  CHECK(consul_url(plain, "/v1/query") == "http://127.0.0.1:8500/v1/query");
  CHECK(consul_command(cluster(plain)) == "consul");
  const Ask ask = consul_leader_ask(cluster(plain), "pg1");
  CHECK(std::get<Exec>(ask.what).argv ==
        std::vector<std::string>{"curl", "-s", "-m", "5", "-w", "\\n%{http_code}", "http://127.0.0.1:8500/v1/status/leader"});
  CHECK(sent(decide(together(cluster(plain)), "cluster/consul/query-dc1", {{"pg1", "/v1/query", said("[]")}}))
            .starts_with("POST http://127.0.0.1:8500/v1/query "));
}

TEST_CASE("consul: an agent goes over from plain to TLS, and back, by way of taking both") {
  const auto written = [](const Decision& decision) { return std::get<WriteFile>(changed(decision).todo.at(0).what).content.reveal(); };
  const auto has = [](const std::string& text, bool http, bool https, bool incoming, bool outgoing) {
    const auto says = [&](const char* key, bool is) { return text.find(std::string(key) + "\": " + (is ? "true" : "false")) != std::string::npos; };
    if (!https) return text.find("\"https\"") == std::string::npos && text.find("verify_") == std::string::npos && http;
    return (text.find("\"http\": -1") == std::string::npos) == http && text.find("\"https\": 8501") != std::string::npos &&
           says("verify_incoming", incoming) && says("verify_server_hostname", incoming) && says("verify_outgoing", outgoing);
  };
  for (const bool tls : {true, false}) {
    Spec wished = consul_spec();
    wished.tls_cert_generate = tls;
    ClusterView view = cluster(wished);
    for (auto& [host, facts] : view.facts) {
      facts.owned = {{"unit:consul.service", "x"}};
      if (!tls) facts.owned.push_back({"file:/etc/pgcluster/tls/authority.crt", "x"});
    }
    const auto step = [&](const std::string& name, const std::string& content) {
      return decide(steps(consul_component(), view, "pg1"), "pg1/consul/" + name,
                    {{"pg1", consul_agent_file, File{.content = content, .mode = 0640, .group = "consul"}}});
    };
    const std::string open = written(step("config", "{}")), turned = written(step("turn", open)), closed = written(step("close", turned));
    CHECK(has(open, true, true, false, !tls));
    CHECK(has(turned, true, true, false, tls));
    CHECK(has(closed, !tls, tls, tls, tls));
    CHECK(describe(changed(step("turn", open)).todo.back()) == "reload consul.service");
    CHECK(describe(changed(step("close", turned)).todo.back()) == "restart consul.service");
    // One that was interrupted goes on from where it is.
    for (const std::string& further : {turned, closed}) CHECK(is<Done>(step("config", further)));
    CHECK(is<Done>(step("turn", closed)));
    // Until all is closed, Patroni may answer in either way.
    const std::string services = written(step("services", ""));
    CHECK(services.find("https://10.77.0.11:8008/primary") != std::string::npos);
    CHECK(services.find("http://10.77.0.11:8008/primary") != std::string::npos);
  }
}

TEST_CASE("consul: every answer has a decision") {
  for (const Spec& wished : {with_client(), federated()}) {
    ClusterView view = cluster(wished);
    for (const TopologyHost& host : view.topology.hosts) total(steps(consul_component(), view, host.name));
    total(together(view));
    for (auto& [host, facts] : view.facts) facts.owned = {{"unit:consul.service", "x"}};
    for (const TopologyHost& host : view.topology.hosts) total(steps(consul_component(), view, host.name));
  }
}

TEST_CASE("consul: without dcs_type consul there is nothing of it") {
  CHECK(steps(consul_component(), cluster(spec()), "pg1").empty());
  CHECK(together(cluster(spec())).empty());
  CHECK(secret_names(consul_component(), spec()).empty());
}

TEST_CASE("consul: a stranger's data or port is refused before anything is installed") {
  ClusterView view = cluster(with_client());
  const Answer data = File{.content = ""};
  for (const char* step : {"stranger", "config"}) {
    const auto told = [&](const std::string& host, const std::vector<Bent>& bents) {
      return message(decide(steps(consul_component(), view, host), host + "/consul/" + step, bents));
    };
    CHECK(told("pg1", {{"pg1", "/var/lib/consul/node-id", data}}).find("that pgcluster has not made") != std::string::npos);
    const Output nginx{.out = R"(tcp LISTEN 0 4096 127.0.0.1:8600 0.0.0.0:* users:(("nginx",pid=71,fd=7)))"};
    CHECK(told("app1", {{"app1", "ss ", nginx}}).find("port 8600 on app1, wanted for Consul, is taken by nginx") != std::string::npos);
    const Output consul{.out = R"(udp UNCONN 0 0 10.77.0.11:8301 0.0.0.0:* users:(("consul",pid=71,fd=7)))"};
    CHECK(told("pg1", {{"pg1", "ss ", consul}}).find("is taken by consul, which pgcluster has not set up") != std::string::npos);
    // One of ours that is being made has its file before its data.
    const std::vector<Bent> ours{{"pg1", "ss ", consul}, {"pg1", "/var/lib/consul/node-id", data}, {"pg1", consul_agent_file, File{.content = "{}"}}};
    CHECK(told("pg1", ours).empty());
  }
  const Steps all = steps(consul_component(), view, "pg1");
  CHECK(all.before("pg1/consul/packages") == std::vector<std::string>{"pg1/consul/stranger"});
}

TEST_CASE("consul: a server is healthy when Raft has just the described ones, and it votes and is up to date") {
  const Steps all = steps(consul_component(), cluster(consul_spec()), "pg1");
  const auto healthy = [&](const Answer& answer) { return decide(all, "pg1/consul/healthy", {{"pg1", "autopilot/health", answer}}); };
  CHECK(is<Done>(healthy(health({{"pg1"}, {"pg2", true}, {"pg3", false, true, false}}))));
  CHECK(is<Later>(healthy(health({{"pg1", false, false}, {"pg2", true}, {"pg3"}}))));
  CHECK(is<Later>(healthy(health({{"pg1", false, true, false}, {"pg2", true}, {"pg3"}}))));
  CHECK(is<Later>(healthy(said("No cluster leader", 500))));
  CHECK(is<Later>(healthy(Output{.status = 7, .out = "\n000"})));
  CHECK(message(healthy(health({{"pg1"}, {"pg2", true}}))).find("Consul's servers are pg1, pg2, and the spec places them on pg1, pg2, pg3") !=
        std::string::npos);
  CHECK(message(healthy(health({{"pg1"}, {"pg2", true}}))).find("\n  pg1: roles: [postgres, consul]") != std::string::npos);
}

TEST_CASE("consul: names are up to date once the servers have what the host's agent has found") {
  struct Check {
    std::string id, here, there, output = "200 OK";
  };
  // As Consul 1.8 prints them.
  const auto answer = [](const std::vector<Check>& checks, const std::string& alive = "passing") {
    std::string agent, servers = R"({"CheckID":"serfHealth","Status":")" + alive + R"(","Output":"Agent not live or unreachable","ServiceID":""})";
    for (const Check& one : checks) {
      const std::string words =
          R"("CheckID":")" + one.id + R"(","Name":"Patroni says /)" + one.id + R"(","Output":")" + one.output + R"(","ServiceID":"s","Status":")";
      agent += (agent.empty() ? "" : ",") + ('"' + one.id + R"(":{)" + words + one.here + "\"}");
      if (!one.there.empty()) servers += ",{" + words + one.there + "\"}";
    }
    return Output{.out = "{" + agent + "}\n200\n[" + servers + "]\n200\n"};
  };
  const auto told = [](const Output& output) {
    const auto problem = read_consul_names("pg1", output);
    return problem ? problem->message : "";
  };
  const Check leads{"primary", "critical", "critical", "503"}, follows{"replica", "passing", "passing"};
  CHECK(told(answer({leads, follows})).empty());
  // The host is back, and the servers still have what it was before its death.
  CHECK(told(answer({{"primary", "critical", "passing"}, follows})) ==
        R"(Consul's names are not up to date about pg1: the check "Patroni says /primary" is critical there, and its servers have passing)");
  CHECK(told(answer({leads, {"replica", "passing", "critical"}})).ends_with("is passing there, and its servers have critical"));
  CHECK(told(answer({leads, {"replica", "passing", ""}})).ends_with("its servers have nothing"));
  CHECK(told(answer({leads, {"replica", "critical", "critical", ""}})).find("has not run its check") != std::string::npos);
  CHECK(told(answer({leads, follows}, "critical")).find("take the host for dead (Agent not live or unreachable)") != std::string::npos);
  // Others tell of these.
  CHECK(told(Output{.status = 7}).empty());
  CHECK(told(Output{.out = "{}\n200\nNo cluster leader\n500\n"}).empty());
  CHECK(told(Output{.out = "{}\n200\n"}).empty());
  CHECK(told(Output{.out = "[]\n200\n{}\n200\n"}).empty());

  const Steps all = steps(consul_component(), cluster(with_client()), "pg1");
  CHECK(is<Later>(decide(all, "pg1/consul/names", {{"pg1", "health/node/pg1", answer({{"primary", "critical", "passing"}, follows})}})));
  CHECK(is<Done>(decide(all, "pg1/consul/names", {{"pg1", "health/node/pg1", answer({leads, follows})}})));
}

TEST_CASE("consul: a server that is left out may be forgotten by the others") {
  ClusterView view = cluster(consul_spec());
  const Answer two = health({{"pg2", true}, {"pg3"}});
  const auto healthy = [&] { return decide(steps(consul_component(), view, "pg2"), "pg2/consul/healthy", {{"pg2", "autopilot/health", two}}); };
  CHECK(message(healthy()).find("Consul's servers are pg2, pg3") != std::string::npos);
  view.without = {"pg1"};
  CHECK(is<Done>(healthy()));
}

TEST_CASE("consul: an agent does not change its datacenter") {
  ClusterView view = cluster(consul_spec());
  for (auto& [host, facts] : view.facts) facts.owned = {{"unit:consul.service", "x"}};
  const auto config = [&](const std::string& datacenter) {
    return decide(steps(consul_component(), view, "pg1"), "pg1/consul/config",
                  {{"pg1", consul_agent_file, File{.content = "{\"datacenter\":\"" + datacenter + "\"}"}}});
  };
  CHECK(message(config("paris")).find("Consul on pg1 belongs to the datacenter paris, and the spec says dc1") != std::string::npos);
  CHECK(message(config("dc1")).empty());
}

TEST_CASE("consul: an agent that is no server is healthy when it knows who leads") {
  const Steps all = steps(consul_component(), cluster(with_client()), "app1");
  const auto healthy = [&](const Answer& answer) { return decide(all, "app1/consul/healthy", {{"app1", "status/leader", answer}}); };
  CHECK(is<Done>(healthy(said("\"10.77.0.11:8300\""))));
  CHECK(is<Later>(healthy(said("\"\""))));
  CHECK(is<Later>(healthy(Output{.status = 7})));
}

TEST_CASE("consul: agents are restarted first, then servers, Raft's leader last, and never below the quorum") {
  const ClusterView view = cluster(with_client());
  const Order order = steps(consul_component(), view, "pg1").orders().at("consul");
  const auto turn = [&](const std::vector<Peer>& peers, const std::set<std::string>& silent) {
    Answers answers;
    for (const Ask& ask : order.all_asks()) answers.set(ask, silent.contains(ask.at) ? Answer(Output{.status = 7}) : Answer(health(peers)));
    return order.order(answers);
  };
  CHECK(turn({{"pg1", true}, {"pg2"}, {"pg3"}}, {}) == std::vector<std::string>{"app1", "pg2", "pg3", "pg1"});
  CHECK(turn({{"pg1"}, {"pg2"}, {"pg3", true}}, {}) == std::vector<std::string>{"app1", "pg1", "pg2", "pg3"});
  // One that does not serve is the only one that may be disturbed.
  CHECK(turn({{"pg1", true}, {"pg2"}, {"pg3", false, true, false}}, {"pg3"}) == std::vector<std::string>{"app1", "pg3"});
  CHECK(turn({{"pg1", true}, {"pg2", false, false}, {"pg3"}}, {}) == std::vector<std::string>{"app1", "pg2"});
}

TEST_CASE("consul: dead servers stay in the catalog") {
  const Steps all = together(cluster(consul_spec()));
  const auto autopilot = [&](const Answer& answer) { return decide(all, "cluster/consul/autopilot-dc1", {{"", "autopilot/configuration", answer}}); };
  CHECK(is<Done>(autopilot(said(R"({"CleanupDeadServers":false,"ModifyIndex":4})"))));
  const Decision decision = autopilot(said(R"({"CleanupDeadServers":true,"ModifyIndex":4})"));
  CHECK(std::get<Run>(changed(decision).todo.at(0).what).argv ==
        std::vector<std::string>{"env", "CONSUL_HTTP_ADDR=https://127.0.0.1:8501", "CONSUL_CACERT=/etc/pgcluster/tls/authority.crt",
                                 "CONSUL_CLIENT_CERT=/etc/pgcluster/tls/consul.crt", "CONSUL_CLIENT_KEY=/etc/pgcluster/tls/consul.key",
                                 "CONSUL_HTTP_TOKEN_FILE=/etc/pgcluster/consul.token", "/usr/bin/consul", "operator", "autopilot", "set-config",
                                 "-cleanup-dead-servers=false"});
  CHECK(is<Later>(autopilot(said("No cluster leader", 500))));
  Spec apart = consul_spec();
  for (int i = 1; i <= 3; ++i)
    apart.hosts.push_back({.name = "c" + std::to_string(i), .address = "10.77.0.3" + std::to_string(i), .roles = {Role::consul}});
  const Steps dedicated = together(cluster(apart));
  const auto nodes = dedicated.nodes();
  CHECK(std::any_of(nodes.begin(), nodes.end(), [](const Steps::Node& one) { return one.step->name() == "cluster/consul/autopilot-dc1"; }));
}

TEST_CASE("consul: the name that follows the leader everywhere") {
  const Steps all = together(cluster(federated()));
  const auto query = [&](const Answer& answer) { return decide(all, "cluster/consul/query-dc2", {{"pg3", "/v1/query", answer}}); };
  const std::string there =
      R"({"ID":"e1","Name":"postgres-cluster-master","Session":"","Service":{"Service":"postgres-cluster","Failover":{"NearestN":0,)"
      R"("Datacenters":["dc1"]},"OnlyPassing":true,"Near":"","Tags":["master"],"NodeMeta":null},"DNS":{"TTL":"0s"}})";
  CHECK(is<Done>(query(said("[" + there + "]"))));
  CHECK(sent(query(said("[]"))).starts_with("POST https://127.0.0.1:8501/v1/query {\"Name\":\"postgres-cluster-master\""));
  std::string other = there;
  other.replace(other.find("dc1"), 3, "dc7");
  CHECK(sent(query(said("[" + other + "]"))).starts_with("PUT https://127.0.0.1:8501/v1/query/e1 "));
}

TEST_CASE("consul: federated, the home's catalog knows the hosts of the others, and only one datacenter has a state") {
  const Steps all = together(cluster(federated()));
  const auto catalog = [&](const Answer& answer) { return decide(all, "cluster/consul/catalog", {{"", "catalog/nodes", answer}}); };
  CHECK(is<Done>(catalog(said(R"([{"Node":"pg1","Address":"10.77.0.11"},{"Node":"pg3","Address":"10.77.0.13"}])"))));
  const std::string put = R"(PUT https://127.0.0.1:8501/v1/catalog/register {"Datacenter":"dc1","Node":"pg3","Address":"10.77.0.13",)"
                          R"("NodeMeta":{"external-node":"true"}})";
  CHECK(sent(catalog(said("[]"))) == put);
  CHECK(sent(catalog(said(R"([{"Node":"pg3","Address":"10.77.0.99"}])"))) == put);
  const auto state = [&](const Answer& answer) { return decide(all, "cluster/consul/one-state-dc2", {{"pg3", "/v1/kv/", answer}}); };
  CHECK(is<Done>(state(said("", 404))));
  CHECK(is<Later>(state(Output{.status = 7})));
  CHECK(message(state(said(R"(["service/postgres-cluster/leader"])"))).find("federated datacenters do not share their KV") != std::string::npos);
  for (const Steps::Node& one : together(cluster(consul_spec())).nodes()) CHECK(one.step->name().find("catalog") == std::string::npos);
}

TEST_CASE("consul: federated, what the DCS knows of the former data is removed where the cluster's state is") {
  const auto removed = [](const Spec& wished) {
    const auto view = std::make_shared<const ClusterView>(cluster(wished));
    const StepPtr step = patroni::forget_step(view, "pg3", {"", "pgbackrest", "restore-dcs"});
    Answers answers;
    answers.set(step->asks().at(0),
                said(R"(["service/postgres-cluster/leader","service/postgres-cluster/members/pg1","service/postgres-cluster/sync"])"));
    const Decision decision = step->decide(answers);
    const Change& change = changed(decision);
    REQUIRE(change.todo.size() == 2);
    // What comes after it waits until they were seen to have gone.
    CHECK(std::get<Run>(change.todo[1].what).slow);
    const auto& argv = std::get<Run>(change.todo[0].what).argv;
    CHECK(argv.at(5) == "DELETE");
    return argv.back();
  };
  CHECK(removed(federated()) == "https://127.0.0.1:8501/v1/kv/service/postgres-cluster/leader?dc=dc1");
  CHECK(removed(consul_spec()) == "https://127.0.0.1:8501/v1/kv/service/postgres-cluster/leader");
}

TEST_CASE("consul: a view without facts asks by a token, and without one where there is none") {
  ClusterView view = cluster(consul_spec());
  view.facts.clear();
  const Ask ask = consul_leader_ask(view, "pg1");
  const std::vector<std::string>& words = std::get<Exec>(ask.what).argv;
  CHECK(std::count(words.begin(), words.end(), "https://127.0.0.1:8501/v1/status/leader") == 2);
  CHECK(std::count(words.begin(), words.end(), "@/etc/pgcluster/consul.header") == 2);  // with TLS and without
  CHECK(first_call(words).back() == "https://127.0.0.1:8501/v1/status/leader");
  const std::vector<std::string> with_token = first_call(words);
  CHECK(std::count(with_token.begin(), with_token.end(), "@/etc/pgcluster/consul.header") == 1);
}

TEST_CASE("consul: *.consul by the resolver that the host uses") {
  const auto dns = [&](ConsulDns key, const std::vector<Bent>& bents) {
    Spec wished = with_client();
    wished.consul_dns = key;
    return decide(steps(consul_component(), cluster(wished), "app1"), "app1/consul/dns", bents);
  };
  const auto writes = [](const Decision& decision) {
    std::vector<std::string> what;
    for (const Do& d : changed(decision).todo) what.push_back(describe(d));
    return what;
  };
  const Unit runs{.active = "active", .enabled = true, .start_files_current = false};
  CHECK(writes(dns(ConsulDns::automatic, {{"app1", "state of systemd-resolved.service", runs}})) ==
        std::vector<std::string>{"write /etc/systemd/resolved.conf.d/pgcluster-consul.conf",
                                 "write /etc/systemd/system/systemd-resolved.service.d/50-pgcluster.conf", "restart systemd-resolved.service"});
  CHECK(writes(dns(ConsulDns::automatic, {{"app1", "state of dnsmasq.service", runs}})).at(0) == "write /etc/dnsmasq.d/pgcluster-consul.conf");
  CHECK(writes(dns(ConsulDns::dnsmasq, {})).at(0) == "apt install dnsmasq");
  const Answer elsewhere = File{.content = "search example.org\nnameserver 10.0.0.2\n"}, here = File{.content = "nameserver 127.0.0.1\n"};
  CHECK(message(dns(ConsulDns::dnsmasq, {{"app1", "/etc/resolv.conf", elsewhere}})).find("names 10.0.0.2, so that nothing there would ask dnsmasq") !=
        std::string::npos);
  CHECK(writes(dns(ConsulDns::dnsmasq, {{"app1", "/etc/resolv.conf", here}})).at(0) == "apt install dnsmasq");
  CHECK(message(dns(ConsulDns::systemd_resolved, {{"app1", "/etc/resolv.conf", elsewhere}}))
            .find("names 10.0.0.2, and the package systemd-resolved would") != std::string::npos);
  CHECK(writes(dns(ConsulDns::systemd_resolved, {{"app1", "/etc/resolv.conf", here}})).at(0).starts_with("apt install systemd-resolved"));
  CHECK(message(dns(ConsulDns::automatic, {})).find("uses neither systemd-resolved nor dnsmasq") != std::string::npos);
  const Output named{.out = R"(UNCONN 0 0 0.0.0.0:53 0.0.0.0:* users:(("named",pid=71,fd=7)))"};
  CHECK(message(dns(ConsulDns::automatic, {{"app1", "ss ", named}})).find("port 53 of app1 is taken by named") != std::string::npos);
  CHECK(message(dns(ConsulDns::dnsmasq, {{"app1", "ss ", named}})).find("port 53 of app1, wanted for dnsmasq, is taken by named") !=
        std::string::npos);
  const Output global{.out = "Global: 10.0.0.2 127.0.0.1:8600\nLink 2 (eth0): 10.0.0.3\n"};
  CHECK(message(dns(ConsulDns::automatic, {{"app1", "state of systemd-resolved.service", runs}, {"app1", "resolvectl", global}}))
            .find("name servers for all links (10.0.0.2)") != std::string::npos);
  CHECK(is<Later>(dns(ConsulDns::automatic, {{"app1", "state of dnsmasq.service", Unit{.active = "activating"}}})));
  // In the middle of its restart.
  const Output stub{.out = R"(UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=71,fd=7)))"};
  CHECK(message(dns(ConsulDns::automatic, {{"app1", "state of systemd-resolved.service", Unit{.active = "inactive", .enabled = true}},
                                           {"app1", "resolved.conf.d/pgcluster-consul.conf", File{.content = "x"}},
                                           {"app1", "ss ", stub}}))
            .empty());
  Spec none = with_client();
  none.hosts.back().consul_dns = ConsulDns::none;
  for (const Steps::Node& one : steps(consul_component(), cluster(none), "app1").nodes()) CHECK(one.step->name() != "app1/consul/dns");
  // Hosts that do not say that they are clients keep their DNS as it is.
  for (const Steps::Node& one : steps(consul_component(), cluster(with_client()), "pg1").nodes()) CHECK(one.step->name() != "pg1/consul/dns");
}

TEST_CASE("consul: a host that was a server stays one") {
  ClusterView view = cluster(consul_spec(4));
  Spec before = consul_spec(4);
  for (std::size_t i : {0u, 1u, 3u}) before.hosts[i].roles = {Role::postgres, Role::consul};
  before.hosts[2].roles = {Role::postgres};
  view.facts["pg4"].cluster = cluster_file(resolve(before));
  view.facts["pg4"].owned = {{"unit:consul.service", "pg4/consul/service"}};
  CHECK(message(decide(steps(consul_component(), view, "pg4"), "pg4/consul/stays")).find("Consul's servers are pg4") != std::string::npos);
}

namespace {

// Agents that run, of a cluster that began with tokens, or without.
ClusterView begun(bool with_tokens, Spec wished = with_client()) {
  ClusterView view = cluster(std::move(wished));
  for (auto& [host, facts] : view.facts) {
    facts.owned = {{"unit:consul.service", host + "/consul/service"}, {"file:/etc/pgcluster/tls/authority.crt", host + "/certificates/authority"}};
    if (with_tokens) facts.owned.push_back({"file:/var/lib/pgcluster/consul-tokens", host + "/consul/tokens-mark"});
  }
  return view;
}

bool is_planned(const Steps& all, const std::string& name) {
  const auto nodes = all.nodes();
  return std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) { return node.step->name() == name; });
}

std::vector<Diagnostic> warned(const ClusterView& view, const std::string& host) {
  return without_consul_tokens({view, view.topology.host(host), view.facts.at(host)});
}

}  // namespace

TEST_CASE("consul: a cluster that began without tokens stays so, and is warned of; one that began with them keeps them") {
  CHECK(consul_has_tokens(cluster(with_client())));
  CHECK(consul_has_tokens(begun(true)));
  CHECK(warned(begun(true), "pg1").empty());
  Spec plain = with_client();
  plain.tls_cert_generate = false;
  CHECK_FALSE(consul_has_tokens(cluster(plain)));
  CHECK(warned(cluster(plain), "pg1").empty());
  CHECK(consul_has_tokens(begun(true, plain)));

  const ClusterView without = begun(false);
  CHECK_FALSE(consul_has_tokens(without));
  REQUIRE(warned(without, "pg1").size() == 1);
  CHECK(warned(without, "pg1").front().severity == Severity::warning);
  CHECK(warned(without, "pg2").empty());
  CHECK(warned(without, "app1").empty());
  const Steps all = steps(consul_component(), without, "pg1");
  for (const char* name : {"tokens", "token", "header", "tokens-mark"}) CHECK_FALSE(is_planned(all, std::string("pg1/consul/") + name));
  CHECK_FALSE(is_planned(together(without), "cluster/consul/tokens-dc1"));
  CHECK(std::get<Exec>(consul_leader_ask(without, "pg1").what).argv.back().ends_with("/v1/status/leader"));
  // After a kill, one agent that began with tokens, before any server did, decides for all hosts.
  ClusterView one = cluster(with_client());
  one.facts["app1"].owned = begun(true).facts.at("app1").owned;
  CHECK(consul_has_tokens(one));
}

TEST_CASE("consul: its tokens are there, or one script makes all of them") {
  const ClusterView view = begun(true);
  const auto said_by = [&](const Answer& look) { return decide(together(view), "cluster/consul/tokens-dc1", {{"pg1", "/v1/acl", look}}); };
  CHECK(is<Done>(said_by(Output{})));
  CHECK(is<Later>(said_by(Output{.status = 1})));
  CHECK(changed(said_by(Output{.out = "no policy pgcluster-patroni\n"})).reason == "Consul does not have a policy of the cluster");
  CHECK(changed(said_by(Output{.out = "another token 7067636c-1\n"})).reason == "somebody has changed a token of the cluster");
  const Output former{.out = "former token 7067636c-1\n"};
  CHECK(is<Done>(said_by(former)));
  CHECK(changed(decide(together(view), "cluster/consul/former-tokens-dc1", {{"pg1", "/v1/acl", former}})).reason ==
        "a token is there for a host that has gone");
  const Decision making = said_by(Output{.out = "no token 7067636c-1\n"});
  const auto& run = std::get<Run>(changed(making).todo.at(0).what);
  // Each program has a token of its own, which is passed only by standard input.
  std::set<std::string> tokens;
  for (const Secret& token : {consul_patroni_token(view), consul_reader_token(view), consul_agent_token(view, "pg1"), consul_agent_token(view, "pg2"),
                              consul_agent_token(view, "pg3"), consul_agent_token(view, "app1")}) {
    tokens.insert(token.value);
    CHECK(token.value.size() == 36);
    CHECK(run.input.reveal().find("\"SecretID\":\"" + token.value + "\"") != std::string::npos);
    CHECK(run.input.masked().find(token.value) == std::string::npos);
    for (const std::string& word : run.argv) CHECK(word.find(token.value) == std::string::npos);
  }
  CHECK(tokens.size() == 6);
  // An agent without PostgreSQL registers no service.
  const std::string lines = run.input.reveal();
  const auto line_of = [&](const std::string& words) {
    const auto at = lines.find(words);
    return lines.substr(lines.rfind('\n', at) + 1, lines.find('\n', at) - lines.rfind('\n', at) - 1);
  };
  CHECK(line_of("the agent on pg1")
            .ends_with(R"("Rules":"node \"pg1\" { policy = \"write\" } service \"postgres-cluster\" { policy = \"write\" } "})"));
  CHECK(line_of("the agent on app1").ends_with(R"("Rules":"node \"app1\" { policy = \"write\" } "})"));
  CHECK(line_of("Patroni's keys and sessions")
            .find(R"("Rules":"key_prefix \"service/postgres-cluster/\" { policy = \"write\" } session_prefix \"\")") != std::string::npos);
  CHECK(line_of("Patroni's keys, for reading").find("write") == std::string::npos);
}

TEST_CASE("consul: root's token allows everything on a server's host, and elsewhere no more than what runs there") {
  Spec apart = with_client();
  apart.hosts[2].roles = {Role::postgres};
  apart.hosts[0].roles = apart.hosts[1].roles = {Role::postgres, Role::consul};
  const ClusterView view = begun(true, apart);
  const auto file = [&](const std::string& host, const std::string& step) {
    return std::get<WriteFile>(changed(decide(steps(consul_component(), view, host), host + "/consul/" + step, {})).todo.at(0).what);
  };
  const std::string management = file("pg1", "token").content.reveal();
  CHECK(file("pg2", "token").content.reveal() == management);
  CHECK(file("pg1", "header").content.reveal() == "X-Consul-Token: " + management);
  CHECK(file("pg1", "token").mode == 0600);
  CHECK(file("pg3", "token").content.reveal() == consul_patroni_token(view).value + "\n");
  CHECK(file("app1", "token").content.reveal() == consul_agent_token(view, "app1").value + "\n");
  CHECK(file("pg1", "tokens").content.reveal().find("\"master\"") != std::string::npos);
  for (const char* host : {"pg3", "app1"}) CHECK(file(host, "tokens").content.reveal().find("\"master\"") == std::string::npos);
}

TEST_CASE("consul: replaced tokens come beside the former ones, and into files when the host's agent answers with them") {
  ClusterView view = begun(true);
  const auto lines_of = [&] {
    const Decision making = decide(together(view), "cluster/consul/tokens-dc1", {{"pg1", "/v1/acl", Output{.out = "no token 7067636c-1\n"}}});
    return std::get<Run>(changed(making).todo.at(0).what).input.reveal();
  };
  const std::string before = lines_of();
  CHECK(before.find("management") == std::string::npos);
  CHECK_FALSE(is_planned(steps(consul_component(), view, "pg1"), "pg1/consul/known-tokens"));
  view.rotations["consul_tokens_key"] = 1;
  view.secrets["consul_tokens_key"] = {"consul_tokens_key", "another"};
  for (auto& [host, facts] : view.facts) facts.owned.push_back({"file:/etc/pgcluster/consul.header", host + "/consul/header"});
  const std::string after = lines_of();
  CHECK(after.starts_with("management 7067636c-"));
  CHECK(after.find("{\"Name\":\"global-management\"}") != std::string::npos);
  std::istringstream lines(before);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("token 7067636c-")) CHECK_MESSAGE(after.find(line.substr(0, 42)) == std::string::npos, line);
  // The tokens are made with the token that root has now, before any file changes.
  CHECK(
      std::get<Run>(
          changed(decide(together(view), "cluster/consul/tokens-dc1", {{"pg1", "/v1/acl", Output{.out = "no token management\n"}}})).todo.at(0).what)
          .argv.at(6) == "/etc/pgcluster/consul.header");

  const Steps all = steps(consul_component(), view, "pg1");
  const auto said = [&](const Answer& answer) { return decide(all, "pg1/consul/known-tokens", {{"pg1", "X-Consul-Token", answer}}); };
  CHECK(is<Done>(said(Output{.out = "known\n"})));
  CHECK(is<Done>(said(Output{.out = "no agent\n"})));
  CHECK(is<Later>(said(Output{.out = "unknown\n"})));
  CHECK(is<Later>(said(Output{.status = 124})));

  const Answer former = Output{.out = "former token 7067636c-1\n"};
  CHECK(changed(decide(together(view), "cluster/consul/former-tokens-dc1", {{"pg1", "/v1/acl", former}})).reason ==
        "every program has its new token");
  view.without = {"pg3"};
  CHECK_FALSE(is_planned(together(view), "cluster/consul/former-tokens-dc1"));
}
