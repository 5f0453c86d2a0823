#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "simulation/services/patroni.hpp"

namespace pgcluster {

/// pgBackRest on a simulated fleet: its server, repositories, WAL and backups. Its answers have the form of those that version 2.55.1 gave.
class PgBackRestModel final : public ServiceModel {
 public:
  struct Backup {
    std::string label, type;
    std::int64_t start = 0, stop = 0;
    int timeline = 1;
  };
  /// What a host keeps in its repositories; they are alike.
  struct Repository {
    std::string system_id, passphrase;
    bool archives = false;
    int timeline = 1;  ///< of what is archived and backed up from now on
    std::vector<Backup> backups;
  };

  explicit PgBackRestModel(std::shared_ptr<PatroniModel> patroni) : patroni_(std::move(patroni)) {}
  void added(SimulatedExecutor& fleet) override { fleet_ = &fleet; }
  std::optional<SimulatedPackage> package(const std::string& name) override;
  std::optional<Start> unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) override;

  /// The repositories of a host; tests may change them.
  Repository& repository(const std::string& host) { return repositories_[host]; }

 private:
  std::string info(const SimulatedHost& host);
  Output call(SimulatedHost& host, const std::string& command);
  SimulatedHost* leader(const SimulatedHost& from);

  std::shared_ptr<PatroniModel> patroni_;
  SimulatedExecutor* fleet_ = nullptr;
  std::map<std::string, Repository> repositories_;  // by host
};

}  // namespace pgcluster
