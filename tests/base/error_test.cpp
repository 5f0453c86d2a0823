#include <doctest/doctest.h>

#include <set>
#include <string>
#include <type_traits>

#include <pgcluster/base/error.hpp>

using namespace pgcluster;

TEST_CASE("every code has a name of its own") {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i) names.insert(to_string(static_cast<Code>(i)));
  CHECK(names.size() == static_cast<std::size_t>(Code::internal) + 1);
  CHECK(to_string(Code::host_key_changed) == "host_key_changed");
}

TEST_CASE("a diagnostic says where, what, and what to write instead") {
  const Diagnostic all{
      .message = "unknown key", .hint = "did you mean address?", .path = "hosts.pg1.adress", .file = "cluster.yaml", .line = 3, .column = 5};
  CHECK(all.text() == "cluster.yaml:3:5: error: hosts.pg1.adress: unknown key; did you mean address?");
  CHECK(Diagnostic{.message = "old"}.text() == "error: old");
  CHECK(Diagnostic{.severity = Severity::warning, .message = "old", .file = "a.yaml"}.text() == "a.yaml: warning: old");
}

TEST_CASE("an error keeps what it knows, and can be told its host later") {
  const Error error(Code::drifted, "changed", "plan again");
  CHECK(error.code() == Code::drifted);
  CHECK(error.host().empty());
  const Error placed = error.with("pg1", "pg1/x/config");
  CHECK(placed.host() == "pg1");
  CHECK(placed.step() == "pg1/x/config");
  CHECK(placed.with("pg2", "other").host() == "pg1");
  CHECK(error.host().empty());
  CHECK(std::is_nothrow_copy_constructible_v<Error>);
  CHECK(std::string(placed.what()) == placed.text());
}

TEST_CASE("the text of a failure has the cause, the evidence and what to do") {
  Failure failure{
      .code = Code::command_failed, .message = "apt install x failed with status 100", .hint = "mend it", .host = "pg1", .step = "pg1/x/package"};
  failure.causes = {"E: one\nE: two\n"};
  failure.diagnostics = {{.message = "also", .path = "pg2"}};
  failure.state_unknown = true;
  const std::string said = text(failure);
  CHECK(said.starts_with("error: pg1: pg1/x/package: apt install x failed with status 100\n"));
  for (const char* part : {"    E: one\n", "    E: two\n", "error: pg2: also", "is not known", "what to do: mend it"})
    CHECK(said.find(part) != std::string::npos);
}
