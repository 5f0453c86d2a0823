// status --watch: redraws a terminal; elsewhere prints a block for each change.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <ctime>
#include <optional>
#include <thread>

#include "commands.hpp"
#include "live.hpp"
#include "terminal.hpp"

namespace command {
namespace {

constexpr auto again_after = std::chrono::seconds(2);
constexpr auto patience = std::chrono::seconds(10);  // for a host that has stopped answering: what is shown of the others is no older

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%F %T", &parts);
  return text;
}

// A JSON document in one line. Its line breaks are between values only.
std::string in_one_line(const std::string& json) {
  std::string line;
  for (std::size_t at = 0; at < json.size();) {
    const std::size_t end = std::min(json.find('\n', at), json.size());
    const std::size_t begin = std::min(json.find_first_not_of(' ', at), end);
    if (!line.empty() && line.back() == ',') line += ' ';
    line.append(json, begin, end - begin);
    at = end + 1;
  }
  return line;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// What makes two readings differ. A lag counts from 16 MB on, and only by its order of magnitude: a busy replica always lags a little.
std::string essence(pgcluster::Status status) {
  for (pgcluster::Status::Member& member : status.members)
    if (member.lag_bytes) member.lag_bytes = static_cast<std::int64_t>(std::bit_width(static_cast<std::uint64_t>(*member.lag_bytes) >> 24));
  return status.json();
}

struct Reading {
  std::string shown, essence;
};

Reading read(Session& session, const pgcluster::Spec& spec) {
  const Console& console = session.console;
  try {
    std::optional<pgcluster::Status> now;
    asking(session, spec, [&](auto options) {
      options.deadline = patience;
      now = pgcluster::read_status(spec, session.executor, options);
    });
    return {console.json() ? in_one_line(now->json()) : now->text(console.color_out()), essence(*now)};
  } catch (const pgcluster::Error& error) {
    if (error.code() == pgcluster::Code::cancelled) throw;
    const std::string text = pgcluster::text(error.failure());
    return {console.json() ? pgcluster::json(error.failure()) : text, text};
  }
}

void rest(Session& session, const std::function<void()>& look) {
  for (const auto until = Clock::now() + again_after; Clock::now() < until;) {
    session.interrupt.check();
    look();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void on_terminal(Session& session, const pgcluster::Spec& spec) {
  Live area(stdout);
  std::vector<std::string> lines{"reading the hosts; Ctrl-C ends"};
  area.draw(lines);
  try {
    for (;;) {
      const auto began = Clock::now();
      lines = lines_of(read(session, spec).shown);
      lines.push_back(time_now() + (since(began) > std::chrono::seconds(1) ? ", read in " + duration(since(began)) : "") + "; Ctrl-C ends");
      area.draw(lines);
      rest(session, [&] {
        if (area.resized()) area.draw(lines);
      });
    }
  } catch (...) {
    area.leave();  // keep the last reading on the screen
    throw;
  }
}

void elsewhere(Session& session, const pgcluster::Spec& spec) {
  const Console& console = session.console;
  for (std::string last;;) {
    const Reading now = read(session, spec);
    if (now.essence != last) console.answer(console.json() ? now.shown : (last.empty() ? "" : "\n") + time_now() + "  " + now.shown);
    last = now.essence;
    if (std::ferror(stdout)) return;  // the reader is gone
    rest(session, [] {});
  }
}

}  // namespace

// Runs until Ctrl-C, which is the normal end and no error.
int watch(Session& session, const pgcluster::Spec& spec) try {
  if (session.console.live_out() && !session.console.json())
    on_terminal(session, spec);
  else
    elsewhere(session, spec);
  return status::ok;
} catch (const pgcluster::Error& error) {
  if (error.code() != pgcluster::Code::cancelled) throw;
  return status::cancelled;
}

}  // namespace command
