#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <pgcluster/executor/executor.hpp>

namespace PGCLUSTER_API pgcluster {

/// How patiently a CloudExecutor talks to an API.
struct CloudOptions {
  std::chrono::milliseconds timeout{30'000};  ///< of one request
  std::size_t attempts = 6;                   ///< of one request, where rate limits, failures of the server or of the network are in its way
  std::chrono::milliseconds pause{500};       ///< before the second attempt; doubles each time, and each up to half longer by chance
  std::chrono::milliseconds longest{30'000};  ///< pause; what the server itself says (Retry-After) may be twice that
  std::chrono::milliseconds poll{1'000};      ///< between two looks at what the cloud has begun
  std::chrono::seconds patience{600};         ///< with that
  std::function<void(std::chrono::milliseconds)> wait{};  ///< instead of sleeping, for tests; on a thread of who waits
};

/// The load balancers of a cloud, by its vendor's REST API, from this machine (HostAccess::cloud, Transport::cloud). TLS is verified.
/// It answers Http asks, and carries out Sends about load balancers; as a host does, it looks at the present state first. All else fails.
/// There is no lock: the hosts' own guard what belongs to their cluster.
class CloudExecutor final : public Executor {
 public:
  /// Connects to nothing yet.
  explicit CloudExecutor(CloudOptions options = {});
  ~CloudExecutor() override;
  CloudExecutor(const CloudExecutor&) = delete;
  CloudExecutor& operator=(const CloudExecutor&) = delete;

  ProgramResult run(const HostAccess& cloud, const Program& program) override;
  std::optional<LockHolder> lock(const HostAccess&, const LockHolder&) override { return std::nullopt; }
  void beat(const HostAccess&) override {}
  void unlock(const HostAccess&) noexcept override {}
  void cancel() noexcept override;
  void resume() noexcept override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcluster
