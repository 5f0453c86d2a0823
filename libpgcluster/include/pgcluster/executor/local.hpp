#pragma once

#include <memory>
#include <string>

#include <pgcluster/executor/executor.hpp>

namespace PGCLUSTER_API pgcluster {

/// Where a LocalExecutor keeps what is ours, and what it asks of the machine.
struct LocalOptions {
  /// Where the machine keeps what is ours. For tests only.
  std::string run_directory = "/run/pgcluster";
  std::string state_directory = "/var/lib/pgcluster";
  bool need_systemd = true;
};

/// The machine that this process runs on, without ssh; as root. Every host that it is given is this machine.
class LocalExecutor final : public Executor {
 public:
  /// Touches nothing yet; a machine that does not fit shows at the first run().
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

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcluster
