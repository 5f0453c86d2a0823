#include "call.hpp"

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "modules.hpp"
#include "records.hpp"

namespace pgcluster::python {
namespace {

constexpr std::chrono::milliseconds between_polls{50};
constexpr std::chrono::seconds until_cut{10}, until_left{5};

thread_local Call* innermost = nullptr;
thread_local Executor* used = nullptr;

// All uses of executors in the process; for the interpreter's exit, and to see that an executor serves one call at a time.
struct Use {
  Executor* executor;
  std::stop_source stop;
  std::thread::id thread;
};
struct Calls {
  std::mutex mutex;
  std::condition_variable ended;
  std::map<const void*, Use> running;  // by the Call or Touch
  bool exiting = false;
};
Calls* all_calls = new Calls;  // outlives what a thread may still do at exit
Calls& calls() { return *all_calls; }

// The threads that worked are none of the child's, and may have held the mutex.
void forked() { all_calls = new Calls; }

void end(const void* use) {
  const std::lock_guard lock(calls().mutex);
  calls().running.erase(use);
  calls().ended.notify_all();
}

std::shared_ptr<py::error_already_set> kept(py::error_already_set& error) {
  return {new py::error_already_set(error), [](py::error_already_set* one) {
            const py::gil_scoped_acquire acquired;
            delete one;
          }};
}

}  // namespace

void set_raised(const py::error_already_set& error) {
  PyErr_Restore(error.type().inc_ref().ptr(), error.value().inc_ref().ptr(), error.trace() ? error.trace().inc_ref().ptr() : nullptr);
}

Call::Call(Executor& executor, bool applying, py::handle stop, py::handle poll)
    : executor_(executor), applying_(applying), poll_(py::reinterpret_borrow<py::object>(poll)), outer_(innermost), outer_executor_(used) {
  if (!stop.is_none()) {
    if (!py::isinstance<std::stop_source>(stop)) wrong_type(Where{nullptr, "stop"}, "StopSource", stop);
    const auto& given = stop.cast<const std::stop_source&>();
    outer_stop_.emplace(given.get_token(), [source = source_]() mutable { source.request_stop(); });
  }
  if (!poll_.is_none() && !PyCallable_Check(poll_.ptr())) wrong_type(Where{nullptr, "poll"}, "a function", poll_);
  const std::lock_guard lock(calls().mutex);
  if (calls().exiting) throw Error(Code::cancelled, "the interpreter is exiting: no call to hosts begins any more");
  for (const auto& [call, use] : calls().running)
    if (use.executor == &executor_)
      throw std::runtime_error("executor: it is at work for another call; an executor serves one at a time, take a second one beside it");
  calls().running.emplace(this, Use{&executor_, source_, std::this_thread::get_id()});
  innermost = this;
  used = &executor_;
}

Call::~Call() {
  innermost = outer_;
  used = outer_executor_;
  if (cut_) executor_.resume();
  end(this);
}

Touch::Touch(Executor& executor) : outer_(used) {
  const std::lock_guard lock(calls().mutex);
  for (const auto& [call, use] : calls().running)
    if (use.executor == &executor && use.thread != std::this_thread::get_id())
      throw std::runtime_error("executor: it is at work for another thread; look at it in that thread's callbacks, or when the call has ended");
  calls().running.emplace(this, Use{&executor, std::stop_source(std::nostopstate), std::this_thread::get_id()});
  used = &executor;
}

Touch::~Touch() {
  used = outer_;
  end(this);
}

Executor* at_work() noexcept { return used; }

Call* Call::current() noexcept { return innermost; }

void Call::poll() {
  const auto now = std::chrono::steady_clock::now();
  if (now - polled_ < between_polls) return;
  polled_ = now;
  const py::gil_scoped_acquire acquired;
  if (PyErr_CheckSignals() != 0) {
    py::error_already_set error;
    if (pending_) cut();  // asked a second time: not even what runs is waited for
    raised(error);
  }
  if (poll_.is_none() || pending_) return;
  try {
    poll_();
  } catch (py::error_already_set& error) {
    raised(error);
  }
}

void Call::cut() {
  cut_ = true;
  executor_.cancel();
}

void Call::raised(py::error_already_set& error) {
  if (!pending_) pending_ = kept(error);
  if (!applying_) {
    cut();
    throw Raised{pending_};
  }
  source_.request_stop();
}

void Call::finish() {
  if (!pending_) return;
  set_raised(*pending_);
  throw py::error_already_set();
}

void Call::stop_all() {
  const py::gil_scoped_release released;
  std::unique_lock lock(calls().mutex);
  calls().exiting = true;
  const auto stop = [](bool cut) {
    for (auto& [call, use] : calls().running) {
      use.stop.request_stop();
      if (cut) use.executor->cancel();
    }
  };
  const auto none = [] { return calls().running.empty(); };
  stop(false);
  if (!calls().ended.wait_for(lock, until_cut, none)) {
    stop(true);
    calls().ended.wait_for(lock, until_left, none);  // a callback that never returns must not keep the process
  }
}

Executor& executor_from(py::handle from, const std::string& function) {
  if (!py::isinstance<Executor>(from)) wrong_type(Where{nullptr, function + "(): executor"}, "Executor", from);
  return from.cast<Executor&>();
}

void bind_calls(py::module_& m) {
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Raised& raised) {
      set_raised(*raised.error);
    } catch (const Error& error) {
      const py::object made = As<Error>::give(error);
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
    }
  });
  py::class_<std::stop_source>(m, "StopSource", "What ends a call that waits for hosts, from any thread: give it as `stop`.")
      .def(py::init<>())
      .def(
          "request_stop", [](std::stop_source& self) { return self.request_stop(); },
          "Asks what it was given to to end; whether this was the first time.")
      .def(
          "stop_requested", [](const std::stop_source& self) { return self.stop_requested(); }, "Whether it was asked.");
  pthread_atfork(nullptr, nullptr, &forked);
  py::module_::import("atexit").attr("register")(py::cpp_function(&Call::stop_all));
}

}  // namespace pgcluster::python
