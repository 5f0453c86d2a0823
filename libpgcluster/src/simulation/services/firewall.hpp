#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pgcluster/simulation/simulated.hpp>

namespace pgcluster {

/// The table of the firewall on each host of a simulated fleet: its rules, and those that come back if nobody confirms them.
class FirewallModel final : public ServiceModel {
 public:
  void added(SimulatedExecutor& fleet) override { fleet_ = &fleet; }
  std::optional<Start> unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_stopped(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void passed(SimulatedTime now) override;
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) override;

 private:
  struct Table {
    std::string rules{};  // empty: not loaded
    std::optional<std::string> former{};
    SimulatedTime until{};
  };
  Output call(Table& table, const std::vector<std::string>& argv, const std::string& input) const;

  SimulatedExecutor* fleet_ = nullptr;
  std::map<std::string, Table> tables_;  // by host
};

}  // namespace pgcluster
