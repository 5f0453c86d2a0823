#include "component/postgresql/postgresql.hpp"

#include <doctest/doctest.h>

#include "component/postgresql/networks.hpp"
#include "component/postgresql/sql.hpp"
#include "parts.hpp"

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
  CHECK(holds(setting("16384", "8kB", "integer"), "128MB", 17));
  CHECK(holds(setting("16384", "8kB", "integer"), "16384", 17));
  CHECK(holds(setting("16384", "8kB", "integer"), "0.125GB", 17));
  CHECK_FALSE(holds(setting("16384", "8kB", "integer"), "127MB", 17));
  CHECK_FALSE(holds(setting("16384", "8kB", "integer"), "128s", 17));
  CHECK(holds(setting("900", "s", "integer"), "15min", 17));
  CHECK(holds(setting("5000", "ms", "integer"), "5s", 17));
  CHECK(holds(setting("0.01", "", "real"), "0.010", 17));
  CHECK(holds(setting("on", "", "bool"), "true", 17));
  CHECK(holds(setting("off", "", "bool"), "no", 17));
  CHECK_FALSE(holds(setting("on", "", "bool"), "off", 17));
  CHECK(holds(setting("pglz", "", "enum", "wal_compression"), "on", 17));
  CHECK_FALSE(holds(setting("lz4", "", "enum", "wal_compression"), "on", 17));
  CHECK(holds(setting("scram-sha-256", "", "enum"), "SCRAM-SHA-256", 17));
  CHECK(holds(setting("2048", "8kB", "integer", "wal_buffers"), "-1", 17));
  CHECK_FALSE(holds(setting("a, b", "", "string"), "a,b", 17));
}

TEST_CASE("a server that has read a file with the wish runs with it, whatever it shows") {
  Server server;
  Setting keepalives{.name = "tcp_keepalives_idle", .value = "0", .unit = "s", .type = "integer", .file = "300"};
  CHECK_FALSE(runs(server, keepalives, "5min", 17));  // the file is newer than what it has read
  server.files_read = true;
  CHECK(runs(server, keepalives, "5min", 17));
  CHECK_FALSE(runs(server, keepalives, "301", 17));
  keepalives.file_error = "setting could not be applied";
  CHECK_FALSE(runs(server, keepalives, "300", 17));
  const Setting command{.name = "archive_command", .value = "(disabled)", .type = "string", .file = "cp %p /mnt/%f"};
  CHECK(runs(server, command, "cp %p /mnt/%f", 17));
  CHECK_FALSE(runs(server, command, "cp %p  /mnt/%f", 17));
  CHECK_FALSE(runs_without(server, command, 17));
  CHECK(runs_without(server, Setting{.name = "wal_buffers", .value = "512", .unit = "8kB", .type = "integer", .boot = "-1"}, 17));
}

TEST_CASE("networks: clients come from the networks of the interfaces with the hosts' addresses") {
  const auto networks = [](const auto& bend) {
    ClusterView view = parts::cluster(parts::spec());
    for (auto& [name, facts] : view.facts) facts.interfaces = {{"lo", "127.0.0.1/8"}, {"eth0", view.topology.host(name).address + "/24"}};
    bend(view);
    std::string all;
    for (const std::string& one : allowed_networks(view)) all += (all.empty() ? "" : " ") + one;
    return all;
  };
  using View = ClusterView;
  CHECK(networks([](View&) {}) == "10.77.0.0/24");
  CHECK(networks([](View& view) {
          view.spec.database_allowed_networks = {"192.0.2.0/24", "10.0.0.0/8", "FD00::/8"};
        }) == "10.0.0.0/8 192.0.2.0/24 fd00::/8");
  // Other interfaces do not count; other addresses of the same one do, but not the VIP's, and none that is alone or of a link.
  CHECK(networks([](View& view) {
          view.spec.cluster_vip = "10.88.0.100";
          for (const char* more : {"10.88.0.100/24", "fd00:77::11/64", "fe80::1/64", "192.168.5.5/32"})
            view.facts["pg1"].interfaces.push_back({"eth0", more});
          view.facts["pg2"].interfaces.push_back({"docker0", "172.17.0.1/16"});
        }) == "10.77.0.0/24 fd00:77::/64");
  // Some clouds give an interface one address of a private range.
  CHECK(networks([](View& view) {
          for (auto& [name, facts] : view.facts) facts.interfaces[1].cidr = view.topology.host(name).address + "/32";
        }) == "10.0.0.0/8");
  CHECK(networks([](View& view) {
          view.spec.cloud_provider = CloudProvider::aws;
          view.spec.database_public_access = true;
          view.spec.database_public_allowed_ips = {"203.0.113.0/24"};
        }) == "10.0.0.0/8 203.0.113.0/24");
  // A host that is left out is in the network that the others have recorded of it.
  const auto without_pg3 = [](bool recorded) {
    return [recorded](View& view) {
      view.topology.hosts[2].address = "10.99.0.13";
      if (recorded)
        view.facts["pg2"].cluster =
            cluster_file(view.topology, {}, {}, {{"pg1", {"10.77.0.0/24"}}, {"pg2", {"10.77.0.0/24"}}, {"pg3", {"10.99.0.0/16"}}});
      view.facts.erase("pg3");
      view.without = {"pg3"};
    };
  };
  CHECK(networks(without_pg3(true)) == "10.77.0.0/24 10.99.0.0/16");
  CHECK(networks(without_pg3(false)) == "10.77.0.0/24");
}

TEST_CASE("networks: a host whose network nothing tells is named") {
  ClusterView view = parts::cluster(parts::spec());
  const auto found = [&] { return unknown_network(NodeView{view, view.topology.host("pg1"), view.facts.at("pg1")}); };
  CHECK(found().empty());
  view.facts["pg1"].interfaces = {{"eth0", "192.168.1.7/24"}};
  REQUIRE(found().size() == 1);
  CHECK(found()[0].severity == Severity::warning);
  CHECK(found()[0].message.find("the network of pg1 cannot be told") == 0);
  view.spec.database_allowed_networks = {"10.0.0.0/8"};
  CHECK(found().empty());
}
