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

namespace {

std::string script_of(const Decision& decision) {
  REQUIRE(is<Change>(decision));
  return std::get<Run>(std::get<Change>(decision).todo.front().what).input.masked();
}

void remember(World& world, const std::string& lines) {
  for (auto& [host, facts] : world.view.facts) facts.objects = lines;
}

}  // namespace

TEST_CASE("limits and memberships of a role: made, and back to their defaults when they leave the spec") {
  World world;
  UserSpec& app = world.view.spec.postgresql_users[0];
  world.converged();
  CHECK(is<Done>(world.decide("cluster/patroni/roles")));
  app.connection_limit = 5;
  app.valid_until = "2027-01-31 18:00+01";
  app.member_of = {"pg_monitor"};
  world.roles["pg_monitor"] = {};
  const std::string script = script_of(world.decide("cluster/patroni/roles"));
  CHECK(script.find(" connection limit 5 valid until '2027-01-31 17:00:00+00';\n") != std::string::npos);
  CHECK(script.find("\ngrant \"pg_monitor\" to \"app\";\n") != std::string::npos);
  world.roles["app"].connection_limit = 5;
  world.roles["app"].valid_until = 1801414800;
  world.roles["app"].member_of = {{"pg_monitor", true}, {"by_hand", true}};
  CHECK(is<Done>(world.decide("cluster/patroni/roles")));

  app = {.name = "app"};
  remember(world, "role app\nmembership [\"app\",\"pg_monitor\"]\n");
  const Decision decision = world.decide("cluster/patroni/roles");
  const std::string back = script_of(decision);
  CHECK(back.find(" connection limit -1 valid until 'infinity';\n") != std::string::npos);
  CHECK(back.find("revoke \"pg_monitor\" from \"app\";\n") != std::string::npos);
  CHECK(back.find("by_hand") == std::string::npos);
  CHECK(std::get<Change>(decision).reason == "app has other rights");
  // PostgreSQL 16 and later: the same membership, granted by somebody else, is not ours.
  world.roles["app"] = {.login = true, .verifier = world.roles["app"].verifier, .member_of = {{"pg_monitor", false}}};
  CHECK(is<Done>(world.decide("cluster/patroni/roles")));
}

TEST_CASE("a role that left the spec keeps its memberships") {
  World world;
  world.converged();
  world.roles["former"].member_of = {{"pg_monitor", true}};
  remember(world, "role former\nmembership [\"former\",\"pg_monitor\"]\n");
  CHECK(is<Done>(world.decide("cluster/patroni/roles")));
}

TEST_CASE("a membership of a role that nobody knows is refused") {
  World world;
  world.view.spec.postgresql_users = {{.name = "app", .member_of = {"ap_readers"}}, {.name = "app_readers"}};
  world.view.secrets["postgresql_users.app_readers.password"] = world.view.secrets["postgresql_users.app.password"];
  world.converged();
  world.roles["app_readers"] = {};
  const Decision decision = world.decide("cluster/patroni/roles");
  REQUIRE(is<Refused>(decision));
  CHECK(std::get<Refused>(decision).why.message == "there is no role ap_readers, neither in the spec nor on the server");
  CHECK(std::get<Refused>(decision).why.hint == "did you mean app_readers?");
}

TEST_CASE("a database is made from its template, which must exist") {
  World world;
  world.converged();
  world.view.spec.postgresql_databases = {{.db = "app", .owner = "app"}, {.db = "new", .owner = "app", .template_ = "app"}};
  const std::string script = script_of(world.decide("cluster/patroni/databases"));
  CHECK(script.find("copied name := 'app'; begin") != std::string::npos);
  CHECK(script.find("create database \"new\" owner \"app\" template \"app\";\n") != std::string::npos);
  world.view.spec.postgresql_databases[1].template_ = "nowhere";
  CHECK(is<Refused>(world.decide("cluster/patroni/databases")));
}

TEST_CASE("state: absent drops a database and a role, unless something needs them") {
  World world;
  world.converged();
  world.view.spec.postgresql_users.push_back({.name = "former", .state = ObjectState::absent});
  world.view.spec.postgresql_databases.push_back({.db = "former", .state = ObjectState::absent});
  const auto names = world.names();
  const auto at = [&](const std::string& name) { return std::find(names.begin(), names.end(), name) - names.begin(); };
  CHECK(at("cluster/patroni/databases") < at("cluster/patroni/dropped-databases"));
  CHECK(at("cluster/patroni/dropped-databases") < at("cluster/patroni/dropped-roles"));
  CHECK(at("cluster/patroni/dropped-roles") < at("pg1/patroni/objects"));
  CHECK(is<Done>(world.decide("cluster/patroni/dropped-databases")));
  CHECK(is<Done>(world.decide("cluster/patroni/dropped-roles")));

  world.roles["former"] = {.login = true};
  world.databases["former"] = {"former", "UTF8", "C.UTF-8", "C.UTF-8"};
  CHECK(is<Done>(world.decide("cluster/patroni/roles")));
  CHECK(is<Done>(world.decide("cluster/patroni/databases")));
  const Decision database = world.decide("cluster/patroni/dropped-databases");
  CHECK(script_of(database).find("drop database \"former\";\n") != std::string::npos);
  CHECK(std::get<Change>(database).impact == Impact::data);
  CHECK(std::get<Change>(database).action == Action::remove);
  const Decision role = world.decide("cluster/patroni/dropped-roles");
  CHECK(script_of(role).find("drop role \"former\";\n") != std::string::npos);
  CHECK(std::get<Change>(role).impact == Impact::none);
  // The same plan forgets them, after they are dropped.
  remember(world, "role app\nrole former\ndatabase app\ndatabase former\nmembership [\"app\",\"former\"]\n");
  CHECK(is<Done>(world.decide("pg1/patroni/objects")));
  world.view.spec.postgresql_users.pop_back();
  world.view.spec.postgresql_databases.pop_back();
  const Decision objects = world.decide("pg1/patroni/objects");
  REQUIRE(is<Change>(objects));
  CHECK(std::get<WriteFile>(std::get<Change>(objects).todo.front().what).content.reveal().find("role former\ndatabase app\ndatabase former\n") !=
        std::string::npos);
  world.view.spec.postgresql_users.push_back({.name = "former", .state = ObjectState::absent});
  world.view.spec.postgresql_databases.push_back({.db = "former", .state = ObjectState::absent});

  world.needed = {{"role former", "owns 2 objects of app"}, {"database former", "process 7 (user app, application psql, from this host)"}};
  for (const char* step : {"cluster/patroni/dropped-databases", "cluster/patroni/dropped-roles"}) REQUIRE(is<Refused>(world.decide(step)));
  CHECK(std::get<Refused>(world.decide("cluster/patroni/dropped-roles")).why.message ==
        "the role former cannot be dropped: it owns 2 objects of app");
  CHECK(std::get<Refused>(world.decide("cluster/patroni/dropped-databases")).why.message ==
        "the database former cannot be dropped: it is used by process 7 (user app, application psql, from this host)");
  // An earlier step of the plan may change that.
  world.pending = true;
  CHECK(is<Later>(world.decide("cluster/patroni/dropped-roles")));
  CHECK(std::get<Later>(world.decide("cluster/patroni/dropped-databases")).at_most == Impact::data);

  world.everything = Output{.status = 2};
  CHECK(is<Later>(world.decide("cluster/patroni/dropped-databases")));
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

TEST_CASE("schemas: made where absent, their owner kept, in each database a transaction") {
  World world;
  world.converged();
  const std::string odd = "Ä/s \"x\\ o'Neil";
  world.view.spec.postgresql_schemas = {
      {.schema = "sales", .db = "app", .owner = "app"}, {.schema = "there", .db = "app"}, {.schema = odd, .db = "new", .owner = "app"}};
  world.view.spec.postgresql_databases.push_back({.db = "new"});
  world.contents = R"({"db":"app","schemas":{"sales":"postgres","there":"somebody"}})";
  const Decision decision = world.decide("cluster/patroni/schemas");
  const std::string script = script_of(decision);
  CHECK(script.find("begin;\nalter schema \"sales\" owner to \"app\";\ncommit;\n\\connect") != std::string::npos);
  CHECK(script.find("create schema \"Ä/s \"\"x\\ o'Neil\" authorization \"app\";\ncommit;\n") != std::string::npos);
  CHECK(script.find("\\connect -reuse-previous=on 'dbname=''app'' options=''-c statement_timeout=0") != std::string::npos);
  CHECK(std::get<Change>(decision).reason == "sales of app has another owner, " + odd + " of new is not there");
  CHECK(std::get<Change>(decision).diff.masked().find("-sales of app: owner postgres\n") != std::string::npos);

  world.databases["new"] = {"postgres", "UTF8", "C.UTF-8", "C.UTF-8"};
  CHECK(is<Later>(world.decide("cluster/patroni/schemas")));  // the database does not tell
  world.contents = R"({"db":"app","schemas":{"sales":"app","there":"somebody"}}
{"db":"new","schemas":{"Ä/s \"x\\ o'Neil":"app"}})";
  CHECK(is<Done>(world.decide("cluster/patroni/schemas")));
  world.everything = Output{.status = 2, .err = "psql: error"};
  CHECK(is<Later>(world.decide("cluster/patroni/schemas")));
}

TEST_CASE("a schema in a database that nobody has is refused") {
  World world;
  world.converged();
  world.view.spec.postgresql_schemas = {{.schema = "sales", .db = "ap"}};
  const Decision decision = world.decide("cluster/patroni/schemas");
  REQUIRE(is<Refused>(decision));
  CHECK(std::get<Refused>(decision).why.message == "there is no database ap, neither in the spec nor on the server");
  CHECK(std::get<Refused>(decision).why.hint == "did you mean app?");
}

TEST_CASE("state: absent drops all schemas of a database at once, unless something else needs one") {
  World world;
  world.converged();
  world.view.spec.postgresql_schemas = {{.schema = "a", .db = "app", .state = ObjectState::absent},
                                        {.schema = "b", .db = "app", .state = ObjectState::absent}};
  CHECK(is<Later>(world.decide("cluster/patroni/dropped-schemas")));
  world.contents = R"({"db":"app","schemas":{}})";
  CHECK(is<Done>(world.decide("cluster/patroni/dropped-schemas")));
  world.contents = R"({"db":"app","schemas":{"a":"app","b":"app"}})";
  const Decision decision = world.decide("cluster/patroni/dropped-schemas");
  CHECK(script_of(decision).find("drop schema \"a\", \"b\";\n") != std::string::npos);
  CHECK(std::get<Change>(decision).action == Action::remove);
  world.contents = R"({"db":"app","schemas":{"a":"app","b":"app"},"schema_needed":{"b":"table b.orders"}})";
  const Decision needed = world.decide("cluster/patroni/dropped-schemas");
  REQUIRE(is<Refused>(needed));
  CHECK(std::get<Refused>(needed).why.message == "the schema b of the database app cannot be dropped: it is needed by table b.orders");
  world.pending = true;
  CHECK(is<Later>(world.decide("cluster/patroni/dropped-schemas")));
}

TEST_CASE("a schema that left the spec is remembered as long as it is there") {
  World world;
  world.converged();
  remember(world, "role app\ndatabase app\nschema [\"app\",\"sales\"]\n");
  world.contents = R"({"db":"app","schemas":{"sales":"app"}})";
  const Decision decision = world.decide("pg1/patroni/objects");
  REQUIRE(is<Change>(decision));
  CHECK(std::get<WriteFile>(std::get<Change>(decision).todo.front().what).content.reveal().find("\nschema [\"app\",\"sales\"]\n") !=
        std::string::npos);
  world.contents = R"({"db":"app","schemas":{}})";
  CHECK(is<Done>(world.decide("pg1/patroni/objects")));
}

namespace {

const std::string available =
    R"({"available":{"cube":{"default":"1.5","versions":{"1.4":[null,null],"1.5":[null,null]}},"earthdistance":{"default":"1.2","versions":{"1.2":[null,["cube"]]}},"pg_cron":{"default":"1.6","versions":{"1.6":["pg_catalog",null]}}}})";

std::string refusal(const Decision& decision) {
  REQUIRE(is<Refused>(decision));
  return std::get<Refused>(decision).why.message + "; " + std::get<Refused>(decision).why.hint;
}

}  // namespace

TEST_CASE("extensions: created in the order in which they require each other, updated and moved") {
  World world;
  world.converged();
  world.extensions = available;
  world.view.spec.postgresql_extensions = {{.ext = "earthdistance", .db = "app"}, {.ext = "cube", .db = "app"}, {.ext = "pg_cron", .db = "app"}};
  world.contents = R"({"db":"app","schemas":{"public":"postgres","sales":"app"}})";
  const std::string made = script_of(world.decide("cluster/patroni/extensions"));
  CHECK(made.find("begin;\ncreate extension \"cube\" schema \"public\";\ncreate extension \"earthdistance\" schema \"public\";\ncreate extension "
                  "\"pg_cron\";\ncommit;\n") != std::string::npos);
  world.contents =
      R"({"db":"app","schemas":{"public":"postgres","sales":"app"},"extensions":{"cube":["1.4","public",true,["1.5"]],"earthdistance":["1.2","public",true,null],"pg_cron":["1.6","pg_catalog",false,null]}})";
  CHECK(is<Done>(world.decide("cluster/patroni/extensions")));
  world.view.spec.postgresql_extensions[1] = {.ext = "cube", .db = "app", .schema = "sales", .version = "latest"};
  const Decision decision = world.decide("cluster/patroni/extensions");
  CHECK(script_of(decision).find("begin;\nalter extension \"cube\" update to '1.5';\nalter extension \"cube\" set schema \"sales\";\ncommit;\n") !=
        std::string::npos);
  CHECK(std::get<Change>(decision).diff.masked().find("-cube of app: version 1.4, schema public\n") != std::string::npos);
  world.view.spec.postgresql_extensions[2].schema = "sales";
  CHECK(refusal(world.decide("cluster/patroni/extensions")).find("is in the schema pg_catalog, and cannot be moved to sales") != std::string::npos);
}

TEST_CASE("an extension that cannot be is refused") {
  World world;
  world.converged();
  world.extensions = available;
  world.contents = R"({"db":"app","schemas":{"public":"postgres"}})";
  for (const auto& [wish, words] : std::vector<std::pair<ExtensionSpec, std::string>>{
           {{.ext = "vector", .db = "app"}, "pg1 has no files of the extension vector; install postgresql-17-pgvector on every database host"},
           {{.ext = "cube", .db = "app", .version = "9"}, "pg1 has no version 9 of the extension cube; it has 1.4, 1.5"},
           {{.ext = "earthdistance", .db = "app"}, "the extension earthdistance requires the extension cube in the database app; add - { ext: cube"},
           {{.ext = "cube", .db = "app", .schema = "nowhere"}, "there is no schema nowhere in the database app for the extension cube"},
           {{.ext = "pg_cron", .db = "app", .schema = "public"},
            "the extension pg_cron can be in the schema pg_catalog only, and the spec says public"},
           {{.ext = "cube", .db = "ap"}, "there is no database ap"}}) {
    world.view.spec.postgresql_extensions = {wish};
    const std::string said = refusal(world.decide("cluster/patroni/extensions"));
    CHECK_MESSAGE(said.find(words) != std::string::npos, said);
  }
}

TEST_CASE("privileges: what is missing is granted, what left the spec is revoked, and the rest stays") {
  World world;
  world.converged();
  world.view.spec.postgresql_privs = {{.role = "app", .privs = {"select, INSERT"}, .objs = {"ALL_IN_SCHEMA"}, .schema = "sales", .db = "app"},
                                      {.role = "app", .privs = {"ALL"}, .type = PrivilegeType::schema, .objs = {"sales"}, .db = "app"}};
  remember(world, R"(role app
database app
privilege ["app","app","table","sales","ALL_IN_SCHEMA","",["INSERT","SELECT","UPDATE"]]
privilege ["app","app","table","sales","orders","",["SELECT"]]
privilege ["app","gone","table","sales","orders","",["SELECT"]]
)");
  // UPDATE on all tables has left the spec; SELECT on orders is part of the whole.
  world.contents = R"({"db":"app","schemas":{"sales":"app"},"grants":{"0":[3,1,null],"1":[1,1,null],"2":[1,0,null],"3":[3,2,null]}})";
  const Decision decision = world.decide("cluster/patroni/privileges");
  const std::string script = script_of(decision);
  const std::string shown = std::get<Change>(decision).diff.masked();
  CHECK_MESSAGE(shown.find("+app: INSERT, SELECT on all tables in sales of app\n") != std::string::npos, shown);
  CHECK_MESSAGE(shown.find("-app: UPDATE on all tables in sales of app\n") != std::string::npos, shown);
  CHECK(shown.find("SELECT on table orders in sales of app") != std::string::npos);  // of the role that nobody described: it is ours
  CHECK(script.find(R"("privs":["INSERT","SELECT"])") != std::string::npos);
  CHECK(script.find("\n\\gexec\ncommit;\n") != std::string::npos);
  world.contents = R"({"db":"app","schemas":{"sales":"app"},"grants":{"0":[3,0,null],"1":[1,0,null],"2":[1,0,null],"3":[3,0,null]}})";
  CHECK(is<Done>(world.decide("cluster/patroni/privileges")));
  world.pending = true;
  CHECK(is<Later>(world.decide("cluster/patroni/privileges")));
}

TEST_CASE("privileges of a role that left the spec as a whole stay") {
  World world;
  world.converged();
  remember(world, "role app\nrole former\ndatabase app\nprivilege [\"app\",\"former\",\"table\",\"sales\",\"orders\",\"\",[\"SELECT\"]]\n");
  world.roles["former"] = {};
  const auto names = world.names();
  CHECK(std::find(names.begin(), names.end(), "cluster/patroni/privileges") == names.end());
  const Decision decision = world.decide("pg1/patroni/objects");
  REQUIRE(is<Change>(decision));
  CHECK(std::get<WriteFile>(std::get<Change>(decision).todo.front().what).content.reveal().find("privilege [\"app\",\"former\"") !=
        std::string::npos);
}

TEST_CASE("privileges that cannot be granted are refused") {
  World world;
  world.converged();
  world.contents = R"({"db":"app","schemas":{"public":"postgres"},"grants":{"0":[0,0,["orders"]]}})";
  for (const auto& [wish, words] : std::vector<std::pair<PrivilegeSpec, std::string>>{
           {{.role = "nobody", .privs = {"SELECT"}, .objs = {"orders"}, .db = "app"},
            "there is no role nobody, neither in the spec nor on the server"},
           {{.role = "app", .privs = {"SELECT"}, .objs = {"orders"}, .db = "app"},
            "there is no table orders in the schema public of the database app"},
           {{.role = "app", .privs = {"SELECT"}, .objs = {"orders"}, .schema = "sales", .db = "app"}, "there is no schema sales in the database app"},
           {{.role = "app", .privs = {"SELECT"}, .objs = {"orders"}, .db = "ap"}, "there is no database ap"}}) {
    world.view.spec.postgresql_privs = {wish};
    const std::string said = refusal(world.decide("cluster/patroni/privileges"));
    CHECK_MESSAGE(said.find(words) != std::string::npos, said);
  }
}
