#include "operate/view.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/digest.hpp"
#include "base/network.hpp"
#include "plan/data.hpp"
#include "spec/roles.hpp"
#include "topology/cloud.hpp"

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

// `options` are those of the command that leave the hosts out.
std::string leave_out(const std::string& options) { return "where it stays down, " + options + " plans as if it were not there"; }

// Of errors that a host's being down may be behind: how to do without it, said with the first of them.
void suggest_without(std::map<std::string, Error>& errors, std::size_t hosts, WayOut way) {
  std::string options;
  std::vector<std::string> down;
  for (const auto& [name, error] : errors)
    if (error.code() == Code::host_unreachable || error.code() == Code::timed_out || error.code() == Code::connection_lost) {
      options += (options.empty() ? "--without " : " --without ") + name;
      down.push_back(name);
    }
  if (down.empty() || (way == WayOut::leave_out && down.size() == hosts)) return;
  Failure failure = errors.at(down.front()).failure();
  failure.hint += (failure.hint.empty() ? "" : "; ") +
                  (way == WayOut::leave_out ? leave_out(options) : "where it is gone for good, --prune " + options + " forgets it");
  errors.insert_or_assign(down.front(), Error(std::move(failure)));
}

}  // namespace

std::string without_hint(const std::string& host) { return leave_out("--without " + host); }

std::map<std::string, Facts> reachable_facts(const Hosts& hosts, Executor& executor, const OperateOptions& options,
                                             std::map<std::string, Error>& errors, const std::map<std::string, std::vector<AskPtr>>& also,
                                             Known* known) {
  std::map<std::string, std::vector<Ask>> asks;
  for (const auto& [name, access] : hosts) {
    asks[name] = facts_asks(name);
    if (const auto more = also.find(name); more != also.end())
      for (const AskPtr& ask : more->second) asks[name].push_back(*ask);
  }
  Observed observed = observe(hosts, asks, executor, plan_options(options));
  std::map<std::string, Facts> facts;
  errors = observed.errors;
  for (auto& [name, answers] : observed.answers) {
    const std::size_t own = facts_asks(name).size();
    if (const auto more = also.find(name); known && more != also.end())
      for (std::size_t i = own; i < answers.size() && i - own < more->second.size(); ++i)
        known->emplace_back(more->second[i - own], std::move(answers[i]));
    for (std::size_t i = 0; known && i < own && i < answers.size(); ++i)  // the list of what is owned is no step's question
      if (const Ask& ask = asks.at(name)[i]; std::holds_alternative<FileOf>(ask.what))
        known->emplace_back(std::make_shared<const Ask>(ask), answers[i]);
    if (answers.size() > own) answers.erase(answers.begin() + static_cast<std::ptrdiff_t>(own), answers.end());
    try {
      Facts read = read_facts(name, answers);
      if (read.os_id != "debian" && read.os_id != "ubuntu")
        throw Error({.code = Code::host_unsupported,
                     .message = name + " runs " + (read.os_id.empty() ? "an unknown system" : read.os_id + " " + read.os_version),
                     .hint = "pgcluster deploys on Debian and its kin, with systemd and apt",
                     .host = name});
      facts.emplace(name, std::move(read));
    } catch (const Error& error) {
      errors.emplace(name, error.with(name));
    }
  }
  for (const auto& [name, access] : hosts)
    if (!facts.contains(name) && !errors.contains(name))
      errors.emplace(name, Error({.code = Code::timed_out,
                                  .message = name + " did not answer in time",
                                  .hint = "see whether the host is overloaded",
                                  .host = name,
                                  .retryable = true}));
  return facts;
}

std::map<std::string, Facts> gather_facts(const Hosts& hosts, Executor& executor, const OperateOptions& options, WayOut way,
                                          const std::map<std::string, std::vector<AskPtr>>& also, Known* known) {
  std::map<std::string, Error> errors;
  auto facts = reachable_facts(hosts, executor, options, errors, also, known);
  if (errors.empty()) return facts;
  if (way != WayOut::none) suggest_without(errors, hosts.size(), way);
  Failure failure = errors.begin()->second.failure();
  for (const auto& [name, error] : errors)
    if (name != errors.begin()->first) failure.diagnostics.push_back({.message = error.message(), .hint = error.hint(), .path = name});
  throw Error(std::move(failure));
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
                                             std::vector<TopologyHost> left, std::vector<TopologyHost> pruned) {
  auto view = std::make_shared<ClusterView>();
  view->spec = spec;
  if (const std::string& path = spec.confd_binary.path; !path.empty() && with_haproxy(spec) && spec.confd_install)
    view->digests[path] = file_digest(path, "confd_binary");
  if (const std::string& path = spec.consul_binary.path; !path.empty() && spec.dcs_type == "consul")
    view->digests[path] = file_digest(path, "consul_binary");
  view->topology = topology;
  view->secrets = resolve_secrets(spec, topology, facts, components);
  view->facts = std::move(facts);
  view->without = std::move(without);
  view->left = std::move(left);
  view->pruned = std::move(pruned);
  return view;
}

std::map<std::string, std::vector<AskPtr>> likely_asks(const Spec& spec, const Topology& topology, const std::set<std::string>& without) {
  const std::vector<ComponentPtr> components = builtin_components();
  // As most hosts are: where one is not, what depends on that is asked when it is known.
  std::map<std::string, Facts> facts;
  for (const TopologyHost& host : topology.hosts)
    if (!without.contains(host.name))
      facts[host.name] = {
          .nofile_limit = 524288, .interfaces = {{"eth0", host.address + (net::is_ipv6(host.address) ? "/64" : "/24")}}, .default_interface = "eth0"};
  const std::map<std::string, Secret> secrets = resolve_secrets(spec, topology, facts, components);
  const auto view_now = [&] {
    auto view = std::make_shared<ClusterView>();
    view->spec = spec;
    view->topology = topology;
    view->facts = facts;
    view->secrets = secrets;
    view->without = without;
    return view;
  };
  const auto each_step = [](auto&& make, auto&& take) {
    try {
      for (const Steps::Node& node : make().nodes()) take(*node.step);
    } catch (const std::exception&) {
      // It takes facts: asked when they are there.
    }
  };
  // Hosts that have what the spec wants are asked other things than empty ones: first, what they own then. The same by the same roles.
  const auto empty = view_now();
  std::map<std::vector<Role>, const std::vector<Owned>*> owned_by;
  for (auto& [name, fact] : facts) {
    const TopologyHost& host = topology.host(name);
    if (const auto [same, is_new] = owned_by.emplace(host.roles, &fact.owned); !is_new) {
      fact.owned = *same->second;
      continue;
    }
    for (const ComponentPtr& component : components)
      each_step(
          [&, &name = name] {
            return component->steps(NodeView{*empty, host, empty->facts.at(name)}.seen_by(*component));
          },
          [&, &fact = fact](const Step& step) {
            for (std::string& resource : step.keeps()) fact.owned.push_back({std::move(resource), {}});
          });
  }
  const auto view = view_now();
  Questions questions;
  const auto ask = [&](const Step& step) { questions.add(step.asks()); };
  for (const auto& [name, fact] : view->facts)
    for (const ComponentPtr& component : components)
      each_step([&, &name = name, &fact = fact] { return component->steps(NodeView{*view, topology.host(name), fact}.seen_by(*component)); }, ask);
  for (const ComponentPtr& component : components) each_step([&] { return component->cluster_steps(*view); }, ask);
  each_step([&] { return secret_steps(*view, components); }, ask);
  std::map<std::string, std::vector<AskPtr>> asks;
  for (const AskPtr& one : questions.all()) {
    const auto* exec = std::get_if<Exec>(&one->what);
    // A secret that the hosts keep is not known yet.
    if (!without.contains(one->at) && !(exec && exec->input.has_secret())) asks[one->at].push_back(one);
  }
  return asks;
}

Steps removals(const std::string& host, const std::vector<Owned>& owned, const std::set<std::string>& kept) {
  std::vector<Steps> units, packages, files;
  for (const Owned& one : owned) {
    if (kept.contains(one.resource)) continue;
    const std::string kind = one.resource.substr(0, one.resource.find(':'));
    if (kind != "unit" && kind != "package" && kind != "file" && kind != "block" && kind != "tree") continue;
    const std::string component = component_of(one.step);
    const Steps step = absent(removal(host, component.empty() ? "pgcluster" : component, one.resource), host, one.resource);
    (kind == "unit" ? units : kind == "package" ? packages : files).push_back(step);
  }
  return sequence(parallel(units), parallel(packages), parallel(files));
}

StepRef cleaned(const std::string& host) { return removal(host, "pgcluster", "tree:/var/lib/pgcluster"); }

Steps clean(const NodeView& node, const std::vector<ComponentPtr>& components, Steps stops) {
  std::vector<Owned> others;
  for (const Owned& one : node.facts.owned)
    if (!one.resource.starts_with("unit:")) others.push_back(one);
  std::vector<Steps> data;
  for (const ComponentPtr& component : components) {
    // Data of a component that has nothing here is a stranger's, or of a server that nobody would have stopped.
    const auto& owned = node.facts.owned;
    if (std::none_of(owned.begin(), owned.end(), [&](const Owned& one) { return component_of(one.step) == component->name(); })) continue;
    for (const std::string& tree : component->data(node.seen_by(*component)))
      data.push_back(absent(removal(node.name(), component->name(), "tree:" + tree), node.name(), "tree:" + tree));
  }
  return sequence(std::move(stops), parallel(data), removals(node.name(), others, {}),
                  absent(cleaned(node.name()), node.name(), "tree:/var/lib/pgcluster"));
}

void check_still_ours(const Topology& topology, const std::map<std::string, Facts>& left) {
  for (const auto& [name, fact] : left)
    if (const auto known = fact.cluster.empty() ? std::nullopt : read_cluster_file(fact.cluster); known && known->cluster != topology.cluster)
      throw Error({.code = Code::refused,
                   .message = name + " left the spec, and belongs to the cluster " + known->cluster + " by now: nothing of it is removed",
                   .hint = "apply --prune --without " + name + " forgets it",
                   .host = name});
}

std::vector<KnownHost> left_hosts(const Topology& topology, const std::map<std::string, Facts>& facts) {
  std::map<std::string, KnownHost> left;
  for (const auto& [name, fact] : facts) {
    if (fact.cluster.empty()) continue;
    const auto known = read_cluster_file(fact.cluster);
    if (!known) continue;
    if (known->cluster != topology.cluster)
      throw Error({.code = Code::refused,
                   .message = name + " belongs to the cluster " + known->cluster + ", not to " + topology.cluster,
                   .hint = "a cluster keeps its name; to give the host to another cluster, destroy the old one first",
                   .host = name});
    for (const KnownHost& host : known->hosts)
      // A host with another name now is still the same host.
      if (std::none_of(topology.hosts.begin(), topology.hosts.end(),
                       [&](const TopologyHost& one) { return one.name == host.name || one.address == host.address; }))
        left.emplace(host.name, host);
  }
  std::vector<KnownHost> all;
  all.reserve(left.size());
  for (auto& [name, host] : left) all.push_back(std::move(host));
  return all;
}

namespace {

// What of a cloud says which balancers are meant: elsewhere another may have the same name. By another address it is the same cloud.
std::string whereabouts(const KnownCloud& cloud) {
  std::string where = cloud.provider;
  for (const auto& [key, value] : cloud.settings) {
    if (key == "server_location" && cloud.provider == "aws") where += " " + value;
    if (key == "server_location" && cloud.provider == "gcp") where += " " + value.substr(0, value.rfind('-', value.find(',')));  // the region
    if (key == "azure_resource_group" && cloud.provider == "azure") where += " " + value;
  }
  return where;
}

}  // namespace

std::vector<KnownCloud> own_cloud(const Spec& spec, const Topology& topology) {
  if (!with_cloud_balancer(spec)) return {};
  const CloudAccess& cloud = *topology.cloud->cloud;
  Pairs settings = cloud.settings;
  std::erase_if(settings, [](const auto& one) { return one.second.empty(); });
  return {{.provider = cloud.provider, .endpoint = cloud.endpoint, .settings = std::move(settings)}};
}

std::vector<LeftCloud> left_clouds(const Spec& spec, const Topology& topology, const std::map<std::string, Facts>& facts) {
  std::set<std::string> seen;
  if (topology.cloud) {
    const CloudAccess& cloud = *topology.cloud->cloud;
    seen.insert(whereabouts({.provider = cloud.provider, .endpoint = cloud.endpoint, .settings = cloud.settings}));
  }
  std::vector<LeftCloud> left;
  for (const auto& [name, fact] : facts)
    if (const auto known = read_cluster_file(fact.cluster))
      for (const KnownCloud& cloud : known->clouds) {
        if (!seen.insert(whereabouts(cloud)).second) continue;
        HostAccess access = cloud_access(spec, cloud);
        const auto taken = [&](const std::string& other) {
          return (topology.cloud && topology.cloud->name == other) ||
                 std::any_of(left.begin(), left.end(), [&](const LeftCloud& one) { return one.access.name == other; });
        };
        const std::string plain = access.name;
        for (int n = 2; taken(access.name); ++n) access.name = plain + ":" + std::to_string(n);
        left.push_back({cloud, std::move(access)});
      }
  return left;
}

TopologyHost as_host(const KnownHost& left, const Topology& topology) {
  return {.name = left.name, .address = left.address, .datacenter = {}, .roles = left.roles, .patroni_tags = {}, .access = access_of(left, topology)};
}

HostAccess access_of(const KnownHost& left, const Topology& topology) {
  HostAccess access = topology.hosts.front().access;
  for (const TopologyHost& host : topology.hosts)
    if (access.transport == Transport::local) access = host.access;
  if (access.transport == Transport::local) access.transport = Transport::libssh2;
  // What only some hosts are logged in to with is theirs: never offered to another.
  const auto common = [&](auto HostAccess::*what) {
    for (const TopologyHost& host : topology.hosts)
      if (!(host.access.*what == topology.hosts.front().access.*what)) return access.*what = {}, void();
  };
  common(&HostAccess::password);
  common(&HostAccess::sudo_password);
  common(&HostAccess::passphrase);
  access.name = left.name;
  access.address = left.access.address;
  access.port = left.access.port;
  access.user = left.access.user;
  access.jump = left.access.jump;
  return access;
}

}  // namespace pgcluster
