#include "component/postgresql/locales.hpp"

#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

Decision locale_of(const std::string& locale, const std::string& encoding, const Output& known, const Output& charmap) {
  Spec wished = spec();
  wished.postgresql_locale = locale;
  wished.postgresql_encoding = encoding;
  const ClusterView view = cluster(wished);
  const Steps all = locale_gate(NodeView{view, view.topology.host("pg1"), view.facts.at("pg1")}.seen_by(*patroni_component()));
  return decide(all, "pg1/patroni/locale", {{"pg1", "-a", known}, {"pg1", "charmap", charmap}});
}

}  // namespace

TEST_CASE("a host without the cluster's locale is refused before it gets data") {
  const Output known{.out = "C\nC.utf8\nPOSIX\nde_DE\nen_US.utf8\n"}, utf8{.out = "UTF-8\n"};
  CHECK(is<Done>(locale_of("en_US.UTF-8", "UTF8", known, utf8)));
  const Decision missing = locale_of("sv_SE.UTF-8", "UTF8", known, {.out = "ANSI_X3.4-1968\n", .err = "locale: Cannot set LC_ALL"});
  REQUIRE(is<Refused>(missing));
  CHECK(std::get<Refused>(missing).why.message == "pg1 has no locale sv_SE.UTF-8");
  CHECK(std::get<Refused>(missing).why.path == "postgresql_locale");
  const Decision latin = locale_of("de_DE", "UTF8", known, {.out = "ISO-8859-1\n"});
  REQUIRE(is<Refused>(latin));
  CHECK(std::get<Refused>(latin).why.message == "the locale de_DE has the characters of ISO-8859-1, and the encoding is UTF8");
  CHECK(is<Done>(locale_of("de_DE", "LATIN1", known, {.out = "ISO-8859-1\n"})));
  CHECK(is<Done>(locale_of("de_DE", "SQL_ASCII", known, {.out = "ISO-8859-1\n"})));
  CHECK(is<Done>(locale_of("en_US.UTF-8", "UTF8", {.status = 127}, {.status = 127})));
}

TEST_CASE("what a locale's name tells of its characters needs no question") {
  const Decision decision = locale_of("C.UTF-8", "LATIN1", {}, {});
  REQUIRE(is<Refused>(decision));
  CHECK(std::get<Refused>(decision).why.message == "the locale C.UTF-8 has the characters of UTF-8, and the encoding is LATIN1");
}

TEST_CASE("libc's own locales need no question") {
  const ClusterView view = cluster(spec());
  CHECK(locale_gate(NodeView{view, view.topology.host("pg1"), view.facts.at("pg1")}.seen_by(*patroni_component())).empty());
}
