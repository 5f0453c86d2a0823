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

/// How an apply goes, on stderr: on a terminal one line a host, drawn over in place, and at the end one that stays; elsewhere one line a step.
class Progress {
 public:
  Progress(const Console& console, const pgcluster::Plan& plan);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void on(const pgcluster::Event& event);
  void poll();
  /// A line that stays.
  void note(const std::string& line);
  /// Takes away what is drawn over, and says of each host what was changed, failed or blocked there.
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
    std::vector<std::string> changed{};  // steps, without waiting
    std::vector<std::string> failed{};
    bool lost = false;
    std::map<std::string, Doing> doing{};  // by step
    std::string latest{};                  // of these
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
