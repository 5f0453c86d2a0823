#include "component/pgbackrest/pgbackrest.hpp"

#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

// As pgBackRest 2.55.1 gave them on hosts of the lab.
constexpr const char* no_stanza =
    R"([{"archive":[],"backup":[],"cipher":"aes-256-cbc","db":[],"name":"postgres-cluster","repo":[{"cipher":"aes-256-cbc","key":1,"status":{"code":1,"message":"missing stanza path"}}],"status":{"code":1,"lock":{"backup":{"held":false}},"message":"missing stanza path"}}])";
constexpr const char* no_backup =
    R"([{"archive":[{"database":{"id":1,"repo-key":1},"id":"17-1","max":null,"min":null}],"backup":[],"cipher":"aes-256-cbc","db":[{"id":1,"repo-key":1,"system-id":7713822645749465957,"version":"17"}],"name":"postgres-cluster","repo":[{"cipher":"aes-256-cbc","key":1,"status":{"code":2,"message":"no valid backups"}}],"status":{"code":2,"lock":{"backup":{"held":false}},"message":"no valid backups"}}])";
constexpr const char* running =
    R"([{"archive":[{"database":{"id":1,"repo-key":1},"id":"17-1","max":"000000020000000000000005","min":"000000020000000000000004"}],"backup":[],"cipher":"aes-256-cbc","db":[{"id":1,"repo-key":1,"system-id":7713822645749465957,"version":"17"}],"name":"postgres-cluster","repo":[{"cipher":"aes-256-cbc","key":1,"status":{"code":2,"message":"no valid backups"}}],"status":{"code":2,"lock":{"backup":{"held":true,"size":31084462,"size-cplt":12000000}},"message":"no valid backups"}}])";
constexpr const char* two_backups =
    R"([{"archive":[{"database":{"id":1,"repo-key":1},"id":"17-1","max":"000000020000000000000008","min":"000000020000000000000004"}],"backup":[{"archive":{"start":"000000020000000000000005","stop":"000000020000000000000006"},"backrest":{"format":5,"version":"2.55.1"},"database":{"id":1,"repo-key":1},"error":false,"info":{"delta":31084720,"repository":{"delta":3774616,"delta-map":32928,"size-map":32928},"size":31084720},"label":"20261130-045251F","lsn":{"start":"0/5000028","stop":"0/6000050"},"prior":null,"reference":null,"timestamp":{"start":1796014371,"stop":1796014374},"type":"full"},{"archive":{"start":"000000020000000000000007","stop":"000000020000000000000008"},"backrest":{"format":5,"version":"2.55.1"},"database":{"id":1,"repo-key":1},"error":false,"info":{"delta":8450,"repository":{"delta":408,"delta-map":0,"size-map":32928},"size":31084720},"label":"20261130-045251F_20261130-045255I","lsn":{"start":"0/7000028","stop":"0/8000050"},"prior":"20261130-045251F","reference":["20261130-045251F"],"timestamp":{"start":1796014375,"stop":1796014376},"type":"incr"}],"cipher":"aes-256-cbc","db":[{"id":1,"repo-key":1,"system-id":7713822645749465957,"version":"17"}],"name":"postgres-cluster","repo":[{"cipher":"aes-256-cbc","key":1,"status":{"code":0,"message":"ok"}}],"status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}])";

const ComponentPtr component = pgbackrest_component();

ClusterView backed_up() {
  Spec wished = spec(2);
  wished.pgbackrest_install = true;
  wished.hosts.push_back({.name = "keeper", .address = "10.77.0.14", .roles = {Role::backup}});
  wished.pgbackrest_repos.push_back({});
  ClusterView view = cluster(wished);
  for (auto& [host, facts] : view.facts) {
    facts.begun = "patroni_cluster_name: postgres-cluster\narchive_mode: on\n";
    facts.owned.push_back({"file:/etc/patroni/config.yml", ""});
  }
  return view;
}

Bent says(const char* text) { return {"keeper", "pgbackrest --stanza", Output{.out = text}}; }

// etcd's answer to a question for the initialize key.
Bent system_id(const std::string& base64) {
  return {"", "curl", Output{.out = R"({"header":{},"kvs":[{"value":")" + base64 + R"("}]} {"etcdserver":"3.5.16","etcdcluster":"3.5.0"})"}};
}
const Bent ours = system_id("NzcxMzgyMjY0NTc0OTQ2NTk1Nw==");  // 7713822645749465957

}  // namespace

TEST_CASE("pgbackrest: the files of a host") { golden_files(component, "pgbackrest"); }

TEST_CASE("pgbackrest: every answer has a decision") {
  const ClusterView view = backed_up();
  total(steps(component, view, "pg1"));
  total(steps(component, view, "keeper"));
  total(component->cluster_steps(view));
}

TEST_CASE("pgbackrest: what it says of its repositories") {
  const ClusterView view = backed_up();
  const auto read = [&](const Answer& answer) { return backup::read_repositories(view, "keeper", answer).at(0); };
  const backup::Repository repo = read(Output{.out = two_backups});
  CHECK(repo.exists);
  CHECK(repo.problem.empty());
  CHECK(repo.system_id == "7713822645749465957");
  CHECK(repo.last_wal == "000000020000000000000008");
  REQUIRE(repo.backups.size() == 2);
  CHECK(repo.backups[0].label == "20261130-045251F");
  CHECK(repo.backups[0].size_bytes == 3774616);
  CHECK(repo.backups[1].type == "incr");
  CHECK(repo.backups[1].stop == 1796014376);
  CHECK(read(Output{.out = running}).done_bytes == 12000000);
  CHECK(!read(Output{.out = no_stanza}).exists);
  CHECK(read(Output{.out = no_stanza}).problem.empty());
  CHECK(read(Output{.status = 37, .err = "ERROR: [037]: info command requires option\n"}).problem == "ERROR: [037]: info command requires option");
  CHECK(read(Unreadable{"ssh: connection refused"}).problem == "ssh: connection refused");
  CHECK(read(Unreadable{}).problem == "keeper does not answer");
  CHECK(read(Output{.status = 3}).problem == "pgbackrest info failed with status 3");
}

TEST_CASE("pgbackrest: the repository learns of the cluster once, and of no other") {
  const ClusterView view = backed_up();
  const Steps all = component->cluster_steps(view);
  const auto stanza = [&](const std::vector<Bent>& bents) { return decide(all, "keeper/pgbackrest/stanza", bents); };
  CHECK(is<Later>(stanza({})));  // it is not installed yet
  const Decision fresh = stanza({says(no_stanza), ours});
  CHECK(std::get<Run>(std::get<Change>(fresh).todo.at(0).what).argv.back() == "stanza-create");
  CHECK(is<Done>(stanza({says(no_backup), ours})));
  CHECK(message(stanza({says(two_backups), system_id("Nzc=")})).find("already holds backups of another cluster") != std::string::npos);
  const Decision broken =
      stanza({says(R"([{"name":"postgres-cluster","repo":[{"key":1,"status":{"code":99,"message":"[CryptoError] unable to flush"}}]}])")});
  CHECK(std::get<Later>(broken).wrong.find("unable to flush") != std::string::npos);
  // Nothing is known of a DCS that does not answer.
  CHECK(is<Done>(stanza({says(two_backups)})));
}

TEST_CASE("pgbackrest: a new cluster takes no repository of a former one") {
  ClusterView view = backed_up();
  for (auto& [host, facts] : view.facts) facts.begun.clear(), facts.owned.clear();
  const StepPtr stanza = find(component->cluster_steps(view), "keeper/pgbackrest/stanza");
  const Bent none{"", "curl", Output{.out = R"({"header":{}} {"etcdserver":"3.5.16","etcdcluster":"3.5.0"})"}};
  CHECK(message(stanza->decide(answers_to(*stanza, {says(two_backups), none}))).find("another pgbackrest_stanza") != std::string::npos);
  // A DCS that does not answer for a moment has not lost the cluster; one that this plan brings knows none yet.
  Answers silent = answers_to(*stanza, {says(two_backups)});
  CHECK(is<Later>(stanza->decide(silent)));
  for (const Ask& ask : stanza->asks())
    if (matches(ask, {"", "curl", {}})) silent.set(ask, Unreadable{}, true);
  CHECK(message(stanza->decide(silent)).find("another pgbackrest_stanza") != std::string::npos);
}

TEST_CASE("pgbackrest: the way of the WAL is tried once") {
  const ClusterView view = backed_up();
  const Steps all = component->cluster_steps(view);
  const auto archive = [&](const std::vector<Bent>& bents) { return decide(all, "keeper/pgbackrest/archive", bents); };
  CHECK(is<Later>(archive({})));
  CHECK(is<Later>(archive({says(no_stanza)})));
  CHECK(std::get<Run>(std::get<Change>(archive({says(no_backup)})).todo.at(0).what).argv.back() == "check");
  CHECK(is<Done>(archive({says(two_backups)})));
}

TEST_CASE("pgbackrest: the first backup is full, and its progress is told") {
  const ClusterView view = backed_up();
  const Steps all = component->cluster_steps(view);
  const auto first = [&](const char* info, const Unit& unit) {
    return decide(all, "keeper/pgbackrest/backup-repo1", {says(info), {"keeper", "pgcluster-backup-repo1@full.service", unit}});
  };
  const Decision fresh = first(no_backup, {});
  CHECK(std::get<SetUnit>(std::get<Change>(fresh).todo.at(0).what).name == "pgcluster-backup-repo1@full.service");
  const Decision runs = first(running, {.active = "activating", .sub = "start"});
  CHECK(std::get<Later>(runs).seen == "12 MB of 31 MB are copied");
  CHECK(std::get<Later>(runs).wrong.empty());
  const Decision fails = first(no_backup, {.active = "activating", .sub = "auto-restart", .result = "exit-code", .restarts = 2});
  CHECK(std::get<Later>(fails).wrong.find("fails again and again") != std::string::npos);
  CHECK(is<Done>(first(two_backups, {})));
  CHECK(is<Done>(first(two_backups, {.active = "activating", .sub = "start"})));  // a scheduled backup: nothing to wait for
}

TEST_CASE("pgbackrest: a repository that fails makes no backups in another") {
  Spec wished = backed_up().spec;
  wished.pgbackrest_repos.push_back({.path = "/srv/second"});
  const ClusterView view = cluster(wished);
  const Steps all = component->cluster_steps(view);
  const std::vector<Bent> failing{says(two_backups),
                                  {"keeper", "pgcluster-backup-repo2@full.service", Unit{.active = "activating", .sub = "auto-restart"}}};
  CHECK(is<Done>(decide(all, "keeper/pgbackrest/backup-repo1", failing)));
  CHECK(is<Later>(decide(all, "keeper/pgbackrest/backup-repo2", failing)));
  for (const char* number : {"1", "2"}) {
    const Decision unit = decide(steps(component, view, "keeper"), std::string("keeper/pgbackrest/backup-unit-repo") + number);
    const std::string text = std::get<WriteFile>(std::get<Change>(unit).todo.at(0).what).content.masked();
    CHECK(text.find("ExecStart=") == text.rfind("ExecStart="));
    CHECK(text.find(std::string("--repo=") + number + " ") != std::string::npos);
  }
}

TEST_CASE("pgbackrest: a backup that is asked for is one that was not there before") {
  const auto view = std::make_shared<ClusterView>(backed_up());
  const auto make = [&](const std::string& newest, const Unit& unit = {}) {
    return decide(backup::make(view, "keeper", "incr", {{"repo1", newest}}), "keeper/pgbackrest/backup-repo1",
                  {says(two_backups), {"keeper", "pgcluster-backup-repo1@incr.service", unit}});
  };
  CHECK(is<Later>(make("20261130-045251F", {.active = "activating", .sub = "start"})));
  CHECK(is<Change>(make("20261130-045251F_20261130-045255I")));
  CHECK(is<Done>(make("20261130-045251F")));
}

TEST_CASE("pgbackrest: a timer, its file and its state") {
  const ClusterView view = backed_up();
  const Steps all = steps(component, view, "keeper");
  const WriteFile wish = pgbackrest::timer_file({1, view.spec.pgbackrest_repos[0]}, "full", "Sun 01:00");
  const auto timer = [&](const std::string& content, const Answer& unit) {
    return decide(all, "keeper/pgbackrest/timer-repo1-full",
                  {{"keeper", wish.path, File{.content = content, .sha256 = "x"}}, {"keeper", "unit pgcluster-backup-repo1-full.timer", unit}});
  };
  CHECK(std::get<Change>(decide(all, "keeper/pgbackrest/timer-repo1-full")).todo.size() == 2);
  const Unit active{.active = "active", .enabled = true};
  const Decision drifted = timer("OnCalendar=daily\n", active);
  CHECK(std::get<SetUnit>(std::get<Change>(drifted).todo.at(1).what).go == SetUnit::Go::restart);
}

TEST_CASE("pgbackrest: the directory of a repository") {
  const ClusterView view = backed_up();
  const Steps all = steps(component, view, "keeper");
  const auto directory = [&](const Answer& answer) { return decide(all, "keeper/pgbackrest/repo1", {{"keeper", "/var/lib/pgbackrest", answer}}); };
  CHECK(std::get<Change>(directory(Absent{})).action == Action::create);
  CHECK(is<Done>(directory(File{.kind = File::Kind::directory, .mode = 0750, .owner = "postgres"})));
  CHECK(message(directory(File{.kind = File::Kind::directory})).find("belongs to root") != std::string::npos);
  CHECK(message(directory(File{.content = "x"})).find("is no directory") != std::string::npos);
  for (const Steps::Node& node : all.nodes())
    for (const std::string& resource : node.step->keeps()) CHECK(resource.find("/var/lib/pgbackrest") == std::string::npos);
}

TEST_CASE("pgbackrest: a repository with data keeps its passphrase and its cipher") {
  ClusterView view = backed_up();
  const auto passphrase = [&](const char* contents) {
    return decide(steps(component, view, "keeper"), "keeper/pgbackrest/repo1-passphrase",
                  {{"keeper", "/var/lib/pgbackrest.passphrase", File{.content = "of a former cluster", .mode = 0600}},
                   {"keeper", "/backup.info", Output{.out = contents}}});
  };
  CHECK(message(passphrase("Salted__")).find("cipher_pass (!file PATH)") != std::string::npos);
  CHECK(message(passphrase("")).find("another passphrase") != std::string::npos);  // the file is not ours
  view.facts["keeper"].owned.push_back({std::string("file:") + pgbackrest::config_path, ""});
  CHECK(message(passphrase("Salted__Salted__")).find("another passphrase") != std::string::npos);
  CHECK(is<Change>(passphrase("")));

  const auto directory = [&](const char* contents) {
    return decide(steps(component, view, "keeper"), "keeper/pgbackrest/repo1",
                  {{"keeper", "/var/lib/pgbackrest", File{.kind = File::Kind::directory, .mode = 0750, .owner = "postgres"}},
                   {"keeper", "/backup.info", Output{.out = contents}}});
  };
  CHECK(is<Done>(directory("Salted__")));
  CHECK(message(directory("[backres")).find("write cipher: false again") != std::string::npos);
  view.spec.pgbackrest_repos[0].cipher = false;
  CHECK(is<Done>(directory("[backres")));
  CHECK(message(directory("Salted__")).find("write cipher: true again") != std::string::npos);
}

TEST_CASE("pgbackrest: somebody else's configuration stays") {
  ClusterView view = backed_up();
  const auto stranger = [&](const char* path, const std::string& content) {
    return decide(steps(component, view, "pg1"), "pg1/pgbackrest/stranger", {{"pg1", path, File{.content = content}}});
  };
  const char* const path = pgbackrest::config_path;
  CHECK(is<Done>(decide(steps(component, view, "pg1"), "pg1/pgbackrest/stranger")));
  CHECK(is<Done>(stranger(path, "[global]\nrepo1-path=/var/lib/pgbackrest\n\n#[main]\n#pg1-path=/var/lib/postgresql/9.4/main\n")));
  CHECK(is<Done>(stranger(path, std::string(pgbackrest::header) + "[global]\n")));
  CHECK(message(stranger(path, "[global]\nrepo1-path=/mnt/backups\n")).find("has not written") != std::string::npos);
  CHECK(message(stranger("/etc/pgbackrest/pgbackrest.conf", "")).find("/etc/pgbackrest/pgbackrest.conf") != std::string::npos);
  view.facts["pg1"].owned.push_back({std::string("file:") + path, ""});
  CHECK(is<Done>(stranger(path, "[global]\nrepo1-path=/mnt/backups\n")));
}

TEST_CASE("pgbackrest: where it takes part, and what it needs there") {
  const ClusterView view = backed_up();
  const auto needs = [&](const char* host) { return component->needs(NodeView{view, view.topology.host(host), view.facts.at(host)}); };
  CHECK(needs("pg1").units == std::vector<std::string>{"pgbackrest.service"});
  CHECK(needs("keeper").units ==
        std::vector<std::string>{"pgbackrest.service", "pgcluster-backup-repo1-full.timer", "pgcluster-backup-repo1-diff.timer"});
  CHECK(secret_names(component, view.spec) == std::set<std::string>{"pgbackrest_repos.keeper/var/lib/pgbackrest.cipher_pass"});
  CHECK(steps(component, cluster(spec()), "pg1").empty());
  CHECK(needs("keeper").findings.empty());
  ClusterView off = cluster(view.spec);
  off.spec.pgbackrest_install = false;
  Facts kept;
  kept.owned.push_back({"file:/etc/systemd/system/pgcluster-backup-repo1@.service", ""});
  const Needs left = component->needs(NodeView{off, off.topology.host("keeper"), kept});
  CHECK(left.findings.at(0).severity == Severity::warning);
  CHECK(left.packages.empty());
}

TEST_CASE("pgbackrest: what is wrong with backups") {
  const ClusterView view = backed_up();
  const auto problem = [&](const char* host, std::size_t index, const Answer& answer) {
    const auto found = component->health(NodeView{view, view.topology.host(host), view.facts.at(host)}).at(index).read(answer);
    return found ? found->cause : "";
  };
  CHECK(problem("pg1", 0, Output{.out = R"({"leads":true,"last":5,"age":7,"failed":3,"failing":true})"}) == "archive_failing");
  CHECK(problem("pg1", 0, Output{.out = R"({"leads":true,"last":5,"age":7,"failed":3,"failing":false})"}).empty());
  CHECK(problem("pg1", 0, Output{.out = R"({"leads":false,"last":null,"age":null,"failed":3,"failing":true})"}).empty());
  CHECK(problem("keeper", 0, Output{.out = two_backups}).empty());
  std::string damaged = two_backups;
  damaged.replace(damaged.rfind(R"("error":false)"), 13, R"("error":true)");
  CHECK(problem("keeper", 0, Output{.out = damaged}) == "backup_damaged");
  CHECK(problem("keeper", 0, Output{.status = 1, .err = "ERROR: no"}) == "repository_broken");
  CHECK(problem("keeper", 1, Unit{.active = "failed", .result = "exit-code"}) == "backup_failed");
  CHECK(problem("keeper", 1, Unit{}).empty());
}
