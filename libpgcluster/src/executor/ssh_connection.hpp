#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include <pgcluster/op/op.hpp>

struct _LIBSSH2_SESSION;
struct _LIBSSH2_CHANNEL;

namespace pgcluster::executor {

using Clock = std::chrono::steady_clock;

/// All sockets of an executor, so that any thread can shut them; and how many of them may be logging in.
class Sockets {
 public:
  explicit Sockets(std::size_t logins) : logins_(logins) {}
  void cancel() noexcept;
  void resume() noexcept { cancelled_ = false; }
  bool cancelled() const noexcept { return cancelled_; }
  /// Throws Error (cancelled).
  void check() const;
  /// Sleeps, unless cancelled.
  void sleep(std::chrono::milliseconds time) const;

  class Login {
   public:
    explicit Login(Sockets& sockets);
    ~Login();
    Login(const Login&) = delete;
    Login& operator=(const Login&) = delete;

   private:
    Sockets& sockets_;
  };

 private:
  friend class Socket;
  std::atomic<bool> cancelled_ = false;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::size_t logins_;
  std::set<class Socket*> open_;
};

/// A TCP connection that another thread may shut, never close.
class Socket {
 public:
  explicit Socket(Sockets& sockets) : sockets_(sockets) {}
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Throws Error (host_unreachable, cancelled).
  void connect(const HostAccess& host, Clock::time_point deadline);
  int fd() const noexcept { return fd_; }
  void shut() noexcept;
  bool is_shut() const noexcept { return shut_; }
  /// What poll(2) says within the time, in slices that see a cancel; 0: time is over. Throws Error (cancelled).
  int wait(int events, Clock::time_point until) const;

 private:
  Sockets& sockets_;
  int fd_ = -1;
  std::atomic<bool> shut_ = false;
};

/// The connection broke, or never was: the caller knows what that means.
struct Broken {
  std::string why;
};

/// One authenticated session. Used by one thread at a time.
class SshConnection {
 public:
  /// Connects, checks the host's key, logs in. Throws Error.
  SshConnection(const HostAccess& host, Sockets& sockets);
  ~SshConnection();
  SshConnection(const SshConnection&) = delete;
  SshConnection& operator=(const SshConnection&) = delete;

  class Channel {
   public:
    Channel(SshConnection& connection, _LIBSSH2_CHANNEL* channel) : connection_(&connection), channel_(channel) {}
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    /// Called whenever nothing is half-sent on the connection: the place to send on other channels. Whether it has.
    using Idle = std::function<bool()>;
    /// Writes all. False: time is over. Throws Broken.
    bool write(std::string_view bytes, Clock::time_point deadline, const Idle& idle = {});
    void send_eof();
    struct Read {
      std::string out, err;
      bool eof = false;
    };
    /// What has come on both streams; waits for something until then. Throws Broken.
    Read read(Clock::time_point until, const Idle& idle = {});

   private:
    friend class SshConnection;
    int finish(const std::function<long()>& call, Clock::time_point deadline);
    SshConnection* connection_;
    _LIBSSH2_CHANNEL* channel_;
  };

  /// Starts a command. Throws Broken.
  std::unique_ptr<Channel> exec(const std::string& command);
  bool is_shut() const noexcept { return socket_.is_shut(); }
  void shut() noexcept { socket_.shut(); }

 private:
  void handshake(const HostAccess& host, Clock::time_point deadline);
  void check_key(const HostAccess& host);
  void log_in(const HostAccess& host);
  std::string last_error() const;

  Socket socket_;
  _LIBSSH2_SESSION* session_ = nullptr;
};

/// "root@10.77.0.11:22", for messages.
std::string shown(const HostAccess& host);

}  // namespace pgcluster::executor
