#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include <pgcluster/executor/executor.hpp>

namespace pgcluster {

/// Carries jobs to a bounded pool of threads, and what they have to say back to the thread that owns it.
/// With an executor that does not block, a job runs at once on the calling thread.
class Workers {
 public:
  Workers(Executor& executor, std::size_t threads);
  ~Workers();  // waits for running jobs
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void post(std::function<void()> job);
  /// From a job: something that the owner's thread is to do.
  void tell(std::function<void()> what);
  /// Does what jobs have told, waiting until `until` for the first of it. False where nothing came.
  bool serve(std::chrono::steady_clock::time_point until);

 private:
  struct State;
  Executor& executor_;
  std::unique_ptr<State> state_;
};

}  // namespace pgcluster
