#include "laws_world.hpp"

#include <algorithm>

namespace laws {

using namespace pgcluster;

namespace {

ServiceWish wish_of(const Service& service) {
  ServiceWish wish{.unit = service.name + ".service", .reloadable = service.reloadable};
  for (std::size_t i = 0; i < service.files; ++i)
    (i + 1 == service.files && service.files > 1 ? wish.load_files : wish.start_files).push_back(path_of(service, i));
  return wish;
}

StepPtr ready(const std::string& host, const Service& service) {
  const Ask ask{host, Exec{.argv = {"ready", service.name + ".service"}, .about = {"unit:" + service.name + ".service"}}};
  return gate(host + "/" + service.name + "/ready", {.asks = {ask}, .decide = [ask](const Answers& answers) -> Decision {
                                                       if (answers.out(ask)) return Done{};
                                                       return Later{"it is ready"};
                                                     }});
}

Steps steps_of(const std::string& host, const Service& service, const std::vector<std::string>& hosts) {
  const std::string prefix = host + "/" + service.name + "/";
  const ServiceWish wish = wish_of(service);
  std::vector<Steps> files{file(prefix + "notes", host, unit_notes(wish))};
  for (std::size_t i = 0; i < service.files; ++i) {
    const std::string path = path_of(service, i);
    files.push_back(file(prefix + "file" + std::to_string(i), host, {.path = path, .content = service.contents.at(host + " " + path)}));
  }
  Steps all = sequence(packages(prefix + "package", host, {service.name}, {wish.unit}), parallel(files),
                       pgcluster::service(prefix + "service", host, wish), ready(host, service));
  if (!service.rolling) return all;
  return rolling(service.name, host, Order{.order = [hosts](const Answers&) { return hosts; }}, all);
}

}  // namespace

Cluster Cluster::random(Dice& dice, std::size_t index) {
  Cluster cluster;
  const std::size_t hosts = 1 + std::min(dice(7), dice(7)), services = 1 + dice(3);
  for (std::size_t i = 0; i < hosts; ++i) cluster.hosts.push_back("c" + std::to_string(index) + "h" + std::to_string(i));
  for (std::size_t i = 0; i < services; ++i) {
    Service service{.name = "s" + std::to_string(i), .rolling = dice.chance(80), .reloadable = dice.chance(50), .files = 1 + dice(3)};
    for (const std::string& host : cluster.hosts)
      for (std::size_t k = 0; k < service.files; ++k) service.contents[host + " " + path_of(service, k)] = "first\n";
    cluster.services.push_back(std::move(service));
  }
  // Only what begins a service waits for others: a member of a group in its turn must not wait for somebody who needs the lane.
  for (std::size_t i = dice(6); services > 1 && i > 0; --i) {
    const std::size_t later = 1 + dice(services - 1);
    const char* const parts[] = {"package", "file0", "service", "ready"};
    cluster.waits.emplace_back(dice.of(cluster.hosts) + "/" + cluster.services[dice(later)].name + "/" + parts[dice(4)],
                               dice.of(cluster.hosts) + "/" + cluster.services[later].name + "/package");
  }
  return cluster;
}

Steps Cluster::steps() const {
  std::vector<Steps> parts;
  std::map<std::string, StepPtr> named;
  for (const Service& service : services)
    for (const std::string& host : hosts) {
      parts.push_back(steps_of(host, service, hosts));
      for (const Steps::Node& node : parts.back().nodes()) named[node.step->name()] = node.step;
    }
  for (const auto& [first, second] : waits) parts.push_back(sequence(named.at(first), named.at(second)));
  return parallel(parts);
}

Hosts Cluster::access() const {
  Hosts all;
  for (const std::string& host : hosts) all[host] = {.name = host, .address = host};
  return all;
}

void Cluster::change(Dice& dice) {
  for (Service& service : services)
    for (auto& [where, content] : service.contents)
      if (dice.chance(40)) content = "version " + std::to_string(dice(1000)) + "\n";
}

void Cluster::drift(Dice& dice, SimulatedExecutor& executor) const {
  for (std::size_t i = dice(4); i > 0; --i) {
    SimulatedHost& host = executor.host(dice.of(hosts));
    const Service& service = dice.of(services);
    const std::string path = path_of(service, dice(service.files)), unit = service.name + ".service";
    switch (dice(7)) {
      case 0:
        host.write(path, "stranger\n");
        break;
      case 1:
        host.files.erase(path);
        break;
      case 2:
        host.files[path].mode = 0600;
        break;
      case 3:
        executor.stop_unit(host, unit);
        break;
      case 4:
        if (host.units.contains(unit)) executor.fail_unit(host, unit, "killed\n");
        break;
      case 5:
        if (host.units.contains(unit)) host.units[unit].state.enabled = false;
        break;
      case 6:
        executor.reboot(host);
        break;
    }
  }
}

}  // namespace laws
