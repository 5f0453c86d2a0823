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
#include <vector>

#include <pgcluster/base/error.hpp>
#include <pgcluster/op/access.hpp>

namespace pgcluster::executor {

using Clock = std::chrono::steady_clock;

/// All sockets of an executor, so that any thread can shut them down; also limits how many log in at the same time.
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

/// A socket that another thread may shut down but not close.
class Socket {
 public:
  explicit Socket(Sockets& sockets) : sockets_(sockets) {}
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Connects by TCP. Throws Error (host_unreachable, cancelled).
  void connect(const HostAccess& host, Clock::time_point deadline);
  /// Takes over a connected socket. Throws Error (cancelled).
  void adopt(int fd);
  int fd() const noexcept { return fd_; }
  void shut() noexcept;
  bool is_shut() const noexcept { return shut_; }
  /// Waits with poll(2) and returns its events; 0 if none came by `until`. Throws Error (cancelled).
  int wait(int events, Clock::time_point until) const;

 private:
  Sockets& sockets_;
  int fd_ = -1;
  std::atomic<bool> shut_ = false;
};

/// Thrown if the connection broke or could not be made. The caller converts it to the Error that fits.
struct Broken {
  std::string why;
};

/// Thrown if sshd refuses another session on this connection. The connection itself stays usable.
struct NoSession : Broken {};

/// sshd closed the connection before its banner (MaxStartups, PerSourcePenalties). A later try may succeed.
struct Refusal {
  std::string who;  ///< "root@10.77.0.11:22": the host, or one of its hops
  std::string why;
};

/// A command that runs on the host, and its standard streams.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Called when no packet is partly sent on the connection, so that it can send on other channels. Returns whether it sent something.
  using Idle = std::function<bool()>;
  /// Writes all bytes. Returns false at the deadline. Throws Broken.
  virtual bool write(std::string_view bytes, Clock::time_point deadline, const Idle& idle = {}) = 0;
  virtual void send_eof() = 0;
  struct Read {
    std::string out, err;
    bool eof = false;
  };
  /// The available output of both streams; waits until then if there is none. Throws Broken.
  virtual Read read(Clock::time_point until, const Idle& idle = {}) = 0;
};

/// One authenticated connection to a host, of any transport. Used by one thread at a time; any thread may shut it down.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Starts a command. Throws Broken.
  virtual std::unique_ptr<Channel> exec(const std::string& command) = 0;
  virtual bool is_shut() const noexcept = 0;
  virtual void shut() noexcept = 0;
};

/// "root@10.77.0.11:22", for messages.
std::string shown(const HostAccess& host);
/// Whether an interface of this machine has the address.
bool is_own_address(const std::string& address);
/// The hops in the form of `ssh -J`: "a@b:22,c"; empty if there are none.
std::string shown_jump(const HostAccess& host);

/// Connects with the transport of the host; `way` is the result of SshConfigs. If the server closes the connection before its banner, tries again
/// after each of the pauses. Throws Error.
std::unique_ptr<Connection> connect(const HostAccess& host, const std::vector<HostAccess>& way, Sockets& sockets,
                                    const std::vector<std::chrono::milliseconds>& pauses);

}  // namespace pgcluster::executor
