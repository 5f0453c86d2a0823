#include <doctest/doctest.h>

#include "base/network.hpp"
#include "base/url.hpp"

using namespace pgcluster;

TEST_CASE("only an address is parsed as one") {
  CHECK(net::is_ip("10.77.0.1"));
  CHECK(net::is_ip("fd00::1"));
  for (const char* text : {"", "pg1", "10.0.0", "10.0.0.1/24", "010.0.0.1 ", "fd00::1/64", "fe80::1%eth0", "[fd00::1]"})
    CHECK_FALSE(net::is_ip(text));
  CHECK(net::parse_ip("fd00::1") == net::parse_ip("fd00:0::1"));
  CHECK(net::parse_ip("fd00::1") != net::parse_ip("fd00::2"));
}

TEST_CASE("an IPv6 address is told from an IPv4 address and from a name") {
  CHECK(net::is_ipv6("fd00::1"));
  CHECK(net::is_ipv6("::/0"));
  CHECK(net::is_ipv6("fe80::1%eth0"));
  CHECK_FALSE(net::is_ipv6("10.77.0.1"));
  CHECK_FALSE(net::is_ipv6("pg1.example.com"));
}

TEST_CASE("an IPv6 address has one spelling") {
  CHECK(net::canonical("FD00:0::01") == "fd00::1");
  CHECK(net::canonical("10.77.0.1") == "10.77.0.1");
  CHECK(net::canonical("PG1.example.com") == "PG1.example.com");
}

TEST_CASE("two addresses share a network by their first bits") {
  const auto ip = [](const char* text) { return *net::parse_ip(text); };
  CHECK(net::same_network(ip("10.77.0.1"), ip("10.77.0.200"), 24));
  CHECK_FALSE(net::same_network(ip("10.77.0.1"), ip("10.77.1.1"), 24));
  CHECK(net::same_network(ip("10.77.0.1"), ip("10.77.1.1"), 23));
  CHECK(net::same_network(ip("fd00::1"), ip("fd00::ffff:0:0:1"), 64));
  CHECK_FALSE(net::same_network(ip("fd00:0:0:1::1"), ip("fd00:0:0:2::1"), 64));
  CHECK_FALSE(net::same_network(ip("10.77.0.1"), ip("fd00::1"), 0));
}

TEST_CASE("a network of one address has the prefix length of its family") {
  CHECK(net::single_address("10.77.0.1") == "10.77.0.1/32");
  CHECK(net::single_address("fd00::1") == "fd00::1/128");
  CHECK(net::without_prefix("fd00::1/64") == "fd00::1");
  CHECK(net::without_prefix("10.77.0.1") == "10.77.0.1");
}

TEST_CASE("IPv6 stands in brackets wherever a port follows") {
  CHECK(net::host_port("10.77.0.11", 5432) == "10.77.0.11:5432");
  CHECK(net::host_port("fd00::1", 5432) == "[fd00::1]:5432");
  CHECK(net::host_port("master.main.service.consul", 5432) == "master.main.service.consul:5432");
  CHECK(net::http_url("10.77.0.11", 2379) == "http://10.77.0.11:2379");
  CHECK(net::http_url("fd00::1", 8008, "/leader") == "http://[fd00::1]:8008/leader");
}

TEST_CASE("what is not unreserved in a URL is encoded") {
  CHECK(net::url_encoded("aZ0-._~") == "aZ0-._~");
  CHECK(net::url_encoded("a b/ü?&") == "a%20b%2F%C3%BC%3F%26");
}
