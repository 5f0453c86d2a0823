#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "component/backup.hpp"

// Backups that were restored to see whether they can be, whichever tool made them. The component of the tool implements this.
namespace pgcluster::proof {

/// One proof of a backup.
struct Proof {
  std::string label;
  std::string repo;
  std::int64_t at = 0;  ///< when it began, Unix time
  std::int64_t seconds = 0;
  std::string wrong;  ///< empty: nothing
};
/// How `wrong` begins where the backup itself is good.
inline constexpr const char* wal_missing = "the WAL file ";
/// The proofs of a repository as its host keeps them, the oldest first, one for each backup; and the host's clock.
struct Proofs {
  std::int64_t now = 0;  ///< 0: the host did not say
  std::vector<Proof> all;
};
Ask ask(const ClusterView& view, const std::string& host, const std::string& repo);
Proofs read(const std::string& repo, const Answer& answer);
/// The newest one that found nothing wrong; null where there is none.
const Proof* newest_good(const std::vector<Proof>& proofs);

/// The same question to all that keep proofs of the repository: `host` beside it, and database hosts, where proofs have a schedule.
std::vector<Ask> asks(const ClusterView& view, const std::string& host, const std::string& repo);
/// What the hosts have answered, as the proofs of one.
Proofs read(const ClusterView& view, const std::string& host, const std::string& repo, const Answers& answers);
/// On a database host where proofs have a schedule: its timers, and whether the last of its proofs has failed.
std::vector<std::string> timers(const Spec& spec);
std::vector<Probe> due_probes(const NodeView& node);
/// On each database host: the program, the unit that runs it, and what starts that at its time.
Steps prepared(const NodeView& node);
/// Proves the backup on this database host, notes what was found with the repository, and fails if something is wrong. `missing`: a WAL file that a
/// later recovery would lack. `before`, `progress`: what was proven already, and the first line of the answer to progress_ask() when the plan is
/// made.
Steps steps(const std::shared_ptr<const ClusterView>& view, const std::string& host, const backup::Repository& repository, const std::string& label,
            const std::string& missing, const Proofs& before, const std::string& progress);
/// How the last proof on the host has ended, or stands: a file.
Ask progress_ask(const std::string& host);

}  // namespace pgcluster::proof
