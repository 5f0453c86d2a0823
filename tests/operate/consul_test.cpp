#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "component/consul/consul.hpp"
#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;
using namespace std::chrono_literals;

namespace {

const std::string head = "patroni_cluster_name: test\ndcs_type: consul\npostgresql_users: [{name: app, password: \"app's secret\"}]\n";

std::string scheme_c(const std::string& more = {}, int hosts = 3) {
  std::string yaml = head + more + "hosts:\n";
  for (int i = 1; i <= hosts; ++i) yaml += "  pg" + std::to_string(i) + ": {address: 10.77.0." + std::to_string(10 + i) + "}\n";
  return yaml;
}
const std::string app = "  app1: {address: 10.77.0.21, roles: [consul_client]}\n";
std::string federated() {
  return head + "consul_layout: federated\nhosts:\n" +
         "  pg1: {address: 10.77.0.11, datacenter: dc1, roles: [postgres, consul]}\n"
         "  pg2: {address: 10.77.0.12, datacenter: dc1, roles: [postgres, consul]}\n"
         "  c1: {address: 10.77.0.31, datacenter: dc1, roles: [consul]}\n"
         "  pg3: {address: 10.77.0.13, datacenter: dc2, roles: [postgres, consul]}\n";
}

Fleet& with_resolved(Fleet& fleet, const Spec& spec, const std::string& host) {
  fleet.executor.host(resolve(spec).host(host).access);
  auto& unit = fleet.executor.host(host).units["systemd-resolved.service"];
  unit.state = {.active = "active", .enabled = true};
  return fleet;
}

std::string error_of(Fleet& fleet, const Spec& spec) {
  try {
    (void)plan_deploy(spec, fleet.executor);
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
    return error.message() + "\n" + error.hint();
  }
  return {};
}

}  // namespace

TEST_CASE("scheme C: from empty hosts to a healthy cluster, and then nothing to do") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_c());
  apply_it(fleet, spec);
  settled(fleet, spec);
  for (const char* host : {"pg1", "pg2", "pg3"}) {
    CHECK(fleet.consul->made(host) == 1);
    CHECK_FALSE(fleet.executor.host(host).packages.contains("etcd-server"));
    CHECK(fleet.executor.host(host).packages.contains("python3-consul"));
  }
  fleet.executor.advance(60s);
  for (const char* host : {"pg1", "pg2", "pg3"}) fleet.executor.reboot(fleet.executor.host(host));
  fleet.executor.advance(60s);
  settled(fleet, spec);
}

TEST_CASE("scheme C: a further client touches nobody else") {
  Fleet fleet;
  apply_it(fleet, spec_of(scheme_c()));
  const Spec more = spec_of(scheme_c() + app);
  const Plan plan = plan_deploy(more, with_resolved(fleet, more, "app1").executor);
  for (const PlannedChange& change : plan.changes())
    CHECK_MESSAGE((change.host == "app1" || change.component == "pgcluster" || change.id == "cluster/consul/tokens-dc1"), change.id);
  CHECK(disturbing(plan).empty());
  apply_it(fleet, more);
  settled(fleet, more);
}

TEST_CASE("scheme C: a resolver forgets Consul when its names are switched off, when its host leaves, and when the cluster goes") {
  Fleet fleet;
  const Spec with = spec_of(scheme_c() + app), off = spec_of(scheme_c("consul_dns: none\n") + app), without = spec_of(scheme_c());
  with_resolved(fleet, with, "app1");
  const auto started = [&] { return fleet.executor.host("app1").units["systemd-resolved.service"].state.started; };
  const auto begun_anew = [&](const auto& change) {
    apply_it(fleet, with);
    fleet.executor.advance(10s);
    const auto before = started();
    change();
    fleet.executor.advance(10s);
    CHECK_FALSE(fleet.executor.host("app1").read("/etc/systemd/resolved.conf.d/pgcluster-consul.conf"));
    CHECK(started() != before);
    CHECK(fleet.executor.host("app1").units["systemd-resolved.service"].state.active == "active");
  };
  begun_anew([&] { apply_it(fleet, off); });
  settled(fleet, off);
  begun_anew([&] { apply_it(fleet, without, {.prune = true}); });
  begun_anew([&] { REQUIRE(apply(plan_destroy(with, fleet.executor), fleet.executor).ok()); });
}

TEST_CASE("scheme C: service changes are a reload") {
  Fleet fleet;
  apply_it(fleet, spec_of(scheme_c()));
  const Spec synchronous = spec_of(scheme_c("synchronous_mode: true\n"));
  const Plan plan = plan_deploy(synchronous, fleet.executor);
  std::set<std::string> reloaded;
  for (const PlannedChange& change : plan.changes())
    if (change.component == "consul" && change.action == Action::reload) reloaded.insert(change.host);
  CHECK(reloaded.size() == 3);
  CHECK_MESSAGE(disturbing(plan).empty(), plan.text());
  apply_it(fleet, synchronous);
  settled(fleet, synchronous);
}

TEST_CASE("scheme C: what every agent must be restarted for takes the servers one at a time") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_c());
  apply_it(fleet, spec);
  for (const char* host : {"pg1", "pg2", "pg3"})
    fleet.executor.host(host).write(consul_agent_file, *fleet.executor.host(host).read(consul_agent_file) + "\n", 0640);
  const Plan plan = plan_deploy(spec, fleet.executor);
  const std::vector<std::string> one_at_a_time{"pg2 restart", "pg3 restart", "pg1 restart"};
  CHECK_MESSAGE(disturbing(plan) == one_at_a_time, plan.text());
}

TEST_CASE("scheme C: another gossip key is given to the running agents, the former one is taken from them, and none restarts") {
  Fleet fleet;
  const Spec before = spec_of(scheme_c());
  apply_it(fleet, before);
  const std::string key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", keyring = "/var/lib/consul/serf/local.keyring";
  const auto keyrings = [&] {
    std::set<std::string> all;
    for (const HostSpec& host : before.hosts) all.insert(*fleet.executor.host(host.name).read(keyring));
    return all;
  };
  const Spec other = spec_of(scheme_c("consul_encrypt_key: " + key + "\n"));
  const std::string old = *keyrings().begin();
  // One that is away could not come back with another key: nothing changes until it is there.
  fleet.executor.host("pg3").down = true;
  apply_it(fleet, other, {.without = {"pg3"}});
  CHECK(keyrings() == std::set<std::string>{old});
  fleet.executor.host("pg3").down = false;
  const Plan plan = plan_deploy(other, fleet.executor);
  CHECK(plan.text(true).find(key) == std::string::npos);
  CHECK_MESSAGE(disturbing(plan).empty(), plan.text());
  apply_it(fleet, other);
  settled(fleet, other);
  CHECK(keyrings() == std::set<std::string>{"[\"" + key + "\"]"});
  // One that was kept beside it goes, too.
  fleet.executor.host("pg2").write(keyring, "[\"" + key + "\",\"" + "b2xk" + "\"]", 0600);
  const Plan last = plan_deploy(other, fleet.executor);
  CHECK_MESSAGE(disturbing(last).empty(), last.text());
  CHECK_MESSAGE(last.text().find("the gossip of pg2 still takes a former key") != std::string::npos, last.text());
  apply_it(fleet, other);
  CHECK(keyrings().size() == 1);
  // One that has another key all the same is alone, and joins the others again.
  fleet.executor.host("pg2").write(keyring, old, 0600);
  const Plan back = plan_deploy(other, fleet.executor);
  CHECK_MESSAGE(back.text().find("the other agents have another gossip key, so this one is alone") != std::string::npos, back.text());
  apply_it(fleet, other);
  settled(fleet, other);
  CHECK(keyrings() == std::set<std::string>{"[\"" + key + "\"]"});
}

TEST_CASE("scheme C: rotate gossip-key") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_c());
  apply_it(fleet, spec);
  const std::string before = *fleet.executor.host("pg1").read("/var/lib/consul/serf/local.keyring");
  const Plan plan = plan_rotate(spec, fleet.executor, {.what = {"gossip-key"}});
  CHECK_MESSAGE(disturbing(plan).empty(), plan.text());
  REQUIRE(apply(plan, fleet.executor).ok());
  settled(fleet, spec);
  CHECK(*fleet.executor.host("pg1").read("/var/lib/consul/serf/local.keyring") != before);
  CHECK_THROWS_WITH_AS(plan_rotate(spec_of(scheme_a()), fleet.executor, {.what = {"gossip-key"}}), doctest::Contains("there is no role gossip-key"),
                       Error);
}

TEST_CASE("scheme C: tokens are made, made again where somebody has deleted one, and deleted when their host is pruned") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_c()), more = spec_of(scheme_c() + app);
  apply_it(fleet, spec);
  settled(fleet, spec);
  const std::set<std::string> all{"Anonymous Token",      "pgcluster: agent pg1", "pgcluster: agent pg2",
                                  "pgcluster: agent pg3", "pgcluster: confd",     "pgcluster: patroni"};
  CHECK(fleet.consul->token_owners("pg1") == all);
  fleet.consul->delete_token("pg1", "pgcluster: agent pg2");
  const Plan plan = plan_deploy(spec, fleet.executor);
  REQUIRE_MESSAGE(plan.changes().size() == 1, plan.text());
  CHECK(plan.changes()[0].id == "cluster/consul/tokens-dc1");
  CHECK(plan.changes()[0].reason == "Consul does not have a token of the cluster");
  REQUIRE(apply(plan, fleet.executor).ok());
  settled(fleet, spec);
  CHECK(fleet.consul->token_owners("pg1") == all);

  with_resolved(fleet, more, "app1");
  apply_it(fleet, more);
  settled(fleet, more);
  std::set<std::string> with_app = all;
  with_app.insert("pgcluster: agent app1");
  CHECK(fleet.consul->token_owners("pg1") == with_app);
  // A host that left the spec keeps its token until it is pruned.
  apply_it(fleet, spec);
  CHECK(fleet.consul->token_owners("pg1") == with_app);
  apply_it(fleet, spec, {.prune = true});
  CHECK(fleet.consul->token_owners("pg1") == all);
  settled(fleet, spec);
}

namespace {

const std::string with_balancers = head +
                                   "with_haproxy_load_balancing: true\nconfd_binary: /proc/self/exe\nhosts:\n  pg1: {address: 10.77.0.11}\n  pg2: "
                                   "{address: 10.77.0.12}\n  pg3: {address: 10.77.0.13}\n" +
                                   app;

// What a program of the host shows to Consul, by its file.
std::map<std::string, std::string> token_files(Fleet& fleet) {
  std::map<std::string, std::string> all;
  for (const char* host : {"pg1", "pg2", "pg3", "app1"})
    for (const char* path :
         {consul_header_file, consul_token_file, consul_tokens_file, consul_services_file, "/etc/confd/consul.env", "/etc/patroni/config.yml"})
      if (const std::string* content = fleet.executor.host(host).read(path)) all[std::string(host) + path] = *content;
  return all;
}

// Each server starts once more, one after the other, so that each has led: one that had the former token would make it again.
void lead_in_turn(Fleet& fleet) {
  for (const char* host : {"pg1", "pg2", "pg3"}) {
    fleet.executor.reboot(fleet.executor.host(host));
    fleet.executor.advance(60s);
  }
}

}  // namespace

TEST_CASE("scheme C: rotate consul replaces all tokens, and only agents restart, one at a time") {
  Fleet fleet;
  const Spec spec = spec_of(with_balancers);
  with_resolved(fleet, spec, "app1");
  apply_it(fleet, spec);
  settled(fleet, spec);
  const std::set<std::string> owners = fleet.consul->token_owners("pg1");
  for (int turn = 1; turn < 3; ++turn) {
    CAPTURE(turn);
    const auto before = token_files(fleet);
    CHECK(before.size() == 3 * 6 + 3);
    const Plan plan = plan_rotate(spec, fleet.executor, {.what = {"consul"}});
    for (const PlannedChange& one : plan.changes()) CHECK_MESSAGE((!disturbs(one.impact) || one.id == one.host + "/consul/service"), plan.text());
    CHECK(disturbing(plan).size() == 4);
    const Report report = apply(plan, fleet.executor);
    REQUIRE_MESSAGE(report.ok(), report.text());
    settled(fleet, spec);
    for (const auto& [file, content] : token_files(fleet)) CHECK_MESSAGE(content != before.at(file), file);
    CHECK(fleet.consul->token_owners("pg1") == owners);
    CHECK(fleet.consul->tokens("pg1") == owners.size());
    CHECK(fleet.consul->managers("pg1") == 1);
    lead_in_turn(fleet);
    CHECK(fleet.consul->managers("pg1") == 1);
    settled(fleet, spec);
  }
  Spec without = spec_of(scheme_c("tls_cert_generate: false\n"));
  Fleet plain;
  apply_it(plain, without);
  CHECK_THROWS_WITH_AS(plan_rotate(without, plain.executor, {.what = {"consul"}}), doctest::Contains("nothing would be replaced"), Error);
}

TEST_CASE("scheme C: rotate consul, interrupted anywhere: no program is refused meanwhile, and the next apply ends it") {
  struct Killed {};
  bool killed = true;
  for (std::size_t nth = 1; killed; nth += 3) {
    CAPTURE(nth);
    killed = false;
    Fleet fleet;
    const Spec spec = spec_of(scheme_c());
    apply_it(fleet, spec);
    const auto before = token_files(fleet);
    const Plan plan = plan_rotate(spec, fleet.executor, {.what = {"consul"}});
    fleet.executor.interrupt(nth, nth % 2 == 0, [] { throw Killed(); });
    try {
      const Report report = apply(plan, fleet.executor);
      CHECK_MESSAGE(report.ok(), report.text());
    } catch (const Killed&) {
      killed = true;
    }
    fleet.executor.interrupt(0, false, {});
    fleet.executor.advance(60s);
    CHECK(fleet.consul->managers("pg1") >= 1);
    const Status status = read_status(spec, fleet.executor);
    CHECK_MESSAGE(!status.leader.empty(), status.text());
    apply_it(fleet, spec);
    lead_in_turn(fleet);
    settled(fleet, spec);
    CHECK(fleet.consul->managers("pg1") == 1);
    const auto now = token_files(fleet);
    std::set<bool> changed;
    for (const auto& [file, content] : now) changed.insert(content != before.at(file));
    CHECK(changed.size() == 1);
    if (!killed) CHECK(nth > 20);
  }
}

TEST_CASE("scheme C: while a host is left out, tokens that it may still have stay") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_c() + app);
  with_resolved(fleet, spec, "app1");
  apply_it(fleet, spec);
  const std::size_t tokens = fleet.consul->tokens("pg1");
  struct Killed {};
  fleet.executor.interrupt(8, true, [] { throw Killed(); });
  try {
    apply(plan_rotate(spec, fleet.executor, {.what = {"consul"}}), fleet.executor);
  } catch (const Killed&) {
  }
  fleet.executor.interrupt(0, false, {});
  fleet.executor.advance(60s);
  fleet.executor.host("app1").down = true;
  fleet.executor.advance(60s);
  apply_it(fleet, spec, {.without = {"app1"}});
  CHECK(fleet.consul->tokens("pg1") > tokens);
  CHECK(fleet.consul->managers("pg1") == 2);
  fleet.executor.host("app1").down = false;
  fleet.executor.reboot(fleet.executor.host("app1"));
  fleet.executor.advance(120s);
  apply_it(fleet, spec);
  settled(fleet, spec);
  CHECK(fleet.consul->tokens("pg1") == tokens);
  CHECK(fleet.consul->managers("pg1") == 1);
}

TEST_CASE("scheme C: tokens are for new clusters with TLS, which keep them also without TLS") {
  const Spec spec = spec_of(scheme_c()), plain = spec_of(scheme_c("tls_cert_generate: false\n"));
  const auto warned = [](Fleet& fleet, const Spec& wished) {
    const Plan plan = plan_deploy(wished, fleet.executor);
    return std::any_of(plan.warnings().begin(), plan.warnings().end(),
                       [](const Diagnostic& one) { return one.message.starts_with("Consul has no tokens"); });
  };
  Fleet fleet;
  apply_it(fleet, spec);
  CHECK_FALSE(warned(fleet, spec));
  const std::string token = *fleet.executor.host("pg1").read(consul_token_file);
  for (const Spec& wished : {plain, spec}) {
    apply_it(fleet, wished);
    settled(fleet, wished);
    CHECK(*fleet.executor.host("pg1").read(consul_token_file) == token);
    CHECK(fleet.consul->token_owners("pg1").size() == 6);
  }

  Fleet before;
  apply_it(before, plain);
  CHECK_FALSE(warned(before, plain));
  CHECK(warned(before, spec));
  apply_it(before, spec);
  settled(before, spec);
  CHECK(warned(before, spec));
  CHECK_FALSE(before.executor.host("pg1").read(consul_token_file));
  CHECK(before.consul->token_owners("pg1").empty());
}

TEST_CASE("scheme C federated: the catalog's external nodes are cluster state, seen and mended by every plan") {
  Fleet fleet;
  const Spec spec = spec_of(federated());
  apply_it(fleet, spec);
  settled(fleet, spec);
  CHECK(fleet.patroni->view("pg3").cluster == fleet.patroni->view("pg1").cluster);
  CHECK(fleet.consul->reach("pg3")->keys.empty());
  fleet.consul->forget("pg3", "dc1");
  const Plan plan = plan_deploy(spec, fleet.executor);
  REQUIRE(plan.changes().size() == 1);
  CHECK(plan.changes()[0].id == "cluster/consul/catalog");
  CHECK(plan.changes()[0].reason == "dc1's catalog does not know pg3");
  REQUIRE(apply(plan, fleet.executor).ok());
  settled(fleet, spec);
}

TEST_CASE("scheme C federated: a state of the same cluster in another datacenter is refused") {
  Fleet fleet;
  const Spec spec = spec_of(federated());
  apply_it(fleet, spec);
  fleet.consul->reach("pg3")->keys["/service/test/leader"] = "pg3";
  CHECK(error_of(fleet, spec).find("federated datacenters do not share their KV") != std::string::npos);
}

TEST_CASE("a running cluster is not moved to another kind of DCS") {
  for (const bool to_consul : {true, false}) {
    Fleet fleet;
    apply_it(fleet, spec_of(to_consul ? scheme_a(3, "") : scheme_c()));
    const std::string told = error_of(fleet, spec_of(to_consul ? scheme_c() : scheme_a(3, "")));
    CHECK(told.find(to_consul ? "runs etcd for this cluster, and dcs_type is consul" : "runs consul for this cluster, and dcs_type is etcd") !=
          std::string::npos);
    CHECK(told.find("pgcluster pause") != std::string::npos);
  }
}

TEST_CASE("a running cluster is not moved to another DCS, nor to other hosts of it, by leaving those of the present one out") {
  const auto apart = [](const std::string& type, const std::string& role, const std::string& letter) {
    std::string yaml = "patroni_cluster_name: test\ndcs_type: " + type + "\nhosts:\n";
    for (int i = 1; i <= 3; ++i) yaml += "  pg" + std::to_string(i) + ": {address: 10.77.0.1" + std::to_string(i) + ", roles: [postgres]}\n";
    for (int i = 1; i <= 3 && !letter.empty(); ++i)
      yaml += "  " + letter + std::to_string(i) + ": {address: 10.77.0." + std::to_string(letter[0] - 'a' + 2) + std::to_string(i) + ", roles: [" +
              role + "]}\n";
    return spec_of(yaml);
  };
  Fleet fleet;
  apply_it(fleet, apart("etcd", "etcd", "a"));
  CHECK(error_of(fleet, apart("consul", "consul", "b")).find("a1 runs etcd for this cluster, and dcs_type is consul") != std::string::npos);
  CHECK(error_of(fleet, apart("etcd", "etcd", "b")).find("a1 is no longer in the spec, and is a member of the DCS") != std::string::npos);
  Fleet other;
  apply_it(other, apart("consul", "consul", "a"));
  CHECK(error_of(other, apart("consul", "consul", "b")).find("a1 is a member of the DCS") != std::string::npos);
}

TEST_CASE("scheme C: servers that the spec moves to other hosts are refused in Consul's words, whichever hosts are meant") {
  const auto placed = [](const std::string& servers) {
    std::string yaml = "patroni_cluster_name: test\ndcs_type: consul\nhosts:\n";
    for (const char number : {'1', '2', '3', '4'})
      yaml += std::string("  pg") + number + ": {address: 10.77.0.1" + number + ", roles: [postgres" +
              (servers.find(number) != std::string::npos ? ", consul" : "") + "]}\n";
    return spec_of(yaml);
  };
  Fleet fleet;
  apply_it(fleet, placed("124"));
  CHECK(error_of(fleet, placed("123")).find("Consul's servers are pg1, pg2, pg4, and the spec places them on pg1, pg2, pg3") != std::string::npos);
}

TEST_CASE("scheme C: destroy leaves nothing of ours, and a new deployment works") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_c());
  apply_it(fleet, spec);
  REQUIRE(apply(plan_destroy(spec, fleet.executor), fleet.executor).ok());
  for (const char* name : {"pg1", "pg2", "pg3"}) {
    const SimulatedHost& host = fleet.executor.host(name);
    for (const auto& [path, file] : host.files) CHECK_MESSAGE((path.find("consul") == std::string::npos || path.starts_with("/usr")), path);
    CHECK_FALSE(host.active("consul.service"));
  }
  apply_it(fleet, spec);
  settled(fleet, spec);
}

TEST_CASE("scheme C with balancers and confd, and with a VIP") {
  // What is sent as confd is any file of this machine.
  for (const std::string more : {"with_haproxy_load_balancing: true\nconfd_binary: /proc/self/exe\n", "cluster_vip: 10.77.0.100\n"}) {
    Fleet fleet;
    const Spec spec = spec_of(scheme_c(more) + (more.starts_with("with") ? "  lb1: {address: 10.77.0.31, roles: [balancer]}\n" : ""));
    apply_it(fleet, spec);
    const Status status = read_status(spec, fleet.executor);
    CHECK_MESSAGE(status.healthy, status.text());
    CHECK(status.endpoints.back().address == "replica.test.service.consul");
    CHECK_FALSE(status.endpoints.front().address.ends_with(".consul"));
  }
}

TEST_CASE("scheme C: a server that is left out, and a quorum that cannot spare one") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_c());
  apply_it(fleet, spec);
  fleet.executor.host("pg3").down = true;
  fleet.executor.advance(60s);
  DeployOptions without;
  without.without = {"pg3"};
  const Plan plan = plan_deploy(spec, fleet.executor, without);
  CHECK_MESSAGE(plan.empty(), plan.text(true));
  fleet.executor.host("pg2").write(consul_agent_file, "{}", 0640);
  CHECK_THROWS_WITH_AS((void)plan_deploy(spec, fleet.executor, without), doctest::Contains("the quorum needs every member that is left"), Error);
}
