#include <sstream>

#include <nlohmann/json.hpp>

#include "base/choice.hpp"
#include "base/url.hpp"
#include "operate/view.hpp"

namespace pgcluster {

Plan plan_by_name(const std::string& planner, const std::map<std::string, std::string>& given, const Spec& spec, Executor& executor,
                  const OperateOptions& own) {
  const auto option = [&](const char* name) {
    const auto it = given.find(name);
    return it == given.end() ? std::string() : it->second;
  };
  const auto with_common = [&]<class Options>(Options options) {
    options.stop = own.stop;
    options.deadline = own.deadline;
    options.parallel = own.parallel;
    options.poll = own.poll;
    options.components = own.components;
    return options;
  };
  std::vector<std::string> without;
  std::istringstream names(option("without"));
  for (std::string host; std::getline(names, host, ',');) without.push_back(host);
  const auto deploy =
      with_common(DeployOptions{.prune = option("prune") == "true", .without = without, .no_restart = option("no_restart") == "true"});
  const auto leader = with_common(LeaderOptions{.to = option("to")});
  const auto member = with_common(MemberOptions{.host = option("host")});
  if (planner == "deploy") return plan_deploy(spec, executor, deploy);
  if (planner == "rotate") {
    std::vector<std::string> what;
    std::istringstream words(option("what"));
    for (std::string word; std::getline(words, word, ',');) what.push_back(net::url_decoded(word));
    return plan_rotate(spec, executor, with_common(RotateOptions{.what = std::move(what)}));
  }
  if (planner == "backup")
    return plan_backup(spec, executor, with_common(BackupOptions{.type = value_of<BackupType>(option("type")).value_or(BackupType::incr)}));
  if (planner == "prove") return plan_prove(spec, executor, with_common(ProveOptions{.backup = option("backup")}));
  if (planner == "restore")
    return plan_restore(spec, executor,
                        with_common(RestoreOptions{.time = option("time"),
                                                   .lsn = option("lsn"),
                                                   .xid = option("xid"),
                                                   .name = option("name"),
                                                   .backup = option("backup"),
                                                   .timeline = std::atoi(option("timeline").c_str()),
                                                   .keep_data = option("keep_data") == "true"}));
  if (planner == "destroy") return plan_destroy(spec, executor, own);
  if (planner == "switchover") return plan_switchover(spec, executor, leader);
  if (planner == "failover") return plan_failover(spec, executor, leader);
  if (planner == "restart") return plan_restart(spec, executor, member);
  if (planner == "reload") return plan_reload(spec, executor, member);
  if (planner == "reinit") return plan_reinit(spec, executor, member);
  if (planner == "pause") return plan_pause(spec, executor, own);
  if (planner == "resume") return plan_resume(spec, executor, own);
  throw Error(Code::refused, "the plan was made by a planner that this version does not have: " + planner, "make a new plan");
}

namespace {

using Json = nlohmann::ordered_json;

struct Promised {
  std::string version, spec, planner;
  std::map<std::string, std::string> options;
  Json changes;  // objects with an id
};

Promised read_promised(const std::string& document) {
  try {
    const Json json = Json::parse(document);
    Promised promised{.changes = json.at("changes")};
    json.at("version").get_to(promised.version);
    json.at("spec").get_to(promised.spec);
    json.at("planner").get_to(promised.planner);
    json.at("options").get_to(promised.options);
    for (const Json& change : promised.changes) change.at("id").get_ref<const std::string&>();
    if (json.at("format").get<int>() == 1 && promised.changes.is_array()) return promised;
  } catch (const Json::exception&) {
    // something is not there, or of another kind
  }
  throw Error(Code::refused, "this is not a plan's document", "plan --out FILE writes one");
}

}  // namespace

Plan plan_from_document(const std::string& document, const Spec& spec, Executor& executor, const OperateOptions& options) {
  const Promised promised = read_promised(document);
  if (promised.version != PGCLUSTER_VERSION)
    throw Error(Code::refused, "the plan was made by version " + promised.version + ", this is " PGCLUSTER_VERSION, "make a new plan");
  if (promised.spec != dump(spec, Secrets::references))
    throw Error(Code::drifted, "the spec is not the one that the plan was made for", "make a new plan");
  Plan plan = plan_by_name(promised.planner, promised.options, spec, executor, options);
  const Json now = Json::parse(plan.document());
  if (now["changes"] == promised.changes) return plan;
  std::map<std::string, Json> before, after;
  for (const Json& change : promised.changes) before[change["id"].get<std::string>()] = change;
  for (const Json& change : now["changes"]) after[change.value("id", "")] = change;
  Failure failure{.code = Code::drifted,
                  .message = "the hosts are not as they were when the plan was made; nothing was changed",
                  .hint = "make a new plan, and look at it"};
  for (const auto& [id, change] : after)
    if (!before.contains(id))
      failure.diagnostics.push_back({.message = "was not needed then: " + change.value("reason", ""), .path = id});
    else if (before[id] != change)
      failure.diagnostics.push_back({.message = "would be done in another way now", .path = id});
  for (const auto& [id, change] : before)
    if (!after.contains(id)) failure.diagnostics.push_back({.message = "is not needed any more", .path = id});
  throw Error(std::move(failure));
}

}  // namespace pgcluster
