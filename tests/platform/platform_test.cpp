#include <doctest/doctest.h>

#include <set>

#include "platform/platform.hpp"

using namespace pgcluster;

namespace {

Facts system_of(const std::string& id, const std::string& version, const std::string& codename = "") {
  return {.os_id = id, .os_version = version, .os_codename = codename};
}

const Platform& named(const std::string& name) {
  for (const Platform& one : platforms())
    if (one.name == name) return one;
  FAIL("there is no platform " << name);
  return platforms().front();
}

}  // namespace

TEST_CASE("platform: each release by the words of its /etc/os-release") {
  CHECK(platform_of(system_of("debian", "12", "bookworm")).name == "Debian 12");
  CHECK(platform_of(system_of("debian", "13", "trixie")).name == "Debian 13");
  CHECK(platform_of(system_of("debian", "14", "forky")).name == "Debian 14 (testing)");
  CHECK(platform_of(system_of("ubuntu", "22.04", "jammy")).postgresql.version == 14);
  CHECK(platform_of(system_of("ubuntu", "24.04", "noble")).postgresql.version == 16);
}

TEST_CASE("platform: Debian's testing has no version before it is released") {
  CHECK(platform_of(system_of("debian", "", "forky")).name == "Debian 14 (testing)");
  CHECK(find_platform(system_of("debian", "", "sid")) == nullptr);
}

TEST_CASE("platform: Debian 13 before a host was asked") {
  CHECK(platform_of({}).name == "Debian 13");
  CHECK(platform_of({}).tried);
  CHECK(find_platform({}) == nullptr);
}

TEST_CASE("platform: any other system is refused by its name, and the refusal tells which are supported") {
  for (const Facts& facts :
       {system_of("fedora", "42"), system_of("debian", "11", "bullseye"), system_of("ubuntu", "20.04", "focal"), system_of("rocky", "9.4")}) {
    REQUIRE(find_platform(facts) == nullptr);
    const Error refused = unsupported_platform("pg1", facts);
    CHECK(refused.code() == Code::host_unsupported);
    CHECK(refused.failure().host == "pg1");
    CHECK(refused.message().find("pg1 runs " + facts.os_id + " " + facts.os_version) == 0);
    for (const Platform& one : platforms()) CHECK(refused.hint().find(one.name) != std::string::npos);
  }
  CHECK(unsupported_platform("pg1", system_of("debian", "11", "bullseye")).message() ==
        "pg1 runs debian 11 (bullseye), which pgcluster does not support");
}

TEST_CASE("platform: each record is whole, and no two are of one system") {
  std::set<std::string> seen;
  for (const Platform& one : platforms()) {
    CAPTURE(one.name);
    CHECK(seen.insert(one.os_id + one.os_version).second);
    CHECK(seen.insert(one.os_id + one.os_codename).second);
    for (const PackagedService* service : {&one.patroni, &one.etcd, &one.pgbouncer, &one.haproxy, &one.keepalived, &one.consul})
      CHECK_FALSE(service->packages.empty());
    CHECK(one.postgresql.version >= 10);
    for (const std::string* word : {&one.postgresql.bin_dir, &one.postgresql.data_dir, &one.postgresql.home, &one.postgresql.socket_dir,
                                    &one.postgresql.account, &one.postgresql.unit, &one.postgresql.no_server_file, &one.etcd.config, &one.etcd.data,
                                    &one.patroni_etcd, &one.patroni_consul, &one.etcd_client, &one.http_client, &one.arping, &one.time_service})
      CHECK_FALSE(word->empty());
    CHECK_FALSE(one.package_query.empty());
  }
}

TEST_CASE("platform: packages and paths of a major version") {
  const Platform& debian = named("Debian 12");
  CHECK(postgresql_packages(debian, 15) == std::vector<std::string>{"postgresql-15", "postgresql-client-15"});
  CHECK(for_major(debian.postgresql.bin_dir, 16) == "/usr/lib/postgresql/16/bin");
  CHECK(for_major("/no/version", 16) == "/no/version");
}

TEST_CASE("platform: the distribution lacks what is of another major version, or what the table says") {
  CHECK(lacks(named("Debian 12"), "postgresql-17"));
  CHECK(lacks(named("Debian 12"), "postgresql-client-17"));
  CHECK_FALSE(lacks(named("Debian 12"), "postgresql-15"));
  CHECK_FALSE(lacks(named("Debian 13"), "postgresql-17"));
  CHECK(lacks(named("Debian 13"), "consul"));
  for (const char* other : {"postgresql-common", "patroni", "postgresql-17-cron", "a-user's-own"}) CHECK_FALSE(lacks(named("Debian 12"), other));
}

TEST_CASE("platform: what to do where no repository has a package") {
  CHECK(missing_hint(named("Debian 12"), {"postgresql-17", "postgresql-client-17"}) ==
        "Debian 12 itself does not have them: add a repository that does, and run apt-get update; or use its own version (postgresql_version: 15)");
  CHECK(missing_hint(named("Debian 13"), {"consul"}) == "Debian 13 itself does not have it: add a repository that does, and run apt-get update");
  CHECK(missing_hint(named("Debian 13"), {"consul", "patroni"}) == "add a repository that has them, and run apt-get update");
}

TEST_CASE("platform: the version that apt would install") {
  const std::string policy =
      "postgresql-17:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\npatroni:\n  Installed: 4.0.7-1\n  Candidate: 4.0.7-1\n  Version "
      "table:\n"
      "     4.0.7-1 500\n";
  CHECK(candidate(policy, "patroni") == "4.0.7-1");
  CHECK(candidate(policy, "postgresql-17").empty());
  CHECK(candidate(policy, "atroni").empty());
  CHECK(candidate("", "patroni").empty());
}

TEST_CASE("platform: versions are compared by number, without epoch and Debian's part") {
  CHECK(older("3.3.25+dfsg-7ubuntu0.22.04.1", "3.4"));
  CHECK(older("2.1.2-1", "3.0"));
  CHECK_FALSE(older("3.4.23+dfsg-4", "3.4"));
  CHECK_FALSE(older("3.10-1", "3.4"));
  CHECK_FALSE(older("1:4.0", "3.0"));
  CHECK_FALSE(older("4", "3.4"));
  CHECK(older("3", "3.4"));
  CHECK_FALSE(older("", ""));
}
