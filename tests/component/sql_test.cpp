#include "component/postgresql/sql.hpp"

#include <doctest/doctest.h>

#include "patroni_world.hpp"

using namespace pgcluster;
using namespace world;

TEST_CASE("names and texts are quoted") {
  CHECK(sql_identifier("app") == "\"app\"");
  CHECK(sql_identifier("a\"; drop") == "\"a\"\"; drop\"");
  CHECK(sql_literal("it's") == "'it''s'");
  CHECK(sql_literal("a\\b") == " E'a\\\\b'");
}

TEST_CASE("roles: made where absent, and no password travels") {
  World world;
  world.converged();
  world.roles.erase("app");
  world.roles["replicator"].replication = false;
  const Decision decision = world.decide("cluster/patroni/roles");
  REQUIRE(is<Change>(decision));
  const Change& change = std::get<Change>(decision);
  REQUIRE(change.todo.size() == 1);
  CHECK(change.todo[0].at == "pg1");
  CHECK(std::get<Output>(*change.todo[0].was).out == "f\n");
  const Run& run = std::get<Run>(change.todo[0].what);
  const std::string script = run.input.masked();
  CHECK(script.find("create role \"app\" noSUPERUSER noCREATEDB noCREATEROLE INHERIT LOGIN noREPLICATION noBYPASSRLS password '<secret "
                    "postgresql_users.app.password (verifier)>';") != std::string::npos);
  CHECK(script.find("alter role \"replicator\" REPLICATION LOGIN;") != std::string::npos);
  CHECK(script.find("\"postgres\"") == std::string::npos);
  CHECK(run.input.reveal().find("password \"of\"") == std::string::npos);
  CHECK(run.input.reveal().find("SCRAM-SHA-256$4096:") != std::string::npos);
  for (const std::string& word : run.argv) CHECK(word.find("SCRAM") == std::string::npos);
  CHECK(change.reason == "replicator has other rights, app is not there");
}

TEST_CASE("a changed password: the leader first, the files wait for it") {
  World world;
  world.converged();
  world.view.secrets["patroni_replication_password"].value = "new";
  const Decision decision = world.decide("cluster/patroni/roles");
  REQUIRE(is<Change>(decision));
  CHECK(std::get<Change>(decision).diff.masked().find("another password") != std::string::npos);
  CHECK(is<Later>(world.decide("pg2/patroni/passwords")));
  CHECK(is<Change>(world.decide("pg2/patroni/config")));
}

TEST_CASE("flags of the spec") {
  World world;
  world.view.spec.postgresql_users[0].flags = "nologin, CREATEDB";
  world.converged();
  const Decision decision = world.decide("cluster/patroni/roles");
  REQUIRE(is<Change>(decision));
  CHECK(std::get<Run>(std::get<Change>(decision).todo[0].what)
            .input.masked()
            .find("alter role \"app\" noSUPERUSER CREATEDB noCREATEROLE INHERIT noLOGIN noREPLICATION noBYPASSRLS;") != std::string::npos);
}

TEST_CASE("databases: made where absent, their owner kept") {
  World world;
  world.view.spec.postgresql_databases = {{.db = "app", .owner = "app"}, {.db = "new", .owner = "app", .encoding = "UTF8", .lc_collate = "C"}};
  world.converged();
  world.databases["app"].owner = "postgres";
  const Decision decision = world.decide("cluster/patroni/databases");
  REQUIRE(is<Change>(decision));
  const std::string script = std::get<Run>(std::get<Change>(decision).todo[0].what).input.masked();
  CHECK(script.find("alter database \"app\" owner to \"app\";\n") != std::string::npos);
  CHECK(script.find("create database \"new\" owner \"app\" encoding 'UTF8' lc_collate 'C' template template0;\n") != std::string::npos);
  CHECK(script.find("begin") == std::string::npos);
}

TEST_CASE("PgBouncer's function: made, and made anew where others may call it") {
  World world;
  world.converged();
  CHECK(is<Done>(world.decide("cluster/patroni/pgbouncer-auth")));
  world.search = false;
  CHECK(is<Change>(world.decide("cluster/patroni/pgbouncer-auth")));
}

TEST_CASE("two servers that take writes are not chosen from") {
  World world;
  world.converged();
  world.members["pg2"].leads = true;
  world.roles.clear();
  CHECK(is<Later>(world.decide("cluster/patroni/roles")));
  CHECK(is<Later>(world.decide("cluster/patroni/leader")));
}

TEST_CASE("a locale that one database host does not have is refused before the database is made") {
  World world;
  world.view.spec.postgresql_databases = {{.db = "new", .owner = "app", .lc_collate = "xx_XX.UTF-8", .lc_ctype = "C.utf8"}};
  world.converged();
  world.locales = {{"pg1", "C\nC.utf8\nPOSIX\nxx_XX.utf8\n"}, {"pg2", "C\nC.utf8\nPOSIX\n"}, {"pg3", "C\nC.utf8\nPOSIX\nxx_XX.utf8\n"}};
  const Decision decision = world.decide("cluster/patroni/databases");
  REQUIRE(is<Refused>(decision));
  CHECK(std::get<Refused>(decision).why.message == "pg2 has no locale xx_XX.UTF-8, so the database new could not be opened there");
  world.locales["pg2"] += "xx_XX.utf8\n";
  CHECK(is<Change>(world.decide("cluster/patroni/databases")));
}

TEST_CASE("600 databases are one change, with time for each of them") {
  World world;
  for (int i = 0; i < 600; ++i) world.view.spec.postgresql_databases.push_back({.db = "tenant_" + std::to_string(i), .owner = "app"});
  world.converged();
  const Decision decision = world.decide("cluster/patroni/databases");
  REQUIRE(is<Change>(decision));
  REQUIRE(std::get<Change>(decision).todo.size() == 1);
  CHECK(std::get<Change>(decision).todo.front().limit >= std::chrono::seconds(600 * 5));
}

TEST_CASE("roles with md5 passwords: the server that answers tells them, and few are named") {
  const Server server = read_server(Output{.out = R"({"recovery": false, "md5_roles": ["old", "odd \"name\""]})"});
  CHECK(server.md5_roles == std::vector<std::string>{"old", "odd \"name\""});
  CHECK(read_server(Output{.out = R"({"recovery": false})"}).md5_roles.empty());
  CHECK(md5_warning({"odd \"name\""}).hint.ends_with(R"(\password "odd ""name""")"));
  CHECK(md5_warning({"a", "b"}).message.find("the roles a, b have md5 passwords") == 0);
  CHECK(md5_warning({"a", "b", "c", "d", "e", "f", "g"}).message.find("a, b, c, d, e and 2 more have") != std::string::npos);
}
