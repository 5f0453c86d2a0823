#include "modules.hpp"
#include "records.hpp"

namespace pgcluster::python {

template <>
struct As<ComponentPtr> {
  static ComponentPtr load(py::handle from, const Where& where) {
    if (!py::isinstance<Component>(from)) wrong_type(where, "Component", from);
    return from.cast<std::shared_ptr<Component>>();
  }
};

namespace {

template <class T, class Work>
auto with_options(const char* function, py::handle spec, py::handle executor, const py::dict& options, Work&& work) {
  const Spec wanted = load<Spec>(spec, {nullptr, std::string(function) + "(): spec"});
  Executor& by = executor_from(executor, function);
  const py::dict left = options.attr("copy")();
  const py::object stop = left.contains("stop") ? left.attr("pop")("stop") : py::none();
  const py::object poll = left.contains("poll") ? left.attr("pop")("poll") : py::none();
  T made = load_options<T>(left, function, [](std::stop_token&, const char*, py::handle, const Where&) {});
  Call call(by, false, stop, poll);
  made.stop = call.token();
  made.poll = [&call] { call.poll(); };
  return call.run([&] { return work(wanted, by, made); });
}

template <class T>
void planner(py::module_& m, const char* name, Plan (*plan)(const Spec&, Executor&, const T&)) {
  m.def(name,
        [name, plan](py::handle spec, py::handle executor, const py::dict& options) { return with_options<T>(name, spec, executor, options, plan); });
}

}  // namespace

void bind_operate(py::module_& m) {
  planner(m, "plan_deploy", &plan_deploy);
  planner(m, "plan_rotate", &plan_rotate);
  planner(m, "plan_backup", &plan_backup);
  planner(m, "plan_prove", &plan_prove);
  planner(m, "plan_restore", &plan_restore);
  planner(m, "plan_switchover", &plan_switchover);
  planner(m, "plan_failover", &plan_failover);
  planner(m, "plan_restart", &plan_restart);
  planner(m, "plan_reload", &plan_reload);
  planner(m, "plan_reinit", &plan_reinit);
  planner(m, "plan_pause", &plan_pause);
  planner(m, "plan_resume", &plan_resume);
  planner(m, "plan_destroy", &plan_destroy);
  m.def("plan_from_document", [](py::handle document, py::handle spec, py::handle executor, const py::dict& options) {
    const auto words = load<std::string>(document, {nullptr, "plan_from_document(): document"});
    return with_options<OperateOptions>(
        "plan_from_document", spec, executor, options,
        [&](const Spec& wanted, Executor& by, const OperateOptions& made) { return plan_from_document(words, wanted, by, made); });
  });
  m.def("read_status", [](py::handle spec, py::handle executor, const py::dict& options) {
    return give(with_options<OperateOptions>("read_status", spec, executor, options, &read_status));
  });
  m.def("read_backups", [](py::handle spec, py::handle executor, const py::dict& options) {
    return give(with_options<OperateOptions>("read_backups", spec, executor, options, &read_backups));
  });
  m.def("schema", [](py::handle document) { return give_string(schema(load<std::string>(document, {nullptr, "schema(): document"}))); });
  m.def("schema_names", [] { return give(schema_names()); });
  m.def("read_history", [](py::handle spec, py::handle executor, const py::dict& options) {
    return give(with_options<OperateOptions>("read_history", spec, executor, options, &read_history));
  });
  m.def("html_report", [](py::handle spec, py::handle executor, const py::dict& options) {
    return give_string(with_options<ReportOptions>("html_report", spec, executor, options, &html_report));
  });
  m.def("check_hosts", [](py::handle spec, py::handle executor, const py::dict& options) {
    return give(with_options<OperateOptions>("check_hosts", spec, executor, options, &check_hosts));
  });
  m.def("read_password", [](py::handle spec, py::handle executor, py::handle role, const py::dict& options) {
    const auto wanted_role = load<std::string>(role, {nullptr, "read_password(): role"});
    return give_string(with_options<OperateOptions>(
        "read_password", spec, executor, options,
        [&](const Spec& wanted, Executor& by, const OperateOptions& made) { return read_password(wanted, by, wanted_role, made); }));
  });
  m.def("status_text", [](py::handle self, bool color) { return give_string(load<Status>(self, {nullptr, "self"}).text(color)); });
  m.def("status_json", [](py::handle self) { return give_string(load<Status>(self, {nullptr, "self"}).json()); });
  m.def("backups_text", [](py::handle self, bool color) { return give_string(load<Backups>(self, {nullptr, "self"}).text(color)); });
  m.def("backups_json", [](py::handle self) { return give_string(load<Backups>(self, {nullptr, "self"}).json()); });
  m.def("history_text", [](py::handle self, bool color) { return give_string(load<History>(self, {nullptr, "self"}).text(color)); });
  m.def("history_json", [](py::handle self) { return give_string(load<History>(self, {nullptr, "self"}).json()); });
  m.def("checks_text", [](py::handle self, bool color) { return give_string(load<CheckReport>(self, {nullptr, "self"}).text(color)); });
  m.def("checks_json", [](py::handle self) { return give_string(load<CheckReport>(self, {nullptr, "self"}).json()); });
}

}  // namespace pgcluster::python
