#include <doctest/doctest.h>

#include <pgcluster/op/access.hpp>

using namespace pgcluster;

TEST_CASE("a hop is read as ssh reads it, and written the same") {
  CHECK(parse_hop("bastion") == Hop{"bastion", 0, ""});
  CHECK(parse_hop("admin@bastion.example.org:2222") == Hop{"bastion.example.org", 2222, "admin"});
  CHECK(parse_hop("10.0.0.1:22") == Hop{"10.0.0.1", 22, ""});
  CHECK(parse_hop("fd00::1") == Hop{"fd00::1", 0, ""});
  CHECK(parse_hop("a@[fd00::1]:22") == Hop{"fd00::1", 22, "a"});
  CHECK(parse_hop("[fd00::1]") == Hop{"fd00::1", 0, ""});
  CHECK(parse_hop("user@realm@host") == std::nullopt);
  for (const char* text : {"bastion", "admin@bastion.example.org:2222", "fd00::1", "a@[fd00::1]:22"}) CHECK(to_string(*parse_hop(text)) == text);
  for (const char* bad : {"", "@", "a@", "@b", "b:", "b:0", "b:65536", "b:x", "b:22:", "[fd00::1", "[b]:22", "[fd00::1]22", "-oProxyCommand", "a b",
                          "a'@b", "b/c", "b:999999999999"})
    CHECK_FALSE(parse_hop(bad));
}
