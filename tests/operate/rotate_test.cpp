// Passwords, keys and certificates are replaced on the simulated fleet, and an interrupted rotation is finished by any apply.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/certificate.hpp"
#include "component/certificates.hpp"
#include "openssl.hpp"
#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;

namespace {

const std::string with_users =
    "patroni_cluster_name: test\npostgresql_users: [{name: app}, {name: \"team/web\"}, {name: given, password: of the spec}]\n"
    "hosts:\n  pg1: {address: 10.77.0.11}\n  pg2: {address: 10.77.0.12}\n  pg3: {address: 10.77.0.13}\n";
const std::vector<std::string> whose{"superuser", "replication", "restapi", "pgbouncer", "app", "team/web"};

struct Rotating : Fleet {
  Rotating() : spec(spec_of(with_users)) { apply_it(*this, spec); }

  Plan plan(const std::vector<std::string>& what) { return plan_rotate(spec, executor, {.what = what}); }
  std::string password(const std::string& role) { return read_password(spec, executor, role); }
  std::map<std::string, std::string> passwords() {
    std::map<std::string, std::string> all;
    for (const std::string& role : whose) all[role] = password(role);
    return all;
  }
  // The contents of a secret's file, over all database hosts.
  std::set<std::string> kept(const std::string& name) {
    std::set<std::string> all;
    for (const HostSpec& host : spec.hosts) all.insert(*executor.host(host.name).read("/var/lib/pgcluster/secrets/" + name));
    return all;
  }
  std::set<std::string> keys() {
    std::set<std::string> all;
    for (const HostSpec& host : spec.hosts)
      for (const char* name : {"etcd", "patroni", "pgbouncer", "postgresql"})
        all.insert(*executor.host(host.name).read(certificates::key_file(name)));
    return all;
  }

  Spec spec;
};

std::string shown(const std::optional<Text>& diff) { return diff ? diff->masked() : std::string(); }

void not_rotated(Rotating& fleet, const std::vector<std::string>& what, const std::string& message) {
  CAPTURE(message);
  try {
    fleet.plan(what);
    FAIL("it was planned");
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
    CHECK_MESSAGE(std::string(error.what()).find(message) != std::string::npos, error.what());
  }
}

// Applies the plan. True: the controller was killed at its nth change, before or after it. False: nothing interrupted the apply, and it went well.
bool killed_at(Rotating& fleet, const Plan& plan, std::size_t nth, bool after) {
  struct Killed {};
  fleet.executor.interrupt(nth, after, [] { throw Killed(); });
  bool killed = false;
  try {
    const Report report = apply(plan, fleet.executor);
    CHECK_MESSAGE(report.ok(), report.text());
  } catch (const Killed&) {
    killed = true;
  }
  fleet.executor.interrupt(0, false, {});
  return killed;
}

}  // namespace

TEST_CASE("rotate: each password that was generated is replaced, the others stay, and nothing is restarted") {
  Rotating fleet;
  for (const std::string& role : whose) {
    CAPTURE(role);
    const auto before = fleet.passwords();
    const Plan plan = fleet.plan({role});
    CHECK_MESSAGE(disturbing(plan).empty(), plan.text());
    const Report report = apply(plan, fleet.executor);
    REQUIRE_MESSAGE(report.ok(), report.text());
    settled(fleet, fleet.spec);
    for (const auto& [name, password] : fleet.passwords()) CHECK_MESSAGE((password != before.at(name)) == (name == role), name);
  }
  const auto before = fleet.passwords();
  REQUIRE(apply(fleet.plan(whose), fleet.executor).ok());
  settled(fleet, fleet.spec);
  for (const auto& [name, password] : fleet.passwords()) CHECK_MESSAGE(password != before.at(name), name);
  CHECK(fleet.kept("patroni_superuser_password") == std::set<std::string>{fleet.password("superuser") + "\n# rotated 2\n"});
}

TEST_CASE("rotate: by the role's own name, too, and the plan says what clients need") {
  Rotating fleet;
  const std::string before = fleet.password("superuser");
  REQUIRE(apply(fleet.plan({"postgres"}), fleet.executor).ok());
  CHECK(fleet.password("superuser") != before);
  const Plan plan = fleet.plan({"app"});
  const auto& warnings = plan.warnings();
  CHECK(std::any_of(warnings.begin(), warnings.end(), [](const Diagnostic& one) { return one.hint == "pgcluster password app prints it"; }));
  for (const PlannedChange& change : plan.changes()) CHECK(shown(change.diff).find(fleet.password("app")) == std::string::npos);
}

TEST_CASE("rotate: interrupted anywhere, the next apply finishes it, with one password on all hosts") {
  for (std::size_t nth = 1;; ++nth) {
    CAPTURE(nth);
    Rotating fleet;
    const std::string before = fleet.password("replication");
    const Plan plan = fleet.plan({"replication", "pgbouncer"});
    const bool killed = killed_at(fleet, plan, nth, true);
    apply_it(fleet, fleet.spec);
    settled(fleet, fleet.spec);
    CHECK(fleet.kept("patroni_replication_password").size() == 1);
    if (!killed) {
      CHECK(fleet.password("replication") != before);
      CHECK(nth > 6);
      break;
    }
  }
}

TEST_CASE("rotate: certificates, interrupted anywhere: each key has its certificate, the next apply settles it, and another rotation ends it") {
  for (std::size_t nth = 1;; nth += 3) {
    CAPTURE(nth);
    Rotating fleet;
    const std::set<std::string> before = fleet.keys();
    const Plan plan = fleet.plan({"certificates"});
    const bool killed = killed_at(fleet, plan, nth, nth % 2 == 0);
    for (const HostSpec& host : fleet.spec.hosts)
      for (const char* name : {"etcd", "patroni", "pgbouncer", "postgresql"}) {
        const SimulatedHost& at = fleet.executor.host(host.name);
        const std::string key = *at.read(certificates::key_file(name)), pem = *at.read(certificates::certificate_file(name));
        Openssl openssl;
        openssl.write("key", key);
        openssl.write("crt", pem);
        openssl.must("pkey -in key -pubout -out of_key");
        openssl.must("x509 -in crt -noout -pubkey -out of_certificate");
        CHECK_MESSAGE(openssl.read("of_key") == openssl.read("of_certificate"), host.name << " " << name);
      }
    apply_it(fleet, fleet.spec);
    settled(fleet, fleet.spec);
    fleet.executor.advance(std::chrono::hours(2));
    if (killed) REQUIRE(apply(fleet.plan({"certificates"}), fleet.executor).ok());
    settled(fleet, fleet.spec);
    for (const std::string& key : fleet.keys()) CHECK_FALSE(before.contains(key));
    if (!killed) break;
  }
}

TEST_CASE("rotate: all keys and certificates, without a restart") {
  Rotating fleet;
  const std::set<std::string> before = fleet.keys();
  fleet.executor.advance(std::chrono::hours(2));
  const Plan plan = fleet.plan({"certificates"});
  CHECK_MESSAGE(disturbing(plan).empty(), plan.text());
  const Report report = apply(plan, fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
  settled(fleet, fleet.spec);
  const std::set<std::string> now = fleet.keys();
  CHECK(now.size() == 12);
  for (const std::string& key : before) CHECK_FALSE(now.contains(key));
}

namespace {

// The common names of the authorities' certificates are equal: their keys tell them apart.
std::set<std::string> trusted(Fleet& fleet, const std::string& host) {
  std::set<std::string> all;
  for (const std::string& one : x509::blocks(*fleet.executor.host(host).read(certificates::authority_file))) all.insert(x509::read(one)->key);
  return all;
}

// What each program shows is signed by an authority that each host trusts, in every moment.
void everybody_is_trusted(Rotating& fleet) {
  for (const HostSpec& client : fleet.spec.hosts) {
    const std::string& authorities = *fleet.executor.host(client.name).read(certificates::authority_file);
    for (const HostSpec& host : fleet.spec.hosts)
      for (const char* name : {"etcd", "patroni", "pgbouncer", "postgresql"})
        CHECK_MESSAGE(x509::is_issued_by(*fleet.executor.host(host.name).read(certificates::certificate_file(name)), authorities),
                      client.name << " does not trust " << name << " of " << host.name);
  }
}

}  // namespace

TEST_CASE("rotate: the authority in three plans, each empty afterwards, and only etcd restarts") {
  Rotating fleet;
  const std::set<std::string> before = trusted(fleet, "pg1"), keys = fleet.keys();
  std::set<std::string> both;
  for (int plans = 1;; ++plans) {
    CAPTURE(plans);
    const Plan plan = fleet.plan({"ca"});
    for (const PlannedChange& one : plan.changes()) CHECK_MESSAGE((!disturbs(one.impact) || one.component == "etcd"), plan.text());
    const Report report = apply(plan, fleet.executor);
    REQUIRE_MESSAGE(report.ok(), report.text());
    everybody_is_trusted(fleet);
    const Plan again = plan_deploy(fleet.spec, fleet.executor);
    CHECK_MESSAGE(again.empty(), again.text());
    CHECK((again.text().find("pgcluster rotate ca continues it") != std::string::npos) == plan.continues());
    if (plans < 3) both = trusted(fleet, "pg2");
    CHECK(both.size() == 2);
    CHECK(plan.continues() == (plans < 3));
    if (!plan.continues()) break;
  }
  for (const HostSpec& host : fleet.spec.hosts) {
    const std::set<std::string> now = trusted(fleet, host.name);
    CHECK(now.size() == 1);
    CHECK_FALSE(before.contains(*now.begin()));
    CHECK(both.contains(*now.begin()));
  }
  CHECK(fleet.keys() == keys);
  const std::string kept = *fleet.kept(certificates::authority).begin();
  CHECK(fleet.kept(certificates::authority).size() == 1);
  CHECK(x509::blocks(kept).size() == 2);
  CHECK(kept.ends_with("\n# rotated 3\n"));
}

TEST_CASE("rotate: the authority, interrupted anywhere: apply ends the plan, and rotate goes on to one new authority") {
  for (std::size_t nth = 1, done = 0; done < 3; nth += 7) {
    CAPTURE(nth);
    Rotating fleet;
    const std::set<std::string> before = trusted(fleet, "pg1");
    for (std::size_t plans = 0; plans < done; ++plans) REQUIRE(apply(fleet.plan({"ca"}), fleet.executor).ok());
    const Plan plan = fleet.plan({"ca"});
    const bool killed = killed_at(fleet, plan, nth, nth % 2 == 0);
    everybody_is_trusted(fleet);
    apply_it(fleet, fleet.spec);
    settled(fleet, fleet.spec);
    while (fleet.kept(certificates::authority).begin()->find("\n# rotated 3\n") == std::string::npos) {
      REQUIRE(apply(fleet.plan({"ca"}), fleet.executor).ok());
      everybody_is_trusted(fleet);
    }
    settled(fleet, fleet.spec);
    CHECK(trusted(fleet, "pg3").size() == 1);
    CHECK_FALSE(before.contains(*trusted(fleet, "pg3").begin()));
    if (!killed) ++done, nth = 1;
  }
}

TEST_CASE("rotate: what cannot be replaced is refused with the way") {
  Rotating fleet;
  not_rotated(fleet, {}, "needs to know what to replace");
  not_rotated(fleet, {"nobody"}, "there is no role nobody");
  not_rotated(fleet, {"superuser", "certificates"}, "certificates is replaced by a command of its own");
  not_rotated(fleet, {"ca", "superuser"}, "ca is replaced by a command of its own");
  not_rotated(fleet, {"superuser", "given"}, "the password of given stands in the spec (postgresql_users.given.password)");
  fleet.executor.host("pg2").write("/etc/pgbouncer/pgbouncer.ini", "mine\n");
  not_rotated(fleet, {"superuser"}, "the hosts are not as the spec describes them");
  CHECK_THROWS_WITH_AS(plan_rotate(spec_of("patroni_cluster_name: test\npostgresql_users: [{name: restapi}]\nhosts:\n  pg1: {address: 10.77.0.11}\n"),
                                   fleet.executor, {.what = {"restapi"}}),
                       doctest::Contains("restapi is ambiguous"), Error);
  Spec plain = spec_of(scheme_a(3, "tls_cert_generate: false\n"));
  CHECK_THROWS_WITH_AS(plan_rotate(plain, fleet.executor, {.what = {"certificates"}}), doctest::Contains("has no certificates"), Error);
}

namespace {

std::set<std::string> users_of(Fleet& fleet) {
  std::set<std::string> all;
  for (const auto& [name, user] : fleet.etcd->cluster_of("pg1")->users.users) all.insert(name);
  return all;
}
bool lets_in_users_only(Fleet& fleet) { return fleet.etcd->cluster_of("pg1")->users.enabled; }

}  // namespace

TEST_CASE("rotate: etcd, and killed at each of its changes the next apply ends it") {
  Rotating whole;
  CHECK(lets_in_users_only(whole));
  CHECK(users_of(whole) == std::set<std::string>{"root", "reader@test", "patroni@test"});
  for (const char* now : {"patroni2@test", "patroni@test"}) {
    const Plan plan = whole.plan({"etcd"});
    CHECK_MESSAGE(disturbing(plan).empty(), plan.text());
    APPLY(whole, plan);
    settled(whole, whole.spec);
    HEALTHY(whole, whole.spec);
    CHECK(users_of(whole) == std::set<std::string>{"root", "reader@test", now});
    CHECK(whole.kept("patroni_etcd_password").size() == 1);
  }
  bool killed = true;
  for (std::size_t nth = 1; killed; ++nth) {
    CAPTURE(nth);
    Rotating fleet;
    killed = killed_at(fleet, fleet.plan({"etcd"}), nth, nth % 2 == 0);
    fleet.executor.advance(std::chrono::seconds(60));
    apply_it(fleet, fleet.spec);
    settled(fleet, fleet.spec);
    HEALTHY(fleet, fleet.spec);
    CHECK(users_of(fleet).size() == 3);
  }
}

TEST_CASE("etcd's users go before a cluster gives up TLS, and a cluster that has done so gets none by itself") {
  Rotating fleet;
  Spec plain = fleet.spec;
  plain.tls_cert_generate = false;
  apply_it(fleet, plain);
  settled(fleet, plain);
  HEALTHY(fleet, plain);
  CHECK_FALSE(lets_in_users_only(fleet));
  const Plan back = plan_deploy(fleet.spec, fleet.executor);
  CHECK(std::any_of(back.warnings().begin(), back.warnings().end(),
                    [](const Diagnostic& one) { return one.message.starts_with("etcd has no users"); }));
  APPLY(fleet, back);
  settled(fleet, fleet.spec);
  HEALTHY(fleet, fleet.spec);
  CHECK_FALSE(lets_in_users_only(fleet));
}

// A cluster with TLS whose etcd lets in everybody: it began without TLS.
struct WithoutUsers : Rotating {
  WithoutUsers() {
    Spec plain = spec;
    plain.tls_cert_generate = false;
    apply_it(*this, plain);
    apply_it(*this, spec);
  }
};

TEST_CASE("rotate etcd makes the users of a cluster that runs without, and killed anywhere the next apply goes on") {
  bool killed = true;
  for (std::size_t nth = 1; killed; nth += 3) {
    CAPTURE(nth);
    WithoutUsers fleet;
    settled(fleet, fleet.spec);
    CHECK_FALSE(lets_in_users_only(fleet));
    const Plan plan = fleet.plan({"etcd"});
    for (const char* id : {"cluster/etcd/users", "cluster/etcd/auth"})
      CHECK_MESSAGE(std::any_of(plan.changes().begin(), plan.changes().end(), [&](const PlannedChange& one) { return one.id == id; }), plan.text());
    for (const PlannedChange& one : plan.changes()) CHECK_MESSAGE((!disturbs(one.impact) || one.component == "etcd"), plan.text());
    killed = killed_at(fleet, plan, nth, nth % 2 == 0);
    fleet.executor.advance(std::chrono::seconds(60));
    const Status status = read_status(fleet.spec, fleet.executor);
    CHECK_MESSAGE(status.healthy, status.text());
    apply_it(fleet, fleet.spec);
    settled(fleet, fleet.spec);
    // Killed before a host had the mark of users: nothing had begun.
    if (!lets_in_users_only(fleet)) {
      CHECK(nth < 8);
      APPLY(fleet, fleet.plan({"etcd"}));
      settled(fleet, fleet.spec);
    }
    CHECK(lets_in_users_only(fleet));
    CHECK(users_of(fleet).size() == 3);
  }
}
