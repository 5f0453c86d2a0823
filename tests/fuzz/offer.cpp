// The first bytes of an SSH server: any of them are read, and no name is longer than what was read.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "executor/ssh/offer.hpp"

using namespace pgcluster::executor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto& [kind, names] : read_offer(bytes))
    for (const std::string& name : names)
      if (name.empty() || name.size() > size) std::abort();
  return 0;
}
