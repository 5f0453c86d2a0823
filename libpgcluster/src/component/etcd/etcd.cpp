// etcd, Patroni's DCS.
#include "component/etcd/etcd.hpp"

#include <algorithm>
#include <set>

#include <pgcluster/component/confd.hpp>
#include <pgcluster/component/patroni.hpp>

#include "base/joined.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/data_directory.hpp"
#include "component/etcd/shell.hpp"
#include "component/patroni/patroni.hpp"
#include "component/registry.hpp"
#include "component/sandbox.hpp"
#include "op/facts.hpp"

namespace pgcluster {
namespace {

// The `roles:` lines that name the members that there are.
std::string roles_to_add(const Topology& topology, const std::vector<std::string>& members) {
  std::string text;
  for (const TopologyHost& host : topology.hosts) {
    if (std::find(members.begin(), members.end(), host.name) == members.end()) continue;
    std::vector<std::string> roles;
    for (const Role role : host.roles)
      if (role != Role::etcd) roles.emplace_back(to_string(role));
    roles.emplace_back("etcd");
    text += "\n  " + host.name + ": roles: [" + joined(roles) + "]";
  }
  return text;
}

Refused moved(const Topology& topology, const std::vector<std::string>& members) {
  Diagnostic why{.message = "etcd runs on " + joined(members) + ", and the spec places it on " + joined(topology.dcs_members)};
  why.hint = "an apply moves no member that it does not know. ";
  why.hint += topology.dcs_named ? "Give the role etcd to exactly these hosts:" : "Name its hosts in the spec:";
  why.hint += roles_to_add(topology, members);
  return {std::move(why)};
}

StepPtr healthy(const NodeView& node, const StepRef& name) {
  const Ask ask = etcd_members_ask(node.cluster, node.host);
  std::set<std::string> described;  // addresses for peers
  for (const std::string& member : node.topology().dcs_members) described.insert(etcd_peer_address(etcd_peer_url(node.cluster, member)));
  std::map<std::string, std::string> hosts;
  for (const TopologyHost& host : node.topology().hosts) hosts[etcd_peer_address(etcd_peer_url(node.cluster, host.name))] = host.name;
  const auto membership = node.cluster.derived(etcd_membership);
  std::set<std::string> changing;
  for (const EtcdLeaver& one : membership->leaving)
    changing.insert(etcd_peer_address(certificates::url(node.spec(), one.host.address, node.spec().etcd_peer_port)));
  for (const std::string& joining : membership->joining) changing.insert(etcd_peer_address(etcd_peer_url(node.cluster, joining)));
  changing.erase(etcd_peer_address(etcd_peer_url(node.cluster, node.name())));
  auto decide = [ask, described, hosts, changing, view = shared(node.cluster)](const Answers& answers) -> Decision {
    const std::vector<EtcdMember> members = read_etcd_members(answers[ask]);
    if (members.empty()) return Later{.until = "etcd answers with a quorum", .seen = etcd_silence(answers[ask])};
    std::set<std::string> urls;
    std::vector<std::string> names;
    for (const EtcdMember& member : members) {
      const std::string url = member.peer_urls.empty() ? "" : etcd_peer_address(member.peer_urls.front());
      const auto host = hosts.find(url);
      urls.insert(url);
      names.push_back(host != hosts.end() ? host->second : member.name.empty() ? url : member.name + " (" + url + ")");
    }
    std::set<std::string> expected = described;
    for (const std::string& url : changing) {
      urls.erase(url);
      expected.erase(url);
    }
    if (urls == expected) return Done{};
    std::sort(names.begin(), names.end());
    return moved(view->topology, names);
  };
  const Ask journal = journal_ask(node.name(), etcd_unit);
  return gate(name, {.asks = {ask}, .decide = decide, .settle = etcd_patience, .evidence = {journal}});
}

constexpr const char* no_space_alarm = "etcd's database has reached its quota (alarm NOSPACE): it refuses to write, and so Patroni cannot work";

// Where the database has reached its quota: old revisions go, each member gives the room back, and the alarm is taken back.
StepPtr space(const NodeView& node) {
  const Ask alarms = etcd_alarms_ask(node.cluster, node.host);
  std::vector<std::string> command{"sh", "-c", shell::free_space, "sh"};
  for (const std::string& name : node.topology().dcs_members)
    if (!node.cluster.leaves_out(name)) command.push_back(net::host_port(node.topology().host(name).address, node.spec().etcd_client_port));
  auto decide = [=, host = node.name()](const Answers& answers) -> Decision {
    if (!read_etcd_full(answers[alarms])) return Done{};
    Run run{.argv = command, .touches = {"dcs:alarms"}, .name = "remove old revisions from etcd"};
    return Change{
        .todo = {Do{.at = host, .what = std::move(run), .limit = std::chrono::minutes(5)}},
        .action = Action::run,
        .reason = no_space_alarm,
        .failed = "etcd is still full after the compaction; see which keys take so much room: etcdctl get --prefix --keys-only '' on " + host};
  };
  return make_step(node.step("etcd", "space"), {.asks = {alarms}, .decide = decide, .settle = std::chrono::seconds(10)});
}

WriteFile drop_in(const NodeView& node, const ServiceWish& wish) {
  std::string more = "StateDirectory=etcd\nStateDirectoryMode=0700\nTimeoutStartSec=infinity\nRestart=on-failure\nRestartSec=2\nLimitNOFILE=" +
                     std::to_string(std::min<std::uint64_t>(65536, node.facts.nofile_limit)) + "\n";
  // Its heartbeats must not wait behind PostgreSQL. Containers may not be allowed to ask for that.
  if (node.facts.container.empty()) more += "Nice=-10\nIOSchedulingClass=best-effort\nIOSchedulingPriority=0\nOOMScoreAdjust=-900\n";
  // Go lists the host's addresses by AF_NETLINK. The data directory may be a link out of the StateDirectory, and is missing on a fresh host.
  more += sandbox_lines(node.facts, {.families = "AF_NETLINK", .writes = "-" + node.platform().etcd.data});
  return unit_notes(wish, {}, more + "\n[Unit]\nStartLimitIntervalSec=0\n");
}

std::vector<std::string> guest_packages(const NodeView& node) { return {node.platform().etcd_client, node.platform().http_client}; }

class Etcd final : public Component {
 public:
  std::string name() const override { return "etcd"; }

  Steps steps(const NodeView& node) const override {
    const Topology& topology = node.topology();
    if (topology.dcs_type != DcsType::etcd) return {};
    if (!is_member(node)) return guest(node);
    ServiceWish wish{.unit = etcd_unit, .settle = etcd_patience};
    // etcd reports to systemd that it has started only when there is a quorum.
    for (const std::string& member : topology.dcs_members) wish.brought_by.steps.push_back({member, "etcd", "service"});
    wish.brought_by.enough = topology.quorum();
    wish.start_files = {node.platform().etcd.config, "/etc/systemd/system/etcd.service.d/50-pgcluster.conf"};
    // etcd uses a new certificate for the next connection, but reads the authorities that it trusts only when it starts.
    if (certificates::wanted(node.spec())) wish.start_files.emplace_back(certificates::authority_file);
    Steps files = parallel(etcd_config(node), file(node.step("etcd", "unit"), node.name(), drop_in(node, wish)));
    const Steps installed = packages(node.step("etcd", "packages"), node.name(), needs(node).packages, {wish.unit});
    if (!etcd_has_users(node.cluster)) files = after_where_planned({etcd::users()}, std::move(files));
    std::vector<StepRef> ready{certificates::ready(node.name(), "etcd"), certificates::ready(node.name(), etcd_root_certificate)};
    // etcd with users refuses Patroni's connections that began with a certificate with a common name: its restart ends them.
    if (etcd_gets_users(node.cluster))
      for (const std::string& host : node.topology().database) ready.push_back(certificates::ready(host, patroni::certificate));
    // Write the files of a new member before its package is installed: if the host reboots in between, etcd must not start a cluster of its own.
    // Configure certificates on a running member only after the files exist.
    const Steps before = owns_etcd(node.cluster, node.name()) ? sequence(installed, after_where_planned(ready, files)) : sequence(files, installed);
    Steps added;
    if (const auto membership = node.cluster.derived(etcd_membership); membership->joins(node.name())) {
      std::vector<StepRef> first{etcd::cleared()};
      first.insert(first.end(), ready.begin(), ready.end());
      for (const std::string& name : membership->joining) {
        if (name == node.name()) break;
        first.push_back(etcd::healthy(name));
      }
      added = after_where_planned(first, etcd_added(node));
    }
    return sequence(etcd_users_mark(node), before, data_directory(node), std::move(added),
                    rolling("etcd", node.name(), etcd_restart_order(node.cluster),
                            sequence(after_where_planned(ready, service(StepRef{node.name(), "etcd", "service"}, node.name(), wish)),
                                     healthy(node, etcd::healthy(node.name())))),
                    makes_space(node) ? Steps(space(node)) : Steps(), closing(node));
  }

  Steps cluster_steps(const ClusterView& cluster) const override { return parallel(etcd_user_steps(cluster), etcd_membership_steps(cluster)); }

  // A removed member serves nobody, and etcd never takes its data back.
  Leaving leaving(const ClusterView& cluster) const override {
    const auto membership = cluster.derived(etcd_membership);
    Leaving leaves;
    if (membership->leaving.empty()) return leaves;
    leaves.serves = false;
    leaves.after = {etcd::cleared()};
    for (const EtcdLeaver& one : membership->leaving) {
      leaves.after.push_back(etcd::left(one.host.name));
      leaves.servers.push_back(one.host.name);
    }
    return leaves;
  }

  Needs needs(const NodeView& node) const override {
    if (node.topology().dcs_type != DcsType::etcd) return {};
    if (!is_member(node)) return node.has(Role::postgres) ? Needs{.packages = guest_packages(node)} : Needs{};
    const PackagedService& packaged = node.platform().etcd;
    std::vector<std::string> packages = packaged.packages;
    for (std::string& name : guest_packages(node)) packages.push_back(std::move(name));
    Needs all{.ports = {{node.spec().etcd_client_port, "etcd's clients", etcd_unit}, {node.spec().etcd_peer_port, "etcd's peers", etcd_unit}},
              .units = {etcd_unit},
              .accounts = {packaged.account},
              .directories = {packaged.data},
              .least = {{packaged.packages.front(), "3.4"}}};  // the first whose gateway is /v3
    all.packages = std::move(packages);
    const bool users = etcd_has_users(node.cluster), root = users || owns_etcd_root(node.facts);
    std::vector<CertificateNeed> own{
        {.name = "etcd", .account = packaged.account, .asks = true, .nameless = users, .port = node.spec().etcd_client_port}};
    // The account of etcd's process could read its data anyway.
    if (root) own.push_back({.name = etcd_root_certificate, .account = packaged.account, .serves = false, .asks = true, .user = "root"});
    certificates::declare(node, all, std::move(own));
    all.findings = without_etcd_users(node);
    return all;
  }

  std::vector<Probe> health(const NodeView& node) const override {
    if (node.topology().dcs_type != DcsType::etcd || !is_member(node)) return {};
    return {{etcd_alarms_ask(node.cluster, node.host),
             [](const Answer& answer) -> std::optional<Problem> {
               if (!read_etcd_full(answer)) return std::nullopt;
               return Problem{.cause = "dcs_full",
                              .message = no_space_alarm,
                              .remedy =
                                  "apply compacts and defragments etcd, and takes the alarm back; etcdctl get --prefix --keys-only '' shows what "
                                  "fills it"};
             }},
            // A linearizable read: the member answers only while it sees a quorum.
            {etcd_members_ask(node.cluster, node.host), [](const Answer& answer) -> std::optional<Problem> {
               if (!read_etcd_members(answer).empty()) return std::nullopt;
               return Problem{.cause = "dcs_unhealthy",
                              .message = "etcd is not healthy",
                              .remedy = "read the journal of etcd.service on the host; etcd needs a majority of its members"};
             }}};
  }

  std::vector<std::string> data(const NodeView& node) const override {
    const PackagedService& packaged = node.platform().etcd;
    return owns(node.facts, "file:" + packaged.config) ? std::vector<std::string>{packaged.data} : std::vector<std::string>{};
  }

 private:
  // Closes the former protocol (plain or TLS) after all clients have switched to the new one.
  static Steps closing(const NodeView& node) {
    if (!certificates::goes_over(node.cluster)) return {};
    std::vector<StepRef> gone_over;
    for (const TopologyHost& host : node.topology().hosts) {
      gone_over.push_back(patroni::member(host.name));
      gone_over.push_back(confd::service(host.name));
    }
    return after_where_planned(gone_over, rolling("etcd-closed", node.name(), etcd_restart_order(node.cluster),
                                                  sequence(etcd_close(node), healthy(node, etcd::closed(node.name())))));
  }
  static StepPtr data_directory(const NodeView& node) {
    const PackagedService& packaged = node.platform().etcd;
    const std::string home = packaged.data.substr(0, packaged.data.rfind('/'));
    return data_directory_step(node, "etcd", {.path = packaged.data, .home = home, .made = "member", .account = packaged.account});
  }
  // One of the members, of those that can be asked.
  static bool makes_space(const NodeView& node) {
    for (const std::string& member : node.topology().dcs_members)
      if (!node.cluster.leaves_out(member)) return member == node.name();
    return false;
  }
  static bool is_member(const NodeView& node) {
    const auto& members = node.topology().dcs_members;
    return std::find(members.begin(), members.end(), node.name()) != members.end();
  }

  // A host that is no member: as a database host it asks the DCS all the same.
  static Steps guest(const NodeView& node) {
    if (owns_etcd(node.cluster, node.name()) && !node.cluster.derived(etcd_membership)->leaver(node.name())) {
      std::vector<std::string> members;
      for (const auto& [host, facts] : node.cluster.facts)
        if (owns_etcd(node.cluster, host)) members.push_back(host);
      return gate(node.step("etcd", "stays"),
                  {.asks = {}, .decide = [why = moved(node.topology(), members)](const Answers&) -> Decision { return why; }});
    }
    if (!node.has(Role::postgres)) return {};
    return packages(node.step("etcd", "packages"), node.name(), guest_packages(node));
  }
};

}  // namespace

// Members that may be disturbed without losing the quorum: those that do not serve anyway, then followers, the leader last.
Order etcd_restart_order(const ClusterView& cluster) {
  struct Member {
    std::string name;
    Ask members, status;
  };
  std::vector<Member> all;
  Order order;
  for (const std::string& name : cluster.topology.dcs_members) {
    const TopologyHost& host = cluster.topology.host(name);
    all.push_back({name, etcd_members_ask(cluster, host), etcd_status_ask(cluster, host)});
    order.asks.insert(order.asks.end(), {all.back().members, all.back().status});
  }
  order.order = [all, quorum = cluster.topology.quorum(), spare = cluster.topology.tolerates()](const Answers& answers) {
    std::vector<std::string> turn, followers, leaders;
    for (const Member& member : all) {
      // Where curl is not installed yet, nobody could ask.
      const auto* output = answers.get<Output>(member.members);
      const bool serves =
          output && output->status == 127 ? read_etcd_status(answers[member.status]).answers : !read_etcd_members(answers[member.members]).empty();
      (!serves ? turn : read_etcd_status(answers[member.status]).leads ? leaders : followers).push_back(member.name);
    }
    // One or two members have none to spare, ever: Patroni's failsafe mode carries the leader over a restart.
    if (spare > 0 && followers.size() + leaders.size() <= quorum) return turn;
    turn.insert(turn.end(), followers.begin(), followers.end());
    turn.insert(turn.end(), leaders.begin(), leaders.end());
    return turn;
  };
  return order;
}

bool owns_etcd(const ClusterView& cluster, const std::string& host) {
  const auto facts = cluster.facts.find(host);
  return facts != cluster.facts.end() && owns(facts->second, std::string("unit:") + etcd_unit);
}

ComponentPtr etcd_component() { return std::make_shared<Etcd>(); }

}  // namespace pgcluster
