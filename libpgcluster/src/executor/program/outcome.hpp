#pragma once

#include <string>

#include <pgcluster/op/access.hpp>
#include <pgcluster/op/program.hpp>

#include "executor/program/script.hpp"

namespace pgcluster::executor {

/// Why a script that has not ended gave no result, as the Error to throw. `log` is what the shell said on its standard error.
Error unfinished(const HostAccess& host, const Program& program, const Reader& reader, const std::string& log);
/// The refusal of a script that has ended, as the Error to throw.
Error refused(const HostAccess& host, const Reader& reader);
/// The host has not answered in time.
Error too_late(const HostAccess& host, const Program& program, std::chrono::milliseconds limit);
/// The connection broke.
Error lost(const HostAccess& host, const Program& program, const std::string& why);

/// When a program must have come to its next stage: read, begun (an older one may still run), ended.
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

/// The last ten that say something.
std::vector<std::string> last_lines(const std::string& log);
/// Appends, and keeps only the last 64 KiB.
void keep_tail(std::string& log, std::string_view more);

}  // namespace pgcluster::executor
