// A new replica streams at once. Its leader makes slots for the members that it sees in the DCS once a round, every loop_wait seconds; PostgreSQL,
// refused without a slot, asks again after 5 s (wal_retrieve_retry_interval), or when its settings are loaded anew.
#include <cstdio>
#include <optional>

#include "component/patroni.hpp"
#include "component/sql.hpp"

namespace pgcluster::patroni {
namespace {

std::vector<Ask> all_asks(const ClusterView& view) {
  std::vector<Ask> asks = member_asks(view);
  const std::vector<Ask> servers = server_asks(view);
  asks.insert(asks.end(), servers.begin(), servers.end());
  return asks;
}

}  // namespace

std::string slot_name(const std::string& member) {
  std::string name;
  for (const char c : member) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') {
      name += c;
    } else if (c >= 'A' && c <= 'Z') {
      name += static_cast<char>(c - 'A' + 'a');
    } else if (c == '-' || c == '.') {
      name += '_';
    } else {
      char code[8];
      std::snprintf(code, sizeof code, "u%04d", static_cast<unsigned char>(c));
      name += code;
    }
  }
  return name.substr(0, 63);
}

namespace {

// What a new replica waits for until it may ask its leader for WAL; empty: it has its slot, or there is nothing to hurry.
struct Standing {
  const TopologyHost* leader = nullptr;  // where it has no slot yet
  std::optional<Decision> otherwise{};
};

Standing standing(const View& view, const TopologyHost& host, const Answers& answers, Action action) {
  const auto later = [action](const std::string& until) { return Standing{.otherwise = Later{until, Impact::none, action}}; };
  const Members members = read_members(*view, answers);
  const Member& member = members.of(host);
  if (member.fine()) return {.otherwise = Done{}};
  if (!member.answers) {
    if (died(answers, host)) return {.otherwise = Done{}};  // which its own step tells
    return later("Patroni answers on " + host.name);
  }
  if (!member.rising()) return later(host.name + " is being made a replica");
  const TopologyHost* leader = members.leader();
  const Server& server = leader ? answers.read(server_ask(*view, *leader), read_server) : Server{};
  if (!server.writable() || members.of(*leader).settings.empty()) return later("a member leads");
  if (server.slots && !server.slots->contains(slot_name(host.name))) return {.leader = leader};
  return {};
}

}  // namespace

StepPtr slot_step(const View& view, const TopologyHost& host) {
  auto decide = [view, host](const Answers& answers) -> Decision {
    const Standing now = standing(view, host, answers, Action::run);
    if (!now.leader) return now.otherwise.value_or(Done{});
    // Taking away what is not there changes nothing, and the leader begins its next round.
    return Change{.todo = {Do{.at = now.leader->name, .what = rest_call(*view, *now.leader, "PATCH", "/config", R"({"pgcluster":null})", 20)}},
                  .action = Action::run,
                  .reason = now.leader->name + " has no replication slot for it yet"};
  };
  return make_step(host.name + "/patroni/slot",
                   {.asks = {unit_ask(host)}, .decide = decide, .settle = std::chrono::hours(1), .common = view->derived(all_asks)});
}

StepPtr stream_step(const View& view, const TopologyHost& host) {
  auto decide = [view, host](const Answers& answers) -> Decision {
    const Standing now = standing(view, host, answers, Action::reload);
    if (now.otherwise) return *now.otherwise;
    if (now.leader || read_members(*view, answers).of(host).state != "running")
      return Later{host.name + " runs as a replica", Impact::none, Action::reload};
    return Change{.todo = {Do{.at = host.name, .what = Run{.argv = psql(view->spec, {"-c", "select pg_reload_conf()"})}}},
                  .action = Action::reload,
                  .reason = "it was refused before its slot was there, and waits"};
  };
  return make_step(host.name + "/patroni/stream",
                   {.asks = {unit_ask(host)}, .decide = decide, .settle = std::chrono::hours(1), .common = view->derived(all_asks)});
}

}  // namespace pgcluster::patroni
