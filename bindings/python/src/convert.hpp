#pragma once

#include <pybind11/chrono.h>
#include <pybind11/pybind11.h>

#include <array>
#include <chrono>
#include <concepts>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <pgcluster/pgcluster.hpp>

// Values of the library as Python's own, and back. What does not fit is a TypeError or ValueError that names where it stands.
namespace pgcluster::python {

namespace py = pybind11;

/// Where a value stands, for errors: "Spec.hosts[2].address".
struct Where {
  const Where* outer = nullptr;
  std::string name{};
  const char* member = nullptr;  ///< of a record; lives for ever
  std::string text() const { return (outer ? outer->text() : "") + (member ? std::string(".") + member : name); }
};
[[noreturn]] void wrong_type(const Where& where, const std::string& expected, py::handle found);
[[noreturn]] void wrong_value(const Where& where, const std::string& why);

/// Members of a struct that is a record in Python; filled by generate.py.
template <class T>
struct Table;
/// Members of a struct that Python passes as keyword arguments (options), or that Python refers to in place (SimulatedHost).
template <class T>
struct Options;
/// A value of an enum: its name in Python, and the word that Python's strings have for it.
template <class T>
struct EnumValue {
  T value;
  const char* name;
  const char* word;
};
/// The values of an enum; filled by generate.py.
template <class T>
struct Enum;

template <class T>
concept HasTable = requires {
  Table<T>::name;
};
template <class T>
concept Named = requires {
  Enum<T>::name;
};

/// `is` says whether it may be one, for variants; `load` throws; `give` makes a new reference.
template <class T>
struct As;

/// The class of that name in pgcluster._records ("Status.Member"); lives as long as the interpreter.
py::handle record_class(const char* name);
py::object give_string(const std::string& text);
std::string load_string(py::handle from, const Where& where);
bool is_string(py::handle from);
/// Without __init__, as the values are right already.
py::object new_record(py::handle type);
void set_member(py::handle record, py::handle name, py::handle value);

template <class T>
T load(py::handle from, const Where& where) {
  return As<T>::load(from, where);
}
template <class T>
py::object give(const T& value) {
  return As<T>::give(value);
}

template <>
struct As<bool> {
  static bool is(py::handle from) { return PyBool_Check(from.ptr()); }
  static bool load(py::handle from, const Where& where) {
    if (!is(from)) wrong_type(where, "bool", from);
    return from.ptr() == Py_True;
  }
  static py::object give(bool value) { return py::bool_(value); }
};
template <std::integral T>
struct As<T> {
  static bool is(py::handle from) { return PyLong_Check(from.ptr()) && !PyBool_Check(from.ptr()); }
  static T load(py::handle from, const Where& where) {
    if (!is(from)) wrong_type(where, "int", from);
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(from.ptr(), &overflow);
    if (overflow != 0 || std::cmp_less(value, std::numeric_limits<T>::min()) || std::cmp_greater(value, std::numeric_limits<T>::max()))
      wrong_value(where, "is out of range: " + std::string(py::str(from)));
    return static_cast<T>(value);
  }
  static py::object give(T value) { return py::int_(value); }
};
template <>
struct As<std::string> {
  static bool is(py::handle from) { return is_string(from); }
  static std::string load(py::handle from, const Where& where) { return load_string(from, where); }
  static py::object give(const std::string& value) { return give_string(value); }
};
/// In Python a str with parts. A plain str is no reference: what spells a name by hand says so with parse_step_name().
template <>
struct As<StepRef> {
  static bool is(py::handle from) { return py::isinstance(from, record_class("StepRef")); }
  static StepRef load(py::handle from, const Where& where);
  static py::object give(const StepRef& value) {
    return record_class("StepRef")(give_string(value.host), give_string(value.component), give_string(value.what));
  }
};
template <>
struct As<Text> {
  static bool is(py::handle from) { return py::isinstance<Text>(from) || is_string(from); }
  static Text load(py::handle from, const Where& where);
  static py::object give(const Text& value) { return py::cast(value); }
};
/// A datetime.timedelta, or seconds as int or float; what is negative, not finite, or more than a hundred years is a ValueError.
std::chrono::microseconds load_time(py::handle from, const Where& where);
template <class Rep, class Period>
struct As<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static bool is(py::handle) { return true; }
  /// Rounded up: a deadline of 0.9 s is none of 0 s.
  static Duration load(py::handle from, const Where& where) { return std::chrono::ceil<Duration>(load_time(from, where)); }
  static py::object give(Duration value) { return py::cast(value); }
};
template <>
struct As<SimulatedTime> {
  static SimulatedTime load(py::handle from, const Where& where) { return SimulatedTime(As<SimulatedTime::duration>::load(from, where)); }
  static py::object give(SimulatedTime value) { return py::cast(value.time_since_epoch()); }
};

template <class Visit>
void each(py::handle from, const Where& where, const char* expected, Visit&& visit) {
  if (is_string(from) || PyDict_Check(from.ptr()) || !py::isinstance<py::iterable>(from)) wrong_type(where, expected, from);
  std::size_t i = 0;
  for (py::handle one : py::reinterpret_borrow<py::iterable>(from)) {
    const Where at{&where, "[" + std::to_string(i++) + "]"};
    visit(one, at);
  }
}
template <class T>
struct As<std::vector<T>> {
  static std::vector<T> load(py::handle from, const Where& where) {
    std::vector<T> all;
    each(from, where, "a list", [&](py::handle one, const Where& at) { all.push_back(As<T>::load(one, at)); });
    return all;
  }
  static py::object give(const std::vector<T>& value) {
    py::list all(value.size());
    std::size_t i = 0;
    for (const T& one : value) all[i++] = As<T>::give(one);
    return all;
  }
};
template <class T>
struct As<std::set<T>> {
  static std::set<T> load(py::handle from, const Where& where) {
    std::set<T> all;
    each(from, where, "a set", [&](py::handle one, const Where& at) { all.insert(As<T>::load(one, at)); });
    return all;
  }
  static py::object give(const std::set<T>& value) {
    py::set all;
    for (const T& one : value) all.add(As<T>::give(one));
    return py::reinterpret_steal<py::object>(PyFrozenSet_New(all.ptr()));
  }
};
template <class T>
struct As<std::pair<std::string, T>> {
  static std::pair<std::string, T> load(py::handle from, const Where& where) {
    if (!PyTuple_Check(from.ptr()) || PyTuple_GET_SIZE(from.ptr()) != 2) wrong_type(where, "a tuple of two", from);
    return {load_string(PyTuple_GET_ITEM(from.ptr(), 0), where), As<T>::load(PyTuple_GET_ITEM(from.ptr(), 1), where)};
  }
  static py::object give(const std::pair<std::string, T>& value) { return py::make_tuple(give_string(value.first), As<T>::give(value.second)); }
};
/// What YAML writes as a scalar: strings, numbers, booleans.
std::string load_scalar(py::handle from, const Where& where);
template <>
struct As<Pairs> {
  static Pairs load(py::handle from, const Where& where);
  static py::object give(const Pairs& value);
};
template <class T>
struct As<std::map<std::string, T>> {
  static std::map<std::string, T> load(py::handle from, const Where& where) {
    if (!PyDict_Check(from.ptr())) wrong_type(where, "a dict", from);
    std::map<std::string, T> all;
    for (auto [key, value] : py::reinterpret_borrow<py::dict>(from)) {
      const Where at{&where, "[" + std::string(py::repr(key)) + "]"};
      all.emplace(load_string(key, at), As<T>::load(value, at));
    }
    return all;
  }
  static py::object give(const std::map<std::string, T>& value) {
    py::dict all;
    for (const auto& [key, one] : value) all[give_string(key)] = As<T>::give(one);
    return all;
  }
};
template <class T>
struct As<std::optional<T>> {
  static std::optional<T> load(py::handle from, const Where& where) {
    if (from.is_none()) return std::nullopt;
    if constexpr (Named<T>)  // as in YAML, where an empty word is no choice
      if (PyUnicode_Check(from.ptr()) && PyUnicode_GetLength(from.ptr()) == 0) return std::nullopt;
    return As<T>::load(from, where);
  }
  static py::object give(const std::optional<T>& value) { return value ? As<T>::give(*value) : py::none(); }
};
template <class T>
struct As<std::shared_ptr<const std::vector<T>>> {
  static std::shared_ptr<const std::vector<T>> load(py::handle from, const Where& where) {
    if (from.is_none()) return nullptr;
    return std::make_shared<const std::vector<T>>(As<std::vector<T>>::load(from, where));
  }
  static py::object give(const std::shared_ptr<const std::vector<T>>& value) { return value ? As<std::vector<T>>::give(*value) : py::none(); }
};
template <class... T>
struct As<std::variant<T...>> {
  using Variant = std::variant<T...>;
  static bool is(py::handle from) { return (As<T>::is(from) || ...); }
  static Variant load(py::handle from, const Where& where) {
    std::optional<Variant> found;
    const auto attempt = [&]<class One>() {
      if (!found && As<One>::is(from)) found.emplace(As<One>::load(from, where));
    };
    (attempt.template operator()<T>(), ...);
    if (!found) {
      std::string names;
      ((names += (names.empty() ? "" : ", ") + std::string(Table<T>::name)), ...);
      wrong_type(where, "one of " + names, from);
    }
    return std::move(*found);
  }
  static py::object give(const Variant& value) {
    return std::visit([]<class One>(const One& one) { return As<One>::give(one); }, value);
  }
};

template <Named T>
struct As<T> {
  static bool is(py::handle from) { return PyUnicode_Check(from.ptr()); }
  static T load(py::handle from, const Where& where) {
    if (!PyUnicode_Check(from.ptr())) wrong_type(where, Enum<T>::name, from);
    const std::string wanted = load_string(from, where);
    std::string all;
    for (const auto& one : Enum<T>::values) {
      if (wanted == one.word) return one.value;
      (all += all.empty() ? "" : ", ") += one.word;
    }
    wrong_value(where, "is '" + wanted + "', which is none of " + all);
  }
  static py::object give(T value) {
    for (const auto& one : Enum<T>::values)
      if (one.value == value) return py::getattr(record_class(Enum<T>::name), one.name);
    return py::none();
  }
};

/// The member's name as Python keeps names.
inline py::handle interned(const char* name) { return PyUnicode_InternFromString(name); }

template <class T>
std::vector<py::handle>& member_names() {
  static std::vector<py::handle> names = [] {
    std::vector<py::handle> all;
    Table<T>::members([&](const char* name, auto) { all.push_back(interned(name)); });
    return all;
  }();
  return names;
}
/// Converts a member of a record to Python. In a record that must not change (`fixed`), a list becomes a tuple.
template <class M>
py::object give_member(const M& value, bool fixed) {
  py::object given = As<M>::give(value);
  return fixed && PyList_Check(given.ptr()) ? py::reinterpret_steal<py::object>(PyList_AsTuple(given.ptr())) : given;
}
/// Converts another Python type to the record, such as a str to a SpecSecret. nullopt if the type is not accepted.
template <class T>
std::optional<T> load_otherwise(py::handle, const Where&) {
  return std::nullopt;
}
template <>
std::optional<SpecSecret> load_otherwise(py::handle from, const Where& where);
template <>
std::optional<BinarySpec> load_otherwise(py::handle from, const Where& where);

template <HasTable T>
struct As<T> {
  static bool is(py::handle from) { return py::isinstance(from, record_class(Table<T>::name)); }
  static T load(py::handle from, const Where& where) {
    if (!is(from)) {
      if (auto other = load_otherwise<T>(from, where)) return std::move(*other);
      wrong_type(where, Table<T>::name, from);
    }
    T made{};
    std::size_t i = 0;
    Table<T>::members([&](const char* name, auto member) {
      using M = std::remove_cvref_t<decltype(made.*member)>;
      const auto value = py::reinterpret_steal<py::object>(PyObject_GetAttr(from.ptr(), member_names<T>()[i++].ptr()));
      if (!value) throw py::error_already_set();
      made.*member = As<M>::load(value, Where{&where, {}, name});
    });
    return made;
  }
  static py::object give(const T& value) {
    py::object made = new_record(record_class(Table<T>::name));
    std::size_t i = 0;
    Table<T>::members([&](const char*, auto member) { set_member(made, member_names<T>()[i++], give_member(value.*member, Table<T>::fixed)); });
    return made;
  }
};

/// What a member is kept as where it is given `from`: checked, and in the library's own form.
template <class M>
py::object normal(py::handle from, const Where& where, bool fixed) {
  if constexpr (std::same_as<M, std::string>)
    if (PyUnicode_CheckExact(from.ptr())) return py::reinterpret_borrow<py::object>(from);
  if constexpr (std::integral<M>) {
    static_cast<void>(As<M>::load(from, where));
    return py::reinterpret_borrow<py::object>(from);
  }
  if constexpr (HasTable<M>)  // a frozen record has been checked when it was made
    if (Table<M>::fixed && As<M>::is(from)) return py::reinterpret_borrow<py::object>(from);
  return give_member(As<M>::load(from, where), fixed);
}

/// A pointer to something that is let go of with the GIL held, on whatever thread.
std::shared_ptr<py::object> keep(py::handle object);

template <>
struct As<Error> {
  static Error load(py::handle from, const Where& where);
  static py::object give(const Error& value);
};
template <>
struct As<Answers> {
  static py::object give(const Answers& value) { return py::cast(value, py::return_value_policy::copy); }
};
template <>
struct As<StepPtr> {
  static StepPtr load(py::handle from, const Where& where);
  static py::object give(const StepPtr& value) { return py::cast(std::const_pointer_cast<Step>(value)); }
};
template <>
struct As<Steps> {
  static Steps load(py::handle from, const Where& where);
  static py::object give(const Steps& value) { return py::cast(value); }
};
template <>
struct As<SimulatedHost> {
  /// As an object that keeps its fleet alive, which is the one at work on this thread.
  static py::object give(SimulatedHost& value);
};

/// Fills options from keyword arguments; `name` is that of the function. `special` takes what is no plain value, and says whether it did.
template <class T, class Special>
T load_options(const py::dict& given, const std::string& name, Special&& special) {
  T made{};
  std::size_t used = 0;
  const auto take = [&](const char* key, auto member) {
    if (!given.contains(key)) return;
    ++used;
    const py::object value = given[key];
    const Where where{nullptr, name + "(): " + key};
    using M = std::remove_cvref_t<decltype(made.*member)>;
    if constexpr (requires { special(made.*member, key, value, where); })
      special(made.*member, key, value, where);
    else
      made.*member = As<M>::load(value, where);
  };
  if constexpr (HasTable<T>)
    Table<T>::members(take);
  else
    Options<T>::members(take);
  if (used != given.size()) {
    std::string unknown, known;
    const auto note = [&](const char* key, auto) { (known += known.empty() ? "" : ", ") += key; };
    if constexpr (HasTable<T>)
      Table<T>::members(note);
    else
      Options<T>::members(note);
    for (auto [key, value] : given)
      if ((", " + known + ", ").find(", " + std::string(py::str(key)) + ", ") == std::string::npos) unknown = py::str(key);
    throw py::type_error(name + "() has no keyword argument '" + unknown + "'; there are " + known);
  }
  return made;
}

/// An argument of a function; `name` says which in errors: "load_spec(): path".
template <class T>
T arg(py::handle from, const char* name) {
  return As<T>::load(from, Where{nullptr, name});
}

}  // namespace pgcluster::python
