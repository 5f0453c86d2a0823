#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "topology/graph/scene.hpp"

// What the formats that other programs lay out (dot, mermaid) have in common: identifiers, labels of several lines, arrows.
namespace pgcluster::graphs {

struct Node {
  std::string id;     ///< letters, digits and '_'
  std::string label;  ///< lines
};
struct Arrow {
  std::string from, to, label;
  bool solid = false;
};

std::string replace_all(std::string text, std::string_view from, std::string_view to);
std::string host_id(std::string_view name);
std::string site_id(const Scene& scene, std::size_t index);
std::string host_label(const Host& host);
std::string dcs_label(const Scene& scene);
/// The nodes where clients enter: one for each line of each endpoint.
std::vector<Node> entries(const Scene& scene);
/// From entries to hosts, and from balancers of their own to the databases.
std::vector<Arrow> arrows(const Scene& scene);

}  // namespace pgcluster::graphs
