// What must hold before and after Patroni starts, and its configuration file.
#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/digest.hpp"
#include "component/patroni/patroni.hpp"
#include "component/patroni/shell.hpp"
#include "component/postgresql/postgresql.hpp"
#include "component/postgresql/sql.hpp"
#include "op/ask.hpp"

namespace pgcluster::patroni {
namespace {

using std::chrono::seconds;

Ask journal(const std::string& host) { return journal_ask(host, unit_name); }

// By its tags: the host is never made a synchronous standby.
bool never_synchronous(const TopologyHost& host) {
  return std::any_of(host.patroni_tags.begin(), host.patroni_tags.end(), [](const auto& tag) {
    return (tag.first == "nosync" && tag.second == "true") || (tag.first == "sync_priority" && tag.second == "0");
  });
}

// Whether the member is a replica that may become a synchronous standby.
bool may_stand_by(const ClusterView& view, const TopologyHost& host, const Member& member) {
  return !member.leads && !view.leaves_out(host.name) && !never_synchronous(host);
}

// The decision of a step that waits for a Patroni that has died; nullopt if it has not died. A Patroni that died repeatedly but runs now may stay up,
// because the cause may have been fixed.
std::optional<Decision> death(const ClusterView& view, const Answers& answers, const TopologyHost& host) {
  if (!died(view.spec, answers, host)) return std::nullopt;
  const std::string message = std::string(unit_name) + " on " + host.name + " has died";
  const auto* unit = answers.get<Unit>(unit_ask(view.spec, host));
  if (unit->active != "failed" && unit->sub != "auto-restart")
    return Later{.until = std::string(unit_name) + " on " + host.name + " stays up", .wrong = message, .patience = seconds(5), .host = host.name};
  return Refused{{.message = message, .hint = "its last journal lines show why"}, Code::not_converged, host.name};
}

constexpr long least_free_mib = 64;  // an empty server takes 40

struct Making {
  long free_mib = -1;
  int failed = 0;
  std::string why;
};
Making read_making(const std::string* out) {
  Making making;
  std::istringstream lines(out ? *out : "");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("free ")) making.free_mib = std::strtol(line.c_str() + 5, nullptr, 10) / 1024;
    if (line.starts_with("why ")) making.why = line.substr(4);
    making.failed += line == "failed";
  }
  return making;
}

// The file without PostgreSQL's addresses and lines of access.
std::string without_access(const std::string& config) {
  std::string rest, section, key;
  std::istringstream lines(config);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != ' ') section = line, key.clear();
    if (line.starts_with("  ") && line.size() > 2 && line[2] != ' ') key = line.substr(2, line.find(':') - 2);
    const bool access = key == "listen" || key == "pg_hba" || key == "pg_ident" || line.starts_with("    pgcluster.config:");
    if (section != "postgresql:" || !access) rest += line + "\n";
  }
  return rest;
}

// How the former file comes back. Only addresses and lines of access may: the former passwords, certificates and DCS would shut the member out, and
// so would the former lines a member that joins.
std::vector<Do> former_file(const ClusterView& view, const std::string& host, const File& former, const WriteFile& now) {
  const std::vector<std::string>& members = view.topology.database;
  if (!std::all_of(members.begin(), members.end(), [&](const std::string& name) { return configured(view, name); })) return {};
  const std::string text = now.content.reveal();
  if (without_access(former.content) != without_access(text)) return {};
  Text content;
  content += Secret{"the former file", former.content};
  WriteFile write{.path = now.path, .content = std::move(content), .mode = former.mode, .owner = former.owner, .group = former.group};
  return {{.at = host, .what = std::move(write), .was = File{.sha256 = sha256_hex(text), .mode = now.mode, .owner = now.owner, .group = now.group}},
          {.at = host, .what = SetUnit{unit_name, SetUnit::Go::reload, {}}}};
}

}  // namespace

StepPtr foreign_step(const View& view, const TopologyHost& host) {
  const std::string name = host.name + "/patroni/stranger";
  const Spec& spec = view->spec;
  const std::string data = postgresql_data_dir(*view, host.name);
  const Ask look{host.name,
                 Exec{.argv = shell_look(shell::foreign_server, {data, postgresql_bin_dir(*view, host.name), std::string("file:") + config_path,
                                                                 std::to_string(spec.postgresql_port), std::to_string(spec.patroni_restapi_port)})}};
  // The answer is not needed here, but asking keeps the programs for fresh and for deployed hosts equal.
  if (configured(*view, host.name)) return gate(name, {.asks = {look}, .decide = [](const Answers&) -> Decision { return Done{}; }});
  const Ask initialize = initialize_ask(*view, host);
  auto decide = [=, host = host.name](const Answers& answers) -> Decision {
    const std::string* found = answers.out(look);
    if (!found) return Done{};
    std::istringstream lines(*found);
    const std::string system_id = read_system_id(*view, answers[initialize]);
    for (std::string kind, value, line; std::getline(lines, line);) {
      kind = line.substr(0, 4);
      value = line.size() > 5 ? line.substr(5) : "";
      // The data belongs to this cluster, but the host has lost its list of owned resources.
      if (kind == "data" && !value.empty() && value == system_id) return Done{};
      if (kind == "data")
        return Refused{
            {.message = host + " has a PostgreSQL server's data in " + data + " that is not this cluster's",
             .hint = "take the host out of the spec, or move the data away if nobody needs it; pgcluster never overwrites a data directory"}};
      if (kind == "port") {
        const auto space = value.find(' ');
        const std::string process = space + 1 < value.size() && space != std::string::npos ? value.substr(space + 1) : "somebody else's process";
        return Refused{{.message = "port " + value.substr(0, space) + " on " + host + " is taken by " + process,
                        .hint = "ss -ltnp shows whose it is: stop it, or give the cluster another port"}};
      }
    }
    return Done{};
  };
  return gate(name, {.asks = {look, initialize}, .decide = decide});
}

StepPtr config_step(const View& view, const TopologyHost& host) {
  const Ask ask{host.name, FileOf{config_path}};
  const Ask initialize = initialize_ask(*view, host);
  const Text head = config_head(*view, host);
  auto decide = [=, name = host.name, account = view->platform(host.name).patroni.account,
                 bootstrap = config_bootstrap(*view)](const Answers& answers) -> Decision {
    const Answer& answer = answers[ask];
    WriteFile write{.path = config_path, .content = head + bootstrap, .mode = 0600, .owner = account, .group = account};
    Change change{.todo = {}, .action = Action::create, .reason = "the file is not there"};
    std::string before;
    std::optional<Answer> was = Absent{};
    if (const auto* found = std::get_if<File>(&answer)) {
      if (found->kind != File::Kind::regular)
        return Refused{{.message = std::string(config_path) + " is not a regular file", .hint = "move it away: pgcluster writes a file there"}};
      // What the cluster began with is history: the file keeps it as it is.
      const auto old = bootstrap_at(found->content);
      if (old != std::string::npos && read_initialized(answers[initialize]) != Initialized::no) write.content = head + found->content.substr(old);
      const bool same = found->content == write.content.reveal();
      if (same && found->mode == write.mode && found->owner == write.owner && found->group == write.group) return Done{};
      change.action = Action::update;
      change.reason = same ? "owner or mode differ" : "the file differs";
      before = found->content;
      change.undo = former_file(*view, name, *found, write);
      File without = *found;
      without.content.clear();
      was = without;
    } else if (!std::holds_alternative<Absent>(answer)) {
      const auto* why = std::get_if<Unreadable>(&answer);
      return Refused{
          {.message = std::string("cannot read ") + config_path + (why ? ": " + why->why : ""), .hint = "look at it on the host, then plan again"},
          Code::command_failed};
    }
    change.diff = unified_diff(config_path, before, write.content);
    change.todo.push_back({.at = name, .what = std::move(write), .was = was});
    return change;
  };
  return make_step(host.name + "/patroni/config", {.asks = {ask, initialize}, .decide = decide, .keeps = {std::string("file:") + config_path}});
}

StepPtr passwords_gate(const View& view, const TopologyHost& host) {
  auto decide = [view](const Answers& answers) -> Decision {
    const TopologyHost* leader = writable_host(*view, answers);
    if (!leader || knows_passwords(*view, answers.read(server_ask(*view, *leader), read_server))) return Done{};
    return Later{leader->name + " knows the new passwords of superuser and replication"};
  };
  return gate(host.name + "/patroni/passwords", {.asks = {}, .decide = decide, .settle = seconds(90), .common = view->derived(server_asks)});
}

StepPtr reload_step(const View& view, const TopologyHost& host) {
  const Ask ask = unit_ask(view->spec, host);
  auto decide = [ask, name = host.name](const Answers& answers) -> Decision {
    const auto* unit = answers.get<Unit>(ask);
    if (!unit || unit->active != "active" || unit->load_files_current) return Done{};
    return Change{.todo = {Do{.at = name, .what = SetUnit{unit_name, SetUnit::Go::reload, {}}}},
                  .action = Action::reload,
                  .impact = Impact::reload,
                  .reason = "Patroni has not read the changed file"};
  };
  return make_step(host.name + "/patroni/reload", {.asks = {ask}, .decide = decide, .settle = seconds(30)});
}

StepPtr loaded_gate(const View& view, const TopologyHost& host) {
  const Ask ask = server_ask(*view, host);
  const Ask unit = unit_ask(view->spec, host);
  const std::string round = std::to_string(view->spec.patroni_loop_wait);
  auto decide = [=, mark = config_mark(*view, host), name = host.name](const Answers& answers) -> Decision {
    const Server& server = answers.read(ask, read_server);
    // A server that does not run will start with the file; one whose file is about to change is looked at again when it has.
    if (!server.answers || server.config == mark || answers.pending(unit)) return Done{};
    return Later{.until = "Patroni has read " + std::string(config_path) + " on " + name,
                 .seen = "PostgreSQL still runs with the former settings: Patroni reads a changed file in its next round, within " + round + " s"};
  };
  return gate(loaded(host.name),
              {.asks = {ask, unit}, .decide = decide, .settle = seconds(2 * view->spec.patroni_loop_wait + 60), .evidence = {journal(host.name)}});
}

const TopologyHost& first_host(const ClusterView& view) {
  for (const std::string& name : view.topology.database)
    if (!view.leaves_out(name)) return view.topology.host(name);
  return view.topology.host(view.topology.database.front());
}

StepPtr dcs_gate(const View& view, const TopologyHost& host) {
  const TopologyHost first = first_host(*view);
  const Ask initialize = initialize_ask(*view, host);
  std::vector<Ask> asks{initialize};
  if (host.name != first.name) asks.push_back(unit_ask(view->spec, first));
  auto decide = [=, is_first = host.name == first.name, type = view->topology.dcs_type](const Answers& answers) -> Decision {
    const Initialized is = read_initialized(answers[initialize]);
    if (is == Initialized::yes || (is == Initialized::no && is_first)) return Done{};
    if (!is_first)
      if (auto dead = death(*view, answers, first)) return *dead;
    return Later{is_first ? std::string(to_string(type)) + " answers with a quorum" + (type == DcsType::etcd ? ", and has seen each member once" : "")
                          : first.name + " has initialised the cluster"};
  };
  const bool is_first = host.name == first.name;
  return gate(dcs(host.name), {.asks = asks,
                               .decide = decide,
                               .settle = seconds(300),
                               .evidence = is_first ? dcs_evidence(*view, host) : std::vector<Ask>{journal(first.name)},
                               .brought_by = {is_first ? std::vector<StepRef>{} : std::vector<StepRef>{created(first.name)}}});
}

StepPtr created_gate(const View& view, const TopologyHost& host) {
  const Ask ask = member_ask(*view, host);
  const Ask look{host.name, Exec{.argv = shell_look(shell::making_server,
                                                    {postgresql_data_dir(*view, host.name), std::to_string(3 * view->spec.patroni_loop_wait)}),
                                 .about = {"unit:patroni.service"}}};
  auto decide = [=](const Answers& answers) -> Decision {
    const Member& member = answers.read(ask, read_member);
    if (!member.answers && answers.pending(ask)) return Done{};  // looked at again when it is reached
    if (member.answers && member.scope != view->spec.patroni_cluster_name)
      return Refused{
          {.message = "the Patroni on " + host.name + " belongs to the cluster '" + member.scope + "'", .hint = "see /etc/patroni on the host"}};
    if (member.state == "running" || member.state == "restarting") return Done{};
    if (auto dead = death(*view, answers, host)) return *dead;
    // Patroni would try it again and again.
    const Making making = read_making(answers.out(look));
    if (making.free_mib >= 0 && making.free_mib < least_free_mib)
      return Refused{{.message = "the disk under /var/lib/postgresql on " + host.name + " is full: " + std::to_string(making.free_mib) + " MiB free",
                      .hint = "make room for the whole database"},
                     Code::not_converged};
    Later later{"Patroni has brought up PostgreSQL on " + host.name + (member.answers ? " (it is " + member.state + ")" : "")};
    if (making.failed > 1) {
      later.wrong = "Patroni repeatedly fails to create the data directory on " + host.name + (making.why.empty() ? "" : ": " + making.why);
      // Longer than the window of the journal, so that failures from before the cause was fixed have left it.
      later.patience = seconds(3 * view->spec.patroni_loop_wait + 10);
    }
    return later;
  };
  return gate(created(host.name),
              {.asks = {ask, unit_ask(view->spec, host), look}, .decide = decide, .settle = std::chrono::hours(1), .evidence = {journal(host.name)}});
}

StepPtr member_gate(const View& view, const TopologyHost& host, const StepRef& step) {
  const Ask ask = member_ask(*view, host);
  auto decide = [=](const Answers& answers) -> Decision {
    const Member& member = answers.read(ask, read_member);
    if (answers.pending(ask) || member.fine()) return Done{};
    if (auto dead = death(*view, answers, host)) return *dead;
    const std::string now = !member.answers             ? "Patroni does not answer"
                            : member.state != "running" ? "it is " + member.state
                                                        : "it does not stream yet";
    return Later{host.name + " runs as a member (" + now + ")"};
  };
  return gate(step, {.asks = {ask, unit_ask(view->spec, host)},
                     .decide = decide,
                     .settle = seconds(view->spec.patroni_master_start_timeout),
                     .evidence = {journal(host.name)}});
}

std::size_t Members::able_standbys(const ClusterView& view) const {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& one) { return may_stand_by(view, *one.first, one.second); }));
}

StepPtr synchronous_gate(const View& view) {
  auto decide = [view](const Answers& answers) -> Decision {
    const Members members = read_members(*view, answers);
    if (!members.leader()) return Later{.until = "a member leads", .seen = members.words()};
    // By the DCS, which decides who may lead, and by its own word, by which balancers send clients to it.
    const auto stand = static_cast<std::size_t>(std::count_if(members.all.begin(), members.all.end(), [&](const auto& one) {
      return may_stand_by(*view, *one.first, one.second) && members.is_synchronous(*one.first) && one.second.sync;
    }));
    const std::size_t wanted = std::min<std::size_t>(members.able_standbys(*view), static_cast<std::size_t>(view->spec.synchronous_node_count));
    if (stand >= wanted) return Done{};
    return Later{std::to_string(wanted) + (wanted == 1 ? " synchronous standby stands" : " synchronous standbys stand") +
                     (stand == 0 ? " (Patroni names none yet)" : " (Patroni names " + std::to_string(stand) + ")"),
                 Impact::none,
                 Action::wait,
                 {},
                 seconds(0),
                 members.words()};
  };
  std::vector<Ask> evidence;
  for (const TopologyHost* host : view->topology.with(Role::postgres))
    if (!view->leaves_out(host->name)) evidence.push_back(journal(host->name));
  return gate("cluster/patroni/synchronous", {.asks = {},
                                              .decide = decide,
                                              .settle = seconds(3 * view->spec.patroni_loop_wait + 60),
                                              .evidence = evidence,
                                              .common = view->derived(member_asks)});
}

StepPtr leader_gate(const View& view) {
  std::vector<Ask> asks = member_asks(*view);
  const TopologyHost first = first_host(*view);
  asks.push_back(unit_ask(view->spec, first));
  auto decide = [view, first](const Answers& answers) -> Decision {
    const Members members = read_members(*view, answers);
    // Patroni reports its first server as primary as soon as it takes writes. It then creates the roles; only after that does it report the settings
    // and lead.
    if (const TopologyHost* leader = members.leader(); leader && members.of(*leader).state == "running" && !members.of(*leader).settings.empty())
      return Done{};
    const bool any = std::any_of(members.all.begin(), members.all.end(), [](const auto& one) { return one.second.answers; });
    if (!any)
      if (auto dead = death(*view, answers, first)) return *dead;
    const auto leaders = std::count_if(members.all.begin(), members.all.end(), [](const auto& one) { return one.second.leads; });
    return Later{.until = leaders > 1 ? "only one member leads" : "a member leads", .seen = members.words()};
  };
  std::vector<StepRef> servers;  // where none of them has come up, nobody will lead
  for (const std::string& name : view->topology.database)
    if (!view->leaves_out(name)) servers.push_back(created(name));
  return gate(leader(), {.asks = asks,
                         .decide = decide,
                         .settle = seconds(view->spec.patroni_master_start_timeout + 120),
                         .evidence = {journal(first.name)},
                         .brought_by = {std::move(servers)}});
}

StepPtr departure_gate(const View& view, const TopologyHost& left) {
  const Ask own = member_ask(*view, left);
  std::vector<Ask> asks = member_asks(*view);
  asks.push_back(own);
  auto decide = [view, own, host = left.name](const Answers& answers) -> Decision {
    if (answers.read(own, read_member).leads)
      return Refused{{.message = host + " leads the cluster, and would be removed with its data",
                      .hint = "describe it again and hand leadership over first: pgcluster switchover --to another host; then prune"}};
    if (!read_members(*view, answers).leader())
      return Refused{{.message = "no host of the spec leads the cluster: the data of " + host + ", which would be removed, may be all that there is",
                      .hint = "see status, and prune when a host of the spec leads"}};
    return Done{};
  };
  return gate(left.name + "/patroni/departure", {.asks = asks, .decide = decide});
}

}  // namespace pgcluster::patroni
