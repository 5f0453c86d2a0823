#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <pgcluster/plan/plan.hpp>
#include "console.hpp"
#include "terminal.hpp"

namespace command {

/// How an apply goes, on stderr: on a terminal one line a host, drawn over in place; elsewhere one line a step.
class Progress {
 public:
  Progress(const Console& console, const pgcluster::Plan& plan);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void on(const pgcluster::Event& event);
  void poll();
  /// A line that stays.
  void note(const std::string& line);
  /// Takes away what is drawn over.
  void clear();

 private:
  struct Doing {
    std::string what;
    Clock::time_point since;
  };
  struct Row {
    std::string name;
    std::size_t total = 0;
    std::size_t ended = 0;
    std::size_t failed = 0;
    bool lost = false;
    std::map<std::string, Doing> doing{};  // by step
    std::string latest{};                  // of these
  };

  Row& row(const std::string& host);
  void plain(const pgcluster::Event& event);
  void beat();
  void draw();
  std::string line(const Row& row) const;
  std::string paint(const char* code, const std::string& text) const;

  const Console& console_;
  bool live_;
  bool utf8_;
  std::vector<Row> rows_;
  std::size_t width_ = 0;  // of the longest name
  Clock::time_point began_ = Clock::now();
  Clock::time_point drawn_{};
  Clock::time_point spoke_ = Clock::now();
  std::size_t lines_ = 0;  // on the screen now
  std::size_t frame_ = 0;
};

}  // namespace command
