#include "spec/server_settings.hpp"

#include <doctest/doctest.h>

using namespace pgcluster;
namespace settings = pgcluster::server_settings;

namespace {

std::string kept(const std::string& name, const std::string& value, int version = 17) {
  const auto* one = settings::find(version, name);
  REQUIRE(one);
  return settings::canonical(*one, value).value_or("(refused)");
}

}  // namespace

TEST_CASE("a value is read as PostgreSQL reads it") {
  CHECK(kept("work_mem", "64MB") == "65536");
  CHECK(kept("work_mem", " 0x40 MB ") == "65536");
  CHECK(kept("work_mem", "010MB") == "8192");
  CHECK(kept("work_mem", "64mb") == "(refused)");
  CHECK(kept("work_mem", "64 MB B") == "(refused)");
  CHECK(kept("work_mem", "63kB") == "(refused)");  // the least is 64kB
  CHECK(kept("shared_buffers", "1.5GB") == "196608");
  CHECK(kept("checkpoint_timeout", "20min") == "1200");
  CHECK(kept("Checkpoint_Timeout", "0.5h") == "1800");
  CHECK(kept("checkpoint_timeout", "1e3") == "1000");
  CHECK(kept("checkpoint_timeout", "2d") == "(refused)");
  CHECK(kept("vacuum_cost_delay", "500us") == "0.5");
  CHECK(kept("random_page_cost", "1.10") == "1.1");
  CHECK(kept("random_page_cost", "1,1") == "(refused)");
  CHECK(kept("jit", "T") == "on");
  CHECK(kept("jit", "of") == "off");
  CHECK(kept("jit", "o") == "(refused)");
  CHECK(kept("synchronous_commit", "YES") == "on");
  CHECK(kept("synchronous_commit", "remote_Apply") == "remote_apply");
  CHECK(kept("synchronous_commit", "y") == "(refused)");
  CHECK(kept("wal_compression", "true") == "pglz");
  CHECK(kept("log_min_messages", "debug") == "debug2");
  CHECK(kept("default_transaction_isolation", "Repeatable Read") == "repeatable read");
  CHECK(kept("default_transaction_isolation", "read") == "(refused)");
  CHECK(kept("ssl_max_protocol_version", "") == "");
  CHECK(kept("log_file_mode", "0640") == "416");
  CHECK(kept("application_name", "it's 1") == "it's 1");
}

TEST_CASE("names are those of the version") {
  CHECK(settings::known(15));
  CHECK(settings::known(16));
  CHECK(settings::known(17));
  CHECK_FALSE(settings::known(12));
  CHECK(settings::find(17, "timezone")->name == "TimeZone");
  CHECK_FALSE(settings::find(17, "old_snapshot_threshold"));
  CHECK(settings::find(16, "old_snapshot_threshold"));
  CHECK_FALSE(settings::find(16, "transaction_timeout"));
  CHECK(settings::find_near(12, "work_mem"));
  CHECK(settings::names(17).size() > 300);
}

TEST_CASE("what Patroni does not read is spelt otherwise for it") {
  CHECK(settings::plain(17, "work_mem", "64MB") == "64MB");
  CHECK(settings::plain(17, "work_mem", "0x40MB") == "65536");
  CHECK(settings::plain(17, "random_page_cost", "1.1e0") == "1.1000000000000001");
  CHECK(settings::plain(17, "jit", "t") == "on");
  CHECK(settings::plain(17, "log_min_messages", "debug") == "debug2");
  CHECK(settings::plain(17, "app.number", "0x40") == "0x40");
  CHECK(settings::same(17, "work_mem", "64MB", "65536kB"));
  CHECK(settings::same(17, "synchronous_commit", "on", "True"));
  CHECK_FALSE(settings::same(17, "search_path", "a, b", "a,b"));
}
