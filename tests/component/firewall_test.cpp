#include "component/firewall/firewall.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

constexpr const char* look = "/run/pgcluster/firewall";  // words of firewall_look.sh
constexpr const char* sshd = "SSH_CONNECTION";           // and of ssh_ports.sh
const Owned has_rules{std::string("file:") + firewall_file, "pg1/firewall/rules"};

Spec guarded() {
  Spec wished = spec();
  wished.firewall_enabled_at_boot = true;
  return wished;
}

NodeView first(const ClusterView& view) { return {view, view.topology.hosts.front(), view.facts.at("pg1")}; }

File on_disk(const std::string& rules) { return {.content = rules, .sha256 = sha256_hex(rules), .mode = 0600}; }

// The programs that a change runs, without their input, and whether they need a new connection.
std::vector<std::string> runs(const Decision& decision) {
  std::vector<std::string> found;
  const auto* change = std::get_if<Change>(&decision);
  for (const Do& d : change ? change->todo : std::vector<Do>{}) {
    if (const auto* run = std::get_if<Run>(&d.what))
      found.push_back(run->argv.at(1) + (run->reconnect ? " over a new connection" : ""));
    else if (const auto* write = std::get_if<WriteFile>(&d.what))
      found.push_back(write->path);
  }
  return found;
}

const std::vector<std::string> tries_all{"try", "confirm over a new connection", firewall_file};
const std::vector<std::string> tries{"try", "confirm over a new connection"};

}  // namespace

TEST_CASE("firewall: the files of a host") { golden_files(firewall_component(), "firewall"); }

TEST_CASE("firewall: every answer has a decision") {
  ClusterView view = cluster(guarded());
  view.facts["pg1"].owned = {has_rules};
  total(steps(firewall_component(), view, "pg1"));
  total(firewall_component()->cluster_steps(view));
}

TEST_CASE("firewall: nothing without its key") {
  const ClusterView view = cluster(spec());
  CHECK(steps(firewall_component(), view, "pg1").empty());
  CHECK(firewall_component()->cluster_steps(view).empty());
  CHECK(firewall_component()->needs(first(view)) == Needs{});
  CHECK(firewall_component()->health(first(view)).empty());
}

TEST_CASE("firewall: rules are tried, confirmed over a new connection, and only then in the file that the host loads at boot") {
  const ClusterView view = cluster(guarded());
  const std::string wished = firewall_rules(first(view), {22}), sum = sha256_hex(wished);
  const auto rules = [&](const Answer& file, const std::string& table) {
    return decide(steps(firewall_component(), view, "pg1"), "pg1/firewall/rules",
                  {{"pg1", firewall_file, file}, {"pg1", look, Output{.out = table + "\n"}}, {"pg1", sshd, Output{.out = "22\n"}}});
  };
  CHECK(runs(rules(Absent{}, "none")) == tries_all);
  CHECK(is<Done>(rules(on_disk(wished), sum)));
  CHECK(runs(rules(on_disk("# Written by pgcluster, earlier\n"), sha256_hex("earlier"))) == tries_all);
  // Somebody has removed or changed the table.
  CHECK(runs(rules(on_disk(wished), "none")) == tries);
  CHECK(runs(rules(on_disk(wished), "changed")) == tries);
  // An apply was killed between its trial and the file.
  CHECK(runs(rules(Absent{}, sum + " tried")) == std::vector<std::string>{"confirm over a new connection", firewall_file});
  CHECK(runs(rules(on_disk(wished), sum + " tried")) == std::vector<std::string>{"confirm over a new connection"});
  CHECK(runs(rules(Absent{}, sum)) == std::vector<std::string>{firewall_file});
  CHECK(message(decide(steps(firewall_component(), view, "pg1"), "pg1/firewall/rules", {{"pg1", look, Unreadable{"no shell"}}})).find("no shell") !=
        std::string::npos);
}

TEST_CASE("firewall: the time for a trial outlasts a login that gets no answer") {
  ClusterView view = cluster(guarded());
  const auto seconds = [&] {
    const Decision decision = decide(steps(firewall_component(), view, "pg1"), "pg1/firewall/rules");
    return std::stoi(std::get<Run>(std::get<Change>(decision).todo.at(0).what).argv.at(2));
  };
  CHECK(seconds() == 45);
  view.topology.hosts.front().access.connect_timeout = std::chrono::seconds(60);
  CHECK(seconds() == 90);
}

TEST_CASE("firewall: the ports of sshd are those that the host tells, else that of the spec") {
  const ClusterView view = cluster(guarded());
  const auto text = [&](const Answer& ports) {
    const Decision decision = decide(steps(firewall_component(), view, "pg1"), "pg1/firewall/rules", {{"pg1", sshd, ports}});
    return std::get<WriteFile>(std::get<Change>(decision).todo.back().what).content.reveal();
  };
  CHECK(text(Output{.out = "22\n2222\n"}) == firewall_rules(first(view), {22, 2222}));
  CHECK(text(Output{.out = "22\n2222\n"}).find("    tcp dport { 22, 2222 } accept\n") != std::string::npos);
  CHECK(text(Output{.status = 1}) == firewall_rules(first(view), {22}));
}

TEST_CASE("firewall: what new rules open is open before anything needs it, and what they close stays open until then") {
  ClusterView view = cluster(guarded());
  const std::string before = firewall_rules(first(view), {22});
  Spec wider = guarded();
  wider.hosts.push_back({.name = "pg4", .address = "10.77.0.14"});
  wider.pgbouncer_listen_port = 6433;
  view = cluster(wider);
  view.facts["pg1"].owned = {has_rules};
  const auto open = [&](const std::string& file, const std::string& table) {
    return decide(steps(firewall_component(), view, "pg1"), "pg1/firewall/open",
                  {{"pg1", firewall_file, on_disk(file)}, {"pg1", look, Output{.out = table + "\n"}}, {"pg1", sshd, Output{.out = "22\n"}}});
  };
  const Decision decision = open(before, sha256_hex(before));
  REQUIRE(runs(decision) == std::vector<std::string>{"widen"});
  const std::string both = std::get<Run>(std::get<Change>(decision).todo.at(0).what).input.reveal();
  const std::string wished = firewall_rules(first(view), {22});
  for (const std::string& text : {before, wished})
    for (const char* who : {"ip saddr { 10.77.0.11,", "ip saddr { 10.77.0.0/24"}) {
      const auto begin = text.find(std::string("    ") + who, text.find("# Hosts"));
      REQUIRE(begin != std::string::npos);
      CHECK(both.find(text.substr(begin, text.find('\n', begin) - begin)) != std::string::npos);
    }
  CHECK(is<Done>(open(before, sha256_hex(both))));
  CHECK(is<Done>(open(before, "none")));
  CHECK(is<Done>(open(wished, sha256_hex(wished))));
  // New rules that only close something.
  CHECK(is<Done>(open(both, sha256_hex(both))));
  CHECK(runs(decide(steps(firewall_component(), view, "pg1"), "pg1/firewall/rules",
                    {{"pg1", firewall_file, on_disk(before)},
                     {"pg1", look, Output{.out = sha256_hex(both) + "\n"}},
                     {"pg1", sshd, Output{.out = "22\n"}}})) == tries_all);
}

TEST_CASE("firewall: a port of a user's own component is open for those whom it declares") {
  ClusterView view = cluster(guarded());
  view.needs["pg1"].push_back({.ports = {{.number = 9100, .purpose = "metrics"},
                                         {.number = 9200, .purpose = "its page", .reach = Reach::anybody},
                                         {.number = 9300, .purpose = "its socket", .reach = Reach::host}}});
  const std::string text = firewall_rules(first(view), {22});
  CHECK(text.find("ip saddr { 10.77.0.11, 10.77.0.12, 10.77.0.13 } tcp dport { 2379, 2380, 5432, 6432, 8008, 9100 } accept\n") != std::string::npos);
  CHECK(text.find("\n    tcp dport 9200 accept\n") != std::string::npos);
  CHECK(text.find("9300") == std::string::npos);
}

TEST_CASE("firewall: a host that left the spec is let in until it is pruned") {
  ClusterView view = cluster(guarded());
  const TopologyHost left{.name = "pg9", .address = "10.77.0.19", .datacenter = {}, .roles = {Role::postgres}, .patroni_tags = {}, .access = {}};
  view.left = {left};
  CHECK(firewall_rules(first(view), {22}).find(" 10.77.0.19 }") != std::string::npos);
  view.left.clear();
  view.pruned = {left};
  CHECK(firewall_rules(first(view), {22}).find("10.77.0.19") == std::string::npos);
  const auto before = firewall_component()->cluster_steps(view).before("cluster/firewall/in-place");
  CHECK(before.empty());  // the removal is the planner's
}

TEST_CASE("firewall: its health is the table's") {
  const ClusterView view = cluster(guarded());
  const auto probes = firewall_component()->health(first(view));
  REQUIRE(probes.size() == 1);
  const auto cause = [&](const Answer& answer) {
    const auto problem = probes.front().read(answer);
    return problem ? problem->cause : "";
  };
  CHECK(cause(Output{.out = "none\n"}) == "firewall_down");
  CHECK(cause(Output{.out = "changed\n"}) == "firewall_changed");
  CHECK(cause(Output{.out = sha256_hex("x") + "\n"}).empty());
  CHECK(cause(Unreadable{"no"}).empty());
}
