#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <pgcluster/plan/plan.hpp>
#include "console.hpp"
#include "live.hpp"
#include "terminal.hpp"

namespace command {

/// Progress of an apply on stderr. A terminal has one line for each host, redrawn in place; elsewhere each step has a line.
class Progress {
 public:
  Progress(const Console& console, const pgcluster::Plan& plan);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void on(const pgcluster::Event& event);
  void poll();
  /// Prints a line above the redrawn ones.
  void note(const std::string& line);
  /// Erases the redrawn lines, and prints for each host what was changed, failed or blocked.
  void finish();

 private:
  struct Doing {
    std::string what;
    Clock::time_point since;
  };
  struct Row {
    std::string name;
    std::size_t total = 0;
    std::size_t ended = 0;
    std::size_t blocked = 0;
    std::vector<std::string> changed{};  // names of steps; gates are left out
    std::vector<std::string> failed{};
    bool lost = false;
    std::map<std::string, Doing> doing{};  // by step
    std::string latest{};                  // the step that started last
  };

  Row& row(const std::string& host);
  void plain(const pgcluster::Event& event);
  void beat();
  void draw();
  std::string line(const Row& row, std::size_t columns) const;
  std::string paint(const char* code, const std::string& text) const;

  const Console& console_;
  bool live_;
  bool utf8_;
  Live area_{stderr};
  std::vector<Row> rows_;
  std::set<std::string> waits_;  // steps that change nothing
  std::size_t width_ = 0;        // of the longest name
  std::size_t digits_ = 1;       // of the largest count
  Clock::time_point began_ = Clock::now();
  Clock::time_point drawn_{};
  Clock::time_point spoke_ = Clock::now();
  std::size_t frame_ = 0;
};

}  // namespace command
