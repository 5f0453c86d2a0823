#include <nlohmann/json.hpp>

#include <pgcluster/operate/operate.hpp>

#include "base/joined.hpp"
#include "operate/table.hpp"

namespace pgcluster {

std::string Status::text(bool color) const {
  const auto paint = [&](const char* code, const std::string& what) { return color ? table::painted(code, what) : what; };
  std::string out = cluster + ": " + (healthy ? paint("32", "healthy") : paint("31", "NOT healthy")) + (paused ? ", paused" : "") + "\n\n";
  std::vector<std::vector<std::string>> rows{{"MEMBER", "ADDRESS", "ROLE", "STATE", "TL", "LAG", ""}};
  for (const Member& member : members)
    rows.push_back({member.name, member.address, member.role.empty() ? "?" : member.role, member.state,
                    member.timeline ? std::to_string(member.timeline) : "", member.lag_bytes ? table::bytes(*member.lag_bytes) : "",
                    member.pending_restart ? "restart pending" : ""});
  out += table::text(rows) + "\n";
  rows = {{std::string(to_string(dcs.type)), std::to_string(dcs.healthy_members.size()) + "/" + std::to_string(dcs.members.size()) +
                                                 " members healthy, quorum " + std::to_string(dcs.quorum) + ", " + std::to_string(dcs.tolerates) +
                                                 " more may fail"}};
  if (vip)
    rows.push_back({"vip", vip->address + (vip->unknown           ? ": its holder is unknown"
                                           : vip->holders.empty() ? " held by nobody"
                                                                  : " on " + joined(vip->holders))});
  if (certificates)
    rows.push_back(
        {"certificates", "the first ends in " + std::to_string(certificates->days_left) + " days, on " + certificates->first_end.substr(0, 10)});
  if (backup)
    rows.push_back(
        {"backup", (backup->last.empty() ? backup->unknown ? "unknown" : "there is none" : "the last ended at " + backup->last) +
                       (backup->archived_age_s ? "; WAL was archived " + std::to_string(*backup->archived_age_s) + " s ago" : std::string()) +
                       (backup->proven_age_s ? "; the last proof is " + std::to_string(*backup->proven_age_s / 3600) + " h old" : std::string())});
  for (const Endpoint& endpoint : endpoints) rows.push_back({std::string(to_string(endpoint.kind)), endpoint.uri});
  out += table::text(rows);
  const auto line = [&](const char* color_code, const Finding& one) {
    out += "  " + paint(color_code, (one.host.empty() ? cluster : one.host) + ": " + one.what.message) +
           (one.what.remedy.empty() ? "" : "; " + one.what.remedy) + "\n";
    for (const std::string& evidence : one.what.evidence) out += "    " + evidence + "\n";
  };
  for (const Finding& one : problems) line("31", one);
  for (const Finding& one : warnings) line("33", one);
  return out;
}

std::string Status::json() const {
  using Json = nlohmann::ordered_json;
  Json json{{"format", 1}, {"cluster", cluster}, {"healthy", healthy}, {"paused", paused}, {"leader", leader.empty() ? Json(nullptr) : Json(leader)}};
  json["members"] = Json::array();
  for (const Member& member : members)
    json["members"].push_back({{"name", member.name},
                               {"address", member.address},
                               {"role", member.role.empty() ? Json(nullptr) : Json(member.role)},
                               {"state", member.state},
                               {"timeline", member.timeline ? Json(member.timeline) : Json(nullptr)},
                               {"lag_bytes", member.lag_bytes ? Json(*member.lag_bytes) : Json(nullptr)},
                               {"pending_restart", member.pending_restart}});
  json["dcs"] = {{"type", to_string(dcs.type)}, {"members", dcs.members}, {"healthy_members", dcs.healthy_members},
                 {"healthy", dcs.healthy},      {"quorum", dcs.quorum},   {"tolerates", dcs.tolerates}};
  if (vip)
    json["vip"] = {
        {"address", vip->address}, {"holder", vip->holders.size() == 1 ? Json(vip->holders[0]) : Json(nullptr)}, {"holders", vip->holders}};
  else
    json["vip"] = nullptr;
  if (certificates)
    json["certificates"] = {{"first_end", certificates->first_end}, {"days_left", certificates->days_left}};
  else
    json["certificates"] = nullptr;
  if (backup)
    json["backup"] = {{"last", backup->last.empty() ? Json(nullptr) : Json(backup->last)},
                      {"archived_age_s", backup->archived_age_s ? Json(*backup->archived_age_s) : Json(nullptr)},
                      {"proven_age_s", backup->proven_age_s ? Json(*backup->proven_age_s) : Json(nullptr)}};
  else
    json["backup"] = nullptr;
  json["hosts"] = Json::array();
  for (const Host& host : hosts) json["hosts"].push_back({{"name", host.name}, {"reachable", host.reachable}, {"problems", host.problems}});
  json["endpoints"] = Json::array();
  for (const Endpoint& endpoint : endpoints)
    json["endpoints"].push_back({{"kind", to_string(endpoint.kind)}, {"address", endpoint.address}, {"port", endpoint.port}, {"uri", endpoint.uri}});
  const auto list = [](const std::vector<Finding>& all) {
    Json found = Json::array();
    for (const Finding& one : all)
      found.push_back({{"host", one.host.empty() ? Json(nullptr) : Json(one.host)},
                       {"component", one.component.empty() ? Json(nullptr) : Json(one.component)},
                       {"cause", one.what.cause},
                       {"message", one.what.message},
                       {"remedy", one.what.remedy},
                       {"evidence", one.what.evidence}});
    return found;
  };
  json["problems"] = list(problems);
  json["warnings"] = list(warnings);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pgcluster
