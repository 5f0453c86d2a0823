#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <pgcluster/executor/executor.hpp>

namespace pgcluster::executor {

/// What the calls of an executor wait for, one entry a host. Used by the threads that run them, and by the one that shows it.
class Activities {
 public:
  /// A call to a host: it has an entry until it ends.
  class Call {
   public:
    Call(Activities& all, std::string host, std::string what) : all_(all), host_(std::move(host)) { now(std::move(what)); }
    ~Call() {
      const std::lock_guard guard(all_.mutex_);
      all_.by_host_.erase(host_);
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    /// Replaces what is shown, if it is something else.
    void now(std::string what) {
      const std::lock_guard guard(all_.mutex_);
      const auto [shown, fresh] = all_.by_host_.try_emplace(host_);
      if (fresh || shown->second.what != what) shown->second = {host_, std::move(what), std::chrono::steady_clock::now()};
    }

   private:
    Activities& all_;
    std::string host_;
  };

  std::vector<Activity> list() const {
    const std::lock_guard guard(mutex_);
    std::vector<Activity> found;
    for (const auto& [host, one] : by_host_) found.push_back(one);
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Activity> by_host_;
};

}  // namespace pgcluster::executor
