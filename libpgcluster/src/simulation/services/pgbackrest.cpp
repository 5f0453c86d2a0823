#include "simulation/services/pgbackrest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "component/pgbackrest/pgbackrest.hpp"
#include "component/pgbackrest/shell.hpp"
#include "component/wal.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

// The values of all keys in the host's configuration whose names end like this: "-cipher-pass".
std::vector<std::string> option(const SimulatedHost& host, const std::string& end) {
  std::vector<std::string> found;
  const std::string* text = host.read(pgbackrest::config_path);
  std::istringstream lines(text ? *text : "");
  for (std::string line; std::getline(lines, line);)
    if (const auto at = line.find('='); at != std::string::npos && line.substr(0, at).ends_with(end)) found.push_back(line.substr(at + 1));
  return found;
}
std::string first(const std::vector<std::string>& all) { return all.empty() ? "" : all.front(); }

std::string stanza(const SimulatedHost& host) {
  const std::string* text = host.read(pgbackrest::config_path);
  const auto at = text ? text->rfind("\n[") : std::string::npos;
  return at == std::string::npos ? "" : text->substr(at + 2, text->find(']', at) - at - 2);
}

// "full" of pgcluster-backup-repo1@full.service; empty for other units.
std::string backup_type(const std::string& unit) {
  const auto at = unit.find('@');
  return unit.starts_with("pgcluster-backup-") && at != std::string::npos ? unit.substr(at + 1, 4) : "";
}

Output failed(int status, const std::string& message) {
  return {.status = status, .err = "ERROR: [0" + std::to_string(status) + "]: " + message + "\n"};
}

}  // namespace

std::optional<SimulatedPackage> PgBackRestModel::package(const std::string& name) {
  if (name != "pgbackrest") return std::nullopt;
  return SimulatedPackage{
      .version = "2.55.1-1",
      .depends = {"postgresql-common"},
      .units = {pgbackrest::unit},
      .files = {{"/etc/pgbackrest.conf", File{.content = "[global]\nrepo1-path=/var/lib/pgbackrest\n", .mode = 0640, .owner = "postgres"}},
                {"/var/lib/pgbackrest", File{.kind = File::Kind::directory, .mode = 0750, .owner = "postgres", .group = "postgres"}}}};
}

std::optional<ServiceModel::Start> PgBackRestModel::unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime) {
  if (unit == pgbackrest::unit)
    return Start{.takes = {}, .dies = option(host, "tls-server-auth").empty() ? "ERROR: [037]: server command requires option: tls-server-auth" : ""};
  if (backup_type(unit).empty()) return std::nullopt;
  return Start{.takes = 3s,
               .dies = repositories_[host.name].archives && leader(host) ? "" : "ERROR: [056]: unable to find primary cluster - cannot proceed"};
}

// A oneshot unit: it has ended when it is through.
void PgBackRestModel::unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime now) {
  std::string type = backup_type(unit);
  if (type.empty()) return;
  Repository& kept = repositories_[host.name];
  if (kept.backups.empty()) type = "full";
  const std::int64_t stop = fleet_->options().clock + std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  char label[32];
  std::snprintf(label, sizeof label, "20231114-%06zuF", kept.backups.size() + 1);
  std::string name = label;
  if (type != "full") name = kept.backups.front().label + "_" + name.substr(0, name.size() - 1) + (type == "diff" ? "D" : "I");
  kept.backups.push_back({name, type, stop - 3, stop, kept.timeline});
  fleet_->stop_unit(host, unit);
}

// The member that leads, if its server lets this host in.
SimulatedHost* PgBackRestModel::leader(const SimulatedHost& from) {
  for (const std::string& name : fleet_->hosts()) {
    SimulatedHost& host = fleet_->host(name);
    const std::vector<std::string> admitted = option(host, "tls-server-auth");
    if (!host.down && !host.frozen && patroni_->view(name).leads && host.active(pgbackrest::unit) &&
        std::find(admitted.begin(), admitted.end(), from.name + "=" + stanza(from)) != admitted.end())
      return &host;
  }
  return nullptr;
}

std::string PgBackRestModel::info(const SimulatedHost& host) {
  const Repository& kept = repositories_[host.name];
  const bool readable = kept.passphrase.empty() || kept.passphrase == first(option(host, "-cipher-pass"));
  const int code = !readable ? 99 : kept.system_id.empty() ? 1 : kept.backups.empty() ? 2 : 0;
  const char* words = code == 99 ? "other" : code == 1 ? "missing stanza path" : code == 2 ? "no valid backups" : "ok";
  Json json{{"name", stanza(host)},    {"archive", Json::array()},
            {"backup", Json::array()}, {"db", Json::array()},
            {"repo", Json::array()},   {"status", {{"code", code}, {"message", words}, {"lock", {{"backup", {{"held", false}}}}}}}};
  const std::string* text = host.read(pgbackrest::config_path);
  for (int number = 1; number <= 9; ++number) {
    if (!text || text->find("repo" + std::to_string(number) + "-path=") == std::string::npos) continue;
    json["repo"].push_back({{"key", number}, {"cipher", "aes-256-cbc"}, {"status", {{"code", code}, {"message", words}}}});
    if (code == 1 || code == 99) continue;
    const Json database{{"id", 1}, {"repo-key", number}};
    const Json wal = kept.archives ? Json("000000010000000000000003") : Json(nullptr);
    json["archive"].push_back({{"database", database}, {"id", "17-1"}, {"min", wal}, {"max", wal}});
    json["db"].push_back({{"id", 1}, {"repo-key", number}, {"system-id", kept.system_id}, {"version", "17"}});
    for (const Backup& one : kept.backups)
      json["backup"].push_back({{"label", one.label},
                                {"type", one.type},
                                {"database", database},
                                {"error", false},
                                {"lsn", {{"start", "0/2000028"}, {"stop", "0/3000050"}}},
                                {"archive", {{"start", wal::segment_name(one.timeline, 2)}, {"stop", wal::segment_name(one.timeline, 3)}}},
                                {"info", {{"size", 31084720}, {"delta", 31084720}, {"repository", {{"delta", 3774616}}}}},
                                {"timestamp", {{"start", one.start}, {"stop", one.stop}}}});
  }
  return Json::array({json}).dump();
}

Output PgBackRestModel::call(SimulatedHost& host, const std::string& command) {
  if (!host.packages.contains("pgbackrest")) return {.status = 127, .err = "setpriv: failed to execute pgbackrest: No such file or directory\n"};
  if (command == "info") return {.out = info(host)};
  if (command == "server-ping") return host.active(pgbackrest::unit) ? Output{} : failed(49, "unable to connect");
  SimulatedHost* leads = leader(host);
  if (!leads) return failed(56, "unable to find primary cluster - cannot proceed");
  const std::string* id = leads->read(first(option(host, "pg1-path")) + "/PG_VERSION");
  Repository& kept = repositories_[host.name];
  if (!kept.system_id.empty() && id && kept.system_id != *id) return failed(28, "backup and archive info files exist but do not match the database");
  if (command == "stanza-create") {
    kept.system_id = id ? *id : "";
    kept.passphrase = first(option(host, "-cipher-pass"));
  }
  if (command == "check") kept.archives = true;
  return {};
}

std::optional<Output> PgBackRestModel::exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string&) {
  if (argv[0] == "install" && argv.size() > 2 && argv[1] == "-d") {
    host.files[argv.back()] = File{.kind = File::Kind::directory, .mode = 0750, .owner = "postgres", .group = "postgres"};
    return Output{};
  }
  if (argv[0] == "find" && argv.size() > 5 && argv[5].ends_with("/backup.info")) {
    const Repository& kept = repositories_[host.name];
    return Output{.out = kept.system_id.empty() ? "" : kept.passphrase.empty() ? "[backres" : "Salted__"};
  }
  if (argv.size() > 5 && argv[0] == "setpriv" && argv[4] == "pgbackrest") return call(host, argv[5].starts_with("--stanza=") ? argv.at(6) : argv[5]);
  if (argv.size() > 3 && argv[1] == "-c" && argv[2] == shell::restore_look)
    return Output{.out = "free 100000000\nwork 100000000\n" + std::string(host.packages.contains("pgbackrest") ? "tool 2.55.1\n" : "tool \n")};
  if (argv.size() == 2 && argv[0] == "pgbackrest" && argv[1] == "version" && host.packages.contains("pgbackrest"))
    return Output{.out = "pgBackRest 2.55.1\n"};
  if (argv.size() > 6 && argv[1] == "-c" && argv[2] == shell::switch_wal) {
    if (!patroni_->view(host.name).leads) return Output{.status = 1, .err = "psql: error\n"};
    host.write(argv[4], argv[5] + " 000000010000000000000004\n");
    return Output{};
  }
  if (argv.size() > 3 && argv[1] == "-c" && argv[2] == shell::archive_list)
    return repositories_[host.name].archives ? Output{.out = "wal 000000010000000000000002 1700000000\nwal 000000010000000000000003 1700000001\n"}
                                             : Output{.status = 1};
  if (argv.size() > 4 && argv[1] == "-c" && argv[2] == shell::proofs) {
    const std::string* kept = host.read(argv[4]);
    return Output{.out = std::to_string(fleet_->options().clock) + "\n" + (kept ? *kept : "")};
  }
  if (argv.size() > 5 && argv[0] == "setpriv" && argv.back().find("pg_current_wal_lsn") != std::string::npos) {
    if (!patroni_->view(host.name).leads) return Output{.out = "\n"};
    return Output{.out = Json{{"segment", "000000010000000000000004"},
                              {"lsn", "0/4000100"},
                              {"micros", (fleet_->options().clock + 3600) * 1'000'000},
                              {"slots", Json::array()}}
                             .dump()};
  }
  if (argv.size() > 5 && argv[0] == "setpriv" && argv.back().find("pg_stat_archiver") != std::string::npos) {
    const PatroniModel::View view = patroni_->view(host.name);
    if (!view.serves) return Output{.status = 2, .err = "psql: error: connection to server on socket failed\n"};
    return Output{.out = Json{{"leads", view.leads}, {"last", fleet_->options().clock}, {"age", 5}, {"failed", 0}, {"failing", false}}.dump()};
  }
  return std::nullopt;
}

}  // namespace pgcluster
