#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace pgcluster::table {

/// "12 kB"
inline std::string bytes(std::int64_t count) {
  if (count < 10'000) return std::to_string(count) + " B";
  if (count < 10'000'000) return std::to_string(count / 1024) + " kB";
  return std::to_string(count / 1024 / 1024) + " MB";
}

/// In a color of the terminal: 31 is red, 32 green, 33 yellow.
inline std::string painted(const char* color, const std::string& what) { return "\x1b[" + std::string(color) + "m" + what + "\x1b[0m"; }

/// Rows for people, in columns, each line indented by two.
inline std::string text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> width;
  for (const auto& row : rows) {
    width.resize(std::max(width.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = "  ";
    for (std::size_t i = 0; i < row.size(); ++i) line += row[i] + std::string(i + 1 < row.size() ? width[i] - row[i].size() + 2 : 0, ' ');
    text += line + "\n";
  }
  return text;
}

}  // namespace pgcluster::table
