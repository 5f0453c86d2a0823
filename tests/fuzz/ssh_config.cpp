// What `ssh -G` prints: any text is read, and leaves a port that is one.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <pgcluster/base/error.hpp>
#include "executor/ssh/config.hpp"

using namespace pgcluster;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const executor::SshSaid said = executor::read_ssh_said(text, "pg1");
    if (said.port < 1 || said.port > 65535) std::abort();
    for (const auto& hop : said.jump)
      if (hop.address.empty()) std::abort();
  } catch (const Error& error) {
    if (error.message().empty()) std::abort();
  }
  return 0;
}
