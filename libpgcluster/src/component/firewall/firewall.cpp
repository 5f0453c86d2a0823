// The firewall of a host. Rules that could lock us out are tried first: the host takes them back by itself, unless we confirm them over a new
// connection.
#include "component/firewall/firewall.hpp"

#include <fmt/format.h>

#include <sstream>

#include "base/digest.hpp"
#include "component/firewall/shell.hpp"
#include "component/planned.hpp"
#include "component/registry.hpp"
#include "op/facts.hpp"

namespace pgcluster {
namespace {

constexpr const char* firewall_unit_file = "/etc/systemd/system/pgcluster-firewall.service";
constexpr const char* table_resource = "nftables:pgcluster";

std::string firewall_unit_text() {
  // Before the network, as Debian's own nftables.service, which begins by removing the rules of everybody.
  return fmt::format(R"(# Written by pgcluster.
[Unit]
Description=Firewall of the PostgreSQL cluster (pgcluster)
DefaultDependencies=no
After=local-fs.target nftables.service
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={0} load
ExecStop={0} unload

[Install]
WantedBy=sysinit.target
)",
                     firewall_program_file);
}

Ask table_ask(const std::string& host) {
  return {host, Exec{.argv = {"sh", "-c", shell::firewall_look}, .about = {table_resource, std::string("unit:") + firewall_unit}}};
}
Ask ssh_ports_ask(const std::string& host) { return {host, Exec{.argv = {"sh", "-c", shell::ssh_ports}}}; }

// What firewall_look.sh tells.
struct Table {
  std::string rules{};  // the SHA-256 of what was loaded; "none", "changed"; empty: unknown
  bool tried = false;   // the host takes them back, unless somebody confirms them
};

Table read_table(const Answer& answer) {
  Table table;
  std::string word;
  if (const auto* output = std::get_if<Output>(&answer); output && output->status == 0) {
    std::istringstream words(output->out);
    words >> table.rules >> word;
  }
  table.tried = word == "tried";
  return table;
}

// The rules that are wished. The host itself tells where sshd listens: the spec's port may be that of a router in between.
std::string wished_rules(const NodeView& node, const Answer& ports, bool with_leaving = false) {
  std::set<int> numbers;
  if (const auto* output = std::get_if<Output>(&ports)) {
    std::istringstream lines(output->out);
    for (int port = 0; lines >> port;)
      if (port > 0 && port < 65536) numbers.insert(port);
  }
  if (numbers.empty()) numbers.insert(node.host.access.port);
  return firewall_rules(node, numbers, with_leaving);
}

std::optional<Refused> unknown_state(const Answers& answers, const std::vector<Ask>& asks) {
  for (const Ask& ask : asks)
    if (const auto* why = answers.get<Unreadable>(ask))
      return Refused{{.message = "cannot see the firewall's present rules: " + why->why}, Code::command_failed};
  return std::nullopt;
}

// Compare-and-set: the table is as the plan found it.
Do program_call(const Answers& answers, const std::string& host, std::vector<std::string> words, const std::string& rules) {
  const Ask table = table_ask(host);
  words.insert(words.begin(), firewall_program_file);
  Do call{.at = host,
          .what = Run{.argv = std::move(words),
                      .input = rules,
                      .touches = {table_resource},
                      .look = std::get<Exec>(table.what),
                      .name = "load the firewall's rules"}};
  if (const auto* now = answers.get<Output>(table); now && !answers.pending(table)) call.was = *now;
  return call;
}

// Where the rules change, the host first opens what the new ones open, before anything needs it. What they close it closes last. Hosts that leave may
// need what is new as well: a new member of the DCS must reach those that leave it.
StepPtr open_step(const NodeView& node) {
  const std::string host = node.name();
  const Ask file{host, FileOf{firewall_file}}, table = table_ask(host), ports = ssh_ports_ask(host);
  const std::vector<Ask> asks{file, table, ports};
  auto decide = [=, view = shared(node.cluster)](const Answers& answers) -> Decision {
    if (auto refused = unknown_state(answers, asks)) return *refused;
    const auto* present = answers.get<File>(file);
    const Table now = read_table(answers[table]);
    if (!present || now.rules.empty() || now.rules == "none") return Done{};
    const TopologyHost& self = view->topology.host(host);
    const std::string wished = wished_rules({*view, self, view->facts.at(host)}, answers[ports], true);
    const std::string both = firewall_union(present->content, wished);
    const bool opens_more = firewall_union(wished, present->content) != present->content;
    if (!opens_more || now.rules == sha256_hex(both) || now.rules == sha256_hex(wished)) return Done{};
    return Change{.todo = {program_call(answers, host, {"widen"}, both)},
                  .action = Action::update,
                  .diff = unified_diff(firewall_file, present->content, both),
                  .reason = "what is new needs it"};
  };
  return make_step(node.step("open"), {.asks = asks, .decide = decide, .settle = std::chrono::seconds(5)});
}

StepPtr rules_step(const NodeView& node) {
  const std::string host = node.name(), name = firewall::rules(host);
  const Ask file_now{host, FileOf{firewall_file}}, table = table_ask(host), ports = ssh_ports_ask(host);
  const std::vector<Ask> asks{file_now, table, ports};
  // A login that gets no answer must fail before the host takes the rules back.
  const std::string patience = std::to_string((node.host.access.connect_timeout + std::chrono::seconds(30)).count());
  auto decide = [=, view = shared(node.cluster)](const Answers& answers) -> Decision {
    if (auto refused = unknown_state(answers, asks)) return *refused;
    const TopologyHost& self = view->topology.host(host);
    const std::string wished = wished_rules({*view, self, view->facts.at(host)}, answers[ports]);
    Decision decision = file(name, host, {.path = firewall_file, .content = wished, .mode = 0600})->decide(answers);
    const Table now = read_table(answers[table]);
    const bool loaded = now.rules == sha256_hex(wished);
    if (std::holds_alternative<Refused>(decision)) return decision;
    if (std::holds_alternative<Done>(decision)) {
      if (loaded && !now.tried) return decision;
      if (answers.pending(table)) return Later{.until = "the unit has loaded the rules", .action = Action::update};
      decision = Change{.todo = {},
                        .action = Action::update,
                        .reason = now.rules == "none" ? "the rules are not loaded" : "the loaded rules are not those of the file"};
    }
    auto& change = std::get<Change>(decision);
    std::vector<Do> todo;
    if (!loaded) todo.push_back(program_call(answers, host, {"try", patience}, wished));
    if (!loaded || now.tried)
      todo.push_back({.at = host,
                      .what = Run{.argv = {firewall_program_file, "confirm"},
                                  .touches = {table_resource},
                                  .reconnect = true,
                                  .name = "confirm the firewall's rules over a new connection"}});
    change.todo.insert(change.todo.begin(), todo.begin(), todo.end());
    return change;
  };
  return make_step(name, {.asks = asks,
                          .decide = decide,
                          .settle = std::chrono::seconds(5),
                          .keeps = {std::string("file:") + firewall_file},
                          .evidence = {journal_ask(host, "pgcluster-firewall-take-back.service")}});
}

std::optional<Problem> table_problem(const Answer& answer) {
  const Table now = read_table(answer);
  if (now.rules == "none")
    return Problem{.cause = "firewall_down",
                   .message = "the firewall's rules are not loaded: all ports are open",
                   .remedy = "apply loads them again; find who removed them (nft flush ruleset, a restart of nftables.service)"};
  if (now.rules == "changed")
    return Problem{.cause = "firewall_changed",
                   .message = "somebody has changed the firewall's rules (nft list table inet pgcluster)",
                   .remedy = "apply puts them back; for rules of your own use a table of your own"};
  return std::nullopt;
}

class Firewall final : public Component {
 public:
  std::string name() const override { return "firewall"; }
  Turn turn() const override { return Turn::around; }
  Leaving leaving(const ClusterView&) const override { return {.serves = false}; }

  Needs needs(const NodeView& node) const override {
    if (!node.spec().firewall_enabled_at_boot) return {};
    return {.packages = {node.platform().nftables}, .units = {firewall_unit}};
  }

  Steps steps(const NodeView& node) const override {
    if (!node.spec().firewall_enabled_at_boot) return {};
    const auto step = [&](const char* what) { return node.step("firewall", what); };
    const std::string host = node.name();
    const ServiceWish wish{.unit = firewall_unit,
                           .start_files = {firewall_unit_file, firewall_program_file},
                           .restart_impact = Impact::none,
                           .settle = std::chrono::seconds(20)};
    const Steps base =
        sequence(packages(step("packages"), host, needs(node).packages),
                 parallel(file(step("program"), host, {.path = firewall_program_file, .content = shell::firewall_program, .mode = 0755}),
                          file(step("unit"), host, {.path = firewall_unit_file, .content = firewall_unit_text()}),
                          file(step("notes"), host, unit_notes(wish))),
                 service(step("service"), host, wish));
    // Without rules nothing is closed yet.
    const Steps open = owns(node.facts, std::string("file:") + firewall_file) ? Steps(open_step(node)) : Steps{};
    return sequence(base, open, after({firewall_in_place}, rules_step(node)));
  }

  Steps cluster_steps(const ClusterView& cluster) const override {
    if (!cluster.spec.firewall_enabled_at_boot) return {};
    std::vector<StepRef> open, settled;
    for (const TopologyHost& host : cluster.topology.hosts) {
      if (cluster.leaves_out(host.name)) continue;
      open.push_back({host.name, name(), "open"});
      settled.push_back(in_place(host.name));
    }
    for (const TopologyHost& host : cluster.pruned) settled.push_back(cleaned(host.name));
    const auto done = [](const Answers&) -> Decision { return Done{}; };
    return parallel(after_where_planned(open, gate(opened(), {.asks = {}, .decide = done})),
                    after_where_planned(settled, gate(firewall_in_place, {.asks = {}, .decide = done})));
  }

  std::vector<Probe> health(const NodeView& node) const override {
    if (!node.spec().firewall_enabled_at_boot) return {};
    return {{table_ask(node.name()), table_problem}};
  }

 private:
  // All hosts are as they should be: what only the former rules open is not used any more.
  inline static const StepRef firewall_in_place{{}, "firewall", "in-place"};
};

}  // namespace

namespace firewall {

StepRef rules(const std::string& host) { return {host, "firewall", "rules"}; }

}  // namespace firewall

ComponentPtr firewall_component() { return std::make_shared<Firewall>(); }

}  // namespace pgcluster
