#include "topology/graph/labels.hpp"
#include "topology/graph/scene.hpp"

namespace pgcluster::graphs {
namespace {

std::string mermaid_text(const std::string& text) { return '"' + replace_all(replace_all(text, "\"", "#quot;"), "\n", "<br/>") + '"'; }

}  // namespace

std::string mermaid(const Scene& scene) {
  std::string out = "flowchart LR\n";
  for (const Node& entry : entries(scene)) out += "  " + entry.id + "([" + mermaid_text(entry.label) + "])\n";
  for (std::size_t i = 0; i < scene.sites.size(); ++i) {
    out += "  subgraph " + site_id(scene, i) + " [" + mermaid_text(scene.sites[i].name) + "]\n";
    for (const Host& host : scene.sites[i].hosts) out += "    " + host_id(host.name) + "[" + mermaid_text(host_label(host)) + "]\n";
    out += "  end\n";
  }
  out += "  dcs[(" + mermaid_text(dcs_label(scene)) + ")]\n";
  for (const Arrow& arrow : arrows(scene))
    out += "  " + arrow.from + (arrow.solid ? " -->" : " -.->") + (arrow.label.empty() ? "" : "|" + arrow.label + "|") + " " + arrow.to + "\n";
  for (const std::string& member : scene.dcs_members) out += "  " + host_id(member) + " --- dcs\n";
  return out;
}

}  // namespace pgcluster::graphs
