// Included before an example: a fleet in memory stands in for ssh, so that the example runs as it is written.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <pgcluster/pgcluster.hpp>

namespace pgcluster {

/// The package that own_component.cpp installs.
class NodeExporterPackage final : public ServiceModel {
 public:
  std::optional<SimulatedPackage> package(const std::string& name) override {
    if (name != "prometheus-node-exporter") return std::nullopt;
    return SimulatedPackage{.version = "1.9", .units = {"prometheus-node-exporter.service"}};
  }
};

class FleetInMemory {
 public:
  FleetInMemory() {
    add_service_models(fleet_);
    fleet_.add(std::make_shared<NodeExporterPackage>());
  }
  operator Executor&() { return fleet_; }

 private:
  SimulatedExecutor fleet_;
};

}  // namespace pgcluster

#define SshExecutor FleetInMemory
