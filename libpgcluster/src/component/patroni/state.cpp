// What Patroni is asked, and how its answers are read.
#include <algorithm>
#include <sstream>

#include "base/joined.hpp"
#include "base/json.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/patroni/patroni.hpp"
#include "component/patroni/shell.hpp"
#include "component/postgresql/postgresql.hpp"
#include "op/facts.hpp"
#include "step/unit_state.hpp"

namespace pgcluster::patroni {
namespace {

using Json = nlohmann::json;

bool barred_by_priority(const Json& tags) {
  const Json& priority = json_read::at(tags, "failover_priority");
  return priority.is_number_integer() && priority.get<std::int64_t>() <= 0;
}

// For curl's configuration file.
std::string curl_quoted(const std::string& value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? "\\n" : std::string(1, c);
  }
  return out + "\"";
}

}  // namespace

std::string rest_base(const Spec& spec, const TopologyHost& host) { return certificates::url(spec, host.address, spec.patroni_restapi_port); }

namespace {

std::vector<std::string> rest(const ClusterView& view, const TopologyHost& host, const std::vector<std::string>& words,
                              const std::vector<std::string>& paths) {
  return certificates::command(certificates::calls(view, certificate, words, host.address, view.spec.patroni_restapi_port, paths));
}

}  // namespace

Ask member_ask(const ClusterView& view, const TopologyHost& host) {
  return {host.name, Exec{.argv = rest(view, host, {"-s", "-m", "3"}, {"/patroni", "/config"}), .about = {"unit:patroni.service", "dcs:config"}}};
}

std::vector<Ask> member_asks(const ClusterView& view) {
  std::vector<Ask> asks;
  for (const TopologyHost* host : view.topology.with(Role::postgres)) asks.push_back(member_ask(view, *host));
  if (view.spec.synchronous_mode)
    for (const TopologyHost* host : view.topology.with(Role::postgres)) asks.push_back(sync_ask(view, *host));
  return asks;
}

bool configured(const ClusterView& view, const std::string& host) {
  const auto it = view.facts.find(host);
  return it != view.facts.end() && owns(it->second, std::string("file:") + config_path);
}

bool begins(const ClusterView& view) {
  return std::none_of(view.topology.database.begin(), view.topology.database.end(), [&](const std::string& name) { return configured(view, name); });
}

Ask unit_ask(const Spec& spec, const TopologyHost& host) {
  const ServiceWish wish = service_wish(spec);
  return {host.name, UnitOf{wish.unit, wish.start_files, wish.load_files}};
}

bool died(const Spec& spec, const Answers& answers, const TopologyHost& host) {
  const auto* unit = answers.get<Unit>(unit_ask(spec, host));
  // One that failed on other files is about to be started on the present ones.
  if (!unit || !unit->start_files_current) return false;
  // It has died three times in both cases.
  return unit->active == "failed" || (dies_again(*unit) && unit->restarts >= (unit->sub == "auto-restart" ? 2 : 3));
}

Member read_member(const Answer& answer) {
  Member found;
  const auto* output = std::get_if<Output>(&answer);
  if (!output) return found;
  // Patroni that has just started answers with its state only: it does not know the settings yet.
  Json state, settings;
  std::istringstream in(output->out);
  if (!json_read::read(in, state) || !state.is_object() || !state.contains("state")) return found;
  const auto end = in.tellg();
  if (json_read::read(in, settings) && settings.is_object()) found.settings = output->out.substr(static_cast<std::size_t>(end));
  found.answers = true;
  found.state = json_read::text(state, "state");
  const std::string role = json_read::text(state, "role");
  found.leads = role == "primary" || role == "master" || role == "standby_leader";
  found.role = role == "standby_leader" ? role : found.leads ? "leader" : "replica";
  if (!found.leads && json_read::flag(state, "sync_standby")) found.role = "sync_standby";
  if (!found.leads && json_read::flag(state, "quorum_standby")) found.role = "quorum_standby";
  found.replication = json_read::text(state, "replication_state");
  found.streams = found.replication == "streaming";
  found.paused = json_read::flag(state, "pause");
  found.timeline = json_read::number<int>(state, "timeline");
  found.start_time = json_read::text(state, "postmaster_start_time");
  found.sync = json_read::flag(state, "sync_standby") || json_read::flag(state, "quorum_standby");
  const Json &tags = json_read::at(state, "tags"), &own = json_read::at(state, "patroni"), &xlog = json_read::at(state, "xlog");
  found.nofailover = json_read::flag(tags, "nofailover") || barred_by_priority(tags);
  found.scope = json_read::text(own, "scope");
  found.name = json_read::text(own, "name");
  found.location = found.leads ? json_read::number(xlog, "location") : json_read::number(xlog, "replayed_location");
  found.received = json_read::number(xlog, "received_location");
  found.pending_restart = json_read::flag(state, "pending_restart");
  for (const auto& [name, reason] : json_read::at(state, "pending_restart_reason").items()) found.pending.insert(name);
  return found;
}

const Member& Members::of(const TopologyHost& host) const {
  static const Member nobody;
  for (const auto& [one, member] : all)
    if (one->name == host.name) return member;
  return nobody;
}

const TopologyHost* Members::leader() const {
  const TopologyHost* found = nullptr;
  for (const auto& [host, member] : all)
    if (member.leads) {
      if (found) return nullptr;
      found = host;
    }
  return found;
}

std::int64_t Members::lag(const TopologyHost& host) const {
  const TopologyHost* first = leader();
  return first && first->name != host.name ? std::max<std::int64_t>(0, of(*first).location - of(host).location) : 0;
}

std::string Members::unfit(const ClusterView& view, const TopologyHost& host) const {
  const Member& member = of(host);
  if (!member.answers) return "its Patroni does not answer";
  if (member.leads) return "it leads already";
  if (!member.fine()) return "it is " + member.shown_state() + ", not streaming";
  if (member.nofailover) return "its tags bar it from leading (nofailover, or failover_priority 0)";
  if (const auto behind = lag(host), most = static_cast<std::int64_t>(view.spec.patroni_maximum_lag_on_failover); behind > most)
    return "it is " + std::to_string(behind) + " bytes behind the leader, and patroni_maximum_lag_on_failover is " + std::to_string(most);
  if (view.spec.synchronous_mode && !is_synchronous(host)) {
    std::string others;
    for (const auto& [one, state] : all)
      if (is_synchronous(*one)) others += (others.empty() ? "; " : ", ") + one->name;
    return "it is not a synchronous standby" + (others.empty() ? "" : others + (others.find(',') == std::string::npos ? " is" : " are"));
  }
  return {};
}

bool Members::is_synchronous(const TopologyHost& host) const { return synchronous ? synchronous->contains(host.name) : of(host).sync; }

std::string Members::why_none(const ClusterView& view) const {
  std::string all_of_them;
  for (const auto& [host, member] : all)
    if (const std::string why = unfit(view, *host); !why.empty() && !member.leads) append(all_of_them, host->name + ": " + why, "; ");
  return all_of_them;
}

std::string Members::words() const {
  std::string text;
  for (const auto& [host, member] : all)
    append(text, !member.answers ? "Patroni on " + host->name + " does not answer"
                 : member.leads  ? host->name + " leads" + (member.state == "running" ? "" : " and is " + member.state)
                                 : host->name + " is " +
                                      (member.state == "running" && member.replication.empty() && !member.streams ? "running, not streaming"
                                                                                                                  : member.shown_state()));
  return text;
}

const TopologyHost* Members::successor(const ClusterView& view, const TopologyHost& from) const {
  const TopologyHost* best = nullptr;
  for (const auto& [host, member] : all)
    if (host->name != from.name && unfit(view, *host).empty() && (!best || lag(*host) < lag(*best))) best = host;
  return best;
}

Members read_members(const ClusterView& view, const Answers& answers) {
  Members members;
  const auto asks = view.derived(member_asks);
  const std::vector<const TopologyHost*> hosts = view.topology.with(Role::postgres);
  for (std::size_t i = 0; i < hosts.size(); ++i) members.all.emplace_back(hosts[i], answers.read((*asks)[i], read_member));
  for (std::size_t i = hosts.size(); i < asks->size() && !members.synchronous; ++i) members.synchronous = answers.read((*asks)[i], read_sync);
  return members;
}

Exec rest_code(const ClusterView& view, const TopologyHost& host, const std::string& path) {
  return {.argv = rest(view, host, {"-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}"}, {path}), .about = {"unit:patroni.service"}};
}

Run rest_call(const ClusterView& view, const TopologyHost& host, const std::string& method, const std::string& path, const std::string& body,
              int seconds) {
  Text config = "request = " + curl_quoted(method) + "\nuser = ";
  const std::string user = curl_quoted(view.spec.patroni_restapi_username + ":");
  const Secret& password = view.secret("patroni_restapi_password");
  const std::string escaped = curl_quoted(password.value);
  config += user.substr(0, user.size() - 1);
  config += Secret{password.name, escaped.substr(1, escaped.size() - 2)};
  config += "\"\nheader = \"Content-Type: application/json\"\ndata-raw = " + curl_quoted(body) + "\nmax-time = " + std::to_string(seconds) + "\n";
  // Errors to where the answer goes: a person wants both.
  const std::vector<std::string> words{"-sS", "--fail-with-body", "--stderr", "-", "-K", "-"};
  const auto calls = certificates::calls(view, certificate, words, host.address, view.spec.patroni_restapi_port, {path});
  const std::string name = "Patroni's " + (path == "/config" ? "change of its settings" : path.substr(1)) + " on " + host.name;
  if (calls.size() == 1) return {.argv = certificates::command(calls), .input = std::move(config), .name = name};
  // The request may be sent only once: a look tells by which scheme Patroni answers now.
  std::vector<std::string> argv{"sh", "-c", shell::rest_call, "sh", net::host_port(host.address, view.spec.patroni_restapi_port) + path};
  argv.insert(argv.end(), words.begin(), words.end());
  return {.argv = std::move(argv), .input = std::move(config), .name = name};
}

Run copy_again(const ClusterView& view, const TopologyHost& host) {
  return {.argv = {"sh", "-c", shell::copy_again, "sh", postgresql_data_dir(view, host.name),
                   net::host_port(host.address, view.spec.patroni_restapi_port)},
          .touches = {std::string("unit:") + unit_name},
          .name = "empty the data directory of " + host.name + " and have Patroni copy it again"};
}

}  // namespace pgcluster::patroni
