#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pgcluster/op/access.hpp>
#include <pgcluster/op/program.hpp>

namespace PGCLUSTER_API pgcluster {

/// The holder of a host's lock.
struct LockHolder {
  std::string who;         ///< "root@controller pid 4711"
  std::int64_t since = 0;  ///< Unix time
  std::string token{};     ///< identifies the apply that took the lock
  friend bool operator==(const LockHolder&, const LockHolder&) = default;
};

/// One running call of an executor: the host, and what the call waits for there.
struct Activity {
  std::string host;
  std::string what;                               ///< "connects to 10.77.0.11 port 22", "unpacks postgresql-17 (34 %)"
  std::chrono::steady_clock::time_point since{};  ///< by the executor's time
};

/// Carries programs to hosts. An executor serves one apply or plan at a time; different executors are independent.
/// run, lock, beat and unlock are called from several threads, but for one host only from one thread at a time.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Runs the program: each Do in order until one fails or has drifted, then the asks. Connects if necessary.
  /// A failed Do or ask is reported in the result. Throws Error if the host cannot be reached or the connection breaks (host_unreachable,
  /// auth_failed, host_key_*, sudo_denied, host_unsupported, connection_lost, timed_out, cancelled).
  virtual ProgramResult run(const HostAccess& host, const Program& program) = 0;

  /// Takes the lock of the host. Returns nullopt if this apply now holds the lock, otherwise the apply that holds it.
  virtual std::optional<LockHolder> lock(const HostAccess& host, const LockHolder& us) = 0;
  /// Keeps our lock for another 30 s. Throws Error (connection_lost) if it is gone.
  virtual void beat(const HostAccess& host) = 0;
  /// Releases our lock, if we hold it. A host that cannot be reached releases it by itself within 30 s.
  virtual void unlock(const HostAccess& host) noexcept = 0;

  /// Cancels: soon, every call that is waiting for a host throws Error (cancelled), and so does every later call until resume(). May be called on any
  /// thread.
  virtual void cancel() noexcept {}
  /// Ends cancel(): calls reach hosts again. May be called on any thread.
  virtual void resume() noexcept {}

  /// Lists the running calls, and for each what it waits for, if the executor knows it. May be called on any thread.
  virtual std::vector<Activity> activities() const { return {}; }

  /// False if run() returns at once. Everything then happens on the calling thread, and the executor has its own time.
  virtual bool blocking() const noexcept { return true; }
  /// The executor's time. Deadlines are measured by it.
  virtual std::chrono::steady_clock::time_point now() const { return std::chrono::steady_clock::now(); }
  /// Advances the executor's time; called instead of sleeping, only if blocking() is false.
  virtual void sleep_until(std::chrono::steady_clock::time_point) {}
};

}  // namespace pgcluster
