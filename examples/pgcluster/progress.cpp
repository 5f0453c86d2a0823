#include "progress.hpp"

#include <algorithm>
#include <cstdio>

namespace command {
namespace {

using pgcluster::Event;

constexpr auto redraw_every = std::chrono::milliseconds(90);
constexpr auto speak_every = std::chrono::seconds(10);

// "etcd/config" of "pg1/etcd/config"
std::string short_step(const std::string& id) {
  const auto slash = id.find('/');
  return slash == std::string::npos ? id : id.substr(slash + 1);
}

// A step is shown in the line of the first part of its name, wherever it acts: a host, or "cluster".
std::string owner_of(const std::string& step) { return step.substr(0, step.find('/')); }
std::string host_name(const Event& event) { return event.step.empty() ? event.host : owner_of(event.step); }

// The names of a few steps; of many, the count for each component.
std::string listed(const std::vector<std::string>& steps) {
  std::vector<std::pair<std::string, std::size_t>> parts;
  for (const std::string& step : steps) {
    const std::string part = steps.size() > 4 ? owner_of(step) : step;
    const auto at = std::find_if(parts.begin(), parts.end(), [&](const auto& one) { return one.first == part; });
    if (at == parts.end())
      parts.emplace_back(part, 1);
    else
      ++at->second;
  }
  std::string text;
  for (const auto& [part, count] : parts) text += (text.empty() ? "" : ", ") + part + (steps.size() > 4 ? " " + std::to_string(count) : "");
  return text;
}

// "waits until a member leads (20 s): Patroni on pg1 does not answer"
std::string waits(const Event& event) {
  return one_line(event.message) + " (" + duration(event.took) + ")" + (event.seen.empty() ? "" : ": " + one_line(event.seen));
}

std::string reason(const Event& event) {
  std::string why = one_line(event.message);
  if (why.starts_with("error: ")) why.erase(0, 7);
  return why;
}

}  // namespace

Progress::Progress(const Console& console, const pgcluster::Plan& plan) : console_(console), live_(console.live()), utf8_(speaks_utf8()) {
  for (const pgcluster::PlannedChange& change : plan.changes()) {
    Row& at = row(owner_of(change.id));
    digits_ = std::max(digits_, std::to_string(++at.total).size());
    if (change.action == pgcluster::Action::wait) waits_.insert(change.id);
  }
}

Progress::Row& Progress::row(const std::string& host) {
  const auto it = std::find_if(rows_.begin(), rows_.end(), [&](const Row& one) { return one.name == host; });
  if (it != rows_.end()) return *it;
  width_ = std::max(width_, host.size());
  return rows_.emplace_back(Row{.name = host});
}

std::string Progress::paint(const char* code, const std::string& text) const {
  return console_.color_err() ? "\x1b[" + std::string(code) + "m" + text + "\x1b[0m" : text;
}

void Progress::on(const Event& event) {
  const std::string host = host_name(event);
  if (!host.empty()) {
    Row& at = row(host);
    const bool ended = event.kind == Event::Kind::step_done || event.kind == Event::Kind::step_failed || event.kind == Event::Kind::step_blocked;
    const bool more = event.kind == Event::Kind::step_progress || event.kind == Event::Kind::step_waiting;
    if (event.kind == Event::Kind::step_started || (more && at.doing.contains(event.step))) {
      auto& doing = at.doing.try_emplace(event.step, Doing{{}, Clock::now()}).first->second;
      doing.what = one_line(event.message) + (event.seen.empty() ? "" : ": " + one_line(event.seen));
      at.latest = event.step;
    } else if (ended) {
      at.doing.erase(event.step);
      at.ended = std::min(at.ended + 1, at.total);
      if (event.kind == Event::Kind::step_failed) at.failed.push_back(short_step(event.step));
      if (event.kind == Event::Kind::step_blocked) ++at.blocked;
      if (event.kind == Event::Kind::step_done && !waits_.contains(event.step)) at.changed.push_back(short_step(event.step));
    }
    if (event.kind == Event::Kind::host_lost || event.kind == Event::Kind::host_back) at.lost = event.kind == Event::Kind::host_lost;
  }
  if (!live_) return plain(event);
  if (event.kind == Event::Kind::step_failed) note(paint("31", host + "  " + short_step(event.step) + "  failed") + ": " + reason(event));
  if (event.kind == Event::Kind::step_taken_back) note(paint("33", host + "  " + short_step(event.step)) + "  " + reason(event));
  if (event.kind == Event::Kind::host_lost) note(paint("33", host + "  connection lost") + ": " + reason(event));
  if (event.kind == Event::Kind::host_back) note(host + "  " + reason(event));
  if (event.kind == Event::Kind::host_waiting) note(host + "  " + waits(event));
  poll();
}

void Progress::plain(const Event& event) {
  const std::string head = host_name(event) + "  " + short_step(event.step) + "  ";
  switch (event.kind) {
    case Event::Kind::step_started:
      if (event.message.starts_with("waits")) note(head + one_line(event.message));
      break;
    case Event::Kind::step_waiting:
      note(head + waits(event));
      break;
    case Event::Kind::host_waiting:
      note(event.host + "  " + waits(event));
      break;
    case Event::Kind::step_done:
      note(head + "done (" + duration(event.took) + ")");
      break;
    case Event::Kind::step_failed:
      note(head + "failed (" + duration(event.took) + "): " + reason(event));
      break;
    case Event::Kind::step_blocked:
    case Event::Kind::step_taken_back:
      note(head + reason(event));
      break;
    case Event::Kind::host_lost:
      note(event.host + "  connection lost: " + reason(event));
      break;
    case Event::Kind::host_back:
      note(event.host + "  " + reason(event));
      break;
    default:
      break;
  }
}

void Progress::poll() {
  if (!live_) return beat();
  if (Clock::now() - drawn_ >= redraw_every) draw();
}

// A log without new lines looks like a program that hangs: from time to time, print what the apply waits for.
void Progress::beat() {
  if (Clock::now() - spoke_ < speak_every) return;
  std::string all;
  for (const Row& row : rows_) {
    const auto it = row.doing.find(row.latest);
    if (it == row.doing.end()) continue;
    all += (all.empty() ? "" : ", ") + row.name + " " + short_step(it->first) + " (" + duration(since(it->second.since)) +
           (it->second.what.empty() ? ")" : ", " + it->second.what + ")");
  }
  if (all.empty()) spoke_ = Clock::now();
  if (!all.empty()) note("still at: " + all);
}

void Progress::note(const std::string& line) {
  area_.clear();
  drawn_ = {};
  console_.tell(line);
  spoke_ = Clock::now();
}

void Progress::finish() {
  area_.clear();
  if (!live_) return;  // each step has printed its line
  for (const Row& row : rows_) {
    std::string text;
    const auto add = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
    if (!row.changed.empty()) add("changed " + listed(row.changed));
    if (!row.failed.empty()) add(paint("31", "failed") + " " + listed(row.failed));
    if (row.blocked > 0) add(std::to_string(row.blocked) + " blocked");
    if (!text.empty()) console_.tell(padded(row.name, width_) + "  " + text);
  }
}

// Fits into `columns`: name and counts come first, then the bar, the time, and the current step.
std::string Progress::line(const Row& row, std::size_t columns) const {
  auto doing = row.doing.find(row.latest);
  if (doing == row.doing.end()) doing = row.doing.begin();
  const bool busy = doing != row.doing.end();
  const std::size_t bar_width = columns >= 60 ? 16 : columns >= 40 ? 8 : columns >= 24 ? 4 : 3;
  const std::size_t full = row.total == 0 ? bar_width : row.ended * bar_width / row.total;
  std::string bar;
  for (std::size_t i = 0; i < bar_width; ++i) bar += i < full ? (utf8_ ? "█" : "#") : (utf8_ ? "░" : ".");
  std::string counts = std::to_string(row.ended) + "/" + std::to_string(row.total);
  counts.insert(0, 2 * digits_ + 1 - std::min(2 * digits_ + 1, counts.size()), ' ');

  const std::size_t name_width = std::min(width_, std::max<std::size_t>(6, columns / 4));
  std::string text = columns >= 30 ? std::string(busy ? spinner(utf8_, frame_) : " ") + " " : "";
  text += padded(cut_front(row.name, name_width, utf8_), name_width) + " ";
  if (columns >= name_width + bar_width + counts.size() + 3) text += paint(!row.failed.empty() ? "31" : row.lost ? "33" : "32", bar) + " ";
  text += counts;

  const std::string gap = columns >= 40 ? "  " : " ";
  const std::size_t used = columns_of(text) + gap.size();
  const std::size_t room = columns > used ? columns - used : 0;
  if (!row.lost && busy) {
    const std::string time = duration(since(doing->second.since));
    if (room < time.size()) return text;
    return text + gap + time + (room > time.size() + 8 ? "  " + short_step(doing->first) + "  " + doing->second.what : "");
  }
  if (room < 8) return text;
  return text + gap + (row.lost ? "connection lost, trying again" : row.ended < row.total ? "waiting" : row.failed.empty() ? "done" : "failed");
}

void Progress::draw() {
  const Screen size = screen(stderr);
  const std::size_t room = std::max<std::size_t>(size.lines, 3) - 2;
  std::vector<const Row*> shown;
  for (const Row& row : rows_) shown.push_back(&row);
  std::size_t hidden = 0;
  if (shown.size() > room) {
    std::stable_partition(shown.begin(), shown.end(), [](const Row* row) { return !row->doing.empty() || row->lost; });
    hidden = shown.size() - room;
    shown.resize(room);
  }
  std::size_t ended = 0, total = 0;
  for (const Row& row : rows_) ended += row.ended, total += row.total;
  std::vector<std::string> lines;
  for (const Row* row : shown) lines.push_back(line(*row, size.columns - 1));
  lines.push_back("  " + std::to_string(ended) + " of " + std::to_string(total) + " changes, " + duration(since(began_)) +
                  (hidden > 0 ? "; " + std::to_string(hidden) + " more hosts" : ""));
  area_.draw(std::move(lines));
  drawn_ = Clock::now();
  ++frame_;
}

}  // namespace command
