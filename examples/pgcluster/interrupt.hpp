#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include <pgcluster/executor/executor.hpp>

namespace command {

/// SIGINT and SIGTERM: the first asks for an orderly end, the second breaks off what still waits for a host, the third ends the process.
class Interrupt {
 public:
  explicit Interrupt(pgcluster::Executor& executor);
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  /// On the thread that called the library, at least every 100 ms.
  void poll();
  bool requested() const noexcept;
  /// Throws Error (cancelled) where a signal has come.
  void check() const;
  /// Who tells the person about the first and the second signal; empty: nobody.
  std::function<void(const std::string&)> tell{};

 private:
  pgcluster::Executor& executor_;
  std::stop_source source_;
  int seen_ = 0;
};

}  // namespace command
