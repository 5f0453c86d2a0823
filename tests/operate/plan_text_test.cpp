// The text of plans that a person reviews: tests/cases/plan/CASE/ has cluster.yaml, before.yaml where a cluster is there already, and
// "without" with the names of hosts that are left out.
#include <doctest/doctest.h>

#include <regex>
#include <sstream>

#include "golden.hpp"
#include "operate/cluster.hpp"

using namespace pgcluster;
using namespace operate_test;

namespace {

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++found;
  return found;
}

// How many steps there are, and what they are called, is not what these tests are about.
std::string without_steps(const std::string& text) {
  static const std::regex holding("[0-9]+ steps are up to date"), pending("its [0-9]+ steps stay pending \\([^)]*\\)");
  return std::regex_replace(std::regex_replace(text, holding, "N steps are up to date"), pending, "its N steps stay pending (NAMES)");
}

}  // namespace

TEST_CASE("plans as text, with diffs and without") {
  for (const auto& folder : golden::cases("plan")) {
    CAPTURE(folder.string());
    Fleet fleet;
    if (std::filesystem::exists(folder / "before.yaml")) REQUIRE(fleet.deploy(spec_of(golden::read(folder / "before.yaml"))).ok());
    DeployOptions options;
    std::istringstream names(golden::read(folder / "without"));
    for (std::string name; names >> name;) options.without.push_back(name);
    const Plan plan = plan_deploy(spec_of(golden::read(folder / "cluster.yaml")), fleet.executor, options);
    golden::check(folder / "plan.txt", without_steps(plan.text()));
    // A whole deployment's diffs are the components' own golden files.
    if (folder.filename() != "fresh") golden::check(folder / "diff.txt", without_steps(plan.text(true)));
  }
}

TEST_CASE("a diff that some hosts share is shown once, with their names; the rest each with its own") {
  SimulatedExecutor executor;
  Hosts hosts;
  std::vector<Steps> all;
  for (const std::string name : {"h1", "h2", "h10"}) {
    hosts[name] = {.name = name, .address = "192.0.2.1"};
    executor.host(hosts[name]).write("/etc/shared", "old\n");
    all.push_back(file(name + "/demo/shared", name, {.path = "/etc/shared", .content = "new\n"}));
    all.push_back(file(name + "/demo/own", name, {.path = "/etc/own", .content = name == "h2" ? "second\n" : "first\n"}));
  }
  CHECK(make_plan(hosts, parallel(all), executor).text(true) == R"(No running service is restarted.

h1 h2 h10
  update     demo/shared  the file differs
      --- /etc/shared
      +++ /etc/shared
      @@ -1,1 +1,1 @@
      -old
      +new
  create     demo/own     the file is not there
      h1 h10:
      --- /etc/own
      +++ /etc/own
      @@ -0,0 +1,1 @@
      +first
      h2:
      --- /etc/own
      +++ /etc/own
      @@ -0,0 +1,1 @@
      +second

6 changes (3 create, 3 update); 0 steps are up to date.
)");
}

TEST_CASE("colours of a plan's text change nothing but colours") {
  Fleet fleet;
  const Plan plan = plan_deploy(spec_of(scheme_a()), fleet.executor);
  std::string text = plan.text(true, true);
  CHECK(text.find("\x1b[") != std::string::npos);
  for (std::size_t at = 0; (at = text.find("\x1b[", at)) != std::string::npos;) text.erase(at, text.find('m', at) - at + 1);
  CHECK(text == plan.text(true));
}

TEST_CASE("a plan's text is no longer for more hosts that are alike") {
  Fleet few, many;
  const std::string three = plan_deploy(spec_of(scheme_a(3, "")), few.executor).text();
  const std::string nine = plan_deploy(spec_of(scheme_a(9, "")), many.executor).text();
  CHECK(count(nine, "\n") < count(three, "\n") + 20);
  CHECK(count(nine, "pg1 pg2 pg3 pg4 pg5 pg6 pg7 pg8 pg9\n") == 1);
}
