#include <algorithm>

#include "component/cloud/cloud.hpp"
#include "operate/declared.hpp"
#include "operate/view.hpp"

namespace pgcluster {

Plan plan_destroy(const Spec& spec, Executor& executor, const OperateOptions& options) {
  const Topology topology = resolve(spec);
  Hosts hosts = hosts_of(topology);
  const std::vector<ComponentPtr> components = with_builtin(options.components);
  auto facts = gather_facts(hosts, executor, options);
  std::vector<TopologyHost> all = topology.hosts;
  for (const KnownHost& host : left_hosts(topology, facts)) {
    all.push_back(as_host(host, topology));
    hosts.emplace(host.name, all.back().access);
    auto left = gather_facts({{host.name, all.back().access}}, executor, options);
    check_still_ours(topology, left);
    facts.merge(left);
  }
  const auto view = make_view(spec, topology, facts, components);

  // Clients' way in first, the DCS last: what is left at any moment still works.
  std::vector<std::string> turns;
  for (auto it = components.rbegin(); it != components.rend(); ++it) turns.push_back((*it)->name());
  std::vector<Steps> stops(turns.size() + 1), rest;
  for (const TopologyHost& host : all) {
    const auto fact = facts.find(host.name);
    if (fact == facts.end()) continue;
    const NodeView node{*view, host, fact->second};
    for (const Owned& unit : node.facts.owned) {
      if (!unit.resource.starts_with("unit:")) continue;
      const auto turn = std::find(turns.begin(), turns.end(), component_of(unit.step));
      Steps& at = stops[static_cast<std::size_t>(turn - turns.begin())];
      at = parallel(at, removals(node, components, {unit}, {}));
    }
    rest.push_back(clean(node, components, {}));
  }
  stops.push_back(parallel(rest));
  stops.insert(stops.begin(), cloud_removal(spec, topology));
  for (const LeftCloud& one : left_clouds(spec, topology, facts)) {
    hosts.emplace(one.access.name, one.access);
    stops.front() = parallel(stops.front(), cloud_farewell(topology.cluster, one.access.name, one.cloud));
  }
  if (topology.cloud) hosts.emplace(topology.cloud->name, *topology.cloud);
  PlanOptions plan = plan_options(options);
  plan.origin = {.planner = "destroy", .spec = dump(spec, Secrets::references), .options = {}};
  return make_plan(hosts, sequence(stops), executor, plan);
}

}  // namespace pgcluster
