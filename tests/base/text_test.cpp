#include <doctest/doctest.h>

#include <pgcluster/base/text.hpp>

using namespace pgcluster;

TEST_CASE("a text shows its secrets by name only") {
  const Secret secret{"replication", "s3cr3t"};
  Text text = "user=a password=";
  text += secret;
  text += '\n';
  CHECK(text.masked() == "user=a password=<secret replication>\n");
  CHECK(text.reveal() == "user=a password=s3cr3t\n");
  CHECK(text.has_secret());
  CHECK_FALSE(Text("plain").has_secret());
}

TEST_CASE("spans move with what comes before them") {
  Text line = Text("x ") + Secret{"a", "1"};
  Text both = line + line;
  both += both;
  CHECK(both.reveal() == "x 1x 1x 1x 1");
  CHECK(both.masked() == "x <secret a>x <secret a>x <secret a>x <secret a>");
}

TEST_CASE("an empty secret hides nothing") {
  const Text text = Text("a") + Secret{"none", ""};
  CHECK_FALSE(text.has_secret());
  CHECK(text.masked() == "a");
}

TEST_CASE("a copy is a value of its own") {
  Text text = Text("a ") + Secret{"s", "1"};
  const Text copy = text;
  CHECK(copy == text);
  text += "b";
  Text other = copy;
  other += Secret{"t", "2"};
  CHECK(text.masked() == "a <secret s>b");
  CHECK(other.masked() == "a <secret s><secret t>");
  CHECK(copy.masked() == "a <secret s>");
  CHECK_FALSE(copy == text);
  CHECK(copy == Text("a ") + Secret{"s", "1"});
  CHECK(Text() == Text(""));
  const Text moved = std::move(text);
  CHECK(moved.masked() == "a <secret s>b");
}
