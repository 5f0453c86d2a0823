#include "topology/graph/scene.hpp"

namespace pgcluster {

std::string graph(const Topology& topology, const Spec& spec, const std::string& format) {
  if (format == "dot") return graphs::dot(graphs::scene_of(topology, spec));
  if (format == "mermaid") return graphs::mermaid(graphs::scene_of(topology, spec));
  if (format == "svg") return graphs::svg(graphs::scene_of(topology, spec));
  throw Error(Code::refused, "unknown format of a graph: " + format, "use dot, mermaid or svg");
}

}  // namespace pgcluster
