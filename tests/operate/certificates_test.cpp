// Certificates on the simulated fleet: keys that stay on their hosts, and certificates that are made, renewed and mended.
#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>

#include "base/certificate.hpp"
#include "component/certificates.hpp"
#include "component/shell.hpp"
#include "openssl.hpp"
#include "operate/cluster.hpp"
#include "plan/data.hpp"

using namespace pgcluster;
using namespace operate_test;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::hours one_day = 24h;
const std::vector<std::string> names{"etcd-root", "etcd", "patroni", "pgbouncer", "postgresql"};

const File& file_of(Fleet& fleet, const std::string& host, const std::string& path) {
  const auto& files = fleet.executor.host(host).files;
  REQUIRE_MESSAGE(files.contains(path), host << " has no " << path);
  return files.at(path);
}

x509::Certificate certificate(Fleet& fleet, const std::string& host, const std::string& name) {
  const auto found = x509::read(file_of(fleet, host, certificates::certificate_file(name)).content);
  REQUIRE(found);
  return *found;
}

std::string key_file(Fleet& fleet, const std::string& host, const std::string& name) {
  return file_of(fleet, host, certificates::key_file(name)).content;
}

std::int64_t clock_of(Fleet& fleet) {
  return fleet.executor.options().clock + std::chrono::duration_cast<std::chrono::seconds>(fleet.executor.now().time_since_epoch()).count() - 3600;
}

// "pg1/certificates/etcd: its names differ"
std::vector<std::string> announced(const Plan& plan) {
  std::vector<std::string> found;
  for (const PlannedChange& change : plan.changes())
    if (change.component == "certificates") found.push_back(change.id + ": " + change.reason);
  std::sort(found.begin(), found.end());
  return found;
}

// The certificates of all hosts, for one reason.
std::vector<std::string> all_for(const std::string& reason, int hosts = 3) {
  std::vector<std::string> found;
  for (int i = 1; i <= hosts; ++i)
    for (const std::string& name : names) found.push_back("pg" + std::to_string(i) + "/certificates/" + name + ": " + reason);
  return found;
}

std::string ends_in(const x509::Certificate& one) {
  const std::time_t time = one.not_after;
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&time));
  return std::string("less than a third of its time is left: it ends on ") + text;
}

// Each key is its owner's only, each certificate is of its key and of the cluster's authority, and nothing is left to do.
void sound(Fleet& fleet, const Spec& spec, const std::vector<std::string>& expected = names) {
  settled(fleet, spec);
  for (const HostSpec& host : spec.hosts) {
    CAPTURE(host.name);
    const std::string trusted = file_of(fleet, host.name, certificates::authority_file).content;
    CHECK(trusted.find("PRIVATE") == std::string::npos);
    for (const std::string& name : expected) {
      CAPTURE(name);
      const File key = file_of(fleet, host.name, certificates::key_file(name));
      CHECK(key.mode == 0600);
      CHECK(key.owner == (name.starts_with("etcd") ? "etcd" : name == "exporter" ? name : "postgres"));
      const File pem = file_of(fleet, host.name, certificates::certificate_file(name));
      CHECK(pem.mode == 0644);
      CHECK(pem.owner == "root");
      CHECK(x509::is_issued_by(pem.content, trusted));
      Openssl openssl;
      openssl.write("key", key.content);
      openssl.write("crt", pem.content);
      openssl.must("pkey -in key -pubout -out of_key");
      openssl.must("x509 -in crt -noout -pubkey -out of_certificate");
      CHECK(openssl.read("of_key") == openssl.read("of_certificate"));
      CHECK_FALSE(fleet.executor.host(host.name).files.contains(certificates::key_file(name) + ".next"));
    }
  }
}

// Plans, and applies after a look at what was announced.
void mend(Fleet& fleet, const Spec& spec, const std::vector<std::string>& wanted) {
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK_MESSAGE(announced(plan) == wanted, plan.text());
  CHECK_MESSAGE(disturbing(plan).empty(), plan.text());
  const Report report = apply(plan, fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
  sound(fleet, spec);
}

struct Deployed : Fleet {
  explicit Deployed(const std::string& more = "") : spec(spec_of(scheme_a(3, more))) { apply_it(*this, spec); }
  Spec spec;
};

// A user's own, with a certificate that it also shows to servers.
class Certified final : public Component {
 public:
  explicit Certified(std::string certificate = "exporter") : certificate_(std::move(certificate)) {}
  std::string name() const override { return "exporter"; }
  Steps steps(const NodeView& node) const override {
    const Ask ask{node.name(), AccountOf{"exporter"}};
    auto decide = [ask](const Answers& answers) -> Decision {
      if (answers.get<Account>(ask)) return Done{};
      return Change{.todo = {Do{.at = ask.at, .what = SetAccount{"exporter", "/", "/bin/false"}}}, .action = Action::create};
    };
    return sequence(packages(node.step("exporter", "packages"), node.name(), needs(node).packages),
                    make_step(node.step("exporter", "account"), {.asks = {ask}, .decide = decide}));
  }
  Needs needs(const NodeView&) const override {
    return {.packages = {"openssl"},
            .certificates = {
                {.name = certificate_, .account = "exporter", .asks = true, .names = {"metrics.example.com", "FD00:0::7"}, .after = "account"}}};
  }

 private:
  std::string certificate_;
};

}  // namespace

TEST_CASE("certificates: fresh hosts make their keys, and the authority signs what they ask for") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  const Plan plan = plan_deploy(spec, fleet.executor);
  const std::vector<std::string> planned = announced(plan);
  CHECK(planned.size() == 3 * (2 + 2 * names.size()));
  CHECK(std::count_if(planned.begin(), planned.end(), [](const std::string& one) { return one.ends_with("-key: the key is not there"); }) == 15);
  CHECK_MESSAGE(plan.text(true).find("IP:10.77.0.100") == std::string::npos, "the certificates' words are not known before there is a key");
  const Report report = apply(plan, fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
  sound(fleet, spec);

  const x509::Certificate etcd = certificate(fleet, "pg1", "etcd"), postgresql = certificate(fleet, "pg1", "postgresql");
  CHECK(etcd.subject == "O=pg1");  // etcd's gateway takes no common name
  CHECK(certificate(fleet, "pg1", "patroni").subject == "O=pg1");
  CHECK(certificate(fleet, "pg1", "etcd-root").subject == "CN=root");
  CHECK_FALSE(certificate(fleet, "pg1", "etcd-root").serves);
  CHECK(postgresql.subject == "CN=pg1");
  CHECK(etcd.issuer == "CN=authority of test");
  CHECK(etcd.serves);
  CHECK(etcd.asks);
  CHECK(postgresql.serves);
  CHECK_FALSE(postgresql.asks);
  for (const char* name : {"DNS:pg1", "DNS:localhost", "IP:10.77.0.11", "IP:127.0.0.1", "IP:::1"}) CHECK(etcd.names.contains(name));
  CHECK_FALSE(etcd.names.contains("IP:10.77.0.100"));
  CHECK(postgresql.names.contains("IP:10.77.0.100"));
  CHECK(certificate(fleet, "pg2", "patroni").names.contains("IP:10.77.0.12"));
  CHECK(std::abs(etcd.not_after - clock_of(fleet) - 1095 * 86400) < 3600);

  // Everybody trusts the same authority, whose key is on the database hosts only, and root's.
  for (const char* host : {"pg2", "pg3"})
    CHECK(file_of(fleet, host, certificates::authority_file).content == file_of(fleet, "pg1", certificates::authority_file).content);
  const File authority = file_of(fleet, "pg1", "/var/lib/pgcluster/secrets/tls_ca");
  CHECK(authority.mode == 0600);
  CHECK(authority.owner == "root");
}

TEST_CASE("certificates: a private key is told to nobody") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  const Plan plan = plan_deploy(spec, fleet.executor);
  std::string told = plan.text(true) + plan.json() + plan.document();
  const Report report = apply(plan, fleet.executor, {.on_event = [&](const Event& event) { told += json(event); }});
  told += report.text() + report.json();
  for (const SimulatedAct& act : fleet.executor.trace()) told += act.description;
  const auto line = [](const std::string& pem) { return pem.substr(pem.find('\n') + 1, 60); };
  for (const std::string& name : names) CHECK(told.find(line(key_file(fleet, "pg1", name))) == std::string::npos);
  CHECK(told.find(line(file_of(fleet, "pg1", "/var/lib/pgcluster/secrets/tls_ca").content)) == std::string::npos);
  CHECK(told.find("PRIVATE KEY") == std::string::npos);
}

TEST_CASE("certificates: without tls_cert_generate there are none, and the plan warns") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a(3, "tls_cert_generate: false\n"));
  const Plan plan = plan_deploy(spec, fleet.executor);
  CHECK(announced(plan).empty());
  CHECK(std::any_of(plan.warnings().begin(), plan.warnings().end(), [](const Diagnostic& one) { return one.path == "tls_cert_generate"; }));
  apply_it(fleet, spec);
  settled(fleet, spec);
  for (const auto& [path, file] : fleet.executor.host("pg1").files) CHECK_MESSAGE(!path.starts_with("/etc/pgcluster/tls"), path);
  CHECK(plan_deploy(spec, fleet.executor, {.components = {std::make_shared<Certified>()}}).text().find("/certificates/") == std::string::npos);
}

TEST_CASE("certificates: renewed when less than a third of their time is left, with the same key and without a restart") {
  Deployed fleet("tls_cert_valid_days: 30\n");
  const std::string key = key_file(fleet, "pg1", "etcd");
  const x509::Certificate before = certificate(fleet, "pg1", "etcd");
  fleet.executor.advance(19 * one_day);
  settled(fleet, fleet.spec);
  fleet.executor.advance(one_day + 12h);
  mend(fleet, fleet.spec, all_for(ends_in(before)));
  CHECK(key_file(fleet, "pg1", "etcd") == key);
  const x509::Certificate after = certificate(fleet, "pg1", "etcd");
  CHECK(after.key == before.key);
  CHECK(after.serial != before.serial);
  CHECK(after.not_after > before.not_after + 19 * 86400);
  fleet.executor.advance(40 * one_day);  // expired
  mend(fleet, fleet.spec, all_for(ends_in(after)));
}

TEST_CASE("certificates: fewer days cut the certificates, and more days leave them until they end") {
  Deployed fleet;
  mend(fleet, spec_of(scheme_a(3, "tls_cert_valid_days: 90\n")), all_for("it is valid for longer than tls_cert_valid_days"));
  CHECK(certificate(fleet, "pg1", "etcd").not_after < clock_of(fleet) + 91 * 86400);
  settled(fleet, spec_of(scheme_a(3, "tls_cert_valid_days: 200\n")));  // a third of 200 days is less than the 90
  mend(fleet, spec_of(scheme_a(3, "tls_cert_valid_days: 300\n")), all_for(ends_in(certificate(fleet, "pg1", "etcd"))));
}

TEST_CASE("certificates: new names bring new certificates, for those whom clients reach by them") {
  Deployed fleet;
  const Spec spec = spec_of(scheme_a());  // with a VIP
  const Plan plan = plan_deploy(spec, fleet.executor);
  std::vector<std::string> wanted;
  for (const char* host : {"pg1", "pg2", "pg3"})
    for (const char* name : {"pgbouncer", "postgresql"}) wanted.push_back(std::string(host) + "/certificates/" + name + ": its names differ");
  CHECK_MESSAGE(announced(plan) == wanted, plan.text());
  CHECK_MESSAGE(plan.text(true).find("+IP:10.77.0.100") != std::string::npos, plan.text(true));
  CHECK_MESSAGE(disturbing(plan).empty(), plan.text());
  apply_it(fleet, spec);
  sound(fleet, spec);
  CHECK(certificate(fleet, "pg3", "pgbouncer").names.contains("IP:10.77.0.100"));
  apply_it(fleet, fleet.spec);
  sound(fleet, fleet.spec);
  CHECK_FALSE(certificate(fleet, "pg3", "pgbouncer").names.contains("IP:10.77.0.100"));
}

TEST_CASE("certificates: a key that somebody has replaced, opened to others or removed is made anew") {
  Deployed fleet;
  SimulatedHost& pg2 = fleet.executor.host("pg2");
  const std::string path = certificates::key_file("etcd");
  const std::string former = pg2.files.at(path).content;
  const std::string other = "the key is not the one that its request is of, or others may read it";
  std::string reason = other;
  SUBCASE("replaced") { pg2.files.at(path).content = x509::make_request("pg2").key; }
  SUBCASE("readable by others") { pg2.files.at(path).mode = 0644; }
  SUBCASE("of another owner") { pg2.files.at(path).owner = "postgres"; }
  SUBCASE("without its request") { pg2.files.erase("/etc/pgcluster/tls/etcd.csr"); }
  SUBCASE("with another request") { pg2.files.at("/etc/pgcluster/tls/etcd.csr").content = x509::make_request("pg2").request; }
  SUBCASE("removed") {
    pg2.files.erase(path);
    reason = "the key is not there";
  }
  const Plan plan = plan_deploy(fleet.spec, fleet.executor);
  REQUIRE_MESSAGE(announced(plan).size() == 2, plan.text());
  CHECK(announced(plan)[0] == "pg2/certificates/etcd-key: " + reason);
  apply_it(fleet, fleet.spec);
  sound(fleet, fleet.spec);
  CHECK(key_file(fleet, "pg2", "etcd") != former);
}

TEST_CASE("certificates: a certificate that somebody has replaced, bent or removed is made anew, of the same key") {
  Deployed fleet;
  SimulatedHost& pg2 = fleet.executor.host("pg2");
  const std::string path = certificates::certificate_file("etcd");
  const std::string key = key_file(fleet, "pg2", "etcd"), request = file_of(fleet, "pg2", "/etc/pgcluster/tls/etcd.csr").content;
  const std::string authority = file_of(fleet, "pg1", "/var/lib/pgcluster/secrets/tls_ca").content;
  const x509::Certificate good = certificate(fleet, "pg2", "etcd");
  x509::Wish wish{
      .name = "pg2", .names = good.names, .nameless = true, .serves = true, .asks = true, .not_before = good.not_before, .not_after = good.not_after};
  const auto write = [&](const std::string& by, const std::string& of) { pg2.write(path, x509::issue(by, of, wish)); };
  std::string reason;
  SUBCASE("by another authority's") {
    write(x509::make_authority("stranger", good.not_before, good.not_after), request);
    reason = "another authority has signed it (CN=stranger)";
  }
  SUBCASE("by another key's") {
    write(authority, x509::make_request("pg2").request);
    reason = "it is of another key";
  }
  SUBCASE("by another host's") {
    wish.name = "pg1";
    write(authority, request);
    reason = "its names differ";
  }
  SUBCASE("by one with a name more") {
    wish.names.insert("DNS:stranger");
    write(authority, request);
    reason = "its names differ";
  }
  SUBCASE("by one for less") {
    wish.asks = false;
    write(authority, request);
    reason = "its usage differs";
  }
  SUBCASE("by one that begins later") {
    wish.not_before = clock_of(fleet) + 86400;
    write(authority, request);
    reason = "it is not valid yet";
  }
  SUBCASE("by something else") {
    pg2.write(path, "hello\n");
    reason = "the file has no certificate";
  }
  SUBCASE("removed") {
    pg2.files.erase(path);
    reason = "the certificate is not there";
  }
  SUBCASE("of another owner") {
    pg2.files.at(path).owner = "etcd";
    reason = "owner or mode differ";
  }
  SUBCASE("of another mode") {
    pg2.files.at(path).mode = 0600;
    reason = "owner or mode differ";
  }
  mend(fleet, fleet.spec, {"pg2/certificates/etcd: " + reason});
  CHECK(key_file(fleet, "pg2", "etcd") == key);
}

TEST_CASE("certificates: an apply that was interrupted between key and certificate goes on with that key") {
  Deployed fleet;
  SimulatedHost& pg2 = fleet.executor.host("pg2");
  const std::string old_key = key_file(fleet, "pg2", "etcd"), old = file_of(fleet, "pg2", certificates::certificate_file("etcd")).content;
  pg2.files.erase("/etc/pgcluster/tls/etcd.csr");
  for (int again = 0; again < 2; ++again) {
    fleet.executor.fail([&](const Do& d) -> std::optional<Output> {
      const auto* run = std::get_if<Run>(&d.what);
      if (d.at != "pg2" || !run || run->argv.size() != 5 || run->argv[2] != shell::take_certificate) return std::nullopt;
      return Output{.status = 1, .err = "no room\n"};
    });
    const Report report = fleet.deploy(fleet.spec);
    CHECK_FALSE(report.ok());
    CHECK(file_of(fleet, "pg2", certificates::certificate_file("etcd")).content == old);
    fleet.executor.fail({});
    const std::string next =
        pg2.read("/etc/pgcluster/tls/etcd.key.next") ? *pg2.read("/etc/pgcluster/tls/etcd.key.next") : key_file(fleet, "pg2", "etcd");
    CHECK(next != old_key);
    apply_it(fleet, fleet.spec);
    sound(fleet, fleet.spec);
    CHECK(key_file(fleet, "pg2", "etcd") == next);
    pg2.write(certificates::certificate_file("etcd"), old);  // and once more
    pg2.files.erase("/etc/pgcluster/tls/etcd.csr");
  }
}

TEST_CASE("certificates: one host with a wrong clock does not decide what is valid") {
  for (const auto wrong : {400 * one_day, -4000 * one_day}) {
    Fleet fleet;
    const Spec spec = spec_of(scheme_a());
    fleet.executor.host("pg1").clock_ahead = wrong;
    apply_it(fleet, spec);
    sound(fleet, spec);
    for (const HostSpec& host : spec.hosts) {
      const x509::Certificate one = certificate(fleet, host.name, "etcd");
      CHECK(one.not_before < clock_of(fleet));
      CHECK(one.not_before > clock_of(fleet) - 2 * 3600);
    }
    fleet.executor.host("pg1").clock_ahead = 0s;
    fleet.executor.host("pg2").clock_ahead = wrong;
    settled(fleet, spec);
  }
}

TEST_CASE("certificates: a plan's document holds while the days that are left go by") {
  Deployed fleet("tls_cert_valid_days: 30\n");
  fleet.executor.advance(21 * one_day);
  const Plan plan = plan_deploy(fleet.spec, fleet.executor);
  REQUIRE(announced(plan) == all_for(ends_in(certificate(fleet, "pg1", "etcd"))));
  const std::string document = plan.document();
  CHECK(document.find("PRIVATE") == std::string::npos);
  fleet.executor.advance(2 * one_day);
  const Plan again = plan_from_document(document, fleet.spec, fleet.executor);
  CHECK(announced(again).size() == 15);
  const Report report = apply(again, fleet.executor);
  REQUIRE_MESSAGE(report.ok(), report.text());
  sound(fleet, fleet.spec);
}

TEST_CASE("certificates: a user's own component declares one, beside those of ours") {
  Fleet fleet;
  const Spec spec = spec_of(scheme_a());
  const DeployOptions options{.components = {std::make_shared<Certified>()}};
  apply_it(fleet, spec, options);
  CHECK(plan_deploy(spec, fleet.executor, options).empty());
  const x509::Certificate own = certificate(fleet, "pg2", "exporter");
  for (const char* name : {"DNS:metrics.example.com", "IP:fd00::7", "DNS:pg2", "IP:10.77.0.12"}) CHECK(own.names.contains(name));
  CHECK(own.serves);
  CHECK(own.asks);
  CHECK(file_of(fleet, "pg2", certificates::key_file("exporter")).owner == "exporter");
  CHECK(x509::is_issued_by(file_of(fleet, "pg2", certificates::certificate_file("exporter")).content,
                           file_of(fleet, "pg2", certificates::authority_file).content));
  // Without the component its files go, and the others stay.
  apply_it(fleet, spec);
  for (const char* kind : {".key", ".crt", ".csr", ".key.next"})
    CHECK_FALSE(fleet.executor.host("pg2").read(std::string("/etc/pgcluster/tls/exporter") + kind));
  sound(fleet, spec);
}

TEST_CASE("certificates: two components with one certificate are an error of the plan") {
  Fleet fleet;
  try {
    plan_deploy(spec_of(scheme_a()), fleet.executor, {.components = {std::make_shared<Certified>("etcd")}});
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK_MESSAGE(std::string(error.what()).find("certificates/etcd") != std::string::npos, error.what());
  }
  CHECK(fleet.executor.trace().empty());
}

TEST_CASE("certificates: an authority of one's own signs, and its key goes to no host") {
  Openssl openssl;
  openssl.authority("root");
  openssl.authority("middle", "root");
  openssl.write("chain.crt", openssl.read("middle.crt") + openssl.read("root.crt"));
  const std::string given = "tls_ca: {certificate: " + openssl.path("chain.crt") + ", key: " + openssl.path("middle.key") + "}\n";
  SUBCASE("from the beginning") {
    Deployed fleet(given);
    sound(fleet, fleet.spec);
    CHECK(certificate(fleet, "pg1", "etcd").issuer == "CN=middle");
    const std::string secret = openssl.read("middle.key").substr(95, 60);
    for (const HostSpec& host : fleet.spec.hosts)
      for (const auto& [path, file] : fleet.executor.host(host.name).files) CHECK_MESSAGE(file.content.find(secret) == std::string::npos, path);
    for (const char* kind : {"-CAfile root.crt -untrusted", "-partial_chain -CAfile root.crt -untrusted"}) {
      openssl.write("leaf.crt", file_of(fleet, "pg1", certificates::certificate_file("postgresql")).content);
      openssl.must("verify " + std::string(kind) + " leaf.crt -no_check_time -verify_ip 10.77.0.11 leaf.crt");
    }
  }
  SUBCASE("in place of the one that apply made, and back") {
    Deployed fleet;
    const Spec own = spec_of(scheme_a(3, given)), plain = spec_of(scheme_a(3, "tls_cert_generate: false\n"));
    try {
      plan_deploy(own, fleet.executor);
      FAIL("the authority of a running cluster was exchanged under its services");
    } catch (const Error& refused) {
      CHECK(refused.code() == Code::refused);
      CHECK_MESSAGE(refused.message().find("would not trust those that still show the old one") != std::string::npos, refused.message());
      CHECK_MESSAGE(refused.failure().hint.find("apply once with tls_cert_generate: false") != std::string::npos, refused.failure().hint);
    }
    for (const Spec& spec : {plain, own, plain, fleet.spec}) {
      const Plan plan = plan_deploy(spec, fleet.executor);
      // Patroni reads how to speak with the DCS only when it starts.
      const auto restarts = std::count_if(plan.changes().begin(), plan.changes().end(), [](const PlannedChange& one) {
        return one.component == "patroni" && one.step == "service" && disturbs(one.impact);
      });
      CHECK_MESSAGE(restarts == 3, plan.text());
      const Report report = apply(plan, fleet.executor);
      REQUIRE_MESSAGE(report.ok(), report.text());
      settled(fleet, spec);
    }
    sound(fleet, fleet.spec, {"etcd", "patroni", "pgbouncer", "postgresql"});  // users of etcd are for clusters that begin with them
  }
}

TEST_CASE("certificates: an authority of one's own takes the place of another in three applies, and only etcd restarts") {
  Openssl openssl;
  openssl.authority("old");
  openssl.authority("new");
  const auto own = [&](const std::string& key, const std::string& certificates) {
    openssl.write("own.crt", certificates);
    return spec_of(scheme_a(3, "tls_ca: {certificate: " + openssl.path("own.crt") + ", key: " + openssl.path(key) + "}\n"));
  };
  const std::string before = openssl.read("old.crt"), now = openssl.read("new.crt");
  Fleet fleet;
  apply_it(fleet, own("old.key", before));
  try {
    plan_deploy(own("new.key", now), fleet.executor);
    FAIL("the authority of a running cluster was exchanged under its services");
  } catch (const Error& refused) {
    CHECK_MESSAGE(refused.failure().hint.find("add the new root to the file of its certificate") != std::string::npos, refused.failure().hint);
  }
  for (const auto& [key, certificates] : {std::pair{"old.key", before + now}, std::pair{"new.key", now + before}, std::pair{"new.key", now}}) {
    const Spec spec = own(key, certificates);
    const Plan plan = plan_deploy(spec, fleet.executor);
    for (const PlannedChange& one : plan.changes()) CHECK_MESSAGE((!disturbs(one.impact) || one.component == "etcd"), plan.text());
    const Report report = apply(plan, fleet.executor);
    REQUIRE_MESSAGE(report.ok(), report.text());
    settled(fleet, spec);
  }
  CHECK(certificate(fleet, "pg3", "patroni").issuer == "CN=new");
}

TEST_CASE("certificates: a decision is the same when it is asked for twice") {
  Deployed fleet("tls_cert_valid_days: 30\n");
  fleet.executor.advance(25 * one_day);
  int changes = 0;
  const Plan plan = plan_deploy(fleet.spec, fleet.executor);
  for (const PlanNode& node : plan.data().nodes) {
    if (node.id.find("/certificates/") == std::string::npos) continue;
    Answers answers;
    for (const Ask& ask : node.step->asks()) answers.set(ask, fleet.executor.run({.name = node.host}, {.asks = {ask}}).answers.at(0));
    const Decision first = node.step->decide(answers), second = node.step->decide(answers);
    REQUIRE(first.index() == second.index());
    const auto* change = std::get_if<Change>(&first);
    if (!change) continue;
    ++changes;
    CHECK(change->todo == std::get<Change>(second).todo);
  }
  CHECK(changes == 15);
}
