#include <pgcluster/component/component.hpp>

#include "component/planned.hpp"
#include "component/registry.hpp"

namespace pgcluster {

std::vector<const TopologyHost*> ClusterView::known() const {
  std::vector<const TopologyHost*> all;
  for (const std::vector<TopologyHost>* hosts : {&topology.hosts, &left})
    for (const TopologyHost& host : *hosts) all.push_back(&host);
  return all;
}

std::vector<const TopologyHost*> ClusterView::known(Role role) const {
  std::vector<const TopologyHost*> found = known();
  std::erase_if(found, [&](const TopologyHost* host) { return !host->has(role); });
  return found;
}

const Platform& ClusterView::platform(const std::string& host) const {
  static const Facts unknown;
  const auto known = facts.find(host);
  return platform_of(known == facts.end() ? unknown : known->second);
}

const Secret& ClusterView::secret(std::string_view name) const {
  for (const auto& [key, secret] : secrets)
    if (key == name) return secret;
  throw Error(Code::internal, "no component has declared a secret of the name " + std::string(name), "name it in Component::secrets");
}

std::shared_ptr<const ClusterView> shared(const ClusterView& view) {
  if (auto own = view.weak_from_this().lock()) return own;
  return std::make_shared<const ClusterView>(view);
}

StepRef NodeView::step(std::string_view of_component, std::string_view what) const { return {name(), std::string(of_component), std::string(what)}; }

NodeView NodeView::seen_by(const Component& asked) const { return {cluster, host, facts, asked.name()}; }

std::vector<ComponentPtr> builtin_components() {
  return {system_component(),      etcd_component(),    consul_component(), pgbackrest_component(), patroni_component(), pgbouncer_component(),
          vip_manager_component(), haproxy_component(), confd_component(),  keepalived_component(), cloud_component(),   firewall_component()};
}

Steps package(const NodeView& node, const std::string& name) {
  return packages(node.step(node.component.empty() ? name : node.component, "package:" + name), node.name(), {name});
}

Steps service(const NodeView& node, const std::string& unit) {
  const std::string name = unit.ends_with(".service") ? unit.substr(0, unit.size() - 8) : unit;
  return service(node.step(node.component.empty() ? name : node.component, "service:" + name), node.name(),
                 {.unit = unit.find('.') == std::string::npos ? unit + ".service" : unit});
}

StepRef opened() { return {"", "pgcluster", "opened"}; }
StepRef in_place(const std::string& host) { return {host, "pgcluster", "in-place"}; }
StepRef cleaned(const std::string& host) { return removal(host, "pgcluster", "tree:/var/lib/pgcluster"); }

StepRef removal(std::string host, std::string component, const std::string& resource) {
  return {std::move(host), std::move(component), "remove:" + resource};
}

}  // namespace pgcluster
