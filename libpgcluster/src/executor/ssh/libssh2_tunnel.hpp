#pragma once

#include <span>
#include <thread>

#include "executor/ssh/libssh2_connection.hpp"

namespace pgcluster::executor {

/// A connection to a host through others. A thread of its own carries the bytes between a socket, which a session uses as if it were TCP, and
/// the session with the last hop, which nobody else uses.
class SshTunnel {
 public:
  /// Connects to the last of the hops, through those before it. Throws Error, Refusal.
  SshTunnel(std::span<const HostAccess> hops, Sockets& sockets) : hop_(hops, sockets) {}
  ~SshTunnel();
  SshTunnel(const SshTunnel&) = delete;
  SshTunnel& operator=(const SshTunnel&) = delete;

  /// Our end, for the caller to own. Once. Throws Error.
  int open(const HostAccess& host, Clock::time_point deadline);

 private:
  void carry() noexcept;
  SshConnection hop_;
  std::unique_ptr<SshConnection::Stream> stream_;
  int far_end_ = -1;
  std::thread thread_;
};

}  // namespace pgcluster::executor
