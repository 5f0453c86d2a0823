#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

// Readers for JSON of unknown shape. None of them throws: a value that is missing or has another
// type is read as null, "", false, 0 or an empty list. `pgcluster::json` is a public function.
namespace pgcluster::json_read {

/// The parsed text. A text that is not JSON gives a value for which `is_discarded()` holds; it has none of JSON's types.
template <class Json = nlohmann::json>
Json parse(std::string_view text) {
  return Json::parse(text, nullptr, false);
}

/// Reads the next document of a stream that holds several. Returns false, and a null value, where there is none.
template <class Json>
bool read(std::istream& in, Json& value) {
  try {
    in >> value;
    return true;
  } catch (const typename Json::exception&) {
    value = nullptr;
    return false;
  }
}

/// The member of an object. The reference lives as long as `in`.
template <class Json>
const Json& at(const Json& in, const std::string& key) {
  static const Json nothing;
  if (!in.is_object()) return nothing;
  const auto found = in.find(key);
  return found == in.end() ? nothing : *found;
}
template <class Json>
const Json& at(const Json&& in, const std::string& key) = delete;

/// The same for a list.
template <class Json>
const Json& list(const Json& in, const std::string& key) {
  static const Json empty = Json::array();
  const Json& found = at(in, key);
  return found.is_array() ? found : empty;
}
template <class Json>
const Json& list(const Json&& in, const std::string& key) = delete;

template <class Json>
std::string text(const Json& value) {
  return value.is_string() ? value.template get<std::string>() : std::string();
}
template <class Json>
std::string text(const Json& in, const std::string& key) {
  return text(at(in, key));
}

template <class Json>
bool flag(const Json& value) {
  return value.is_boolean() && value.template get<bool>();
}
template <class Json>
bool flag(const Json& in, const std::string& key) {
  return flag(at(in, key));
}

template <class Number = std::int64_t, class Json>
Number number(const Json& in, const std::string& key) {
  const Json& found = at(in, key);
  return found.is_number_integer() ? found.template get<Number>() : Number{};
}

/// A string without quotes, "" for null, every other value as JSON.
template <class Json>
std::string plain(const Json& value) {
  if (value.is_string()) return value.template get<std::string>();
  return value.is_null() ? std::string() : value.dump();
}

}  // namespace pgcluster::json_read
