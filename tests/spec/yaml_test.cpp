#include "spec/yaml.hpp"

#include <doctest/doctest.h>

#include "spec/words.hpp"

using namespace pgcluster;

TEST_CASE("a tree with places") {
  const yaml::Node root = yaml::parse("a: 1\nb:\n  - x\n  - !env Y\n  - \"z\"\nc: ~\nd:\ne: {}\n");
  REQUIRE(root.keys.size() == 5);
  CHECK(root.keys[1].line == 2);
  CHECK(root.items[0].line == 1);
  CHECK(root.items[0].column == 4);
  CHECK(root.items[1].items[1].tag == "!env");
  CHECK(root.items[1].items[1].text == "Y");
  CHECK(root.items[1].items[0].plain);
  CHECK_FALSE(root.items[1].items[2].plain);
  CHECK(root.items[2].kind == yaml::Node::Kind::null);
  CHECK(root.items[3].kind == yaml::Node::Kind::null);
  CHECK(root.items[3].line == 7);
  CHECK(root.items[4].kind == yaml::Node::Kind::map);
}

TEST_CASE("quotes end, blocks may have quotes in them") {
  CHECK_THROWS_AS(yaml::parse("a: \"b\n"), yaml::Broken);
  CHECK_THROWS_AS(yaml::parse("a: 'b''\n"), yaml::Broken);
  CHECK_THROWS_AS(yaml::parse("a: !x \"b\\\"\n"), yaml::Broken);
  CHECK_THROWS_AS(yaml::parse("\"a"), yaml::Broken);
  CHECK(yaml::parse("a: |\n  don't\n").items[0].text == "don't\n");
  CHECK(yaml::parse("a: !x &y 'it''s'\nb: c").items[0].text == "it's");
  CHECK(yaml::parse("\xEF\xBB\xBF"
                    "a: 'b'")
            .items[0]
            .text == "b");
  CHECK(yaml::parse("ü: 'ü€'\nb: 'c'").items[0].text == "ü€");
}

TEST_CASE("merge keys") {
  const yaml::Node root = yaml::parse("x: &x { a: 1, b: 2 }\ny: &y { c: 3 }\nz: { <<: [*x, *y], a: 9 }\n");
  CHECK(yaml::flow(root.items[2]) == R"({"a": 9, "b": 2, "c": 3})");
}

TEST_CASE("what other readers of YAML would not take for a string is quoted") {
  for (const char* text :
       {"", "yes", "No", "ON", "true", "null", "~", "12", "-1.5", "1e3", "0x1f", "12:30", "2024-01-01", "1_000", ".5", ".inf", "y"})
    CHECK_MESSAGE(yaml::ambiguous(text), text);
  for (const char* text : {"10.77.0.11", "dc1", "100MB", "C.UTF-8", "UTF8", "one", "pg1", "-", "/path", "~/.ssh/id", "203.0.113.4"})
    CHECK_MESSAGE(!yaml::ambiguous(text), text);
}

TEST_CASE("every text comes back") {
  for (const char* text :
       {"",   " ", "a b", "a: b", "# a", "a #b", "'",   "\"",  "\\",  "\n",       "a\tb", "- a", "[a]",  "{a}", "*a",  "&a", "!a", "%a",  "@a",
        "`a", "|", ">",   "?",    ":",   "a:",   "---", "...", "ü€😀", "\x01\x7f", "null", "~",   "true", "12",  "a,b", "<<", "=",  "\r\n"}) {
    CAPTURE(text);
    for (const bool plain : {true, false}) {
      yaml::Node map;
      yaml::add(map, "key", yaml::scalar(text, plain));
      yaml::add(map, text, yaml::scalar("value", plain));
      yaml::Node list;
      list.kind = yaml::Node::Kind::list;
      list.items = {yaml::scalar(text, plain), yaml::scalar("x", plain), map};
      yaml::add(map, "list", list);
      const yaml::Node again = yaml::parse(yaml::print(map));
      REQUIRE(again.items.size() == 3);
      CHECK(again.items[0].text == text);
      CHECK(again.keys[1].text == text);
      CHECK(again.items[2].items[0].text == text);
      CHECK(yaml::parse(yaml::flow(map)).items[0].text == text);
    }
  }
}

TEST_CASE("the word that was meant") {
  const std::vector<std::string_view> known{"address", "datacenter", "roles", "postgresql_version", "accept-new"};
  CHECK(words::nearest("adress", known) == "address");
  CHECK(words::nearest("addresss", known) == "address");
  CHECK(words::nearest("Datacentre", known) == "datacenter");
  CHECK(words::nearest("rolse", known) == "roles");
  CHECK(words::nearest("version", known) == "postgresql_version");
  CHECK(words::nearest("accept_new", known) == "accept-new");
  CHECK(words::nearest("zone", known) == "");
  CHECK(words::nearest("x", known) == "");
}
