#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

TEST_CASE("pgbouncer: the files of a host") { golden_files(pgbouncer_component(), "pgbouncer"); }

TEST_CASE("pgbouncer: every answer has a decision") { total(steps(pgbouncer_component(), cluster(spec()), "pg1")); }

TEST_CASE("pgbouncer: the files are for postgres only, and the password is quoted as PgBouncer reads it") {
  const ClusterView view = cluster(spec());
  const Steps all = steps(pgbouncer_component(), view, "pg1");
  for (const char* what : {"config", "listen", "users"}) {
    const Decision decision = decide(all, std::string("pg1/pgbouncer/") + what);
    const auto& write = std::get<WriteFile>(std::get<Change>(decision).todo.at(0).what);
    CHECK(write.mode == 0640);
    CHECK(write.owner == "postgres");
    if (std::string(what) == "users") CHECK(write.content.reveal() == "\"pgbouncer\" \"a \"\"quoted\"\" word\"\n");
  }
}

TEST_CASE("pgbouncer: where it listens needs a restart, all else a reload") {
  const ClusterView view = cluster(spec());
  const Steps all = steps(pgbouncer_component(), view, "pg1");
  Unit unit{.active = "active", .enabled = true, .pid = 7};
  const auto service = [&] { return decide(all, "pg1/pgbouncer/service", {{"pg1", "pgbouncer.service", unit}}); };
  CHECK(is<Done>(service()));
  unit.load_files_current = false;
  CHECK(std::get<Change>(service()).action == Action::reload);
  CHECK(std::get<Change>(service()).impact == Impact::reload);
  unit.start_files_current = false;
  CHECK(std::get<Change>(service()).impact == Impact::restart);
  for (const Steps::Node& node : all.nodes())
    if (node.step->name() == "pg1/pgbouncer/service") CHECK(node.group == "pgbouncer");
}

TEST_CASE("pgbouncer: it listens, not yet, or somebody else does") {
  const Steps all = steps(pgbouncer_component(), cluster(spec()), "pg1");
  const auto listens = [&](const std::string& out) { return decide(all, "pg1/pgbouncer/listens", {{"pg1", "ss ", Output{.out = out}}}); };
  CHECK(is<Done>(listens(R"(LISTEN 0 128 0.0.0.0:6432 0.0.0.0:* users:(("pgbouncer",pid=71,fd=8)))")));
  CHECK(is<Later>(listens("")));
  CHECK(is<Later>(decide(all, "pg1/pgbouncer/listens")));
  CHECK(message(listens(R"(LISTEN 0 128 0.0.0.0:6432 0.0.0.0:* users:(("nginx",pid=71,fd=8)))")).find("taken by nginx") != std::string::npos);
  // ss does not say whose it is where it began while ss looked: a moment later it does.
  const Decision nobody = listens("LISTEN 0 128 0.0.0.0:6432 0.0.0.0:*");
  REQUIRE(is<Later>(nobody));
  CHECK(std::get<Later>(nobody).wrong.find("taken by another process") != std::string::npos);
}

TEST_CASE("pgbouncer: only on database hosts, and only where it is wanted") {
  Spec off = spec();
  off.pgbouncer_install = false;
  CHECK(steps(pgbouncer_component(), cluster(off), "pg1").empty());
  CHECK(secret_names(pgbouncer_component(), off).empty());
  Spec mixed = spec();
  mixed.hosts.push_back({.name = "witness", .address = "10.77.0.20", .roles = {Role::etcd}});
  CHECK(steps(pgbouncer_component(), cluster(mixed), "witness").empty());
}
