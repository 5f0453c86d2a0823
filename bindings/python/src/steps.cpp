#include "steps.hpp"

#include "modules.hpp"

namespace pgcluster::python {

// What a step of Python says must not change: its name and asks are looked up once. The GIL is what name_ is written and read under.
std::string PyStep::name() const {
  return from_library<std::string>(
      [&] {
        if (name_.empty()) {
          auto found = load<std::string>(overridden("name")(), Where{nullptr, "Step.name()"});
          if (name_.empty()) name_ = std::move(found);  // name() may have let another thread run
        }
        return name_;
      },
      "?/python/step");
}
std::vector<Ask> PyStep::asks() const {
  return from_library<std::vector<Ask>>([&] { return load<std::vector<Ask>>(overridden("asks")(), about("asks")); }, {});
}
Decision PyStep::decide(const Answers& answers) const {
  const Refused otherwise{{.message = "its decide() has raised an exception"}, Code::internal};
  return from_library<Decision>([&] { return load<Decision>(overridden("decide")(give(answers)), about("decide")); }, otherwise);
}
std::chrono::seconds PyStep::settle() const {
  return from_library<std::chrono::seconds>(
      [&] { return override_of("settle") ? load<std::chrono::seconds>(override_of("settle")(), about("settle")) : Step::settle(); },
      std::chrono::seconds(0));
}
std::vector<std::string> PyStep::keeps() const {
  return from_library<std::vector<std::string>>(
      [&] { return override_of("keeps") ? load<std::vector<std::string>>(override_of("keeps")(), about("keeps")) : Step::keeps(); }, {});
}
std::vector<Ask> PyStep::evidence() const {
  return from_library<std::vector<Ask>>(
      [&] { return override_of("evidence") ? load<std::vector<Ask>>(override_of("evidence")(), about("evidence")) : Step::evidence(); }, {});
}

py::function PyStep::override_of(const char* what) const { return py::get_override(static_cast<const Step*>(this), what); }
py::function PyStep::overridden(const char* what) const {
  py::function found = override_of(what);
  if (!found) {
    PyErr_Format(PyExc_NotImplementedError, "a subclass of Step must have %s()", what);
    throw py::error_already_set();
  }
  return found;
}
Where PyStep::about(const char* what) const { return {nullptr, "what " + std::string(what) + "() of step " + name() + " returned"}; }

void bind_steps(py::module_& m) {
  py::class_<Answers>(m, "Answers", "What was answered, by ask; an ask that an earlier step of the plan may still change is pending.")
      .def(py::init<>())
      .def(
          "__getitem__", [](const Answers& self, py::handle ask) { return give(self[arg<Ask>(ask, "ask")]); },
          "The answer; Unreadable where nobody asked.")
      .def(
          "pending", [](const Answers& self, py::handle ask) { return self.pending(arg<Ask>(ask, "ask")); },
          "Whether an earlier step of the plan may still change the answer.")
      .def(
          "get",
          [](const Answers& self, py::handle ask, py::handle kind) -> py::object {
            py::object found = give(self[arg<Ask>(ask, "ask")]);
            return py::isinstance(found, kind) ? found : py::none();
          },
          "The answer as one of that kind, or None where it is another.")
      .def(
          "out",
          [](const Answers& self, py::handle ask) -> py::object {
            const std::string* found = self.out(arg<Ask>(ask, "ask"));
            return found ? give_string(*found) : py::none();
          },
          "out of an Output with status 0; None otherwise.")
      .def(
          "set",
          [](Answers& self, py::handle ask, py::handle answer, bool pending) {
            self.set(arg<Ask>(ask, "ask"), arg<Answer>(answer, "answer"), pending);
          },
          py::arg("ask"), py::arg("answer"), py::arg("pending") = false, "Puts an answer in; for tests of steps.");

  py::classh<Step, PyStep>(m, "Step", "A wish: how something should be, how to see whether it is, and what to do where it is not. To be subclassed.")
      .def(py::init<>())
      .def(
          "name", [](const Step& self) { return give_string(self.name()); }, "Unique and stable in a plan: \"pg1/etcd/config\".")
      .def(
          "asks", [](const Step& self) { return give(self.asks()); }, "What decide() wants to know. Always the same asks.")
      .def(
          "decide", [](const Step& self, const Answers& answers) { return give(self.decide(answers)); }, py::arg("answers"),
          "Done, Change, Later or Refused. Pure and total.")
      .def(
          "settle", [](const Step& self) { return give(self.settle()); }, "How long Done may take after the change, or Later may last.")
      .def(
          "keeps", [](const Step& self) { return give(self.keeps()); }, "Resources that it keeps as wished.")
      .def(
          "evidence", [](const Step& self) { return give(self.evidence()); }, "Asked when it fails, to explain.")
      .def("__repr__", [](const Step& self) { return "<Step " + self.name() + ">"; });

  py::class_<Steps>(m, "Steps", "A graph of steps, a value.")
      .def(py::init([](py::handle step) { return step.is_none() ? Steps() : arg<Steps>(step, "step"); }), py::arg("step") = py::none())
      .def("empty", &Steps::empty, "Whether there is no step in it.")
      .def(
          "nodes", [](const Steps& self) { return give(self.nodes()); }, "In a possible order of execution.")
      .def(
          "before", [](const Steps& self, py::handle name) { return give(self.before(arg<std::string>(name, "name"))); }, py::arg("name"),
          "Names of the steps that the named one waits for directly.")
      .def(
          "missing", [](const Steps& self) { return give(self.missing()); },
          "The references of after() that nothing in this graph meets. A part of a plan may have some; a whole plan must not.")
      .def(
          "orders", [](const Steps& self) { return give(self.orders()); }, "The orders of its rolling groups, by group.")
      .def("__bool__", [](const Steps& self) { return !self.empty(); })
      .def("__len__", [](const Steps& self) { return self.nodes().size(); })
      .def("__repr__", [](const Steps& self) { return "<Steps: " + std::to_string(self.nodes().size()) + ">"; });

  m.def("join", [](py::handle parts, bool in_sequence) { return join(arg<std::vector<Steps>>(parts, "parts"), in_sequence); });
  m.def("after",
        [](py::handle awaited, py::handle steps) { return after(arg<std::vector<StepRef>>(awaited, "awaited"), arg<Steps>(steps, "steps")); });
  m.def("after_where_planned", [](py::handle awaited, py::handle steps) {
    return after_where_planned(arg<std::vector<StepRef>>(awaited, "awaited"), arg<Steps>(steps, "steps"));
  });
  m.def("parse_step_name", [](py::handle name) { return give(parse_step_name(arg<std::string>(name, "name"))); });
  m.def("rolling_member", [](py::handle group, py::handle member, py::handle order, py::handle steps) {
    return rolling(arg<std::string>(group, "group"), arg<std::string>(member, "member"), arg<Order>(order, "order"), arg<Steps>(steps, "steps"));
  });
  m.def("rolling_group", [](py::handle members, py::handle group, py::handle order) {
    return rolling(arg<std::map<std::string, Steps>>(members, "members"), arg<std::string>(group, "group"), arg<Order>(order, "order"));
  });
  m.def("file", [](py::handle name, py::handle host, py::handle wish) {
    return give(file(arg<std::string>(name, "name"), arg<std::string>(host, "host"), arg<WriteFile>(wish, "wish")));
  });
  m.def("block", [](py::handle name, py::handle host, py::handle wish) {
    return give(block(arg<std::string>(name, "name"), arg<std::string>(host, "host"), arg<WriteBlock>(wish, "wish")));
  });
  m.def("packages", [](py::handle name, py::handle host, py::handle names, py::handle mask) {
    return give(packages(arg<std::string>(name, "name"), arg<std::string>(host, "host"), arg<std::vector<std::string>>(names, "packages"),
                         arg<std::vector<std::string>>(mask, "mask")));
  });
  m.def("service_step", [](py::handle name, py::handle host, py::handle wish) {
    return give(service(arg<std::string>(name, "name"), arg<std::string>(host, "host"), arg<ServiceWish>(wish, "wish")));
  });
  m.def("journal_ask",
        [](py::handle host, py::handle unit) { return give(journal_ask(arg<std::string>(host, "host"), arg<std::string>(unit, "unit"))); });
  m.def("unit_notes", [](py::handle wish, py::handle exec_reload, py::handle more) {
    return give(unit_notes(arg<ServiceWish>(wish, "wish"), arg<std::vector<std::string>>(exec_reload, "exec_reload"),
                           arg<std::string>(more, "more_service_lines")));
  });
  m.def("absent", [](py::handle name, py::handle host, py::handle resource) {
    return give(absent(arg<std::string>(name, "name"), arg<std::string>(host, "host"), arg<std::string>(resource, "resource")));
  });
  m.def("gate", [](py::handle name, py::handle wish) { return give(gate(arg<std::string>(name, "name"), arg<GateWish>(wish, "wish"))); });
  m.def("make_step",
        [](py::handle name, py::handle parts) { return give(make_step(arg<std::string>(name, "name"), arg<StepParts>(parts, "parts"))); });
  m.def("host_of", [](py::handle name) { return give(host_of(arg<std::string>(name, "step_name"))); });
  m.def("component_of", [](py::handle name) { return give(component_of(arg<std::string>(name, "step_name"))); });
  m.def("disturbs", [](py::handle impact) { return disturbs(arg<Impact>(impact, "impact")); });
}

}  // namespace pgcluster::python
