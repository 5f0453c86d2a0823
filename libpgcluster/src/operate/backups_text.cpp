#include <algorithm>
#include <nlohmann/json.hpp>

#include <pgcluster/operate/operate.hpp>

#include "operate/table.hpp"

namespace pgcluster {

std::string Backups::text(bool color) const {
  const auto paint = [&](const char* code, const std::string& what) { return color ? table::painted(code, what) : what; };
  std::string out;
  for (const Repo& repo : repos)
    out += repo.name + " (" + std::string(to_string(repo.type)) + " on " + repo.host +
           "): " + (repo.ok ? paint("32", "ok") : paint("31", repo.problem)) + "\n";
  std::vector<std::vector<std::string>> rows{{"BACKUP", "TYPE", "REPOSITORY", "ENDED", "SIZE", ""}};
  for (const Backup& one : backups)
    rows.push_back({one.label, one.type, one.repo, one.stop, table::bytes(one.size_bytes),
                    one.error               ? "damaged pages"
                    : !one.unproven.empty() ? "cannot be restored: " + one.unproven
                    : one.proven            ? "proven"
                                            : ""});
  if (!backups.empty()) out += "\n" + table::text(rows);
  out += "\n";
  rows.clear();
  const bool all_read = std::all_of(repos.begin(), repos.end(), [](const Repo& repo) { return repo.ok; });
  rows.push_back({"can be restored", window ? "from " + window->from + " to " + window->to : all_read ? "nothing" : "unknown"});
  rows.push_back({"last WAL archived", archived.age_s     ? std::to_string(*archived.age_s) + " s ago, at " + archived.last
                                       : archived.unknown ? "unknown"
                                                          : "never"});
  rows.push_back({"last proven", proven ? proven->label + " at " + proven->at + ", in " + std::to_string(proven->seconds) + " s"
                                        : "none; pgcluster prove tries to restore one"});
  if (archived.failed > 0) rows.push_back({"failed attempts", std::to_string(archived.failed)});
  return out + table::text(rows);
}

std::string Backups::json() const {
  using Json = nlohmann::ordered_json;
  Json json{{"format", 1}, {"repos", Json::array()}, {"backups", Json::array()}};
  for (const Repo& repo : repos)
    json["repos"].push_back({{"name", repo.name},
                             {"type", to_string(repo.type)},
                             {"host", repo.host},
                             {"ok", repo.ok},
                             {"problem", repo.problem.empty() ? Json(nullptr) : Json(repo.problem)}});
  for (const Backup& one : backups)
    json["backups"].push_back({{"label", one.label},
                               {"type", one.type},
                               {"repo", one.repo},
                               {"start", one.start},
                               {"stop", one.stop},
                               {"size_bytes", one.size_bytes},
                               {"error", one.error},
                               {"proven", one.proven}});
  json["window"] = window ? Json{{"from", window->from}, {"to", window->to}} : Json(nullptr);
  json["archived"] = {{"last", archived.last.empty() ? Json(nullptr) : Json(archived.last)},
                      {"age_s", archived.age_s ? Json(*archived.age_s) : Json(nullptr)},
                      {"failed", archived.failed}};
  json["proven"] = proven ? Json{{"label", proven->label}, {"at", proven->at}, {"seconds", proven->seconds}} : Json(nullptr);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pgcluster
