// A plan's document: whatever somebody has made of it, it is the plan that was promised, or Error. The input is merged into a good document,
// so that the fuzzer is not kept out by the version and the spec in it.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include <pgcluster/simulation/services.hpp>
#include <pgcluster/operate/operate.hpp>

using namespace pgcluster;

namespace {

struct World {
  World() {
    add_service_models(fleet);
    document = nlohmann::json::parse(plan_deploy(spec, fleet).document());
  }
  Spec spec = parse_spec("patroni_cluster_name: c\nhosts: {pg1: {address: 10.77.0.11}}\n");
  SimulatedExecutor fleet;
  nlohmann::json document;
};

void load(World& world, const std::string& text) {
  try {
    const Plan plan = plan_from_document(text, world.spec, world.fleet);
    if (nlohmann::json::parse(plan.document())["changes"] != nlohmann::json::parse(text)["changes"]) std::abort();
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  const std::string text(reinterpret_cast<const char*>(data), size);
  load(world, text);
  nlohmann::json patch = nlohmann::json::parse(text, nullptr, false);
  if (!patch.is_object()) return 0;
  nlohmann::json bent = world.document;
  bent.merge_patch(patch);
  load(world, bent.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return 0;
}
