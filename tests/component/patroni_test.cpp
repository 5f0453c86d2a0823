#include "component/patroni/patroni.hpp"

#include <fmt/format.h>

#include "component/postgresql/sql.hpp"
#include "component/registry.hpp"
#include "golden.hpp"
#include "patroni_world.hpp"

using namespace pgcluster;
using namespace world;

TEST_CASE("the files of a host") {
  for (const auto& folder : golden::cases("component/patroni")) {
    CAPTURE(folder.string());
    ClusterView view = cluster(parse_spec(golden::read(folder / "cluster.yaml"), "cluster.yaml"));
    const TopologyHost& host = view.topology.host(view.topology.database.front());
    golden::check(folder / "config.yml", (patroni::config_head(view, host) + patroni::config_bootstrap(view)).masked());
    golden::check(folder / "50-pgcluster.conf", patroni::drop_in(view.spec, {}).content.masked());
    if (view.spec.dcs_type == DcsType::etcd)
      golden::check(folder / "pgcluster-etcd-leader.service", patroni::etcd_leader_unit_file({view, host, view.facts[host.name]}).content.masked());
    golden::check(folder / "60-pgcluster.conf", patroni::await_server_drop_in(view, host.name).content.masked());
  }
}

TEST_CASE("the program for role changes asks PgBouncer on the spec's port") {
  Spec spec;
  CHECK(patroni::role_change_program(spec).content.reveal().starts_with("#!/bin/sh\n"));
  spec.pgbouncer_listen_port = 16432;
  const std::string text = patroni::role_change_program(spec).content.reveal();
  CHECK(text.find(" -p 16432 ") != std::string::npos);
  CHECK(text.find("6432 ") == text.find("16432 ") + 1);
}

TEST_CASE("the bootstrap section is found where it begins, with its comment") {
  const ClusterView view = cluster();
  const std::string head = patroni::config_head(view, view.topology.host("pg1")).reveal();
  CHECK(patroni::bootstrap_at(head + patroni::config_bootstrap(view)) == head.size());
  CHECK(patroni::bootstrap_at(head) == std::string::npos);
}

TEST_CASE("a fresh host: the files are written, the server is started, and waits are announced") {
  World world;
  world.fresh();
  CHECK(is<Done>(world.decide("pg1/patroni/stranger")));
  CHECK(is<Change>(world.decide("pg1/patroni/createcluster")));
  CHECK(is<Change>(world.decide("pg1/patroni/packages")));
  CHECK(is<Done>(world.decide("pg1/patroni/passwords")));
  CHECK(is<Change>(world.decide("pg1/patroni/config")));
  CHECK(is<Change>(world.decide("pg1/patroni/unit")));
  CHECK(is<Later>(world.decide("pg1/patroni/dcs")));
  CHECK(is<Later>(world.decide("pg2/patroni/dcs")));
  CHECK(is<Done>(world.decide("pg1/patroni/switchover")));
  CHECK(is<Later>(world.decide("cluster/patroni/leader")));
  const auto settings = world.decide("cluster/patroni/config");
  REQUIRE(is<Later>(settings));
  CHECK(std::get<Later>(settings).action == Action::wait);
  const auto roles = world.decide("cluster/patroni/roles");
  REQUIRE(is<Later>(roles));
  CHECK(std::get<Later>(roles).action == Action::run);
}

TEST_CASE("the first host begins the cluster, the others wait for it") {
  World world;
  world.fresh();
  world.initialized(false);
  CHECK(is<Done>(world.decide("pg1/patroni/dcs")));
  CHECK(is<Later>(world.decide("pg2/patroni/dcs")));
  world.initialized(true);
  CHECK(is<Done>(world.decide("pg2/patroni/dcs")));
  world.initialized(false);
  world.unit("pg1", {.active = "failed", .result = "exit-code"});
  CHECK(is<Refused>(world.decide("pg2/patroni/dcs")));
}

TEST_CASE("a Patroni that dies again and again has died, unless it now stays up") {
  World world;
  world.fresh();
  world.initialized(false);
  const auto waits = [&](const Unit& unit) {
    world.unit("pg1", unit);
    return is<Later>(world.decide("pg2/patroni/dcs"));
  };
  CHECK(waits({.active = "active", .sub = "running", .restarts = 9}));
  CHECK(waits({.active = "active", .sub = "running", .restarts = 2, .young = true}));
  CHECK(waits({.active = "activating", .sub = "auto-restart", .restarts = 1}));
  CHECK(waits({.active = "active", .sub = "running", .start_files_current = false, .restarts = 3, .young = true}));
  // Between two deaths it runs, and the cause may have been mended since: this is wrong only if it lasts.
  REQUIRE(waits({.active = "active", .sub = "running", .restarts = 3, .young = true}));
  const auto between = std::get<Later>(world.decide("pg2/patroni/dcs"));
  CHECK(between.wrong == "patroni.service on pg1 has died");
  CHECK(between.patience == std::chrono::seconds(5));
  CHECK(between.host == "pg1");
  REQUIRE(waits({.active = "activating", .sub = "start-pre", .restarts = 3}));
  CHECK(std::get<Later>(world.decide("pg2/patroni/dcs")).wrong == between.wrong);
  CHECK_FALSE(waits({.active = "activating", .sub = "auto-restart", .restarts = 2}));
  const Decision told = world.decide("pg2/patroni/dcs");
  REQUIRE(is<Refused>(told));
  CHECK(std::get<Refused>(told).host == "pg1");
  CHECK(std::get<Refused>(told).why.message == between.wrong);
  CHECK(std::get<Refused>(world.decide("pg1/patroni/created")).why.message == std::get<Refused>(told).why.message);
}

TEST_CASE("a stranger's server is refused") {
  World world;
  world.fresh();
  const auto stranger = [&](const std::string& found) {
    world.exec("pg1/patroni/stranger", found);
    return world.decide("pg1/patroni/stranger");
  };
  CHECK(is<Refused>(stranger("data 7421\n")));
  CHECK(is<Refused>(stranger("data \n")));
  CHECK(is<Refused>(stranger("port 5432\n")));
  CHECK(is<Done>(stranger("")));
  world.initialized(true);  // 7421
  CHECK(is<Done>(stranger("data 7421\nport 5432\n")));
  CHECK(is<Refused>(stranger("data 7422\n")));
}

TEST_CASE("a server that cannot be made: told at once, and not after an hour") {
  World world;
  world.converged();
  world.members["pg2"].state = "creating replica";
  const auto making = [&](const std::string& said) {
    world.exec("pg2/patroni/created", said);
    world.answer();
    return world.decide("pg2/patroni/created");
  };
  const auto once = making("free 900000\nwhy could not connect\nfailed\n");
  REQUIRE(is<Later>(once));
  CHECK(std::get<Later>(once).wrong.empty());
  const auto full = making("free 1024\n");
  REQUIRE(is<Refused>(full));
  CHECK(std::get<Refused>(full).why.message == "the disk under /var/lib/postgresql on pg2 is full: 1 MiB free");
  const auto fails = making("free 900000\nwhy no such role\nfailed\nwhy Permission denied\nfailed\n");
  REQUIRE(is<Later>(fails));
  CHECK(std::get<Later>(fails).wrong == "Patroni repeatedly fails to create the data directory on pg2: Permission denied");
  CHECK(std::get<Later>(fails).patience > std::chrono::seconds(30));
  world.members["pg2"].state = "running";
  CHECK(is<Done>(making("free 1024\n")));
}

TEST_CASE("a converged cluster: nothing to do") {
  World world;
  world.converged();
  for (const auto& name : world.names()) {
    CAPTURE(name);
    CHECK(is<Done>(world.decide(name)));
  }
}

TEST_CASE("every step decides whatever is answered") {
  World world;
  world.converged();
  for (const Answer& answer :
       std::vector<Answer>{Absent{}, Unreadable{"broken"}, Output{}, Output{.status = 124}, Output{.out = "{]"}, Output{.out = "{} []"},
                           Output{.out = "{\"state\": 7}{\"postgresql\": []}"},
                           Output{.out = "{\"recovery\": false, \"roles\": [1], \"settings\": {\"a\": 1}}"}, File{}, Package{}, Unit{}}) {
    World other = world;
    other.all(answer);
    for (const auto& name : other.names()) {
      CAPTURE(name);
      CHECK_NOTHROW(other.decide(name));
    }
    CHECK_NOTHROW(other.order());
  }
}

TEST_CASE("a new replica: the leader is woken for its slot, and then it asks for WAL again") {
  World world;
  world.converged();
  const auto slot = [&] { return world.decide("pg3/patroni/slot"); };
  const auto stream = [&] { return world.decide("pg3/patroni/stream"); };
  CHECK(is<Done>(slot()));
  CHECK(is<Done>(stream()));
  world.members["pg3"] = {.streams = false, .state = "stopped"};
  CHECK(is<Later>(slot()));
  world.members["pg3"].state = "creating replica";
  CHECK(is<Done>(slot()));
  CHECK(is<Later>(stream()));
  world.slots = {"pg2"};
  world.members["pg1"] = {.streams = false, .state = "starting"};
  CHECK(is<Later>(slot()));
  world.members["pg1"] = {};
  CHECK(is<Done>(slot()));  // another leads: nothing to hurry
  world.members["pg1"].leads = true;
  const Decision woken = slot();
  REQUIRE(is<Change>(woken));
  const Do& wake = std::get<Change>(woken).todo.at(0);
  CHECK(wake.at == "pg1");
  // Of a key that is not there nothing can be taken away: no setting changes.
  CHECK(std::get<Run>(wake.what).input.masked().find(R"(data-raw = "{\"pgcluster\":null}")") != std::string::npos);
  world.members["pg3"].state = "running";
  CHECK(is<Later>(stream()));
  world.slots.insert("pg3");
  CHECK(is<Done>(slot()));
  const Decision again = stream();
  REQUIRE(is<Change>(again));
  CHECK(std::get<Change>(again).todo.at(0).at == "pg3");
  CHECK(std::get<Run>(std::get<Change>(again).todo.at(0).what).argv.back() == "select pg_reload_conf()");
  world.reloaded = true;  // whether it streams then its gate tells
  CHECK(is<Done>(stream()));
  world.everything = Output{.status = 7};
  CHECK(is<Later>(slot()));
  CHECK(is<Later>(stream()));
}

TEST_CASE("a slot of its own has a new host that streams from the leader") {
  World world;
  CHECK_FALSE(patroni::makes_slot(world.view, "pg1"));  // it begins
  CHECK(patroni::makes_slot(world.view, "pg2"));
  world.view.facts["pg1"].owned = {{std::string("file:") + patroni::config_path, "x"}};
  world.view.facts["pg2"].owned = world.view.facts["pg1"].owned;
  CHECK_FALSE(patroni::makes_slot(world.view, "pg2"));
  CHECK(patroni::makes_slot(world.view, "pg3"));
  Spec spec = world.view.spec;
  for (const char* tag : {"replicatefrom", "nostream"}) {
    spec.hosts[2].patroni_tags = {{tag, "x"}};
    CHECK_FALSE(patroni::makes_slot(world::cluster(spec), "pg3"));
  }
}

TEST_CASE("slots are named as Patroni names them") {
  CHECK(patroni::slot_name("pg1") == "pg1");
  CHECK(patroni::slot_name("PG-1.example") == "pg_1_example");
  CHECK(patroni::slot_name("a b") == "au0032b");
  CHECK(patroni::slot_name(std::string(80, 'x')).size() == 63);
}

TEST_CASE("work_mem: one PATCH at the leader, and the plan shows exactly that") {
  World world;
  world.converged();
  world.wish("work_mem", "32MB");
  const auto decision = world.decide("cluster/patroni/config");
  REQUIRE(is<Change>(decision));
  const auto& change = std::get<Change>(decision);
  CHECK(change.impact == Impact::reload);
  CHECK(
      change.diff.masked() ==
      "--- cluster settings\n+++ cluster settings\n@@ -1,1 +1,1 @@\n-postgresql.parameters.work_mem: 16MB\n+postgresql.parameters.work_mem: 32MB\n");
  REQUIRE(change.todo.size() == 1);
  CHECK(change.todo[0].at == "pg1");
  const Run& run = std::get<Run>(change.todo[0].what);
  CHECK(run.input.masked().find(R"(data-raw = "{\"postgresql\":{\"parameters\":{\"work_mem\":\"32MB\"}}}")") != std::string::npos);
  CHECK(run.input.masked().find("<secret patroni_restapi_password>") != std::string::npos);
  CHECK(std::get<Output>(*change.todo[0].was).out.starts_with("200 {"));
  for (const auto& name : world.names())
    if (name != "cluster/patroni/config" && !name.ends_with("/settings")) {
      CAPTURE(name);
      CHECK(is<Done>(world.decide(name)));
    }
  CHECK(is<Later>(world.decide("pg1/patroni/settings")));
  world.pending = true;
  CHECK(is<Done>(world.decide("pg1/patroni/settings")));
}

TEST_CASE("a parameter that nobody describes any more goes") {
  World world;
  world.wish("work_mem", "32MB");
  world.converged();
  world.settings["postgresql"]["parameters"]["log_statement"] = "ddl";
  world.answer();
  const auto decision = world.decide("cluster/patroni/config");
  REQUIRE(is<Change>(decision));
  CHECK(std::get<Change>(decision).diff.masked().find("-postgresql.parameters.log_statement: ddl") != std::string::npos);
  const Run& run = std::get<Run>(std::get<Change>(decision).todo[0].what);
  CHECK(run.input.masked().find(R"({\"postgresql\":{\"parameters\":{\"log_statement\":null}}})") != std::string::npos);
}

namespace {

const std::vector<std::string> one_by_one{"pg1/lower",      "pg2/lower", "pg3/lower",   "pg2/switchover", "pg2", "pg2/restart",
                                          "pg3/switchover", "pg3",       "pg3/restart", "pg1/switchover", "pg1", "pg1/restart"};

}  // namespace

TEST_CASE("max_connections rises: replicas, then a switchover, then the old leader") {
  World world;
  world.converged();
  world.wish("max_connections", "1500");
  for (const char* host : {"pg1", "pg2", "pg3"}) {
    const auto decision = world.decide(fmt::format("{}/patroni/restart", host));
    REQUIRE(is<Later>(decision));
    CHECK(std::get<Later>(decision).action == Action::restart);
    CHECK(std::get<Later>(decision).at_most == Impact::restart);
  }
  const auto over = world.decide("pg1/patroni/switchover");
  REQUIRE(is<Later>(over));
  CHECK(std::get<Later>(over).at_most == Impact::switchover);
  CHECK(is<Done>(world.decide("pg2/patroni/switchover")));
  CHECK(world.order() == std::vector<std::string>{"pg2/switchover", "pg2", "pg3/switchover", "pg3"});
  CHECK(world.later() == one_by_one);

  // The settings are in the DCS, and Patroni has noticed.
  world.settings["postgresql"]["parameters"]["max_connections"] = 1500;
  world.answer();
  CHECK(is<Later>(world.decide("pg2/patroni/restart")));
  world.announce("max_connections");
  CHECK(world.order() == one_by_one);
  const auto now = world.decide("pg2/patroni/restart");
  REQUIRE(is<Change>(now));
  CHECK(std::get<Change>(now).impact == Impact::restart);
  CHECK(std::get<Output>(*std::get<Change>(now).todo[0].was).out == "start of pg2\n");
  // Who has less than its leader stops to replay: the leader waits also for one whose own steps cannot go on.
  world.running["pg2"]["max_connections"] = "1500";
  world.answer();
  const auto waits = world.decide("pg1/patroni/switchover");
  REQUIRE(is<Later>(waits));
  CHECK(std::get<Later>(waits).until == "pg3 is restarted before its leader (max_connections is 1000, not 1500)");
  world.running["pg3"]["max_connections"] = "1500";
  world.answer();
  const auto hand_over = world.decide("pg1/patroni/switchover");
  REQUIRE(is<Change>(hand_over));
  CHECK(std::get<Change>(hand_over).impact == Impact::switchover);

  // A replica that does not stream: no other is disturbed.
  world.members["pg3"].streams = false;
  world.answer();
  CHECK(world.order() == std::vector<std::string>{"pg3/switchover", "pg3", "pg3/restart"});
  // Both, as after a switchover: they are waited for. One that is dead may be restarted all the same.
  world.members["pg2"].streams = false;
  world.answer();
  CHECK(world.order().empty());
  world.members["pg2"].state = "start failed";
  world.answer();
  CHECK(world.order() == std::vector<std::string>{"pg2/switchover", "pg2", "pg2/restart"});
}

TEST_CASE("max_connections is lowered: the leader in place and first") {
  World world;
  world.converged();
  world.wish("max_connections", "500");
  world.settings["postgresql"]["parameters"]["max_connections"] = 500;
  world.announce("max_connections");
  CHECK(world.order() ==
        std::vector<std::string>{"pg1/lower", "pg2/lower", "pg3/lower", "pg2/switchover", "pg2", "pg3/switchover", "pg3", "pg1/switchover", "pg1"});
  CHECK(is<Done>(world.decide("pg1/patroni/switchover")));
  const auto leader = world.decide("pg1/patroni/lower");
  REQUIRE(is<Change>(leader));
  CHECK(std::get<Change>(leader).impact == Impact::outage);
  CHECK(is<Done>(world.decide("pg1/patroni/restart")));
  CHECK(is<Done>(world.decide("pg2/patroni/lower")));
  CHECK(is<Later>(world.decide("pg2/patroni/restart")));
  // A new unit file asks for a switchover all the same, later: the replicas have the lower values then.
  world.units["pg1"].start_files_current = false;
  CHECK(is<Change>(world.decide("pg1/patroni/switchover")));
  world.running["pg1"]["max_connections"] = "500";
  world.answer();
  CHECK(is<Done>(world.decide("pg1/patroni/lower")));
  CHECK(is<Change>(world.decide("pg2/patroni/restart")));
  CHECK(world.order() == one_by_one);
}

TEST_CASE("synchronous_mode: only a synchronous replica takes over") {
  World world;
  world.view.spec.synchronous_mode = true;
  world.converged();
  world.wish("shared_buffers", "1GB");
  world.settings["postgresql"]["parameters"]["shared_buffers"] = "1GB";
  world.announce("shared_buffers");
  for (const char* replica : {"pg2", "pg3"}) world.running[replica]["shared_buffers"] = "1GB";
  world.answer();
  CHECK(is<Later>(world.decide("pg1/patroni/switchover")));
  world.members["pg3"].sync = true;
  world.answer();
  const auto decision = world.decide("pg1/patroni/switchover");
  REQUIRE(is<Change>(decision));
  CHECK(std::get<Change>(decision).reason == "pg3 takes over before pg1 is restarted");
}

TEST_CASE("a replica is unfit to lead for the reasons that Patroni has") {
  ClusterView view = cluster();
  view.spec.patroni_maximum_lag_on_failover = 1000;
  const TopologyHost& pg2 = view.topology.host("pg2");
  const auto unfit = [&](const std::string& answer, std::optional<std::set<std::string>> synchronous = {}) {
    const patroni::Members members{
        {{&view.topology.host("pg1"), patroni::read_member(Output{.out = R"({"state":"running","role":"primary","xlog":{"location":5000}})"})},
         {&pg2, patroni::read_member(Output{.out = answer})}},
        std::move(synchronous)};
    const std::string why = members.unfit(view, pg2);
    CHECK(members.successor(view, view.topology.host("pg1")) == (why.empty() ? &pg2 : nullptr));
    return why;
  };
  const auto replica = [](const std::string& more, int replayed = 5000) {
    return R"({"state":"running","role":"replica","replication_state":"streaming","xlog":{"replayed_location":)" + std::to_string(replayed) + "}" +
           more + "}";
  };
  const std::string tags = "its tags bar it from leading (nofailover, or failover_priority 0)";
  CHECK(unfit(replica("")) == "");
  CHECK(unfit("") == "its Patroni does not answer");
  CHECK(unfit(R"({"state":"starting","role":"replica"})") == "it is starting, not streaming");
  CHECK(unfit(R"({"state":"running","role":"replica","replication_state":"in archive recovery"})") == "it is in archive recovery, not streaming");
  CHECK(unfit(replica("", 4000)) == "");
  CHECK(unfit(replica("", 3999)) == "it is 1001 bytes behind the leader, and patroni_maximum_lag_on_failover is 1000");
  CHECK(unfit(replica(R"(,"tags":{"nofailover":true})")) == tags);
  CHECK(unfit(replica(R"(,"tags":{"failover_priority":0})")) == tags);
  CHECK(unfit(replica(R"(,"tags":{"failover_priority":2})")) == "");
  // In maintenance mode Patroni hands over to a member that is named, and pgcluster always names one.
  CHECK(unfit(replica(R"(,"pause":true)")) == "");
  CHECK(unfit(replica(R"(,"tags":{"nosync":true})")) == "");
  view.spec.synchronous_mode = true;
  CHECK(unfit(replica(R"(,"tags":{"nosync":true})")) == "it is not a synchronous standby");
  CHECK(unfit(replica(R"(,"sync_standby":true)")) == "");
  // The list in the DCS decides, and not the member's older view.
  CHECK(unfit(replica(R"(,"sync_standby":true)"), {{"pg3"}}) == "it is not a synchronous standby");
  CHECK(unfit(replica(""), {{"pg2"}}) == "");
}

TEST_CASE("what somebody has set by hand and we take back needs no restart") {
  World world;
  world.converged();
  world.settings["postgresql"]["parameters"]["max_connections"] = 1234;
  world.announce("max_connections");
  CHECK(is<Change>(world.decide("cluster/patroni/config")));
  CHECK(is<Done>(world.decide("pg2/patroni/restart")));
}

TEST_CASE("the bootstrap section of a cluster that exists stays as it is, all else is ours") {
  World world;
  world.converged();
  const std::string ours = world.files.at("pg1");
  auto at = patroni::bootstrap_at(ours);
  world.files["pg1"] = ours.substr(0, at) + "\nbootstrap:\n  dcs:\n    ttl: 99\n";
  world.answer();
  CHECK(is<Done>(world.decide("pg1/patroni/config")));
  world.initialized(false);
  CHECK(is<Change>(world.decide("pg1/patroni/config")));
  world.initialized(true);
  world.files["pg1"] = "scope: other\n" + ours.substr(at);
  world.answer();
  CHECK(is<Change>(world.decide("pg1/patroni/config")));
}

TEST_CASE("an etcd that has not seen all of its members has no version that Patroni would use") {
  const auto read = [](const std::string& version) { return patroni::read_initialized(Output{.out = R"({"header":{"revision":"1"}})" + version}); };
  CHECK(read(R"({"etcdserver":"3.5.16","etcdcluster":"3.5.0"})") == patroni::Initialized::no);
  CHECK(read("") == patroni::Initialized::no);
  CHECK(read(R"({"etcdserver":"3.5.16","etcdcluster":"3.0.0"})") == patroni::Initialized::unknown);
}

TEST_CASE("a changed file: Patroni is told at once, and nothing is restarted before it has read it") {
  World world;
  world.converged();
  world.wish("max_connections", "1500");
  world.settings["postgresql"]["parameters"]["max_connections"] = 1500;
  world.announce("max_connections");
  world.units["pg2"].load_files_current = false;
  CHECK(is<Change>(world.decide("pg2/patroni/reload")));
  world.mark["pg2"] = "0";
  CHECK(is<Later>(world.decide("pg2/patroni/loaded")));
  CHECK(is<Later>(world.decide("pg2/patroni/restart")));
  world.mark.clear();
  CHECK(is<Change>(world.decide("pg2/patroni/restart")));
  // What Patroni still announces although it holds is no reason for another restart.
  world.running["pg2"]["max_connections"] = "1500";
  CHECK(is<Done>(world.decide("pg2/patroni/restart")));
}

TEST_CASE("the settings in the DCS come back with their former values and types") {
  World world;
  world.converged();
  auto& stored = world.settings["postgresql"]["parameters"];
  stored["work_mem"] = "3MB";
  stored["max_connections"] = 1234;
  stored["app.mine"] = true;
  stored.erase("checkpoint_timeout");
  world.settings.erase("failsafe_mode");
  const Decision decision = world.decide("cluster/patroni/config");
  REQUIRE(is<Change>(decision));
  const Change& change = std::get<Change>(decision);
  REQUIRE(change.undo.size() == 1);
  const auto body = [](const Do& d) {
    const std::string input = std::get<Run>(d.what).input.reveal();
    const auto at = input.find("data-raw = \"") + 12;
    std::string text = input.substr(at, input.find("\"\n", at) - at);
    std::erase(text, '\\');
    return nlohmann::json::parse(text);
  };
  nlohmann::json there(world.settings);
  there.merge_patch(body(change.todo.at(0)));
  CHECK(there != nlohmann::json(world.settings));
  there.merge_patch(body(change.undo.at(0)));
  CHECK(there == nlohmann::json(world.settings));
}

TEST_CASE("of Patroni's former file only addresses and lines of access come back") {
  World world;
  world.converged();
  const auto undo = [&world] {
    const Decision decision = world.decide("pg2/patroni/config");
    REQUIRE(is<Change>(decision));
    return std::get<Change>(decision).undo;
  };
  const std::string former = world.files.at("pg2");
  world.view.spec.postgresql_pg_hba = {"host all app 192.0.2.1/32 reject"};
  CHECK(undo().empty());  // a host that is not configured yet joins by the new lines
  for (auto& [name, facts] : world.view.facts) facts.owned.push_back({std::string("file:") + patroni::config_path, name + "/patroni/config"});
  const std::vector<Do> back = undo();
  REQUIRE(back.size() == 2);
  const auto& write = std::get<WriteFile>(back[0].what);
  CHECK(write.content.reveal() == former);
  CHECK(write.content.masked().find("postgresql") == std::string::npos);
  CHECK(std::get<SetUnit>(back[1].what).go == SetUnit::Go::reload);
  world.view.secrets["patroni_superuser_password"].value = "another";
  CHECK(undo().empty());
}

TEST_CASE("settings that only PostgreSQL can judge are tried on a throw-away server first") {
  World world;
  world.converged();
  CHECK(is<Done>(world.decide("pg1/patroni/trial")));
  world.wish("work_mem", "32MB");  // a number in its range
  CHECK(is<Done>(world.decide("pg1/patroni/trial")));
  world.wish("TimeZone", "US/Eastern");
  const auto decision = world.decide("pg2/patroni/trial");
  REQUIRE(is<Change>(decision));
  const Run& run = std::get<Run>(std::get<Change>(decision).todo.at(0).what);
  CHECK(run.input.reveal().find("TimeZone = 'US/Eastern'\n") != std::string::npos);
  CHECK(run.input.reveal().find("--- pg_hba.conf\nlocal all \"postgres\" peer\n") != std::string::npos);
  const std::string digest = run.argv.at(7);
  world.verdict = "bad " + digest + "\nLOG:  invalid value\nFATAL:  contains errors\n";
  const auto bad = world.decide("pg2/patroni/trial");
  REQUIRE(is<Change>(bad));
  CHECK(std::get<Change>(bad).failed == "PostgreSQL on pg2 would not start with these settings: LOG:  invalid value; FATAL:  contains errors");
  world.verdict = "good " + digest + "\n";
  CHECK(is<Done>(world.decide("pg2/patroni/trial")));
  world.verdict = "good of-others\n";
  CHECK(is<Change>(world.decide("pg2/patroni/trial")));
  // What runs already needs no trial.
  for (auto& [host, settings] : world.running) settings["TimeZone"] = "US/Eastern", settings["work_mem"] = "32MB";
  world.files.clear();
  CHECK(is<Done>(world.decide("pg2/patroni/trial")));
}

TEST_CASE("settings in the DCS are compared as PostgreSQL reads them") {
  World world;
  world.converged();
  auto& stored = world.settings["postgresql"]["parameters"];
  stored.erase("checkpoint_timeout");
  stored["Checkpoint_Timeout"] = "900s";
  stored["jit"] = false;
  CHECK(is<Done>(world.decide("cluster/patroni/config")));
  world.wish("CHECKPOINT_TIMEOUT", "20min");
  world.wish("application_name", "true");
  const auto decision = world.decide("cluster/patroni/config");
  REQUIRE(is<Change>(decision));
  const std::string sent = std::get<Run>(std::get<Change>(decision).todo.at(0).what).input.masked();
  CHECK(sent.find(R"(\"checkpoint_timeout\":\"20min\")") != std::string::npos);
  CHECK(sent.find(R"(\"Checkpoint_Timeout\":null)") != std::string::npos);
  CHECK(sent.find(R"(\"application_name\":\"true\")") != std::string::npos);
}

TEST_CASE("an initialize key without a value is of a member that still tries") {
  World world;
  world.initialize = Output{.out = R"({"header":{},"kvs":[{"key":"x"}],"count":"1"})"};
  CHECK(is<Done>(world.decide("pg1/patroni/dcs")));
  CHECK(is<Later>(world.decide("pg2/patroni/dcs")));
}
