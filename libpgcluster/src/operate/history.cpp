#include "plan/history.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include "base/json.hpp"
#include "operate/deployment.hpp"
#include "operate/table.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> words(const Json& list) {
  std::vector<std::string> all;
  for (const Json& one : list) all.push_back(json_read::text(one));
  return all;
}

History::Apply read_apply(const Json& json) {
  using namespace json_read;
  History::Apply apply{.id = text(json, "id"),
                       .began = text(json, "began"),
                       .ended = text(json, "ended"),
                       .who = text(json, "who"),
                       .version = text(json, "version"),
                       .planner = text(json, "planner"),
                       .result = text(json, "result"),
                       .changed = number(json, "changed"),
                       .took_s = number(json, "took_s"),
                       .failures = words(list(json, "failures"))};
  if (const Json& options = at(json, "options"); options.is_object())
    for (const auto& [name, value] : options.items()) apply.options[name] = plain(value);
  for (const Json& one : list(json, "changes")) {
    History::Change change{text(one, "id"), text(one, "action"), text(one, "impact"), text(one, "reason"), text(one, "state")};
    if (at(one, "diff").is_string()) change.diff = text(one, "diff");
    apply.changes.push_back(std::move(change));
  }
  return apply;
}

// "3 restart, 9 update"
std::string counted(const std::vector<History::Change>& changes) {
  std::map<std::string, int> counts;
  for (const History::Change& change : changes) ++counts[change.action];
  std::string text;
  for (const auto& [action, count] : counts) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + action;
  return text;
}

}  // namespace

History read_history(const Spec& spec, Executor& executor, const OperateOptions& options) {
  check_spec(spec, options.components);
  const Topology topology = resolve(spec);
  const Hosts hosts = hosts_of(topology);
  std::map<std::string, std::vector<Ask>> asks;
  for (const auto& [name, access] : hosts) asks[name] = {{name, FileOf{history::path}}};
  const Observed observed = observe(hosts, asks, executor, plan_options(options));
  if (observed.errors.size() == hosts.size()) throw observed.errors.begin()->second;
  History history;
  for (const auto& [name, error] : observed.errors) history.unread.push_back(name + ": " + error.failure().message);
  std::map<std::string, History::Apply> found;  // by id
  for (const auto& [name, answers] : observed.answers) {
    if (const auto* why = std::get_if<Unreadable>(&answers.front())) history.unread.push_back(name + ": " + why->why);
    const auto* file = std::get_if<File>(&answers.front());
    std::istringstream lines(file ? file->content : "");
    for (std::string line; std::getline(lines, line);) {
      History::Apply apply = read_apply(json_read::parse<Json>(line));
      if (apply.id.empty()) continue;
      // A host that was lost has no end of it.
      if (auto [at, is_new] = found.try_emplace(apply.id, apply); !is_new && at->second.ended.empty()) at->second = std::move(apply);
    }
  }
  for (auto& [id, apply] : found) history.applies.push_back(std::move(apply));
  std::stable_sort(history.applies.begin(), history.applies.end(), [](const auto& a, const auto& b) { return a.began < b.began; });
  return history;
}

std::string History::text(bool color) const {
  const auto paint = [&](const char* code, const std::string& what) { return color ? table::painted(code, what) : what; };
  std::string out;
  if (applies.empty()) out = "No apply is recorded.\n";
  for (const Apply& one : applies) {
    const std::string result = one.result == "done" ? paint("32", "done")
                               : one.result.empty() ? paint("33", "no end recorded: it still runs, or it was interrupted")
                                                    : paint("31", one.result);
    out += one.began + "  " + one.planner;
    for (const auto& [name, value] : one.options) out += " " + name + "=" + value;
    out += "  by " + one.who + "\n  " + result;
    if (!one.result.empty()) out += " after " + std::to_string(one.took_s) + " s, " + std::to_string(one.changed) + " changed";
    out += "; planned: " + counted(one.changes) + "\n";
    for (const std::string& failure : one.failures) out += "  " + paint("31", failure.substr(0, failure.find('\n'))) + "\n";
  }
  for (const std::string& one : unread) out += paint("33", "not read: " + one) + "\n";
  return out;
}

std::string History::json() const {
  Json json{{"format", 1}, {"applies", Json::array()}, {"unread", unread}};
  const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  for (const Apply& one : applies) {
    const bool ends = !one.ended.empty();
    Json apply{{"id", one.id},
               {"began", one.began},
               {"ended", or_null(one.ended)},
               {"who", one.who},
               {"version", one.version},
               {"planner", one.planner},
               {"options", one.options},
               {"result", or_null(one.result)},
               {"changed", ends ? Json(one.changed) : Json(nullptr)},
               {"took_s", ends ? Json(one.took_s) : Json(nullptr)},
               {"failures", one.failures},
               {"changes", Json::array()}};
    for (const Change& change : one.changes)
      apply["changes"].push_back({{"id", change.id},
                                  {"action", change.action},
                                  {"impact", change.impact},
                                  {"reason", change.reason},
                                  {"state", or_null(change.state)},
                                  {"diff", change.diff ? Json(*change.diff) : Json(nullptr)}});
    json["applies"].push_back(std::move(apply));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pgcluster
