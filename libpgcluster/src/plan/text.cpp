#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/joined.hpp"
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

std::string colored_diff(const std::string& diff, const Style& style, const std::string& indent) {
  std::string text;
  for (std::size_t at = 0; at < diff.size();) {
    const std::size_t end = std::min(diff.find('\n', at), diff.size());
    const std::string line = diff.substr(at, end - at);
    text += indent + (line.starts_with('+') ? style("32", line) : line.starts_with('-') ? style("31", line) : line) + "\n";
    at = end + 1;
  }
  return text;
}

using Changes = std::vector<const PlannedChange*>;

// The disturbing changes in their order: "Will restart: pg2, pg3; then switchover from pg1; then pg1".
std::string headline(const std::vector<PlannedChange>& changes, const Style& style) {
  struct Turn {
    Action action;
    std::string component;
    std::string remark;
    std::vector<std::string> hosts{};
  };
  std::vector<Turn> turns;
  std::set<std::string> components;
  bool at_most = false, grave = false;
  for (const PlannedChange& change : changes) {
    if (!disturbs(change.impact)) continue;
    at_most = at_most || !change.known;
    grave = grave || change.impact > Impact::switchover;
    if (change.action != Action::switchover) components.insert(change.component);
    Turn turn{change.action, change.component, change.impact > Impact::switchover ? " [" + std::string(to_string(change.impact)) + "]" : ""};
    if (turns.empty() || turns.back().action != turn.action || turns.back().component != turn.component || turns.back().remark != turn.remark)
      turns.push_back(std::move(turn));
    auto& hosts = turns.back().hosts;
    if (!change.host.empty() && (hosts.empty() || hosts.back() != change.host)) hosts.push_back(change.host);
  }
  if (turns.empty()) return "No running service is restarted.\n";
  std::string text = at_most ? "Will at most " : "Will ";
  Action said = Action::switchover;  // the action word that the reader has in mind
  for (const Turn& turn : turns) {
    const bool first = &turn == &turns.front();
    const std::string hosts = joined(turn.hosts, ", ");
    if (!first) text += "; then ";
    if (turn.action == Action::switchover) {
      text += std::string(first ? "switch over" : "switchover") + (hosts.empty() ? "" : " from " + hosts);
    } else {
      if (first || turn.action != said) text += std::string(to_string(turn.action)) + (first ? ": " : " ");
      said = turn.action;
      text += components.size() > 1 ? turn.component + (hosts.empty() ? "" : " on " + hosts) : hosts.empty() ? turn.component : hosts;
    }
    text += turn.remark;
  }
  return style(grave ? "1;31" : "1;33", text) + "\n";
}

// The same change of several hosts: its reason without the host's own name.
std::string common_reason(const PlannedChange& change) {
  std::string reason = change.reason;
  const auto part_of_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.'; };
  for (std::size_t at = 0; !change.host.empty() && (at = reason.find(change.host, at)) != std::string::npos;) {
    const std::size_t end = at + change.host.size();
    if ((at > 0 && part_of_name(reason[at - 1])) || (end < reason.size() && part_of_name(reason[end]))) {
      at = end;
      continue;
    }
    reason.replace(at, change.host.size(), "the host");
    at += 8;
  }
  return reason;
}

// Lines of equal changes, gathered by the hosts that they are for and then by component; in the plan's order otherwise.
struct Section {
  std::vector<std::string> hosts;
  std::vector<Changes> lines;
};

std::vector<Section> sections(const std::vector<PlannedChange>& changes) {
  using Key = std::tuple<std::string, std::string, bool, Action, Impact, bool, std::string>;
  std::map<Key, std::size_t> index;
  std::vector<Changes> lines;
  for (const PlannedChange& change : changes) {
    const Key key{change.component, change.step, change.host.empty(), change.action, change.impact, change.known, common_reason(change)};
    const auto [it, is_new] = index.emplace(key, lines.size());
    if (is_new) lines.emplace_back();
    lines[it->second].push_back(&change);
  }
  std::vector<Section> found;
  for (Changes& line : lines) {
    std::vector<std::string> hosts;
    for (const PlannedChange* change : line) hosts.push_back(change->host);
    std::sort(hosts.begin(), hosts.end(), [](const std::string& a, const std::string& b) { return std::pair(a.size(), a) < std::pair(b.size(), b); });
    auto at = std::find_if(found.begin(), found.end(), [&](const Section& one) { return one.hosts == hosts; });
    if (at == found.end()) at = found.insert(found.end(), Section{.hosts = hosts, .lines = {}});
    const std::string& component = line.front()->component;
    auto place = std::find_if(at->lines.rbegin(), at->lines.rend(), [&](const Changes& one) { return one.front()->component == component; }).base();
    if (place == at->lines.begin()) place = at->lines.end();
    at->lines.insert(place, std::move(line));
  }
  return found;
}

// Each text once, with the names of the hosts that it is for where they are not the whole line's.
std::string diffs(const Changes& line, const Style& style) {
  std::vector<std::pair<std::string, std::vector<std::string>>> texts;
  for (const PlannedChange* change : line) {
    if (!change->diff) continue;
    const std::string text = change->diff->masked();
    const auto at = std::find_if(texts.begin(), texts.end(), [&](const auto& one) { return one.first == text; });
    if (at == texts.end())
      texts.emplace_back(text, std::vector{change->host});
    else
      at->second.push_back(change->host);
  }
  std::string all;
  for (const auto& [text, hosts] : texts) {
    if (hosts.size() < line.size()) all += "      " + style("1", joined(hosts, " ") + ":") + "\n";
    all += colored_diff(text, style, "      ");
  }
  return all;
}

std::string described(const Changes& line, std::size_t width, const Style& style) {
  const PlannedChange& change = *line.front();
  const std::string action(to_string(change.action));
  const std::string what = change.component + "/" + change.step;
  std::string reason = line.size() > 1 ? common_reason(change) : change.reason;
  if (reason.starts_with("waits until ")) reason.replace(0, 11, change.action == Action::wait ? "until" : "once");
  if (change.impact != Impact::none)
    reason = "[" + std::string(change.known ? "" : "at most ") + std::string(to_string(change.impact)) + "] " + reason;
  std::string text = "  " + style(color_of(change), action + std::string(11 - std::min<std::size_t>(10, action.size()), ' ')) + what;
  if (!reason.empty()) text += std::string(width - what.size() + 2, ' ') + reason;
  return text + "\n";
}

}  // namespace

const std::vector<PlannedChange>& Plan::changes() const { return data_->changes; }
const std::vector<Diagnostic>& Plan::warnings() const { return data_->warnings; }
bool Plan::continues() const { return data_->origin.continues; }
bool Plan::empty() const { return data_->changes.empty(); }
std::size_t Plan::unchanged() const { return data_->unchanged; }
std::size_t Plan::left_out() const { return data_->left_out; }

std::string Plan::text(bool diff, bool color) const {
  const Style style{color};
  std::string text = data_->changes.empty() ? "" : headline(data_->changes, style);
  for (const Diagnostic& warning : data_->warnings) text += style("33", warning.text()) + "\n";
  std::map<std::string, std::size_t> counts;
  for (const PlannedChange& change : data_->changes) ++counts[std::string(to_string(change.action))];
  for (const Section& section : sections(data_->changes)) {
    std::size_t width = 0;
    for (const Changes& line : section.lines) width = std::max(width, line.front()->component.size() + 1 + line.front()->step.size());
    const std::string hosts = joined(section.hosts, " ");
    text += "\n" + style("1", hosts.empty() ? "cluster" : hosts) + "\n";
    for (const Changes& line : section.lines) {
      text += described(line, width, style);
      if (diff) text += diffs(line, style);
    }
  }
  if (data_->changes.empty() && left_out() > 0)
    return text + "No changes without a restart: the other " + std::to_string(unchanged()) + " steps are up to date.\n";
  if (data_->changes.empty()) return text + "No changes: all " + std::to_string(unchanged()) + " steps are up to date.\n";
  std::string summary;
  for (const auto& [action, count] : counts) append(summary, std::to_string(count) + " " + action);
  return text + "\n" + std::to_string(data_->changes.size()) + (data_->changes.size() == 1 ? " change (" : " changes (") + summary + "); " +
         std::to_string(unchanged()) + " steps are up to date.\n";
}

}  // namespace pgcluster
