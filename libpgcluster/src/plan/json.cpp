#include <sstream>

#include "base/json.hpp"
#include "plan/data.hpp"

namespace pgcluster {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Diagnostic& d) {
  Json json{{"severity", d.severity == Severity::error ? "error" : "warning"}, {"message", d.message}};
  if (!d.hint.empty()) json["hint"] = d.hint;
  if (!d.path.empty()) json["path"] = d.path;
  if (!d.file.empty()) json["file"] = d.file;
  if (d.line > 0) json["line"] = d.line, json["column"] = d.column;
  return json;
}

Json to_json(const PlannedChange& change) {
  return {{"id", change.id},
          {"host", change.host.empty() ? Json(nullptr) : Json(change.host)},
          {"component", change.component},
          {"step", change.step},
          {"action", to_string(change.action)},
          {"impact", to_string(change.impact)},
          {"known", change.known},
          {"reason", change.reason},
          {"after", change.after},
          {"diff", change.diff ? Json(change.diff->masked()) : Json(nullptr)}};
}

Json to_json(const Failure& failure) {
  Json json{{"code", to_string(failure.code)},
            {"host", failure.host.empty() ? Json(nullptr) : Json(failure.host)},
            {"step", failure.step.empty() ? Json(nullptr) : Json(failure.step)},
            {"message", failure.message},
            {"hint", failure.hint.empty() ? Json(nullptr) : Json(failure.hint)}};
  if (!failure.causes.empty()) json["causes"] = failure.causes;
  if (!failure.diagnostics.empty()) {
    json["diagnostics"] = Json::array();
    for (const Diagnostic& d : failure.diagnostics) json["diagnostics"].push_back(to_json(d));
  }
  if (failure.retryable) json["retryable"] = true;
  return json;
}

Json plan_json(const Plan& plan) {
  Json json{{"format", 1}, {"changes", Json::array()}, {"warnings", Json::array()}};
  Json summary;
  for (int action = 0; action <= static_cast<int>(Action::switchover); ++action) summary[std::string(to_string(static_cast<Action>(action)))] = 0;
  for (const PlannedChange& change : plan.changes()) {
    json["changes"].push_back(to_json(change));
    auto& count = summary[std::string(to_string(change.action))];
    count = count.get<int>() + 1;
  }
  for (const Diagnostic& warning : plan.warnings()) json["warnings"].push_back(to_json(warning));
  summary["unchanged"] = plan.unchanged();
  json["summary"] = std::move(summary);
  return json;
}

// Texts from hosts may not be UTF-8: bytes that are not are replaced.
std::string dump(const Json& json, int indent = -1) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string_view to_string(StepReport::State state) noexcept {
  switch (state) {
    case StepReport::State::done:
      return "done";
    case StepReport::State::unchanged:
      return "unchanged";
    case StepReport::State::failed:
      return "failed";
    case StepReport::State::blocked:
      return "blocked";
    case StepReport::State::taken_back:
      return "taken_back";
    case StepReport::State::not_reached:
      return "not_reached";
  }
  return "not_reached";
}

std::string Plan::json() const { return dump(plan_json(*this), 2) + "\n"; }

std::string Plan::document() const {
  Json promised = plan_json(*this);
  Json document{{"format", 1},
                {"version", PGCLUSTER_VERSION},
                {"planner", data_->origin.planner},
                {"options", data_->origin.options},
                {"spec", data_->origin.spec}};
  for (const char* part : {"changes", "warnings", "summary"}) document[part] = std::move(promised[part]);
  return dump(document, 2) + "\n";
}

std::string json(const Event& event) {
  Json json{{"event", to_string(event.kind)}, {"at_ms", event.at.count()}};
  if (!event.host.empty()) json["host"] = event.host;
  if (!event.step.empty()) json["step"] = event.step;
  if (!event.message.empty()) json["message"] = event.message;
  if (!event.seen.empty()) json["seen"] = event.seen;
  if (event.took.count() > 0) json["took_ms"] = event.took.count();
  return dump(json);
}

std::vector<Event> read_log(std::string_view text) {
  std::vector<Event> events;
  std::istringstream lines{std::string(text)};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty()) continue;
    const Json json = json_read::parse<Json>(line);
    const std::string name = json_read::text(json, "event");
    if (name == "report") continue;
    int kind = 0;
    while (kind <= static_cast<int>(Event::Kind::apply_done) && to_string(static_cast<Event::Kind>(kind)) != name) ++kind;
    if (kind > static_cast<int>(Event::Kind::apply_done))
      throw Error(Code::refused, "line " + std::to_string(number) + " of the log is no event of an apply",
                  "give the file of pgcluster apply --log FILE");
    Event event{.kind = static_cast<Event::Kind>(kind),
                .at = std::chrono::milliseconds(json_read::number(json, "at_ms")),
                .host = json_read::text(json, "host"),
                .step = json_read::text(json, "step"),
                .message = json_read::text(json, "message"),
                .took = std::chrono::milliseconds(json_read::number(json, "took_ms")),
                .seen = json_read::text(json, "seen")};
    if (event.kind == Event::Kind::apply_started) events.clear();
    events.push_back(std::move(event));
  }
  if (events.empty()) throw Error(Code::refused, "the log has no event of an apply", "give the file of pgcluster apply --log FILE");
  return events;
}

std::string Report::json() const {
  Json json{{"format", 1}, {"event", "report"}, {"ok", ok()}, {"changed", changed}, {"cancelled", cancelled}, {"took_ms", took.count()}};
  json["steps"] = Json::array();
  for (const StepReport& step : steps) {
    Json one{{"id", step.id},
             {"host", step.host.empty() ? Json(nullptr) : Json(step.host)},
             {"state", to_string(step.state)},
             {"took_ms", step.took.count()}};
    if (!step.blocked_by.empty()) one["blocked_by"] = step.blocked_by;
    json["steps"].push_back(std::move(one));
  }
  json["failures"] = Json::array();
  for (const Failure& failure : failures) json["failures"].push_back(to_json(failure));
  if (!failures.empty())
    json["error"] = to_json(failures.front());
  else if (cancelled)
    json["error"] = to_json(cancelled_failure());
  return dump(json);
}

std::string json(const Failure& failure) { return dump(Json{{"format", 1}, {"error", to_json(failure)}}); }

}  // namespace pgcluster
