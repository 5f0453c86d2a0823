#include "live.hpp"

#include <algorithm>

namespace command {

// Moves to the first line. A terminal that became narrower has wrapped the longer lines.
std::string Live::back() const {
  const std::size_t columns = screen(file_).columns;
  std::size_t rows = 0;
  for (const std::size_t width : widths_) rows += width == 0 ? 1 : (width + columns - 1) / columns;
  return rows == 0 ? "\r" : "\r\x1b[" + std::to_string(rows) + "A";
}

bool Live::resized() const {
  const Screen now = screen(file_);
  return now.columns != size_.columns || now.lines != size_.lines;
}

void Live::draw(std::vector<std::string> lines) {
  const Screen now = screen(file_);
  const std::size_t room = now.lines > 1 ? now.lines - 1 : 1;
  if (lines.size() > room) {
    const std::size_t hidden = lines.size() - room + 1;
    lines.resize(room);
    lines.back() = "(" + std::to_string(hidden) + " more lines)";
  }
  std::string text = back();
  if (resized()) text += "\x1b[J";  // wrapped lines would stay below the new ones
  widths_.clear();
  for (const std::string& line : lines) {
    const std::string shown = cut(line, now.columns - 1);
    widths_.push_back(columns_of(shown));
    text += shown + "\x1b[K\n";
  }
  text += "\x1b[J";
  std::fwrite(text.data(), 1, text.size(), file_);
  std::fflush(file_);
  size_ = now;
}

void Live::clear() {
  if (!drawn()) return;
  const std::string text = back() + "\x1b[J";
  std::fwrite(text.data(), 1, text.size(), file_);
  std::fflush(file_);
  widths_.clear();
}

}  // namespace command
