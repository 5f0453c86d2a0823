#include <doctest/doctest.h>

#include <sstream>

#include "base/json.hpp"

using namespace pgcluster;

TEST_CASE("a reader of JSON takes any shape") {
  const auto value = json::parse(R"({"name": "pg1", "leads": true, "lag": 7, "hosts": ["a", "b"], "nothing": null})");
  CHECK(json::text(value, "name") == "pg1");
  CHECK(json::flag(value, "leads"));
  CHECK(json::number(value, "lag") == 7);
  CHECK(json::number<int>(value, "lag") == 7);
  CHECK(json::list(value, "hosts").size() == 2);

  // Missing, or of another type.
  for (const char* key : {"lag", "leads", "hosts", "nothing", "none"}) CHECK(json::text(value, key).empty());
  for (const char* key : {"name", "lag", "hosts", "nothing", "none"}) CHECK_FALSE(json::flag(value, key));
  for (const char* key : {"name", "leads", "hosts", "nothing", "none"}) CHECK(json::number(value, key) == 0);
  for (const char* key : {"name", "lag", "leads", "nothing", "none"}) CHECK(json::list(value, key).empty());
  for (const char* text : {"", "[1, 2]", "\"name\"", "7", "null", "{"}) {
    const auto other = json::parse(text);
    CHECK(json::at(other, "name").is_null());
    CHECK(json::text(other, "name").empty());
    CHECK_FALSE(json::flag(other, "name"));
    CHECK(json::number(other, "name") == 0);
    CHECK(json::list(other, "name").empty());
  }
}

TEST_CASE("a text that is not JSON is discarded, and null is not") {
  CHECK(json::parse("{").is_discarded());
  CHECK(json::parse("").is_discarded());
  CHECK(json::parse("null").is_null());
  CHECK(json::parse<nlohmann::ordered_json>(R"({"b": 1, "a": 2})").begin().key() == "b");
}

TEST_CASE("documents of one stream are read in turn") {
  std::istringstream in(R"({"state": "running"}{"ttl": 30} x)");
  nlohmann::json one;
  CHECK(json::read(in, one));
  CHECK(json::text(one, "state") == "running");
  CHECK(json::read(in, one));
  CHECK(json::number(one, "ttl") == 30);
  CHECK_FALSE(json::read(in, one));
  CHECK(one.is_null());
}

TEST_CASE("a plain value has no quotes") {
  CHECK(json::plain(json::parse("\"on\"")) == "on");
  CHECK(json::plain(json::parse("true")) == "true");
  CHECK(json::plain(json::parse("8")) == "8");
  CHECK(json::plain(json::parse("null")).empty());
}
