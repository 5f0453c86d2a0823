#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "simulation/services/patroni.hpp"

namespace pgcluster {

/// HAProxy, confd and Keepalived on a simulated fleet: which servers HAProxy has, and who holds the VIP. Added before the models of etcd
/// and Patroni, as it knows which questions of curl are its own.
class BalancerModel final : public ServiceModel {
 public:
  explicit BalancerModel(std::shared_ptr<PatroniModel> patroni) : patroni_(std::move(patroni)) {}

  void added(SimulatedExecutor& fleet) override { fleet_ = &fleet; }
  std::optional<SimulatedPackage> package(const std::string& name) override;
  std::optional<Start> unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void unit_reloaded(SimulatedHost& host, const std::string& unit, SimulatedTime now) override;
  void passed(SimulatedTime now) override;
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) override;

  /// Whether Keepalived has put the VIP on the host.
  bool holds(const std::string& host, const std::string& vip);
  /// Lines of `ss` for these ports.
  std::string listening(const SimulatedHost& host, const std::string& filter) const;

 private:
  bool serves(const SimulatedHost& host) const;
  void render(SimulatedHost& host);
  Output members_by_etcdctl(const SimulatedHost& host, const std::vector<std::string>& argv);
  std::string page(const SimulatedHost& host);

  std::shared_ptr<PatroniModel> patroni_;
  SimulatedExecutor* fleet_ = nullptr;
  std::map<std::string, std::string> loaded_;     // by host: the configuration that HAProxy runs on
  std::map<std::string, std::string> holder_;     // by VIP
  std::map<std::string, std::int64_t> reloaded_;  // by host: the time of Keepalived's last reload, in µs
};

}  // namespace pgcluster
