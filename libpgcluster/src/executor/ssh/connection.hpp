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

/// A socket that another thread may shut, never close.
class Socket {
 public:
  explicit Socket(Sockets& sockets) : sockets_(sockets) {}
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// By TCP. Throws Error (host_unreachable, cancelled).
  void connect(const HostAccess& host, Clock::time_point deadline);
  /// A connected socket that this one owns from now on. Throws Error (cancelled).
  void adopt(int fd);
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

/// sshd hung up before it said anything (MaxStartups, PerSourcePenalties), or said only why: it may take us later.
struct Refusal {
  std::string who;  ///< "root@10.77.0.11:22": the host, or a hop on the way
  std::string why;
};

/// A command that runs on the host, with its three streams.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Called whenever nothing is half-sent on the connection: the place to send on other channels. Whether it has.
  using Idle = std::function<bool()>;
  /// Writes all. False: time is over. Throws Broken.
  virtual bool write(std::string_view bytes, Clock::time_point deadline, const Idle& idle = {}) = 0;
  virtual void send_eof() = 0;
  struct Read {
    std::string out, err;
    bool eof = false;
  };
  /// What has come on both streams; waits for something until then. Throws Broken.
  virtual Read read(Clock::time_point until, const Idle& idle = {}) = 0;
};

/// One authenticated connection to a host, whatever carries it. Used by one thread at a time; any thread may shut it.
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
/// Whether an interface of this machine has it.
bool is_own_address(const std::string& address);
/// The hops as `ssh -J` takes them: "a@b:22,c"; empty where there are none.
std::string shown_jump(const HostAccess& host);

/// Connects by the transport that the host asks for; `way` is what SshConfigs makes of it. A server that hangs up before its banner is tried
/// again after each of the pauses. Throws Error.
std::unique_ptr<Connection> connect(const HostAccess& host, const std::vector<HostAccess>& way, Sockets& sockets,
                                    const std::vector<std::chrono::milliseconds>& pauses);

}  // namespace pgcluster::executor
