#include "spec/fixed.hpp"

#include <map>
#include <sstream>

#include "base/choice.hpp"
#include "base/strings.hpp"
#include "spec/keys.hpp"

namespace pgcluster {
namespace {

constexpr const char* archiving_line = "archive_mode: on\n";

std::string word(bool value) { return value ? "true" : "false"; }
std::string word(int value) { return std::to_string(value); }
std::string word(const std::string& value) { return value; }
template <Choice E>
std::string word(E value) {
  return std::string(to_string(value));
}

// Records, lists and maps are never fixed as a whole.
template <class T>
concept Plain = std::same_as<T, bool> || std::same_as<T, int> || std::same_as<T, std::string> || Choice<T>;

template <class Use>
void each_fixed(const Spec& spec, Use&& use) {
  for (const auto& key : keys::of<Spec>())
    if (key.effect == keys::Effect::fixed)
      std::visit(
          [&](auto member) {
            if constexpr (Plain<std::remove_cvref_t<decltype(spec.*member)>>) use(key, word(spec.*member));
          },
          key.member);
}

std::map<std::string, std::string> read(const std::string& recorded) {
  std::map<std::string, std::string> all;
  std::istringstream lines(recorded);
  for (std::string line; std::getline(lines, line);)
    if (const auto colon = line.find(": "); colon != std::string::npos && !line.starts_with('#')) all[line.substr(0, colon)] = line.substr(colon + 2);
  return all;
}

bool same(std::string_view key, const std::string& a, const std::string& b) {
  const bool spelled_freely = key == "postgresql_encoding" || key == "postgresql_locale";
  return spelled_freely ? strings::plain(a) == strings::plain(b) : a == b;
}

}  // namespace

std::string begun_with(const Spec& spec, const std::string& recorded) {
  const auto before = read(recorded);
  std::string text = "# What this cluster began with. pgcluster refuses a spec that says otherwise.\n";
  each_fixed(spec, [&](const auto& key, const std::string& now) {
    const std::string name(key.name);
    const auto then = before.find(name);
    text += name + ": " + (then != before.end() && same(name, then->second, now) ? then->second : now) + "\n";
  });
  if (recorded.empty() || spec.pgbackrest_install || began_archiving(recorded)) text += archiving_line;
  return text;
}

bool began_archiving(const std::string& recorded) { return recorded.find(archiving_line) != std::string::npos; }

std::vector<Diagnostic> fixed_differences(const Spec& spec, const std::string& recorded) {
  const auto before = read(recorded);
  std::vector<Diagnostic> all;
  each_fixed(spec, [&](const auto& key, const std::string& now) {
    const std::string name(key.name);
    const auto then = before.find(name);
    if (then == before.end() || same(name, then->second, now)) return;
    all.push_back({.message = name + " of a running cluster cannot be changed: it began with " + then->second + ", and the spec says " + now,
                   .hint = "write " + name + ": " + then->second + " again. The way to " + now + ": " + std::string(key.way),
                   .path = name});
  });
  return all;
}

}  // namespace pgcluster
