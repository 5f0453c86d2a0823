#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <pgcluster/executor/executor.hpp>

namespace PGCLUSTER_API pgcluster {

/// The settings of all connections of an SshExecutor. The settings of a single host are in its HostAccess.
struct SshOptions {
  std::size_t logins = 8;  ///< connections that may log in at the same time; sshd drops further ones (MaxStartups)
  /// The waits between tries while sshd closes the connection before its banner (MaxStartups, or PerSourcePenalties, which last at least 15 s).
  /// Each is lengthened by a random part of up to one half.
  std::vector<std::chrono::milliseconds> pauses{std::chrono::milliseconds(400), std::chrono::milliseconds(2'000), std::chrono::milliseconds(16'000)};
  /// Directories of our own files on a host. Only tests change them.
  std::string run_directory = "/run/pgcluster";
  std::string state_directory = "/var/lib/pgcluster";
  bool need_systemd = true;
};

/// The number of connections to a host and of commands started on it.
struct SshStatistics {
  std::size_t connections = 0;
  std::size_t execs = 0;
};

/// Reaches hosts by ssh. It makes one connection to each host when it is first needed, and keeps it. It always checks host keys, also those of hops.
/// A broken connection is reported as connection_lost (retryable); the next call connects again.
/// HostAccess::transport chooses libssh2, the system's ssh client, a LocalExecutor (Transport::local) or a CloudExecutor (Transport::cloud).
class SshExecutor final : public Executor {
 public:
  /// Does not connect yet.
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
  std::vector<Activity> activities() const override;

  /// The counts since the executor was made; zeros for an unknown host. May be called on any thread.
  SshStatistics statistics(const std::string& host) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcluster
