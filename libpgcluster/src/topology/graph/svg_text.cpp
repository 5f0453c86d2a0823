#include "topology/graph/svg_text.hpp"

#include <algorithm>
#include <array>

namespace pgcluster::graphs {
namespace {

// Advance widths of the characters from ' ' to '~' in hundredths of the font's size: of DejaVu Sans, and of its bold face.
constexpr std::array<unsigned char, 95> kRegular{32, 41, 46, 84, 64, 96, 78, 28, 40,  40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
                                                 64, 64, 34, 34, 84, 84, 84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79,
                                                 61, 79, 70, 64, 62, 74, 69, 99, 69,  62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64,
                                                 64, 28, 28, 58, 28, 98, 64, 62, 64,  64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84};
constexpr std::array<unsigned char, 95> kBold{35, 46, 53, 84, 70, 101, 88, 31,  46,  46, 53, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70,  70, 70,
                                              70, 70, 40, 40, 84, 84,  84, 59,  100, 78, 77, 74, 84, 69, 69, 83, 84, 38, 38, 78, 64, 100, 84, 86,
                                              74, 86, 78, 73, 69, 82,  78, 111, 78,  73, 73, 46, 37, 46, 84, 50, 50, 68, 72, 60, 72, 68,  44, 72,
                                              72, 35, 35, 67, 35, 105, 72, 69,  72,  72, 50, 60, 48, 72, 66, 93, 65, 66, 59, 72, 37, 72,  84};
constexpr int kMono = 62;
constexpr int kOther = 100;

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }  // of a character in UTF-8

}  // namespace

int text_width(std::string_view text, const TextStyle& style) {
  int hundredths = 0;
  for (const char c : text) {
    if (continues(c)) continue;
    const bool known = c >= ' ' && c <= '~';
    const auto at = static_cast<std::size_t>(known ? c - ' ' : 0);
    hundredths += !known ? kOther : style.mono ? kMono : style.bold ? kBold[at] : kRegular[at];
  }
  return (hundredths * style.size + 99) / 100;
}

std::vector<std::string> wrapped(const std::string& text, const TextStyle& style, int width) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!lines.empty() && text_width(lines.back() + ' ' + word, style) <= width)
      lines.back() += ' ' + word;
    else
      lines.push_back(word);
    at = end + 1;
  }
  return lines;
}

}  // namespace pgcluster::graphs
