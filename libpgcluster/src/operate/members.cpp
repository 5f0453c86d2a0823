// Planners of single operations on members: switchover, failover, restart, reload, reinit, pause, resume.
#include <algorithm>

#include "base/joined.hpp"
#include "component/patroni/patroni.hpp"
#include "component/postgresql/sql.hpp"
#include "operate/declared.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

using std::chrono::seconds;

// The state of the cluster when one of these planners starts.
struct Scene {
  std::shared_ptr<const ClusterView> view;
  Hosts hosts;
  std::vector<const TopologyHost*> hosts_that_answer;
  patroni::Members members;  ///< of all database hosts; answers is false for unreachable ones
  std::string leader;
  std::shared_ptr<const ClusterView> asked_by{};  ///< keeps the hosts alive to which `members` points
  std::map<std::string, Error> lost{};            ///< why a host could not be asked

  const Spec& spec() const { return view->spec; }
  Ask ask(const TopologyHost& host) const { return patroni::member_ask(*view, host); }
  std::vector<Ask> asks() const {
    std::vector<Ask> all = *view->derived(patroni::member_asks);
    std::erase_if(all, [&](const Ask& one) { return !hosts.contains(one.at); });
    return all;
  }
  const patroni::Member& state(const TopologyHost& host) const { return members.of(host); }
  patroni::Member state(const Answers& answers, const TopologyHost& host) const { return patroni::read_member(answers[ask(host)]); }
  const TopologyHost& member(const std::string& name) const {
    for (const TopologyHost* host : hosts_that_answer)
      if (host->name == name) return *host;
    if (const auto it = lost.find(name); it != lost.end()) throw it->second;
    throw Error(Code::refused, name + " is not a database host of " + spec().patroni_cluster_name, "see the spec's hosts, or status");
  }
  Run call(const TopologyHost& host, const std::string& method, const std::string& path, const std::string& body) const {
    Run run = patroni::rest_call(*view, host, method, path, body, 90);
    run.touches = {std::string("unit:") + patroni::unit_name};
    return run;
  }
};

Scene look(const Spec& spec, Executor& executor, const OperateOptions& options) {
  Scene scene;
  const Topology topology = resolve(spec);
  scene.hosts = hosts_of(topology);
  std::map<std::string, std::vector<Ask>> asks;
  const auto outline_now = outline(spec, topology);
  for (const TopologyHost* host : topology.with(Role::postgres)) {
    asks[host->name] = facts_asks(host->name);
    asks[host->name].push_back(patroni::member_ask(*outline_now, *host));
    if (spec.synchronous_mode) asks[host->name].push_back(patroni::sync_ask(*outline_now, *host));
  }
  const Observed observed = observe(scene.hosts, asks, executor, plan_options(options));
  std::map<std::string, Facts> facts;
  Answers states;
  for (const auto& [name, answers] : observed.answers) {
    const auto own = facts_asks(name).size();
    for (std::size_t i = own; i < answers.size(); ++i) states.set(asks.at(name)[i], answers[i]);
    facts[name] = read_facts(name, {answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(own)});
  }
  if (facts.empty()) {
    if (!observed.errors.empty()) throw observed.errors.begin()->second;
    throw Error(
        {.code = Code::timed_out, .message = "no database host answered in time", .hint = "see whether the hosts are overloaded", .retryable = true});
  }
  scene.lost = observed.errors;
  // What is asked of the others must not wait for hosts that cannot be reached.
  std::erase_if(scene.hosts, [&](const auto& host) { return !facts.contains(host.first); });
  scene.view = make_view(spec, topology, std::move(facts), with_builtin(options.components));
  scene.asked_by = outline_now;
  scene.members = patroni::read_members(*outline_now, states);
  if (const TopologyHost* leader = scene.members.leader()) scene.leader = leader->name;
  for (const TopologyHost* host : scene.view->topology.with(Role::postgres))
    if (scene.hosts.contains(host->name)) scene.hosts_that_answer.push_back(host);
  return scene;
}

Plan finish(const Scene& scene, const Steps& steps, Executor& executor, const OperateOptions& options, std::string planner,
            std::map<std::string, std::string> given = {}) {
  PlanOptions plan = plan_options(options);
  plan.origin = {.planner = std::move(planner), .spec = dump(scene.spec(), Secrets::references), .options = std::move(given)};
  return make_plan(scene.hosts, steps, executor, plan);
}

const std::string& need_leader(const Scene& scene) {
  if (scene.leader.empty())
    throw Error(Code::refused, "no member of " + scene.spec().patroni_cluster_name + " leads", "see status; failover --to HOST promotes a replica");
  return scene.leader;
}

const TopologyHost& fittest_replica(const Scene& scene, const TopologyHost& leader) {
  if (const TopologyHost* best = scene.members.successor(*scene.view, leader)) return *best;
  Failure failure{.code = Code::refused, .message = "no replica is fit to lead", .hint = "see status, and fix one of them first"};
  for (const TopologyHost* host : scene.hosts_that_answer)
    if (host->name != leader.name) failure.diagnostics.push_back({.message = scene.members.unfit(*scene.view, *host), .path = host->name});
  throw Error(std::move(failure));
}

Decision ends_with(const Scene& scene, const Answers& answers, const std::string& to, const std::string& from) {
  const auto later = [&](const std::string& until) { return Later{.until = until, .seen = patroni::read_members(*scene.view, answers).words()}; };
  if (!scene.state(answers, scene.member(to)).leads) return later(to + " leads");
  if (!from.empty() && from != to && !scene.state(answers, scene.member(from)).runs()) return later(from + " follows as a replica");
  return Done{};
}

// `what` of one member, until it shows another mark (start time, load time) than now.
Steps once(const Scene& scene, const TopologyHost& host, const std::string& what, const Run& run, const Ask& mark, const std::string& now,
           Action action, Impact impact, std::chrono::seconds limit = seconds(120)) {
  const Ask state = scene.ask(host);
  auto decide = [=](const Answers& answers) -> Decision {
    const auto* shown = answers.get<Output>(mark);
    const std::string read = mark == state ? patroni::read_member(answers[mark]).start_time : shown ? shown->out : "";
    if (read.empty())
      return now.empty() ? Decision(Refused{{.message = host.name + " does not answer", .hint = "see status"}}) : Later{host.name + " is back"};
    if (read != now) return Done{};
    return Change{.todo = {Do{.at = host.name, .what = run, .limit = limit}}, .action = action, .impact = impact, .reason = "asked for"};
  };
  const Steps step = make_step(host.name + "/patroni/" + what, {.asks = {mark}, .decide = decide, .settle = seconds(120)});
  auto healthy = [=, name = host.name](const Answers& answers) -> Decision {
    if (patroni::read_member(answers[state]).runs()) return Done{};
    return Later{name + " runs again"};
  };
  return sequence(step, gate(host.name + "/patroni/healthy-after-" + what, {.asks = {state}, .decide = healthy, .settle = seconds(300)}));
}

std::vector<const TopologyHost*> chosen(const Scene& scene, const std::string& host) {
  if (!host.empty()) return {&scene.member(host)};
  std::vector<const TopologyHost*> all = scene.hosts_that_answer;
  std::stable_partition(all.begin(), all.end(), [&](const TopologyHost* one) { return one->name != scene.leader; });
  return all;
}

Plan set_pause(const Spec& spec, Executor& executor, const OperateOptions& options, bool pause) {
  const Scene scene = look(spec, executor, options);
  const TopologyHost& at = scene.member(need_leader(scene));
  const Ask ask = scene.ask(at);
  const Run run = scene.call(at, "PATCH", "/config", pause ? R"({"pause":true})" : R"({"pause":null})");
  auto decide = [=](const Answers& answers) -> Decision {
    const patroni::Member state = patroni::read_member(answers[ask]);
    if (!state.answers) return Later{at.name + " answers"};
    if (state.paused == pause) return Done{};
    return Change{.todo = {Do{.at = at.name, .what = run}},
                  .action = Action::update,
                  .reason = pause ? "automatic failover is to stop" : "automatic failover is to go on"};
  };
  const std::string name = pause ? "pause" : "resume";
  return finish(scene, make_step("cluster/patroni/" + name, {.asks = {ask}, .decide = decide, .settle = seconds(60)}), executor, options, name);
}

}  // namespace

// Whether waiting may help: no replica is synchronous yet, or one is on its way to stream. Patroni names a synchronous standby some seconds after it
// streams, and a new one after each switchover.
bool may_come(const Scene& scene, const std::string& to) {
  for (const auto& [host, member] : scene.members.all) {
    if (!to.empty() && host->name != to) continue;
    if (member.leads || !member.answers || member.nofailover) continue;
    if (member.rising()) return true;
    if (scene.spec().synchronous_mode && member.fine() && (!scene.members.synchronous || scene.members.synchronous->empty())) return true;
  }
  return false;
}

Plan plan_switchover(const Spec& spec, Executor& executor, const LeaderOptions& options) {
  const Scene scene = look(spec, executor, options);
  const std::string from = need_leader(scene);
  const TopologyHost& leader = scene.member(from);
  std::string to = options.to.empty() ? std::string() : scene.member(options.to).name;
  if (to.empty()) {
    if (const TopologyHost* best = scene.members.successor(*scene.view, leader))
      to = best->name;
    else if (!may_come(scene, to))
      fittest_replica(scene, leader);  // throws why there is none
  } else if (from != to && !may_come(scene, to)) {
    if (const std::string why = scene.members.unfit(*scene.view, scene.member(to)); !why.empty()) {
      std::string others;
      for (const TopologyHost* host : scene.hosts_that_answer)
        if (scene.members.unfit(*scene.view, *host).empty()) append(others, host->name);
      throw Error({.code = Code::refused,
                   .message = to + " is not fit to lead: " + why,
                   .hint = others.empty() ? "no other replica is fit either: see status" : "fit to lead: " + others,
                   .host = to});
    }
  }
  auto decide = [=](const Answers& answers) -> Decision {
    const patroni::Members members = patroni::read_members(*scene.view, answers);
    const TopologyHost* leads = members.leader();
    const bool handed_over = leads && leads->name != from;
    if (handed_over || from == to) return ends_with(scene, answers, to.empty() ? leads->name : to, from);
    if (!members.of(scene.member(from)).leads) return Later{.until = to.empty() ? "another member leads" : to + " leads", .seen = members.words()};
    const TopologyHost* next = to.empty() ? members.successor(*scene.view, scene.member(from)) : &scene.member(to);
    if (!next) return Later{"a replica is fit to lead (" + members.why_none(*scene.view) + ")", Impact::switchover, Action::switchover};
    if (const std::string why = members.unfit(*scene.view, *next); !why.empty())
      return Later{next->name + " is fit to lead (" + why + ")", Impact::switchover, Action::switchover};
    Run run = scene.call(scene.member(from), "POST", "/switchover", R"({"leader":")" + from + R"(","candidate":")" + next->name + "\"}");
    run.look = patroni::rest_code(*scene.view, scene.member(from), "/primary");
    return Change{.todo = {Do{.at = from, .what = run, .was = Output{.out = "200"}, .limit = seconds(120)}},
                  .action = Action::switchover,
                  .impact = Impact::switchover,
                  .reason = from + " hands over to " + next->name};
  };
  const Steps step = make_step("cluster/patroni/switchover", {.asks = scene.asks(), .decide = decide, .settle = seconds(120)});
  return finish(scene, step, executor, options, "switchover", {{"to", to}});
}

Plan plan_failover(const Spec& spec, Executor& executor, const LeaderOptions& options) {
  if (options.to.empty())
    throw Error(Code::refused, "failover needs the name of the replica to promote", "name it (--to HOST); status shows the replicas and their lag");
  const Scene scene = look(spec, executor, options);
  const TopologyHost& to = scene.member(options.to);
  if (!scene.state(to).answers) throw Error({.code = Code::refused, .message = to.name + " does not answer", .hint = "see status", .host = to.name});
  const Run run = scene.call(to, "POST", "/failover", R"({"candidate":")" + to.name + "\"}");
  auto decide = [=](const Answers& answers) -> Decision {
    if (scene.state(answers, to).leads) return Done{};
    return Change{.todo = {Do{.at = to.name, .what = run, .limit = seconds(120)}},
                  .action = Action::switchover,
                  .impact = scene.leader.empty() ? Impact::data : Impact::switchover,
                  .reason = to.name + " is promoted" + (scene.leader.empty() ? "; what it had not received is lost" : "")};
  };
  const Steps step = make_step("cluster/patroni/failover", {.asks = scene.asks(), .decide = decide, .settle = seconds(120)});
  return finish(scene, step, executor, options, "failover", {{"to", options.to}});
}

Plan plan_restart(const Spec& spec, Executor& executor, const MemberOptions& options) {
  const Scene scene = look(spec, executor, options);
  std::vector<Steps> all;
  for (const TopologyHost* host : chosen(scene, options.host))
    all.push_back(once(scene, *host, "restart", scene.call(*host, "POST", "/restart", "{}"), scene.ask(*host), scene.state(*host).start_time,
                       Action::restart, host->name == scene.leader ? Impact::outage : Impact::restart));
  return finish(scene, sequence(std::move(all)), executor, options, "restart", {{"host", options.host}});
}

Plan plan_reload(const Spec& spec, Executor& executor, const MemberOptions& options) {
  const Scene scene = look(spec, executor, options);
  std::map<std::string, std::vector<Ask>> asks;
  const auto loaded = [&](const TopologyHost& host) {
    return Ask{host.name, Exec{.argv = psql(*scene.view, host.name, {"-c", "select pg_conf_load_time()"}),
                               .about = {std::string("unit:") + patroni::unit_name}}};
  };
  const auto members = chosen(scene, options.host);
  for (const TopologyHost* host : members) asks[host->name] = {loaded(*host)};
  const Observed observed = observe(scene.hosts, asks, executor, plan_options(options));
  std::vector<Steps> all;
  for (const TopologyHost* host : members) {
    const auto it = observed.answers.find(host->name);
    const auto* output = it == observed.answers.end() ? nullptr : std::get_if<Output>(&it->second.front());
    all.push_back(once(scene, *host, "reload", scene.call(*host, "POST", "/reload", "{}"), loaded(*host),
                       output && output->status == 0 ? output->out : "", Action::reload, Impact::reload));
  }
  return finish(scene, parallel(std::move(all)), executor, options, "reload", {{"host", options.host}});
}

Plan plan_reinit(const Spec& spec, Executor& executor, const MemberOptions& options) {
  if (options.host.empty()) throw Error(Code::refused, "reinit needs to know which replica is to be copied anew", "name the host");
  const Scene scene = look(spec, executor, options);
  const TopologyHost& host = scene.member(options.host);
  if (host.name == need_leader(scene))
    throw Error({.code = Code::refused, .message = host.name + " leads: its data is the cluster's", .hint = "switch over first", .host = host.name});
  // The birth of the data directory, and of a file in it: the directory itself stays where it is a mount.
  const std::string data = postgresql_data_dir(*scene.view, host.name);
  const Ask birth{host.name,
                  Exec{.argv = {"stat", "-L", "-c", "%W %i", data, data + "/PG_VERSION"}, .about = {std::string("unit:") + patroni::unit_name}}};
  const Ask link{host.name, Exec{.argv = {"readlink", data}}};
  const Observed observed = observe(scene.hosts, {{host.name, {birth, link}}}, executor, plan_options(options));
  Answers answers;
  if (const auto it = observed.answers.find(host.name); it != observed.answers.end() && it->second.size() == 2) {
    answers.set(birth, it->second[0]);
    answers.set(link, it->second[1]);
  }
  Run copy = scene.call(host, "POST", "/reinitialize", R"({"force":true})");
  seconds limit(120);
  if (answers.out(link)) {
    copy = patroni::copy_again(*scene.view, host);
    limit = std::chrono::hours(1);  // PostgreSQL may take minutes to stop, and a large directory to remove
  }
  const auto* output = answers.get<Output>(birth);
  const Steps steps = once(scene, host, "reinit", copy, birth, output ? output->out : "", Action::run, Impact::data, limit);
  return finish(scene, steps, executor, options, "reinit", {{"host", options.host}});
}

Plan plan_pause(const Spec& spec, Executor& executor, const OperateOptions& options) { return set_pause(spec, executor, options, true); }
Plan plan_resume(const Spec& spec, Executor& executor, const OperateOptions& options) { return set_pause(spec, executor, options, false); }

}  // namespace pgcluster
