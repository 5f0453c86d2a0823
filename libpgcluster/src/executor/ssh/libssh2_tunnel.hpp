#pragma once

#include <span>
#include <thread>

#include "executor/ssh/libssh2_connection.hpp"

namespace pgcluster::executor {

/// A connection to a host through hops. Its thread copies bytes between a socket, which the session with the host uses like a TCP socket, and the
/// session with the last hop, which only this thread uses.
class SshTunnel {
 public:
  /// Connects to the last hop through the hops before it. Throws Error, Refusal.
  SshTunnel(std::span<const HostAccess> hops, Sockets& sockets) : hop_(hops, sockets) {}
  ~SshTunnel();
  SshTunnel(const SshTunnel&) = delete;
  SshTunnel& operator=(const SshTunnel&) = delete;

  /// Opens the connection and returns our end of the socket, which the caller closes. Call it once. Throws Error.
  int open(const HostAccess& host, Clock::time_point deadline);

 private:
  void carry() noexcept;
  SshConnection hop_;
  std::unique_ptr<SshConnection::Stream> stream_;
  int far_end_ = -1;
  std::thread thread_;
};

}  // namespace pgcluster::executor
