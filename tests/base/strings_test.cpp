#include <doctest/doctest.h>

#include <set>

#include "base/joined.hpp"
#include "base/paths.hpp"
#include "base/strings.hpp"

using namespace pgcluster;

TEST_CASE("cases change for ASCII only") {
  CHECK(strings::lower("PG1 Ü") == "pg1 Ü");
  CHECK(strings::upper("pg1 ü") == "PG1 ü");
}

TEST_CASE("a split text has no empty parts") {
  using Parts = std::vector<std::string>;
  CHECK(strings::split("a,b", ",") == Parts{"a", "b"});
  CHECK(strings::split(",a,, b,", ", ") == Parts{"a", "b"});
  CHECK(strings::split("", ",").empty());
  CHECK(strings::split(",", ",").empty());
}

TEST_CASE("other spellings of an encoding or a locale are the same, another one is not") {
  for (const char* one : {"UTF8", "utf-8", "UTF_8"}) CHECK(strings::plain(one) == "utf8");
  CHECK(strings::plain("de_DE.UTF-8@euro") == strings::plain("de_DE.utf8@euro"));
  CHECK(strings::plain("LATIN1") != strings::plain("LATIN10"));
  CHECK(strings::plain("C") != strings::plain("C.UTF-8"));
}

TEST_CASE("items are joined in their order") {
  CHECK(joined(std::vector<std::string>{}).empty());
  CHECK(joined(std::vector<std::string>{"pg1"}) == "pg1");
  CHECK(joined(std::set<std::string>{"pg2", "pg1"}) == "pg1, pg2");
  CHECK(joined(std::vector<int>{1, 2}, "+", [](int n) { return std::to_string(n); }) == "1+2");
  std::string list;
  append(list, "a");
  append(list, "b", "; ");
  CHECK(list == "a; b");
}

TEST_CASE("only a leading ~ is the home directory") {
  CHECK(expand_home("~/x").starts_with('/'));
  CHECK(expand_home("~/x").ends_with("/x"));
  CHECK(expand_home("~other/x") == "~other/x");
  CHECK(expand_home("/a/~") == "/a/~");
}

TEST_CASE("a shortened text ends with an ellipsis, and has whole characters only") {
  CHECK(strings::shortened("abc", 3) == "abc");
  CHECK(strings::shortened("abcdef", 5) == "ab…");
  CHECK(strings::shortened("äöüß", 6) == "ä…");  // ö would end at the sixth byte, without its last one
  CHECK(strings::shortened("abcdef", 1) == "…");
  CHECK(strings::trimmed(" \t a b\r\n") == "a b");
  CHECK(strings::trimmed(" \n").empty());
}
