#include "plan/history.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "base/certificate.hpp"
#include "base/digest.hpp"
#include "base/json.hpp"
#include "plan/workers.hpp"

namespace pgcluster::history {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t most_lines = 200;
constexpr std::size_t most_bytes = 1 << 20;       // of the file
constexpr std::size_t most_diffs = 64 << 10;      // bytes, of one apply
constexpr std::size_t longest_message = 4 << 10;  // bytes
constexpr unsigned mode = 0600;

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// A line may have a megabyte, and its id comes first.
std::string id_of(std::string_view line) {
  constexpr std::string_view begin = R"({"id":")";
  if (!line.starts_with(begin)) return {};
  line.remove_prefix(begin.size());
  return std::string(line.substr(0, line.find('"')));
}

Do writing(const std::string& host, const std::string& content) {
  return {.at = host, .what = WriteFile{.path = path, .content = Text(content), .mode = mode}};
}

}  // namespace

std::string line(const Plan::Data& plan, const LockHolder& us) {
  Json json{{"id", us.token}, {"began", x509::iso_time(us.since)}, {"ended", nullptr}, {"who", us.who}, {"version", PGCLUSTER_VERSION}};
  json["planner"] = plan.origin.planner;
  json["options"] = plan.origin.options;
  for (const char* later : {"result", "changed", "took_s"}) json[later] = nullptr;
  json["failures"] = json["changes"] = Json::array();
  std::size_t room = most_diffs;
  for (const PlannedChange& change : plan.changes) {
    Json one{
        {"id", change.id}, {"action", to_string(change.action)}, {"impact", to_string(change.impact)}, {"reason", change.reason}, {"state", nullptr},
        {"diff", nullptr}};
    if (const std::string diff = change.diff ? change.diff->masked() : ""; !diff.empty()) {
      room = diff.size() < room ? room - diff.size() : 0;
      if (room > 0) one["diff"] = diff;
    }
    json["changes"].push_back(std::move(one));
  }
  return dump(json);
}

std::string ended(const std::string& line, const Report& report, std::int64_t now) {
  Json json = json_read::parse<Json>(line);
  json["ended"] = x509::iso_time(now);
  json["result"] = report.ok() ? "done" : report.cancelled ? "cancelled" : "failed";
  json["changed"] = report.changed;
  json["took_s"] = report.took.count() / 1000;
  for (const Failure& failure : report.failures) {
    const std::string where = failure.step.empty() ? failure.host : failure.step;
    json["failures"].push_back(((where.empty() ? "" : where + ": ") + failure.message).substr(0, longest_message));
  }
  std::map<std::string, StepReport::State> states;
  for (const StepReport& step : report.steps) states[step.id] = step.state;
  for (Json& change : json["changes"])
    if (const auto found = states.find(json_read::text(change, "id")); found != states.end()) change["state"] = to_string(found->second);
  return dump(json);
}

std::string with(std::string_view content, const std::string& line) {
  std::vector<std::string> lines;
  const std::string ours = id_of(line);
  while (!content.empty()) {
    const std::string one(content.substr(0, content.find('\n')));
    content.remove_prefix(std::min(content.size(), one.size() + 1));
    if (const std::string id = id_of(one); !id.empty() && id != ours) lines.push_back(one);
  }
  lines.push_back(line);
  std::size_t first = lines.size(), bytes = 0;
  while (first > 0 && lines.size() - first < most_lines && (first == lines.size() || bytes + lines[first - 1].size() < most_bytes))
    bytes += lines[--first].size() + 1;
  std::string text;
  for (; first < lines.size(); ++first) text += lines[first] + "\n";
  return text;
}

Record::Record(const Plan::Data& plan, Executor& executor, const ApplyOptions& options, const LockHolder& us)
    : plan_(plan), executor_(executor), parallel_(std::max<std::size_t>(1, std::min(options.parallel, plan.hosts.size()))), line_(line(plan, us)) {
  std::mutex mutex;
  Workers workers(executor, parallel_);
  for (const auto& [name, access] : plan.hosts) {
    if (access.transport == Transport::cloud) continue;
    workers.post(
        [this, &mutex, name = name, &access = access] {
          const ProgramResult read = executor_.run(access, Program{.asks = {{name, FileOf{path}}}});
          const File* found = read.answers.size() == 1 ? std::get_if<File>(&read.answers[0]) : nullptr;
          std::string content = with(found ? found->content : "", line_);
          const ProgramResult wrote = executor_.run(access, Program{.dos = {writing(name, content)}});
          if (wrote.dos.size() != 1 || wrote.dos[0].what != DoResult::What::done) return;
          const std::lock_guard lock(mutex);
          written_[std::move(content)].push_back(name);
        },
        [](const Error&) {});
  }
}

void Record::end(const Report& report) {
  line_ = ended(line_, report, unix_time());
  Workers workers(executor_, parallel_);
  std::set<std::string> lost;  // in the end: not waited for once more
  for (const Failure& failure : report.failures)
    if (failure.code == Code::connection_lost || failure.code == Code::host_unreachable) lost.insert(failure.host);
  for (const auto& [content, names] : written_) {
    const auto last = std::make_shared<const std::string>(with(content, line_));
    const File was{.sha256 = sha256_hex(content), .mode = mode, .owner = "root", .group = "root"};
    for (const std::string& name : names)
      if (!lost.contains(name))
        workers.post(
            [this, name, last, was] {
              Do wish = writing(name, *last);
              wish.was = was;
              executor_.run(plan_.hosts.at(name), Program{.dos = {std::move(wish)}});
            },
            [](const Error&) {});
  }
}

}  // namespace pgcluster::history
