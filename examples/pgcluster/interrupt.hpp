#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include <pgcluster/executor/executor.hpp>

namespace command {

/// SIGINT and SIGTERM: the first lets running steps finish, the second stops waiting for the hosts, the third ends the process.
class Interrupt {
 public:
  explicit Interrupt(pgcluster::Executor& executor);
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  /// Call it on the thread that called the library, at least every 100 ms.
  void poll();
  bool requested() const noexcept;
  /// Throws Error (cancelled) if a signal was received.
  void check() const;
  /// Prints what the first and the second signal do; may be empty.
  std::function<void(const std::string&)> tell{};

 private:
  pgcluster::Executor& executor_;
  std::stop_source source_;
  int seen_ = 0;
};

}  // namespace command
