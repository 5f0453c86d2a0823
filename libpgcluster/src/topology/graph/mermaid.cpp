#include "topology/graph/labels.hpp"
#include "topology/graph/scene.hpp"

namespace pgcluster::graphs {
namespace {

std::string quoted(const std::string& text) { return '"' + replace_all(replace_all(text, "\"", "#quot;"), "\n", "<br/>") + '"'; }

}  // namespace

std::string mermaid(const Scene& scene) {
  std::string out = "flowchart LR\n";
  for (const Node& entry : entries(scene)) out += "  " + entry.id + "([" + quoted(entry.label) + "])\n";
  for (std::size_t i = 0; i < scene.sites.size(); ++i) {
    out += "  subgraph " + site_id(scene, i) + " [" + quoted(scene.sites[i].name) + "]\n";
    for (const Host& host : scene.sites[i].hosts) out += "    " + host_id(host.name) + "[" + quoted(host_label(host)) + "]\n";
    out += "  end\n";
  }
  out += "  dcs[(" + quoted(dcs_label(scene)) + ")]\n";
  for (const Arrow& arrow : arrows(scene))
    out += "  " + arrow.from + (arrow.solid ? " -->" : " -.->") + (arrow.label.empty() ? "" : "|" + arrow.label + "|") + " " + arrow.to + "\n";
  for (const std::string& member : scene.dcs_members) out += "  " + host_id(member) + " --- dcs\n";
  return out;
}

}  // namespace pgcluster::graphs
