#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pgcluster::executor {

/// A program on this machine, in its own session: it has no terminal and does not receive our signals. Used by one thread at a time.
class Child {
 public:
  /// `in`, and `err` if it is not -1, become its standard streams; the caller keeps the other ends. `more` is added to the environment.
  /// Throws Error if the program cannot be run.
  Child(std::vector<std::string> argv, int in, int err = -1, const std::map<std::string, std::string>& more = {});
  /// Kills the program if it is still running.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Appends the available output, and waits for some if there is none. False: both outputs have ended.
  bool read(std::string& out, std::string& err, std::chrono::milliseconds time);
  /// Its exit status, or 128 + n if signal n killed it; nullopt if it has not ended within the time.
  std::optional<int> wait(std::chrono::milliseconds time);
  /// Lets the program run on when this object is destroyed.
  void leave() noexcept { pid_ = -1; }

 private:
  void close() noexcept;
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  std::optional<int> status_;
};

/// Two connected sockets. Each is closed unless it is taken.
class SocketPair {
 public:
  /// Throws Error.
  SocketPair();
  ~SocketPair();
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  int ours() const noexcept { return ours_; }
  int theirs() const noexcept { return theirs_; }
  /// Passes our end to the caller, who closes it.
  int take_ours() noexcept;
  void close_theirs() noexcept;

 private:
  int ours_ = -1, theirs_ = -1;
};

}  // namespace pgcluster::executor
