#include "progress.hpp"

#include <algorithm>
#include <cstdio>

namespace command {
namespace {

using pgcluster::Event;

constexpr auto redraw_every = std::chrono::milliseconds(90);
constexpr auto speak_every = std::chrono::seconds(10);
constexpr std::size_t bar_width = 16;

// "etcd/config" of "pg1/etcd/config"
std::string short_step(const std::string& id) {
  const auto slash = id.find('/');
  return slash == std::string::npos ? id : id.substr(slash + 1);
}

// A step belongs to the first part of its name wherever it acts; work that is nobody's own is the cluster's.
std::string owner_of(const std::string& step) { return step.substr(0, step.find('/')); }
std::string host_name(const Event& event) { return event.step.empty() ? event.host : owner_of(event.step); }

std::string reason(const Event& event) {
  std::string why = one_line(event.message);
  if (why.starts_with("error: ")) why.erase(0, 7);
  return why;
}

}  // namespace

Progress::Progress(const Console& console, const pgcluster::Plan& plan) : console_(console), live_(console.live()), utf8_(speaks_utf8()) {
  for (const pgcluster::PlannedChange& change : plan.changes()) ++row(owner_of(change.id)).total;
  // Names, bar and counts alone would fill a narrow one.
  if (screen().columns < width_ + 45) live_ = false;
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
    if (event.kind == Event::Kind::step_started || (event.kind == Event::Kind::step_progress && at.doing.contains(event.step))) {
      auto& doing = at.doing.try_emplace(event.step, Doing{{}, Clock::now()}).first->second;
      doing.what = one_line(event.message);
      at.latest = event.step;
    } else if (ended) {
      at.doing.erase(event.step);
      at.ended = std::min(at.ended + 1, at.total);
      if (event.kind == Event::Kind::step_failed) ++at.failed;
    }
    if (event.kind == Event::Kind::host_lost || event.kind == Event::Kind::host_back) at.lost = event.kind == Event::Kind::host_lost;
  }
  if (!live_) return plain(event);
  if (event.kind == Event::Kind::step_failed) note(paint("31", host + "  " + short_step(event.step) + "  failed") + ": " + reason(event));
  if (event.kind == Event::Kind::host_lost) note(paint("33", host + "  connection lost") + ": " + reason(event));
  if (event.kind == Event::Kind::host_back) note(host + "  " + reason(event));
  poll();
}

void Progress::plain(const Event& event) {
  const std::string head = host_name(event) + "  " + short_step(event.step) + "  ";
  switch (event.kind) {
    case Event::Kind::step_started:
      if (event.message.starts_with("waits")) note(head + one_line(event.message));
      break;
    case Event::Kind::step_done:
      note(head + "done (" + duration(event.took) + ")");
      break;
    case Event::Kind::step_failed:
      note(head + "failed (" + duration(event.took) + "): " + reason(event));
      break;
    case Event::Kind::step_blocked:
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

// A log that stands still looks like a program that does: says now and then what it waits for.
void Progress::beat() {
  if (Clock::now() - spoke_ < speak_every) return;
  std::string all;
  for (const Row& row : rows_) {
    const auto it = row.doing.find(row.latest);
    if (it == row.doing.end()) continue;
    all += (all.empty() ? "" : ", ") + row.name + " " + short_step(it->first) + " (" + duration(since(it->second.since)) + ")";
  }
  if (all.empty()) spoke_ = Clock::now();
  if (!all.empty()) note("still at: " + all);
}

void Progress::note(const std::string& line) {
  clear();
  console_.tell(line);
  spoke_ = Clock::now();
}

void Progress::clear() {
  if (lines_ > 0) std::fprintf(stderr, "\r\x1b[%zuA\x1b[J", lines_);
  lines_ = 0;
  drawn_ = {};
}

std::string Progress::line(const Row& row) const {
  const std::size_t full = row.total == 0 ? bar_width : row.ended * bar_width / row.total;
  std::string bar;
  for (std::size_t i = 0; i < bar_width; ++i) bar += i < full ? (utf8_ ? "█" : "#") : (utf8_ ? "░" : ".");
  auto doing = row.doing.find(row.latest);
  if (doing == row.doing.end()) doing = row.doing.begin();
  const bool busy = doing != row.doing.end();
  std::string text;
  if (row.lost)
    text = "connection lost, trying again";
  else if (busy)
    text = short_step(doing->first) + "  " + doing->second.what + "  " + duration(since(doing->second.since));
  else if (row.ended < row.total)
    text = "waiting";
  else
    text = row.failed > 0 ? "failed" : "done";
  const std::string counts = std::to_string(row.ended) + "/" + std::to_string(row.total);
  const std::size_t used = 2 + width_ + 2 + bar_width + 1 + 9;
  const std::size_t columns = screen().columns;
  return std::string(busy ? spinner(utf8_, frame_) : " ") + " " + padded(row.name, width_) + "  " +
         paint(row.failed > 0 ? "31"
               : row.lost     ? "33"
                              : "32",
               bar) +
         " " + padded(counts, 9) + cut(text, columns > used + 1 ? columns - used - 1 : 0);
}

void Progress::draw() {
  const std::size_t room = std::max<std::size_t>(screen().lines, 6) - 3;
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
  std::string text = lines_ > 0 ? "\r\x1b[" + std::to_string(lines_) + "A" : "\r";
  for (const Row* row : shown) text += line(*row) + "\x1b[K\n";
  text += "  " + std::to_string(ended) + " of " + std::to_string(total) + " changes, " + duration(since(began_));
  if (hidden > 0) text += "; " + std::to_string(hidden) + " more hosts";
  text += "\x1b[K\n\x1b[J";
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
  lines_ = shown.size() + 1;
  drawn_ = Clock::now();
  ++frame_;
}

}  // namespace command
