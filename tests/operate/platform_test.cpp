#include <algorithm>

#include "operate/cluster.hpp"

using namespace operate_test;

namespace {

// Answers as apt does on hosts whose repositories have these versions.
class Apt final : public ServiceModel {
 public:
  std::optional<SimulatedPackage> package(const std::string&) override { return std::nullopt; }
  std::optional<Output> exec(SimulatedHost&, const std::vector<std::string>& argv, const std::string&) override {
    if (argv.size() < 2 || argv[0] != "apt-cache" || argv[1] != "policy") return std::nullopt;
    ++asked;
    std::string policy;
    for (std::size_t i = 2; i < argv.size(); ++i) {
      const auto known = versions.find(argv[i]);
      policy += argv[i] + ":\n  Installed: (none)\n  Candidate: " + (known == versions.end() ? "1" : known->second) + "\n";
    }
    return Output{.out = policy};
  }
  std::map<std::string, std::string> versions{};
  int asked = 0;
};

struct Hosts3 : Fleet {
  Hosts3(const std::string& id, const std::string& version, const std::string& codename, const std::string& more = "") {
    executor.add(apt);
    for (const HostSpec& host : spec.hosts) {
      Facts& facts = executor.host(host.name).facts;
      facts.os_id = id;
      facts.os_version = version;
      facts.os_codename = codename;
    }
    if (!more.empty()) spec = spec_of(scheme_a(3, more));
  }
  std::shared_ptr<Apt> apt = std::make_shared<Apt>();
  Spec spec = spec_of(scheme_a());
};

std::string warned(const Plan& plan) {
  std::string all;
  for (const Diagnostic& one : plan.warnings()) all += one.text() + "\n";
  return all;
}

bool has(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("platform: each system of the table is deployed, and a new plan is empty") {
  for (const Platform& platform : platforms()) {
    CAPTURE(platform.name);
    Hosts3 fleet(platform.os_id, platform.os_version, platform.os_codename);
    apply_it(fleet, fleet.spec);
    settled(fleet, fleet.spec);
  }
}

TEST_CASE("platform: another system is refused by name before anything is asked to change") {
  for (const auto& [id, version] : std::vector<std::pair<std::string, std::string>>{{"fedora", "42"}, {"debian", "11"}, {"ubuntu", "25.10"}}) {
    Hosts3 fleet(id, version, "");
    try {
      plan_deploy(fleet.spec, fleet.executor);
      FAIL("it was accepted: " << id);
    } catch (const Error& error) {
      CHECK(error.code() == Code::host_unsupported);
      CHECK(error.message() == "pg1 runs " + id + " " + version + ", which pgcluster does not support");
      CHECK(has(error.hint(), "Debian 12, Debian 13, Debian 14 (testing), Ubuntu 22.04, Ubuntu 24.04"));
    }
    const std::string report = check_hosts(fleet.spec, fleet.executor).text();
    CHECK_MESSAGE(has(report, "error: it runs " + id + " " + version), report);
  }
}

TEST_CASE("platform: check and the first plan of a host warn of a system that was not tried") {
  Hosts3 fleet("ubuntu", "24.04", "noble");
  fleet.executor.host("pg2").facts = Hosts3("debian", "13", "trixie").executor.host("pg2").facts;
  CHECK(has(check_hosts(fleet.spec, fleet.executor).text(), "pg1: warning: pgcluster has not been tried on Ubuntu 24.04"));
  CHECK_FALSE(has(check_hosts(fleet.spec, fleet.executor).text(), "pg2: warning: pgcluster has not been tried"));
  CHECK(has(warned(plan_deploy(fleet.spec, fleet.executor)), "warning: pg1, pg3: pgcluster has not been tried on Ubuntu 24.04"));
  apply_it(fleet, fleet.spec);
  CHECK_FALSE(has(warned(plan_deploy(fleet.spec, fleet.executor)), "tried"));
}

TEST_CASE("platform: a version that neither the distribution nor the host's apt has is a finding of check and of the plan") {
  Hosts3 fleet("debian", "12", "bookworm");  // with PostgreSQL 15, and the spec wants 17
  CHECK_FALSE(has(warned(plan_deploy(fleet.spec, fleet.executor)), "apt has no"));
  fleet.apt->versions = {{"postgresql-17", "(none)"}, {"postgresql-client-17", "(none)"}};
  const std::string found = warned(plan_deploy(fleet.spec, fleet.executor));
  CHECK_MESSAGE(has(found, "hosts.pg1: apt has no postgresql-17, postgresql-client-17; Debian 12 itself does not have them"), found);
  CHECK(has(found, "postgresql_version: 15"));
  const CheckReport report = check_hosts(fleet.spec, fleet.executor);
  CHECK_FALSE(report.ok());
  CHECK(has(report.text(), "pg1: error: apt has no postgresql-17, postgresql-client-17; Debian 12 itself does not have them"));
}

TEST_CASE("platform: apt is asked only for what the distribution lacks and the host does not have") {
  Hosts3 fleet("debian", "13", "trixie");
  plan_deploy(fleet.spec, fleet.executor);
  CHECK(fleet.apt->asked == 0);
  Hosts3 older("debian", "12", "bookworm");
  apply_it(older, older.spec);
  older.apt->asked = 0;
  CHECK(plan_deploy(older.spec, older.executor).empty());
  CHECK(older.apt->asked == 0);
}

TEST_CASE("platform: check tells of packages that are too old for pgcluster") {
  Hosts3 fleet("ubuntu", "22.04", "jammy", "postgresql_version: 14\n");
  fleet.apt->versions = {{"patroni", "2.1.2-1"}, {"etcd-server", "3.3.25+dfsg-7ubuntu0.22.04.1"}};
  const std::string report = check_hosts(fleet.spec, fleet.executor).text();
  CHECK_MESSAGE(has(report, "pg1: error: apt has patroni 2.1.2-1, and pgcluster needs 3.0 or later"), report);
  CHECK(has(report, "pg1: error: apt has etcd-server 3.3.25+dfsg-7ubuntu0.22.04.1, and pgcluster needs 3.4 or later"));
  fleet.apt->versions = {{"patroni", "3.3.0-1.pgdg22.04+1"}, {"etcd-server", "3.4.30-1"}};
  CHECK_FALSE(has(check_hosts(fleet.spec, fleet.executor).text(), "or later"));
}
