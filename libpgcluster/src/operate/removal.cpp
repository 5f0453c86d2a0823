// What goes from a host: what nobody describes any more, or all that is ours.
#include <algorithm>

#include "component/planned.hpp"
#include "operate/view.hpp"

namespace pgcluster {

namespace {

// The kind of a resource that can be removed: "unit" of "unit:etcd.service"; empty for others.
std::string removable(const std::string& resource) {
  const std::string kind = resource.substr(0, resource.find(':'));
  return kind == "unit" || kind == "package" || kind == "file" || kind == "block" || kind == "tree" ? kind : std::string();
}

Leaving leaving(const NodeView& node, const std::vector<ComponentPtr>& components, const std::string& name) {
  for (const ComponentPtr& component : components)
    if (component->name() == name) return component->leaving(node.cluster);
  return {};
}

StepPtr changed(const StepPtr& removed, const std::function<void(Change&)>& change_it) {
  auto decide = [removed, change_it](const Answers& answers) -> Decision {
    Decision decision = removed->decide(answers);
    if (auto* change = std::get_if<Change>(&decision)) change_it(*change);
    return decision;
  };
  return make_step(removed->name(), {.asks = removed->asks(), .decide = decide, .settle = removed->settle(), .keeps = removed->keeps()});
}

bool loses_server(const NodeView& node, const Leaving& leaves) {
  return std::find(leaves.servers.begin(), leaves.servers.end(), node.name()) != leaves.servers.end();
}

// What the component keeps for good, where it owns something: else it is somebody else's, or has not been stopped.
std::vector<Steps> data_removals(const NodeView& node, const Component& component, const std::string& reason = {}) {
  std::vector<Steps> data;
  const auto& owned = node.facts.owned;
  if (std::none_of(owned.begin(), owned.end(), [&](const Owned& one) { return component_of(one.step) == component.name(); })) return data;
  for (const std::string& tree : component.data(node.seen_by(component)))
    data.push_back(changed(absent(removal(node.name(), component.name(), "tree:" + tree), node.name(), "tree:" + tree), [reason](Change& change) {
      if (!reason.empty()) change.reason = reason;
    }));
  return data;
}

// A removal that interrupts nobody.
StepPtr silent(const StepPtr& removed) {
  return changed(removed, [](Change& change) { change.impact = Impact::none; });
}

// A removal after which a unit of somebody else no longer has what it has read.
StepPtr read_again(const StepPtr& removed, const std::string& host, const std::string& unit) {
  const Ask state{host, UnitOf{unit}};
  std::vector<Ask> asks = removed->asks();
  asks.push_back(state);
  auto decide = [=](const Answers& answers) -> Decision {
    Decision decision = removed->decide(answers);
    const auto* reader = answers.get<Unit>(state);
    if (auto* change = std::get_if<Change>(&decision); change && reader && reader->active == "active")
      change->todo.push_back({.at = host, .what = SetUnit{unit, SetUnit::Go::restart}});
    return decision;
  };
  return make_step(removed->name(), {.asks = std::move(asks), .decide = decide, .settle = removed->settle(), .keeps = removed->keeps()});
}

StepPtr removal_step(const NodeView& node, const std::vector<ComponentPtr>& components, const Owned& one, Impact package_impact = Impact::none) {
  const std::string component = component_of(one.step);
  const Leaving leaves = leaving(node, components, component);
  StepPtr removed =
      absent(removal(node.name(), component.empty() ? "pgcluster" : component, one.resource), node.name(), one.resource, package_impact);
  for (const auto& [file, unit] : leaves.readers)
    if (one.resource == "file:" + file) removed = read_again(removed, node.name(), unit);
  const bool unnoticed =
      std::any_of(leaves.unnoticed.begin(), leaves.unnoticed.end(), [&](const std::string& unit) { return one.resource == "unit:" + unit; });
  return leaves.serves && !unnoticed ? removed : silent(removed);
}

}  // namespace

Steps removals(const NodeView& node, const std::vector<ComponentPtr>& components, const std::vector<Owned>& owned,
               const std::set<std::string>& kept) {
  std::vector<Steps> units, packages, files;
  for (const Owned& one : owned) {
    const std::string kind = removable(one.resource);
    if (kind.empty() || kept.contains(one.resource)) continue;
    (kind == "unit" ? units : kind == "package" ? packages : files).push_back(removal_step(node, components, one));
  }
  return sequence(parallel(units), parallel(packages), parallel(files));
}

Steps with_removals(const NodeView& node, const std::vector<ComponentPtr>& components, Steps wanted) {
  std::set<std::string> kept, planned;
  for (const Steps::Node& one : wanted.nodes()) {
    planned.insert(component_of(one.step->name()));
    for (const std::string& resource : one.step->keeps()) kept.insert(resource);
  }
  std::map<std::string, const Component*> losing;
  for (const ComponentPtr& one : components)
    if (loses_server(node, one->leaving(node.cluster))) losing.emplace(one->name(), one.get());
  std::vector<Owned> before;
  std::map<std::string, std::vector<Owned>> awaited;  // by component
  std::vector<Steps> after_wanted;
  for (const Owned& one : node.facts.owned) {
    if (one.resource.starts_with("file:/var/lib/pgcluster/") || kept.contains(one.resource)) continue;
    const std::string component = component_of(one.step);
    const bool stays = planned.contains(component);
    // A server needs its certificates until it has left.
    if (!losing.empty() && (losing.contains(component) || component == "certificates")) {
      awaited[losing.contains(component) ? component : losing.begin()->first].push_back(one);
      continue;
    }
    // A package of a component that stays may be in use until what replaces it is there; its scripts may restart services.
    if (removable(one.resource) == "package" && stays) {
      after_wanted.push_back(removal_step(node, components, one, Impact::restart));
    } else {
      (!stays && !leaving(node, components, component).after.empty() ? awaited[component] : before).push_back(one);
    }
  }
  for (const auto& [component, owned] : awaited) {
    std::vector<Owned> units, others;
    for (const Owned& one : owned) (removable(one.resource) == "unit" ? units : others).push_back(one);
    std::vector<Steps> data;
    if (losing.contains(component))
      data = data_removals(node, *losing.at(component), "its server has left the cluster, which never takes this data back");
    after_wanted.push_back(
        after_where_planned(leaving(node, components, component).after,
                            sequence(removals(node, components, units, kept), parallel(std::move(data)), removals(node, components, others, kept))));
  }
  return sequence(removals(node, components, before, kept), std::move(wanted), parallel(std::move(after_wanted)));
}

std::vector<StepRef> departures(const ClusterView& view, const std::vector<ComponentPtr>& components) {
  std::vector<StepRef> all;
  for (const ComponentPtr& component : components) {
    const Leaving leaves = component->leaving(view);
    if (!leaves.servers.empty()) all.insert(all.end(), leaves.after.begin(), leaves.after.end());
  }
  return all;
}

Steps clean(const NodeView& node, const std::vector<ComponentPtr>& components, Steps stops) {
  std::vector<Owned> others;
  for (const Owned& one : node.facts.owned)
    if (!one.resource.starts_with("unit:")) others.push_back(one);
  std::vector<Steps> data;
  for (const ComponentPtr& component : components)
    for (Steps& one : data_removals(node, *component)) data.push_back(std::move(one));
  return sequence(std::move(stops), parallel(data), removals(node, components, others, {}),
                  absent(cleaned(node.name()), node.name(), "tree:/var/lib/pgcluster"));
}

}  // namespace pgcluster
