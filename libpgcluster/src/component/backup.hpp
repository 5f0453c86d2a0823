#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>

// Backups as the rest of pgcluster sees them, whichever tool makes them. The component of the tool implements this.
namespace pgcluster::backup {

inline bool wanted(const Spec& spec) { return spec.pgbackrest_install; }
/// PostgreSQL's archive_command. Without backups a command that always succeeds. archive_mode stays on, because switching it takes a restart.
std::string archive_command(const Spec& spec);

/// The host answers those that back up and those that archive. Planned on each database host and each host with a repository.
StepRef configured(const std::string& host);
/// The repositories of a host know the cluster. Planned on each host with a repository.
StepRef known(const std::string& host);

/// One backup in one repository.
struct Backup {
  std::string label;
  std::string type;              ///< full, diff, incr
  std::string repo;              ///< name of the repository
  std::int64_t start = 0;        ///< Unix time
  std::int64_t stop = 0;         ///< Unix time; 0: unknown
  std::int64_t size_bytes = 0;   ///< what it takes in the repository
  bool error = false;            ///< pages with a wrong checksum were found
  std::int64_t whole_bytes = 0;  ///< what a restore of it copies
  std::string first_wal;         ///< the segment from which a recovery begins
  std::string stop_lsn;          ///< where it is consistent
  std::string version;           ///< major version of PostgreSQL
};
/// A repository as its host describes it.
struct Repository {
  std::string name;  ///< "repo1"
  std::string host;
  RepoType type = RepoType::posix;
  bool answers = false;                        ///< its host could be asked
  bool exists = false;                         ///< it knows a cluster of this name
  std::string problem;                         ///< why it cannot be used; empty: nothing is wrong
  std::string system_id;                       ///< of the cluster whose backups it keeps
  std::string last_wal;                        ///< the newest WAL segment in it
  std::vector<Backup> backups;                 ///< the oldest first
  bool running = false;                        ///< a backup is being made
  std::int64_t done_bytes = 0, all_bytes = 0;  ///< of the running backup; 0: unknown
};

/// Hosts that keep repositories, in the topology's order.
std::vector<const TopologyHost*> hosts(const ClusterView& view);
/// The question to such a host about its repositories.
Ask repositories_ask(const ClusterView& view, const std::string& host);
/// The repositories of the host, in the order of the spec. Pure and total.
std::vector<Repository> read_repositories(const ClusterView& view, const std::string& host, const Answer& answer);

/// The state of the archiver on a database host.
struct Archiver {
  bool answers = false;
  bool leads = false;                ///< takes writes, and so archives
  std::optional<std::int64_t> last;  ///< when WAL was archived last, Unix time
  std::int64_t age_s = 0;            ///< how long ago that is by the host's clock
  std::int64_t failed = 0;           ///< attempts that failed
  bool failing = false;              ///< the last attempt failed
};
Ask archiver_ask(const ClusterView& view, const std::string& host);
Archiver read_archiver(const Answer& answer);

/// Makes a backup of this type ("full") in the repositories of a host. It is done once each of them has a backup that is newer than the one of
/// `before`, labels by name of the repository. A backup that runs already is waited for.
Steps make(const std::shared_ptr<const ClusterView>& view, const std::string& host, const std::string& type,
           const std::map<std::string, std::string>& before);

}  // namespace pgcluster::backup
