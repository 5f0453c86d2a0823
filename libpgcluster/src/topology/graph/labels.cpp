#include "topology/graph/labels.hpp"

namespace pgcluster::graphs {
namespace {

std::string id_of(std::string prefix, std::string_view name) {
  for (const char c : name) prefix += (c == '-' || c == '.') ? '_' : c;
  return prefix;
}

std::string entry_id(const Way& way, const Line& line) { return id_of(way.prefix, line.kind); }

}  // namespace

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

std::string host_id(std::string_view name) { return id_of("host_", name); }

// Two datacenters whose names differ only in '-' and '.' must not become one.
std::string site_id(const Scene& scene, std::size_t index) { return id_of("dc_", scene.sites[index].name) + '_' + std::to_string(index); }

std::string host_label(const Host& host) {
  std::string label = host.name + "  " + host.address;
  if (host.first_leader) label += "\npreferred leader";
  for (const Service& service : host.services) label += '\n' + service.name + (service.ports.empty() ? "" : "  " + ports_text(service.ports));
  for (const std::string& tag : host.tags) label += '\n' + tag;
  return label;
}

std::string dcs_label(const Scene& scene) { return scene.dcs_title + '\n' + scene.dcs_text; }

std::vector<Node> entries(const Scene& scene) {
  std::vector<Node> nodes;
  for (const Way& way : scene.ways)
    for (const Line& line : way.lines) nodes.push_back({entry_id(way, line), line.kind + '\n' + line.where + " port " + std::to_string(line.port)});
  return nodes;
}

std::vector<Arrow> arrows(const Scene& scene) {
  std::vector<Arrow> found;
  for (const Way& way : scene.ways)
    for (const Line& line : way.lines)
      for (const std::string& host : line.hosts)
        found.push_back({entry_id(way, line), host_id(host), line.condition, line.traffic == Traffic::writes});
  for (const Site& site : scene.sites)
    for (const Host& host : site.hosts)
      for (const std::string& database : scene.databases)
        if (host.balancer_only) found.push_back({host_id(host.name), host_id(database), "by role"});
  return found;
}

}  // namespace pgcluster::graphs
