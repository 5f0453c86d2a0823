#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "plan/data.hpp"

namespace pgcluster::history {

/// The applies to a host, a line of JSON for each, the oldest first. Bounded: the oldest ones are forgotten.
inline constexpr const char* path = "/var/lib/pgcluster/history";

/// The line of an apply that begins. Diffs have no secrets; from the first one on that finds no room, they are left out.
std::string line(const Plan::Data& plan, const LockHolder& us);
/// The same line after its end.
std::string ended(const std::string& line, const Report& report, std::int64_t now);
/// The file with the line; it replaces the one of the same apply.
std::string with(std::string_view content, const std::string& line);

/// Keeps the history of an apply on the hosts of its plan, whose locks it holds. A host on which that fails does without: the apply goes on.
class Record {
 public:
  Record(const Plan::Data& plan, Executor& executor, const ApplyOptions& options, const LockHolder& us);
  /// A host whose history has gone meanwhile, with all of the cluster, gets none again.
  void end(const Report& report);

 private:
  const Plan::Data& plan_;
  Executor& executor_;
  std::size_t parallel_;
  std::string line_;
  std::map<std::string, std::vector<std::string>> written_{};  // content, and the hosts that have it: mostly one for all
};

}  // namespace pgcluster::history
