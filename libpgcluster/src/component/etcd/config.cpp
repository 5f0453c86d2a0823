// etcd's environment file, and with it whether a member may be made on a host at all.
#include <algorithm>
#include <sstream>

#include "base/joined.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/etcd/etcd.hpp"
#include "component/listening.hpp"

namespace pgcluster {
namespace {

constexpr const char* header = "# Written by pgcluster.\n";

using Lines = std::vector<std::pair<std::string, std::string>>;

struct Environment {
  Lines now, once;
  std::string kept{};  // a key of `now` that a member keeps as it has it

  // A member that joins must be told exactly the members that there are then. Those of an unfinished first deployment keep what they began with:
  // false.
  bool join(const EtcdScene& scene, const EtcdScene::Now& is, const ClusterView& cluster, const std::string& host) {
    const EtcdScene::Member* self = is.at(host);
    if (!is.known || (self && !self->etcd.started && !self->etcd.name.empty())) return false;
    std::string members;
    for (const EtcdScene::Member& one : is.members)
      for (const std::string& peers : one.etcd.peer_urls) append(members, (one.etcd.name.empty() ? one.host : one.etcd.name) + "=" + peers, ",");
    for (const std::string& name : scene.missing(is, host)) append(members, name + "=" + etcd_peer_url(cluster, name), ",");
    for (auto& [key, value] : once)
      if (key == "ETCD_INITIAL_CLUSTER") value = members;
    return true;
  }

  // `found`: the file of a host that has a member already. What etcd read when the member was made stays as it was then: it means nothing any more,
  // and a change of it would restart etcd for nothing.
  std::string text(const std::string& found, bool joins) const {
    const auto line_of = [&](const std::string& key, const std::string& otherwise) {
      std::istringstream lines(found);
      for (std::string old; std::getline(lines, old);)
        if (old.starts_with(key + "=")) return old;
      return otherwise;
    };
    std::string text = header;
    for (const auto& [key, value] : now) {
      const std::string line = key + "=\"" + value + "\"";
      text += (key == kept ? line_of(key, line) : line) + "\n";
    }
    text += "# Read only when the member is made, and left as they were then.\n";
    Lines first = once;
    first.emplace_back("ETCD_INITIAL_CLUSTER_STATE", joins ? "existing" : "new");
    for (const auto& [key, value] : first) {
      text += line_of(key, key + "=\"" + value + "\"") + "\n";
    }
    return text;
  }
};

// `open`: while the cluster goes over. Clients may use both protocols, and plain is advertised. Peers keep their protocol, but have certificates to
// reach peers that are already TLS-only.
Environment environment(const NodeView& node, bool open = false) {
  const Spec& spec = node.spec();
  const bool tls = certificates::wanted(spec) || open;
  const std::string client = certificates::url(spec, node.host.address, spec.etcd_client_port);
  const std::string peer = etcd_peer_url(node.cluster, node.name());
  const std::string members =
      joined(node.topology().dcs_members, ",", [&](const std::string& member) { return member + "=" + etcd_peer_url(node.cluster, member); });
  Environment all{
      .now = {{"ETCD_NAME", node.name()},
              {"ETCD_DATA_DIR", node.platform().etcd.data},
              {"ETCD_LISTEN_CLIENT_URLS", client + "," + certificates::url(spec, "127.0.0.1", spec.etcd_client_port)},
              {"ETCD_ADVERTISE_CLIENT_URLS", client},
              {"ETCD_LISTEN_PEER_URLS", peer},
              {"ETCD_HEARTBEAT_INTERVAL", "100"},
              {"ETCD_ELECTION_TIMEOUT", "1000"},
              // Patroni rewrites a few keys every few seconds: without compaction they would fill the quota, and etcd would refuse to write.
              {"ETCD_AUTO_COMPACTION_MODE", "periodic"},
              {"ETCD_AUTO_COMPACTION_RETENTION", "1h"},
              {"ETCD_QUOTA_BACKEND_BYTES", "2147483648"}},
      .once = {{"ETCD_INITIAL_ADVERTISE_PEER_URLS", peer}, {"ETCD_INITIAL_CLUSTER", members}, {"ETCD_INITIAL_CLUSTER_TOKEN", etcd_token(spec)}}};
  if (open) {
    const auto set = [&](const char* key, const std::string& value) {
      for (auto& [name, is] : all.now)
        if (name == key) is = value;
    };
    const auto plain = [&](const std::string& address) { return net::http_url(address, spec.etcd_client_port); };
    const auto encrypted = [&](const std::string& address) { return "https://" + net::host_port(address, spec.etcd_client_port); };
    const std::string& own = node.host.address;
    set("ETCD_LISTEN_CLIENT_URLS", plain(own) + "," + encrypted(own) + "," + plain("127.0.0.1") + "," + encrypted("127.0.0.1"));
    set("ETCD_ADVERTISE_CLIENT_URLS", plain(own));
    const std::string peers = net::host_port(own, spec.etcd_peer_port);
    set("ETCD_LISTEN_PEER_URLS", (certificates::wanted(spec) ? "http://" : "https://") + peers);
    all.kept = "ETCD_LISTEN_PEER_URLS";  // as the others know it, whichever way the cluster has turned meanwhile
  }
  // Passwords of its users are 32 random letters: a costly digest makes them no safer, and each login dearer.
  if (etcd_has_users(node.cluster)) all.now.emplace_back("ETCD_BCRYPT_COST", "4");
  // etcd rejects clients and peers without a certificate of the authority.
  if (tls)
    for (const std::string prefix : {"ETCD_", "ETCD_PEER_"}) {
      all.now.emplace_back(prefix + "CERT_FILE", certificates::certificate_file("etcd"));
      all.now.emplace_back(prefix + "KEY_FILE", certificates::key_file("etcd"));
      all.now.emplace_back(prefix + "TRUSTED_CA_FILE", certificates::authority_file);
      all.now.emplace_back(prefix + "CLIENT_CERT_AUTH", "true");
    }
  return all;
}

const EtcdMember* find(const std::vector<EtcdMember>& members, const std::string& url) {
  for (const EtcdMember& member : members)
    for (const std::string& one : member.peer_urls)
      if (etcd_peer_address(one) == etcd_peer_address(url)) return &member;
  return nullptr;
}

}  // namespace

std::string etcd_token(const Spec& spec) { return "etcd-" + spec.patroni_cluster_name; }

std::vector<std::string> etcd_client_urls(const ClusterView& cluster) {
  std::vector<std::string> all;
  for (const std::string& name : cluster.topology.dcs_members)
    all.push_back(certificates::url(cluster.spec, cluster.topology.host(name).address, cluster.spec.etcd_client_port));
  return all;
}

std::string etcd_peer_url(const ClusterView& cluster, const std::string& member) {
  return certificates::url(cluster.spec, cluster.topology.host(member).address, cluster.spec.etcd_peer_port);
}

std::string etcd_peer_address(const std::string& url) { return url.substr(url.find("//") + 2); }

StepPtr etcd_close(const NodeView& node) {
  const std::string host = node.name(), url = etcd_peer_url(node.cluster, host), env_file = node.platform().etcd.config;
  const Ask present{host, FileOf{env_file}};
  const Ask members = etcd_members_ask(node.cluster, node.host);
  auto decide = [=, text_of = environment(node), view = shared(node.cluster), self = node.host](const Answers& answers) -> Decision {
    const auto* found = answers.get<File>(present);
    const std::vector<EtcdMember> known = read_etcd_members(answers[members]);
    const EtcdMember* member = find(known, url);
    if (!found || !member) return Later{"etcd tells its members", Impact::restart, Action::restart};
    const bool named = std::find(member->peer_urls.begin(), member->peer_urls.end(), url) != member->peer_urls.end();
    const std::string text = text_of.text(found->content, false);
    if (named && found->content == text) return Done{};
    Change change{
        .todo = {}, .action = Action::restart, .impact = Impact::restart, .reason = "all clients have gone over: the former protocol is closed"};
    // In one program: between the two the others would not reach it.
    if (!named)
      change.todo.push_back({.at = host,
                             .what = Run{.argv = etcdctl(*view, self, {"member", "update", member->id, "--peer-urls=" + url}),
                                         .touches = {"dcs:members"},
                                         .name = "tell etcd that " + self.name + " is reached by " + url},
                             .limit = std::chrono::seconds(60)});
    change.todo.push_back({.at = host, .what = WriteFile{.path = env_file, .content = text}});
    change.todo.push_back({.at = host, .what = SetUnit{etcd_unit, SetUnit::Go::restart, {}}, .limit = std::chrono::seconds(120)});
    change.diff = unified_diff(env_file, found->content, text);
    return change;
  };
  return make_step(node.step("etcd", "close"),
                   {.asks = {present, members}, .decide = decide, .settle = etcd_patience, .evidence = {journal_ask(host, etcd_unit)}});
}

StepPtr etcd_config(const NodeView& node) {
  const Spec& spec = node.spec();
  const std::string host = node.name();
  const std::string url = etcd_peer_url(node.cluster, host);
  const std::string& env_file = node.platform().etcd.config;
  const std::string& data_dir = node.platform().etcd.data;
  const Ask present{host, FileOf{env_file}};
  const Ask data{host, FileOf{data_dir + "/member", false}};
  const std::string filter = "sport = :" + std::to_string(spec.etcd_client_port) + " or sport = :" + std::to_string(spec.etcd_peer_port);
  const Ask ports{host, Exec{.argv = {"ss", "-Hltnp", filter}}};
  std::vector<Ask> asks{present, data, ports};
  // Only of hosts that run a member of ours already: a first deployment must not wait for other hosts here.
  std::map<std::string, Ask> others;
  const auto membership = node.cluster.derived(etcd_membership);
  const bool is_new = membership->joins(host);
  const EtcdScene scene(node.cluster);
  if (is_new) asks.insert(asks.end(), scene.asks().begin(), scene.asks().end());
  for (const std::string& member : node.topology().dcs_members)
    if (!is_new && member != host && owns_etcd(node.cluster, member))
      asks.push_back(others.emplace(member, etcd_members_ask(node.cluster, node.topology().host(member))).first->second);

  const bool open = certificates::goes_over(node.cluster);
  auto decide = [=, file_text = environment(node, open), closed = environment(node), owned = owns_etcd(node.cluster, host),
                 view = shared(node.cluster), token = "ETCD_INITIAL_CLUSTER_TOKEN=\"" + etcd_token(spec) + "\""](const Answers& answers) -> Decision {
    const auto* found = answers.get<File>(present);
    const bool ours = owned || (found && found->content.starts_with(header));
    const bool member = answers.get<File>(data);
    if (!member && !answers.get<Absent>(data)) {
      const auto* why = answers.get<Unreadable>(data);
      return Refused{{.message = "cannot see whether " + host + " has an etcd member in " + data_dir + (why ? ": " + why->why : std::string())},
                     Code::command_failed};
    }
    if (member && !ours)
      return Refused{{.message = host + " has an etcd member in " + data_dir + " that pgcluster has not made",
                      .hint = "take another host; or, where nobody needs that etcd: systemctl disable --now etcd, and move the folder away"}};
    const auto key = found ? found->content.find("ETCD_INITIAL_CLUSTER_TOKEN=") : std::string::npos;
    if (member && key != std::string::npos && found->content.compare(key, token.size(), token) != 0)
      return Refused{
          {.message = host + " has an etcd member of another cluster in " + data_dir, .hint = "take another host, or destroy that cluster first"}};
    if (const std::string* listening = answers.out(ports); listening && !listening->empty())
      if (const std::string process = listening_process(*listening, ours ? "etcd" : "another process"); process != "etcd" || !ours)
        return Refused{
            {.message = "etcd's port on " + host + " is taken by " + process + (process == "etcd" ? ", which pgcluster has not set up" : ""),
             .hint = "stop it, or choose other ports by etcd_client_port and etcd_peer_port; it listens on " +
                     listening->substr(0, listening->find('\n'))}};
    bool joins = false;
    for (const auto& [other, ask] : others) {
      const std::vector<EtcdMember> members = read_etcd_members(answers[ask]);
      const EtcdMember* self = member ? nullptr : find(members, url);
      if (!self) continue;
      if (self->started)
        return Refused{{.message = host + " is a member of the running etcd, but its data in " + data_dir + " is gone",
                        .hint = "to make it anew, on " + other + ": etcdctl member remove " + self->id + " && etcdctl member add " + host +
                                " --peer-urls=" + url + "; then apply again"}};
      joins = joins || self->name.empty();  // `etcdctl member add` leaves the name to the member's first start
    }
    Environment wished = file_text;
    if (is_new && !member) joins = wished.join(scene, scene.look(answers), *view, host) || joins;
    const std::string text = wished.text(member && found ? found->content : "", joins);
    if (open && found && found->content == closed.text(found->content, joins)) return Done{};
    return file("config", host, {.path = env_file, .content = text})->decide(answers);
  };
  return make_step(node.step("etcd", "config"), {.asks = asks, .decide = decide, .keeps = {"file:" + env_file}});
}

}  // namespace pgcluster
