#include <future>

#include "modules.hpp"
#include "records.hpp"

namespace pgcluster::python {
namespace {

template <class T>
T executor_options(const py::kwargs& given, const char* name) {
  return load_options<T>(given, name, [](std::nullptr_t&, const char*, py::handle, const Where&) {});
}

/// A call that waits for one host: on a thread beside this one, which looks at signals meanwhile.
template <class Work>
auto waiting(Executor& executor, Work&& work) {
  Call call(executor, false, py::none(), py::none());
  return call.run([&] {
    if (!executor.blocking()) return work();
    auto result = std::async(std::launch::async, work);  // where poll() throws it has cut the connections, and this waits for the end
    while (result.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) call.poll();
    return result.get();
  });
}

HostAccess host_from(py::handle from) { return load<HostAccess>(from, {nullptr, "host"}); }

}  // namespace

void bind_executors(py::module_& m) {
  // For several hosts at once the engine is called: make_plan, observe, apply.
  py::classh<Executor>(m, "Executor", "How work reaches hosts. One apply or plan per executor at a time; different executors are independent.")
      .def(
          "run",
          [](Executor& self, py::handle host, py::handle program) {
            const HostAccess to = host_from(host);
            const auto what = load<Program>(program, {nullptr, "program"});
            return give(waiting(self, [&] { return self.run(to, what); }));
          },
          py::arg("host"), py::arg("program"), "Carries out the program: each Do up to the first that fails or has drifted, then the asks.")
      .def(
          "lock",
          [](Executor& self, py::handle host, py::handle us) {
            const HostAccess to = host_from(host);
            const auto who = load<LockHolder>(us, {nullptr, "us"});
            return give(waiting(self, [&] { return self.lock(to, who); }));
          },
          py::arg("host"), py::arg("us"), "Takes the live lock of the host; the holder where somebody else has it, None where it is ours now.")
      .def(
          "beat",
          [](Executor& self, py::handle host) {
            const HostAccess to = host_from(host);
            waiting(self, [&] { return self.beat(to), true; });
          },
          py::arg("host"), "Keeps our lock alive for 30 s more.")
      .def(
          "unlock",
          [](Executor& self, py::handle host) {
            const HostAccess to = host_from(host);
            waiting(self, [&] { return self.unlock(to), true; });
          },
          py::arg("host"), "Gives the lock back.")
      .def("cancel", &Executor::cancel, py::call_guard<py::gil_scoped_release>(), "Makes every call that waits for a host return soon. Any thread.")
      .def("resume", &Executor::resume, py::call_guard<py::gil_scoped_release>(), "Ends cancel(). Any thread.")
      .def("blocking", &Executor::blocking, "False where run() returns at once: then time is the executor's own.")
      .def(
          "now",
          [](Executor& self) {
            std::optional<Touch> touch;
            if (!self.blocking()) touch.emplace(self);
            return give(self.now());
          },
          "The executor's time, by which deadlines are measured.")
      .def(
          "sleep_until",
          [](Executor& self, py::handle until) {
            const auto time = load<SimulatedTime>(until, {nullptr, "until"});
            waiting(self, [&] { return self.sleep_until(time), true; });
          },
          py::arg("until"), "Of a fleet in memory: lets its time pass.");

  py::classh<SshExecutor, Executor>(m, "SshExecutor",
                                    "Reaches hosts by ssh: one connection a host, made when first needed and kept; host keys are always checked.")
      .def(py::init([](const py::kwargs& options) { return std::make_unique<SshExecutor>(executor_options<SshOptions>(options, "SshExecutor")); }))
      .def(
          "statistics",
          [](const SshExecutor& self, py::handle host) {
            return give(self.statistics(load<std::string>(host, {nullptr, "host"})));
          },
          py::arg("host"), "What the host has cost since the executor was made. Any thread.");

  py::classh<LocalExecutor, Executor>(m, "LocalExecutor", "The machine that this process runs on, without ssh; as root.")
      .def(py::init(
          [](const py::kwargs& options) { return std::make_unique<LocalExecutor>(executor_options<LocalOptions>(options, "LocalExecutor")); }));

  py::classh<CloudExecutor, Executor>(m, "CloudExecutor", "The load balancers of a cloud, by its vendor's REST API; SshExecutor has one of its own.")
      .def(py::init(
          [](const py::kwargs& options) { return std::make_unique<CloudExecutor>(executor_options<CloudOptions>(options, "CloudExecutor")); }));
}

}  // namespace pgcluster::python
