#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace command {

Screen screen() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
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

std::string cut(const std::string& text, std::size_t columns) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80 && ++count > columns) return text.substr(0, i);
  return text;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
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

Waiting::Waiting(const Console& console, std::string what) : console_(console), what_(std::move(what)) {}

void Waiting::poll() {
  if (!console_.live()) return;
  const std::string line = cut(" " + what_ + " (" + duration(since(began_)) + ")", screen().columns - 2);
  std::fprintf(stderr, "\r%s%s\x1b[K", spinner(speaks_utf8(), frame_++), line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Waiting::clear() {
  if (drawn_) std::fprintf(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace command
