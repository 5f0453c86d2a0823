#pragma once

#include <string>
#include <string_view>
#include <vector>

// Texts of an SVG picture: styles, and how wide a text may become in a font that we do not know.
namespace pgcluster::graphs {

struct TextStyle {
  const char* name;  ///< CSS class
  int size;          ///< px
  bool bold = false;
  bool mono = false;
};
namespace style {
inline constexpr TextStyle title{"title", 20, true};
inline constexpr TextStyle heading{"heading", 13, true};
inline constexpr TextStyle name{"name", 14, true};
inline constexpr TextStyle plain{"plain", 12};
inline constexpr TextStyle note{"note", 12};
inline constexpr TextStyle number{"number", 12, false, true};
inline constexpr TextStyle badge{"badge", 11, true};
}  // namespace style

/// px, rounded up: as wide as DejaVu Sans, the widest of the common sans-serif fonts, would make it.
int text_width(std::string_view text, const TextStyle& style);
/// Lines of whole words, none wider than `width` unless it is a single word.
std::vector<std::string> wrapped(const std::string& text, const TextStyle& style, int width);

}  // namespace pgcluster::graphs
