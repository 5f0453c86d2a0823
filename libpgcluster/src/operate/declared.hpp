#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>

// What the components of a cluster declare: their needs, looped over by check, status, secrets and the clash of ports.
namespace pgcluster {

/// The built-in components, then the user's own.
std::vector<ComponentPtr> with_builtin(const std::vector<ComponentPtr>& own);

/// A view of the cluster before any host was asked: no facts, no secrets.
std::shared_ptr<const ClusterView> outline(const Spec& spec, const Topology& topology);
/// One host of a view; its facts are empty where the view has none.
NodeView node_of(const ClusterView& view, const TopologyHost& host);

/// What one component needs on one host.
struct Declaration {
  ComponentPtr component;
  Needs needs;
};
/// Of all components that are on the host or need something there, in their order.
std::vector<Declaration> declarations(const NodeView& node, const std::vector<ComponentPtr>& components);

/// All secrets of the cluster, by name.
std::map<std::string, SecretNeed> secret_needs(const ClusterView& view, const std::vector<ComponentPtr>& components);

/// Errors for two components, or two ports of one, that would listen on the same port of a host.
std::vector<Diagnostic> port_clashes(const ClusterView& view, const std::vector<ComponentPtr>& components);

}  // namespace pgcluster
