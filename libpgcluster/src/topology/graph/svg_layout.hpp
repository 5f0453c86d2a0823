#pragma once

#include <map>
#include <string>
#include <vector>

#include "topology/graph/scene.hpp"

// Where everything of an SVG picture stands, in px. Ways of clients are on top, sites below them side by side, the DCS at the bottom.
// A site has columns of hosts. Lines run between rows and beside columns, never through a host.
namespace pgcluster::graphs {

struct Box {
  int x = 0, y = 0, width = 0, height = 0;
  int right() const { return x + width; }
  int bottom() const { return y + height; }
};

struct Card {
  const Host* host = nullptr;
  int row = 0;
  int column = 0;
  Box box{};
};

struct PlacedSite {
  const Site* site = nullptr;
  int columns = 1;
  Box box{};
  std::vector<Card> cards{};
};

struct PlacedWay {
  const Way* way = nullptr;
  Box box{};
  int name_x = 0, goes_x = 0;  ///< where the second and the third column of its lines begin
};

/// A line from `x`, `from` down (or up) to `to`.
struct Vertical {
  int x = 0, from = 0, to = 0;
  bool arrow = false;  ///< ends in an arrow
};
struct Horizontal {
  int y = 0, from = 0, to = 0;
};
/// The lines of one kind of traffic, joined at dots.
struct Net {
  std::vector<Vertical> down{};
  std::vector<Horizontal> across{};
  std::vector<std::pair<int, int>> dots{};
};

/// A sample of a line, and what it stands for.
struct LegendItem {
  const char* line = "";  ///< CSS class
  std::string text;
  int x = 0, y = 0;  ///< where the sample begins
};

struct Layout {
  int width = 0, height = 0;
  int title_y = 0;
  Box clients{};
  std::vector<Vertical> clients_down{};
  std::vector<PlacedWay> ways{};
  std::vector<PlacedSite> sites{};
  Box dcs{};
  std::vector<std::string> dcs_lines{};
  int dcs_text_x = 0;
  std::map<Traffic, Net> nets{};
  Net membership{};
  std::vector<LegendItem> legend{};
};

Layout layout_of(const Scene& scene);

namespace metric {
inline constexpr int margin = 24;
inline constexpr int pad = 12;           ///< of a card
inline constexpr int services_top = 50;  ///< from a card's top to where its first service begins
inline constexpr int service_gap = 4;
inline constexpr int badge = 20;  ///< height
inline constexpr int line = 20;   ///< of a way
inline constexpr int tag = 16;
inline constexpr int legend_sample = 28;
}  // namespace metric

/// Whether the ports of the service are drawn below its name rather than beside it.
bool in_two_lines(const Service& service);
/// The height of the service's box.
int height_of(const Service& service);

}  // namespace pgcluster::graphs
