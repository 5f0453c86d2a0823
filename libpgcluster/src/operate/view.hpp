#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <pgcluster/operate/operate.hpp>

namespace pgcluster {

Hosts hosts_of(const Topology& topology);
PlanOptions plan_options(const OperateOptions& options);

/// Facts of all hosts. Throws the hosts' errors, host_unsupported included.
std::map<std::string, Facts> gather_facts(const Hosts& hosts, Executor& executor, const OperateOptions& options);

/// All that components see; secrets that nobody has yet get new values.
std::shared_ptr<const ClusterView> make_view(const Spec& spec, const Topology& topology, std::map<std::string, Facts> facts,
                                             const std::vector<ComponentPtr>& components);

/// The value of every secret that the components name. Throws refused where hosts disagree.
std::map<std::string, Secret> resolve_secrets(const Spec& spec, const Topology& topology, const std::map<std::string, Facts>& facts,
                                              const std::vector<ComponentPtr>& components);
/// The password that the spec gives for a secret's name; null where it gives none.
const SpecSecret* spec_secret(const Spec& spec, const std::string& name);
/// Generated secrets, on every database host, before anything uses them.
Steps secret_steps(const ClusterView& view, const std::vector<ComponentPtr>& components);

/// Steps that remove what a host owns and nobody keeps any more: units first, then packages, then files.
Steps removals(const std::string& host, const std::vector<Owned>& owned, const std::set<std::string>& kept);

/// Hosts that the cluster had when it was last applied, and that the spec no longer describes.
std::vector<KnownHost> left_hosts(const Topology& topology, const std::map<std::string, Facts>& facts);

/// How to reach a host that left the spec: by what the cluster's file tells, with the keys of a host that is still there.
HostAccess access_of(const KnownHost& left, const Topology& topology);

/// The planner of a plan's document, by name.
Plan plan_by_name(const std::string& planner, const std::map<std::string, std::string>& options, const Spec& spec, Executor& executor,
                  const DeployOptions& own);

}  // namespace pgcluster
