#include "component/haproxy/haproxy.hpp"
#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

Spec with(BinarySpec binary) {
  Spec wished = spec();
  wished.with_haproxy_load_balancing = true;
  wished.confd_binary = std::move(binary);
  return wished;
}

}  // namespace

TEST_CASE("confd: the files of a host") { golden_files(confd_component(), "confd"); }

TEST_CASE("confd: every answer has a decision") {
  total(steps(confd_component(), cluster(with({.path = "/opt/confd"})), "pg1"));
  total(steps(confd_component(), cluster(with({.url = "https://example.org/confd", .sha256 = std::string(64, 'A')})), "pg1"));
}

TEST_CASE("confd: its program is sent, or downloaded by the host, where it is not there or another") {
  const auto program = [](const BinarySpec& binary, const Answer& found) {
    return decide(steps(confd_component(), cluster(with(binary)), "pg1"), "pg1/confd/program", {{"pg1", "/usr/local/bin/confd", found}});
  };
  const BinarySpec sent{.path = "/opt/confd"}, downloaded{.url = "https://example.org/confd", .sha256 = std::string(64, 'A')};
  CHECK(is<Done>(program(sent, File{.sha256 = std::string(64, 'c'), .mode = 0755})));
  CHECK(is<Done>(program(downloaded, File{.sha256 = std::string(64, 'a'), .mode = 0755})));
  const Decision other = program(sent, File{.sha256 = std::string(64, 'b'), .mode = 0755});
  const auto& upload = std::get<Upload>(std::get<Change>(other).todo.at(0).what);
  CHECK(upload.source == "/opt/confd");
  CHECK(upload.sha256 == std::string(64, 'c'));
  const Decision fresh = program(downloaded, Absent{});
  const auto& run = std::get<Run>(std::get<Change>(fresh).todo.at(0).what);
  CHECK(run.argv.at(2).find("apt-helper") != std::string::npos);
  CHECK(run.argv.back() == std::string(64, 'a'));
  CHECK(is<Refused>(program(sent, Unreadable{"no"})));
}

TEST_CASE("confd: its template is written only when haproxy takes what comes of it") {
  const ClusterView view = cluster(with({.path = "/opt/confd"}));
  const Steps all = steps(confd_component(), view, "pg1");
  const auto wished = haproxy_template({view, view.topology.host("pg1"), view.facts.at("pg1")});
  const auto written = [&](const Answer& found, const Answer& check) {
    return decide(all, "pg1/confd/template", {{"pg1", "haproxy.tmpl", found}, {"pg1", "haproxy -c", check}});
  };
  const Output bad{.status = 1, .err = "[ALERT] (7) : config : unknown keyword 'lisen'\n"};
  CHECK(is<Done>(written(File{.content = wished}, bad)));
  CHECK(is<Change>(written(File{.content = "older"}, Output{})));
  CHECK(is<Change>(written(Absent{}, Output{.status = 127})));
  CHECK(message(written(File{.content = "older"}, bad)).find("unknown keyword 'lisen'") != std::string::npos);
}

TEST_CASE("confd: its restart disturbs nobody, and it comes after haproxy's package") {
  const Steps all = steps(confd_component(), cluster(with({.path = "/opt/confd"})), "pg1");
  const Decision restart =
      decide(all, "pg1/confd/service", {{"pg1", "confd.service", Unit{.active = "active", .enabled = true, .start_files_current = false}}});
  CHECK(std::get<Change>(restart).action == Action::restart);
  CHECK_FALSE(disturbs(std::get<Change>(restart).impact));
  const Steps both = parallel(Steps(make_step("pg1/haproxy/packages", {})), all);
  const auto before = both.before("pg1/confd/packages");
  CHECK(std::find(before.begin(), before.end(), "pg1/haproxy/packages") != before.end());
}

TEST_CASE("confd: not where it is not wanted, or there is no program") {
  CHECK(steps(confd_component(), cluster(with({})), "pg1").empty());
  Spec off = with({.path = "/opt/confd"});
  off.confd_install = false;
  CHECK(steps(confd_component(), cluster(off), "pg1").empty());
  off.confd_install = true;
  off.with_haproxy_load_balancing = false;
  CHECK(steps(confd_component(), cluster(off), "pg1").empty());
}
