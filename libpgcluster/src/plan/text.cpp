#include <algorithm>
#include <map>

#include "plan/data.hpp"

namespace pgcluster {
namespace {

struct Style {
  bool color;
  std::string operator()(const char* code, const std::string& text) const {
    return color ? "\x1b[" + std::string(code) + "m" + text + "\x1b[0m" : text;
  }
};

const char* color_of(const PlannedChange& change) {
  if (change.impact >= Impact::switchover) return "31";
  if (change.impact >= Impact::restart) return "33";
  switch (change.action) {
    case Action::create:
    case Action::start:
      return "32";
    case Action::remove:
    case Action::stop:
      return "31";
    case Action::wait:
      return "2";
    default:
      return "36";
  }
}

std::string colored_diff(const std::string& diff, const Style& style) {
  std::string text;
  for (std::size_t at = 0; at < diff.size();) {
    const std::size_t end = std::min(diff.find('\n', at), diff.size());
    const std::string line = diff.substr(at, end - at);
    text += "      " + (line.starts_with('+') ? style("32", line) : line.starts_with('-') ? style("31", line) : line) + "\n";
    at = end + 1;
  }
  return text;
}

}  // namespace

const std::vector<PlannedChange>& Plan::changes() const { return data_->changes; }
const std::vector<Diagnostic>& Plan::warnings() const { return data_->warnings; }
bool Plan::empty() const { return data_->changes.empty(); }
std::size_t Plan::unchanged() const { return data_->unchanged; }

std::string Plan::text(bool diff, bool color) const {
  const Style style{color};
  std::string text;
  for (const Diagnostic& warning : data_->warnings) text += style("33", warning.text()) + "\n";
  std::size_t width = 0;
  for (const PlannedChange& change : data_->changes) width = std::max(width, change.id.size());
  std::map<std::string, std::size_t> counts;
  for (const PlannedChange& change : data_->changes) {
    const std::string action(to_string(change.action));
    ++counts[action];
    text += "  " + style(color_of(change), action + std::string(11 - std::min<std::size_t>(10, action.size()), ' ')) + change.id;
    text += std::string(width - change.id.size() + 2, ' ');
    if (change.impact != Impact::none) text += "[" + std::string(change.known ? "" : "at most ") + std::string(to_string(change.impact)) + "] ";
    text += change.reason + "\n";
    if (diff && change.diff) text += colored_diff(change.diff->masked(), style);
  }
  if (data_->changes.empty()) return text + "Nothing has to change: all " + std::to_string(unchanged()) + " steps hold already.\n";
  std::string summary;
  for (const auto& [action, count] : counts) summary += (summary.empty() ? "" : ", ") + std::to_string(count) + " " + action;
  return text + "\n" + std::to_string(data_->changes.size()) + " changes (" + summary + "); " + std::to_string(unchanged()) +
         " steps hold already.\n";
}

}  // namespace pgcluster
