#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <pgcluster/operate/operate.hpp>

#include "plan/data.hpp"

namespace pgcluster {

Hosts hosts_of(const Topology& topology);
PlanOptions plan_options(const OperateOptions& options);

/// Facts of the hosts that can be asked, and the errors of the others.
std::map<std::string, Facts> reachable_facts(const Hosts& hosts, Executor& executor, const OperateOptions& options,
                                             std::map<std::string, Error>& errors, const std::map<std::string, std::vector<AskPtr>>& also = {},
                                             Known* known = nullptr);
/// What can be done where a host stays down: its steps stay pending, or it is taken for gone.
enum class WayOut { none, leave_out, forget };
/// How to go on without a host that stays down.
std::string without_hint(const std::string& host);
/// Facts of all hosts. Throws the hosts' errors, host_unsupported included; the hint names --without where there is such a way out.
/// `also`: more to be asked in the same program, by host; its answers go to `known`.
std::map<std::string, Facts> gather_facts(const Hosts& hosts, Executor& executor, const OperateOptions& options, WayOut way = WayOut::none,
                                          const std::map<std::string, std::vector<AskPtr>>& also = {}, Known* known = nullptr);
/// What the steps of the spec will ask, as far as that can be told without facts: all but little of it. By host; empty where it cannot be told.
std::map<std::string, std::vector<AskPtr>> likely_asks(const Spec& spec, const Topology& topology, const std::vector<ComponentPtr>& components,
                                                       const std::set<std::string>& without);

/// All that components see; secrets that nobody has yet get new values.
std::shared_ptr<const ClusterView> make_view(const Spec& spec, const Topology& topology, std::map<std::string, Facts> facts,
                                             const std::vector<ComponentPtr>& components, std::set<std::string> without = {},
                                             std::vector<TopologyHost> left = {}, std::vector<TopologyHost> pruned = {},
                                             std::set<std::string> rotated = {}, bool rebuilds = false, std::vector<TopologyHost> forgotten = {});
/// A host that left the spec, as one of it.
TopologyHost as_host(const KnownHost& left, const Topology& topology);

/// Checked: hosts of the spec, and enough others left for a quorum of the DCS. Throws Error (refused).
void check_left_out(const Topology& topology, const std::set<std::string>& names);
Error not_a_host(const Topology& topology, const std::string& name);
/// What the cluster files of hosts that serve say of the members. The files are mostly equal: each text is read once.
struct RecordedMembers {
  std::map<std::string, KnownCluster> files;            // by their text
  std::set<std::pair<std::string, std::string>> names;  // canonical address and name
};
RecordedMembers recorded_members(const std::map<std::string, Facts>& facts);
/// What the spec says of a host or the cluster, and this host's running part of it cannot become: one finding each.
std::vector<Diagnostic> impossible_changes(const Spec& spec, const TopologyHost& host, const std::map<std::string, Facts>& facts,
                                           const RecordedMembers& recorded);
/// Throws Error (refused) with the impossible changes of all hosts.
void check_changes(const Spec& spec, const Topology& topology, const std::map<std::string, Facts>& facts);
/// Throws Error (refused) where a DCS that nobody has begun yet lacks a member: Patroni uses an etcd only when it has seen all of them.
void check_beginning(const Topology& topology, const std::map<std::string, Facts>& facts, const std::set<std::string>& without);
/// Throws Error (refused) where the plan restarts a DCS member that the quorum needs, as these hosts count as lost.
void check_quorum(const Plan& plan, const Topology& topology, const std::set<std::string>& without);
/// What stays undone on a host that is left out, by the names of its steps.
Diagnostic pending_steps(const ClusterView& view, const TopologyHost& host, const std::vector<ComponentPtr>& components);

struct Resolved {
  std::map<std::string, Secret> secrets;
  std::map<std::string, int> rotations;  ///< of those that were replaced at least once
};
/// The value of every secret: as the spec gives it, as the hosts keep it, or a new one, also for those that are `rotated`. Of hosts that have
/// different values, the one that was replaced more often is right: a rotation was interrupted. Throws refused where that does not tell.
Resolved resolve_secrets(const std::map<std::string, SecretNeed>& needs, const Topology& topology, const std::map<std::string, Facts>& facts,
                         const std::set<std::string>& rotated = {});
/// Generated secrets, on every database host, before anything uses them.
Steps secret_steps(const ClusterView& view, const std::map<std::string, SecretNeed>& needs);

/// Steps that remove what a host owns and nobody keeps any more: units first, then packages, then files.
Steps removals(const NodeView& node, const std::vector<ComponentPtr>& components, const std::vector<Owned>& owned, const std::set<std::string>& kept);
/// `wanted`, and the removal of what the host owns and no step of `wanted` keeps. What may conflict goes first; a package of a component that stays
/// goes last, and takes the lane.
Steps with_removals(const NodeView& node, const std::vector<ComponentPtr>& components, Steps wanted);
/// The steps after which servers of components have left the cluster on hosts that stay, or go.
std::vector<StepRef> departures(const ClusterView& view, const std::vector<ComponentPtr>& components);
/// All that the host owns, what the components keep for good, and our own state. The data comes before the last of what is owned: a plan that
/// goes on after an interruption finds it again. The last step is cleaned().
Steps clean(const NodeView& node, const std::vector<ComponentPtr>& components, Steps stops);
/// Throws Error (refused) where a host that left the spec belongs to another cluster by now.
void check_still_ours(const Topology& topology, const std::map<std::string, Facts>& left);

/// Hosts that the cluster had when it was last applied, and that the spec no longer describes.
std::vector<KnownHost> left_hosts(const Topology& topology, const std::map<std::string, Facts>& facts);

/// A cloud that still has load balancers of the cluster, but that the spec no longer names.
struct LeftCloud {
  KnownCloud cloud;
  HostAccess access;  ///< its name differs from that of every other cloud of the plan
};
/// The clouds that had balancers of the cluster at the last apply, and that the spec no longer names.
std::vector<LeftCloud> left_clouds(const Spec& spec, const Topology& topology, const std::map<std::string, Facts>& facts);
/// The cloud of the spec, if its load balancers are enabled; otherwise empty.
std::vector<KnownCloud> own_cloud(const Spec& spec, const Topology& topology);

/// How to connect to a host that left the spec: its address from the cluster's file, and the ssh keys of a host that is still in the spec.
HostAccess access_of(const KnownHost& left, const Topology& topology);

/// Runs the planner of this name with the options from a plan document.
Plan plan_by_name(const std::string& planner, const std::map<std::string, std::string>& options, const Spec& spec, Executor& executor,
                  const OperateOptions& own);

}  // namespace pgcluster
