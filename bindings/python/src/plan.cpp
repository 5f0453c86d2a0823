#include "modules.hpp"
#include "records.hpp"

namespace pgcluster::python {
namespace {

py::object take(py::dict& options, const char* key) { return options.contains(key) ? options.attr("pop")(key) : py::none(); }

/// The rest of the options are plain values.
template <class T>
T plain_options(const py::dict& options, const std::string& function) {
  return load_options<T>(options, function, [](std::stop_token&, const char*, py::handle, const Where&) {});
}

/// One function that plans, on steps that may be Python's.
template <class T, class Work>
auto waiting(Executor& executor, bool applying, const py::dict& options, const std::string& function, Work&& work) {
  py::dict left = options.attr("copy")();
  const py::object stop = take(left, "stop");
  const py::object poll = take(left, "poll");
  T made = plain_options<T>(left, function);
  Call call(executor, applying, stop, poll);
  made.stop = call.token();
  made.poll = [&call] { call.poll(); };
  return call.run([&] { return work(made); });
}

std::map<std::string, HostAccess> hosts_from(py::handle from) { return load<Hosts>(from, {nullptr, "hosts"}); }

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<Plan>(m, "Plan", "What would be done. False where nothing is; pickled as its document (PlanDocument), without secrets.")
      .def(
          "changes", [](const Plan& self) { return give(self.changes()); }, "All changes, in a possible order of execution.")
      .def(
          "warnings", [](const Plan& self) { return give(self.warnings()); }, "What is doubtful; no warning stops an apply.")
      .def("continues", &Plan::continues, "Whether the work goes on after this plan: the same planner makes the next one.")
      .def("empty", &Plan::empty, "Whether there is nothing to do.")
      .def("unchanged", &Plan::unchanged, "How many steps hold already.")
      .def("left_out", &Plan::left_out, "How many steps no_restart left out.")
      .def(
          "text", [](const Plan& self, bool diff, bool color) { return give_string(self.text(diff, color)); }, py::arg("diff") = false,
          py::arg("color") = false, "For people; `diff` adds the texts, `color` ANSI colours.")
      .def(
          "json", [](const Plan& self) { return give_string(self.json()); }, "The contract's document: format 1, changes, warnings, summary.")
      .def(
          "to_json", [](const Plan& self) { return give_string(self.json()); }, "As json().")
      .def(
          "to_dict", [](const Plan& self) { return py::module_::import("json").attr("loads")(give_string(self.json())); }, "json() as a dict.")
      .def(
          "document", [](const Plan& self) { return give_string(self.document()); }, "What `pgcluster plan --out` writes.")
      .def("__bool__", [](const Plan& self) { return !self.empty(); })
      .def("__str__", [](const Plan& self) { return give_string(self.text()); })
      .def("__repr__",
           [](const Plan& self) {
             return "<Plan: " + std::to_string(self.changes().size()) + " changes, " + std::to_string(self.unchanged()) + " unchanged>";
           })
      .def("__eq__",
           [](const Plan& self, py::handle other) { return py::isinstance<Plan>(other) && self.document() == other.cast<const Plan&>().document(); })
      .def("__hash__", [](const Plan& self) { return std::hash<std::string>{}(self.document()); })
      .def("__reduce__", [](const Plan& self) {
        return py::make_tuple(py::module_::import("pgcluster").attr("PlanDocument"), py::make_tuple(give_string(self.document())));
      });

  m.def("make_plan", [](py::handle hosts, py::handle steps, py::handle executor, const py::dict& options) {
    const Hosts to = hosts_from(hosts);
    const Steps all = load<Steps>(steps, {nullptr, "steps"});
    Executor& by = executor_from(executor, "make_plan");
    return waiting<PlanOptions>(by, false, options, "make_plan", [&](const PlanOptions& made) { return make_plan(to, all, by, made); });
  });
  m.def("observe", [](py::handle hosts, py::handle asks, py::handle executor, const py::dict& options) {
    const Hosts to = hosts_from(hosts);
    const auto all = load<std::map<std::string, std::vector<Ask>>>(asks, {nullptr, "asks"});
    Executor& by = executor_from(executor, "observe");
    return give(waiting<PlanOptions>(by, false, options, "observe", [&](const PlanOptions& made) { return observe(to, all, by, made); }));
  });
  m.def("apply", [](py::handle plan, py::handle executor, const py::dict& options) {
    if (!py::isinstance<Plan>(plan)) wrong_type({nullptr, "apply(): plan"}, "Plan", plan);
    const Plan& what = plan.cast<const Plan&>();
    Executor& by = executor_from(executor, "apply");
    return give(waiting<ApplyOptions>(by, true, options, "apply", [&](ApplyOptions made) {
      if (made.on_event)
        made.on_event = [tell = made.on_event](const Event& event) {
          if (!Call::current()->failed()) tell(event);  // once it has raised something, it is not called again
        };
      return apply(what, by, made);
    }));
  });
  m.def("report_check", [](py::handle report) { load<Report>(report, {nullptr, "self"}).check(); });
  m.def("report_text", [](py::handle report) { return give_string(load<Report>(report, {nullptr, "self"}).text()); });
  m.def("report_json", [](py::handle report) { return give_string(load<Report>(report, {nullptr, "self"}).json()); });
}

}  // namespace pgcluster::python
