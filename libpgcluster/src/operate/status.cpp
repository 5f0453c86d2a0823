#include <algorithm>

#include "base/url.hpp"
#include "component/cloud/cloud.hpp"
#include "component/consul/consul.hpp"
#include "component/haproxy/haproxy.hpp"
#include "operate/member.hpp"
#include "operate/view.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

// Everything that is asked of one host, in one program.
struct HostQuestions {
  std::optional<Ask> member, dcs, vip, balancer;
  std::vector<Ask> units;
  std::vector<Ask> all() const {
    std::vector<Ask> asks = units;
    for (const auto* ask : {&member, &dcs, &vip, &balancer})
      if (*ask) asks.push_back(**ask);
    return asks;
  }
};

HostQuestions questions(const Spec& spec, const Topology& topology, const TopologyHost& host) {
  HostQuestions q;
  const auto unit = [&](const char* name) { q.units.push_back({host.name, UnitOf{name}}); };
  const bool member = std::find(topology.dcs_members.begin(), topology.dcs_members.end(), host.name) != topology.dcs_members.end();
  if (member && topology.dcs_type == "etcd") {
    q.dcs = Ask{host.name, Exec{.argv = {"etcdctl", "--endpoints=" + net::http_url(host.address, spec.etcd_client_port), "--command-timeout=2s",
                                         "--dial-timeout=1s", "endpoint", "health"}}};
    unit("etcd.service");
  }
  if (has_consul_agent(spec, host)) {
    unit(consul_unit);
    if (member) q.dcs = consul_health_ask(host);
  }
  if (host.has(Role::postgres)) {
    q.member = member_ask(host, spec.patroni_restapi_port);
    unit("patroni.service");
    if (spec.pgbouncer_install) unit("pgbouncer.service");
    if (!spec.cluster_vip.empty() && !with_haproxy(spec)) unit("vip-manager.service");
  }
  if (host.has(Role::balancer)) {
    unit("haproxy.service");
    if (spec.confd_install && spec.confd_binary.given()) unit("confd.service");
    if (!spec.cluster_vip.empty()) unit("keepalived.service");
    q.balancer = haproxy_ask(spec, host.name);
  }
  if (!spec.cluster_vip.empty()) q.vip = Ask{host.name, Exec{.argv = {"ip", "-o", "addr", "show", "to", spec.cluster_vip}}};
  return q;
}

// Its balancers' addresses are where clients go; what is wrong with it stands among the hosts.
void status_of_cloud(const std::string& cloud, const std::vector<CloudBalancer>& balancers, const Observed& observed, Status& status) {
  Status::Host state{.name = cloud, .reachable = observed.answers.contains(cloud), .problems = {}};
  if (!state.reachable) {
    const auto error = observed.errors.find(cloud);
    state.problems.push_back(error == observed.errors.end() ? "it did not answer in time"
                                                            : std::string(to_string(error->second.code())) + ": " + error->second.message());
  } else {
    status.endpoints.clear();
  }
  for (std::size_t i = 0; state.reachable && i < balancers.size(); ++i) {
    const CloudBalancer& one = balancers[i];
    if (!one.wanted) continue;
    const auto* output = std::get_if<Output>(&observed.answers.at(cloud)[i]);
    const Balancer is = read_balancer(output ? output->out : "");
    if (!output || is.owner != one.wish.owner)
      state.problems.push_back("there is no load balancer " + one.wish.name);
    else if (is.address.empty())
      state.problems.push_back("the load balancer " + one.wish.name + " has no address yet");
    else
      status.endpoints.push_back({one.kind, is.address, is.port,
                                  "postgresql://" + net::host_port(is.address, is.port) +
                                      "/postgres?target_session_attrs=" + (one.role == "primary" ? "read-write" : "any")});
  }
  status.hosts.push_back(std::move(state));
}

}  // namespace

Status read_status(const Spec& spec, Executor& executor, const OperateOptions& options) {
  const Topology topology = resolve(spec);
  Status status{.cluster = topology.cluster, .endpoints = topology.endpoints};
  Hosts hosts = hosts_of(topology);
  std::map<std::string, HostQuestions> asked;
  std::map<std::string, std::vector<Ask>> asks;
  for (const TopologyHost& host : topology.hosts) {
    hosts.at(host.name).connect_timeout = std::chrono::seconds(5);
    asked[host.name] = questions(spec, topology, host);
    asks[host.name] = asked[host.name].all();
  }
  const std::vector<CloudBalancer> balancers = with_cloud_balancer(spec) ? cloud_balancers(spec, topology) : std::vector<CloudBalancer>{};
  if (!balancers.empty()) hosts.emplace(topology.cloud->name, *topology.cloud);
  for (const CloudBalancer& one : balancers) asks[topology.cloud->name].push_back(balancer_ask(topology.cloud->name, one.wish));
  const Observed observed = observe(hosts, asks, executor, plan_options(options));
  if (!spec.cluster_vip.empty()) status.vip = Status::Vip{.address = spec.cluster_vip, .holders = {}};
  status.dcs = {.type = topology.dcs_type, .members = topology.dcs_members, .healthy_members = {}, .quorum = topology.quorum()};

  std::int64_t leader_wal = 0;
  std::map<std::string, std::int64_t> wal;
  std::size_t leaders = 0;
  for (const TopologyHost& host : topology.hosts) {
    Status::Host state{.name = host.name, .reachable = observed.answers.contains(host.name), .problems = {}};
    Answers answers;
    if (state.reachable) {
      const auto& given = observed.answers.at(host.name);
      for (std::size_t i = 0; i < asks[host.name].size() && i < given.size(); ++i) answers.set(asks[host.name][i], given[i]);
    } else {
      const auto error = observed.errors.find(host.name);
      state.problems.push_back(error == observed.errors.end() ? "it did not answer in time"
                                                              : std::string(to_string(error->second.code())) + ": " + error->second.message());
    }
    const HostQuestions& q = asked[host.name];
    if (state.reachable)
      for (const Ask& ask : q.units) {
        const auto* unit = answers.get<Unit>(ask);
        const std::string& name = std::get<UnitOf>(ask.what).name;
        if (!unit)
          state.problems.push_back(name + " is not installed");
        else if (unit->active != "active")
          state.problems.push_back(name + " is " + unit->active);
      }
    if (q.member) {
      const MemberState member = state.reachable ? read_member(answers[*q.member]) : MemberState{};
      Status::Member one{.name = host.name,
                         .address = host.address,
                         .role = member.role,
                         .state = member.state,
                         .timeline = member.timeline,
                         .lag_bytes = {},
                         .pending_restart = member.pending_restart};
      if (!member.answers) one.state = state.reachable ? "stopped" : "unreachable";
      if (member.leads()) {
        ++leaders;
        status.leader = host.name;
        leader_wal = member.wal;
      } else if (member.answers) {
        wal[host.name] = member.wal;
      }
      status.paused = status.paused || member.paused;
      if (state.reachable && !member.answers) state.problems.push_back("Patroni does not answer");
      if (member.answers && !member.runs()) state.problems.push_back("PostgreSQL is " + member.state);
      status.members.push_back(std::move(one));
    }
    if (q.dcs && state.reachable) {
      bool serves = answers.out(*q.dcs);
      if (topology.dcs_type == "consul") {
        const auto servers = read_consul_servers(answers[*q.dcs]);
        serves = std::any_of(servers.begin(), servers.end(), [&](const ConsulServer& one) { return one.name == host.name && one.serves(); });
      }
      if (serves)
        status.dcs.healthy_members.push_back(host.name);
      else
        state.problems.push_back(topology.dcs_type + " is not healthy");
    }
    if (q.balancer && state.reachable) {
      const HaproxyState haproxy = read_haproxy(answers[*q.balancer]);
      if (!haproxy.answers)
        state.problems.push_back("HAProxy does not answer");
      else if (haproxy.up("master").empty())
        state.problems.push_back("HAProxy sees no leader: port " + std::to_string(spec.haproxy_listen_port.master) + " leads nowhere");
    }
    if (q.vip && state.reachable)
      if (const std::string* out = answers.out(*q.vip); out && !out->empty()) status.vip->holders.push_back(host.name);
    status.hosts.push_back(std::move(state));
  }
  if (!balancers.empty()) status_of_cloud(topology.cloud->name, balancers, observed, status);
  if (leaders == 1)
    for (Status::Member& member : status.members)
      if (wal.contains(member.name)) member.lag_bytes = std::max<std::int64_t>(0, leader_wal - wal.at(member.name));
  if (leaders > 1) {
    status.leader.clear();
    for (Status::Host& host : status.hosts)
      for (const Status::Member& member : status.members)
        if (member.name == host.name && member.role == "leader")
          host.problems.push_back("it is one of " + std::to_string(leaders) + " members that say they lead");
  }
  const std::size_t up = status.dcs.healthy_members.size();
  status.dcs.healthy = up == status.dcs.members.size();
  status.dcs.tolerates = up >= status.dcs.quorum ? up - status.dcs.quorum : 0;
  const bool members_run = std::all_of(status.members.begin(), status.members.end(), [](const Status::Member& one) {
    return one.role == "leader" || one.role == "standby_leader" ? one.state == "running" : one.state == "streaming";
  });
  status.healthy = leaders == 1 && members_run && status.dcs.healthy && (!status.vip || status.vip->holders.size() == 1);
  return status;
}

}  // namespace pgcluster
