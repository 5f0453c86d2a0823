#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>

#include <pgcluster/executor/executor.hpp>

#include "console.hpp"

namespace command {

using Clock = std::chrono::steady_clock;

struct Screen {
  std::size_t columns = 80;
  std::size_t lines = 24;
};
/// The size of the terminal behind stdout or stderr.
Screen screen(std::FILE* file);
bool speaks_utf8();
const char* spinner(bool utf8, std::size_t frame);
/// "0.1 s", "42 s", "2 min 5 s"
std::string duration(std::chrono::milliseconds time);
std::chrono::milliseconds since(Clock::time_point then);
/// The first line, without control characters.
std::string one_line(const std::string& text);
/// The number of visible characters: colour codes do not count.
std::size_t columns_of(const std::string& text);
/// The first `columns` visible characters; colour codes stay whole.
std::string cut(const std::string& text, std::size_t columns);
/// The last `columns` characters: "…od-01" of "prod-01".
std::string cut_front(const std::string& text, std::size_t columns, bool utf8);
std::string padded(std::string text, std::size_t width);

/// A spinner on stderr while hosts are asked; elsewhere than on a terminal a line every 10 s.
class Waiting {
 public:
  /// Shows what `executor` waits for, too.
  Waiting(const Console& console, const pgcluster::Executor& executor, std::string what);
  ~Waiting() { clear(); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  void poll();
  void clear();

 private:
  std::string activities() const;

  const Console& console_;
  const pgcluster::Executor& executor_;
  std::string what_;
  Clock::time_point began_ = Clock::now();
  Clock::time_point spoke_ = began_;
  std::size_t frame_ = 0;
  bool drawn_ = false;
};

}  // namespace command
