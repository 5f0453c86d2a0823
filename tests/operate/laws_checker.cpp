#include "operate/laws_checker.hpp"

#include <algorithm>
#include <cstdlib>

#include "component/firewall/firewall.hpp"

namespace operate_test {
namespace {

// Whoever stops the firewall interrupts nobody.
bool interrupts(const SimulatedAct& act) {
  const std::string firewall = std::string("unit:") + firewall_unit;
  return act.disturbed && std::find(act.resources.begin(), act.resources.end(), firewall) == act.resources.end();
}

}  // namespace

Witness::Witness(Fleet& fleet, const Spec& spec, const Plan& plan) : fleet_(fleet), spec_(spec) {
  for (const PlannedChange& change : plan.changes()) planned_.emplace(change.id, change);
  for (const PlanNode& node : plan.data().nodes)
    for (const std::string& resource : node.step->keeps()) keepers_[node.host + " " + resource].insert(node.id);
  for (const auto& [name, value] : spec.postgresql_parameters)
    if (postmaster_parameter(spec.postgresql_version, name)) wishes_[name] = value;
  for (const HostSpec& host : spec.hosts) {
    const auto running = fleet.patroni->view(host.name).running;
    for (const auto& [name, value] : running)
      if (lowered_on_leader_first(name)) {
        const auto wish = wishes_.find(name);
        // Without a wish our own default counts, whatever it is: then it may be lower.
        lowers_ = lowers_ || wish == wishes_.end() || std::atol(value.c_str()) > std::atol(wish->second.c_str());
      }
  }
}

void Witness::before(const SimulatedHost&) {
  Moment now;
  for (const HostSpec& host : spec_.hosts) {
    now.members[host.name] = fleet_.patroni->view(host.name);
    now.health[host.name] = spec_.dcs_type == DcsType::consul ? fleet_.consul->health(host.name) : fleet_.etcd->health(host.name);
    const SimulatedHost& here = fleet_.executor.host(host.name);
    for (const char* unit : {"etcd.service", "consul.service", "patroni.service", "pgbouncer.service"})
      if (here.active(unit) && !here.down) now.active[host.name].insert(unit);
  }
  now.excused = excused_;
  moments_.resize(fleet_.executor.trace().size());
  moments_.push_back(std::move(now));
}

Witness::Server Witness::server_act(const SimulatedAct& act) {
  if (const auto* run = std::get_if<Run>(&act.what.what)) {
    if (requests(*run, "/restart")) return Server::restart;
    if (requests(*run, "/switchover")) return Server::switchover;
  }
  const auto* set = std::get_if<SetUnit>(&act.what.what);
  return set && set->name == "patroni.service" && act.disturbed ? Server::restart : Server::none;
}

std::string Witness::say(const SimulatedAct& act) {
  std::string text = "#" + std::to_string(act.sequence) + " " + act.host + ": " + act.description;
  if (const auto* run = std::get_if<Run>(&act.what.what); run && run->argv[0] == "curl") text += ", with " + run->input.masked();
  return text;
}

bool Witness::planned(const std::string& id, bool disturbing) const {
  const auto it = planned_.find(id);
  return it != planned_.end() && (!disturbing || disturbs(it->second.impact));
}

bool Witness::announced(const SimulatedAct& act) const {
  const bool disturbing = interrupts(act) || server_act(act) != Server::none;
  if (const auto* run = std::get_if<Run>(&act.what.what)) {
    const std::string input = run->input.masked();
    if (server_act(act) == Server::restart) return planned(act.host + "/patroni/restart", true) || planned(act.host + "/patroni/lower", true);
    if (server_act(act) == Server::switchover) return planned(act.host + "/patroni/switchover", true);
    // Which asks nothing else of the leader than its next round.
    if (input.find("{\\\"pgcluster\\\":null}") != std::string::npos)
      return std::any_of(planned_.begin(), planned_.end(), [](const auto& one) { return one.first.ends_with("/patroni/slot"); });
    if (run->argv.back() == "select pg_reload_conf()") return planned(act.host + "/patroni/stream", false);
    if (input.find("\"PATCH\"") != std::string::npos) return planned("cluster/patroni/config", false) || planned("cluster/patroni/encryption", false);
    if (run->argv[0] == "setpriv")
      return planned("cluster/patroni/roles", false) || planned("cluster/patroni/databases", false) ||
             planned("cluster/patroni/pgbouncer-auth", false);
    if (run->argv.back() == "users") return planned("cluster/etcd/users", false);
    if (run->argv.back() == "auth") return planned("cluster/etcd/auth", false);
    if (run->argv.back().find("patroni@") == 0) return planned("cluster/etcd/former-user", false);
    if (run->argv.size() > 4 && run->argv[4] == "make") return planned("cluster/consul/tokens-dc1", false);
    if (run->argv.size() > 4 && run->argv[4] == "forget") return planned("cluster/consul/former-tokens-dc1", false);
    if (run->argv.back() == "disable") return planned("cluster/etcd/users", false);
    if (run->argv.back().find("/v1/query") != std::string::npos) return planned("cluster/consul/query-dc1", false);
    if (run->argv.back() == "-cleanup-dead-servers=false") return planned("cluster/consul/autopilot-dc1", false);
    if (input.starts_with("--- postgresql.conf")) return planned(act.host + "/patroni/trial", false);
    for (const auto& [word, step] : {std::pair{run->argv.back(), std::string()}, {run->argv.size() == 7 ? run->argv[4] : "", "-key"}})
      if (constexpr std::string_view folder = "/etc/pgcluster/tls/"; word.starts_with(folder)) {
        const std::string name = word.substr(folder.size());
        return planned(act.host + "/certificates/" + name.substr(0, name.find('.')) + step, false);
      }
    if (run->argv[0] == firewall_program_file) return planned(act.host + "/firewall/" + (run->argv[1] == "widen" ? "open" : "rules"), false);
    if (run->argv.size() > 4 && run->argv[4].starts_with("/proc/sys/")) return planned(act.host + "/system/sysctl", false);
    return false;
  }
  for (const std::string& resource : act.resources) {
    std::set<std::string> ids{act.host + "/patroni/reload"};
    if (resource.find("systemd-timesyncd") != std::string::npos) ids = {act.host + "/system/clock"};
    if (const auto it = keepers_.find(act.host + " " + resource); it != keepers_.end()) ids.insert(it->second.begin(), it->second.end());
    if (resource != "unit:patroni.service") ids.erase(act.host + "/patroni/reload");
    if (std::none_of(ids.begin(), ids.end(), [&](const std::string& id) { return planned(id, disturbing); })) return false;
  }
  return true;
}

std::string Witness::history() const {
  std::string text;
  const auto& trace = fleet_.executor.trace();
  for (std::size_t i = 0; i < trace.size() && i < moments_.size(); ++i) {
    text += say(trace[i]) + (trace[i].disturbed ? " (disturbs)" : "") + (trace[i].failed ? " (failed)" : "");
    for (const auto& [host, view] : moments_[i].members)
      text += "  " + host +
              (view.leads    ? ":leads"
               : view.serves ? ":serves"
                             : ":-") +
              (view.running.contains("max_connections") ? " " + view.running.at("max_connections") : "");
    text += "\n";
  }
  return text;
}

std::vector<std::string> Witness::violations() const {
  std::vector<std::string> found;
  const auto& trace = fleet_.executor.trace();
  std::map<std::string, std::set<std::string>> disturbed;  // by us: host -> units
  for (std::size_t i = 0; i < trace.size() && i < moments_.size(); ++i) {
    const SimulatedAct& act = trace[i];
    const Moment& now = moments_[i];
    if (!announced(act)) found.push_back("not announced: " + say(act));
    if (const auto* remove = std::get_if<Remove>(&act.what.what); remove && remove->kind == Remove::Kind::tree)
      found.push_back("data removed: " + say(act));
    const Server server = server_act(act);
    if (!interrupts(act) && server == Server::none) continue;
    const auto member = now.members.find(act.host);
    if (member == now.members.end()) continue;  // a host that left

    for (const auto& [host, units] : disturbed) {
      if (host == act.host || now.excused.contains(host)) continue;
      const auto& active = now.active.contains(host) ? now.active.at(host) : std::set<std::string>();
      for (const std::string& unit : units)
        if (!active.contains(unit) || (unit == "patroni.service" && !now.members.at(host).serves))
          found.push_back("two at once: " + say(act) + ", and " + unit + " on " + host + " does not serve yet");
    }
    const auto* set = std::get_if<SetUnit>(&act.what.what);
    if (set) disturbed[act.host].insert(set->name);
    if (server != Server::none) disturbed[act.host].insert("patroni.service");

    if (set && (set->name == "etcd.service" || set->name == "consul.service")) {
      const EtcdModel::Health& health = now.health.at(act.host);
      if (health.members > 2 && health.serving >= health.quorum && health.serving <= health.quorum) found.push_back("quorum lost: " + say(act));
    }
    const bool others = now.members.size() > 1 && now.excused.empty();
    if (server == Server::restart && member->second.leads && others && !lowers_) found.push_back("a leader restarted in place: " + say(act));
    if (server == Server::switchover)
      for (const auto& [host, view] : now.members)
        for (const auto& [name, wish] : wishes_)
          if (host != act.host && view.serves && view.running.contains(name) && view.running.at(name) != wish)
            found.push_back("before its replicas: " + say(act) + ", and " + host + " runs with " + name + " " + view.running.at(name) + ", not " +
                            wish);
  }
  return found;
}

}  // namespace operate_test
