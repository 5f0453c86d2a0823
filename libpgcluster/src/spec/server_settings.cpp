#include "spec/server_settings.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>

#include "base/nearest.hpp"
#include "base/strings.hpp"
#include "spec/words.hpp"

namespace pgcluster::server_settings {
namespace {

constexpr std::string_view data =
#include "spec/postgresql_settings.inc"
    ;

using ByName = std::map<std::string, Definition>;  // by the name in small letters

std::vector<std::string_view> fields(std::string_view line, char separator) {
  std::vector<std::string_view> found;
  for (std::size_t begin = 0;;) {
    const auto end = line.find(separator, begin);
    found.push_back(line.substr(begin, end == std::string_view::npos ? end : end - begin));
    if (end == std::string_view::npos) return found;
    begin = end + 1;
  }
}

Type type_of(std::string_view word) {
  if (word == "bool") return Type::boolean;
  if (word == "integer") return Type::integer;
  if (word == "real") return Type::real;
  return word == "enum" ? Type::word : Type::text;
}

const std::map<int, ByName>& table() {
  static const auto* const all = [] {
    auto* made = new std::map<int, ByName>;
    for (const std::string_view line : fields(data, '\n')) {
      const auto row = fields(line, '|');
      if (row.size() != 10) continue;
      Definition one{.name = row[1],
                     .type = type_of(row[2]),
                     .unit = row[3],
                     .context = row[4],
                     .min = row[5],
                     .max = row[6],
                     .boot = row[7],
                     .words = {},
                     .dropped = !row[9].empty()};
      for (const std::string_view word : fields(row[8], ',')) {
        const auto equals = word.find('=');
        if (!row[8].empty()) one.words.emplace_back(word.substr(0, equals), equals == std::string_view::npos ? word : word.substr(equals + 1));
      }
      for (const std::string_view version : fields(row[0], ','))
        (*made)[std::atoi(std::string(version).c_str())].emplace(strings::lower(one.name), one);
    }
    return made;
  }();
  return *all;
}

// PostgreSQL's parse_bool(): any beginning of a word that can only be that one.
std::optional<bool> truth(std::string_view value) {
  const std::string word = strings::lower(value);
  const auto begins = [&](std::string_view whole, std::size_t least) { return word.size() >= least && whole.starts_with(word); };
  if (begins("true", 1) || begins("yes", 1) || begins("on", 2) || word == "1") return true;
  if (begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0") return false;
  return std::nullopt;
}

struct Unit {
  std::string_view name;
  double factor;
};
constexpr double k = 1024;
// Largest first: a fraction is rounded to the next smaller unit.
constexpr std::array memory{Unit{"TB", k* k* k* k}, Unit{"GB", k* k* k}, Unit{"MB", k* k}, Unit{"kB", k}, Unit{"B", 1}};
constexpr std::array durations{Unit{"d", 86400e6}, Unit{"h", 3600e6}, Unit{"min", 60e6}, Unit{"s", 1e6}, Unit{"ms", 1e3}, Unit{"us", 1}};

// How many bytes or microseconds the setting's own unit is; 0 where it has none.
double factor_of(std::string_view unit) {
  std::size_t digits = 0;
  while (digits < unit.size() && unit[digits] >= '0' && unit[digits] <= '9') ++digits;
  const double times = digits > 0 ? std::strtod(std::string(unit.substr(0, digits)).c_str(), nullptr) : 1;
  for (const Unit& one : memory)
    if (one.name == unit.substr(digits)) return one.factor * times;
  for (const Unit& one : durations)
    if (one.name == unit.substr(digits)) return one.factor * times;
  return 0;
}
bool of_memory(const Definition& setting) { return setting.unit.ends_with('B'); }

// Converts a value like PostgreSQL's convert_to_base_unit().
template <std::size_t N>
std::optional<double> converted(double value, std::string_view unit, double base, const std::array<Unit, N>& units) {
  for (std::size_t i = 0; i < N; ++i) {
    if (units[i].name != unit) continue;
    double result = value * units[i].factor / base;
    if (i + 1 < N) result = std::rint(result / (units[i + 1].factor / base)) * (units[i + 1].factor / base);
    return result;
  }
  return std::nullopt;
}

struct Number {
  enum class What { good, no_number, bad_unit, no_unit } what = What::good;
  double value = 0;
};

// PostgreSQL's parse_int() and parse_real(): decimal, octal and hexadecimal numbers, fractions, spaces around, a unit.
Number number(const Definition& setting, std::string_view text) {
  const std::string copy(text);
  const char* begin = copy.c_str();
  char* end = nullptr;
  double value = 0;
  bool fraction = setting.type == Type::real;
  if (!fraction) {
    errno = 0;
    value = static_cast<double>(std::strtol(begin, &end, 0));
    fraction = *end == '.' || *end == 'e' || *end == 'E' || errno == ERANGE;
  }
  if (fraction) {
    errno = 0;
    value = std::strtod(begin, &end);
    if (errno == ERANGE) return {Number::What::no_number};
  }
  if (end == begin || std::isnan(value)) return {Number::What::no_number};
  const auto spaces = [](const char* at) { return at + std::strspn(at, " \t\n\v\f\r"); };
  const char* at = spaces(end);
  if (*at == '\0') return {Number::What::good, value};
  const char* unit_end = at + std::strcspn(at, " \t\n\v\f\r");
  const std::string_view unit(at, static_cast<std::size_t>(unit_end - at));
  if (*spaces(unit_end) != '\0') return {Number::What::no_number};
  const double base = factor_of(setting.unit);
  if (base == 0) return {Number::What::no_unit};
  const auto found = of_memory(setting) ? converted(value, unit, base, memory) : converted(value, unit, base, durations);
  return found ? Number{Number::What::good, *found} : Number{Number::What::bad_unit};
}

double bound(std::string_view text) { return std::strtod(std::string(text).c_str(), nullptr); }

std::string printed(double value, const char* format) {
  char out[64];
  std::snprintf(out, sizeof out, format, value);
  return out;
}

// The largest unit in which a bound is a whole number: "1GB" for 131072 of 8kB.
std::string readable(const Definition& setting, std::string_view text) {
  const double base = factor_of(setting.unit), value = bound(text);
  if (base == 0 || value <= 0) return std::string(text);
  const auto best = [&](const auto& units) -> std::string {
    for (const Unit& one : units)
      if (const double in = value * base / one.factor; in >= 1 && std::rint(in) == in) return printed(in, "%.0f") + std::string(one.name);
    return std::string(text) + std::string(setting.unit);
  };
  return of_memory(setting) ? best(memory) : best(durations);
}

std::string range_of(const Definition& setting) {
  if (setting.type == Type::integer && bound(setting.max) >= 2147483647 && factor_of(setting.unit) == 0)
    return readable(setting, setting.min) + " or more";
  return readable(setting, setting.min) + " to " + readable(setting, setting.max);
}

std::vector<std::string_view> shown_words(const Definition& setting) {
  std::vector<std::string_view> all;
  for (const auto& [word, value] : setting.words)
    if (word == value && !word.empty()) all.push_back(word);
  return all;
}

// "128mb" is refused by PostgreSQL: its units know upper and lower case.
std::string better_unit(const Definition& setting, std::string_view value) {
  const auto begin = value.find_first_not_of(" \t+-.0123456789eE");
  if (begin == std::string_view::npos || factor_of(setting.unit) == 0) return {};
  const std::string figures(value.substr(0, value.find_last_not_of(" \t", begin - 1) + 1));
  if (begin == 0 || figures.empty()) return {};
  std::string unit = strings::lower(value.substr(begin));
  while (!unit.empty() && (unit.back() == ' ' || unit.back() == '\t')) unit.pop_back();
  const auto of = [&](const auto& units) -> std::string {
    for (const Unit& one : units) {
      const std::string lower = strings::lower(one.name);
      if (unit == lower || unit + "b" == lower || (unit.size() == 3 && unit[1] == 'i' && unit.substr(0, 1) + "b" == lower))
        return "write " + figures + std::string(one.name);
    }
    return {};
  };
  if (of_memory(setting)) return of(memory);
  if (std::string same = of(durations); !same.empty()) return same;
  for (const auto& [word, name] : {std::pair{"sec", "s"}, {"minute", "min"}, {"mins", "min"}, {"hour", "h"}, {"hr", "h"}, {"day", "d"}})
    if (unit.starts_with(word)) return "write " + figures + name;
  return unit == "m" ? "write " + figures + "min" : std::string();
}

std::string example(const Definition& setting) {
  if (of_memory(setting)) return "a number with B, kB, MB, GB or TB, like 128MB";
  if (factor_of(setting.unit) != 0) return "a number with us, ms, s, min, h or d, like 15min";
  return setting.type == Type::real ? "a number, like " + std::string(setting.boot.empty() ? "0.5" : setting.boot)
                                    : "a whole number, " + range_of(setting);
}

}  // namespace

bool known(int version) { return table().contains(version); }

const Definition* find(int version, std::string_view name) {
  const auto settings = table().find(version);
  if (settings == table().end()) return nullptr;
  const auto found = settings->second.find(strings::lower(name));
  return found == settings->second.end() ? nullptr : &found->second;
}

const Definition* find_near(int version, std::string_view name) {
  if (known(version)) return find(version, name);
  const Definition* best = nullptr;
  int distance = std::numeric_limits<int>::max();
  for (const int other : versions_with(name))
    if (std::abs(other - version) < distance) distance = std::abs(other - version), best = find(other, name);
  return best;
}

std::vector<std::string_view> names(int version) {
  std::vector<std::string_view> all;
  if (const auto settings = table().find(version); settings != table().end())
    for (const auto& [key, one] : settings->second) all.push_back(one.name);
  return all;
}

std::vector<int> versions_with(std::string_view name) {
  std::vector<int> all;
  const std::string key = strings::lower(name);
  for (const auto& [version, settings] : table())
    if (settings.contains(key)) all.push_back(version);
  return all;
}

std::optional<std::string> canonical(const Definition& setting, std::string_view value) {
  switch (setting.type) {
    case Type::boolean:
      if (const auto on = truth(value)) return *on ? "on" : "off";
      return std::nullopt;
    case Type::word: {
      const std::string lower = strings::lower(value);
      for (const auto& [word, meant] : setting.words)
        if (strings::lower(word) == lower) return std::string(meant);
      return std::nullopt;
    }
    case Type::integer:
    case Type::real: {
      const Number found = number(setting, value);
      if (found.what != Number::What::good) return std::nullopt;
      const double rounded = setting.type == Type::integer ? std::rint(found.value) : found.value;
      if (!setting.min.empty() && (rounded < bound(setting.min) || rounded > bound(setting.max))) return std::nullopt;
      return printed(rounded == 0 ? 0 : rounded, setting.type == Type::integer ? "%.0f" : "%g");  // as the server shows it, without "-0"
    }
    case Type::text:
      break;
  }
  return std::string(value);
}

std::optional<Wrong> wrong(const Definition& setting, std::string_view value) {
  if (canonical(setting, value)) return std::nullopt;
  const std::string has = value.empty() ? "is empty" : words::shown(value);
  switch (setting.type) {
    case Type::boolean:
      return Wrong{value.empty() ? "is empty" : "expects on or off, has " + has, "write on or off"};
    case Type::word: {
      const auto all = shown_words(setting);
      const auto near = nearest(strings::lower(value), all);
      return Wrong{value.empty() ? "is empty" : has + " is none of its words",
                   near.empty() ? "write " + words::one_of(all) : "did you mean " + std::string(near) + "? It takes " + words::one_of(all)};
    }
    default:
      break;
  }
  const Number found = number(setting, value);
  const char* expected = of_memory(setting) ? "an amount of memory" : factor_of(setting.unit) != 0 ? "a time" : "a number";
  if (found.what == Number::What::no_unit) return Wrong{"expects a number without a unit, has " + has, "write " + example(setting)};
  if (found.what != Number::What::good) {
    const std::string better = better_unit(setting, value);
    return Wrong{value.empty() ? "is empty" : std::string("expects ") + expected + ", has " + has,
                 better.empty() ? "write " + example(setting) : better};
  }
  const double base = factor_of(setting.unit);
  const bool bare = base != 0 && value.find_first_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
  return Wrong{std::string(value) + (found.value < bound(setting.min) ? " is too small" : " is too large") +
                   (bare ? ": without a unit it counts " + std::string(setting.unit) : ""),
               "write " + range_of(setting)};
}

bool same(int version, std::string_view name, std::string_view a, std::string_view b) {
  if (a == b) return true;
  const Definition* setting = find_near(version, name);
  if (!setting || setting->type == Type::text) return false;
  const auto one = canonical(*setting, a), other = canonical(*setting, b);
  return one && one == other && (setting->type != Type::real || number(*setting, a).value == number(*setting, b).value);
}

std::string plain(int version, std::string_view name, std::string_view value) {
  const Definition* setting = find_near(version, name);
  const auto found = setting ? canonical(*setting, value) : std::nullopt;
  if (!found || setting->type == Type::text) return std::string(value);
  if (setting->type == Type::word) return *found;
  if (setting->type == Type::boolean) {
    constexpr std::array<std::string_view, 8> read_by_all{"on", "off", "true", "false", "yes", "no", "1", "0"};
    return std::find(read_by_all.begin(), read_by_all.end(), value) == read_by_all.end() ? *found : std::string(value);
  }
  // Digits, a fraction, a unit.
  std::size_t at = value.starts_with('-') ? 1 : 0;
  const std::size_t digits = at;
  while (at < value.size() && ((value[at] >= '0' && value[at] <= '9') || (value[at] == '.' && at > digits))) ++at;
  const bool decimal = at > digits && (value[digits] != '0' || at == digits + 1 || value[digits + 1] == '.');
  const auto is_unit = [&](const Unit& unit) { return unit.name == value.substr(at); };
  if (decimal &&
      (at == value.size() || std::any_of(memory.begin(), memory.end(), is_unit) || std::any_of(durations.begin(), durations.end(), is_unit)))
    return std::string(value);
  if (setting->type == Type::integer) return *found;
  return printed(number(*setting, value).value, "%.17g");
}

bool is_text(int version, std::string_view name) {
  const Definition* setting = find_near(version, name);
  return !setting || setting->type == Type::text;
}

std::string spelled(int version, std::string_view name) {
  const Definition* setting = find_near(version, name);
  return std::string(setting ? setting->name : name);
}

}  // namespace pgcluster::server_settings
