#include "base/strings.hpp"
#include "topology/graph/scene.hpp"
#include "topology/graph/svg_layout.hpp"
#include "topology/graph/svg_text.hpp"

namespace pgcluster::graphs {
namespace {

struct Color {
  const char* selector;
  const char* property;
  const char* light;
  const char* dark;
};
// The page has a ground of its own, so that the picture reads on any other.
constexpr Color kColors[] = {
    {".page", "fill", "#ffffff", "#0d1117"},         {".page", "stroke", "#d0d7de", "#30363d"},     {"text", "fill", "#1f2328", "#e6edf3"},
    {".note", "fill", "#57606a", "#9da7b3"},         {".clients", "fill", "#24292f", "#c9d1d9"},    {".clients-text", "fill", "#ffffff", "#0d1117"},
    {".way", "fill", "#f6f8fa", "#161b22"},          {".way", "stroke", "#8c959f", "#6e7681"},      {".site", "fill", "#f6f8fa", "#161b22"},
    {".site", "stroke", "#afb8c1", "#484f58"},       {".host", "fill", "#ffffff", "#0d1117"},       {".host", "stroke", "#8c959f", "#6e7681"},
    {".leader", "stroke", "#bc4c00", "#f0883e"},     {".badge-box", "fill", "#bc4c00", "#f0883e"},  {".badge", "fill", "#ffffff", "#0d1117"},
    {".front", "fill", "#d8f0e3", "#143a29"},        {".data", "fill", "#ddf0ff", "#0f2f4d"},       {".dcs", "fill", "#ece3fb", "#2f2350"},
    {".store", "stroke", "#8250df", "#a371f7"},      {".writes", "stroke", "#bc4c00", "#f0883e"},   {".reads", "stroke", "#0969da", "#58a6ff"},
    {".balanced", "stroke", "#1a7f37", "#3fb950"},   {".member", "stroke", "#8250df", "#a371f7"},   {".connect", "stroke", "#57606a", "#9da7b3"},
    {".writes-head", "fill", "#bc4c00", "#f0883e"},  {".reads-head", "fill", "#0969da", "#58a6ff"}, {".balanced-head", "fill", "#1a7f37", "#3fb950"},
    {".connect-head", "fill", "#57606a", "#9da7b3"},
};

std::string css_of(const TextStyle& style) {
  return std::string(".pgcluster .") + style.name + "{font-size:" + std::to_string(style.size) + "px" + (style.bold ? ";font-weight:600" : "") +
         (style.mono ? ";font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace" : "") + "}\n";
}

std::string style_sheet() {
  std::string css = ".pgcluster text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\n";
  for (const TextStyle& one : {style::title, style::heading, style::name, style::plain, style::note, style::number, style::badge}) css += css_of(one);
  css +=
      ".pgcluster .line{fill:none;stroke-width:2;stroke-linecap:round}\n.pgcluster .reads{stroke-dasharray:7 4}\n"
      ".pgcluster .member{stroke-dasharray:1 5}\n.pgcluster .leader{stroke-width:2}\n";
  std::string dark;
  for (const Color& color : kColors) {
    css += std::string(".pgcluster ") + color.selector + '{' + color.property + ':' + color.light + "}\n";
    dark += std::string(".pgcluster ") + color.selector + '{' + color.property + ':' + color.dark + "}\n";
  }
  return css + "@media (prefers-color-scheme:dark){\n" + dark + "}\n";
}

const char* class_of(Traffic traffic) { return traffic == Traffic::writes ? "writes" : traffic == Traffic::reads ? "reads" : "balanced"; }
const char* class_of(Service::Kind kind) { return kind == Service::Kind::front ? "front" : kind == Service::Kind::data ? "data" : "dcs"; }

class Drawing {
 public:
  void open(const std::string& classes, const std::string& title = "") {
    line("<g class=\"" + classes + "\">");
    ++depth_;
    if (!title.empty()) line("<title>" + strings::markup(title) + "</title>");
  }
  void close() {
    --depth_;
    line("</g>");
  }
  void box(const std::string& classes, const Box& box, int radius) {
    line("<rect class=\"" + classes + "\" x=\"" + std::to_string(box.x) + "\" y=\"" + std::to_string(box.y) + "\" width=\"" +
         std::to_string(box.width) + "\" height=\"" + std::to_string(box.height) + "\" rx=\"" + std::to_string(radius) + "\"/>");
  }
  enum class Anchor { start, middle, end };
  void text(const TextStyle& style, int x, int y, const std::string& words, Anchor anchor = Anchor::start, const std::string& classes = "") {
    const char* at = anchor == Anchor::start ? "" : anchor == Anchor::middle ? " text-anchor=\"middle\"" : " text-anchor=\"end\"";
    line(std::string("<text class=\"") + style.name + (classes.empty() ? "" : " " + classes) + "\" x=\"" + std::to_string(x) + "\" y=\"" +
         std::to_string(y) + '"' + at + '>' + strings::markup(words) + "</text>");
  }
  void path(const std::string& classes, const std::string& d) { line("<path class=\"" + classes + "\" d=\"" + d + "\"/>"); }
  void dot(const std::string& classes, int x, int y, int radius) {
    line("<circle class=\"" + classes + "\" cx=\"" + std::to_string(x) + "\" cy=\"" + std::to_string(y) + "\" r=\"" + std::to_string(radius) +
         "\"/>");
  }
  void line(const std::string& text) { out_ += std::string(static_cast<std::size_t>(depth_) * 2, ' ') + text + '\n'; }
  void raw(const std::string& text) { out_ += text; }
  std::string take() { return std::move(out_); }
  void in() { ++depth_; }
  void out() { --depth_; }

 private:
  std::string out_;
  int depth_ = 0;
};

std::string point(int x, int y) { return std::to_string(x) + ' ' + std::to_string(y); }

void draw(Drawing& to, const char* kind, const Vertical& line) {
  const int end = line.arrow ? line.to - 7 : line.to;
  to.path(std::string("line ") + kind, "M" + point(line.x, line.from) + "V" + std::to_string(end));
  if (line.arrow)
    to.path(std::string(kind) + "-head",
            "M" + point(line.x - 5, line.to - 9) + "L" + point(line.x + 5, line.to - 9) + "L" + point(line.x, line.to) + "Z");
}

void draw(Drawing& to, const char* kind, const Net& net) {
  to.open(std::string("net net-") + kind);
  for (const Horizontal& line : net.across)
    if (line.from != line.to) to.path(std::string("line ") + kind, "M" + point(line.from, line.y) + "H" + std::to_string(line.to));
  for (const Vertical& line : net.down) draw(to, kind, line);
  for (const auto& [x, y] : net.dots) to.dot(std::string(kind) + "-head", x, y, 3);
  to.close();
}

void draw(Drawing& to, const PlacedWay& placed) {
  const Way& way = *placed.way;
  const Box& box = placed.box;
  to.open("group");
  to.box("way", box, 8);
  to.text(style::heading, box.x + metric::pad, box.y + 21, way.title);
  to.text(style::note, box.x + metric::pad, box.y + 38, way.note);
  int y = box.y + 58;
  for (const Line& line : way.lines) {
    to.dot(line.kind == "read-write" ? "writes-head" : "reads-head", box.x + metric::pad + 4, y - 4, 4);
    to.text(style::number, box.x + metric::pad + 14, y, std::to_string(line.port));
    to.text(style::plain, box.x + placed.name_x, y, way.prefix.empty() ? line.kind : line.where);
    to.text(style::note, box.x + placed.goes_x, y, "→ " + line.goes);
    y += metric::line;
  }
  to.close();
}

std::string words_of(const Host& host) {
  std::string words = host.name + ", " + host.address + ", " + host.role + (host.first_leader ? ", preferred leader" : "");
  for (const Service& service : host.services) words += ", " + service.name + (service.ports.empty() ? "" : " " + ports_text(service.ports));
  return words;
}

void draw(Drawing& to, const Card& card) {
  const Host& host = *card.host;
  const Box& box = card.box;
  const int left = box.x + metric::pad, right = box.right() - metric::pad;
  to.open("group", words_of(host));
  to.box(host.first_leader ? "host leader" : "host", box, 8);
  to.text(style::name, left, box.y + 23, host.name);
  if (host.first_leader) {
    const int width = text_width("preferred leader", style::badge) + 16;
    const Box badge{right - width, box.y + 8, width, metric::badge};
    to.open("group");
    to.box("badge-box", badge, 10);
    to.text(style::badge, badge.x + width / 2, badge.y + 14, "preferred leader", Drawing::Anchor::middle);
    to.close();
  } else {
    to.text(style::note, right, box.y + 23, host.role, Drawing::Anchor::end);
  }
  to.text(style::number, left, box.y + 41, host.address);
  int y = box.y + metric::services_top;
  for (const Service& service : host.services) {
    const Box row{left, y, box.width - 2 * metric::pad, height_of(service)};
    to.open("group");
    to.box(class_of(service.kind), row, 5);
    to.text(style::plain, row.x + 8, row.y + 16, service.name);
    const std::string ports = ports_text(service.ports);
    if (in_two_lines(service))
      to.text(style::number, row.x + 8, row.y + 32, ports);
    else if (!ports.empty())
      to.text(style::number, row.right() - 8, row.y + 16, ports, Drawing::Anchor::end);
    to.close();
    y += row.height + metric::service_gap;
  }
  for (const std::string& tag : host.tags) to.text(style::note, left, (y += metric::tag) - 3, tag);
  to.close();
}

std::string description(const Scene& scene) {
  std::string text = scene.subtitle + ".";
  for (const Way& way : scene.ways) {
    text += ' ' + way.title + " (" + way.note + "):";
    for (const Line& line : way.lines)
      text += (&line == &way.lines.front() ? " " : ", ") + ("port " + std::to_string(line.port)) + ' ' +
              (way.prefix.empty() ? line.kind : line.where) + " to " + line.goes;
    text += '.';
  }
  for (const Site& site : scene.sites) {
    text += " Datacenter " + site.name + ":";
    for (const Host& host : site.hosts) text += (&host == &site.hosts.front() ? " " : "; ") + words_of(host);
    text += '.';
  }
  return text + ' ' + scene.dcs_title + " on " + scene.dcs_text + '.';
}

}  // namespace

std::string svg(const Scene& scene) {
  const Layout layout = layout_of(scene);
  const std::string width = std::to_string(layout.width), height = std::to_string(layout.height);
  Drawing to;
  to.line("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pgcluster\" role=\"img\" width=\"" + width + "\" height=\"" + height +
          "\" viewBox=\"0 0 " + width + ' ' + height + "\">");
  to.in();
  to.line("<title>Cluster " + strings::markup(scene.cluster) + "</title>");
  to.line("<desc>" + strings::markup(description(scene)) + "</desc>");
  to.raw("<style>\n" + style_sheet() + "</style>\n");
  to.box("page", {1, 1, layout.width - 2, layout.height - 2}, 12);
  to.text(style::title, metric::margin, layout.title_y, scene.cluster);
  to.text(style::note, metric::margin, layout.title_y + 20, scene.subtitle);
  if (!layout.ways.empty()) {
    to.open("group");
    to.box("clients", layout.clients, 8);
    to.text(style::heading, layout.clients.x + layout.clients.width / 2, layout.clients.y + 20, "Clients", Drawing::Anchor::middle, "clients-text");
    to.close();
    for (const Vertical& line : layout.clients_down) draw(to, "connect", line);
  }
  for (const PlacedWay& way : layout.ways) draw(to, way);
  // The sites' grounds, then lines, then hosts: a line that crosses a site lies on its ground.
  for (const PlacedSite& site : layout.sites) {
    to.open("group");
    to.box("site", site.box, 10);
    to.text(style::heading, site.box.x + 16, site.box.y + 20, "datacenter " + site.site->name);
    to.close();
  }
  for (const auto& [kind, net] : layout.nets) draw(to, class_of(kind), net);
  draw(to, "member", layout.membership);
  for (const PlacedSite& site : layout.sites)
    for (const Card& card : site.cards) draw(to, card);
  to.open("group");
  to.box("dcs store", layout.dcs, 8);
  to.text(style::heading, layout.dcs.x + metric::pad, layout.dcs.y + 23, scene.dcs_title);
  for (std::size_t i = 0; i < layout.dcs_lines.size(); ++i)
    to.text(style::plain, layout.dcs_text_x, layout.dcs.y + 23 + static_cast<int>(i) * 18, layout.dcs_lines[i]);
  to.close();
  for (const LegendItem& item : layout.legend) {
    to.path(std::string("line ") + item.line, "M" + point(item.x, item.y - 4) + "H" + std::to_string(item.x + metric::legend_sample));
    to.text(style::note, item.x + metric::legend_sample + 8, item.y, item.text);
  }
  to.out();
  to.line("</svg>");
  return to.take();
}

}  // namespace pgcluster::graphs
