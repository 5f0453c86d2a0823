#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <pgcluster/executor/executor.hpp>

namespace PGCLUSTER_API pgcluster {

/// What holds for all connections of an SshExecutor; how each host is reached is in its HostAccess.
struct SshOptions {
  std::size_t logins = 8;  ///< connections that log in at once: sshd drops more of them (MaxStartups)
  /// Where sshd hangs up before its banner (MaxStartups; PerSourcePenalties, which last 15 s at least), how long until the next try, each up to
  /// half longer by chance.
  std::vector<std::chrono::milliseconds> pauses{std::chrono::milliseconds(400), std::chrono::milliseconds(2'000), std::chrono::milliseconds(16'000)};
  /// Where a host keeps what is ours. For tests only.
  std::string run_directory = "/run/pgcluster";
  std::string state_directory = "/var/lib/pgcluster";
  bool need_systemd = true;
};

/// What a host has cost.
struct SshStatistics {
  std::size_t connections = 0;
  std::size_t execs = 0;
};

/// Reaches hosts by ssh: one connection a host, made when first needed and kept; host keys are always checked, those of hops, too.
/// A broken connection is a connection_lost (retryable); the next call connects again.
/// HostAccess::transport says what carries it: libssh2, the system's ssh client, or for the host that is this machine no ssh at all.
/// A cloud's API (Transport::cloud) is what a CloudExecutor makes of it.
class SshExecutor final : public Executor {
 public:
  /// Connects to nothing yet.
  explicit SshExecutor(SshOptions options = {});
  ~SshExecutor() override;
  SshExecutor(const SshExecutor&) = delete;
  SshExecutor& operator=(const SshExecutor&) = delete;

  ProgramResult run(const HostAccess& host, const Program& program) override;
  std::optional<LockHolder> lock(const HostAccess& host, const LockHolder& us) override;
  void beat(const HostAccess& host) override;
  void unlock(const HostAccess& host) noexcept override;
  void cancel() noexcept override;
  void resume() noexcept override;

  /// What the host has cost since the executor was made; zeros for an unknown one. Any thread.
  SshStatistics statistics(const std::string& host) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcluster
