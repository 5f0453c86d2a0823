#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace command {

Screen screen(std::FILE* file) {
  winsize size{};
  if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    std::string locale(value);
    std::transform(locale.begin(), locale.end(), locale.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;
}

const char* spinner(bool utf8, std::size_t frame) {
  static constexpr const char* pretty[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
  static constexpr const char* ascii[] = {"|", "/", "-", "\\"};
  return utf8 ? pretty[frame % std::size(pretty)] : ascii[frame % std::size(ascii)];
}

std::string one_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return line;
}

namespace {

// The end of the character or colour code at `at`.
std::size_t next(const std::string& text, std::size_t at, bool& seen) {
  seen = text[at] != '\x1b';
  if (!seen) return std::min(text.find('m', at), text.size() - 1) + 1;
  do ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  return at;
}

}  // namespace

std::size_t columns_of(const std::string& text) {
  std::size_t count = 0;
  bool seen = false;
  for (std::size_t at = 0; at < text.size(); at = next(text, at, seen), count += seen) continue;
  return count;
}

std::string cut(const std::string& text, std::size_t columns) {
  std::string kept;
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size();) {
    bool seen = false;
    const std::size_t end = next(text, at, seen);
    count += seen;
    if (!seen || count <= columns) kept.append(text, at, end - at);
    at = end;
  }
  return kept;
}

std::string cut_front(const std::string& text, std::size_t columns, bool utf8) {
  if (columns_of(text) <= columns) return text;
  std::size_t at = 0;
  bool seen = false;
  for (std::size_t surplus = columns_of(text) - columns + 1; surplus > 0 && at < text.size(); --surplus) at = next(text, at, seen);
  return (utf8 ? "…" : "~") + text.substr(at);
}

std::string padded(std::string text, std::size_t width) {
  if (const std::size_t columns = columns_of(text); columns < width) text.append(width - columns, ' ');
  return text;
}

std::string duration(std::chrono::milliseconds time) {
  const double seconds = static_cast<double>(time.count()) / 1000;
  char text[32];
  if (seconds < 10)
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  else if (seconds < 100)
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  else
    std::snprintf(text, sizeof text, "%d min %d s", static_cast<int>(seconds) / 60, static_cast<int>(seconds) % 60);
  return text;
}

std::chrono::milliseconds since(Clock::time_point then) { return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - then); }

Waiting::Waiting(const Console& console, const pgcluster::Executor& executor, std::string what)
    : console_(console), executor_(executor), what_(std::move(what)) {}

// "; pg3 connects to root@10.77.0.13:22 (12 s)" for what takes longer than two seconds.
std::string Waiting::activities() const {
  std::string text;
  for (const pgcluster::Activity& one : executor_.activities())
    if (const auto time = since(one.since); time >= std::chrono::seconds(2))
      text += "; " + one.host + " " + (one.what.empty() ? "has not answered yet" : one.what) + " (" + duration(time) + ")";
  return text;
}

void Waiting::poll() {
  if (!console_.live()) {
    if (Clock::now() - spoke_ < std::chrono::seconds(10)) return;
    spoke_ = Clock::now();
    return console_.tell(what_ + " (" + duration(since(began_)) + ")" + activities());
  }
  const std::string line =
      cut(" " + what_ + " (" + duration(since(began_)) + ")" + activities(), std::max<std::size_t>(screen(stderr).columns, 3) - 2);
  std::fprintf(stderr, "\r%s%s\x1b[K", spinner(speaks_utf8(), frame_++), line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Waiting::clear() {
  if (drawn_) std::fprintf(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace command
