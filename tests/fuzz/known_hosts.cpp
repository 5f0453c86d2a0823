// known_hosts files: any text is read, and never makes a host known by a key that is not in it.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/digest.hpp"
#include "executor/ssh/known_hosts.hpp"

using namespace pgcluster::executor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const KnownHosts known = KnownHosts::parse(text, "known_hosts");
  for (const char* name : {"10.77.0.11", "pg1.example.org", "fd00::1"})
    for (const int port : {22, 2222}) {
      // A key that nobody can have written there: it is made of the text itself.
      if (known.check(name, port, "ssh-ed25519", pgcluster::sha256(text)).verdict == Verdict::known) std::abort();
      for (const std::string& type : known.types(name, port))
        if (type.empty()) std::abort();
    }
  return 0;
}
