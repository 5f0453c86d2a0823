#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <utility>

#include <pgcluster/executor/executor.hpp>

#include "convert.hpp"

// Calls that wait for hosts: the GIL is released, signals are looked at, and what Python code raises within arrives at the caller.
namespace pgcluster::python {

/// An exception of Python code on its way through the library. It is no std::exception, so that no handler of the library catches it.
struct Raised {
  std::shared_ptr<py::error_already_set> error;
};

/// Sets Python's error to what was raised, with its traceback; any number of times.
void set_raised(const py::error_already_set& error);

/// One call that waits for hosts, on the thread that made it.
class Call {
 public:
  /// An exception of Python code while `applying` does not abort the apply half-way: the apply is told to stop, finishes its running changes and
  /// releases its locks first.
  Call(Executor& executor, bool applying, py::handle stop, py::handle poll);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// The innermost call of this thread; null where there is none.
  static Call* current() noexcept;

  /// Runs `work` without the GIL, and throws the exception that Python code raised within it.
  template <class Work>
  auto run(Work&& work) {
    try {
      auto result = [&] {
        const py::gil_scoped_release released;
        return work();
      }();
      finish();
      return result;
    } catch (const Raised& raised) {
      set_raised(*raised.error);
      throw py::error_already_set();
    } catch (const Error&) {
      finish();
      throw;
    }
  }

  std::stop_token token() const { return source_.get_token(); }
  /// For the library's poll.
  void poll();
  /// Takes what was raised just now; throws it through the library, or keeps it and stops the apply.
  void raised(py::error_already_set& error);
  /// Whether something was raised that waits for the apply's end.
  bool failed() const noexcept { return pending_ != nullptr; }

  /// At the interpreter's exit: stops all calls, and waits for them for a while. None begins any more.
  static void stop_all();

 private:
  void finish();
  void cut();

  Executor& executor_;
  const bool applying_;
  std::stop_source source_{};
  std::optional<std::stop_callback<std::function<void()>>> outer_stop_{};
  py::object poll_;
  std::chrono::steady_clock::time_point polled_{};
  std::shared_ptr<py::error_already_set> pending_{};
  bool cut_ = false;
  Call* outer_;
  Executor* outer_executor_;
};

/// A look at an executor, or a change of it, that waits for no host; throws RuntimeError where another thread uses it. A callback may look at its
/// own.
class Touch {
 public:
  explicit Touch(Executor& executor);
  ~Touch();
  Touch(const Touch&) = delete;
  Touch& operator=(const Touch&) = delete;

 private:
  Executor* outer_;
};
/// The executor that this thread has most recently begun to use, by a Call or a Touch, and not ended; null where there is none.
Executor* at_work() noexcept;

/// Runs Python code from within the library; `otherwise` is the value where it raises and the apply goes on to its end.
template <class Result, class Code>
Result from_library(Code&& code, Result otherwise) {
  const py::gil_scoped_acquire acquired;
  try {
    return code();
  } catch (py::error_already_set& error) {
    if (Call* call = Call::current())
      call->raised(error);
    else
      throw;
    return otherwise;
  } catch (const py::builtin_exception& error) {  // thrown in C++, as by wrong_type()
    error.set_error();
    py::error_already_set set;
    if (Call* call = Call::current())
      call->raised(set);
    else
      throw set;
    return otherwise;
  }
}

/// A Python function as the library calls it.
template <class Result, class... Args>
struct Callback {
  std::shared_ptr<py::object> function;
  std::string name;
  Result operator()(Args... args) const {
    if constexpr (std::is_void_v<Result>)
      from_library([&] { return (*function)(As<std::remove_cvref_t<Args>>::give(args)...), true; }, true);
    else
      return from_library<Result>(
          [&] {
            return As<Result>::load((*function)(As<std::remove_cvref_t<Args>>::give(args)...), Where{nullptr, "what " + name + " returned"});
          },
          Result{});
  }
};
/// Empty for None.
template <class Result, class... Args>
struct As<std::function<Result(Args...)>> {
  static std::function<Result(Args...)> load(py::handle from, const Where& where) {
    if (from.is_none()) return {};
    if (!PyCallable_Check(from.ptr())) wrong_type(where, "a function", from);
    return Callback<Result, Args...>{keep(from), where.text()};
  }
  static py::object give(const std::function<Result(Args...)>& value) {
    if (!value) return py::none();
    if (const auto* own = value.template target<Callback<Result, Args...>>()) return *own->function;
    return py::cpp_function([value](py::args args) -> py::object {
      if (args.size() != sizeof...(Args)) throw py::type_error("takes " + std::to_string(sizeof...(Args)) + " arguments");
      return [&]<std::size_t... I>(std::index_sequence<I...>)->py::object {
        if constexpr (std::is_void_v<Result>) {
          value(argument<Args>(args[I])...);
          return py::none();
        } else {
          return As<Result>::give(value(argument<Args>(args[I])...));
        }
      }
      (std::index_sequence_for<Args...>{});
    });
  }
  template <class Arg>
  static decltype(auto) argument(py::handle from) {
    using Plain = std::remove_cvref_t<Arg>;
    if constexpr (std::same_as<Plain, Answers> || std::same_as<Plain, SimulatedHost>)
      return from.cast<Plain&>();
    else
      return As<Plain>::load(from, Where{nullptr, "the argument"});
  }
};

/// The executor as an object of the library, free for a call of this thread; throws RuntimeError where another thread uses it.
Executor& executor_from(py::handle from, const std::string& function);

}  // namespace pgcluster::python
