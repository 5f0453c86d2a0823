// The members of a running etcd become those of the spec, one at a time: the dead are removed, new ones join, and then the others leave, the leader
// last.
#include <algorithm>

#include <pgcluster/component/confd.hpp>
#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "component/certificates.hpp"
#include "component/etcd/etcd.hpp"
#include "component/etcd/shell.hpp"

namespace pgcluster {
namespace {

using std::chrono::seconds;

// etcd takes a new member only when all members have been connected with each other for 5 s (HealthInterval).
constexpr int connected_after = 6;

std::string survives(std::size_t members) {
  const std::size_t spare = members == 0 ? 0 : (members - 1) / 2;
  return std::to_string(members) + (members == 1 ? " member survives" : " members survive") + " the loss of " +
         (spare == 0 ? "none" : std::to_string(spare));
}
std::string from_to(std::size_t before, std::size_t after) { return "now " + survives(before) + ", then " + survives(after); }

Do change_members(const ClusterView& cluster, const TopologyHost& at, const std::vector<std::string>& words, std::string name) {
  std::vector<std::string> argv = etcdctl(cluster, at, words);
  argv.emplace_back("--command-timeout=10s");
  return {.at = at.name, .what = Run{.argv = std::move(argv), .touches = {"dcs:members"}, .name = std::move(name)}, .limit = seconds(30)};
}

std::string name_of(const EtcdScene::Member& member) {
  if (!member.host.empty()) return member.host;
  const std::string url = member.etcd.peer_urls.empty() ? member.etcd.id : etcd_peer_address(member.etcd.peer_urls.front());
  return member.etcd.name.empty() ? url : member.etcd.name + " (" + url + ")";
}

Refused refused(std::string message, std::string hint) { return {{.message = std::move(message), .hint = std::move(hint)}}; }

// The reason why no member may change now, if there is one.
std::optional<Refused> forbidden(const ClusterView& cluster, const EtcdScene::Now& now) {
  if (!now.known) {
    std::vector<std::string> hosts;
    for (const TopologyHost& host : etcd_hosts(cluster)) hosts.push_back(host.name);
    return refused("etcd has no quorum, so its members cannot change: none of " + joined(hosts) + " tells the members",
                   "start members until a majority runs: journalctl -u etcd on their hosts says why one does not");
  }
  if (certificates::goes_over(cluster))
    return refused("the members of etcd change, and the cluster goes over to TLS or back", "apply one of the two first");
  std::vector<std::string> strange, learners;
  for (const EtcdScene::Member& one : now.members) {
    if (one.host.empty()) strange.push_back(name_of(one));
    if (one.etcd.learner) learners.push_back(one.host + " (etcdctl member promote " + one.etcd.id + ")");
  }
  if (!strange.empty())
    return refused("etcd has members on hosts that the spec does not know: " + joined(strange),
                   "describe their hosts with the role etcd; or remove them: etcdctl member list, etcdctl member remove ID");
  if (!learners.empty())
    return refused("etcd has members without a vote, and no other may join: " + joined(learners),
                   "promote them with that command on the host of etcd's leader, or remove them");
  if (const std::vector<std::string> silent = now.silent(); !silent.empty()) {
    std::vector<std::string> running;
    for (const std::string& name : silent)
      if (now.at(name)->etcd.started) running.push_back(name);
    if (!running.empty())
      return refused("etcd on " + joined(running) + " does not answer: its members change only when all that stay are healthy",
                     "start it; or, if it is gone for good, take the role etcd from its host, or the host out of the spec (apply --prune --without " +
                         running.front() + ")");
  }
  return std::nullopt;
}

StepPtr cleared_step(const ClusterView& cluster) {
  auto decide = [scene = EtcdScene(cluster), view = shared(cluster)](const Answers& answers) -> Decision {
    const EtcdScene::Now now = scene.look(answers);
    const auto membership = view->derived(etcd_membership);
    const auto changes = [&](const EtcdScene::Member& one) { return membership->leaver(one.host) || (membership->joins(one.host) && !one.answers); };
    if (now.known && now.dead.empty() && scene.missing(now, {}).empty() && std::none_of(now.members.begin(), now.members.end(), changes))
      return Done{};
    if (auto why = forbidden(*view, now)) return *why;
    if (now.dead.empty()) return Done{};
    const TopologyHost* at = scene.asker(now);
    if (!at) return Later{.until = "a member of etcd answers", .action = Action::remove};
    Change change{.todo = {}, .action = Action::remove};
    std::vector<std::string> names;
    for (const EtcdScene::Member& one : now.dead) {
      names.push_back(name_of(one));
      change.todo.push_back(change_members(*view, *at, {"member", "remove", one.etcd.id}, "remove " + names.back() + " from etcd's members"));
    }
    const std::size_t left = now.members.size();
    change.reason = joined(names) + (names.size() == 1 ? " does" : " do") + " not answer, and must go before others join: " + std::to_string(left) +
                    " of " + std::to_string(left + names.size()) + " members answer now; then " + survives(left);
    return change;
  };
  return make_step(etcd::cleared(), {.asks = EtcdScene(cluster).asks(), .decide = decide, .settle = seconds(30)});
}

// Where Patroni asks etcd. It learns of other members when it starts, when the member that it uses goes, and every 10 TTLs.
Ask patroni_age_ask(const std::string& host) {
  return {host, Exec{.argv = {"sh", "-c", shell::unit_age, "sh", "patroni.service"}, .about = {"unit:patroni.service"}}};
}
int age_of(const Answers& answers, const Ask& ask) {
  const std::string* text = answers.out(ask);
  return text ? std::atoi(text->c_str()) : 0;
}

StepPtr left_step(const ClusterView& cluster, std::size_t nth) {
  const auto membership = cluster.derived(etcd_membership);
  const TopologyHost leaver = membership->leaving[nth].host;
  std::vector<std::string> before;  // in the order of the plan
  for (std::size_t i = 0; i < nth; ++i) before.push_back(membership->leaving[i].host.name);
  std::vector<Ask> patronis;
  for (const std::string& name : cluster.topology.database)
    if (!cluster.leaves_out(name)) patronis.push_back(patroni_age_ask(name));
  const EtcdScene scene(cluster);
  std::vector<Ask> asks = scene.asks();
  asks.insert(asks.end(), patronis.begin(), patronis.end());
  const int refreshed = 10 * cluster.spec.patroni_ttl + 2 * cluster.spec.patroni_loop_wait;
  auto decide = [=, view = shared(cluster)](const Answers& answers) -> Decision {
    EtcdScene::Now now = scene.look(answers);
    const auto is_leaver = [&](const EtcdScene::Member& one) { return one.host == leaver.name; };
    const auto dead = std::find_if(now.dead.begin(), now.dead.end(), is_leaver);
    // Before it is cleared the plan tells of it there.
    if (now.known && !now.at(leaver.name)) {
      if (dead == now.dead.end() || answers.pending(asks.front())) return Done{};
    }
    const std::vector<std::string> missing = scene.missing(now, {});
    std::size_t members = now.members.size() + missing.size();
    for (const std::string& name : before) members -= now.at(name) ? 1 : 0;
    const std::string tolerance = from_to(members, members - 1);
    const auto later = [&](const std::string& until, std::string seen = {}) {
      return Later{.until = until + ", and " + leaver.name + " may leave etcd (" + tolerance + ")",
                   .at_most = Impact::restart,
                   .action = Action::remove,
                   .seen = std::move(seen)};
    };
    if (!now.known) return later("etcd tells its members");
    if (!missing.empty()) return later(joined(missing) + (missing.size() == 1 ? " votes" : " vote"));
    std::vector<std::string> silent;
    for (const std::string& name : now.silent())
      if (name != leaver.name) silent.push_back(name);
    if (!silent.empty()) return later("all others answer", joined(silent) + " does not answer");
    for (const Ask& patroni : patronis) {
      const int age = age_of(answers, patroni);
      const auto knows = [&](const EtcdScene::Member& one) {
        return !view->derived(etcd_membership)->leaver(one.host) && (one.age >= age || one.age >= refreshed);
      };
      if (age > 0 && std::none_of(now.members.begin(), now.members.end(), knows))
        return later("Patroni on " + patroni.at + " has asked etcd for its members, which it does every " +
                     std::to_string(10 * view->spec.patroni_ttl) + " s");
    }
    const TopologyHost* at = nullptr;
    for (const TopologyHost& host : view->topology.hosts)
      if (const EtcdScene::Member* one = now.at(host.name); one && one->answers && !view->derived(etcd_membership)->leaver(host.name))
        if (!at || host.name == now.leader) at = &host;
    if (!at) return later("a member that stays answers");
    Change change{.todo = {}, .action = Action::remove, .impact = Impact::restart};
    change.reason = leaver.name + " leaves etcd: " + tolerance;
    if (now.leader == leaver.name) {
      change.todo.push_back(change_members(*view, leaver, {"move-leader", now.at(at->name)->etcd.id}, "move etcd's leadership to " + at->name));
      change.reason += "; it leads, and hands over to " + at->name + " first";
    }
    const std::string id = dead == now.dead.end() ? now.at(leaver.name)->etcd.id : dead->etcd.id;
    change.todo.push_back(change_members(*view, *at, {"member", "remove", id}, "remove " + leaver.name + " from etcd's members"));
    return change;
  };
  return make_step(
      etcd::left(leaver.name),
      {.asks = asks, .decide = decide, .settle = seconds(refreshed + 180), .evidence = {journal_ask(scene.asks().front().at, etcd_unit)}});
}

// Followers first.
Order leaving_order(const ClusterView& cluster) {
  const EtcdScene scene(cluster);
  std::vector<std::string> names;
  for (const EtcdLeaver& one : cluster.derived(etcd_membership)->leaving) names.push_back(one.host.name);
  return {.asks = scene.asks(), .order = [=](const Answers& answers) {
            const std::string leader = scene.look(answers).leader;
            std::vector<std::string> turns = names;
            std::stable_partition(turns.begin(), turns.end(), [&](const std::string& name) { return name != leader; });
            return turns;
          }};
}

}  // namespace

// As a member at once, not as a learner: before 3.5.20 etcd does not write a learner's promotion where 3.6 reads it, and Patroni's data is small. So
// etcd has one vote to spare less until the new member has started, which is why all that it needs is on its host before.
StepPtr etcd_added(const NodeView& node) {
  const EtcdScene scene(node.cluster);
  auto decide = [=, name = node.name(), url = etcd_peer_url(node.cluster, node.name()),
                 view = shared(node.cluster)](const Answers& answers) -> Decision {
    const EtcdScene::Now now = scene.look(answers);
    if (now.known && now.at(name)) return Done{};
    std::vector<std::string> missing = scene.missing(now, name);
    const std::size_t members = now.members.size() + missing.size();
    const std::string tolerance = from_to(members - 1, members);
    const auto later = [&](const std::string& until, std::string wrong = {}) {
      return Later{.until = until + ", and " + name + " may join etcd (" + tolerance + ")",
                   .action = Action::create,
                   .wrong = std::move(wrong),
                   .patience = seconds(60)};
    };
    const TopologyHost* at = scene.asker(now);
    if (!now.known || !at) return later("etcd tells its members");
    if (const std::vector<std::string> silent = now.silent(); !silent.empty())
      return later("all members of etcd answer",
                   "etcd on " + joined(silent) + " does not answer, and no other member may join meanwhile: journalctl -u etcd there says why");
    if (std::any_of(now.members.begin(), now.members.end(), [](const EtcdScene::Member& one) { return one.age < connected_after; }))
      return later("the members of etcd have known each other for 5 s");
    Do add = change_members(*view, *at, {"member", "add", name, "--peer-urls=" + url}, "add " + name + " to etcd's members");
    auto& argv = std::get<Run>(add.what).argv;
    argv.insert(argv.begin() + 2, {shell::add_member, "bash"});
    add.limit = seconds(120);
    return Change{.todo = {std::move(add)}, .action = Action::create, .reason = name + " joins etcd: " + tolerance};
  };
  return make_step(etcd::added(node.name()), {.asks = scene.asks(), .decide = decide, .settle = seconds(120)});
}

Steps etcd_membership_steps(const ClusterView& cluster) {
  const auto membership = cluster.derived(etcd_membership);
  if (!membership->changes()) return {};
  std::vector<StepRef> votes, clients{etcd::cleared(), etcd::voting()};
  for (const std::string& name : cluster.topology.dcs_members) {
    votes.push_back(etcd::healthy(name));
    clients.push_back(etcd::healthy(name));
  }
  for (const std::string& name : cluster.topology.database) clients.push_back(patroni::loaded(name));
  for (const TopologyHost& host : cluster.topology.hosts) clients.push_back(confd::service(host.name));
  std::vector<Steps> leave;
  for (std::size_t i = 0; i < membership->leaving.size(); ++i)
    leave.push_back(
        after_where_planned(clients, rolling("etcd-leaves", membership->leaving[i].host.name, leaving_order(cluster), left_step(cluster, i))));
  Steps voting;
  if (!membership->joining.empty())
    voting = after_where_planned(votes, gate(etcd::voting(), {.asks = {}, .decide = [](const Answers&) -> Decision { return Done{}; }}));
  return parallel(cleared_step(cluster), std::move(voting), parallel(std::move(leave)));
}

}  // namespace pgcluster
