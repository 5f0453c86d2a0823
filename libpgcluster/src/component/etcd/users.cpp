// Users of etcd: root, by a certificate of the members' hosts; Patroni, by a password; and a reader of Patroni's keys, by confd's certificate.
#include <algorithm>
#include <set>
#include <sstream>
#include <tuple>

#include <pgcluster/component/confd.hpp>
#include <pgcluster/component/patroni.hpp>

#include "base/digest.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/etcd/etcd.hpp"
#include "component/etcd/shell.hpp"
#include "op/facts.hpp"

namespace pgcluster {
namespace {

constexpr std::size_t longest_common_name = 64;  // in X.509

bool any_has_root(const ClusterView& cluster) {
  return std::any_of(cluster.facts.begin(), cluster.facts.end(), [](const auto& one) { return owns_etcd_root(one.second); });
}

// On the members' hosts of a cluster that began with users, or gets them.
const std::string mark = "/var/lib/pgcluster/etcd-users";
bool is_marked(const Facts& facts) { return owns(facts, "file:" + mark); }

bool runs_etcd(const ClusterView& cluster) {
  return std::any_of(cluster.facts.begin(), cluster.facts.end(), [&](const auto& one) { return owns_etcd(cluster, one.first); });
}

bool find_users(const ClusterView& cluster) {
  if (!certificates::wanted(cluster.spec) || cluster.topology.dcs_type != DcsType::etcd) return false;
  if (!runs_etcd(cluster) || std::any_of(cluster.facts.begin(), cluster.facts.end(), [](const auto& one) { return is_marked(one.second); }))
    return true;
  // `rotate etcd` makes users in a cluster that runs without. Patroni does not start with a password while etcd lets in everybody, so a cluster that
  // goes over to TLS, and restarts each Patroni, gets none on the way.
  return cluster.rotated.contains(etcd_password_secret) && certificates::wire(cluster) == certificates::Wire::tls;
}

std::string patroni_user(const ClusterView& cluster, int turn) {
  return (turn % 2 == 0 ? "patroni@" : "patroni2@") + cluster.spec.patroni_cluster_name;
}
int turn_of(const ClusterView& cluster) {
  const auto it = cluster.rotations.find(etcd_password_secret);
  return it == cluster.rotations.end() ? 0 : it->second;
}
std::string former_user(const ClusterView& cluster) { return patroni_user(cluster, turn_of(cluster) + 1); }
std::string making_user(const ClusterView& cluster) { return "making@" + cluster.spec.patroni_cluster_name; }

// One of the members whose host can be asked, if there is one that runs already; null where there is none.
const TopologyHost* member_to_ask(const ClusterView& cluster) {
  const TopologyHost* found = nullptr;
  for (const std::string& name : cluster.topology.dcs_members) {
    if (cluster.leaves_out(name)) continue;
    if (!found || (!owns_etcd(cluster, found->name) && owns_etcd(cluster, name))) found = &cluster.topology.host(name);
  }
  return found;
}

// As root, which may also ask while everybody may.
Ask users_ask(const ClusterView& cluster, const TopologyHost& host) {
  return {host.name, Exec{.argv = etcdctl(cluster, host, {"user", "list"}), .about = {"unit:etcd.service", "dcs:users"}}};
}
std::set<std::string> read_users(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  std::istringstream lines(output && output->status == 0 ? output->out : "");
  std::set<std::string> users;
  for (std::string line; std::getline(lines, line);) users.insert(line);
  return users;
}

// The answer of etcd to a request without a user. The key does not matter, because nothing is read.
Ask open_ask(const ClusterView& cluster, const TopologyHost& host) {
  return {host.name, Exec{.argv = certificates::command(certificates::calls(cluster, "etcd",
                                                                            {"-s", "-m", "2", "--connect-timeout", "1", "-d", R"({"key":"AA=="})"},
                                                                            host.address, cluster.spec.etcd_client_port, {"/v3/kv/range"})),
                          .about = {"unit:etcd.service", "dcs:users"}}};
}
enum class Lets { nobody_knows, everybody, users };
Lets read_open(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0) return Lets::nobody_knows;
  if (output->out.find("user name is empty") != std::string::npos) return Lets::users;
  return output->out.find("\"header\"") != std::string::npos ? Lets::everybody : Lets::nobody_knows;
}

using Version = std::tuple<int, int, int>;
Version read_version(const Answer& answer) {
  const auto* package = std::get_if<Package>(&answer);
  int major = 0, minor = 0, patch = 0;
  if (package) std::sscanf(package->version.c_str(), "%d.%d.%d", &major, &minor, &patch);
  return {major, minor, patch};
}
// The first etcd of each line that also wants a login of those who ask for its members, and the first Patroni that logs in before it does. See
// etcd's CVE-2026-33413.
bool wants_login_for_members(const Version& etcd) {
  return etcd >= Version{3, 6, 9} || (etcd >= Version{3, 5, 28} && etcd < Version{3, 6, 0}) || (etcd >= Version{3, 4, 42} && etcd < Version{3, 5, 0});
}
bool logs_in_first(const Version& patroni) {
  return patroni >= Version{4, 1, 1} || (patroni >= Version{4, 0, 8} && patroni < Version{4, 1, 0}) ||
         (patroni >= Version{3, 3, 9} && patroni < Version{4, 0, 0});
}

struct Versions {
  std::vector<Ask> etcd, patroni;
  std::vector<Ask> all() const {
    std::vector<Ask> asks = etcd;
    asks.insert(asks.end(), patroni.begin(), patroni.end());
    return asks;
  }
};
Versions versions_asks(const ClusterView& cluster) {
  Versions asks;
  for (const std::string& name : cluster.topology.dcs_members)
    if (!cluster.leaves_out(name)) asks.etcd.push_back({name, PackageOf{cluster.platform(name).etcd.packages.front()}});
  for (const std::string& name : cluster.topology.database)
    if (!cluster.leaves_out(name)) asks.patroni.push_back({name, PackageOf{cluster.platform(name).patroni.packages.front()}});
  return asks;
}

// Patroni could not even ask for the members of an etcd with users.
std::optional<Refused> unfit_versions(const Versions& asks, const Answers& answers) {
  for (const Ask& etcd : asks.etcd)
    for (const Ask& patroni : asks.patroni) {
      const auto *its = answers.get<Package>(etcd), *ours = answers.get<Package>(patroni);
      if (!its || !ours || !wants_login_for_members(read_version(answers[etcd])) || logs_in_first(read_version(answers[patroni]))) continue;
      return Refused{{.message = "etcd " + its->version + " on " + etcd.at + " tells its members to users only, and Patroni " + ours->version +
                                 " on " + patroni.at + " asks for them before it logs in: it would not start",
                      .hint = "take Patroni 4.1.1, 4.0.8 or 3.3.9, or a later one of these lines, or an etcd before 3.6.9, 3.5.28 or 3.4.42"},
                     Code::refused,
                     patroni.at};
    }
  return std::nullopt;
}

Run make_users(const ClusterView& cluster, const TopologyHost& host, const char* what) {
  Text password = cluster.secret(etcd_password_secret);
  password += "\n";
  return {.argv = {"sh", "-c", shell::make_users, "sh", net::host_port(host.address, cluster.spec.etcd_client_port),
                   cluster.spec.patroni_cluster_name, etcd_reader(cluster.spec), etcd_patroni_user(cluster), what},
          .input = std::move(password),
          .touches = {"dcs:users", "dcs:initialize"}};
}

StepPtr users_step(const ClusterView& cluster, const TopologyHost& host) {
  const Ask users = users_ask(cluster, host), open = open_ask(cluster, host);
  const Versions versions = versions_asks(cluster);
  std::vector<Ask> asks = versions.all();
  asks.insert(asks.end(), {users, open});
  auto decide = [=, wanted = std::set<std::string>{"root", etcd_reader(cluster.spec), etcd_patroni_user(cluster)}, making = making_user(cluster),
                 run = make_users(cluster, host, "users")](const Answers& answers) -> Decision {
    const std::set<std::string> found = read_users(answers[users]);
    const Lets lets = read_open(answers[open]);
    const bool has_all = std::includes(found.begin(), found.end(), wanted.begin(), wanted.end()) && !found.contains(making);
    if (has_all) return Done{};
    if (lets != Lets::users)
      if (auto unfit = unfit_versions(versions, answers)) return *unfit;
    if (answers.pending(open) || lets == Lets::nobody_knows) return Later{.until = "etcd has its users", .action = Action::run};
    return Change{
        .todo = {Do{.at = host.name, .what = run, .limit = std::chrono::minutes(3)}}, .action = Action::run, .reason = "a user of etcd is missing"};
  };
  return make_step(etcd::users(),
                   {.asks = asks, .decide = decide, .settle = std::chrono::seconds(30), .evidence = {journal_ask(host.name, etcd_unit)}});
}

StepPtr auth_step(const ClusterView& cluster, const TopologyHost& host) {
  const Ask open = open_ask(cluster, host);
  const Versions versions = versions_asks(cluster);
  std::vector<Ask> asks = versions.all();
  asks.push_back(open);
  auto decide = [=, run = make_users(cluster, host, "auth")](const Answers& answers) -> Decision {
    const Lets lets = read_open(answers[open]);
    if (lets == Lets::users) return Done{};
    if (auto unfit = unfit_versions(versions, answers)) return *unfit;
    if (answers.pending(open) || lets == Lets::nobody_knows) return Later{.until = "etcd lets in its users only", .action = Action::run};
    return Change{.todo = {Do{.at = host.name, .what = run, .limit = std::chrono::minutes(1)}},
                  .action = Action::run,
                  .reason = "etcd lets in everybody who has a certificate of the cluster"};
  };
  return make_step(etcd::auth(),
                   {.asks = asks, .decide = decide, .settle = std::chrono::seconds(30), .evidence = {journal_ask(host.name, etcd_unit)}});
}

// What must have been done before etcd wants logins of a cluster that runs.
std::vector<StepRef> logged_in(const ClusterView& cluster) {
  std::vector<StepRef> all;
  for (const TopologyHost& host : cluster.topology.hosts)
    for (const StepRef& one : {patroni::loaded(host.name), confd::service(host.name)}) all.push_back(one);
  return all;
}

// The user of Patroni's former password goes when each Patroni has read the new one. Patroni then logs in anew, and asks again.
StepPtr former_step(const ClusterView& cluster, const TopologyHost& host) {
  const Ask users = users_ask(cluster, host);
  auto decide = [=, former = former_user(cluster), now = etcd_patroni_user(cluster),
                 argv = etcdctl(cluster, host, {"user", "delete", former_user(cluster)})](const Answers& answers) -> Decision {
    const std::set<std::string> found = read_users(answers[users]);
    if (answers.pending(users)) return Later{.until = "etcd has the user " + now, .action = Action::remove};
    if (!found.contains(former)) return Done{};
    return Change{.todo = {Do{.at = host.name, .what = Run{.argv = argv, .touches = {"dcs:users"}}, .limit = std::chrono::seconds(30)}},
                  .action = Action::remove,
                  .reason = "Patroni logs in to etcd as " + now + " everywhere"};
  };
  return make_step(StepRef{"", "etcd", "former-user"}, {.asks = {users}, .decide = decide, .settle = std::chrono::seconds(10)});
}

// Before anything speaks plainly: a program that shows no certificate is nobody to etcd.
StepPtr no_users_step(const ClusterView& cluster, const TopologyHost& host) {
  const Ask open = open_ask(cluster, host);
  auto decide = [=, argv = etcdctl(cluster, host, {"auth", "disable"})](const Answers& answers) -> Decision {
    const Lets lets = read_open(answers[open]);
    if (lets == Lets::everybody) return Done{};
    if (lets == Lets::nobody_knows) return Later{.until = "etcd answers", .action = Action::run, .seen = etcd_silence(answers[open])};
    return Change{
        .todo = {Do{.at = host.name, .what = Run{.argv = argv, .touches = {"dcs:users", "dcs:initialize"}}, .limit = std::chrono::seconds(30)}},
        .action = Action::run,
        .reason = "its users show who they are by certificates, or log in with TLS"};
  };
  return make_step(etcd::users(), {.asks = {open}, .decide = decide, .settle = std::chrono::seconds(30)});
}

std::vector<StepRef> unmarked(const ClusterView& cluster) {
  std::vector<StepRef> all;
  for (const TopologyHost& host : cluster.topology.hosts) all.push_back(etcd::unmarked(host.name));
  return all;
}

}  // namespace

bool owns_etcd_root(const Facts& facts) {
  return owns(facts, "file:" + certificates::key_file(etcd_root_certificate)) ||
         owns(facts, "file:" + certificates::certificate_file(etcd_root_certificate));
}

Steps etcd_users_mark(const NodeView& node) {
  if (etcd_has_users(node.cluster))
    return file(node.step("etcd", "users-mark"), node.name(), {.path = mark, .content = "# Written by pgcluster: etcd has users.\n"});
  return is_marked(node.facts) ? Steps(absent(etcd::unmarked(node.name()), node.name(), "file:" + mark)) : Steps();
}

bool etcd_has_users(const ClusterView& cluster) {
  // A view that still gets its facts must not remember what it said without them.
  return cluster.facts.empty() ? find_users(cluster) : *cluster.derived(find_users);
}

bool etcd_gets_users(const ClusterView& cluster) { return etcd_has_users(cluster) && runs_etcd(cluster); }

std::string etcd_reader(const Spec& spec) {
  const std::string name = "reader@" + spec.patroni_cluster_name;
  return name.size() <= longest_common_name ? name : "reader@" + sha256_hex(spec.patroni_cluster_name).substr(0, 32);
}

std::string etcd_patroni_user(const ClusterView& cluster) { return patroni_user(cluster, turn_of(cluster)); }

Steps etcd_user_steps(const ClusterView& cluster) {
  const TopologyHost* host = member_to_ask(cluster);
  if (cluster.topology.dcs_type != DcsType::etcd || !host) return {};
  // A running Patroni that knows no password comes with users that no longer count.
  if (!etcd_has_users(cluster)) return any_has_root(cluster) ? after_where_planned(unmarked(cluster), no_users_step(cluster, *host)) : Steps();
  std::vector<StepRef> healthy, loaded;
  for (const std::string& name : cluster.topology.dcs_members) healthy.push_back(etcd::healthy(name));
  for (const std::string& name : cluster.topology.database) loaded.push_back(patroni::loaded(name));
  const std::vector<StepRef> before = etcd_gets_users(cluster) ? logged_in(cluster) : std::vector<StepRef>{};
  Steps made = after(healthy, users_step(cluster, *host));
  // A host that gets no files now could not log in afterwards.
  const bool begun = std::any_of(cluster.facts.begin(), cluster.facts.end(), [](const auto& one) { return !one.second.begun.empty(); });
  const bool strands = begun && !(cluster.without.empty() && cluster.left.empty());
  if (!strands) made = sequence(std::move(made), after_where_planned(before, auth_step(cluster, *host)));
  // There is none before the first rotation. Patroni on a host that is left out may still log in with the former password.
  if (turn_of(cluster) == 0 || !cluster.without.empty()) return made;
  return sequence(made, after(loaded, former_step(cluster, *host)));
}

std::vector<Diagnostic> without_etcd_users(const NodeView& node) {
  const ClusterView& cluster = node.cluster;
  const TopologyHost* host = member_to_ask(cluster);
  const bool expected = certificates::wanted(cluster.spec) && cluster.topology.dcs_type == DcsType::etcd;
  if (!expected || cluster.facts.empty() || !host || host->name != node.name() || etcd_has_users(cluster)) return {};
  return {{.severity = Severity::warning,
           .message = "etcd has no users: whoever has a certificate of this cluster may read and change all that it keeps",
           .hint = "pgcluster rotate etcd makes users, and clients keep working"}};
}

}  // namespace pgcluster
