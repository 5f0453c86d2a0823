#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "terminal.hpp"

namespace command {

/// Lines on a terminal that are drawn over in place, whatever size it takes meanwhile.
class Live {
 public:
  /// `file` is stdout or stderr.
  explicit Live(std::FILE* file) : file_(file) {}
  ~Live() { clear(); }
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  /// Instead of what was drawn before; lines that are too long are cut, and too many are counted.
  void draw(std::vector<std::string> lines);
  /// Takes away what is drawn.
  void clear();
  /// What is drawn stays; the next goes below it.
  void leave() { widths_.clear(); }
  bool drawn() const noexcept { return !widths_.empty(); }
  /// The terminal has another size than when it was drawn.
  bool resized() const;

 private:
  std::string back() const;

  std::FILE* file_;
  std::vector<std::size_t> widths_{};  // of the lines that are drawn
  Screen size_{};
};

}  // namespace command
