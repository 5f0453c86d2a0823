#include <algorithm>

#include "base/joined.hpp"
#include "base/network.hpp"
#include "component/cloud/cloud.hpp"
#include "component/patroni/patroni.hpp"
#include "op/facts.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

void check_extra(const Spec& spec, const std::vector<ComponentPtr>& own) {
  for (const auto& [name, yaml] : spec.extra)
    if (std::none_of(own.begin(), own.end(), [&name = name](const ComponentPtr& one) { return one->name() == name; }))
      throw Error({.code = Code::spec_invalid,
                   .message = "extra." + name + " is for a component that is not there",
                   .hint = "pass a component of that name to plan_deploy, or take the key out",
                   .diagnostics = {{.message = "no component has this name", .path = "extra." + name}}});
}

// Patroni's state does not move by itself: members that ask another DCS than the running ones would begin a second cluster.
void check_dcs(const Topology& topology, const std::map<std::string, Facts>& facts, const std::vector<KnownHost>& left) {
  const std::string other = topology.dcs_type == "etcd" ? "consul" : "etcd";
  const auto moved = [&](const std::string& name) {
    return Error(
        {.code = Code::refused,
         .message = name + " runs " + other + " for this cluster, and dcs_type is " + topology.dcs_type,
         .hint = "write dcs_type: " + other + " again: a running cluster is not moved to another DCS. By hand it takes: pgcluster pause; a " +
                 topology.dcs_type +
                 " on hosts or ports of its own; on every member, Patroni stopped, /etc/patroni/config.yml pointed to it, and Patroni "
                 "started, the leader first, so that it takes over its running server; the old DCS removed; resume. Or restore a backup into "
                 "a new cluster",
         .host = name});
  };
  for (const auto& [name, fact] : facts)
    if (owns(fact, "unit:" + other + ".service") && !owns(fact, "unit:" + topology.dcs_type + ".service")) throw moved(name);
  for (const KnownHost& host : left)
    for (const Role role : host.roles) {
      if (role != Role::etcd && role != Role::consul) continue;
      if (to_string(role) == other) throw moved(host.name);
      throw Error({.code = Code::refused,
                   .message = host.name + " is a member of the DCS, and this version does not shrink a DCS",
                   .hint = "describe the host again; where it is gone for good, plan and apply with --without " + host.name,
                   .host = host.name});
    }
}

// A host that the spec no longer describes: all that it owns, and what its databases keep.
Steps farewell(const NodeView& node, const std::vector<ComponentPtr>& components) {
  const std::string& host = node.name();
  Steps allowed;
  if (node.has(Role::postgres) && owns(node.facts, std::string("file:") + patroni::config_path))
    allowed = patroni::departure_gate(shared(node.cluster), node.host);
  std::vector<Owned> units = node.facts.owned;
  std::erase_if(units, [](const Owned& one) { return !one.resource.starts_with("unit:"); });
  return clean(node, components, sequence(std::move(allowed), removals(host, units, {})));
}

}  // namespace

Plan plan_deploy(const Spec& spec, Executor& executor, const DeployOptions& options) {
  if (std::vector<Diagnostic> findings = validate(spec);
      std::any_of(findings.begin(), findings.end(), [](const Diagnostic& d) { return d.severity == Severity::error; }))
    throw Error({.code = Code::spec_invalid, .message = "the spec is not valid", .diagnostics = std::move(findings)});
  check_extra(spec, options.components);
  const Topology topology = resolve(spec);
  const std::set<std::string> named(options.without.begin(), options.without.end());
  std::set<std::string> without, forgotten;
  for (const std::string& name : named) (options.prune && !spec.host(name) ? forgotten : without).insert(name);
  check_left_out(topology, without);
  Hosts hosts = hosts_of(topology);
  std::erase_if(hosts, [&](const auto& host) { return without.contains(host.first); });
  std::vector<ComponentPtr> components = builtin_components();
  components.insert(components.end(), options.components.begin(), options.components.end());

  PlanOptions plan = plan_options(options);
  plan.warnings = topology.warnings;
  plan.origin = {.planner = "deploy", .spec = dump(spec, Secrets::references), .options = {}};
  if (options.prune) plan.origin.options["prune"] = "true";
  plan.without = without;
  if (!named.empty()) plan.origin.options["without"] = joined(named, ",");

  Known known;
  // What the steps ask goes along with the question for the facts, so that a plan is one program a host.
  auto facts = gather_facts(hosts, executor, options, WayOut::leave_out, likely_asks(spec, topology, without), &known);
  std::vector<KnownHost> left = left_hosts(topology, facts);
  check_dcs(topology, facts, left);
  check_beginning(topology, facts, without);
  if (!spec.cluster_vip.empty()) {
    // What the interfaces say replaces the guess that a spec alone allows.
    std::map<std::string, std::vector<std::string>> cidrs;
    for (const std::string& host : without) cidrs[host] = {net::single_address(spec.cluster_vip)};  // nothing is known of it, and nothing to be said
    for (const auto& [name, fact] : facts)
      for (const Facts::Interface& interface : fact.interfaces) cidrs[name].push_back(interface.cidr);
    std::erase_if(plan.warnings, [](const Diagnostic& d) { return d.path == "cluster_vip"; });
    if (auto warning = vip_network_warning(spec.cluster_vip, topology, cidrs)) plan.warnings.push_back(std::move(*warning));
  }
  for (const std::string& name : forgotten)
    if (std::none_of(left.begin(), left.end(), [&](const KnownHost& host) { return host.name == name; })) throw not_a_host(topology, name);
  std::map<std::string, Facts> left_facts;
  if (options.prune) {
    Hosts reach;
    for (const KnownHost& host : left) {
      if (forgotten.contains(host.name))
        plan.warnings.push_back({.severity = Severity::warning,
                                 .message = "is forgotten, but not cleaned: what stands there stays",
                                 .hint = "wipe it before it is started again: it would join the cluster",
                                 .path = "hosts." + host.name});
      else
        reach.emplace(host.name, access_of(host, topology));
    }
    left_facts = gather_facts(reach, executor, options, WayOut::forget);
    check_still_ours(topology, left_facts);
    std::erase_if(left, [&](const KnownHost& host) { return forgotten.contains(host.name); });
    hosts.insert(reach.begin(), reach.end());
  } else {
    for (const KnownHost& host : left)
      plan.warnings.push_back({.severity = Severity::warning,
                               .message = "is no longer described, but still belongs to the cluster",
                               .hint = "apply --prune removes what stands there, its data included",
                               .path = "hosts." + host.name});
  }
  std::vector<KnownCloud> clouds = own_cloud(spec, topology);
  Steps unclouded;
  for (const LeftCloud& one : left_clouds(spec, topology, facts)) {
    if (options.prune) {
      hosts.emplace(one.access.name, one.access);
      unclouded = parallel(unclouded, cloud_farewell(topology.cluster, one.access.name, one.cloud));
      continue;
    }
    clouds.push_back(one.cloud);
    std::string where;
    for (const auto& [key, value] : one.cloud.settings)
      if (key == "server_location") where = " (" + value + ")";
    plan.warnings.push_back({.severity = Severity::warning,
                             .message = one.access.name + where + " still has load balancers of this cluster, and the spec does not name it any more",
                             .hint = "apply --prune removes them, with credentials from the variables that the vendor's own tools read",
                             .path = "cloud_provider"});
  }
  std::vector<TopologyHost> staying, leaving;
  for (const KnownHost& host : left) (options.prune ? leaving : staying).push_back(as_host(host, topology));
  const auto view = make_view(spec, topology, std::move(facts), components, without, std::move(staying), std::move(leaving));

  std::vector<Steps> all;
  std::vector<StepRef> gone;
  for (const TopologyHost& host : view->pruned) gone.push_back(cleaned(host.name));
  const Text cluster_text = cluster_file(topology, options.prune ? std::vector<KnownHost>{} : left, clouds);
  for (const TopologyHost& host : topology.hosts) {
    if (view->leaves_out(host.name)) {
      plan.warnings.push_back(pending_steps(*view, host, components));
      continue;
    }
    const NodeView node{*view, host, view->facts.at(host.name)};
    Steps system;
    std::vector<Steps> parts;
    for (const ComponentPtr& component : components) {
      Steps steps = component->steps(node.seen_by(*component));
      if (component->name() == "system")
        system = std::move(steps);
      else
        parts.push_back(std::move(steps));
    }
    const Steps noted = file(node.step("pgcluster", "cluster"), host.name, WriteFile{.path = "/var/lib/pgcluster/cluster", .content = cluster_text});
    // Who is pruned is forgotten when it is clean: else nobody would go on with it after an interruption.
    Steps wanted = gone.empty() ? sequence(parallel(noted, std::move(system)), parallel(std::move(parts)))
                                : parallel(after(gone, noted), sequence(std::move(system), parallel(std::move(parts))));
    std::set<std::string> kept;
    for (const Steps::Node& one : wanted.nodes())
      for (const std::string& resource : one.step->keeps()) kept.insert(resource);
    std::vector<Owned> owned = node.facts.owned;
    std::erase_if(owned, [](const Owned& one) { return one.resource.starts_with("file:/var/lib/pgcluster/"); });
    all.push_back(sequence(removals(host.name, owned, kept), std::move(wanted)));
  }
  for (const TopologyHost& host : view->pruned) all.push_back(farewell({*view, host, left_facts.at(host.name)}, components));
  for (const ComponentPtr& component : components) all.push_back(component->cluster_steps(*view));
  // One step in between: else each of the many steps after the secrets would wait for each of the many secrets.
  Steps secrets = secret_steps(*view, components);
  if (!secrets.empty()) {
    auto kept = [](const Answers&) -> Decision { return Done{}; };
    secrets = sequence(std::move(secrets), gate("cluster/secrets/kept", {.asks = {}, .decide = kept}));
  }
  if (topology.cloud) hosts.emplace(topology.cloud->name, *topology.cloud);
  // A cloud that is left goes first: only then do the hosts forget it.
  Plan made =
      make_plan(hosts, sequence(std::move(unclouded), std::move(secrets), parallel(std::move(all))), executor, plan, std::move(known), without_hint);
  check_quorum(made, topology, without);
  return made;
}

}  // namespace pgcluster
