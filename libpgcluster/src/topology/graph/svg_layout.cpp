#include "topology/graph/svg_layout.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "topology/graph/svg_text.hpp"

namespace pgcluster::graphs {
namespace {

using namespace metric;

// The widest that all sites together may become: of hosts in one row, and in several, which are rather wide than many.
constexpr int kWidestRow = 1100;
constexpr int kWidestRows = 1300;
constexpr int kSitePad = 16;
constexpr int kSiteLabel = 30;
constexpr int kSiteGap = 20;
constexpr int kColumnGap = 26;
constexpr int kRowGap = 30;
constexpr int kBusStep = 12;
constexpr int kLeast = 176;  // width of a card
constexpr std::array kTraffic{Traffic::balanced, Traffic::writes, Traffic::reads};

int width_of(const Service& service) {
  const int name = text_width(service.name, style::plain), ports = text_width(ports_text(service.ports), style::number);
  return 16 + (in_two_lines(service) ? std::max(name, ports) : name + 16 + ports);
}

int width_of(const Host& host) {
  const int mark = host.first_leader ? text_width("preferred leader", style::badge) + 16 : text_width(host.role, style::note);
  int width = std::max(text_width(host.name, style::name) + 12 + mark, text_width(host.address, style::number));
  for (const Service& service : host.services) width = std::max(width, width_of(service));
  for (const std::string& tag : host.tags) width = std::max(width, text_width(tag, style::note));
  return std::max(width + 2 * pad, kLeast);
}

int height_of(const Host& host) {
  int height = services_top + static_cast<int>(host.tags.size()) * tag + (host.tags.empty() ? 8 : 12);
  for (const Service& service : host.services) height += height_of(service) + service_gap;
  return height;
}

PlacedWay way_of(const Way& way) {
  PlacedWay placed{.way = &way};
  int port = 0, name = 0, goes = 0;
  for (const Line& line : way.lines) {
    port = std::max(port, text_width(std::to_string(line.port), style::number));
    name = std::max(name, text_width(way.prefix.empty() ? line.kind : line.where, style::plain));
    goes = std::max(goes, text_width("→ " + line.goes, style::note));
  }
  placed.name_x = pad + 14 + port + 10;
  placed.goes_x = placed.name_x + name + 14;
  const int text = std::max(text_width(way.title, style::heading), text_width(way.note, style::note)) + pad;
  placed.box.width = std::max(placed.goes_x + goes, text) + pad;
  placed.box.height = 50 + static_cast<int>(way.lines.size()) * line;
  return placed;
}

class Maker {
 public:
  explicit Maker(const Scene& scene) : scene_(scene) {}

  Layout make() {
    for (const Way& way : scene_.ways) out_.ways.push_back(way_of(way));
    grid();
    traffic();
    widths();
    heights();
    nets();
    membership();
    legend();
    return std::move(out_);
  }

 private:
  // Which row and column of its site each host has: balancers of their own above the rest, and of the rest databases first.
  void grid() {
    for (const Site& site : scene_.sites) {
      PlacedSite placed{.site = &site};
      std::vector<const Host*> front, rest;
      for (const Host& host : site.hosts) (host.balancer_only ? front : rest).push_back(&host);
      std::stable_partition(rest.begin(), rest.end(), [](const Host* host) { return host->database; });
      for (const Host* host : front) placed.cards.push_back({.host = host, .row = 0});
      for (const Host* host : rest) placed.cards.push_back({.host = host, .row = 1});
      front_ |= !front.empty();
      placed.columns = static_cast<int>(std::max({std::size_t(1), front.size(), rest.size()}));
      out_.sites.push_back(std::move(placed));
    }
    // As few rows as fit, and as many in each site.
    std::size_t most = 1;
    for (const PlacedSite& site : out_.sites) most = std::max(most, site.cards.size());
    for (std::size_t rows = 1; place() > (rows == 1 ? kWidestRow : kWidestRows) && rows < most;) {
      ++rows;
      for (PlacedSite& site : out_.sites) site.columns = columns_for(site, rows);
    }
  }

  static int columns_for(const PlacedSite& site, std::size_t rows) {
    const auto front =
        static_cast<std::size_t>(std::count_if(site.cards.begin(), site.cards.end(), [](const Card& card) { return card.host->balancer_only; }));
    const std::size_t widest = std::max(front, site.cards.size() - front);
    return static_cast<int>(std::max(std::size_t(1), (widest + rows - 1) / rows));
  }

  // Sets the columns and rows from the number of columns of each site. Returns the width of all sites.
  int place() {
    int width = -kSiteGap;
    rows_ = 0;
    column_width_.assign(out_.sites.size(), {});
    for (std::size_t i = 0; i < out_.sites.size(); ++i) {
      PlacedSite& site = out_.sites[i];
      int front = 0, rest = 0;
      auto& columns = column_width_[i];
      columns.assign(static_cast<std::size_t>(site.columns), kLeast);
      // The label stands left of the lines that come from above.
      columns[0] = std::max(columns[0], text_width("datacenter " + site.site->name, style::heading) + 72);
      for (Card& card : site.cards) {
        int& next = card.host->balancer_only ? front : rest;
        card.column = next % site.columns;
        card.row = next / site.columns + (card.host->balancer_only || !front_ ? 0 : front_rows());
        ++next;
        int& column = columns[static_cast<std::size_t>(card.column)];
        column = std::max(column, width_of(*card.host));
        rows_ = std::max(rows_, card.row + 1);
      }
      width += site_width(i) + kSiteGap;
    }
    return width;
  }

  int front_rows() const {
    int rows = 0;
    for (const PlacedSite& site : out_.sites) {
      const auto front = std::count_if(site.cards.begin(), site.cards.end(), [](const Card& card) { return card.host->balancer_only; });
      rows = std::max(rows, static_cast<int>((front + site.columns - 1) / site.columns));
    }
    return rows;
  }

  int site_width(std::size_t index) const {
    int width = 2 * kSitePad + (out_.sites[index].columns - 1) * kColumnGap;
    for (const int column : column_width_[index]) width += column;
    return width;
  }

  template <class Each>
  void each_card(const Each& each) {
    for (PlacedSite& site : out_.sites)
      for (Card& card : site.cards) each(card);
  }

  // Who connects to whom. Writes are drawn to the preferred leader, reads to the others.
  void traffic() {
    const std::string leader = scene_.databases.empty() ? "" : scene_.databases.front();
    const auto replicas = [&](const std::vector<std::string>& names) {
      std::set<std::string> found(names.begin(), names.end());
      if (found.size() > 1) found.erase(leader);
      return found;
    };
    bool balanced = false;
    for (const Way& way : scene_.ways)
      for (const Line& line : way.lines) {
        if (line.traffic == Traffic::balanced) balanced = true, targets_[Traffic::balanced].insert(line.hosts.begin(), line.hosts.end());
        if (line.traffic == Traffic::writes) targets_[Traffic::writes].insert(leader);
        if (line.traffic == Traffic::reads) targets_[Traffic::reads].merge(replicas(line.hosts));
      }
    if (balanced && front_) {
      targets_[Traffic::writes].insert(leader);
      targets_[Traffic::reads].merge(replicas(scene_.readable));
    }
    for (const PlacedWay& way : out_.ways)
      for (const Line& line : way.way->lines) buses_[line.traffic].insert(0);
    each_card([&](const Card& card) {
      for (const Traffic kind : kTraffic)
        if (targets_[kind].contains(card.host->name)) buses_[kind].insert(card.row);
      if (card.host->balancer_only && balanced) buses_[Traffic::writes].insert(front_rows()), buses_[Traffic::reads].insert(front_rows());
    });
  }

  bool has_channel(Traffic kind) const {
    const auto found = buses_.find(kind);
    return found != buses_.end() && found->second.size() > 1;
  }

  void widths() {
    int ways = -kSiteGap, sites = -kSiteGap;
    for (const PlacedWay& way : out_.ways) ways += way.box.width + kSiteGap;
    for (std::size_t i = 0; i < out_.sites.size(); ++i) sites += site_width(i) + kSiteGap;
    int channel = 0;
    for (const Traffic kind : kTraffic)
      if (has_channel(kind)) channel += kBusStep;
    const int title = std::max(text_width(scene_.cluster, style::title), text_width(scene_.subtitle, style::note));
    const int content = std::max({ways, sites + channel, title, 480});
    out_.width = content + 2 * margin;
    int x = margin + (content - ways) / 2;
    for (PlacedWay& way : out_.ways) way.box.x = x, x = way.box.right() + kSiteGap;
    out_.clients = {out_.ways.empty() ? margin : out_.ways.front().box.x, 0, std::max(ways, 120), 30};
    x = margin + channel + (content - sites - channel) / 2;
    out_.dcs.x = x;
    for (std::size_t i = 0; i < out_.sites.size(); ++i) {
      PlacedSite& site = out_.sites[i];
      site.box.x = x;
      site.box.width = site_width(i);
      for (Card& card : site.cards) {
        card.box.x = x + kSitePad;
        for (int column = 0; column < card.column; ++column) card.box.x += column_width_[i][static_cast<std::size_t>(column)] + kColumnGap;
        card.box.width = column_width_[i][static_cast<std::size_t>(card.column)];
      }
      x = site.box.right() + kSiteGap;
    }
    out_.dcs.width = std::max(sites, 300);
  }

  int buses_of(int row) const {
    int count = 0;
    for (const auto& [kind, rows] : buses_) count += rows.contains(row) ? 1 : 0;
    return count;
  }

  void heights() {
    int y = margin;
    out_.title_y = y + 18;
    y += 56;
    out_.clients.y = y;
    y = out_.clients.bottom() + 26;
    int bottom = y;
    for (PlacedWay& way : out_.ways) way.box.y = y, bottom = std::max(bottom, way.box.bottom());
    y = bottom + 18;
    bus_top_.push_back(y);
    y += buses_of(0) * kBusStep + 8;
    const int top = y;
    y += kSiteLabel;
    for (int row = 0; row < rows_; ++row) {
      if (row > 0) bus_top_.push_back(y + 20), y += kRowGap + buses_of(row) * kBusStep;
      int tallest = 0;
      each_card([&](Card& card) {
        if (card.row != row) return;
        card.box.y = y;
        card.box.height = height_of(*card.host);
        tallest = std::max(tallest, card.box.height);
      });
      y += tallest;
    }
    y += kSitePad;
    for (PlacedSite& site : out_.sites) site.box.y = top, site.box.height = y - top;
    out_.dcs.y = y + 28;
    const int title = text_width(scene_.dcs_title, style::heading) + 2 * pad + 8;
    out_.dcs_text_x = out_.dcs.x + title;
    out_.dcs_lines = wrapped(scene_.dcs_text, style::plain, out_.dcs.width - title - pad);
    for (const std::string& line : out_.dcs_lines) out_.dcs.width = std::max(out_.dcs.width, title + pad + text_width(line, style::plain));
    out_.width = std::max(out_.width, out_.dcs.right() + margin);
    out_.dcs.height = 20 + 18 * static_cast<int>(out_.dcs_lines.size());
  }

  int bus_y(Traffic kind, int row) const {
    int y = bus_top_[static_cast<std::size_t>(row)];
    for (const Traffic before : kTraffic) {
      if (before == kind) break;
      const auto found = buses_.find(before);
      if (found != buses_.end() && found->second.contains(row)) y += kBusStep;
    }
    return y;
  }

  int channel_x(Traffic kind) const {
    int x = out_.sites.front().box.x - kBusStep;
    for (const Traffic before : kTraffic) {
      if (before == kind) break;
      if (has_channel(before)) x -= kBusStep;
    }
    return x;
  }

  static int drop_x(const Card& card, Traffic kind) {
    return card.box.right() - (kind == Traffic::balanced ? 60 : kind == Traffic::writes ? 42 : 24);
  }

  // Where a way's line of a kind begins; not above a line that comes down to a host, as the two would look like one.
  int source_x(const PlacedWay& way, Traffic kind) {
    std::set<Traffic> kinds;
    for (const Line& line : way.way->lines) kinds.insert(line.traffic);
    const int index = static_cast<int>(std::distance(kinds.begin(), kinds.find(kind)));
    int x = way.box.x + way.box.width / 2 + index * 28 - (static_cast<int>(kinds.size()) - 1) * 14;
    std::set<int> taken;
    each_card([&](const Card& card) {
      for (const Traffic other : kTraffic)
        if (targets_[other].contains(card.host->name)) taken.insert(drop_x(card, other));
    });
    while (std::any_of(taken.begin(), taken.end(), [&](int other) { return std::abs(other - x) < 7; })) ++x;
    return x;
  }

  void nets() {
    for (const PlacedWay& way : out_.ways) out_.clients_down.push_back({way.box.x + way.box.width / 2, out_.clients.bottom(), way.box.y, true});
    for (const Traffic kind : kTraffic) {
      const auto rows = buses_.find(kind);
      if (rows == buses_.end()) continue;
      Net& net = out_.nets[kind];
      for (const int row : rows->second) bus(net, kind, row);
      if (has_channel(kind)) net.down.push_back({channel_x(kind), bus_y(kind, *rows->second.begin()), bus_y(kind, *rows->second.rbegin())});
    }
  }

  void bus(Net& net, Traffic kind, int row) {
    const int y = bus_y(kind, row);
    std::vector<int> xs;
    if (row == 0)
      for (const PlacedWay& way : out_.ways) {
        const auto& lines = way.way->lines;
        if (std::none_of(lines.begin(), lines.end(), [&](const Line& line) { return line.traffic == kind; })) continue;
        xs.push_back(source_x(way, kind));
        net.down.push_back({xs.back(), way.box.bottom(), y});
      }
    each_card([&](const Card& card) {
      const bool leads_on = card.host->balancer_only && kind != Traffic::balanced && row == front_rows() && targets_.contains(Traffic::balanced);
      if (leads_on) xs.push_back(lead_on(net, card, kind, y));
      if (card.row == row && targets_[kind].contains(card.host->name)) {
        xs.push_back(drop_x(card, kind));
        net.down.push_back({xs.back(), y, card.box.y, true});
      }
    });
    if (has_channel(kind)) xs.push_back(channel_x(kind));
    if (xs.empty()) return;
    const auto [least, most] = std::minmax_element(xs.begin(), xs.end());
    net.across.push_back({y, *least, *most});
    for (const int x : std::set<int>(xs.begin(), xs.end()))
      if ((x != *least && x != *most) || (*least != *most && std::count(xs.begin(), xs.end(), x) > 1)) net.dots.emplace_back(x, y);
  }

  // From a balancer down to the bus at `y`: straight, or beside its column where another balancer stands below. Where it meets the bus.
  int lead_on(Net& net, const Card& card, Traffic kind, int y) {
    const int x = drop_x(card, kind);
    if (card.row + 1 == front_rows()) {
      net.down.push_back({x, card.box.bottom(), y});
      return x;
    }
    const int beside = card.box.right() + (kind == Traffic::writes ? 5 : 11), jog = row_bottom(card.row) + (kind == Traffic::writes ? 5 : 15);
    net.down.push_back({x, card.box.bottom(), jog});
    net.across.push_back({jog, x, beside});
    net.down.push_back({beside, jog, y});
    return beside;
  }

  // From each member down to the DCS: straight, or beside its column where a host stands below.
  void membership() {
    for (PlacedSite& site : out_.sites)
      for (const Card& card : site.cards) {
        if (!card.host->member) continue;
        const bool free = std::none_of(site.cards.begin(), site.cards.end(),
                                       [&](const Card& other) { return other.column == card.column && other.row > card.row; });
        const int x = card.box.x + 22;
        if (free) {
          out_.membership.down.push_back({x, card.box.bottom(), out_.dcs.y});
          continue;
        }
        const int beside = card.box.x - 9, y = row_bottom(card.row) + 10;
        out_.membership.down.push_back({x, card.box.bottom(), y});
        out_.membership.across.push_back({y, beside, x});
        out_.membership.down.push_back({beside, y, out_.dcs.y});
      }
  }

  int row_bottom(int row) {
    int bottom = 0;
    each_card([&](const Card& card) {
      if (card.row == row) bottom = std::max(bottom, card.box.bottom());
    });
    return bottom;
  }

  void legend() {
    const std::string leader = scene_.databases.empty() ? "" : scene_.databases.front();
    if (out_.nets.contains(Traffic::balanced)) add_legend("balanced", "to a balancer, which leads on by port");
    if (out_.nets.contains(Traffic::writes)) add_legend("writes", "writes: to the leader, at first " + leader);
    if (out_.nets.contains(Traffic::reads)) add_legend("reads", "reads: to replicas");
    if (!scene_.dcs_members.empty()) add_legend("member", "member of " + scene_.dcs_title);
    int x = margin, y = out_.dcs.bottom() + 30;
    for (LegendItem& item : out_.legend) {
      const int width = legend_sample + 8 + text_width(item.text, style::note);
      if (x > margin && x + width > out_.width - margin) x = margin, y += 20;
      item.x = x;
      item.y = y;
      x += width + 24;
      out_.width = std::max(out_.width, item.x + width + margin);
    }
    out_.height = y + margin - 4;
  }

  void add_legend(const char* line, std::string text) { out_.legend.push_back({line, std::move(text)}); }

  const Scene& scene_;
  Layout out_;
  bool front_ = false;
  int rows_ = 0;
  std::vector<std::vector<int>> column_width_;
  std::map<Traffic, std::set<std::string>> targets_;
  std::map<Traffic, std::set<int>> buses_;  // rows above which a bus of the kind lies; 0: below the ways
  std::vector<int> bus_top_;
};

}  // namespace

bool in_two_lines(const Service& service) {
  return 32 + text_width(service.name, style::plain) + text_width(ports_text(service.ports), style::number) > 200;
}

int height_of(const Service& service) { return in_two_lines(service) ? 40 : 24; }

Layout layout_of(const Scene& scene) { return Maker(scene).make(); }

}  // namespace pgcluster::graphs
