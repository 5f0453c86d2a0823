// Parameters that need a restart: replicas one by one, then the leader after a switchover. Where some are lowered that a replica must not have
// less of than its leader, the leader comes first, in place, in a turn of its own.
#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/joined.hpp"
#include "component/patroni/patroni.hpp"
#include "component/patroni/shell.hpp"
#include "component/postgresql/postgresql.hpp"
#include "component/postgresql/sql.hpp"

namespace pgcluster::patroni {
namespace {

using std::chrono::seconds;

std::vector<Ask> all_asks(const ClusterView& view) {
  std::vector<Ask> asks = member_asks(view);
  const std::vector<Ask> servers = server_asks(view);
  asks.insert(asks.end(), servers.begin(), servers.end());
  return asks;
}

// The leader runs with more than is wished of what a replica must not have less of.
bool lowers(const ClusterView& view, const Server& leader) {
  if (view.topology.database.size() < 2) return false;  // nobody comes after it
  for (const auto& [name, wish] : postgresql_parameters(view))
    if (const auto it = leader.settings.find(name); lowered_on_leader_first(name) && it != leader.settings.end())
      if (std::strtol(it->second.value.c_str(), nullptr, 10) > std::strtol(wish.c_str(), nullptr, 10)) return true;
  return false;
}
bool lowers(const ClusterView& view, const Members& members, const Answers& answers) {
  const TopologyHost* leader = members.leader();
  return leader && lowers(view, answers.read(server_ask(view, *leader), read_server));
}

struct Need {
  enum class What { unknown, none, later, now };
  What what = What::none;
  std::string why;
  std::set<std::string> names{};  // of the parameters, where they are known
};

// Whether PostgreSQL on the host needs a restart. `later`: it needs one, but its Patroni has not applied the new settings yet, and would start it
// with the old ones.
Need need(const ClusterView& view, const TopologyHost& host, const Members& members, const Server& server) {
  const Member& member = members.of(host);
  if (!member.answers || !server.answers) return {Need::What::unknown, {}};
  const SettingsDiff diff = compare_settings(view, member.settings);
  const int version = view.spec.postgresql_version;
  std::set<std::string> names;
  std::string why;
  const auto differs = [&](const Setting& running, const std::string& wish) {
    if (running.context != "postmaster" || running.altered || kept_by_patroni(running.name)) return;
    names.insert(running.name);
    why += (why.empty() ? "" : ", ") + running.name + " is " + running.value + (running.unit.empty() ? "" : " × " + running.unit) + ", not " + wish;
  };
  for (const auto& [name, wish] : postgresql_parameters(view))
    if (const auto it = server.settings.find(name); it != server.settings.end() && !runs(server, it->second, wish, version))
      differs(it->second, wish);
  for (const std::string& name : diff.removed)
    if (const auto it = server.settings.find(name); it != server.settings.end() && !runs_without(server, it->second, version))
      differs(it->second, it->second.boot);
  const bool settled = diff.known && !diff.parameters;
  if (names.empty()) {
    if (!member.pending_restart) return {};
    // Ignore a pending restart for settings that this plan changes back in the DCS. Patroni may also still report one for a server that it restarted
    // while it was reading its own file.
    const bool nothing = !member.pending.empty() && std::all_of(member.pending.begin(), member.pending.end(),
                                                                [&](const std::string& name) { return server.settings.contains(name); });
    if (nothing) return {};
    return {Need::What::now, "Patroni waits for a restart" + (member.pending.empty() ? "" : " because of " + joined(member.pending))};
  }
  const bool announced = member.pending_restart && std::all_of(names.begin(), names.end(), [&](const std::string& name) {
                           return member.pending.empty() || member.pending.contains(name);
                         });
  return {settled && announced ? Need::What::now : Need::What::later, why, std::move(names)};
}

// Asks the control file for the parameters that must not be lower on a replica than on its leader, with the values from the WAL replayed so far.
// Patroni starts a replica with these values if they are higher than the settings.
Ask control_ask(const ClusterView& view, const TopologyHost& host) {
  return {host.name, Exec{.argv = {postgresql_bin_dir(view, host.name) + "/pg_controldata", "-D", postgresql_data_dir(view, host.name)},
                          .about = {"unit:patroni.service"}}};
}

// Names of the parameters that a replica, started now, would still have more of than is wished.
std::string held_back(const ClusterView& view, const Answer& control) {
  const auto* output = std::get_if<Output>(&control);
  if (!output || output->status != 0) return {};
  std::string names;
  std::istringstream lines(output->out);
  for (std::string line; std::getline(lines, line);) {
    const auto end = line.find(" setting:");
    if (end == std::string::npos) continue;
    std::string name = line.substr(0, end);
    if (name.ends_with("_xact")) name = "max_locks_per_transaction";
    if (name.ends_with("_xacts")) name = "max_prepared_transactions";
    if (!lowered_on_leader_first(name)) continue;
    for (const auto& [one, wish] : postgresql_parameters(view))
      if (one == name && std::strtol(line.c_str() + end + 9, nullptr, 10) > std::strtol(wish.c_str(), nullptr, 10)) append(names, name);
  }
  return names;
}

bool others_left_out(const ClusterView& view, const TopologyHost& host) {
  return std::all_of(view.topology.database.begin(), view.topology.database.end(),
                     [&](const std::string& name) { return name == host.name || view.leaves_out(name); });
}

bool unit_needs_restart(const ClusterView& view, const Answers& answers, const TopologyHost& host) {
  const auto* unit = answers.get<Unit>(unit_ask(view.spec, host));
  return unit && unit->active == "active" && !unit->start_files_current;
}

}  // namespace

StepPtr switchover_step(const View& view, const TopologyHost& host) {
  auto decide = [view, host](const Answers& answers) -> Decision {
    const Members members = read_members(*view, answers);
    if (view->topology.database.size() < 2) return Done{};
    if (!members.of(host).leads) return Done{};
    const bool unit = unit_needs_restart(*view, answers, host);
    const Need wanted = need(*view, host, members, answers.read(server_ask(*view, host), read_server));
    if (!unit && (wanted.what == Need::What::none || wanted.what == Need::What::unknown)) return Done{};
    if (!unit && lowers(*view, members, answers)) return Done{};  // in place: no replica could follow one that has less
    if (others_left_out(*view, host))
      return Refused{{.message = host.name + " leads and needs a restart (" + (unit ? "Patroni's unit has changed" : wanted.why) +
                                 "), and every replica that could take over is left out",
                      .hint = "bring a replica back first, or take out of the spec what needs the restart"}};
    if (!unit && wanted.what == Need::What::later)
      return Later{"Patroni on " + host.name + " has taken over the settings (" + wanted.why + ")", Impact::switchover, Action::switchover};
    // A replica that has not been restarted, because an earlier step of it failed, would stop replaying the WAL of a leader with higher values.
    for (const auto& [other, member] : members.all) {
      const Need theirs = need(*view, *other, members, answers.read(server_ask(*view, *other), read_server));
      if (!unit && other->name != host.name && (theirs.what == Need::What::now || theirs.what == Need::What::later))
        return Later{other->name + " is restarted before its leader (" + theirs.why + ")", Impact::switchover, Action::switchover};
    }
    const TopologyHost* to = members.successor(*view, host);
    if (!to)
      return Later{"a replica could take over from " + host.name + " (" + members.why_none(*view) + ")", Impact::switchover, Action::switchover};
    Run run = rest_call(*view, host, "POST", "/switchover", R"({"leader":")" + host.name + R"(","candidate":")" + to->name + "\"}", 120);
    run.touches = {std::string("unit:") + unit_name};
    run.look = rest_code(*view, host, "/leader");
    return Change{.todo = {Do{.at = host.name, .what = std::move(run), .was = Output{.out = "200"}, .limit = seconds(150)}},
                  .action = Action::switchover,
                  .impact = Impact::switchover,
                  .reason = to->name + " takes over before " + host.name + " is restarted",
                  .until = [view](const Answers& after) -> std::string {
                    const Members now = read_members(*view, after);
                    if (!now.leader()) return "a member leads";
                    for (const auto& [one, member] : now.all)
                      if (member.rising()) return one->name + " streams from " + now.leader()->name;
                    return {};
                  }};
  };
  return make_step(host.name + "/patroni/switchover",
                   {.asks = {unit_ask(view->spec, host)}, .decide = decide, .settle = seconds(120), .common = view->derived(all_asks)});
}

namespace {

// If the server does not start with the new settings, the former ones come back: in the DCS, and in Patroni's file on each host.
TakeBack former_settings(const View& view, const Members& members, const Need& wanted) {
  std::set<std::string> fine;
  for (const auto& [host, member] : members.all)
    if (member.fine()) fine.insert(host->name);
  TakeBack back{.changes = {settings()}, .then = "the cluster runs with the former settings again"};
  for (const std::string& name : view->topology.database) back.changes.push_back(config(name));
  back.until = [view, fine, names = wanted.names](const Answers& answers) -> std::string {
    const Members now = read_members(*view, answers);
    if (!now.leader()) return "a member leads";
    for (const auto& [host, member] : now.all) {
      if (!fine.contains(host->name)) continue;
      if (!member.fine()) return host->name + " runs as a member with the former settings";
      const bool waits = member.pending.empty() || std::any_of(names.begin(), names.end(), [&pending = member.pending](const std::string& name) {
                           return pending.contains(name);
                         });
      if (member.pending_restart && waits) return "Patroni on " + host->name + " has taken over the former settings";
    }
    return {};
  };
  return back;
}

Decision restart(const View& view, const TopologyHost& host, const Members& members, const Server& server, const Need& wanted, Impact impact) {
  const auto later = [&](const std::string& until) { return Later{until + " (" + wanted.why + ")", impact, Action::restart}; };
  if (wanted.what == Need::What::later) return later("Patroni on " + host.name + " has taken over the settings");
  if (server.config != config_mark(*view, host)) return later("Patroni has read " + std::string(config_path) + " on " + host.name);
  const int patience = view->spec.patroni_master_start_timeout + 60;
  Run run = rest_call(*view, host, "POST", "/restart", "{}", patience);
  run.argv.insert(run.argv.begin(), {"sh", "-c", shell::restart_server, "sh", postgresql_data_dir(*view, host.name)});
  run.touches = {std::string("unit:") + unit_name};
  run.look = start_look(*view, host.name);
  return Change{.todo = {Do{.at = host.name, .what = std::move(run), .was = Output{.out = server.started + "\n"}, .limit = seconds(patience + 30)}},
                .action = Action::restart,
                .impact = impact,
                .reason = wanted.why,
                .takes_back = former_settings(view, members, wanted)};
}

seconds restart_settle(const ClusterView& view) { return seconds(2 * view.spec.patroni_loop_wait + 120); }

}  // namespace

StepPtr lower_step(const View& view, const TopologyHost& host) {
  auto decide = [view, host](const Answers& answers) -> Decision {
    const Members members = read_members(*view, answers);
    const Server& server = answers.read(server_ask(*view, host), read_server);
    const Need wanted = need(*view, host, members, server);
    if (!members.of(host).leads || !lowers(*view, server) || wanted.what == Need::What::none || wanted.what == Need::What::unknown) return Done{};
    Decision decision = restart(view, host, members, server, wanted, Impact::outage);
    if (auto* change = std::get_if<Change>(&decision)) {
      // Its replicas have lost it meanwhile: nothing else is disturbed before they are back.
      std::set<std::string> streaming;
      for (const auto& [one, member] : members.all)
        if (member.streams) streaming.insert(one->name);
      change->until = [view, streaming](const Answers& after) -> std::string {
        for (const auto& [one, member] : read_members(*view, after).all)
          if (streaming.contains(one->name) && member.rising()) return one->name + " streams again";
        return {};
      };
    }
    return decision;
  };
  return make_step(host.name + "/patroni/lower", {.asks = {}, .decide = decide, .settle = restart_settle(*view), .common = view->derived(all_asks)});
}

StepPtr restart_step(const View& view, const TopologyHost& host) {
  const Ask control = control_ask(*view, host);
  auto decide = [view, host, control](const Answers& answers) -> Decision {
    const Members members = read_members(*view, answers);
    const Server& server = answers.read(server_ask(*view, host), read_server);
    const Need wanted = need(*view, host, members, server);
    if (wanted.what == Need::What::none) return Done{};
    if (wanted.what == Need::What::unknown) {
      // The host may start before the others have been restarted for the new settings.
      const std::string until = "PostgreSQL and Patroni answer on " + host.name;
      // Neither its present values nor the cluster's settings are known.
      if ((view->topology.database.size() < 2 || others_left_out(*view, host)) && !begins(*view))
        return Later{until, Impact::outage, Action::restart};
      for (const std::string& name : view->topology.database) {
        const TopologyHost& other = view->topology.host(name);
        const Need theirs = need(*view, other, members, answers.read(server_ask(*view, other), read_server));
        if (theirs.what == Need::What::later || theirs.what == Need::What::now) return Later{until, Impact::restart, Action::restart};
      }
      if (answers.pending(member_ask(*view, host))) return Done{};  // looked at again when it is reached
      return Later{until};
    }
    const bool leads = members.of(host).leads, lowering = lowers(*view, members, answers);
    if (lowering && leads) return Done{};  // restarted by lower_step, before all others
    if (lowering) return Later{members.leader()->name + " runs with the lower values (" + wanted.why + ")", Impact::restart, Action::restart};
    // A replica learns of lower values from the leader's WAL, and before that would start with the old ones again.
    if (const std::string names = leads ? "" : held_back(*view, answers[control]); !names.empty())
      return Later{host.name + " has replayed the leader's lower " + names, Impact::restart, Action::restart};
    return restart(view, host, members, server, wanted, leads && view->topology.database.size() < 2 ? Impact::outage : Impact::restart);
  };
  return make_step(host.name + "/patroni/restart",
                   {.asks = {control}, .decide = decide, .settle = restart_settle(*view), .common = view->derived(all_asks)});
}

std::string lower_turn(const TopologyHost& host) { return host.name + "/lower"; }
std::string switchover_turn(const TopologyHost& host) { return host.name + "/switchover"; }
std::string restart_turn(const TopologyHost& host) { return host.name + "/restart"; }

Order restart_order(const View& view) {
  auto order = [view](const Answers& answers) {
    const Members members = read_members(*view, answers);
    const TopologyHost* leader = members.leader();
    std::vector<std::string> names;
    if (!leader && view->topology.database.size() > 1) return names;
    // While one member is ill, only that member may be restarted. After a switchover, all replicas are about to follow the new leader: wait for
    // several of them, but a single one may be stuck and counts as ill.
    std::vector<const TopologyHost*> ill, rising, all;
    for (const auto& [host, member] : members.all) {
      if (view->leaves_out(host->name)) continue;  // cannot get worse
      if (member.rising())
        rising.push_back(host);
      else if (!member.fine() || members.lag(*host) > view->spec.patroni_maximum_lag_on_failover)
        ill.push_back(host);
      if (host != leader) all.push_back(host);
    }
    if (leader) all.push_back(leader);
    const bool well = ill.empty() && rising.empty();
    if (ill.empty() && rising.size() == 1) ill = rising;
    // Before the cluster has the settings a restart is of no use; and the replicas' come after the leader's where it has to be lowered.
    const SettingsDiff diff = leader ? compare_settings(*view, members.of(*leader).settings) : SettingsDiff{};
    const bool settled = !diff.known || !diff.parameters, lowering = lowers(*view, members, answers);
    const auto add = [&](const std::vector<const TopologyHost*>& hosts, bool lower, bool with_leader, bool restart) {
      if (lower)
        for (const auto& [host, member] : members.all)
          if (!view->leaves_out(host->name)) names.push_back(lower_turn(*host));
      for (const TopologyHost* host : hosts) {
        if (host == leader && !with_leader) continue;
        names.insert(names.end(), {switchover_turn(*host), host->name});
        if (restart) names.push_back(restart_turn(*host));
      }
    };
    add(well ? all : ill, well && settled, settled, settled && !lowering);
    names.push_back("");
    add(all, true, true, true);
    return names;
  };
  return {.order = order, .common = view->derived(all_asks)};
}

}  // namespace pgcluster::patroni
