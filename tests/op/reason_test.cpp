#include <doctest/doctest.h>

#include "op/reason.hpp"

using namespace pgcluster;

TEST_CASE("the reason of a failure is in the words of the service, without the tool's") {
  const auto of = [](const std::string& out, const std::string& err = {}) { return reason_of(Output{.status = 1, .out = out, .err = err}); };
  CHECK(of("Failed to switch over: candidate is not synchronous\ncurl: (22) The requested URL returned error: 412\n") ==
        "(412) Failed to switch over: candidate is not synchronous");
  CHECK(of("curl: (22) The requested URL returned error: 503\n") == "(503)");
  CHECK(of("curl: (7) Failed to connect to 10.77.0.11 port 8008 after 0 ms: Could not connect to server\n") ==
        "Failed to connect to 10.77.0.11 port 8008 after 0 ms: Could not connect to server");
  CHECK(of("", "psql:<stdin>:10: ERROR:  role \"app\" already exists\nCONTEXT:  a\nHINT:  b\n") == "ERROR:  role \"app\" already exists");
  CHECK(of("", "psql: error: connection to server on socket failed: FATAL:  the database system is starting up\n") ==
        "FATAL:  the database system is starting up");
  CHECK(of("ignored\n", "first\n  last line \n\n") == "last line");
  CHECK(of("on stdout\n") == "on stdout");
  CHECK(of("", " \n").empty());
  CHECK(of(std::string(400, 'x')).size() == 300);
}
