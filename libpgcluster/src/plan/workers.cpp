#include "plan/workers.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace pgcluster {

struct Workers::State {
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<std::function<void()>> told;
  std::unique_ptr<boost::asio::thread_pool> pool;
};

Workers::Workers(Executor& executor, std::size_t threads) : executor_(executor), state_(std::make_unique<State>()) {
  if (executor.blocking()) state_->pool = std::make_unique<boost::asio::thread_pool>(std::max<std::size_t>(1, threads));
}

Workers::~Workers() {
  if (state_->pool) state_->pool->join();
}

void Workers::post(std::function<void()> job, std::function<void(const Error&)> failed) {
  auto guarded = [this, job = std::move(job), failed = std::move(failed)] {
    const auto fail = [&](const Error& error) { tell([failed, error] { failed(error); }); };
    try {
      job();
    } catch (const Error& error) {
      fail(error);
    } catch (const std::exception& error) {
      fail(Error(Code::internal, std::string("the executor failed: ") + error.what()));
    } catch (...) {
      if (!state_->pool) throw;  // this is the caller's own thread
      fail(Error(Code::internal, "the executor failed with an exception of an unknown type"));
    }
  };
  if (state_->pool)
    boost::asio::post(*state_->pool, std::move(guarded));
  else
    guarded();
}

void Workers::tell(std::function<void()> what) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->told.push_back(std::move(what));
  }
  state_->arrived.notify_one();
}

bool Workers::serve(std::chrono::steady_clock::time_point until) {
  std::deque<std::function<void()>> now;
  {
    std::unique_lock lock(state_->mutex);
    if (state_->told.empty()) {
      if (!state_->pool) {
        lock.unlock();
        executor_.sleep_until(until);
        return false;
      }
      state_->arrived.wait_until(lock, until, [this] { return !state_->told.empty(); });
    }
    now.swap(state_->told);
  }
  for (const auto& what : now) what();
  return !now.empty();
}

}  // namespace pgcluster
