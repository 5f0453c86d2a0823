#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "component/haproxy/haproxy.hpp"
#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;
using namespace std::chrono_literals;

namespace {

// A program to send to the hosts.
struct Confd {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("pgcluster-confd-" + std::to_string(::getpid()));
  Confd() { std::ofstream(path) << "not really confd\n"; }
  ~Confd() { std::filesystem::remove(path); }
  std::string key() const { return "confd_binary: " + path.string() + "\n"; }
};

const std::string balanced = "cluster_vip: 10.77.0.100\nwith_haproxy_load_balancing: true\n";

std::vector<std::string> servers(Fleet& fleet, const std::string& host) {
  std::vector<std::string> found;
  const std::string* config = fleet.executor.host(host).read(haproxy_file);
  const auto begin = config ? config->find("listen master\n") : std::string::npos;
  if (begin == std::string::npos) return found;
  const std::string section = config->substr(begin, config->find("\n\n", begin) - begin);
  for (auto at = section.find(" server "); at != std::string::npos; at = section.find(" server ", at + 1))
    found.push_back(section.substr(at + 8, section.find(' ', at + 8) - at - 8));
  return found;
}

bool owned(Fleet& fleet, const std::string& host, const std::string& what) {
  const std::string* list = fleet.executor.host(host).read("/var/lib/pgcluster/owned");
  return list && list->find(what) != std::string::npos;
}

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.message() + "; " + error.hint();
  }
  return "";
}

}  // namespace

TEST_CASE("scheme B: from empty hosts to a healthy cluster, and then nothing to do") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, balanced + "confd_install: false\n"));
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK(disturbing(plan).empty());
  const Report report = apply(plan, fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
  settled(fleet, spec);
  const Status status = read_status(spec, fleet.executor);
  CHECK(status.vip->holders.size() == 1);
  CHECK(status.endpoints.size() == 3);  // none of synchronous replicas
  CHECK(servers(fleet, "pg2") == std::vector<std::string>{"pg1", "pg2", "pg3"});
  // What PgBouncer still holds on a leader that was is cut.
  const std::string* program = fleet.executor.host("pg1").read("/usr/local/lib/pgcluster/role-change");
  REQUIRE(program);
  CHECK(program->find("-p 6432 -U pgbouncer") != std::string::npos);
  CHECK(program->find("\ncuts=yes\n") != std::string::npos);
  CHECK(fleet.executor.host("pg1").read("/etc/patroni/config.yml")->find("on_role_change: \"/usr/local/lib/pgcluster/role-change\"") !=
        std::string::npos);
  apply_it(fleet, spec_of(scheme_a(3)));
  CHECK(fleet.executor.host("pg1").read("/usr/local/lib/pgcluster/role-change")->find("\ncuts=no\n") != std::string::npos);
}

TEST_CASE("scheme B with confd: HAProxy's servers are Patroni's members, and confd's rewriting is nobody's drift") {
  const Confd confd;
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, balanced + confd.key()));
  apply_it(fleet, spec);
  settled(fleet, spec);
  CHECK(*fleet.executor.host("pg1").read("/usr/local/bin/confd") == "not really confd\n");
  CHECK(servers(fleet, "pg3") == std::vector<std::string>{"pg1", "pg2", "pg3"});
  // A fourth joins: nothing is restarted elsewhere.
  const Spec four = spec_of(scheme_a(4, balanced + confd.key()));
  fleet.executor.clear_trace();
  apply_it(fleet, four);
  for (const SimulatedAct& act : fleet.executor.trace()) CHECK_MESSAGE(!act.disturbed, act.host << " " << act.description);
  settled(fleet, four);
  for (const char* host : {"pg1", "pg2", "pg3", "pg4"}) CHECK(servers(fleet, host) == std::vector<std::string>{"pg1", "pg2", "pg3", "pg4"});
  // A member whose key is gone.
  fleet.executor.stop_unit(fleet.executor.host("pg4"), "patroni.service");
  fleet.executor.advance(60s);
  CHECK(servers(fleet, "pg1") == std::vector<std::string>{"pg1", "pg2", "pg3"});
}

TEST_CASE("scheme B: balancers on hosts of their own have no PostgreSQL, no Patroni and no etcd") {
  const Confd confd;
  Fleet fleet;
  const std::string hosts = "  lb1: {address: 10.77.0.21, roles: [balancer]}\n  lb2: {address: 10.77.0.22, roles: [balancer]}\n";
  const Spec spec = spec_of(scheme_a(3, balanced + confd.key()) + hosts);
  apply_it(fleet, spec);
  settled(fleet, spec);
  for (const char* lb : {"lb1", "lb2"}) {
    const auto& host = fleet.executor.host(lb);
    for (const char* package : {"patroni", "postgresql-17", "etcd-server", "pgbouncer"}) CHECK_FALSE(host.packages.contains(package));
    CHECK(host.active("haproxy.service"));
    CHECK(host.active("confd.service"));
  }
  CHECK_FALSE(fleet.executor.host("pg1").packages.contains("haproxy"));
  CHECK(read_status(spec, fleet.executor).vip->holders.front().starts_with("lb"));
}

TEST_CASE("A to B and back: the VIP moves by way of nobody, and nothing is left over") {
  const Confd confd;
  Fleet fleet;
  const Spec a = spec_of(scheme_a()), b = spec_of(scheme_a(3, balanced + confd.key()));
  apply_it(fleet, a);
  // As on a host that had the packages before: these stay, with nothing of ours.
  fleet.executor.install(fleet.executor.host("pg2"), "haproxy");
  fleet.executor.stop_unit(fleet.executor.host("pg2"), "haproxy.service");
  for (const Spec* to : {&b, &a}) {
    fleet.executor.clear_trace();
    const bool balances = to == &b;
    const std::string gone = balances ? "pgcluster-vip" : "keepalived", comes = balances ? "keepalived" : "pgcluster-vip";
    const Plan plan = plan_deploy(*to, fleet.executor);
    std::size_t removed = 0;
    for (const PlannedChange& change : plan.changes())
      if (change.action == Action::remove && change.id.find("unit:" + gone) != std::string::npos) ++removed;
    CHECK(removed == 3);
    const Report report = apply(plan, fleet.executor);
    REQUIRE_MESSAGE(report.ok(), report.text());
    std::size_t last_removed = 0, first_started = std::string::npos;
    for (const SimulatedAct& act : fleet.executor.trace()) {
      if (const auto* remove = std::get_if<Remove>(&act.what.what); remove && remove->name == gone + ".service") last_removed = act.sequence;
      if (act.go == SetUnit::Go::start && std::get<SetUnit>(act.what.what).name == comes + ".service")
        first_started = std::min(first_started, act.sequence);
    }
    CHECK(last_removed > 0);
    CHECK(first_started > last_removed);
    settled(fleet, *to);
  }
  for (const char* host : {"pg1", "pg2", "pg3"})
    for (const std::string what : {"haproxy", "confd", "keepalived.", "vip-check"}) CHECK_MESSAGE(!owned(fleet, host, what), what);
  CHECK_FALSE(fleet.executor.host("pg1").packages.contains("haproxy"));
  CHECK(fleet.executor.host("pg2").packages.contains("haproxy"));
  for (const char* host : {"pg1", "pg2"}) {
    CHECK_FALSE(fleet.executor.host(host).read("/usr/local/bin/confd"));
    CHECK_FALSE(fleet.executor.host(host).read(haproxy_file));
  }
}

TEST_CASE("from servers of the spec to confd and back") {
  const Confd confd;
  Fleet fleet;
  const Spec with = spec_of(scheme_a(3, balanced + confd.key())), without = spec_of(scheme_a(3, balanced + "confd_install: false\n"));
  for (const Spec* spec : {&without, &with, &without}) {
    apply_it(fleet, *spec);
    settled(fleet, *spec);
  }
  CHECK_FALSE(fleet.executor.host("pg1").active("confd.service"));
}

TEST_CASE("a changed setting of HAProxy is a reload") {
  const Confd confd;
  for (const std::string& kind : {std::string("confd_install: false\n"), confd.key()}) {
    Fleet fleet;
    apply_it(fleet, spec_of(scheme_a(3, balanced + kind)));
    const Spec changed = spec_of(scheme_a(3, balanced + kind + "haproxy_timeout: {client: 5m, server: 5m}\n"));
    const Plan plan = plan_deploy(changed, fleet.executor);
    CHECK(disturbing(plan).empty());
    CHECK_FALSE(plan.empty());
    fleet.executor.clear_trace();
    const Report report = apply(plan, fleet.executor);
    REQUIRE_MESSAGE(report.ok(), report.text());
    for (const SimulatedAct& act : fleet.executor.trace())
      if (act.what.at == "pg1" && act.disturbed) CHECK(act.description.find("confd") != std::string::npos);
    settled(fleet, changed);
  }
}

TEST_CASE("sections that haproxy does not take are refused in its own words, and nothing is touched") {
  const Confd confd;
  for (const std::string& kind : {std::string("confd_install: false\n"), confd.key()}) {
    Fleet fleet;
    const Spec good = spec_of(scheme_a(3, balanced + kind));
    apply_it(fleet, good);
    const std::string before = *fleet.executor.host("pg1").read(haproxy_file);
    fleet.executor.clear_trace();
    const Spec broken = spec_of(scheme_a(3, balanced + kind + "haproxy_extra: |\n  lisen app\n    bind :1\n"));
    const std::string error = error_of([&] { plan_deploy(broken, fleet.executor); });
    CHECK_MESSAGE(error.find("unknown keyword 'lisen'") != std::string::npos, error);
    CHECK(error.find("haproxy_extra") != std::string::npos);
    CHECK(fleet.executor.trace().empty());
    CHECK(*fleet.executor.host("pg1").read(haproxy_file) == before);
    settled(fleet, good);
  }
  // On fresh hosts haproxy itself comes with the plan.
  Fleet fleet;
  const Report report = fleet.deploy(spec_of(scheme_a(1, "with_haproxy_load_balancing: true\nhaproxy_extra: |\n  lisen app\n")));
  CHECK_FALSE(report.ok());
  CHECK(report.text().find("unknown keyword 'lisen'") != std::string::npos);
}

TEST_CASE("a program for confd that is not there, or not the one that was meant") {
  Fleet fleet;
  const Spec missing = spec_of(scheme_a(1, "with_haproxy_load_balancing: true\nconfd_binary: /nowhere/confd\n"));
  CHECK(error_of([&] { plan_deploy(missing, fleet.executor); }).find("cannot read /nowhere/confd") != std::string::npos);
  const Confd confd;
  const Spec spec = spec_of(scheme_a(1, "with_haproxy_load_balancing: true\n" + confd.key()));
  const Plan plan = plan_deploy(spec, fleet.executor);
  std::ofstream(confd.path) << "another one\n";
  const Report report = apply(plan, fleet.executor);
  CHECK_FALSE(report.ok());
  CHECK(report.text().find("sha256") != std::string::npos);
  CHECK_FALSE(fleet.executor.host("pg1").active("confd.service"));
}

TEST_CASE("status tells what is wrong with a balancer") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, balanced + "confd_install: false\n"));
  apply_it(fleet, spec);
  const auto problems = [&](std::size_t host) { return read_status(spec, fleet.executor).hosts.at(host).problems; };
  const std::string holder = read_status(spec, fleet.executor).vip->holders.at(0);
  fleet.executor.stop_unit(fleet.executor.host(holder), "haproxy.service");
  const Status moved = read_status(spec, fleet.executor);
  CHECK(moved.vip->holders.size() == 1);
  CHECK(moved.vip->holders.at(0) != holder);
  CHECK(problems(static_cast<std::size_t>(holder[2] - '1')) == std::vector<std::string>{"haproxy.service is inactive", "HAProxy does not answer"});
  fleet.executor.start_unit(fleet.executor.host(holder), "haproxy.service");
  fleet.executor.advance(5s);
  for (const char* host : {"pg1", "pg2", "pg3"}) fleet.executor.stop_unit(fleet.executor.host(host), "patroni.service");
  const auto found = problems(1);
  CHECK(std::find(found.begin(), found.end(), "HAProxy sees no leader: port 5000 leads nowhere") != found.end());
}
