#include "component/sandbox.hpp"

#include <doctest/doctest.h>

using namespace pgcluster;

TEST_CASE("in LXC a unit gets no file systems of its own, without which it would not start there") {
  const Sandbox needs{.capabilities = "CAP_NET_RAW", .families = "AF_PACKET", .writes = "/run"};
  const std::string on_a_machine = sandbox_lines(Facts{}, needs), in_lxc = sandbox_lines(Facts{.container = "lxc"}, needs);
  for (const char* mounts : {"ProtectSystem", "ReadWritePaths", "ProtectHome", "Private", "ProtectKernel", "ProtectProc"}) {
    CAPTURE(mounts);
    CHECK(on_a_machine.find(mounts) != std::string::npos);
    CHECK(in_lxc.find(mounts) == std::string::npos);
  }
  CHECK(on_a_machine.starts_with(in_lxc));
  CHECK(in_lxc.find("CapabilityBoundingSet=CAP_NET_RAW\n") != std::string::npos);
}
