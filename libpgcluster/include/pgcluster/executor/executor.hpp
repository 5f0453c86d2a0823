#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <pgcluster/op/access.hpp>
#include <pgcluster/op/program.hpp>

namespace PGCLUSTER_API pgcluster {

/// Who holds a host's lock.
struct LockHolder {
  std::string who;             ///< "root@controller pid 4711"
  std::int64_t since = 0;      ///< Unix time
  std::string token{};         ///< of the apply that took it
  friend bool operator==(const LockHolder&, const LockHolder&) = default;
};

/// How work reaches hosts. One apply or plan per executor at a time; different executors are independent.
/// run, lock, beat and unlock are called from several threads, for one host from one at a time.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Carries out the program: each Do in order up to the first that fails or has drifted, then the asks. Connects where it must.
  /// A Do or ask that fails is in the result; throws Error where the host could not be reached or the connection broke
  /// (host_unreachable, auth_failed, host_key_*, sudo_denied, host_unsupported, connection_lost, timed_out, cancelled).
  virtual ProgramResult run(const HostAccess& host, const Program& program) = 0;

  /// Takes the live lock of the host; the holder where somebody else has it, empty where it is ours now.
  virtual std::optional<LockHolder> lock(const HostAccess& host, const LockHolder& us) = 0;
  /// Keeps our lock alive for 30 s more. Throws connection_lost where it is gone.
  virtual void beat(const HostAccess& host) = 0;
  /// Gives the lock back; nothing where it is not ours. A host that cannot be reached frees it itself within 30 s.
  virtual void unlock(const HostAccess& host) noexcept = 0;

  /// Makes every call that waits for a host return soon with Error (cancelled), and later ones too until resume(). Any thread.
  virtual void cancel() noexcept {}
  /// Ends cancel(): calls reach hosts again. Any thread.
  virtual void resume() noexcept {}

  /// False where run() returns at once: then everything happens on the calling thread, and time is the executor's own.
  virtual bool blocking() const noexcept { return true; }
  /// The executor's time, by which deadlines are measured.
  virtual std::chrono::steady_clock::time_point now() const { return std::chrono::steady_clock::now(); }
  /// Called only where blocking() is false, instead of sleeping.
  virtual void sleep_until(std::chrono::steady_clock::time_point) {}
};

}  // namespace pgcluster
