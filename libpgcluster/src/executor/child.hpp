#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pgcluster::executor {

/// A program on this machine, in a session of its own: no terminal, and no signal that is meant for us. Used by one thread at a time.
class Child {
 public:
  /// `in`, and `err` where it is not -1, become its standard streams; the caller keeps its own ends of them. `more` is added to the environment.
  /// Throws Error where it cannot be run.
  Child(std::vector<std::string> argv, int in, int err = -1, const std::map<std::string, std::string>& more = {});
  /// Ends it where it has not ended by itself.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Appends what has come, waiting for the first of it. False: all its output has ended.
  bool read(std::string& out, std::string& err, std::chrono::milliseconds time);
  /// Its exit status, 128 + n where a signal ended it; empty: it has not ended within the time.
  std::optional<int> wait(std::chrono::milliseconds time);
  /// It may go on after us.
  void leave() noexcept { pid_ = -1; }

 private:
  void close() noexcept;
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  std::optional<int> status_;
};

/// Two connected sockets; closed where nobody takes them.
class SocketPair {
 public:
  /// Throws Error.
  SocketPair();
  ~SocketPair();
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  int ours() const noexcept { return ours_; }
  int theirs() const noexcept { return theirs_; }
  /// The caller owns our end from now on.
  int take_ours() noexcept;
  void close_theirs() noexcept;

 private:
  int ours_ = -1, theirs_ = -1;
};

}  // namespace pgcluster::executor
