// The cluster's settings in the DCS: one PATCH of what differs.
#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/url.hpp"
#include "component/backup.hpp"
#include "component/patroni/patroni.hpp"
#include "component/patroni/shell.hpp"
#include "component/postgresql/postgresql.hpp"
#include "component/postgresql/sql.hpp"
#include "spec/server_settings.hpp"

namespace pgcluster::patroni {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Whole numbers and truth values as such, all else as a string: what Patroni itself would write.
OrderedJson typed(const std::string& value) {
  if (value == "true" || value == "false") return value == "true";
  const OrderedJson number = json_read::parse<OrderedJson>(value);
  return number.is_number_integer() && number.dump() == value ? number : OrderedJson(value);
}

// The patch that restores what another one has changed in `has`.
OrderedJson reversed(const OrderedJson& patch, const OrderedJson& has) {
  OrderedJson back = OrderedJson::object();
  for (const auto& [name, value] : patch.items()) {
    const OrderedJson& former = json_read::at(has, name);
    back[name] = value.is_object() && former.is_object() ? reversed(value, former) : former;
  }
  return back;
}

}  // namespace

SettingsDiff compare_settings(const ClusterView& view, const std::string& settings) {
  SettingsDiff diff;
  const OrderedJson found = json_read::parse<OrderedJson>(settings);
  if (settings.empty() || !found.is_object()) return diff;
  diff.known = true;
  OrderedJson patch = OrderedJson::object();
  const auto differs = [&](const std::string& path, const OrderedJson* is, const std::string* wish) {
    if (is && !is->is_null()) diff.before += path + ": " + json_read::plain(*is) + "\n";
    if (wish) diff.after += path + ": " + *wish + "\n";
  };
  const OrderedJson* own = found.contains("postgresql") && found["postgresql"].is_object() ? &found["postgresql"] : nullptr;
  const auto child = [](const OrderedJson* parent, const std::string& name) { return parent && parent->contains(name) ? &(*parent)[name] : nullptr; };
  for (const auto& [path, wish] : cluster_settings(view.spec)) {
    const bool nested = path.starts_with("postgresql.");
    const std::string name = nested ? path.substr(11) : path;
    const OrderedJson* is = child(nested ? own : &found, name);
    if (is && json_read::plain(*is) == wish) continue;
    differs(path, is, &wish);
    (nested ? patch["postgresql"] : patch)[name] = typed(wish);
  }
  const OrderedJson* parameters = child(own, "parameters");
  if (parameters && !parameters->is_object()) parameters = nullptr;
  const int version = view.spec.postgresql_version;
  std::set<std::string> described;  // in small letters: PostgreSQL and Patroni do not tell the cases apart
  const auto change = [&](const std::string& name) -> OrderedJson& {
    diff.parameters = true;
    return patch["postgresql"]["parameters"][name];
  };
  for (const auto& [name, wish] : postgresql_parameters(view)) {
    const std::string key = strings::lower(name);
    described.insert(key);
    const OrderedJson* is = nullptr;
    std::string other;  // the name as somebody else has spelt it
    if (parameters)
      for (const auto& [found_name, value] : parameters->items())
        if (strings::lower(found_name) == key && (!is || found_name == name)) is = &value, other = found_name;
    if (is && (json_read::plain(*is) == wish || server_settings::same(version, name, json_read::plain(*is), wish))) continue;
    differs("postgresql.parameters." + name, is, &wish);
    // A text stays one, though it may look like a number or a truth value.
    change(name) = server_settings::is_text(version, name) ? OrderedJson(wish) : typed(wish);
    if (is && other != name) change(other) = nullptr;
  }
  if (parameters)
    for (const auto& [name, is] : parameters->items()) {
      if (described.contains(strings::lower(name))) continue;
      differs("postgresql.parameters." + name, &is, nullptr);
      change(name) = nullptr;
      diff.removed.push_back(server_settings::spelled(version, name));
    }
  if (!patch.empty()) diff.patch = patch.dump();
  return diff;
}

namespace {

Exec settings_look(const ClusterView& view, const TopologyHost& host) {
  return {.argv = {"sh", "-c", shell::settings_look, "sh", net::host_port(host.address, view.spec.patroni_restapi_port)}};
}

// The change of the settings at the leader, provided that it still leads and nobody has changed them since.
Do patch_at(const ClusterView& view, const TopologyHost& leader, const Members& members, const std::string& patch) {
  Run run = rest_call(view, leader, "PATCH", "/config", patch, 20);
  run.touches = {"dcs:config"};
  run.look = settings_look(view, leader);
  return {.at = leader.name, .what = std::move(run), .was = Output{.out = "200 " + members.of(leader).settings}};
}

// Any member's Patroni does it, whether it leads or not.
Do patch_back(const ClusterView& view, const TopologyHost& leader, const Members& members, const std::string& patch) {
  const OrderedJson has = json_read::parse<OrderedJson>(members.of(leader).settings);
  Run run = rest_call(view, leader, "PATCH", "/config", reversed(json_read::parse<OrderedJson>(patch), has).dump(), 20);
  run.touches = {"dcs:config"};
  return {.at = leader.name, .what = std::move(run)};
}

}  // namespace

StepPtr encryption_step(const View& view) {
  std::vector<Ask> asks = member_asks(*view);
  auto decide = [view](const Answers& answers) -> Decision {
    const Members members = read_members(*view, answers);
    const TopologyHost* leader = members.leader();
    if (!leader || members.of(*leader).settings.empty()) return Later{"a leader tells the cluster's settings", Impact::reload, Action::update};
    OrderedJson patch;
    const OrderedJson has = json_read::parse<OrderedJson>(members.of(*leader).settings);
    const OrderedJson& parameters = json_read::at(json_read::at(has, "postgresql"), "parameters");
    for (const auto& [name, wish] : postgresql_parameters(*view))
      if (name.starts_with("ssl") && json_read::plain(json_read::at(parameters, name)) != wish) patch["postgresql"]["parameters"][name] = wish;
    if (patch.empty()) return Done{};
    return Change{.todo = {patch_at(*view, *leader, members, patch.dump())},
                  .action = Action::update,
                  .impact = Impact::reload,
                  .reason = "PostgreSQL answers with TLS, too, before anybody asks for it"};
  };
  return make_step(patroni::encryption(), {.asks = asks, .decide = decide, .settle = std::chrono::seconds(view->spec.patroni_loop_wait + 30)});
}

StepPtr encrypted_gate(const View& view) {
  std::vector<Ask> asks;
  std::vector<std::pair<std::string, Ask>> servers;
  for (const std::string& name : view->topology.database) {
    if (!configured(*view, name) || view->leaves_out(name)) continue;
    asks.push_back(server_ask(*view, view->topology.host(name)));
    servers.emplace_back(name, asks.back());
  }
  auto decide = [servers](const Answers& answers) -> Decision {
    for (const auto& [name, ask] : servers) {
      const Server& server = answers.read(ask, read_server);
      if (!server.answers) continue;  // it learns it when it starts
      const auto found = server.settings.find("ssl");
      if (found != server.settings.end() && found->second.value != "on") return Later{"PostgreSQL on " + name + " answers with TLS, too"};
    }
    return Done{};
  };
  return gate(patroni::encrypted(), {.asks = asks, .decide = decide, .settle = std::chrono::seconds(3 * view->spec.patroni_loop_wait + 30)});
}

Steps archivable_gate(const View& view) {
  std::vector<Ask> asks = member_asks(*view);
  std::vector<std::pair<std::string, Ask>> repositories;
  Bringers bringers;
  for (const TopologyHost* host : backup::hosts(*view)) {
    if (view->leaves_out(host->name)) continue;
    repositories.emplace_back(host->name, backup::repositories_ask(*view, host->name));
    asks.push_back(repositories.back().second);
    bringers.steps.push_back(backup::known(host->name));
  }
  if (repositories.empty()) return {};
  bringers.enough = repositories.size();
  auto decide = [view, repositories](const Answers& answers) -> Decision {
    const Members members = read_members(*view, answers);
    const TopologyHost* leader = members.leader();
    const OrderedJson has = json_read::parse<OrderedJson>(leader ? members.of(*leader).settings : "");
    const OrderedJson& parameters = json_read::at(json_read::at(has, "postgresql"), "parameters");
    if (json_read::plain(json_read::at(parameters, "archive_command")) == backup::archive_command(view->spec)) return Done{};
    for (const auto& [host, ask] : repositories)
      for (const backup::Repository& one : backup::read_repositories(*view, host, answers[ask]))
        if (!one.exists) return Later{"the repositories on " + host + " know the cluster"};
    return Done{};
  };
  return gate(StepRef{"", "patroni", "archivable"},
              {.asks = asks, .decide = decide, .settle = std::chrono::hours(1), .brought_by = std::move(bringers)});
}

StepPtr settings_step(const View& view) {
  std::vector<Ask> asks = member_asks(*view);
  auto decide = [view](const Answers& answers) -> Decision {
    const Members members = read_members(*view, answers);
    const TopologyHost* leader = members.leader();
    if (!leader || members.of(*leader).settings.empty()) {
      const bool begins = patroni::begins(*view);  // with the right settings
      return Later{"a leader tells the cluster's settings", begins ? Impact::none : Impact::reload, begins ? Action::wait : Action::update};
    }
    const SettingsDiff diff = compare_settings(*view, members.of(*leader).settings);
    if (diff.patch.empty()) return Done{};
    return Change{.todo = {patch_at(*view, *leader, members, diff.patch)},
                  .action = Action::update,
                  .impact = diff.parameters ? Impact::reload : Impact::none,
                  .diff = unified_diff("cluster settings", diff.before, diff.after),
                  .reason = "the settings in the DCS differ",
                  .undo = {patch_back(*view, *leader, members, diff.patch)}};
  };
  return make_step(patroni::settings(), {.asks = asks, .decide = decide, .settle = std::chrono::seconds(view->spec.patroni_loop_wait + 30)});
}

StepPtr live_gate(const View& view, const TopologyHost& host) {
  const Ask ask = server_ask(*view, host);
  auto decide = [view, ask, name = host.name](const Answers& answers) -> Decision {
    if (answers.pending(ask)) return Done{};  // looked at again when it is reached
    const Server& server = answers.read(ask, read_server);
    if (!server.answers) return Later{"PostgreSQL answers on " + name};
    for (const auto& [parameter, wish] : postgresql_parameters(*view)) {
      const auto found = server.settings.find(parameter);
      if (found == server.settings.end() || kept_by_patroni(parameter)) continue;
      const Setting& running = found->second;
      if (running.context == "postmaster" || running.context == "internal" || running.altered) continue;
      // Somebody's ALTER ROLE or ALTER DATABASE is what this session sees, not what the server is told.
      if (running.source == "user" || running.source == "database" || running.source == "database user" || running.source == "client") continue;
      if (!runs(server, running, wish, view->spec.postgresql_version))
        return Later{parameter + " is " + wish + " on " + name + " (it is " + running.value + running.unit + ")"};
    }
    return Done{};
  };
  return gate(patroni::live(host.name), {.asks = {ask}, .decide = decide, .settle = std::chrono::seconds(2 * view->spec.patroni_loop_wait + 30)});
}

}  // namespace pgcluster::patroni
