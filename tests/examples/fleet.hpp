// Included before an example: a fleet in memory stands in for ssh, so that the example runs as it is written.
#pragma once

#include <pgcluster/pgcluster.hpp>

namespace pgcluster {

class FleetInMemory {
 public:
  FleetInMemory() { add_service_models(fleet_); }
  operator Executor&() { return fleet_; }

 private:
  SimulatedExecutor fleet_;
};

}  // namespace pgcluster

#define SshExecutor FleetInMemory
