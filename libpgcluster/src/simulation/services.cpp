#include <pgcluster/simulation/services.hpp>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "base/network.hpp"
#include "component/consul/consul.hpp"
#include "component/system/shell.hpp"
#include "component/vip/vip.hpp"
#include "simulation/services/balancer.hpp"
#include "simulation/services/firewall.hpp"
#include "simulation/services/pgbackrest.hpp"

namespace pgcluster {
namespace {

std::string setting(const SimulatedHost& host, const std::string& path, const std::string& line) {
  const std::string* text = host.read(path);
  const auto at = text ? text->find(line) : std::string::npos;
  return at == std::string::npos ? "" : text->substr(at + line.size(), text->find_first_of("\n ", at + line.size()) - at - line.size());
}

/// Debian itself, PgBouncer and the VIP.
class DebianModel final : public ServiceModel {
 public:
  DebianModel(std::shared_ptr<PatroniModel> patroni, std::shared_ptr<BalancerModel> balancer)
      : patroni_(std::move(patroni)), balancer_(std::move(balancer)) {}
  void added(SimulatedExecutor& fleet) override { fleet_ = &fleet; }

  std::optional<SimulatedPackage> package(const std::string& name) override {
    if (name == "systemd-timesyncd") return SimulatedPackage{.version = "257", .units = {"systemd-timesyncd.service"}};
    if (name != "pgbouncer") return std::nullopt;
    const File file{.content = ";; Debian's own\n", .mode = 0640, .owner = "postgres", .group = "postgres"};
    return SimulatedPackage{.version = "1.24.1-1",
                            .depends = {"postgresql-common"},
                            .units = {"pgbouncer.service"},
                            .files = {{"/etc/pgbouncer/pgbouncer.ini", file}, {"/etc/pgbouncer/userlist.txt", file}}};
  }

  // The units of the VIP are bound to Patroni's, and wanted by it.
  void unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime) override {
    if (unit != "patroni.service") return;
    for (const char* name : vip_units) {
      const auto vip = host.units.find(name);
      if (vip != host.units.end() && is_ours(host, name) && vip->second.state.enabled && vip->second.state.active == "inactive")
        fleet_->start_unit(host, name);
    }
  }
  void unit_stopped(SimulatedHost& host, const std::string& unit, SimulatedTime) override {
    for (const char* name : vip_units)
      if (unit == "patroni.service" && is_ours(host, name) && host.active(name)) fleet_->stop_unit(host, name);
  }

  std::optional<Output> exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string&) override {
    if (argv[0] == "ss") return Output{.out = listening(host, argv.back()) + balancer_->listening(host, argv.back())};
    if (argv[0] == "ip" && balancer_->holds(host.name, argv.back())) return shown(argv.back(), "forever");
    if (argv[0] == "ip") return holds(host, argv.back()) ? shown(argv.back(), "4sec") : Output{};
    if (argv[0] == "bash" && argv.size() >= 5 && argv[3] == "probe")
      return Output{.out = !knows(host, argv) && anybody_holds(argv[4]) ? "lladdr 02:00:00:00:00:01 REACHABLE\n" : ""};
    if (argv[0] == "grep") return Output{.out = kernel(host, argv)};
    if (argv.size() > 2 && argv[2] == shell::kernel_settings) {
      for (std::size_t i = 4; i + 1 < argv.size(); i += 2) host.write(argv[i], argv[i + 1] + "\n");
      return Output{};
    }
    return std::nullopt;
  }

 private:
  static constexpr const char* vip_units[] = {vip_unit, former_vip_unit};

  // Of the two programs that may have these names: Debian's vip-manager2 is not bound to Patroni.
  static bool is_ours(const SimulatedHost& host, const std::string& unit) {
    const std::string* text = host.read("/etc/systemd/system/" + unit);
    return text && text->find("BindsTo=patroni.service") != std::string::npos;
  }

  // Whether one of the host's own files, the arguments after the address, has it; or none of them is there.
  static bool knows(const SimulatedHost& host, const std::vector<std::string>& argv) {
    bool there = argv.size() == 5;
    for (std::size_t i = 5; i < argv.size(); ++i) {
      const std::string* text = host.read(argv[i]);
      there = there || text;
      if (text && text->find(" " + argv[4] + "/") != std::string::npos) return true;
    }
    return !there;
  }

  // As `ip -o address` shows it.
  static Output shown(const std::string& vip, const std::string& lifetime) {
    return {.out = std::string("2: eth0    ") + (net::is_ipv6(vip) ? "inet6 " : "inet ") + net::single_address(vip) + " valid_lft " + lifetime +
                   " preferred_lft " + lifetime + "\n"};
  }

  static std::string kernel(const SimulatedHost& host, const std::vector<std::string>& argv) {
    std::string out;
    for (const std::string& path : argv)
      if (path.starts_with("/proc/sys/")) out += path + ":" + (host.read(path) ? *host.read(path) : "0\n");
    return out;
  }

  static std::string listening(const SimulatedHost& host, const std::string& filter) {
    std::string out;
    const auto listens = [&](const std::string& port, const char* unit, const char* process) {
      if (!port.empty() && host.active(unit) && (filter + " ").find(":" + port + " ") != std::string::npos)
        out += "LISTEN 0 128 *:" + port + " *:* users:((\"" + process + "\",pid=1,fd=5))\n";
    };
    const std::string etcd = setting(host, "/etc/default/etcd", "ETCD_ADVERTISE_CLIENT_URLS=\"");
    listens(etcd.empty() ? "" : etcd.substr(etcd.rfind(':') + 1, etcd.size() - etcd.rfind(':') - 2), "etcd.service", "etcd");
    for (const char* port : {"8301", "8500", "8501", "8600"})
      if (host.read(consul_agent_file)) listens(port, consul_unit, "consul");
    listens(setting(host, "/etc/pgbouncer/listen.ini", "listen_port = "), "pgbouncer.service", "pgbouncer");
    return out;
  }

  bool holds(const SimulatedHost& host, const std::string& vip) {
    return patroni_->view(host.name).leads && std::any_of(std::begin(vip_units), std::end(vip_units), [&](const std::string& name) {
             const std::string* unit = host.read("/etc/systemd/system/" + name);
             return is_ours(host, name) && unit->find(" " + vip + "/") != std::string::npos && host.active(name);
           });
  }
  bool anybody_holds(const std::string& vip) {
    const std::vector<std::string> all = fleet_->hosts();
    return std::any_of(all.begin(), all.end(), [&](const std::string& name) {
      return !fleet_->host(name).down && (holds(fleet_->host(name), vip) || balancer_->holds(name, vip));
    });
  }

  std::shared_ptr<PatroniModel> patroni_;
  std::shared_ptr<BalancerModel> balancer_;
  SimulatedExecutor* fleet_ = nullptr;
};

}  // namespace

void add_service_models(SimulatedExecutor& fleet) {
  const auto etcd = std::make_shared<EtcdModel>();
  const auto consul = std::make_shared<ConsulModel>();
  const auto patroni = std::make_shared<PatroniModel>(etcd, consul);
  add_service_models(fleet, etcd, patroni, consul);
}

void add_service_models(SimulatedExecutor& fleet, const std::shared_ptr<EtcdModel>& etcd, const std::shared_ptr<PatroniModel>& patroni,
                        const std::shared_ptr<ConsulModel>& consul, const std::shared_ptr<PgBackRestModel>& pgbackrest) {
  const auto balancer = std::make_shared<BalancerModel>(patroni);
  fleet.add(balancer);
  fleet.add(pgbackrest ? pgbackrest : std::make_shared<PgBackRestModel>(patroni));
  fleet.add(etcd);
  if (consul) fleet.add(consul);
  fleet.add(patroni);
  fleet.add(std::make_shared<FirewallModel>());
  fleet.add(std::make_shared<DebianModel>(patroni, balancer));
}

}  // namespace pgcluster
