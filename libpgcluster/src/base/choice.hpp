#pragma once

#include <algorithm>
#include <concepts>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

// A choice is an enum class whose values have words. Its to_string() is the only list of the words: a switch, so that the compiler misses no value.
namespace pgcluster {

/// to_string() returns the word of a value, and nothing where there is no such value. Values count from 0 without a gap.
template <class E>
concept Choice = std::is_enum_v<E> && requires(E value) {
  { to_string(value) }
  noexcept->std::same_as<std::string_view>;
};

/// All values, in the order of their declaration.
template <Choice E>
const std::vector<E>& all_values() {
  static const std::vector<E> all = [] {
    std::vector<E> found;
    for (int i = 0; !to_string(static_cast<E>(i)).empty(); ++i) found.push_back(static_cast<E>(i));
    return found;
  }();
  return all;
}

/// The value that a word stands for; empty where there is none.
template <Choice E>
std::optional<E> value_of(std::string_view word) {
  const auto& all = all_values<E>();
  const auto found = std::find_if(all.begin(), all.end(), [&](E value) { return to_string(value) == word; });
  return found == all.end() ? std::nullopt : std::optional<E>(*found);
}

}  // namespace pgcluster
