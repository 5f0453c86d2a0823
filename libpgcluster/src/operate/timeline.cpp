// The events of an apply as a picture, and as a table with the same content.
#include <algorithm>
#include <map>
#include <sstream>

#include "base/strings.hpp"
#include "operate/page.hpp"

namespace pgcluster {
namespace {

using std::chrono::milliseconds;
using strings::markup;

constexpr int label_width = 130, plot_width = 850, row_height = 11, bar_height = 8, lane_gap = 8, axis_height = 24;
constexpr const char* whole_cluster = "cluster";

struct Bar {
  std::string step, outcome;  // "done", "failed", "taken back", "not ended"
  std::string message{};
  milliseconds from{0}, to{0};
  int row = 0;
};
struct Lane {
  std::string name;
  std::vector<Bar> bars{};
  int rows = 1;
};

std::string in_seconds(milliseconds time) {
  if (time.count() > 0 && time.count() < 1000) return std::to_string(time.count()) + " ms";
  std::ostringstream text;
  text.precision(1);
  text << std::fixed << static_cast<double>(time.count()) / 1000 << " s";
  return text.str();
}

// A step belongs to the host in its name: a step of the cluster may act on several.
std::string lane_of(const Event& event) {
  const std::string host = event.step.substr(0, event.step.find('/'));
  return host == whole_cluster ? host : event.host.empty() ? whole_cluster : event.host;
}

std::vector<Lane> lanes_of(const std::vector<Event>& events, const std::vector<std::string>& hosts, milliseconds end) {
  std::vector<Lane> lanes{{whole_cluster}};
  for (const std::string& host : hosts) lanes.push_back({host});
  std::map<std::string, std::pair<std::size_t, std::size_t>> open;  // step: its lane and bar
  for (const Event& event : events) {
    const bool begins = event.kind == Event::Kind::step_started;
    const bool ends = event.kind == Event::Kind::step_done || event.kind == Event::Kind::step_failed;
    if (const auto known = open.find(event.step); known != open.end() && event.kind == Event::Kind::step_taken_back)
      lanes[known->second.first].bars[known->second.second].outcome = "taken back";
    if (event.step.empty() || !(begins || ends)) continue;
    if (!open.contains(event.step)) {
      const std::string name = lane_of(event);
      auto lane = std::find_if(lanes.begin(), lanes.end(), [&](const Lane& one) { return one.name == name; });
      if (lane == lanes.end()) lane = lanes.insert(lanes.end(), {name});
      open[event.step] = {static_cast<std::size_t>(lane - lanes.begin()), lane->bars.size()};
      lane->bars.push_back(
          {.step = event.step, .outcome = "not ended", .from = begins ? event.at : event.at - std::min(event.at, event.took), .to = end});
    }
    if (!ends) continue;
    const auto [lane, bar] = open[event.step];
    Bar& ended = lanes[lane].bars[bar];
    ended.to = std::max(event.at, ended.from);
    ended.outcome = event.kind == Event::Kind::step_done ? "done" : "failed";
    if (event.kind == Event::Kind::step_failed) ended.message = event.message;
  }
  std::erase_if(lanes, [](const Lane& lane) { return lane.bars.empty(); });
  return lanes;
}

// Bars that overlap stand below each other.
void place(Lane& lane) {
  std::stable_sort(lane.bars.begin(), lane.bars.end(), [](const Bar& a, const Bar& b) { return a.from < b.from; });
  std::vector<milliseconds> free;
  for (Bar& bar : lane.bars) {
    auto row = std::find_if(free.begin(), free.end(), [&](milliseconds since) { return since <= bar.from; });
    if (row == free.end()) row = free.insert(free.end(), milliseconds(0));
    *row = std::max(bar.to, bar.from + milliseconds(1));
    bar.row = static_cast<int>(row - free.begin());
  }
  lane.rows = std::max<int>(1, static_cast<int>(free.size()));
}

// A round number of milliseconds, so that there are four to ten lines.
milliseconds distance(milliseconds end) {
  long long step = 1;
  for (int i = 0; end.count() / step > 10; ++i) step = i % 3 == 1 ? step / 2 * 5 : step * 2;
  return milliseconds(step);
}

std::string picture(const std::vector<Lane>& lanes, milliseconds end) {
  const auto x = [&](milliseconds at) { return std::to_string(label_width + at.count() * plot_width / std::max<long long>(1, end.count())); };
  int height = axis_height;
  for (const Lane& lane : lanes) height += lane.rows * row_height + lane_gap;
  const std::string width = std::to_string(label_width + plot_width + 40);
  std::string svg = "<svg class=\"timeline\" role=\"img\" aria-label=\"When each step ran; the table below has the same content\" viewBox=\"0 0 " +
                    width + " " + std::to_string(height) + "\">\n";
  for (milliseconds at{0}; at <= end; at += distance(end))
    svg += "<line class=\"grid\" x1=\"" + x(at) + "\" x2=\"" + x(at) + "\" y1=\"18\" y2=\"" + std::to_string(height) +
           "\"/><text class=\"soft\" x=\"" + x(at) + "\" y=\"12\">" + in_seconds(at) + "</text>\n";
  int top = axis_height;
  for (const Lane& lane : lanes) {
    svg += "<text x=\"0\" y=\"" + std::to_string(top + bar_height) + "\">" + markup(strings::shortened(lane.name, 18)) + "</text>\n";
    for (const Bar& bar : lane.bars) {
      const long long length = (bar.to - bar.from).count() * plot_width / std::max<long long>(1, end.count());
      svg += "<rect class=\"" + (bar.outcome == "done" || bar.outcome == "failed" ? bar.outcome : std::string("open")) + "\" x=\"" + x(bar.from) +
             "\" y=\"" + std::to_string(top + bar.row * row_height) + "\" width=\"" + std::to_string(std::max(2LL, length)) + "\" height=\"" +
             std::to_string(bar_height) + "\"><title>" + markup(bar.step) + ": " + bar.outcome + ", " + in_seconds(bar.to - bar.from) +
             "</title></rect>\n";
    }
    top += lane.rows * row_height + lane_gap;
  }
  return svg + "</svg>\n";
}

std::string steps_table(const std::vector<Lane>& lanes) {
  std::string text =
      "<details><summary>Each step</summary>\n<table><thead><tr><th scope=\"col\">Step</th><th scope=\"col\">Began after</th>"
      "<th scope=\"col\">Took</th><th scope=\"col\">Result</th></tr></thead><tbody>\n";
  for (const Lane& lane : lanes)
    for (const Bar& bar : lane.bars)
      text += "<tr><th scope=\"row\">" + markup(bar.step) + "</th><td class=\"number\">" + in_seconds(bar.from) + "</td><td class=\"number\">" +
              in_seconds(bar.to - bar.from) + "</td><td>" + bar.outcome + "</td></tr>\n";
  return text + "</tbody></table></details>\n";
}

}  // namespace

std::string timeline(const std::vector<Event>& events, const std::vector<std::string>& hosts) {
  milliseconds end{0};
  bool ended = false;
  std::size_t blocked = 0;
  for (const Event& event : events) {
    end = std::max(end, event.at);
    blocked += event.kind == Event::Kind::step_blocked;
    ended = ended || event.kind == Event::Kind::apply_done;
  }
  std::vector<Lane> lanes = lanes_of(events, hosts, end);
  std::size_t steps = 0, failed = 0;
  std::string failures;
  for (Lane& lane : lanes) {
    place(lane);
    steps += lane.bars.size();
    for (const Bar& bar : lane.bars) {
      if (bar.outcome != "failed") continue;
      ++failed;
      failures += "<div class=\"finding bad\"><strong>" + markup(bar.step) + "</strong><pre>" + markup(bar.message) + "</pre></div>\n";
    }
  }
  std::string text = "<p>" + std::to_string(steps) + (steps == 1 ? " step" : " steps") + " in " + in_seconds(end) + ", " +
                     (failed ? "<span class=\"bad\">" + std::to_string(failed) + " failed</span>" : "<span class=\"good\">none failed</span>") +
                     (blocked ? ", " + std::to_string(blocked) + " did not begin because of that" : "") +
                     (ended ? "" : ". The log has no end of it: it still runs, or it was interrupted") + ".</p>\n" + failures;
  if (lanes.empty()) return text;
  return text + "<div class=\"wide\">\n" + picture(lanes, end) + "</div>\n" + steps_table(lanes);
}

}  // namespace pgcluster
