#pragma once

#include <pgcluster/op/answer.hpp>

namespace pgcluster {

/// Whether a unit was restarted after it had died, and has not stayed up since. Between two deaths it is active for a moment, or on its way. The
/// count of restarts stays while it runs: one that somebody stops, or whose program takes its time to start ("start"), does not die again.
inline bool dies_again(const Unit& unit) {
  if (unit.sub == "auto-restart") return true;
  const bool begins = unit.active == "activating" && unit.sub != "start", ends = unit.active == "deactivating" && unit.result != "success";
  return unit.restarts > 0 && (unit.young || begins || ends);
}

}  // namespace pgcluster
