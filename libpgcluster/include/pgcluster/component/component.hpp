#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/base/memo.hpp>
#include <pgcluster/component/needs.hpp>
#include <pgcluster/op/facts.hpp>
#include <pgcluster/platform/platform.hpp>
#include <pgcluster/spec/spec.hpp>
#include <pgcluster/step/step.hpp>
#include <pgcluster/topology/topology.hpp>

namespace PGCLUSTER_API pgcluster {

/// The cluster as components see it: everything that was known when the plan was made. Steps that need it later keep shared(view).
struct ClusterView : std::enable_shared_from_this<ClusterView> {
  Spec spec;
  Topology topology;
  std::map<std::string, Facts> facts;                 ///< by host
  std::map<std::string, Secret> secrets;              ///< by name, all of them: given, found on the hosts, or made for this plan
  std::map<std::string, int> rotations{};             ///< how often a secret that the hosts keep was replaced, by name; absent: never
  std::set<std::string> rotated{};                    ///< what this plan replaces: names of secrets, and "certificates"
  std::map<std::string, std::string> digests{};       ///< SHA-256 of the controller's files that the spec names, by path
  std::map<std::string, std::vector<Needs>> needs{};  ///< by host, what each component of the plan needs there; empty while needs() is called
  /// Hosts that are planned as if they were down: no facts, no steps of their own, and whatever is asked of them is Unreadable.
  std::set<std::string> without{};
  /// Hosts that the spec no longer describes and that still belong to the cluster: they have no steps, and the others go on knowing them.
  std::vector<TopologyHost> left{};
  /// Hosts that this plan prunes: known to nobody once it is done.
  std::vector<TopologyHost> pruned{};
  /// Hosts that left the spec, and that this plan forgets without asking them: they are taken for gone.
  std::vector<TopologyHost> forgotten{};
  /// The plan rebuilds a cluster that has lost all its database hosts: the first of the new ones restores the data before its Patroni starts.
  bool rebuilds = false;

  /// Who belongs to the cluster: the spec's hosts, then those that left it and are not pruned.
  std::vector<const TopologyHost*> known() const;
  /// Those of them that have the role.
  std::vector<const TopologyHost*> known(Role role) const;

  /// Whether the host is one of `without`.
  bool leaves_out(const std::string& host) const { return without.contains(host); }

  /// What the host's system is; Debian 13 where the view has no facts of it.
  const Platform& platform(const std::string& host) const;

  /// Throws Error (internal) for a name that no component declared.
  const Secret& secret(std::string_view name) const;

  /// What a pure function makes of the view; called once for a view that is shared, and so does not change any more.
  template <class T>
  std::shared_ptr<const T> derived(T (*make)(const ClusterView&)) const {
    return weak_from_this().expired() ? std::make_shared<const T>(make(*this)) : derived_.get(*this, make);
  }

 private:
  Memo derived_{};
};

/// The view itself where the planner owns it, else a copy: for steps, which outlive the call that makes them.
std::shared_ptr<const ClusterView> shared(const ClusterView& view);

class Component;

/// What a component sees of one host.
struct NodeView {
  const ClusterView& cluster;
  const TopologyHost& host;
  const Facts& facts;
  std::string component{};  ///< name of the component that is asked; planners set it

  /// What the user wants, all of it.
  const Spec& spec() const { return cluster.spec; }
  /// The whole cluster, resolved.
  const Topology& topology() const { return cluster.topology; }
  /// What the host's system is; Debian 13 where the facts do not tell.
  const Platform& platform() const { return platform_of(facts); }
  /// The host's name, as in the spec.
  const std::string& name() const { return host.name; }
  /// Whether the host has the role.
  bool has(Role role) const { return host.has(role); }
  /// A step of this host by the component that is asked: "pg1/COMPONENT/WHAT".
  StepRef step(std::string_view what) const { return step(component, what); }
  /// A step of this host by any component.
  StepRef step(std::string_view of_component, std::string_view what) const;
  /// The same host as that component sees it.
  NodeView seen_by(const Component& asked) const;
};

/// When the steps of a component come among those of a host.
enum class Turn {
  first,   ///< before all others: they make the host what the others need
  usual,   ///< beside those of other components
  around,  ///< they open before the others begin, and close when the others are done, as a firewall's rules do
};

/// How a component is removed from a host on which other components stay.
struct Leaving {
  std::vector<StepRef> after{};          ///< what it owns is removed after these steps, where they are planned; empty: before all other steps
  bool serves = true;                    ///< whether somebody notices that its units stop
  std::vector<std::string> unnoticed{};  ///< units of which nobody does all the same
  /// Files of it that a unit of somebody else reads, each with that unit: once the file is gone, the unit is restarted where it runs.
  std::map<std::string, std::string> readers{};
  /// Hosts that keep nothing of the component, or no more than a client. Whatever goes there goes after those steps, and the data with it.
  std::vector<std::string> servers{};
};

/// A part of the system. It describes itself: its steps, what it needs, how to see that it is well, and which data it keeps. Its functions are
/// pure, and are called on the thread that plans.
class Component {
 public:
  virtual ~Component() = default;
  /// Middle part of its steps' names, and its key in `extra`: "node_exporter". Unique among the components of a plan.
  virtual std::string name() const = 0;
  /// The steps of one host, in order; none where the host does not have the component. Gates wait for other hosts.
  virtual Steps steps(const NodeView& node) const = 0;
  /// Work that belongs to no host (SQL on the leader, Patroni's dynamic settings): it asks all candidates and then chooses where to act.
  virtual Steps cluster_steps(const ClusterView&) const { return {}; }
  /// What the component needs on the host. Must not use secrets, and must do without facts: they are empty before the host was asked.
  virtual Needs needs(const NodeView&) const { return {}; }
  /// Questions that tell whether the component is well on the host, beside the state of its units. Under the same terms as needs().
  virtual std::vector<Probe> health(const NodeView&) const { return {}; }
  /// When the component's steps come among those of a host.
  virtual Turn turn() const { return Turn::usual; }
  /// How the component is removed from a host on which other components stay.
  virtual Leaving leaving(const ClusterView&) const { return {}; }
  /// Paths of directories with data that only destroy and prune remove.
  virtual std::vector<std::string> data(const NodeView&) const { return {}; }
};
/// Components are shared, and never changed.
using ComponentPtr = std::shared_ptr<const Component>;

/// Ours, in the order in which they come on a host, and go in reverse: system, etcd, consul, pgbackrest (which a server that stops still archives
/// by), patroni (with PostgreSQL), pgbouncer, vip-manager; haproxy, confd, keepalived; cloud; firewall.
std::vector<ComponentPtr> builtin_components();

/// Installs a package for a user's own component, as the step "pg1/COMPONENT/package:NAME". COMPONENT is node.component, or NAME if that is empty.
Steps package(const NodeView& node, const std::string& name);
/// Enables and starts a unit, as the step "pg1/COMPONENT/service:UNIT". A unit without a suffix is a service.
Steps service(const NodeView& node, const std::string& unit);

/// The step by which a plan removes a resource (as in Owned) that the component owns and no longer needs. Only plans that remove it have the step.
StepRef removal(std::string host, std::string component, const std::string& resource);

}  // namespace pgcluster
