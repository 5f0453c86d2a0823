// Which members join a running etcd and which leave it, and how the members are while they do.
#include <algorithm>
#include <charconv>

#include "component/certificates.hpp"
#include "component/etcd/etcd.hpp"
#include "component/etcd/shell.hpp"
#include "op/facts.hpp"

namespace pgcluster {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); }

// The hosts that had a member when somebody applied last, as the hosts remember it.
std::set<std::string> remembered_members(const ClusterView& cluster) {
  std::set<std::string> names;
  std::set<std::string> seen;
  for (const auto& [name, facts] : cluster.facts) {
    if (facts.cluster.empty() || !seen.insert(facts.cluster).second) continue;
    const auto known = read_cluster_file(facts.cluster);
    if (!known) continue;
    for (const KnownHost& host : known->hosts)
      if (std::find(host.roles.begin(), host.roles.end(), Role::etcd) != host.roles.end()) names.insert(host.name);
  }
  return names;
}

std::string peers_address(const ClusterView& cluster, const TopologyHost& host) {
  return etcd_peer_address(certificates::url(cluster.spec, host.address, cluster.spec.etcd_peer_port));
}

Ask age_ask(const std::string& host) {
  return {host, Exec{.argv = {"sh", "-c", shell::unit_age, "sh", etcd_unit}, .about = {std::string("unit:") + etcd_unit}}};
}

}  // namespace

bool EtcdMembership::joins(const std::string& host) const { return contains(joining, host); }

const EtcdLeaver* EtcdMembership::leaver(const std::string& host) const {
  const auto found = std::find_if(leaving.begin(), leaving.end(), [&](const EtcdLeaver& one) { return one.host.name == host; });
  return found == leaving.end() ? nullptr : &*found;
}

// Until the cluster has begun, a member that is missing belongs to the first deployment.
EtcdMembership etcd_membership(const ClusterView& cluster) {
  EtcdMembership found;
  const bool begun = std::any_of(cluster.facts.begin(), cluster.facts.end(), [](const auto& one) { return !one.second.begun.empty(); });
  if (cluster.topology.dcs_type != DcsType::etcd || !begun || cluster.rebuilds) return found;
  const std::vector<std::string>& wanted = cluster.topology.dcs_members;
  const std::set<std::string> remembered = remembered_members(cluster);
  // A default places etcd once. Where it would now place it elsewhere, the plan is refused, with the roles to write.
  if (!cluster.topology.dcs_named && !remembered.empty() && remembered != std::set<std::string>(wanted.begin(), wanted.end())) return found;
  for (const std::string& name : wanted)
    if (!cluster.leaves_out(name) && !owns_etcd(cluster, name)) found.joining.push_back(name);
  for (const TopologyHost& host : cluster.topology.hosts)
    if (!contains(wanted, host.name) && (owns_etcd(cluster, host.name) || remembered.contains(host.name)))
      found.leaving.push_back({host, !cluster.leaves_out(host.name)});
  for (const TopologyHost& host : cluster.pruned)
    if (host.has(Role::etcd)) found.leaving.push_back({host, true});
  for (const TopologyHost& host : cluster.forgotten)
    if (host.has(Role::etcd)) found.leaving.push_back({host, false});
  return found;
}

std::vector<TopologyHost> etcd_hosts(const ClusterView& cluster) {
  const auto membership = cluster.derived(etcd_membership);
  std::vector<TopologyHost> all;
  for (const std::string& name : cluster.topology.dcs_members)
    if (!membership->joins(name)) all.push_back(cluster.topology.host(name));
  for (const EtcdLeaver& one : membership->leaving) all.push_back(one.host);
  for (const std::string& name : membership->joining) all.push_back(cluster.topology.host(name));
  return all;
}

EtcdScene::EtcdScene(const ClusterView& cluster) {
  const auto membership = cluster.derived(etcd_membership);
  joining_ = membership->joining;
  for (const EtcdLeaver& one : membership->leaving) leaving_[one.host.name] = one.asked;
  for (const std::vector<TopologyHost>* hosts : {&cluster.topology.hosts, &cluster.left, &cluster.pruned, &cluster.forgotten})
    for (const TopologyHost& host : *hosts) places_.emplace(peers_address(cluster, host), host.name);
  for (TopologyHost& host : etcd_hosts(cluster)) {
    const auto leaves = leaving_.find(host.name);
    if (cluster.leaves_out(host.name) || (leaves != leaving_.end() && !leaves->second)) continue;
    Host asked{.host = host, .members = etcd_members_ask(cluster, host), .status = etcd_status_ask(cluster, host), .age = age_ask(host.name)};
    asks_.insert(asks_.end(), {asked.members, asked.status, asked.age});
    hosts_.push_back(std::move(asked));
  }
  for (const std::string& name : joining_) {
    data_.emplace(name, Ask{name, FileOf{cluster.platform(name).etcd.data + "/member", false}});
    asks_.push_back(data_.at(name));
  }
}

const EtcdScene::Member* EtcdScene::Now::at(const std::string& host) const {
  const auto found = std::find_if(members.begin(), members.end(), [&](const Member& one) { return one.host == host; });
  return found == members.end() ? nullptr : &*found;
}

std::vector<std::string> EtcdScene::Now::silent() const {
  std::vector<std::string> names;
  for (const Member& one : members)
    if (!one.answers) names.push_back(one.host);
  return names;
}

EtcdScene::Now EtcdScene::look(const Answers& answers) const {
  Now now;
  std::vector<EtcdMember> told;
  std::map<std::string, const Host*> asked;
  std::set<std::string> answering;
  for (const Host& one : hosts_) {
    asked[one.host.name] = &one;
    if (told.empty()) told = read_etcd_members(answers[one.members]);
    const EtcdStatus status = read_etcd_status(answers[one.status]);
    if (status.answers) answering.insert(one.host.name);
    if (status.leads) now.leader = one.host.name;
  }
  now.known = !told.empty();
  std::vector<Member> all;
  for (EtcdMember& one : told) {
    Member member{.etcd = std::move(one)};
    for (const std::string& url : member.etcd.peer_urls)
      if (const auto place = places_.find(etcd_peer_address(url)); place != places_.end()) member.host = place->second;
    member.answers = answering.contains(member.host);
    if (const auto host = asked.find(member.host); host != asked.end())
      if (const std::string* age = answers.out(host->second->age)) std::from_chars(age->data(), age->data() + age->size(), member.age);
    all.push_back(std::move(member));
  }
  const auto listed = [&](const std::string& host) {
    return std::any_of(all.begin(), all.end(), [&](const Member& one) { return one.host == host; });
  };
  bool first = true;  // of those that join: no other one is a member already
  std::set<std::string> behind;
  for (const std::string& name : joining_) {
    if (!first) behind.insert(name);
    first = first && listed(name);
  }
  for (Member& member : all) {
    const bool leaves = leaving_.contains(member.host), joins = contains(joining_, member.host);
    const bool made_anew = joins && member.etcd.started && answers.get<Absent>(data_.at(member.host));
    const bool left_behind = joins && !member.etcd.started && (member.etcd.learner || (behind.contains(member.host) && member.etcd.name.empty()));
    const bool is_dead = !member.answers && (leaves || made_anew || left_behind);
    (is_dead ? now.dead : now.members).push_back(std::move(member));
  }
  return now;
}

const TopologyHost* EtcdScene::asker(const Now& now, const std::string& but) const {
  const TopologyHost* found = nullptr;
  for (const Host& one : hosts_) {
    const Member* member = now.at(one.host.name);
    if (!member || !member->answers || one.host.name == but) continue;
    if (!found || one.host.name == now.leader) found = &one.host;
  }
  return found;
}

std::vector<std::string> EtcdScene::missing(const Now& now, const std::string& last) const {
  std::vector<std::string> names;
  for (const std::string& name : joining_) {
    if (!now.at(name)) names.push_back(name);
    if (name == last) break;
  }
  return names;
}

}  // namespace pgcluster
