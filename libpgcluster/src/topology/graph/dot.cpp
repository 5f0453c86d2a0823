#include "topology/graph/labels.hpp"
#include "topology/graph/scene.hpp"

namespace pgcluster::graphs {
namespace {

std::string quoted(const std::string& text) {
  return '"' + replace_all(replace_all(replace_all(text, "\\", "\\\\"), "\"", "\\\""), "\n", "\\n") + '"';
}

}  // namespace

std::string dot(const Scene& scene) {
  std::string out = "digraph " + quoted(scene.cluster) + " {\n";
  out += "  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n";
  for (const Node& entry : entries(scene)) out += "  " + entry.id + " [label=" + quoted(entry.label) + ", shape=oval, style=bold];\n";
  for (std::size_t i = 0; i < scene.sites.size(); ++i) {
    out += "  subgraph cluster_" + site_id(scene, i) + " {\n    label=" + quoted(scene.sites[i].name) + ";\n";
    for (const Host& host : scene.sites[i].hosts) out += "    " + host_id(host.name) + " [label=" + quoted(host_label(host)) + "];\n";
    out += "  }\n";
  }
  out += "  dcs [label=" + quoted(dcs_label(scene)) + ", shape=cylinder, style=solid];\n";
  for (const Arrow& arrow : arrows(scene))
    out += "  " + arrow.from + " -> " + arrow.to + " [label=" + quoted(arrow.label) + (arrow.solid ? "" : ", style=dashed") + "];\n";
  for (const std::string& member : scene.dcs_members) out += "  " + host_id(member) + " -> dcs [dir=none, style=dotted, label=\"member\"];\n";
  return out + "}\n";
}

}  // namespace pgcluster::graphs
