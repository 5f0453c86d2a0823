// The YAML loader: any text is a spec or Error (spec_invalid) with findings; a spec that was read is written and read back the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <pgcluster/spec/spec.hpp>
#include <pgcluster/topology/topology.hpp>

using namespace pgcluster;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // Skip texts that would make the parser read the environment or a file.
  if (text.find("!env") != std::string::npos || text.find("!file") != std::string::npos) return 0;
  Spec spec;
  try {
    spec = parse_spec(text, "fuzz.yaml", "/nowhere");
  } catch (const Error& error) {
    if (error.code() != Code::spec_invalid || error.failure().diagnostics.empty()) std::abort();
    return 0;
  }
  const std::string written = dump(spec);
  if (dump(parse_spec(written, "dump.yaml", "/nowhere")) != written) std::abort();
  const Topology topology = resolve(spec);
  const auto known = read_cluster_file(cluster_file(topology));
  if (!known || known->hosts.size() != topology.hosts.size()) std::abort();
  return 0;
}
