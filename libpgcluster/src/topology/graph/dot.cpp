#include "topology/graph/labels.hpp"
#include "topology/graph/scene.hpp"

namespace pgcluster::graphs {
namespace {

std::string dot_text(const std::string& text) {
  return '"' + replace_all(replace_all(replace_all(text, "\\", "\\\\"), "\"", "\\\""), "\n", "\\n") + '"';
}

}  // namespace

std::string dot(const Scene& scene) {
  std::string out = "digraph " + dot_text(scene.cluster) + " {\n";
  out += "  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n";
  for (const Node& entry : entries(scene)) out += "  " + entry.id + " [label=" + dot_text(entry.label) + ", shape=oval, style=bold];\n";
  for (std::size_t i = 0; i < scene.sites.size(); ++i) {
    out += "  subgraph cluster_" + site_id(scene, i) + " {\n    label=" + dot_text(scene.sites[i].name) + ";\n";
    for (const Host& host : scene.sites[i].hosts) out += "    " + host_id(host.name) + " [label=" + dot_text(host_label(host)) + "];\n";
    out += "  }\n";
  }
  out += "  dcs [label=" + dot_text(dcs_label(scene)) + ", shape=cylinder, style=solid];\n";
  for (const Arrow& arrow : arrows(scene))
    out += "  " + arrow.from + " -> " + arrow.to + " [label=" + dot_text(arrow.label) + (arrow.solid ? "" : ", style=dashed") + "];\n";
  for (const std::string& member : scene.dcs_members) out += "  " + host_id(member) + " -> dcs [dir=none, style=dotted, label=\"member\"];\n";
  return out + "}\n";
}

}  // namespace pgcluster::graphs
