#include "modules.hpp"
#include "records.hpp"

namespace pgcluster::python {

template <>
struct As<const SimulatedHost> : As<SimulatedHost> {};

namespace {

using Notes = std::optional<std::map<std::string, std::string>>;

/// A model that is written in Python.
class PyModel final : public ServiceModel, public py::trampoline_self_life_support {
 public:
  void added(SimulatedExecutor& fleet) override {
    tell("added", [&] { return py::make_tuple(py::cast(&fleet, py::return_value_policy::reference)); });
  }
  std::optional<SimulatedPackage> package(const std::string& name) override {
    return ask<std::optional<SimulatedPackage>>("package", [&] { return py::make_tuple(give(name)); });
  }
  void package_installed(SimulatedHost& host, const std::string& name) override {
    tell("package_installed", [&] { return py::make_tuple(As<SimulatedHost>::give(host), give(name)); });
  }
  void package_removed(SimulatedHost& host, const std::string& name) override {
    tell("package_removed", [&] { return py::make_tuple(As<SimulatedHost>::give(host), give(name)); });
  }
  std::optional<Start> unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime now) override {
    return ask<std::optional<Start>>("unit_starts", [&] { return py::make_tuple(As<SimulatedHost>::give(host), give(unit), give(now)); });
  }
  void unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime now) override { about_unit("unit_started", host, unit, now); }
  void unit_stopped(SimulatedHost& host, const std::string& unit, SimulatedTime now) override { about_unit("unit_stopped", host, unit, now); }
  void unit_reloaded(SimulatedHost& host, const std::string& unit, SimulatedTime now) override { about_unit("unit_reloaded", host, unit, now); }
  void passed(SimulatedTime now) override {
    tell("passed", [&] { return py::make_tuple(give(now)); });
  }
  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) override {
    return ask<std::optional<Output>>("exec", [&] { return py::make_tuple(As<SimulatedHost>::give(host), give(argv), give(input)); });
  }

 private:
  template <class Args>
  void tell(const char* what, Args&& args) {
    from_library(
        [&] {
          if (const py::function found = py::get_override(static_cast<const ServiceModel*>(this), what)) found(*args());
          return true;
        },
        true);
  }
  template <class Result, class Args>
  Result ask(const char* what, Args&& args) {
    return from_library<Result>(
        [&] {
          const py::function found = py::get_override(static_cast<const ServiceModel*>(this), what);
          return found ? load<Result>(found(*args()), {nullptr, "what " + std::string(what) + "() of the model returned"}) : Result{};
        },
        Result{});
  }
  void about_unit(const char* what, SimulatedHost& host, const std::string& unit, SimulatedTime now) {
    tell(what, [&] { return py::make_tuple(As<SimulatedHost>::give(host), give(unit), give(now)); });
  }
};

/// Raises at once, as a controller that is killed does: nothing is ended in order.
std::function<void()> killer(py::handle thrower) {
  return [function = keep(thrower)] {
    const py::gil_scoped_acquire acquired;
    try {
      (*function)();
    } catch (py::error_already_set& error) {
      throw Raised{std::shared_ptr<py::error_already_set>(new py::error_already_set(error), [](py::error_already_set* one) {
        const py::gil_scoped_acquire again;
        delete one;
      })};
    }
  };
}

// Fleets by those of their hosts that Python has an object of, each of which keeps its fleet alive; under the GIL.
std::map<const SimulatedHost*, SimulatedExecutor*>& fleets() {
  static auto* all = new std::map<const SimulatedHost*, SimulatedExecutor*>;
  return *all;
}

py::object give_host(SimulatedExecutor& fleet, SimulatedHost& host) {
  py::object made = py::cast(&host, py::return_value_policy::reference);
  if (reinterpret_cast<py::detail::instance*>(made.ptr())->has_patients) return made;  // it has been given out before
  py::detail::keep_alive_impl(made, py::cast(&fleet, py::return_value_policy::reference));
  fleets().insert_or_assign(&host, &fleet);
  const auto forget = [key = &host](py::handle weak) {
    fleets().erase(key);
    weak.dec_ref();
  };
  static_cast<void>(py::weakref(made, py::cpp_function(forget)).release());
  return made;
}

Touch touch_of(const SimulatedHost& host) { return Touch(*fleets().at(&host)); }

SimulatedHost& host_of_fleet(SimulatedExecutor& fleet, py::handle from) {
  if (py::isinstance<SimulatedHost>(from)) return from.cast<SimulatedHost&>();
  return As<HostAccess>::is(from) ? fleet.host(arg<HostAccess>(from, "host")) : fleet.host(arg<std::string>(from, "host"));
}

/// What Python changes in a copy would be lost unseen: maps are given read only, and set as wholes.
template <class M>
py::object read_only(const M& value) {
  py::object given = As<M>::give(value);
  if (!PyDict_Check(given.ptr())) return give_member(value, true);
  return py::reinterpret_steal<py::object>(PyDictProxy_New(given.ptr()));
}

void bind_host(py::module_& m) {
  py::class_<SimulatedHost> host(m, "SimulatedHost",
                                 "A host of a simulated fleet as it stands. Its maps are set as wholes; write() and packages do for most.");
  Options<SimulatedHost>::members([&](const char* name, auto member) {
    using M = std::remove_cvref_t<decltype(std::declval<SimulatedHost&>().*member)>;
    host.def_property(
        name,
        [member](const SimulatedHost& self) {
          const Touch touch = touch_of(self);
          return read_only(self.*member);
        },
        [member, name](SimulatedHost& self, py::handle value) {
          const Touch touch = touch_of(self);
          const py::object plain = py::isinstance<py::dict>(value) || !py::hasattr(value, "keys")
                                       ? py::reinterpret_borrow<py::object>(value)
                                       : py::dict(py::reinterpret_borrow<py::object>(value));
          self.*member = As<M>::load(plain, Where{nullptr, std::string("SimulatedHost.") + name});
        });
  });
  host.def(
          "read",
          [](const SimulatedHost& self, py::handle path) -> py::object {
            const Touch touch = touch_of(self);
            const std::string* found = self.read(arg<std::string>(path, "path"));
            return found ? give_string(*found) : py::none();
          },
          py::arg("path"), "Content of a regular file; None where there is none.")
      .def(
          "write",
          [](SimulatedHost& self, py::handle path, py::handle content, unsigned mode) {
            const Touch touch = touch_of(self);
            self.write(arg<std::string>(path, "path"), arg<std::string>(content, "content"), mode);
          },
          py::arg("path"), py::arg("content"), py::arg("mode") = 0644, "Makes or replaces a regular file of root's.")
      .def(
          "active",
          [](const SimulatedHost& self, py::handle unit) {
            const Touch touch = touch_of(self);
            return self.active(arg<std::string>(unit, "unit"));
          },
          py::arg("unit"), "Whether the unit is active.")
      .def("__repr__", [](const SimulatedHost& self) { return "<SimulatedHost " + self.name + ">"; });
}

void bind_model(py::module_& m) {
  py::classh<ServiceModel, PyModel>(
      m, "ServiceModel",
      "How services of a simulated fleet behave; one object for the whole fleet. To be subclassed; what is not overridden knows nothing.")
      .def(py::init<>())
      .def(
          "added", [](ServiceModel& self, SimulatedExecutor& fleet) { self.ServiceModel::added(fleet); }, py::arg("fleet"), "Called once, by add().")
      .def(
          "package", [](ServiceModel&, const std::string&) { return py::none(); }, py::arg("name"),
          "The SimulatedPackage; None where this model does not know it.")
      .def(
          "package_installed", [](ServiceModel&, SimulatedHost&, const std::string&) {}, py::arg("host"), py::arg("name"),
          "The package is there now.")
      .def(
          "package_removed", [](ServiceModel&, SimulatedHost&, const std::string&) {}, py::arg("host"), py::arg("name"), "The package is gone.")
      .def(
          "unit_starts", [](ServiceModel&, SimulatedHost&, const std::string&, py::handle) { return py::none(); }, py::arg("host"), py::arg("unit"),
          py::arg("now"), "ServiceModel.Start of a unit that is being started; None: this model does not know it.")
      .def(
          "unit_started", [](ServiceModel&, SimulatedHost&, const std::string&, py::handle) {}, py::arg("host"), py::arg("unit"), py::arg("now"),
          "It has become active.")
      .def(
          "unit_stopped", [](ServiceModel&, SimulatedHost&, const std::string&, py::handle) {}, py::arg("host"), py::arg("unit"), py::arg("now"),
          "It has been stopped.")
      .def(
          "unit_reloaded", [](ServiceModel&, SimulatedHost&, const std::string&, py::handle) {}, py::arg("host"), py::arg("unit"), py::arg("now"),
          "It has read its configuration again.")
      .def(
          "passed", [](ServiceModel&, py::handle) {}, py::arg("now"), "Virtual time has passed.")
      .def(
          "exec", [](ServiceModel&, SimulatedHost&, py::handle, const std::string&) { return py::none(); }, py::arg("host"), py::arg("argv"),
          py::arg("input"), "A command's Output; None: not a program of this model.");
}

}  // namespace

py::object As<SimulatedHost>::give(SimulatedHost& value) {
  return give_host(dynamic_cast<SimulatedExecutor&>(*at_work()), value);  // only fleets have hosts to show, and only while they are at work
}

void bind_simulated(py::module_& m) {
  bind_host(m);
  py::classh<SimulatedExecutor, Executor> fleet(
      m, "SimulatedExecutor", "A fleet in memory with its own clock: no call waits in real time, and the same calls give the same results.");
  bind_model(m);
  fleet
      .def(py::init([](const py::kwargs& options) {
        return std::make_unique<SimulatedExecutor>(
            load_options<SimulatedOptions>(options, "SimulatedExecutor", [](std::nullptr_t&, const char*, py::handle, const Where&) {}));
      }))
      .def(
          "advance",
          [](SimulatedExecutor& self, py::handle by) {
            const Touch touch(self);
            self.advance(arg<std::chrono::milliseconds>(by, "by"));
          },
          py::arg("by"), "Lets virtual time pass.")
      .def(
          "finished",
          [](SimulatedExecutor& self) {
            const Touch touch(self);
            return give(self.finished());
          },
          "When the last host will have ended its work.")
      .def(
          "options",
          [](SimulatedExecutor& self) {
            const Touch touch(self);
            return give(self.options());
          },
          "As they were given.")
      .def(
          "add",
          [](SimulatedExecutor& self, std::shared_ptr<ServiceModel> model) {
            const Touch touch(self);
            self.add(std::move(model));
          },
          py::arg("model"), "Models are asked in the order in which they were added.")
      .def(
          "host",
          [](SimulatedExecutor& self, py::handle host) {
            const Touch touch(self);
            return give_host(self, host_of_fleet(self, host));
          },
          py::arg("host"), "The host by its name or HostAccess, made where it is not there.")
      .def(
          "hosts",
          [](SimulatedExecutor& self) {
            const Touch touch(self);
            return give(self.hosts());
          },
          "Names of all hosts that were made so far, sorted.")
      .def(
          "trace",
          [](SimulatedExecutor& self) {
            const Touch touch(self);
            return give(self.trace());
          },
          "What has been done, all hosts, in order.")
      .def(
          "clear_trace",
          [](SimulatedExecutor& self) {
            const Touch touch(self);
            self.clear_trace();
          },
          "Forgets the trace.")
      .def(
          "start_unit",
          [](SimulatedExecutor& self, py::handle host, const std::string& unit) {
            const Touch touch(self);
            self.start_unit(host_of_fleet(self, host), unit);
          },
          py::arg("host"), py::arg("unit"), "As systemd on the host would.")
      .def(
          "stop_unit",
          [](SimulatedExecutor& self, py::handle host, const std::string& unit) {
            const Touch touch(self);
            self.stop_unit(host_of_fleet(self, host), unit);
          },
          py::arg("host"), py::arg("unit"), "As systemd on the host would.")
      .def(
          "fail_unit",
          [](SimulatedExecutor& self, py::handle host, const std::string& unit, const std::string& journal) {
            const Touch touch(self);
            self.fail_unit(host_of_fleet(self, host), unit, journal);
          },
          py::arg("host"), py::arg("unit"), py::arg("journal") = "", "The unit dies by itself.")
      .def(
          "reload_unit",
          [](SimulatedExecutor& self, py::handle host, const std::string& unit) {
            const Touch touch(self);
            self.reload_unit(host_of_fleet(self, host), unit);
          },
          py::arg("host"), py::arg("unit"), "As systemd on the host would.")
      .def(
          "install",
          [](SimulatedExecutor& self, py::handle host, const std::string& package) {
            const Touch touch(self);
            self.install(host_of_fleet(self, host), package);
          },
          py::arg("host"), py::arg("package"), "Installs a package with what it depends on, at once.")
      .def(
          "reboot",
          [](SimulatedExecutor& self, py::handle host) {
            const Touch touch(self);
            self.reboot(host_of_fleet(self, host));
          },
          py::arg("host"), "Power off and on.")
      .def(
          "lose_connection",
          [](SimulatedExecutor& self, py::handle host, std::size_t nth, py::handle how) {
            const Touch touch(self);
            self.lose_connection(arg<std::string>(host, "host"), nth, arg<SimulatedExecutor::Lost>(how, "how"));
          },
          py::arg("host"), py::arg("nth"), py::arg("how"), "The connection to the host breaks at its nth Do from now.")
      .def(
          "fail",
          [](SimulatedExecutor& self, py::handle which) {
            const Touch touch(self);
            self.fail(arg<std::function<std::optional<Output>(const Do&)>>(which, "which"));
          },
          py::arg("which"), "Dos for which it returns an Output fail with that; None: none does.")
      .def(
          "interrupt",
          [](SimulatedExecutor& self, std::size_t nth, bool after, const py::function& thrower) {
            const Touch touch(self);
            self.interrupt(nth, after, killer(thrower));
          },
          py::arg("nth"), py::arg("after"), py::arg("thrower"),
          "At the nth Do of the fleet from now `thrower` is called, and what it raises ends the call as if the controller was killed.")
      .def(
          "meanwhile",
          [](SimulatedExecutor& self, py::handle what) {
            const Touch touch(self);
            self.meanwhile(arg<std::function<void(SimulatedHost&, const Do&)>>(what, "what"));
          },
          py::arg("what"), "Called before each Do that the host looks at; may change the fleet.");
  m.def("add_service_models", [](SimulatedExecutor& self) {
    const Touch touch(self);
    add_service_models(self);
  });
}

}  // namespace pgcluster::python
