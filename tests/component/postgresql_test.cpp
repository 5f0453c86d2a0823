#include "component/postgresql/postgresql.hpp"

#include <doctest/doctest.h>

using namespace pgcluster;

namespace {

std::string value(const Pairs& pairs, const std::string& name) {
  for (const auto& [key, value] : pairs)
    if (key == name) return value;
  return "";
}

ClusterView view(std::uint64_t memory) {
  ClusterView made;
  made.topology.database = {"pg1", "pg2"};
  made.facts["pg1"].memory_bytes = memory * 4;
  made.facts["pg2"].memory_bytes = memory;
  return made;
}

}  // namespace

TEST_CASE("memory follows from the smallest host, and the spec has the last word") {
  ClusterView made = view(8ull << 30);
  CHECK(value(postgresql_parameters(made), "shared_buffers") == "2048MB");
  CHECK(value(postgresql_parameters(made), "effective_cache_size") == "6144MB");
  CHECK(value(postgresql_parameters(made), "max_connections") == "1000");
  CHECK(value(postgresql_parameters(view(1ull << 30)), "max_connections") == "100");
  CHECK(value(postgresql_parameters(view(100ull << 20)), "shared_buffers") == "128MB");
  made.spec.postgresql_parameters = {{"shared_buffers", "1GB"}, {"auto_explain.log_min_duration", "5s"}};
  CHECK(value(postgresql_parameters(made), "shared_buffers") == "1GB");
  CHECK(postgresql_parameters(made).back().first == "auto_explain.log_min_duration");
}

TEST_CASE("a running value holds a wish whatever its spelling") {
  const auto setting = [](std::string value, std::string unit, std::string type, std::string name = "x") {
    return Setting{.name = std::move(name), .value = std::move(value), .unit = std::move(unit), .type = std::move(type)};
  };
  CHECK(holds(setting("16384", "8kB", "integer"), "128MB"));
  CHECK(holds(setting("16384", "8kB", "integer"), "16384"));
  CHECK(holds(setting("16384", "8kB", "integer"), "0.125GB"));
  CHECK_FALSE(holds(setting("16384", "8kB", "integer"), "127MB"));
  CHECK_FALSE(holds(setting("16384", "8kB", "integer"), "128s"));
  CHECK(holds(setting("900", "s", "integer"), "15min"));
  CHECK(holds(setting("5000", "ms", "integer"), "5s"));
  CHECK(holds(setting("0.01", "", "real"), "0.010"));
  CHECK(holds(setting("on", "", "bool"), "true"));
  CHECK(holds(setting("off", "", "bool"), "no"));
  CHECK_FALSE(holds(setting("on", "", "bool"), "off"));
  CHECK(holds(setting("pglz", "", "enum", "wal_compression"), "on"));
  CHECK_FALSE(holds(setting("lz4", "", "enum", "wal_compression"), "on"));
  CHECK(holds(setting("scram-sha-256", "", "enum"), "SCRAM-SHA-256"));
  CHECK(holds(setting("2048", "8kB", "integer", "wal_buffers"), "-1"));
  CHECK_FALSE(holds(setting("a, b", "", "string"), "a,b"));
}

TEST_CASE("two spellings of one value") {
  CHECK(same_value("128MB", "131072kB"));
  CHECK(same_value("on", "true"));
  CHECK(same_value("0.9", "0.90"));
  CHECK_FALSE(same_value("128MB", "128"));
  CHECK_FALSE(same_value("1min", "1MB"));
  CHECK_FALSE(same_value("0", "off"));
  CHECK_FALSE(same_value("replica", "logical"));
}
