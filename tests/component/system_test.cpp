#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

// What grep prints when the kernel has just what the file wishes.
std::string as_wished(const std::string& file) {
  std::string out;
  std::istringstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find(" = ");
    if (equals == std::string::npos) continue;
    std::string path = line.substr(0, equals);
    std::replace(path.begin(), path.end(), '.', '/');
    out += "/proc/sys/" + path + ":" + line.substr(equals + 3) + "\n";
  }
  return out;
}

std::string sysctl_file(const Steps& all) {
  const Decision decision = decide(all, "pg1/system/sysctl-file");
  return std::get<WriteFile>(std::get<Change>(decision).todo.at(0).what).content.reveal();
}

}  // namespace

TEST_CASE("system: the files of a host") { golden_files(system_component(), "system"); }

TEST_CASE("system: every answer has a decision") {
  const ClusterView view = cluster(spec());
  total(steps(system_component(), view, "pg1"));
  total(system_component()->cluster_steps(view));
}

TEST_CASE("system: the kernel's settings are compared by value, not by how they are written") {
  const ClusterView view = cluster(spec());
  const Steps all = steps(system_component(), view, "pg1");
  std::string found = as_wished(sysctl_file(all));
  const auto spaces = found.find("10000 65535");
  REQUIRE(spaces != std::string::npos);
  found.replace(spaces, 11, "10000\t65535");
  CHECK(is<Done>(decide(all, "pg1/system/sysctl", {{"pg1", "grep", Output{.out = found}}})));

  found.replace(found.find("swappiness:1"), 12, "swappiness:60");
  const Decision drifted = decide(all, "pg1/system/sysctl", {{"pg1", "grep", Output{.out = found}}});
  REQUIRE(is<Change>(drifted));
  CHECK(std::get<Change>(drifted).diff.masked().find("-vm.swappiness = 60\n+vm.swappiness = 1\n") != std::string::npos);
  CHECK(std::get<Change>(drifted).impact == Impact::none);
}

TEST_CASE("system: a setting that the kernel does not have is passed over, unless the user wants it") {
  Spec wished = spec();
  ClusterView view = cluster(wished);
  Steps all = steps(system_component(), view, "pg1");
  std::string found = as_wished(sysctl_file(all));
  const auto numa = found.find("/proc/sys/kernel/numa_balancing");
  found.erase(numa, found.find('\n', numa) + 1 - numa);
  CHECK(is<Done>(decide(all, "pg1/system/sysctl", {{"pg1", "grep", Output{.status = 2, .out = found}}})));

  wished.sysctl_conf = {{"net.ipv4.no_such", "1"}, {"vm.swappiness", "7"}};
  view = cluster(wished);
  all = steps(system_component(), view, "pg1");
  CHECK(sysctl_file(all).find("vm.swappiness = 7\n") != std::string::npos);
  CHECK(sysctl_file(all).find("vm.swappiness = 1\n") == std::string::npos);
  const Decision refused = decide(all, "pg1/system/sysctl", {{"pg1", "grep", Output{.status = 2, .out = found}}});
  CHECK(message(refused).find("no setting net.ipv4.no_such") != std::string::npos);
}

TEST_CASE("system: any time service will do, one that is installed is started, else timesyncd comes") {
  ClusterView view = cluster(spec());
  const Steps all = system_component()->cluster_steps(view);
  const auto clock = [&](const std::vector<Bent>& units) { return decide(all, "pg1/system/clock", units); };
  CHECK(is<Done>(clock({{"pg1", "ntpsec.service", Unit{.active = "active"}}})));
  CHECK(is<Done>(clock({{"pg1", "chrony.service", Unit{}}, {"pg1", "openntpd.service", Unit{.active = "active"}}})));
  const Decision start = clock({{"pg1", "chrony.service", Unit{}}});
  REQUIRE(is<Change>(start));
  REQUIRE(std::get<Change>(start).todo.size() == 1);
  CHECK(std::get<SetUnit>(std::get<Change>(start).todo[0].what).name == "chrony.service");
  const Decision install = clock({});
  CHECK(is<Refused>(clock({{"pg1", "chrony.service", Unreadable{"no answer"}}})));
  REQUIRE(is<Change>(install));
  CHECK(std::get<Change>(clock({{"pg1", "chrony.service", Unit{.masked = true}}})).todo.size() == 2);  // it will not start
  CHECK(std::get<Install>(std::get<Change>(install).todo.at(0).what).packages == std::vector<std::string>{"systemd-timesyncd"});
  CHECK(std::get<SetUnit>(std::get<Change>(install).todo.at(1).what).name == "systemd-timesyncd.service");

  view.facts["pg1"].container = "systemd-nspawn";
  for (const Steps::Node& node : system_component()->cluster_steps(view).nodes()) CHECK(host_of(node.step->name()) != "pg1");
}

TEST_CASE("system: what the spec turns off is not there") {
  Spec off = spec();
  off.sysctl_set = off.disable_thp = off.etc_hosts = off.ntp_enabled = false;
  const ClusterView view = cluster(off);
  const auto nodes = steps(system_component(), view, "pg1").nodes();
  REQUIRE(nodes.size() == 1);
  CHECK(nodes[0].step->name() == "pg1/system/packages");  // ip and ss, which all else is seen with
  CHECK(system_component()->cluster_steps(view).empty());
}
