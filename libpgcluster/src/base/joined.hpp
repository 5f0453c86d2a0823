#pragma once

#include <string>
#include <string_view>

namespace pgcluster {

/// Appends to a list in words: "pg1" becomes "pg1, pg2".
inline void append(std::string& list, std::string_view word, std::string_view between = ", ") {
  if (!list.empty()) list += between;
  list += word;
}

/// "pg1, pg2"; `word` makes the string of an item.
template <class Items, class Word>
std::string joined(const Items& items, std::string_view between, const Word& word) {
  std::string all;
  for (const auto& item : items) append(all, word(item), between);
  return all;
}

template <class Names>
std::string joined(const Names& names, std::string_view between = ", ") {
  return joined(names, between, [](const auto& name) -> std::string_view { return name; });
}

}  // namespace pgcluster
