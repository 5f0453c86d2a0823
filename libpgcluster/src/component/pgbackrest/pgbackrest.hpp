#pragma once

#include <string>
#include <vector>

#include "component/backup.hpp"

namespace pgcluster::pgbackrest {

inline constexpr const char* unit = "pgbackrest.service";
inline constexpr const char* config_path = "/etc/pgbackrest.conf";
inline constexpr const char* header = "# Written by pgcluster.\n";  ///< of the configuration
inline constexpr const char* spool_path = "/var/spool/pgbackrest";
inline constexpr const char* certificate = "pgbackrest";
inline constexpr int port = 8432;

/// A repository of the spec and its number, from 1.
struct NumberedRepo {
  int number;
  const RepoSpec& spec;
  std::string name() const { return "repo" + std::to_string(number); }
};
/// All, or those of a host.
std::vector<NumberedRepo> repos(const Spec& spec, const std::string& host = {});
/// The passphrase of a repository, by where it is: the number may change.
SecretNeed passphrase(const Spec& spec, const NumberedRepo& repo);
/// The copy of the passphrase beside the repository, which stays when the cluster goes.
std::string passphrase_file(const NumberedRepo& repo);

/// The configuration of a database host, and that of a host with repositories.
Text config(const NodeView& node);

/// pgBackRest as the account that owns the repositories, for this cluster.
std::vector<std::string> command(const ClusterView& view, const std::string& host, const std::vector<std::string>& words);

/// The unit that makes a backup of a type in a repository; what starts it at its time; and their files.
std::string backup_unit(const NumberedRepo& repo, const std::string& type);
WriteFile backup_unit_file(const NodeView& node, const NumberedRepo& repo);
/// The types that have a time, and when that is.
Pairs schedule(const Spec& spec);
std::string timer(const NumberedRepo& repo, const std::string& type);
WriteFile timer_file(const NumberedRepo& repo, const std::string& type, const std::string& when);

/// Writes a timer, and has it run. STEP is the last part of the step's name.
StepPtr timer_step(const NodeView& node, const std::string& step, const WriteFile& wish);

/// The beginning of a hint where a new cluster finds the backups of a cluster that may have been lost.
inline constexpr const char* rebuild_hint = "if this cluster's hosts were lost, pgcluster restore rebuilds it on these hosts. For a new cluster, ";

/// The repositories of the host know the cluster, and have WAL of it; then its first backup.
Steps first_steps(const std::shared_ptr<const ClusterView>& view, const TopologyHost& host);
/// The end of a restore, once the cluster and a new backup stand. Refused while the restore is under way.
Steps restored_steps(const std::shared_ptr<const ClusterView>& view);

}  // namespace pgcluster::pgbackrest
