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

// Of UTF-8 only: other encodings have a name of their own in PostgreSQL, which initdb compares.
std::optional<Refused> unfit_characters(const std::string& encoding, const std::string& locale, const std::string& charmap, const std::string& path) {
  const std::string wished = strings::plain(encoding), is = strings::plain(charmap);
  const bool unicode = wished == "utf8" || wished == "unicode";
  if (wished.empty() || wished == "sqlascii" || is.empty() || unicode == (is == "utf8")) return std::nullopt;
  return Refused{{.message = "the locale " + locale + " has the characters of " + strings::trimmed(charmap) + ", and the encoding is " + encoding,
                  .hint = "choose a locale and an encoding that go together: C.UTF-8 and UTF8, or C and any encoding",
                  .path = path}};
}

std::string charmap_by_name(const std::string& locale) { return strings::plain(locale).ends_with("utf8") ? "UTF-8" : ""; }

Steps locale_gate(const NodeView& node) {
  const std::string& locale = node.spec().postgresql_locale;
  const std::string& encoding = node.spec().postgresql_encoding;
  const Ask locales = locales_ask(node.name()), charmap = charmap_ask(node.name(), locale);
  const StepRef name = node.step("patroni", "locale");
  if (const auto refused = unfit_characters(encoding, locale, charmap_by_name(locale), "postgresql_encoding"))
    return gate(name, {.asks = {}, .decide = [refused](const Answers&) -> Decision { return *refused; }});
  if (is_builtin(locale)) return {};
  auto decide = [=, host = node.name()](const Answers& answers) -> Decision {
    const auto known = read_locales(answers[locales]);
    if (known && !known->contains(strings::plain(locale)))
      return Refused{{.message = host + " has no locale " + locale,
                      .hint = "make it on every database host (package locales, then locale-gen), or choose one that `locale -a` lists there",
                      .path = "postgresql_locale"}};
    const std::string* is = answers.out(charmap);
    if (auto refused = unfit_characters(encoding, locale, is ? *is : "", "postgresql_encoding")) return *std::move(refused);
    return Done{};
  };
  return gate(name, {.asks = {locales, charmap}, .decide = decide});
}

}  // namespace pgcluster
