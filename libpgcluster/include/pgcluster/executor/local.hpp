#pragma once

#include <memory>
#include <string>
#include <vector>

#include <pgcluster/executor/executor.hpp>

namespace PGCLUSTER_API pgcluster {

/// The settings of a LocalExecutor.
struct LocalOptions {
  /// Directories of our own files on the machine. Only tests change them.
  std::string run_directory = "/run/pgcluster";
  std::string state_directory = "/var/lib/pgcluster";
  bool need_systemd = true;
};

/// Runs programs on the machine on which this process runs, as root and without ssh. Every host that it is given is this machine.
class LocalExecutor final : public Executor {
 public:
  /// Changes and checks nothing yet; the first run() finds out whether the machine is supported.
  explicit LocalExecutor(LocalOptions options = {});
  ~LocalExecutor() override;
  LocalExecutor(const LocalExecutor&) = delete;
  LocalExecutor& operator=(const LocalExecutor&) = delete;

  ProgramResult run(const HostAccess& host, const Program& program) override;
  std::optional<LockHolder> lock(const HostAccess& host, const LockHolder& us) override;
  void beat(const HostAccess& host) override;
  void unlock(const HostAccess& host) noexcept override;
  void cancel() noexcept override;
  void resume() noexcept override;
  std::vector<Activity> activities() const override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcluster
