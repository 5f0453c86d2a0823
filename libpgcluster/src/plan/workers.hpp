#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include <pgcluster/executor/executor.hpp>

namespace pgcluster {

/// Runs jobs on a bounded pool of threads, and their results on the thread that owns it.
/// With an executor that does not block, a job runs at once on the calling thread.
class Workers {
 public:
  Workers(Executor& executor, std::size_t threads);
  ~Workers();  // waits for running jobs
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Runs the job. If it throws, the owner's thread calls `failed`: with the Error that was thrown, or with an Error (internal) for any other
  /// exception, so that none ends the process.
  void post(std::function<void()> job, std::function<void(const Error&)> failed);
  /// Called by a job: the owner's thread will call `what`.
  void tell(std::function<void()> what);
  /// Calls what jobs have told; waits until `until` if there is nothing yet. False if nothing came.
  bool serve(std::chrono::steady_clock::time_point until);

 private:
  struct State;
  Executor& executor_;
  std::unique_ptr<State> state_;
};

}  // namespace pgcluster
