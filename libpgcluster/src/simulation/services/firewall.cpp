#include "simulation/services/firewall.hpp"

#include "base/digest.hpp"
#include "component/firewall/firewall.hpp"
#include "component/firewall/shell.hpp"

namespace pgcluster {

std::optional<ServiceModel::Start> FirewallModel::unit_starts(SimulatedHost&, const std::string& unit, SimulatedTime) {
  return unit == firewall_unit ? std::optional<Start>(Start{}) : std::nullopt;
}

void FirewallModel::unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime) {
  if (unit != firewall_unit) return;
  if (const std::string* rules = host.read(firewall_file)) tables_[host.name].rules = *rules;
}

void FirewallModel::unit_stopped(SimulatedHost& host, const std::string& unit, SimulatedTime) {
  if (unit == firewall_unit) tables_.erase(host.name);
}

void FirewallModel::passed(SimulatedTime now) {
  for (auto& [host, table] : tables_)
    if (table.former && now >= table.until) {
      table.rules = *table.former;
      table.former.reset();
    }
}

std::optional<Output> FirewallModel::exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) {
  Table& table = tables_[host.name];
  if (argv[0] == firewall_program_file && argv.size() >= 2) return call(table, argv, input);
  if (argv.size() != 3 || argv[0] != "sh") return std::nullopt;
  if (argv[2] == shell::ssh_ports) return Output{.out = "22\n"};
  if (argv[2] != shell::firewall_look) return std::nullopt;
  return Output{.out = (table.rules.empty() ? "none" : sha256_hex(table.rules)) + (table.former ? " tried\n" : "\n")};
}

Output FirewallModel::call(Table& table, const std::vector<std::string>& argv, const std::string& input) const {
  if (argv[1] == "widen") table.rules = input;
  if (argv[1] == "try") {
    if (!table.former) table.former = table.rules;
    table.rules = input;
    table.until = fleet_->now() + std::chrono::seconds(std::stoi(argv.at(2)));
  }
  if (argv[1] == "confirm" && !table.former) return {.status = 1, .err = "nobody confirmed the rules in time: the former ones are back\n"};
  if (argv[1] == "confirm") table.former.reset();
  return {};
}

}  // namespace pgcluster
