#pragma once

#include <string>

#include <pgcluster/op/access.hpp>
#include <pgcluster/op/program.hpp>

#include "executor/program/script.hpp"

namespace pgcluster::executor {

/// The Error for a script that gave no result. `log` is the standard error of the shell.
Error unfinished(const HostAccess& host, const Program& program, const Reader& reader, const std::string& log);
/// The Error for a script that refused to run.
Error refused(const HostAccess& host, const Reader& reader);
/// The Error for a host that did not answer in time.
Error too_late(const HostAccess& host, const Program& program, std::chrono::milliseconds limit);
/// The Error for a lock that cannot be taken because its files cannot be written. `log` is the standard error of its process.
Error no_lock(const HostAccess& host, const Places& places, const std::string& log);
/// The Error for a connection that broke.
Error lost(const HostAccess& host, const Program& program, const std::string& why);

/// The time by which a program must reach its next stage: input read, begun (it may wait for an older one), ended.
class Deadline {
 public:
  Deadline(const Script& script, std::uint64_t bytes);
  std::chrono::steady_clock::time_point at(const Reader& reader);
  std::chrono::milliseconds limit() const noexcept { return limit_; }

 private:
  std::chrono::milliseconds limit_;
  std::chrono::milliseconds run_;
  std::chrono::steady_clock::time_point at_;
  int stage_ = 0;
};

/// The last ten lines that are not blank.
std::vector<std::string> last_lines(const std::string& log);
/// Appends to the text and keeps its last 64 KiB.
void keep_tail(std::string& log, std::string_view more);

}  // namespace pgcluster::executor
