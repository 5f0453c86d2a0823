#include "component/postgresql/locales.hpp"

#include <sstream>

#include "base/strings.hpp"

namespace pgcluster {
namespace {

// libc itself brings these.
bool is_builtin(const std::string& locale) {
  const std::string name = strings::plain(locale);
  return name == "c" || name == "posix" || name == "cutf8";
}

Ask charmap_ask(const std::string& host, const std::string& locale) { return {host, Exec{.argv = {"env", "LC_ALL=" + locale, "locale", "charmap"}}}; }

// Of UTF-8 only: the other encodings have a name of their own in PostgreSQL, and initdb compares them.
std::string mismatch(const std::string& encoding, const std::string& charmap) {
  const std::string wished = strings::plain(encoding), is = strings::plain(charmap);
  if (wished == "sqlascii" || is.empty()) return {};
  const bool unicode = wished == "utf8" || wished == "unicode";
  return unicode == (is == "utf8") ? std::string() : strings::trimmed(charmap);
}

}  // namespace

Ask locales_ask(const std::string& host) { return {host, Exec{.argv = {"locale", "-a"}}}; }

std::optional<std::set<std::string>> read_locales(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0) return std::nullopt;
  std::set<std::string> known{"c", "posix"};
  std::istringstream lines(output->out);
  for (std::string line; std::getline(lines, line);) known.insert(strings::plain(line));
  return known;
}

Steps locale_gate(const NodeView& node) {
  const std::string& locale = node.spec().postgresql_locale;
  const std::string& encoding = node.spec().postgresql_encoding;
  if (is_builtin(locale)) return {};
  const Ask locales = locales_ask(node.name()), charmap = charmap_ask(node.name(), locale);
  auto decide = [=, host = node.name()](const Answers& answers) -> Decision {
    const auto known = read_locales(answers[locales]);
    if (known && !known->contains(strings::plain(locale)))
      return Refused{{.message = host + " has no locale " + locale,
                      .hint = "make it on every database host (package locales, then locale-gen), or choose one that `locale -a` lists there",
                      .path = "postgresql_locale"}};
    const std::string* is = answers.out(charmap);
    if (const std::string other = mismatch(encoding, is ? *is : ""); !other.empty())
      return Refused{
          {.message = "the locale " + locale + " of " + host + " has the characters of " + other + ", and postgresql_encoding is " + encoding,
           .hint = "choose a locale and an encoding that go together: C.UTF-8 and UTF8, or C and any encoding",
           .path = "postgresql_encoding"}};
    return Done{};
  };
  return gate(node.step("patroni", "locale"), {.asks = {locales, charmap}, .decide = decide});
}

}  // namespace pgcluster
