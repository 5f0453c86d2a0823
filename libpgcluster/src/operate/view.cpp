#include "operate/view.hpp"

#include <fstream>
#include <iterator>

#include "base/digest.hpp"
#include "base/network.hpp"
#include "operate/certificates.hpp"
#include "operate/declared.hpp"
#include "operate/obstacles.hpp"
#include "plan/data.hpp"

namespace pgcluster {

Hosts hosts_of(const Topology& topology) {
  Hosts hosts;
  for (const TopologyHost& host : topology.hosts) hosts.emplace(host.name, host.access);
  return hosts;
}

PlanOptions plan_options(const OperateOptions& options) {
  PlanOptions plan;
  plan.stop = options.stop;
  plan.deadline = options.deadline;
  plan.parallel = options.parallel;
  plan.poll = options.poll;
  return plan;
}

namespace {

std::string file_digest(const std::string& path, const std::string& key) {
  std::ifstream in(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  if (!in || content.empty())
    throw Error({.code = Code::spec_invalid,
                 .message = key + ": cannot read " + path + " on this machine",
                 .hint = "put the program there, or write another path, or url and sha256",
                 .diagnostics = {{.message = "cannot read " + path, .path = key}}});
  return sha256_hex(content);
}

}  // namespace

std::shared_ptr<const ClusterView> make_view(const Spec& spec, const Topology& topology, std::map<std::string, Facts> facts,
                                             const std::vector<ComponentPtr>& components, std::set<std::string> without,
                                             std::vector<TopologyHost> left, std::vector<TopologyHost> pruned, std::set<std::string> rotated,
                                             bool rebuilds, std::vector<TopologyHost> forgotten) {
  auto view = std::make_shared<ClusterView>();
  view->spec = spec;
  view->topology = topology;
  view->without = std::move(without);
  view->left = std::move(left);
  view->pruned = std::move(pruned);
  view->forgotten = std::move(forgotten);
  view->rebuilds = rebuilds;
  Resolved resolved = resolve_secrets(secret_needs(*view, components), topology, facts, rotated);
  view->secrets = std::move(resolved.secrets);
  view->rotations = std::move(resolved.rotations);
  view->rotated = std::move(rotated);
  view->facts = std::move(facts);
  std::map<std::string, std::vector<Needs>> needs;
  for (const TopologyHost& host : topology.hosts)
    for (Declaration& one : declarations(node_of(*view, host), components)) {
      for (const ProgramNeed& program : one.needs.programs)
        if (std::string& digest = view->digests[program.path]; digest.empty()) digest = file_digest(program.path, program.key);
      needs[host.name].push_back(std::move(one.needs));
    }
  view->needs = std::move(needs);
  return view;
}

namespace {

template <class Make, class Take>
void each_step(const Make& make, const Take& take) {
  try {
    for (const Steps::Node& node : make().nodes()) take(*node.step);
  } catch (const std::exception&) {
    // It takes facts: asked when they are there.
  }
}

// A view of hosts as most are. Those that are configured own what a deployment would give them; hosts with equal roles share the result.
std::shared_ptr<const ClusterView> likely_view(const Spec& spec, const Topology& topology, const std::vector<ComponentPtr>& components,
                                               const std::set<std::string>& without) {
  std::map<std::string, Facts> facts;
  for (const TopologyHost& host : topology.hosts)
    if (!without.contains(host.name))
      facts[host.name] = {
          .nofile_limit = 524288, .interfaces = {{"eth0", host.address + (net::is_ipv6(host.address) ? "/64" : "/24")}}, .default_interface = "eth0"};
  const std::map<std::string, Secret> secrets = resolve_secrets(secret_needs(*outline(spec, topology), components), topology, facts).secrets;
  const auto view_now = [&] {
    auto view = std::make_shared<ClusterView>();
    view->spec = spec;
    view->topology = topology;
    view->facts = facts;
    view->secrets = secrets;
    view->without = without;
    return view;
  };
  const auto empty = view_now();
  std::map<std::vector<Role>, const std::vector<Owned>*> owned_by;
  for (auto& [name, fact] : facts) {
    const TopologyHost& host = topology.host(name);
    if (const auto [same, is_new] = owned_by.emplace(host.roles, &fact.owned); !is_new) {
      fact.owned = *same->second;
      continue;
    }
    const NodeView node{*empty, host, empty->facts.at(name)};
    const auto own = [&fact = fact](const Step& step) {
      for (std::string& resource : step.keeps()) fact.owned.push_back({std::move(resource), {}});
    };
    for (const ComponentPtr& component : components) each_step([&] { return component->steps(node.seen_by(*component)); }, own);
    each_step([&] { return certificate_steps(node, declarations(node, components)); }, own);
  }
  return view_now();
}

}  // namespace

std::map<std::string, std::set<std::string>> likely_resources(const Spec& spec, const Topology& topology,
                                                              const std::vector<ComponentPtr>& components) {
  std::map<std::string, std::set<std::string>> all;
  const auto view = likely_view(spec, topology, components, {});
  for (const auto& [name, facts] : view->facts)
    for (const Owned& one : facts.owned) all[name].insert(one.resource);
  return all;
}

std::map<std::string, std::vector<AskPtr>> likely_asks(const Spec& spec, const Topology& topology, const std::vector<ComponentPtr>& components,
                                                       const std::set<std::string>& without) {
  // What depends on facts that are not likely is asked when they are known.
  const auto view = likely_view(spec, topology, components, without);
  const std::map<std::string, SecretNeed> needed = secret_needs(*outline(spec, topology), components);
  Questions questions;
  const auto ask = [&](const Step& step) { questions.add(step.asks()); };
  for (const auto& [name, fact] : view->facts)
    for (const ComponentPtr& component : components)
      each_step([&, &name = name, &fact = fact] { return component->steps(NodeView{*view, topology.host(name), fact}.seen_by(*component)); }, ask);
  for (const auto& [name, fact] : view->facts)
    for (const Declaration& one : declarations(NodeView{*view, topology.host(name), fact}, components))
      for (const std::string& unit : one.needs.units) questions.add({Ask{name, UnitOf{unit}}});
  for (const auto& [name, fact] : view->facts) {
    const NodeView node{*view, topology.host(name), fact};
    each_step([&] { return certificate_steps(node, declarations(node, components)); }, ask);
  }
  for (const ComponentPtr& component : components) each_step([&] { return component->cluster_steps(*view); }, ask);
  each_step([&] { return secret_steps(*view, needed); }, ask);
  std::map<std::string, std::vector<AskPtr>> asks;
  for (const AskPtr& one : questions.all()) {
    const auto* exec = std::get_if<Exec>(&one->what);
    // A secret that the hosts keep is not known yet.
    if (!without.contains(one->at) && !(exec && exec->input.has_secret())) asks[one->at].push_back(one);
  }
  return asks;
}

}  // namespace pgcluster
