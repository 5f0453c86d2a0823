#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "component/certificates.hpp"
#include "component/registry.hpp"
#include "golden.hpp"

// A component's steps on hosts that a test describes, with answers that it can bend.
namespace parts {

using namespace pgcluster;

/// Owned by the hosts of a cluster that has gone over to TLS, or began with it.
inline const Owned encrypted{std::string("file:") + certificates::settled_file, "x"};

template <class T>
bool is(const Decision& decision) {
  return std::holds_alternative<T>(decision);
}

inline Facts a_host(const std::string& address) {
  Facts facts{.hostname = "somewhere", .os_id = "debian", .os_version = "13", .memory_bytes = 8ull << 30, .cpus = 4, .nofile_limit = 524288};
  facts.interfaces = {{"lo", "127.0.0.1/8"}, {"eth0", "192.168.1.7/24"}, {"eth1", address + "/24"}};
  facts.default_interface = "eth0";
  return facts;
}

inline ClusterView cluster(Spec spec) {
  ClusterView view;
  view.topology = resolve(spec);
  for (const TopologyHost& host : view.topology.hosts) view.facts[host.name] = a_host(host.address);
  view.secrets["pgbouncer_auth_password"] = {"pgbouncer_auth_password", "a \"quoted\" word"};
  view.secrets["keepalived_auth_password"] = {"keepalived_auth_password", "eightandmore"};
  view.secrets["consul_encrypt_key"] = {"consul_encrypt_key", "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="};
  view.secrets["consul_tokens_key"] = {"consul_tokens_key", "thirty-two letters of a generator"};
  view.digests["/opt/confd"] = std::string(64, 'c');
  view.digests["/opt/consul"] = std::string(64, 'c');
  view.spec = std::move(spec);
  for (const TopologyHost& host : view.topology.hosts) {
    const NodeView node{view, host, view.facts[host.name]};
    for (const ComponentPtr& component : builtin_components()) view.needs[host.name].push_back(component->needs(node));
    for (const SecretNeed& need : pgbackrest_component()->needs(node).secrets) view.secrets[need.name] = {need.name, "a passphrase"};
  }
  return view;
}

inline Spec spec(int hosts = 3) {
  Spec spec;
  for (int i = 1; i <= hosts; ++i) spec.hosts.push_back({.name = "pg" + std::to_string(i), .address = "10.77.0.1" + std::to_string(i)});
  return spec;
}

inline Steps steps(const ComponentPtr& component, const ClusterView& view, const std::string& host) {
  return component->steps(NodeView{view, view.topology.host(host), view.facts.at(host)}.seen_by(*component));
}

/// Names of the secrets that a component needs on the hosts of a spec.
inline std::set<std::string> secret_names(const ComponentPtr& component, const Spec& wished) {
  ClusterView view;
  view.topology = resolve(wished);
  view.spec = wished;
  std::set<std::string> names;
  const Facts unknown;
  for (const TopologyHost& host : view.topology.hosts)
    for (const SecretNeed& secret : component->needs(NodeView{view, host, unknown}).secrets) names.insert(secret.name);
  return names;
}

/// What a host with nothing on it answers.
inline Answer nothing(const Ask& ask) {
  if (std::holds_alternative<Exec>(ask.what)) return Output{.status = 127};
  return Absent{};
}

/// Asks of one step, by what is asked: a path, a package, a unit, or words of a command.
struct Bent {
  std::string host, what;
  Answer answer;
};
inline bool matches(const Ask& ask, const Bent& bent) {
  if (!bent.host.empty() && ask.at != bent.host) return false;
  std::string text = describe(ask);
  if (const auto* exec = std::get_if<Exec>(&ask.what)) {
    text.clear();
    for (const std::string& word : exec->argv) text += word + " ";
  }
  return text.find(bent.what) != std::string::npos;
}

inline Answers answers_to(const Step& step, const std::vector<Bent>& bents) {
  Answers answers;
  for (const Ask& ask : step.asks()) {
    answers.set(ask, nothing(ask));
    for (const Bent& bent : bents)
      if (matches(ask, bent)) answers.set(ask, bent.answer);
  }
  return answers;
}

inline StepPtr find(const Steps& all, const std::string& name) {
  for (const Steps::Node& node : all.nodes())
    if (node.step->name() == name) return node.step;
  FAIL("there is no step " << name);
  return nullptr;
}
inline Decision decide(const Steps& all, const std::string& name, const std::vector<Bent>& bents = {}) {
  const StepPtr step = find(all, name);
  return step->decide(answers_to(*step, bents));
}
inline std::string message(const Decision& decision) {
  const auto* refused = std::get_if<Refused>(&decision);
  return refused ? refused->why.message + "\n" + refused->why.hint : "";
}

/// Every decision must hold against answers of every kind.
inline void total(const Steps& all) {
  const std::vector<Answer> kinds{
      Absent{},           File{.content = "nonsense"}, File{.kind = File::Kind::directory},  Package{"1"},    Unit{}, Account{},
      Output{.out = "x"}, Output{.status = 0},         Output{.status = 124, .err = "slow"}, Unreadable{"no"}};
  for (const Steps::Node& node : all.nodes())
    for (const Answer& kind : kinds) {
      Answers answers;
      for (const Ask& ask : node.step->asks()) answers.set(ask, kind);
      CHECK_NOTHROW(node.step->decide(answers));
    }
}

/// All files that a fresh host gets, against those in tests/cases/component/NAME/CASE/files. `facts` in a case bends the host.
inline void golden_files(const ComponentPtr& component, const std::string& name) {
  for (const auto& folder : golden::cases("component/" + name)) {
    CAPTURE(folder.string());
    ClusterView view = cluster(parse_spec(golden::read(folder / "cluster.yaml"), "cluster.yaml"));
    for (auto& [host, facts] : view.facts) {
      const std::string bends = golden::read(folder / "facts");
      if (bends.find("container") != std::string::npos) facts.container = "systemd-nspawn", facts.nofile_limit = 20000;
      if (bends.find("small") != std::string::npos) facts.memory_bytes = 2ull << 30;
    }
    std::set<std::string> written;
    for (const Steps::Node& node : steps(component, view, view.topology.hosts.front().name).nodes()) {
      const Decision decision = node.step->decide(answers_to(*node.step, {}));
      if (const auto* change = std::get_if<Change>(&decision))
        for (const Do& d : change->todo) {
          std::string path, text;
          if (const auto* write = std::get_if<WriteFile>(&d.what)) path = write->path, text = write->content.masked();
          if (const auto* block = std::get_if<WriteBlock>(&d.what)) path = block->path, text = block->content;
          if (path.empty()) continue;
          golden::check(folder / ("files" + path), text);
          written.insert(path);
        }
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "files"))
      if (entry.is_regular_file())
        CHECK_MESSAGE(written.contains(entry.path().string().substr((folder / "files").string().size())), entry.path().string());
  }
}

}  // namespace parts
