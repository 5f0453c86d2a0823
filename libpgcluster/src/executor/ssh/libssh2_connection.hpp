#pragma once

#include <memory>
#include <span>
#include <string>

#include "executor/ssh/connection.hpp"
#include "executor/ssh/libssh2_keys.hpp"

struct _LIBSSH2_SESSION;
struct _LIBSSH2_CHANNEL;

namespace pgcluster::executor {

class SshTunnel;

/// A connection by libssh2.
class SshConnection final : public Connection {
 public:
  /// Connects to the last host of the way through the hops before it, checks its key, and logs in. Throws Error, Refusal.
  SshConnection(std::span<const HostAccess> way, Sockets& sockets);
  ~SshConnection() override;
  SshConnection(const SshConnection&) = delete;
  SshConnection& operator=(const SshConnection&) = delete;

  std::unique_ptr<Channel> exec(const std::string& command) override;
  bool is_shut() const noexcept override { return socket_.is_shut(); }
  void shut() noexcept override { socket_.shut(); }

  /// A TCP connection that the host opens for us (direct-tcpip).
  class Stream {
   public:
    virtual ~Stream() = default;
    /// Sends bytes and returns their number; 0 if none can be sent at the moment. Throws Broken.
    virtual std::size_t take(std::string_view bytes) = 0;
    /// Returns the bytes that are available, without waiting. Throws Broken.
    virtual Channel::Read come() = 0;
  };
  /// Throws Error (host_unreachable).
  std::unique_ptr<Stream> stream_to(const HostAccess& host, Clock::time_point deadline);
  int fd() const noexcept { return socket_.fd(); }

 private:
  class SshChannel;
  void handshake(const HostAccess& host, Clock::time_point deadline);
  void check_key(const HostAccess& host);
  void log_in(const HostAccess& host);
  void drop() noexcept;
  std::string last_error() const;

  std::unique_ptr<SshTunnel> tunnel_;  // outlives the socket
  Socket socket_;
  Callbacks callbacks_;  // outlives the session
  _LIBSSH2_SESSION* session_ = nullptr;
};

}  // namespace pgcluster::executor
