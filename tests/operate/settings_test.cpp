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

namespace {

int restarts(const Fleet& fleet) {
  const auto& trace = fleet.executor.trace();
  return static_cast<int>(std::count_if(trace.begin(), trace.end(), [](const SimulatedAct& act) {
    const auto* run = std::get_if<Run>(&act.what.what);
    return run && requests(*run, "/restart");
  }));
}

// The settings in the DCS and the servers' files are what they were, all servers run, and a plan of the former spec is empty.
void refused_by_a_restart(int hosts, const std::string& name, const std::string& value, const std::string& tried) {
  Fleet fleet;
  // PgBouncer's lines of access would stay.
  const std::string more =
      "pgbouncer_install: false\npostgresql_parameters: {max_connections: 300}\npostgresql_pg_hba: [\"host all app 10.0.0.0/8 scram-sha-256\"]\n";
  const Spec plain = spec_of(scheme_a(hosts, more));
  Spec bad = plain;
  std::erase_if(bad.postgresql_parameters, [&](const auto& one) { return one.first == name; });
  bad.postgresql_parameters.insert(bad.postgresql_parameters.end(), {{name, value}, {"work_mem", "9MB"}});
  bad.postgresql_pg_hba.emplace_back("host all app 192.0.2.1/32 reject");
  apply_it(fleet, plain);
  settled(fleet, plain);
  const std::string file = *fleet.executor.host("pg1").read("/etc/patroni/config.yml"), leader = fleet.leader(plain);
  fleet.patroni->refuse(name, value, "could not map anonymous shared memory: Cannot allocate memory");
  fleet.executor.clear_trace();
  const Report report = fleet.deploy(bad);
  REQUIRE_MESSAGE(report.failures.size() == 1, report.text());
  const std::string& message = report.failures[0].message;
  CHECK_MESSAGE(message.find("failed: FATAL:  could not map anonymous shared memory: Cannot allocate memory") != std::string::npos, message);
  CHECK_MESSAGE(message.find(tried) != std::string::npos, message);
  CHECK_MESSAGE(message.find("the cluster runs with the former settings again") != std::string::npos, message);
  CHECK(restarts(fleet) == 1);
  CHECK(fleet.leader(plain) == leader);
  CHECK(*fleet.executor.host("pg1").read("/etc/patroni/config.yml") == file);
  settled(fleet, plain);
}

}  // namespace

TEST_CASE("a setting that only the restart of a server refuses is taken back, and the cluster is as it was") {
  refused_by_a_restart(3, "huge_pages", "on", "huge_pages is try, not on");
  refused_by_a_restart(1, "huge_pages", "on", "huge_pages is try, not on");
  // The leader first.
  refused_by_a_restart(3, "max_connections", "50", "max_connections is 300, not 50");
}

TEST_CASE("a setting that another member runs with stays, also if the next one does not start") {
  Fleet fleet;
  const Spec plain = spec_of(scheme_a()), bad = spec_of(scheme_a(3, "postgresql_parameters: {huge_pages: \"on\"}\n"));
  apply_it(fleet, plain);
  int seen = 0;
  fleet.executor.fail([&seen](const Do& d) -> std::optional<Output> {
    const auto* run = std::get_if<Run>(&d.what);
    if (!run || !requests(*run, "/restart") || ++seen < 2) return std::nullopt;
    return Output{.status = 22, .err = "FATAL:  no memory\n"};
  });
  const Report report = fleet.deploy(bad);
  REQUIRE_MESSAGE(report.failures.size() == 1, report.text());
  CHECK_MESSAGE(report.text().find("taken back") == std::string::npos, report.text());
  fleet.executor.fail({});
  apply_it(fleet, plain);
  settled(fleet, plain);
}
