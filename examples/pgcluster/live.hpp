#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "terminal.hpp"

namespace command {

/// Lines on a terminal that are redrawn in place, also after the terminal was resized.
class Live {
 public:
  /// `file` is stdout or stderr.
  explicit Live(std::FILE* file) : file_(file) {}
  ~Live() { clear(); }
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  /// Replaces what was drawn. Lines that are too long are cut; lines that do not fit are counted.
  void draw(std::vector<std::string> lines);
  /// Erases what was drawn.
  void clear();
  /// Keeps what was drawn; the next lines go below it.
  void leave() { widths_.clear(); }
  bool drawn() const noexcept { return !widths_.empty(); }
  /// The terminal was resized since the last draw().
  bool resized() const;

 private:
  std::string back() const;

  std::FILE* file_;
  std::vector<std::size_t> widths_{};  // of the drawn lines
  Screen size_{};
};

}  // namespace command
