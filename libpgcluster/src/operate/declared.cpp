#include "operate/declared.hpp"

#include <set>

namespace pgcluster {

std::vector<ComponentPtr> with_builtin(const std::vector<ComponentPtr>& own) {
  std::vector<ComponentPtr> all = builtin_components();
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

std::shared_ptr<const ClusterView> outline(const Spec& spec, const Topology& topology) {
  auto view = std::make_shared<ClusterView>();
  view->spec = spec;
  view->topology = topology;
  return view;
}

NodeView node_of(const ClusterView& view, const TopologyHost& host) {
  static const Facts unknown;
  const auto facts = view.facts.find(host.name);
  return {.cluster = view, .host = host, .facts = facts == view.facts.end() ? unknown : facts->second};
}

std::vector<Declaration> declarations(const NodeView& node, const std::vector<ComponentPtr>& components) {
  std::vector<Declaration> all;
  for (const ComponentPtr& component : components) all.push_back({component, component->needs(node.seen_by(*component))});
  return all;
}

std::map<std::string, SecretNeed> secret_needs(const ClusterView& view, const std::vector<ComponentPtr>& components) {
  std::map<std::string, SecretNeed> all;
  for (const TopologyHost& host : view.topology.hosts)
    for (Declaration& one : declarations(node_of(view, host), components))
      for (SecretNeed& secret : one.needs.secrets) all.emplace(secret.name, std::move(secret));
  return all;
}

std::vector<Diagnostic> port_clashes(const ClusterView& view, const std::vector<ComponentPtr>& components) {
  std::vector<Diagnostic> clashes;
  std::set<std::pair<std::string, std::string>> said;  // once for all hosts
  for (const TopologyHost& host : view.topology.hosts) {
    std::map<int, std::string> taken;
    for (const Declaration& one : declarations(node_of(view, host), components))
      for (const PortNeed& port : one.needs.ports) {
        const auto [first, fresh] = taken.emplace(port.number, port.purpose);
        if (fresh || !said.emplace(first->second, port.purpose).second) continue;
        clashes.push_back(
            {.message = "port " + std::to_string(port.number) + " is wanted by both " + first->second + " and " + port.purpose + " on " + host.name,
             .hint = "give one of them another port",
             .path = "hosts." + host.name});
      }
  }
  return clashes;
}

}  // namespace pgcluster
