// Lets a new replica stream at once. The leader creates slots for the members that it finds in the DCS only once per loop_wait. PostgreSQL is refused
// without a slot, and retries after 5 s (wal_retrieve_retry_interval) or when its settings are reloaded.
#include <algorithm>
#include <cstdio>
#include <optional>

#include "component/patroni/patroni.hpp"
#include "component/patroni/shell.hpp"
#include "component/postgresql/sql.hpp"

namespace pgcluster::patroni {
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

bool makes_slot(const ClusterView& view, const std::string& host) {
  if (configured(view, host) || (begins(view) && host == first_host(view).name)) return false;
  const Pairs& tags = view.topology.host(host).patroni_tags;
  return std::none_of(tags.begin(), tags.end(), [](const auto& tag) { return tag.first == "replicatefrom" || tag.first == "nostream"; });
}

namespace {

// The members that may lead. In a new cluster this is only the host that initialises it, so that many hosts do not all query each other.
std::vector<const TopologyHost*> candidates(const ClusterView& view) {
  if (begins(view)) return {&first_host(view)};
  std::vector<const TopologyHost*> all;
  for (const std::string& name : view.topology.database) all.push_back(&view.topology.host(name));
  return all;
}

// Runs the command and ignores its failure: Patroni does the same by itself, only later.
std::vector<std::string> tried(const std::vector<std::string>& argv) {
  std::vector<std::string> all{"sh", "-c", shell::tried, "sh"};
  all.insert(all.end(), argv.begin(), argv.end());
  return all;
}

std::chrono::seconds patience(const View& view) { return std::chrono::seconds(std::max(60, view->spec.patroni_master_start_timeout)); }

std::vector<Ask> asks(const View& view, const TopologyHost& host) {
  std::vector<Ask> all{member_ask(*view, host), server_ask(*view, host), unit_ask(view->spec, host)};
  for (const TopologyHost* one : candidates(*view)) {
    all.push_back(member_ask(*view, *one));
    all.push_back(server_ask(*view, *one));
  }
  return all;
}

// The progress of a new replica: what it waits for (`otherwise`), or the leader on which it has no slot yet (`leader`). If neither is set, it may
// request WAL.
struct Standing {
  std::optional<Decision> otherwise{};
  const TopologyHost* leader = nullptr;
};

Standing standing(const View& view, const TopologyHost& host, const Answers& answers, Action action) {
  const auto later = [action](const std::string& until) { return Standing{.otherwise = Later{until, Impact::none, action}}; };
  const Member& member = answers.read(member_ask(*view, host), read_member);
  if (member.fine()) return {.otherwise = Done{}};
  if (!member.answers) {
    if (died(view->spec, answers, host)) return {.otherwise = Done{}};  // which its own step tells
    return later("Patroni answers on " + host.name);
  }
  if (!member.rising()) return later(host.name + " is being made a replica");
  for (const TopologyHost* one : candidates(*view)) {
    const Member& its = answers.read(member_ask(*view, *one), read_member);
    const Server& server = answers.read(server_ask(*view, *one), read_server);
    if (!its.leads || !server.writable() || its.settings.empty()) continue;
    if (server.slots && !server.slots->contains(slot_name(host.name))) return {.leader = one};
    return {};
  }
  if (begins(*view) && answers.read(member_ask(*view, first_host(*view)), read_member).fine()) return {.otherwise = Done{}};  // another leads
  return later("a member leads");
}

}  // namespace

StepPtr slot_step(const View& view, const TopologyHost& host) {
  auto decide = [view, host](const Answers& answers) -> Decision {
    const Standing now = standing(view, host, answers, Action::run);
    if (!now.leader) return now.otherwise.value_or(Done{});
    // Removing a key that does not exist changes nothing, but makes the leader start its next round.
    Run run = rest_call(*view, *now.leader, "PATCH", "/config", R"({"pgcluster":null})", 20);
    run.argv = tried(run.argv);
    return Change{.todo = {Do{.at = now.leader->name, .what = std::move(run)}},
                  .action = Action::run,
                  .reason = now.leader->name + " has no replication slot for it yet"};
  };
  return make_step(host.name + "/patroni/slot", {.asks = asks(view, host), .decide = decide, .settle = patience(view)});
}

StepPtr stream_step(const View& view, const TopologyHost& host) {
  auto decide = [view, host](const Answers& answers) -> Decision {
    const Standing now = standing(view, host, answers, Action::reload);
    if (now.otherwise) return *now.otherwise;
    const Server& server = answers.read(server_ask(*view, host), read_server);
    const bool runs = answers.read(member_ask(*view, host), read_member).state == "running" && server.answers;
    // Whether it streams then is what the host's own gate looks at.
    if (runs && server.reloaded) return Done{};
    if (now.leader || !runs) return Later{host.name + " runs as a replica", Impact::none, Action::reload};
    return Change{.todo = {Do{.at = host.name,
                              .what = Run{.argv = tried(psql(*view, host.name, {"-c", "select pg_reload_conf()"})),
                                          .name = "reload PostgreSQL on " + host.name}}},
                  .action = Action::reload,
                  .reason = "it was refused before its slot was there, and waits"};
  };
  return make_step(host.name + "/patroni/stream", {.asks = asks(view, host), .decide = decide, .settle = patience(view)});
}

}  // namespace pgcluster::patroni
