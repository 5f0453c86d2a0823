// Every setting of PostgreSQL that some version knows, one after the other, on a cluster that runs: a legal value is applied and taken back, or
// refused with its reason; an illegal one is refused.
#include "base/json.hpp"
#include "operate/cluster.hpp"
#include "spec/server_settings.hpp"

using namespace pgcluster;
using namespace operate_test;
namespace settings = pgcluster::server_settings;

namespace {

// Legal, and not the default, as far as the table of settings tells.
std::string other_value(const settings::Definition& one) {
  using settings::Type;
  if (one.type == Type::boolean) return one.boot == "on" ? "off" : "on";
  if (one.type == Type::word) {
    for (const auto& [word, shown] : one.words)
      if (shown != one.boot) return std::string(word);
    return std::string(one.boot);
  }
  if (one.type == Type::text) return "other";
  const double least = std::stod(std::string(one.min)), most = std::stod(std::string(one.max)), boot = std::stod(std::string(one.boot));
  const double next = boot + 1 <= most ? boot + 1 : boot - 1 >= least ? boot - 1 : least;
  return one.type == Type::real ? std::to_string(next) : std::to_string(static_cast<std::int64_t>(next));
}

std::string illegal_value(const settings::Definition& one) {
  using settings::Type;
  return one.type == Type::text ? "a\nline" : one.type == Type::integer || one.type == Type::real ? "much" : "perhaps";
}

std::string with_setting(int version, const std::string& name, const std::string& value) {
  std::string text = scheme_a(1, "postgresql_version: " + std::to_string(version) + "\n");
  return name.empty() ? text : text + "postgresql_parameters: {" + name + ": " + nlohmann::json(value).dump() + "}\n";
}

}  // namespace

TEST_CASE("each setting of each version: taken and taken back, or refused with its place") {
  for (const int version : {15, 17, 18}) {
    Fleet fleet;
    const Spec plain = spec_of(with_setting(version, "", ""));
    REQUIRE(fleet.deploy(plain).ok());
    int taken = 0, refused = 0;
    for (const std::string_view name : settings::names(version)) {
      const settings::Definition& one = *settings::find(version, name);
      const std::string written(name), place = "postgresql_parameters." + written;
      CAPTURE(version);
      CAPTURE(written);
      if (one.type != settings::Type::text) {
        std::string said;
        try {
          spec_of(with_setting(version, written, illegal_value(one)));
        } catch (const Error& error) {
          said = error.text();
        }
        CHECK_MESSAGE(said.find(place) != std::string::npos, said);
      }
      std::optional<Spec> spec;
      try {
        spec = spec_of(with_setting(version, written, other_value(one)));
      } catch (const Error& error) {
        CHECK_MESSAGE(error.text().find(place) != std::string::npos, error.text());
        ++refused;
        continue;
      }
      const Report report = fleet.deploy(*spec);
      REQUIRE_MESSAGE(report.ok(), report.text());
      const Plan again = plan_deploy(*spec, fleet.executor);
      REQUIRE_MESSAGE(again.empty(), again.text(true));
      ++taken;
    }
    const Report back = fleet.deploy(plain);
    REQUIRE_MESSAGE(back.ok(), back.text());
    CHECK(plan_deploy(plain, fleet.executor).empty());
    MESSAGE("PostgreSQL ", version, ": ", taken, " taken, ", refused, " refused");
    CHECK(taken > 200);
  }
}
