#pragma once

#include <string>
#include <string_view>
#include <vector>

// YAML as a plain tree whose nodes know their line and column. Only yaml.cpp includes yaml-cpp.
namespace pgcluster::yaml {

struct Node {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  std::string text{};     ///< of a scalar
  std::string tag{};      ///< "!env"; empty: none, or one that says nothing new (!!str)
  bool plain = true;      ///< a scalar without quotes
  bool verbatim = false;  ///< print() writes text as it is
  int line = 0;           ///< from 1; 0: made in code
  int column = 0;
  int depth = 1;
  std::vector<Node> keys{};   ///< of a map: scalars, as many as items
  std::vector<Node> items{};  ///< of a list or a map
};

/// What keeps a text from being YAML.
struct Broken {
  int line = 0;
  int column = 0;
  std::string message;
  std::string hint;
};

/// One document, aliases and merge keys followed; duplicate keys are all there. Throws Broken.
Node parse(const std::string& text);

Node scalar(std::string text, bool plain);
/// Adds an entry to a map.
void add(Node& map, std::string key, Node value);

/// The map as text in block style, with a newline at the end.
std::string print(const Node& map);
/// The node as text in flow style. This is JSON if no node has a tag; tags are kept.
std::string flow(const Node& node);
/// Whether some YAML reader takes a plain scalar for something else than a string: a number, a boolean of YAML 1.1, null, a time.
bool ambiguous(std::string_view text);

}  // namespace pgcluster::yaml
