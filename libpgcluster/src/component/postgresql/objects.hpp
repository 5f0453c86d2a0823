#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// Roles, databases and what is in them, as the spec describes them, or once did.
struct Objects {
  /// A role, and one that it is a member of.
  using Membership = std::pair<std::string, std::string>;
  /// A database, and the name of something in it.
  using Inside = std::pair<std::string, std::string>;
  std::set<std::string> roles, databases;
  std::set<Membership> memberships{};
  std::set<Inside> schemas{}, extensions{};
  /// What a role has privileges on.
  struct Grant {
    std::string db, role, type, schema;
    std::string object;  ///< its name, or ALL_IN_SCHEMA
    std::string maker;   ///< of default privileges: the role that creates the objects
    friend auto operator<=>(const Grant&, const Grant&) = default;
  };
  std::map<Grant, std::set<std::string>> privileges{};
  friend bool operator==(const Objects&, const Objects&) = default;
};
/// Those of the spec that are to be there. What pgcluster itself needs is no user's.
Objects described_objects(const Spec& spec);
/// Those of the spec that are to be dropped.
Objects dropped_objects(const Spec& spec);
/// Privileges that the spec had before, and that are to be revoked. Those of a role or a database that left the spec as a whole stay.
Objects left_privileges(const ClusterView& view);
/// Those that the hosts remember (/var/lib/pgcluster/objects), and the text that they remember them by.
Objects remembered_objects(const std::map<std::string, Facts>& facts);
std::string objects_file(const Objects& objects);

/// The file of objects on a host: those of the spec, and those that left it and are still there.
StepPtr objects_step(const std::shared_ptr<const ClusterView>& view, const TopologyHost& host);

}  // namespace pgcluster
