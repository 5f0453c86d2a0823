#pragma once

#include <optional>

#include <pgcluster/simulation/simulated.hpp>

/// A simulated fleet behind one's own run(): for executors that count, or that carry a planted bug.
class Forwarding : public pgcluster::Executor {
 public:
  explicit Forwarding(pgcluster::SimulatedExecutor& fleet) : fleet_(fleet) {}
  pgcluster::ProgramResult run(const pgcluster::HostAccess& host, const pgcluster::Program& program) override { return fleet_.run(host, program); }
  std::optional<pgcluster::LockHolder> lock(const pgcluster::HostAccess& host, const pgcluster::LockHolder& us) override {
    return fleet_.lock(host, us);
  }
  void beat(const pgcluster::HostAccess& host) override { fleet_.beat(host); }
  void unlock(const pgcluster::HostAccess& host) noexcept override { fleet_.unlock(host); }
  bool blocking() const noexcept override { return false; }
  pgcluster::SimulatedTime now() const override { return fleet_.now(); }
  void sleep_until(pgcluster::SimulatedTime until) override { fleet_.sleep_until(until); }

 private:
  pgcluster::SimulatedExecutor& fleet_;
};
