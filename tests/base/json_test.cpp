#include <doctest/doctest.h>

#include <sstream>

#include "base/json.hpp"

using namespace pgcluster;

TEST_CASE("a reader of JSON takes any shape") {
  const auto value = json_read::parse(R"({"name": "pg1", "leads": true, "lag": 7, "hosts": ["a", "b"], "nothing": null})");
  CHECK(json_read::text(value, "name") == "pg1");
  CHECK(json_read::flag(value, "leads"));
  CHECK(json_read::number(value, "lag") == 7);
  CHECK(json_read::number<int>(value, "lag") == 7);
  CHECK(json_read::list(value, "hosts").size() == 2);

  // Missing, or of another type.
  for (const char* key : {"lag", "leads", "hosts", "nothing", "none"}) CHECK(json_read::text(value, key).empty());
  for (const char* key : {"name", "lag", "hosts", "nothing", "none"}) CHECK_FALSE(json_read::flag(value, key));
  for (const char* key : {"name", "leads", "hosts", "nothing", "none"}) CHECK(json_read::number(value, key) == 0);
  for (const char* key : {"name", "lag", "leads", "nothing", "none"}) CHECK(json_read::list(value, key).empty());
  for (const char* text : {"", "[1, 2]", "\"name\"", "7", "null", "{"}) {
    const auto other = json_read::parse(text);
    CHECK(json_read::at(other, "name").is_null());
    CHECK(json_read::text(other, "name").empty());
    CHECK_FALSE(json_read::flag(other, "name"));
    CHECK(json_read::number(other, "name") == 0);
    CHECK(json_read::list(other, "name").empty());
  }
}

TEST_CASE("a text that is not JSON is discarded, and null is not") {
  CHECK(json_read::parse("{").is_discarded());
  CHECK(json_read::parse("").is_discarded());
  CHECK(json_read::parse("null").is_null());
  CHECK(json_read::parse<nlohmann::ordered_json>(R"({"b": 1, "a": 2})").begin().key() == "b");
}

TEST_CASE("documents of one stream are read in turn") {
  std::istringstream in(R"({"state": "running"}{"ttl": 30} x)");
  nlohmann::json one;
  CHECK(json_read::read(in, one));
  CHECK(json_read::text(one, "state") == "running");
  CHECK(json_read::read(in, one));
  CHECK(json_read::number(one, "ttl") == 30);
  CHECK_FALSE(json_read::read(in, one));
  CHECK(one.is_null());
}

TEST_CASE("a plain value has no quotes") {
  CHECK(json_read::plain(json_read::parse("\"on\"")) == "on");
  CHECK(json_read::plain(json_read::parse("true")) == "true");
  CHECK(json_read::plain(json_read::parse("8")) == "8");
  CHECK(json_read::plain(json_read::parse("null")).empty());
}
