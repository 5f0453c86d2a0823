#include <nlohmann/json.hpp>

#include "cluster.hpp"
#include "component/proof.hpp"
#include "component/registry.hpp"
#include "component/restore.hpp"
#include "operate/reach.hpp"
#include "operate/view.hpp"

using namespace pgcluster;
using namespace operate_test;

namespace {

const char* const backups_on = "pgbackrest_install: true\npgbackrest_repos: [{host: keeper}]\n";

Spec with_keeper(const std::string& more) { return spec_of(scheme_a(3, more) + "  keeper: {address: 10.77.0.14, roles: [backup]}\n"); }

std::vector<std::string> steps_of(const Plan& plan) {
  std::vector<std::string> all;
  for (const PlannedChange& change : plan.changes()) all.push_back(change.id);
  return all;
}

// Moves the host with the repository from the fleet that was lost to the fleet of new hosts.
void move_keeper(Fleet& from, Fleet& to) {
  SimulatedHost keeper = from.executor.host("keeper");
  to.executor.host("keeper") = std::move(keeper);
  to.pgbackrest->repository("keeper") = from.pgbackrest->repository("keeper");
}

std::size_t place_of(const std::vector<std::string>& steps, const std::string& step) {
  const auto found = std::find(steps.begin(), steps.end(), step);
  CHECK_MESSAGE(found != steps.end(), step);
  return static_cast<std::size_t>(found - steps.begin());
}

bool warns(const Plan& plan, const std::string& words) {
  return std::any_of(plan.warnings().begin(), plan.warnings().end(),
                     [&](const Diagnostic& one) { return one.message.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("backups: a deployment ends when a backup stands, and leaves nothing to do") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  CHECK(plan_deploy(spec, fleet.executor).empty());
  const Backups found = read_backups(spec, fleet.executor);
  REQUIRE(found.repos.size() == 1);
  CHECK(found.repos[0].ok);
  REQUIRE(found.backups.size() == 1);
  CHECK(found.backups[0].type == "full");
  REQUIRE(found.window);
  CHECK(found.window->from == found.backups[0].stop);
  CHECK(found.archived.age_s == 5);
  const Status status = read_status(spec, fleet.executor);
  CHECK_MESSAGE(status.healthy, status.text());
  REQUIRE(status.backup);
  CHECK(status.backup->last == found.backups[0].stop);
  const auto json = nlohmann::json::parse(found.json());
  CHECK(json["format"] == 1);
  CHECK(json["proven"].is_null());
  CHECK(json["backups"][0]["proven"] == false);
  CHECK(found.text().find(found.backups[0].label) != std::string::npos);
}

TEST_CASE("backups: one on demand, by plan and by document") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  const Plan plan = plan_backup(spec, fleet.executor, {.type = BackupType::diff});
  CHECK(steps_of(plan) == std::vector<std::string>{"keeper/pgbackrest/backup-repo1"});
  CHECK(disturbing(plan).empty());
  const Plan same = plan_from_document(plan.document(), spec, fleet.executor);
  REQUIRE(apply(same, fleet.executor).ok());
  const Backups found = read_backups(spec, fleet.executor);
  REQUIRE(found.backups.size() == 2);
  CHECK(found.backups[1].type == "diff");
  CHECK(plan_deploy(spec, fleet.executor).empty());
}

TEST_CASE("backups: switched on later they restart no PostgreSQL") {
  Fleet fleet;
  const Spec off = with_keeper("");
  apply_it(fleet, off);
  const Spec on = with_keeper(backups_on);
  const Plan plan = plan_deploy(on, fleet.executor);
  CHECK(disturbing(plan).empty());
  REQUIRE(apply(plan, fleet.executor).ok());
  CHECK(plan_deploy(on, fleet.executor).empty());
  // And off again: the backups stay.
  const Plan back = plan_deploy(off, fleet.executor);
  CHECK(warns(back, "keeper makes no backups any more"));
  for (const PlannedChange& change : back.changes()) CHECK_MESSAGE((change.component != "patroni" || !disturbs(change.impact)), change.id);
  fleet.executor.clear_trace();
  REQUIRE(apply(back, fleet.executor).ok());
  // PostgreSQL does not call pgBackRest any more when it goes.
  std::size_t told = 0, gone = 0;
  for (const SimulatedAct& act : fleet.executor.trace()) {
    const auto* run = std::get_if<Run>(&act.what.what);
    const auto* removed = std::get_if<Remove>(&act.what.what);
    if (run && requests(*run, "/config")) told = act.sequence;
    if (removed && gone == 0 && removed->name == "pgbackrest.service") gone = act.sequence;
  }
  CHECK(told > 0);
  CHECK(gone > told);
  CHECK(plan_deploy(off, fleet.executor).empty());
  CHECK(fleet.executor.host("keeper").files.contains("/var/lib/pgbackrest.passphrase"));
  CHECK_THROWS_AS(read_backups(off, fleet.executor), Error);
}

TEST_CASE("backups: a cluster that began without archiving is restarted for backups only") {
  Fleet fleet;
  const Spec off = with_keeper("");
  apply_it(fleet, off);
  // As an earlier version left it.
  for (const std::string& name : fleet.executor.hosts())
    if (const std::string* begun = fleet.executor.host(name).read("/var/lib/pgcluster/begun")) {
      std::string older = *begun;
      older.erase(older.find("archive_mode: on\n"));
      fleet.executor.host(name).write("/var/lib/pgcluster/begun", older);
    }
  apply_it(fleet, off);  // takes archive_mode and archive_command out of the settings
  CHECK(plan_deploy(off, fleet.executor).empty());
  REQUIRE(apply(plan_restart(off, fleet.executor), fleet.executor).ok());
  const Spec on = with_keeper(backups_on);
  const Plan plan = plan_deploy(on, fleet.executor);
  CHECK_MESSAGE(disturbing(plan).size() >= 3, plan.text(true));
  REQUIRE(apply(plan, fleet.executor).ok());
  CHECK(plan_deploy(on, fleet.executor).empty());
}

TEST_CASE("backups: another cluster's repository is refused before anything is touched") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  fleet.executor.clear_trace();
  fleet.pgbackrest->repository("keeper").system_id = "4711";
  try {
    plan_deploy(spec, fleet.executor);
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
    CHECK(error.message().find("already holds backups of another cluster") != std::string::npos);
  }
  CHECK(fleet.executor.trace().empty());
}

TEST_CASE("backups: a repository that is broken, or another passphrase") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  // PostgreSQL archives already, so its settings need no repository.
  fleet.pgbackrest->repository("keeper").passphrase = "of nobody";
  fleet.executor.clear_trace();
  const Spec other = with_keeper(std::string(backups_on) + "postgresql_parameters: {work_mem: 32MB}\n");
  const Report report = apply(plan_deploy(other, fleet.executor), fleet.executor);
  CHECK(!report.ok());
  CHECK(std::any_of(fleet.executor.trace().begin(), fleet.executor.trace().end(), [](const SimulatedAct& act) {
    const auto* run = std::get_if<Run>(&act.what.what);
    return run && requests(*run, "/config") && run->input.reveal().find("32MB") != std::string::npos;
  }));
  const Spec changed = with_keeper("pgbackrest_install: true\npgbackrest_repos: [{host: keeper, cipher_pass: another}]\n");
  CHECK_THROWS_AS(plan_deploy(changed, fleet.executor), Error);
}

TEST_CASE("backups: database hosts need no way to each other's pgBackRest") {
  const Spec spec = with_keeper(backups_on);
  const auto view = outline(spec, resolve(spec));
  std::map<std::string, std::vector<Declaration>> declared;
  for (const TopologyHost& host : view->topology.hosts) declared[host.name] = declarations(node_of(*view, host), builtin_components());
  std::set<std::string> asked;
  for (const Peer& peer : peers_of(view->topology.host("pg1"), view->topology, declared))
    if (peer.port == 8432) asked.insert(peer.host + (peer.mutual ? " must answer" : ""));
  CHECK(asked == std::set<std::string>{"keeper must answer"});
}

TEST_CASE("backups: a host that does not answer, or fails, is told") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  CHECK_THROWS_AS(plan_backup(spec, fleet.executor), Error);  // nothing is deployed
  apply_it(fleet, spec);
  fleet.executor.host("keeper").down = true;
  const Backups found = read_backups(spec, fleet.executor);
  CHECK(!found.repos.at(0).ok);
  CHECK(!found.window);
  CHECK(found.archived.age_s == 5);
  CHECK(found.text().find("unknown") != std::string::npos);
  CHECK(found.text().find("nothing") == std::string::npos);
  CHECK(read_status(spec, fleet.executor).text().find("there is none") == std::string::npos);
  CHECK_THROWS_AS(plan_backup(spec, fleet.executor), Error);
}

TEST_CASE("backups: a restore that was interrupted is not touched, and its end is part of an apply") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  const auto view = outline(spec, resolve(spec));
  const restore::Note note{.target = "lsn 0/5000028", .backup = "A", .repo = 1, .timeline = 1, .newest = 1, .host = "pg1", .id = "17"};
  const auto hold = [&](bool held) {
    for (const char* name : {"pg1", "pg2", "pg3"}) fleet.executor.host(name).write(restore::note_path, restore::note_text(*view, note, name, held));
  };
  hold(true);
  try {
    plan_deploy(spec, fleet.executor);
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
    CHECK(error.message() == "a restore to lsn 0/5000028 was interrupted");
    CHECK(error.hint() == "run pgcluster restore --lsn '0/5000028' to go on");
  }
  CHECK(!read_status(spec, fleet.executor).healthy);
  // Nothing was stopped yet: another target is as good, and what was written meanwhile is archived.
  const Plan anew = plan_restore(spec, fleet.executor, {.lsn = "0/3000100", .keep_data = true});
  CHECK(steps_of(anew).front() == "pg1/pgbackrest/restore-archived");
  CHECK(warns(anew, "goes back to LSN 0/3000100"));
  const auto progress = [&](const std::string& line) { fleet.executor.host("pg1").write("/var/lib/pgcluster/restore.progress", line + "\n"); };
  // Planned anew after another member had taken over, and interrupted again: the newest plan counts.
  restore::Note newer = note;
  newer.id = "18";
  newer.host = "pg2";
  fleet.executor.host("pg2").write(restore::note_path, restore::note_text(*view, newer, "pg2", true));
  fleet.executor.host("pg2").write("/var/lib/pgcluster/restore.progress", "copying 18 the backup A\n");
  CHECK(disturbing(plan_restore(spec, fleet.executor, {.lsn = "0/5000028"})).at(2) == "pg2 stop");
  fleet.executor.host("pg2").files.erase("/var/lib/pgcluster/restore.progress");
  hold(true);
  progress("copying 17 the backup A");
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor, {.lsn = "0/6000000"}), doctest::Contains("was interrupted"), Error);
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor, {.lsn = "0/5000028", .keep_data = true}), doctest::Contains("begun without --keep-data"),
                       Error);
  const Plan on = plan_restore(spec, fleet.executor, {.lsn = "0/5000028"});
  CHECK(disturbing(on).size() == 7);
  CHECK(warns(on, "the restore to lsn 0/5000028 goes on"));
  // After a failure another target may be named.
  progress("failed 17 PostgreSQL: FATAL");
  CHECK(warns(plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}), "goes back to LSN 0/3000100"));
  progress("done 17 timeline 2");
  hold(false);
  // One that only builds on the former backups is not enough.
  fleet.pgbackrest->repository("keeper").timeline = 2;
  REQUIRE(apply(plan_backup(spec, fleet.executor, {.type = BackupType::incr}), fleet.executor).ok());
  const Plan last = plan_restore(spec, fleet.executor, {.lsn = "0/5000028"});
  CHECK(!last.continues());
  REQUIRE(apply(last, fleet.executor).ok());
  CHECK(read_backups(spec, fleet.executor).backups.size() == 3);
  CHECK(read_backups(spec, fleet.executor).backups.back().type == "full");
  CHECK(!fleet.executor.host("pg1").files.contains(restore::note_path));
  settled(fleet, spec);
}

TEST_CASE("backups: a restore that has ended is never done again") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  const auto view = outline(spec, resolve(spec));
  const restore::Note note{.target = "lsn 0/5000028", .backup = "A", .repo = 1, .timeline = 1, .newest = 1, .host = "pg1", .id = "17"};
  const auto keep = [&](const std::string& name, bool held) {
    fleet.executor.host(name).write(restore::note_path, restore::note_text(*view, note, name, held));
  };
  const auto has = [&](const std::string& name) { return fleet.executor.host(name).files.contains(restore::note_path); };
  fleet.pgbackrest->repository("keeper").timeline = 2;
  keep("pg1", false);
  keep("pg2", false);
  keep("pg3", true);
  fleet.executor.host("pg3").write("/var/lib/postgresql/17/main/PG_VERSION", "17\n");
  // A replica that is free again is not in the way of another.
  CHECK(disturbing(plan_restore(spec, fleet.executor, {.lsn = "0/5000028"})) == std::vector<std::string>{"pg3 remove"});
  // The leader's note waits for the host that is left out.
  fleet.executor.host("pg3").down = true;
  apply_it(fleet, spec, {.without = {"pg3"}});
  CHECK(has("pg1"));
  CHECK(!has("pg2"));
  // Also without it, only what was missed is made up for.
  fleet.executor.host("pg3").down = false;
  fleet.executor.host("pg1").files.erase(restore::note_path);
  fleet.executor.host("pg1").write("/var/lib/pgcluster/restore.progress", "done 17 timeline 2\n");
  CHECK_THROWS_WITH_AS(plan_deploy(spec, fleet.executor), doctest::Contains("was interrupted"), Error);
  const Plan plan = plan_restore(spec, fleet.executor, {.lsn = "0/5000028"});
  CHECK(disturbing(plan) == std::vector<std::string>{"pg3 remove"});
  CHECK(steps_of(plan) == std::vector<std::string>{"pg3/pgbackrest/restore-clear", "pg3/pgbackrest/restore-free"});
}

TEST_CASE("backups: nothing is held before the last WAL is in the repository") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  const Plan plan = plan_restore(spec, fleet.executor, {.lsn = "0/3000100"});
  fleet.executor.clear_trace();
  const Report report = apply(plan, fleet.executor);  // its archive stays behind
  CHECK(!report.ok());
  CHECK_MESSAGE(report.text().find("has WAL up to 000000010000000000000003") != std::string::npos, report.text());
  for (const char* name : {"pg1", "pg2", "pg3"}) CHECK(!fleet.executor.host(name).files.contains(restore::note_path));
  settled(fleet, spec);
}

TEST_CASE("backups: a version that is not known is not another one") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  fleet.executor.host("pg1").packages.erase("pgbackrest");
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}), doctest::Contains("does not say its version on pg1"), Error);
}

TEST_CASE("backups: a restore takes no backup that prove has found broken, and nothing is stopped that could not be deployed again") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  const std::string label = read_backups(spec, fleet.executor).backups.back().label;
  const auto kept = [&](const std::string& words) {
    fleet.executor.host("keeper").write("/var/lib/pgbackrest.proven", label + " 1700000000 42 " + words + "\n");
  };
  CHECK(warns(plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}), "was never proven"));
  kept("pgBackRest: checksum");
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}), doctest::Contains(("cannot be restored: " + label).c_str()), Error);
  kept("the WAL file 000000010000000000000009 is missing");
  CHECK(!plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}).empty());
  kept("ok");
  CHECK(!warns(plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}), "was never proven"));
  const Spec wider = with_keeper(std::string(backups_on) + "postgresql_parameters: {work_mem: 32MB}\n");
  CHECK(warns(plan_restore(wider, fleet.executor, {.lsn = "0/3000100"}), "changes that were not applied yet"));
  const Spec other = with_keeper("pgbackrest_install: true\npgbackrest_repos: [{host: keeper, cipher_pass: another}]\n");
  CHECK_THROWS_AS(plan_restore(other, fleet.executor, {.lsn = "0/3000100"}), Error);
}

TEST_CASE("backups: a restore to what is no target is refused") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  fleet.executor.clear_trace();
  const auto refused = [&](const RestoreOptions& options) -> std::string {
    try {
      plan_restore(spec, fleet.executor, options);
    } catch (const Error& error) {
      CHECK(error.code() == Code::refused);
      return error.message();
    }
    return {};
  };
  CHECK(refused({.time = "2026-11-30 09:00:00"}) == "the time 2026-11-30 09:00:00 has no zone");
  CHECK(refused({.time = "soon"}) == "\"soon\" is no time");
  CHECK(refused({.lsn = "5"}) == "\"5\" is no LSN");
  CHECK(refused({.xid = "5x"}) == "\"5x\" is no transaction");
  CHECK(refused({.lsn = "0/5", .name = "x"}) == "a restore has one target");
  CHECK(refused({.lsn = "0/4000101"}).find("is after the last WAL") != std::string::npos);
  CHECK(refused({.backup = "D"}).find("there is no backup D in repo1") != std::string::npos);
  CHECK(refused({.timeline = 4}) == "there is no timeline 4 in the archive");
  CHECK(fleet.executor.trace().empty());
}

TEST_CASE("backups: a cluster that has lost all its hosts is rebuilt by a restore, and by nothing else") {
  Fleet lost, fleet;
  const Spec spec = with_keeper(backups_on);
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor), doctest::Contains("cannot be used"), Error);  // there is no repository yet
  apply_it(lost, spec);
  plan_deploy(spec, fleet.executor);
  move_keeper(lost, fleet);
  try {
    plan_deploy(spec, fleet.executor);
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
    CHECK_MESSAGE(error.hint().find("pgcluster restore rebuilds it") != std::string::npos, error.hint());
  }
  const Plan plan = plan_restore(spec, fleet.executor);
  CHECK(plan.continues());
  CHECK(warns(plan, "the cluster is built anew"));
  CHECK(warns(plan, "WAL was archived last at 2023-11-14 22:13:21"));
  const std::vector<std::string> steps = steps_of(plan);
  // The holds, which keep each Patroni from beginning an empty cluster, come before the data, its server, and the replicas.
  std::size_t before = 0;
  for (const char* step :
       {"pg1/pgbackrest/restore-hold", "pg2/pgbackrest/restore-hold", "pg1/patroni/packages", "pg1/pgbackrest/restore", "pg1/pgbackrest/restore-free",
        "pg1/patroni/service", "cluster/patroni/roles", "pg2/pgbackrest/restore-free", "pg2/patroni/service"}) {
    const std::size_t at = place_of(steps, step);
    CHECK_MESSAGE(at >= before, step);
    before = at;
  }
  CHECK(place_of(steps, "pg3/pgbackrest/restore-hold") < place_of(steps, "pg3/patroni/packages"));
  CHECK(std::find(steps.begin(), steps.end(), "keeper/pgbackrest/repo1-passphrase") == steps.end());
  CHECK(std::find(steps.begin(), steps.end(), "keeper/pgbackrest/backup-repo1") == steps.end());
  CHECK(plan_from_document(plan.document(), spec, fleet.executor).changes() == plan.changes());
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor, {.keep_data = true}), doctest::Contains("no former data"), Error);
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor, {.name = "point"}), doctest::Contains("the hosts are new"), Error);
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor, {.lsn = "0/4000101"}), doctest::Contains("is after the last WAL"), Error);
  // A cluster with data on one host is not lost.
  fleet.executor.host("pg3").write("/var/lib/postgresql/17/main/PG_VERSION", "17\n");
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor), doctest::Contains("leads, so nobody can archive"), Error);
  fleet.executor.host("pg3").files.erase("/var/lib/postgresql/17/main/PG_VERSION");
  fleet.executor.host("keeper").files.erase("/var/lib/pgbackrest.passphrase");
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor), doctest::Contains("the passphrase of repo1 was on the lost hosts"), Error);
}

TEST_CASE("backups: restore continues a rebuilding that was interrupted") {
  Fleet lost, fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(lost, spec);
  plan_deploy(spec, fleet.executor);
  move_keeper(lost, fleet);
  const auto view = outline(spec, resolve(spec));
  restore::Note note{.target = "lsn 0/3000100", .backup = "A", .repo = 1, .timeline = 1, .newest = 1, .host = "pg1", .id = "17"};
  note.anew = true;
  const auto keep = [&](const std::string& name, bool held) {
    fleet.executor.host(name).write(restore::note_path, restore::note_text(*view, note, name, held));
  };
  keep("pg1", true);
  CHECK_THROWS_AS(plan_deploy(spec, fleet.executor), Error);
  const std::vector<std::string> held = steps_of(plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}));
  CHECK(std::find(held.begin(), held.end(), "pg1/pgbackrest/restore-hold") == held.end());
  CHECK(place_of(held, "pg2/pgbackrest/restore-hold") < place_of(held, "pg1/pgbackrest/restore"));
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor), doctest::Contains("was interrupted"), Error);
  const auto progress = [&](const std::string& line) { fleet.executor.host("pg1").write("/var/lib/pgcluster/restore.progress", line + "\n"); };
  // The second plan needs what the first one has written, and does not remove it.
  fleet.executor.host("pg1").write("/var/lib/pgcluster/owned", "file:/usr/local/lib/pgcluster/restore\tpg1/pgbackrest/restore-program\n");
  const std::vector<std::string> again = steps_of(plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}));
  CHECK(std::find(again.begin(), again.end(), "pg1/pgbackrest/restore-program") != again.end());
  progress("failed 17 pgBackRest: no");
  CHECK(warns(plan_restore(spec, fleet.executor), "the cluster is built anew"));
  // The data is there: it is not restored again, and the others still wait for it.
  progress("done 17 timeline 2");
  fleet.executor.host("pg1").write("/var/lib/pgcluster/owned", "file:/etc/patroni/config.yml\tpg1/patroni/config\n");
  fleet.executor.host("pg1").write("/var/lib/postgresql/17/main/PG_VERSION", "17\n");
  keep("pg1", false);
  keep("pg2", true);
  const std::vector<std::string> free = steps_of(plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}));
  for (const char* step : {"pg1/pgbackrest/restore-hold", "pg1/pgbackrest/restore"}) CHECK(std::find(free.begin(), free.end(), step) == free.end());
  CHECK(place_of(free, "pg1/patroni/service") < place_of(free, "pg2/patroni/service"));
  // The first host was replaced once more: it restores again, and does not begin an empty cluster.
  for (const char* path :
       {"/var/lib/pgcluster/owned", "/var/lib/postgresql/17/main/PG_VERSION", restore::note_path, "/var/lib/pgcluster/restore.progress"})
    fleet.executor.host("pg1").files.erase(path);
  const std::vector<std::string> replaced = steps_of(plan_restore(spec, fleet.executor, {.lsn = "0/3000100"}));
  CHECK(place_of(replaced, "pg1/pgbackrest/restore-hold") < place_of(replaced, "pg1/pgbackrest/restore"));
  CHECK(place_of(replaced, "pg1/pgbackrest/restore") < place_of(replaced, "pg1/patroni/service"));
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor, {.lsn = "0/3000200"}), doctest::Contains("was interrupted"), Error);
  // Its server leads, and only the second plan is missing: another target is not ignored.
  keep("pg1", false);
  keep("pg2", false);
  fleet.executor.host("pg1").write("/var/lib/postgresql/17/main/PG_VERSION", "17\n");
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor, {.lsn = "0/3000200"}), doctest::Contains("was interrupted"), Error);
}

TEST_CASE("backups: a DCS that was not lost ends a rebuilding before it begins") {
  Fleet lost, fleet;
  const Spec spec =
      spec_of(scheme_a(3, backups_on) + "  keeper: {address: 10.77.0.14, roles: [backup]}\n  dcs1: {address: 10.77.0.15, roles: [etcd]}\n");
  apply_it(lost, spec);
  plan_deploy(spec, fleet.executor);
  move_keeper(lost, fleet);
  plan_restore(spec, fleet.executor);
  fleet.executor.host("dcs1").write("/var/lib/pgcluster/cluster", "postgres-cluster\n");
  CHECK_THROWS_WITH_AS(plan_restore(spec, fleet.executor), doctest::Contains("dcs1 still has the DCS of the lost cluster"), Error);
}

TEST_CASE("backups: a restore stops the replicas first, and tells what is lost") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  const Plan plan = plan_restore(spec, fleet.executor, {.lsn = "0/3000100", .keep_data = true});
  CHECK(plan.continues());
  CHECK(disturbing(plan) == std::vector<std::string>{"pg2 stop", "pg3 stop", "pg1 stop", "pg1 run", "pg1 start", "pg2 remove", "pg3 remove"});
  const std::string label = read_backups(spec, fleet.executor).backups.back().label;
  CHECK(warns(plan, "goes back to LSN 0/3000100, on timeline 1, from the backup " + label + " in repo1"));
  CHECK(warns(plan, "everything that was written after it is lost"));
  CHECK(steps_of(plan).front() == "pg1/pgbackrest/restore-archived");
  CHECK(plan_from_document(plan.document(), spec, fleet.executor).changes() == plan.changes());
}

TEST_CASE("backups: a proof runs on a replica's host, and what it found is shown") {
  Fleet fleet;
  const Spec spec = with_keeper(backups_on);
  apply_it(fleet, spec);
  const std::string label = read_backups(spec, fleet.executor).backups.back().label;
  const Plan plan = plan_prove(spec, fleet.executor);
  CHECK(disturbing(plan).empty());
  CHECK(steps_of(plan) == std::vector<std::string>{"pg2/pgbackrest/prove", "keeper/pgbackrest/proven", "pg2/pgbackrest/verdict"});
  CHECK_THROWS_WITH_AS(plan_prove(spec, fleet.executor, {.backup = "D"}), doctest::Contains("there is no backup D"), Error);
  // What the host lacks is no verdict on the backup.
  const auto view = outline(spec, resolve(spec));
  const Answer ended = File{.content = "untried " + label + " 1700000000 5 pgBackRest: [049]: unable to connect\n"};
  for (const Steps::Node& one : proof::steps(view, "pg2", {.name = "repo1", .host = "keeper"}, label, "", {}, "").nodes()) {
    Answers answers;
    for (const Ask& ask : one.step->asks()) answers.set(ask, Absent{});
    answers.set(proof::progress_ask("pg2"), ended);
    const Decision decision = one.step->decide(answers);
    if (one.step->name() != "pg2/pgbackrest/verdict") {
      CHECK_MESSAGE(std::holds_alternative<Done>(decision), one.step->name());
    } else {
      REQUIRE(std::holds_alternative<Refused>(decision));
      CHECK(std::get<Refused>(decision).why.message.find("could not be tried on pg2") != std::string::npos);
    }
  }
  const auto kept = [&](const std::string& words) {
    fleet.executor.host("keeper").write("/var/lib/pgbackrest.proven",
                                        label + " " + std::to_string(fleet.executor.options().clock - 60) + " 42 " + words + "\n");
  };
  kept("ok");
  Backups found = read_backups(spec, fleet.executor);
  REQUIRE(found.proven);
  CHECK(found.proven->seconds == 42);
  CHECK(found.backups.back().proven);
  CHECK(read_status(spec, fleet.executor).backup->proven_age_s == 60);
  kept("pg_checksums: error: checksum verification failed");
  found = read_backups(spec, fleet.executor);
  CHECK(!found.proven);
  CHECK(found.backups.back().unproven == "pg_checksums: error: checksum verification failed");
  CHECK(!read_status(spec, fleet.executor).healthy);
}

TEST_CASE("backups: a proof that was due counts where a database host keeps it, until a newer one is there") {
  Fleet fleet;
  const Spec spec = with_keeper("pgbackrest_schedule: {prove: Sun 05:00}\n" + std::string(backups_on)), without = with_keeper(backups_on);
  apply_it(fleet, spec);
  settled(fleet, spec);
  const std::string timer = "pgcluster-prove-due-repo1.timer", label = read_backups(spec, fleet.executor).backups.back().label;
  for (const char* host : {"pg1", "pg2", "pg3"}) CHECK(fleet.executor.host(host).units[timer].state.active == "active");
  CHECK(!fleet.executor.host("keeper").units.contains(timer));
  const auto kept = [&](const std::string& host, const std::string& path, int age, const std::string& words) {
    fleet.executor.host(host).write(path, label + " " + std::to_string(fleet.executor.options().clock - age) + " 42 " + words + "\n");
  };
  kept("pg2", "/var/lib/pgcluster/proven-repo1", 60, "ok");
  kept("keeper", "/var/lib/pgbackrest.proven", 600, "pg_checksums: error: checksum verification failed");
  CHECK(read_backups(spec, fleet.executor).backups.back().proven);
  CHECK(read_status(spec, fleet.executor).backup->proven_age_s == 60);
  kept("pg3", "/var/lib/pgcluster/proven-repo1", 30, "pg_amcheck: error: it is damaged");
  CHECK(read_backups(spec, fleet.executor).backups.back().unproven == "pg_amcheck: error: it is damaged");
  fleet.executor.host("pg3").units["pgcluster-prove-due-repo1.service"].state = {.active = "failed", .result = "exit-code"};
  const Status status = read_status(spec, fleet.executor);
  CHECK(std::any_of(status.problems.begin(), status.problems.end(),
                    [](const auto& one) { return one.host == "pg3" && one.what.cause == "proof_failed"; }));
  kept("keeper", "/var/lib/pgbackrest.proven", 1, "ok");
  apply_it(fleet, without);
  settled(fleet, without);
  for (const char* host : {"pg1", "pg2", "pg3"}) CHECK(fleet.executor.host(host).units[timer].state.active != "active");
}
