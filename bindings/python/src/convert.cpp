#include "convert.hpp"

#include <cmath>

#include <pybind11/stl/filesystem.h>

#include "modules.hpp"
#include "records.hpp"

namespace pgcluster::python {

void wrong_type(const Where& where, const std::string& expected, py::handle found) {
  std::string shown = py::repr(found);
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  const std::string kind = Py_TYPE(found.ptr())->tp_name;
  throw py::type_error(where.text() + " must be " + expected + ", not " + (found.is_none() ? "None" : kind + " (" + shown + ")"));
}

void wrong_value(const Where& where, const std::string& why) { throw py::value_error(where.text() + " " + why); }

py::handle record_class(const char* name) {
  static std::map<std::string, py::handle, std::less<>> known;
  const auto found = known.find(name);
  if (found != known.end()) return found->second;
  py::object one = py::module_::import("pgcluster._records");
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t end = std::min(rest.find('.'), rest.size());
    one = one.attr(std::string(rest.substr(0, end)).c_str());
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return known.emplace(name, one.release()).first->second;
}

py::object new_record(py::handle type) {
  static const py::handle nothing = PyTuple_New(0);
  PyObject* made = PyBaseObject_Type.tp_new(reinterpret_cast<PyTypeObject*>(type.ptr()), nothing.ptr(), nullptr);
  if (!made) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(made);
}

void set_member(py::handle record, py::handle name, py::handle value) {
  if (PyObject_GenericSetAttr(record.ptr(), name.ptr(), value.ptr()) != 0) throw py::error_already_set();
}

// Bytes of a host that are no UTF-8 come through as Python's os.fsdecode has them, and go back unchanged.
py::object give_string(const std::string& text) {
  PyObject* made = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape");
  if (!made) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(made);
}

namespace {

py::handle ip_addresses() {
  static const py::handle types = [] {
    const py::module_ ipaddress = py::module_::import("ipaddress");
    return py::make_tuple(ipaddress.attr("IPv4Address"), ipaddress.attr("IPv6Address")).release();
  }();
  return types;
}

bool is_path(py::handle from) { return PyObject_HasAttrString(reinterpret_cast<PyObject*>(Py_TYPE(from.ptr())), "__fspath__") == 1; }

}  // namespace

bool is_string(py::handle from) { return PyUnicode_Check(from.ptr()) || is_path(from) || py::isinstance(from, ip_addresses()); }

std::string load_string(py::handle from, const Where& where) {
  py::object words = py::reinterpret_borrow<py::object>(from);
  if (!PyUnicode_Check(from.ptr())) {
    if (is_path(from)) {
      words = py::reinterpret_steal<py::object>(PyOS_FSPath(from.ptr()));
      if (!words) throw py::error_already_set();
    } else if (py::isinstance(from, ip_addresses())) {
      words = py::str(from);
    }
  }
  if (!PyUnicode_Check(words.ptr())) wrong_type(where, "str", from);
  const auto bytes = py::reinterpret_steal<py::bytes>(PyUnicode_AsEncodedString(words.ptr(), "utf-8", "surrogateescape"));
  if (!bytes) throw py::error_already_set();
  return bytes;
}

std::chrono::microseconds load_time(py::handle from, const Where& where) {
  using std::chrono::microseconds;
  constexpr std::int64_t days = 36'500, second = 1'000'000, most = days * 86'400;
  const auto wrong = [&](const char* why) { wrong_value(where, std::string("is ") + why + ": " + std::string(py::repr(from)).substr(0, 60)); };
  if (PyLong_Check(from.ptr()) && !PyBool_Check(from.ptr())) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(from.ptr(), &overflow);
    if (value == -1 && overflow == 0 && PyErr_Occurred()) throw py::error_already_set();
    if (overflow > 0 || value > most) wrong_value(where, "is longer than a hundred years");  // Python itself refuses to write very long numbers
    if (overflow < 0 || value < 0) wrong_value(where, "is negative");
    return microseconds(value * second);
  }
  if (PyFloat_Check(from.ptr())) {
    const double value = PyFloat_AsDouble(from.ptr());
    if (!std::isfinite(value)) wrong("not finite");
    if (value < 0) wrong("negative");
    if (value > static_cast<double>(most)) wrong("longer than a hundred years");
    return microseconds(static_cast<std::int64_t>(std::ceil(value * second - 1e-4)));  // 1.1 s are 1100000 us, not one more
  }
  static const py::handle type = py::module_::import("datetime").attr("timedelta").cast<py::object>().release();
  if (!py::isinstance(from, type)) wrong_type(where, "datetime.timedelta, or seconds", from);
  const auto whole = from.attr("days").cast<std::int64_t>();
  if (whole < 0) wrong("negative");
  if (whole >= days) wrong("longer than a hundred years");
  return microseconds((whole * 86'400 + from.attr("seconds").cast<std::int64_t>()) * second + from.attr("microseconds").cast<std::int64_t>());
}

std::string load_scalar(py::handle from, const Where& where) {
  if (PyBool_Check(from.ptr())) return from.ptr() == Py_True ? "true" : "false";
  if (PyLong_Check(from.ptr()) || PyFloat_Check(from.ptr())) return py::str(from);
  if (!is_string(from)) wrong_type(where, "str, int, float or bool", from);
  return load_string(from, where);
}

Pairs As<Pairs>::load(py::handle from, const Where& where) {
  if (!PyDict_Check(from.ptr())) wrong_type(where, "a dict", from);
  Pairs all;
  for (auto [key, value] : py::reinterpret_borrow<py::dict>(from)) {
    const Where at{&where, "[" + std::string(py::repr(key)) + "]"};
    all.emplace_back(load_string(key, at), load_scalar(value, at));
  }
  return all;
}

py::object As<Pairs>::give(const Pairs& value) {
  py::dict all;
  for (const auto& [key, one] : value) all[give_string(key)] = give_string(one);
  return all;
}

StepRef As<StepRef>::load(py::handle from, const Where& where) {
  if (!is(from)) wrong_type(where, "StepRef", from);
  return {load_string(from.attr("host"), where), load_string(from.attr("component"), where), load_string(from.attr("what"), where)};
}

Text As<Text>::load(py::handle from, const Where& where) {
  if (py::isinstance<Text>(from)) return from.cast<const Text&>();
  if (As<Secret>::is(from)) return Text(As<Secret>::load(from, where));
  if (!is_string(from)) wrong_type(where, "Text, str or Secret", from);
  return Text(load_string(from, where));
}

template <>
std::optional<SpecSecret> load_otherwise(py::handle from, const Where& where) {
  if (!is_string(from)) return std::nullopt;
  const py::tuple parts = py::module_::import("pgcluster._base").attr("secret")(give_string(load_string(from, where)));
  return SpecSecret{.value = load_string(parts[0], where), .origin = load_string(parts[1], where)};
}

template <>
std::optional<BinarySpec> load_otherwise(py::handle from, const Where& where) {
  if (!is_string(from)) return std::nullopt;
  return BinarySpec{.path = load_string(from, where)};
}

StepPtr As<StepPtr>::load(py::handle from, const Where& where) {
  if (!py::isinstance<Step>(from)) wrong_type(where, "Step", from);
  return from.cast<std::shared_ptr<Step>>();
}

Steps As<Steps>::load(py::handle from, const Where& where) {
  if (py::isinstance<Steps>(from)) return from.cast<const Steps&>();
  if (!py::isinstance<Step>(from)) wrong_type(where, "Steps or Step", from);
  return Steps(As<StepPtr>::load(from, where));
}

std::shared_ptr<py::object> keep(py::handle object) {
  return {new py::object(py::reinterpret_borrow<py::object>(object)), [](py::object* kept) {
            const py::gil_scoped_acquire acquired;
            delete kept;
          }};
}

Error As<Error>::load(py::handle from, const Where& where) { return Error(As<Failure>::load(py::getattr(from, "failure"), where)); }

py::object As<Error>::give(const Error& value) {
  return py::module_::import("pgcluster._errors").attr("from_failure")(As<Failure>::give(value.failure()));
}

namespace {

/// How Python makes the members of a class of records.
struct Kind {
  std::map<std::string, std::function<py::object(py::handle, const Where&)>, std::less<>> member;
  void (*fill)(py::handle record, const py::args& values);  ///< all of them, in order
};

template <class T>
void fill(py::handle record, const py::args& values) {
  std::size_t i = 0;
  const Where where{nullptr, Table<T>::name};
  Table<T>::members([&](const char* name, auto member) {
    using M = std::remove_cvref_t<decltype(std::declval<T&>().*member)>;
    set_member(record, member_names<T>()[i],
               normal<M>(PyTuple_GET_ITEM(values.ptr(), static_cast<Py_ssize_t>(i)), Where{&where, {}, name}, Table<T>::fixed));
    ++i;
  });
}

template <class T>
Kind kind() {
  Kind made{{}, &fill<T>};
  Table<T>::members([&](const char* name, auto member) {
    using M = std::remove_cvref_t<decltype(std::declval<T&>().*member)>;
    made.member[name] = [](py::handle given, const Where& where) { return normal<M>(given, where, Table<T>::fixed); };
  });
  return made;
}

/// By the class's name: the classes themselves come after this module.
const Kind& kind_of(py::handle type) {
  static const auto* kinds = [] {
    auto* all = new std::map<std::string, Kind>;
    every_record([all]<class T>() { all->emplace(Table<T>::name, kind<T>()); });
    return all;
  }();
  static std::map<PyObject*, const Kind*> known;
  if (const auto found = known.find(type.ptr()); found != known.end()) return *found->second;
  for (py::handle one : type.attr("__mro__"))
    if (const auto found = kinds->find(py::str(one.attr("__qualname__"))); found != kinds->end()) {
      known.emplace(type.inc_ref().ptr(), &found->second);
      return found->second;
    }
  throw py::type_error(std::string(py::str(type)) + " is no record of pgcluster");
}

}  // namespace

void bind_records(py::module_& m) {
  m.def("_member", [](py::handle type, const std::string& name, py::handle value) {
    const Where where{nullptr, std::string(py::str(type.attr("__qualname__"))) + "." + name};
    return kind_of(type).member.find(name)->second(value, where);
  });
  m.def("_fill", [](py::handle record, const py::args& values) { kind_of(py::type::handle_of(record)).fill(record, values); });
}

}  // namespace pgcluster::python
