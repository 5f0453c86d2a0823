#include "modules.hpp"
#include "records.hpp"

namespace pgcluster::python {

void bind_text(py::module_& m) {
  py::class_<Text>(m, "Text", "A string in which some spans are secret; str() and repr() mask them.")
      .def(py::init([](py::handle from) {
             return As<Text>::load(from, Where{nullptr, "Text()"});
           }),
           py::arg("plain") = "")
      .def("empty", &Text::empty, "Whether it has no bytes at all.")
      .def("has_secret", &Text::has_secret, "Whether masked() and reveal() differ.")
      .def(
          "spans", [](const Text& self) { return As<std::vector<Text::Span>>::give(self.spans()); }, "The secret parts in order, by bytes.")
      .def(
          "masked", [](const Text& self) { return give_string(self.masked()); }, "Each secret span as \"<secret NAME>\".")
      .def(
          "reveal", [](const Text& self) { return give_string(self.reveal()); }, "As it is, secrets included.")
      .def("__str__", [](const Text& self) { return give_string(self.masked()); })
      .def("__repr__", [](const Text& self) { return "Text(" + std::string(py::repr(give_string(self.masked()))) + ")"; })
      .def("__bool__", [](const Text& self) { return !self.empty(); })
      .def("__hash__", [](const Text& self) { return std::hash<std::string>{}(self.reveal()); })
      .def("__eq__",
           [](const Text& self, py::handle other) {
             return (py::isinstance<Text>(other) || PyUnicode_Check(other.ptr())) && self == As<Text>::load(other, Where{nullptr, "other"});
           })
      .def("__add__",
           [](const Text& self, py::handle other) {
             return self + As<Text>::load(other, Where{nullptr, "what is added"});
           })
      .def("__radd__",
           [](const Text& self, py::handle other) {
             return As<Text>::load(other, Where{nullptr, "what is added"}) + self;
           })
      .def("__copy__", [](const Text& self) { return self; })
      .def("__deepcopy__", [](const Text& self, py::handle) { return self; })
      .def("__reduce__", [](py::object self) -> py::object {
        const auto& text = self.cast<const Text&>();
        if (text.has_secret()) throw py::type_error("a pickle carries no secret: " + std::string(py::repr(self)));
        return py::make_tuple(py::type::of(self), py::make_tuple(give_string(text.reveal())));
      });
  m.def("unified_diff", [](py::handle path, py::handle before, py::handle after) {
    return give(
        unified_diff(load_string(path, {nullptr, "path"}), load_string(before, {nullptr, "before"}), As<Text>::load(after, {nullptr, "after"})));
  });
  m.def("text", [](py::handle failure) { return give_string(text(As<Failure>::load(failure, {nullptr, "failure"}))); });
  m.def("diagnostic_text", [](py::handle self) { return give_string(As<Diagnostic>::load(self, {nullptr, "self"}).text()); });
  m.def("json", [](py::handle of) {
    return give_string(As<Event>::is(of) ? json(As<Event>::load(of, {nullptr, "event"})) : json(As<Failure>::load(of, {nullptr, "json(): what"})));
  });
  m.def("read_log", [](py::handle text) { return give(read_log(load_string(text, {nullptr, "read_log(): text"}))); });
  m.def("key", [](py::handle ask) { return give_string(key(As<Ask>::load(ask, {nullptr, "ask"}))); });
  m.def("resources", [](py::handle of) {
    return give(As<Do>::is(of) ? resources(As<Do>::load(of, {nullptr, "do"})) : resources(As<Ask>::load(of, {nullptr, "resources(): what"})));
  });
  m.def("describe", [](py::handle of) {
    return give_string(As<Do>::is(of) ? describe(As<Do>::load(of, {nullptr, "do"})) : describe(As<Ask>::load(of, {nullptr, "describe(): what"})));
  });
  m.def("is_slow", [](py::handle d) { return is_slow(As<Do>::load(d, {nullptr, "do"})); });
  m.def("parse_hop", [](py::handle words) { return give(parse_hop(load_string(words, {nullptr, "text"}))); });
  m.def("hop_text", [](py::handle hop) { return give_string(to_string(As<Hop>::load(hop, {nullptr, "self"}))); });
  m.def("facts_asks", [](py::handle host) { return give(facts_asks(load_string(host, {nullptr, "host"}))); });
  m.def("platforms", [] { return give(platforms()); });
  m.def("platform_of", [](py::handle facts) { return give(platform_of(As<Facts>::load(facts, {nullptr, "facts"}))); });
  m.def("read_facts", [](py::handle host, py::handle answers) {
    return give(read_facts(load_string(host, {nullptr, "host"}), As<std::vector<Answer>>::load(answers, {nullptr, "answers"})));
  });
}

}  // namespace pgcluster::python
