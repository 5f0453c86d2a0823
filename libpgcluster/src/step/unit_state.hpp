#pragma once

#include <pgcluster/op/answer.hpp>

namespace pgcluster {

/// Whether a unit was restarted after it had died, and has not stayed up since. Between two deaths it is active for a moment, or on its way.
inline bool dies_again(const Unit& unit) {
  return unit.sub == "auto-restart" || (unit.restarts > 0 && (unit.young || unit.active == "activating" || unit.active == "deactivating"));
}

}  // namespace pgcluster
