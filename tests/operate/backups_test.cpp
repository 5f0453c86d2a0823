#include <nlohmann/json.hpp>

#include "cluster.hpp"

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
  REQUIRE(apply(back, fleet.executor).ok());
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
  CHECK_THROWS_AS(plan_backup(spec, fleet.executor), Error);
}
