// The JSON Schemas of the documents that the commands print. Each choice is listed by the function that writes it.
#include <algorithm>
#include <nlohmann/json.hpp>

#include <pgcluster/operate/operate.hpp>

#include "base/joined.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::ordered_json;

Json typed(const char* type, const char* description) { return {{"type", type}, {"description", description}}; }
Json text(const char* description = "") { return *description ? typed("string", description) : Json{{"type", "string"}}; }
Json number(const char* description) { return typed("integer", description); }
Json flag(const char* description) { return typed("boolean", description); }
Json list(Json items, const char* description) { return {{"type", "array"}, {"description", description}, {"items", std::move(items)}}; }
Json optional(Json schema) {
  schema["type"] = Json::array({schema["type"], "null"});
  return schema;
}

// Every member is always there, but for those that are named.
Json object(Json properties, const std::vector<std::string>& sometimes = {}) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items())
    if (std::find(sometimes.begin(), sometimes.end(), name) == sometimes.end()) required.push_back(name);
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}, {"additionalProperties", false}};
}

// All values of an enum, up to the last one.
template <class Enum>
Json choice(Enum last, const char* description) {
  Json all = Json::array();
  for (int one = 0; one <= static_cast<int>(last); ++one) all.push_back(to_string(static_cast<Enum>(one)));
  return {{"enum", std::move(all)}, {"description", description}};
}

Json host() { return optional(text("Name of the host; null: the cluster as a whole")); }
Json format() { return {{"const", 1}, {"description", "Version of the document. It rises when a member changes its meaning or goes."}}; }
Json time(const char* description) { return text(description); }

Json diagnostic() {
  return object({{"severity", {{"enum", {"error", "warning"}}}},
                 {"message", text()},
                 {"hint", text("What to do")},
                 {"path", text("The key of the spec, or the step")},
                 {"file", text()},
                 {"line", number("From 1")},
                 {"column", number("From 1")}},
                {"hint", "path", "file", "line", "column"});
}

Json failure() {
  return object({{"code", choice(Code::internal, "A stable word for the kind of error")},
                 {"host", host()},
                 {"step", optional(text("Name of the step that failed"))},
                 {"message", text("What happened, and why")},
                 {"hint", optional(text("What to do"))},
                 {"causes", list(text(), "Evidence: what the services and their logs say")},
                 {"diagnostics", list(diagnostic(), "Further errors")},
                 {"retryable", flag("The same call may succeed later")}},
                {"causes", "diagnostics", "retryable"});
}

Json document(const char* title, Json schema) {
  Json all{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", title}};
  all.update(schema);
  return all;
}

// The document, or the error that a failed command prints in its place.
Json or_error(const char* title, Json schema) {
  return document(title, {{"anyOf", {std::move(schema), object({{"format", format()}, {"error", failure()}})}}});
}

Json plan() {
  Json summary;
  for (int action = 0; action <= static_cast<int>(Action::switchover); ++action)
    summary[std::string(to_string(static_cast<Action>(action)))] = number("Number of such changes");
  summary["unchanged"] = number("Number of steps that hold already");
  const Json change = object({{"id", text("Unique name of the step: host, component and step, with slashes between them")},
                              {"host", host()},
                              {"component", text()},
                              {"step", text("Last part of the id")},
                              {"action", choice(Action::switchover, "What is done")},
                              {"impact", choice(Impact::data, "The effect on clients")},
                              {"known", flag("false: it is decided during the apply, and is at most this")},
                              {"reason", text()},
                              {"after", list(text(), "Ids of the changes that it waits for")},
                              {"diff", optional(text("Unified diff, without secrets"))}});
  return or_error("plan --json of pgcluster", object({{"format", format()},
                                                      {"changes", list(change, "In a possible order of execution")},
                                                      {"warnings", list(diagnostic(), "Doubtful points")},
                                                      {"summary", object(std::move(summary))}}));
}

Json findings(const char* description) {
  return list(object({{"host", host()},
                      {"component", optional(text())},
                      {"cause", text("A stable word for the cause: unit_down")},
                      {"message", text()},
                      {"remedy", text("What to do; empty if there is nothing to do")},
                      {"evidence", list(text(), "What the service says, line by line")}}),
              description);
}

Json status() {
  const Json member = object({{"name", text()},
                              {"address", text()},
                              {"role", optional(text("leader, standby_leader, replica, sync_standby or quorum_standby"))},
                              {"state", text("running, streaming, stopped, …; or unknown, or unreachable")},
                              {"timeline", optional(number("PostgreSQL's timeline"))},
                              {"lag_bytes", optional(number("WAL that it has not replayed yet; null for the leader, and where it is unknown"))},
                              {"pending_restart", flag("A changed setting waits for a restart of PostgreSQL")}});
  const Json endpoint = object({{"kind", choice(EndpointKind::read_only_async, "What it leads to")},
                                {"address", text()},
                                {"port", number("")},
                                {"uri", text("For libpq, without a password")}});
  const Json dcs = object({{"type", text("As in the spec: dcs_type")},
                           {"members", list(text(), "Hosts that should have a member")},
                           {"healthy_members", list(text(), "Those that are healthy")},
                           {"healthy", flag("All members are")},
                           {"quorum", number("Members that are needed")},
                           {"tolerates", number("Members that may still fail")}});
  const Json vip =
      object({{"address", text()}, {"holder", optional(text("The one host that has it"))}, {"holders", list(text(), "All hosts that have it")}});
  const Json certificates = object({{"first_end", time("When the first certificate ends")}, {"days_left", number("Until then")}});
  const Json backup = object({{"last", optional(time("When the last backup ended"))},
                              {"archived_age_s", optional(number("Seconds since WAL was archived"))},
                              {"proven_age_s", optional(number("Seconds since a backup was proven"))}});
  return or_error("status --json of pgcluster",
                  object({{"format", format()},
                          {"cluster", text("Its name")},
                          {"healthy", flag("There are no problems")},
                          {"paused", flag("Automatic failover is stopped")},
                          {"leader", optional(text("Name of the leader's host"))},
                          {"members", list(member, "PostgreSQL servers")},
                          {"dcs", dcs},
                          {"vip", optional(vip)},
                          {"certificates", optional(certificates)},
                          {"backup", optional(backup)},
                          {"hosts", list(object({{"name", text()}, {"reachable", flag("")}, {"problems", list(text(), "")}}), "")},
                          {"endpoints", list(endpoint, "Where clients connect")},
                          {"problems", findings("What is broken")},
                          {"warnings", findings("What is not broken yet")}}));
}

Json report() {
  const Json step = object({{"id", text()},
                            {"host", host()},
                            {"state", choice(StepReport::State::not_reached, "")},
                            {"took_ms", number("Milliseconds")},
                            {"blocked_by", text("Id of the step that failed")}},
                           {"blocked_by"});
  return document("The last line of apply --json of pgcluster", object({{"format", format()},
                                                                        {"event", {{"const", "report"}}},
                                                                        {"ok", flag("All changes were made")},
                                                                        {"changed", number("Number of changes that were made")},
                                                                        {"cancelled", flag("It was ended by Ctrl-C")},
                                                                        {"took_ms", number("Milliseconds")},
                                                                        {"steps", list(step, "The changes of the plan")},
                                                                        {"failures", list(failure(), "One for each cause")},
                                                                        {"error", failure()}},
                                                                       {"error"}));
}

Json event() {
  return document("A line of apply --json of pgcluster, but for the last one",
                  object({{"event", choice(Event::Kind::apply_done, "")},
                          {"at_ms", number("Milliseconds since the apply began")},
                          {"host", text()},
                          {"step", text("Id of the step")},
                          {"message", text()},
                          {"seen", text("What a step that waits sees, in the service's words")},
                          {"took_ms", number("Milliseconds")}},
                         {"host", "step", "message", "seen", "took_ms"}));
}

Json backups() {
  const Json repo = object({{"name", text("repo1")},
                            {"type", choice(RepoType::posix, "")},
                            {"host", text()},
                            {"ok", flag("It can be used")},
                            {"problem", optional(text("Why not"))}});
  const Json backup = object({{"label", text()},
                              {"type", text("full, diff or incr")},
                              {"repo", text("Name of the repository")},
                              {"start", time("When it began")},
                              {"stop", time("When it ended")},
                              {"size_bytes", number("What it takes in the repository")},
                              {"error", flag("Pages with a wrong checksum were found when it was made")},
                              {"proven", flag("It was restored to try it, and nothing was wrong")}});
  return or_error(
      "backups --json of pgcluster",
      object({{"format", format()},
              {"repos", list(repo, "")},
              {"backups", list(backup, "")},
              {"window", optional(object({{"from", time("The first time to which the cluster can be restored")}, {"to", time("The last one")}}))},
              {"archived", object({{"last", optional(time("When WAL was archived last"))},
                                   {"age_s", optional(number("Seconds since then"))},
                                   {"failed", number("Attempts that failed")}})},
              {"proven", optional(object({{"label", text()}, {"at", time("When the proof began")}, {"seconds", number("How long it took")}}))}}));
}

Json history() {
  const Json change = object({{"id", text()},
                              {"action", text("As in a plan")},
                              {"impact", text("As in a plan")},
                              {"reason", text()},
                              {"state", optional(text("As in a report; null while the apply has no end"))},
                              {"diff", optional(text("Unified diff, without secrets"))}});
  Json options = typed("object", "Options of the planner");
  options["additionalProperties"] = text();
  const Json apply = object({{"id", text()},
                             {"began", time("When it began")},
                             {"ended", optional(time("When it ended; null: it still runs, or it was interrupted"))},
                             {"who", text("root@controller pid 4711")},
                             {"version", text("Of pgcluster")},
                             {"planner", text("deploy, switchover, …")},
                             {"options", options},
                             {"result", optional(text("done, failed or cancelled"))},
                             {"changed", optional(number("Number of changes that were made"))},
                             {"took_s", optional(number("Seconds"))},
                             {"failures", list(text(), "One for each cause")},
                             {"changes", list(change, "")}});
  return or_error("history --json of pgcluster", object({{"format", format()},
                                                         {"applies", list(apply, "The oldest first")},
                                                         {"unread", list(text(), "Hosts that could not be asked, and why")}}));
}

const std::vector<std::pair<std::string, Json (*)()>> documents{{"plan", &plan},   {"status", &status},   {"report", &report},
                                                                {"event", &event}, {"backups", &backups}, {"history", &history}};

}  // namespace

std::vector<std::string> schema_names() {
  std::vector<std::string> names{"spec"};
  for (const auto& [name, make] : documents) names.push_back(name);
  return names;
}

std::string schema(std::string_view document) {
  if (document == "spec") return spec_schema();
  for (const auto& [name, make] : documents)
    if (name == document) return make().dump(2) + "\n";
  throw Error(Code::refused, "there is no schema of " + std::string(document), "there are those of " + joined(schema_names()));
}

}  // namespace pgcluster
