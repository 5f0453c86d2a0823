#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/joined.hpp"
#include "component/cloud/cloud.hpp"
#include "component/consul/consul.hpp"
#include "component/haproxy/haproxy.hpp"
#include "component/listening.hpp"
#include "component/patroni/patroni.hpp"
#include "op/facts.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

constexpr std::int64_t clock_tolerance = 5;  // s; etcd warns at 1 s, certificates and logs suffer first
constexpr std::uint64_t least_disk = 1ull << 30;
constexpr std::uint64_t comfortable_disk = 5ull << 30;

struct Port {
  int number;
  const char* unit;  // ours, which may listen there
  std::string what;
};

std::vector<Port> ports_of(const Spec& spec, const Topology& topology, const TopologyHost& host) {
  std::vector<Port> ports;
  if (std::find(topology.dcs_members.begin(), topology.dcs_members.end(), host.name) != topology.dcs_members.end() && topology.dcs_type == "etcd") {
    ports.push_back({spec.etcd_client_port, "etcd.service", "etcd's clients"});
    ports.push_back({spec.etcd_peer_port, "etcd.service", "etcd's peers"});
  }
  if (has_consul_agent(spec, host))
    for (const int port : consul_ports(host)) ports.push_back({port, consul_unit, "Consul"});
  if (host.has(Role::postgres)) {
    ports.push_back({spec.postgresql_port, "patroni.service", "PostgreSQL"});
    ports.push_back({spec.patroni_restapi_port, "patroni.service", "Patroni's REST API"});
    if (spec.pgbouncer_install) ports.push_back({spec.pgbouncer_listen_port, "pgbouncer.service", "PgBouncer"});
  }
  if (host.has(Role::balancer))
    for (const auto& [name, port] : haproxy_ports(spec)) ports.push_back({port, "haproxy.service", "HAProxy (" + name + ")"});
  return ports;
}

std::vector<std::string> packages_of(const Spec& spec, const Topology& topology, const TopologyHost& host) {
  std::vector<std::string> packages;
  if (std::find(topology.dcs_members.begin(), topology.dcs_members.end(), host.name) != topology.dcs_members.end() && topology.dcs_type == "etcd")
    packages = {"etcd-server", "etcd-client"};
  if (has_consul_agent(spec, host) && !spec.consul_binary.given()) packages.emplace_back("consul");
  if (host.has(Role::postgres)) {
    packages.insert(packages.end(), {"postgresql-" + std::to_string(spec.postgresql_version), "patroni", patroni::dcs_client_package(spec), "curl"});
    if (spec.pgbouncer_install) packages.push_back("pgbouncer");
  }
  if (host.has(Role::balancer)) {
    packages.push_back("haproxy");
    if (!spec.cluster_vip.empty()) packages.push_back("keepalived");
    if (!host.has(Role::postgres)) packages.push_back("curl");
  }
  return packages;
}

struct HostAsks {
  Ask listening, disk, packages;
};

HostAsks asks_of(const Spec& spec, const Topology& topology, const TopologyHost& host) {
  std::vector<std::string> policy{"apt-cache", "policy"};
  for (std::string& package : packages_of(spec, topology, host)) policy.push_back(std::move(package));
  return {{host.name, Exec{.argv = {"ss", "-H", "-ltunp"}}},
          {host.name, Exec{.argv = {"df", "-Pk", "/", "/var", "/var/lib"}}},
          {host.name, Exec{.argv = policy, .limit = std::chrono::seconds(30)}}};
}

class Examiner {
 public:
  /// `asked`: when the first host was asked.
  Examiner(CheckReport& report, const Spec& spec, const Topology& topology, std::int64_t asked)
      : report_(report), spec_(spec), topology_(topology), asked_(asked), answered_(std::max(asked, this_clock())) {}

  static std::int64_t this_clock() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  void examine(const TopologyHost& host, const Facts& facts, const Answers& answers, const HostAsks& asks) {
    host_ = host.name;
    system(facts);
    ports(host, facts, answers.out(asks.listening));
    disk(answers.out(asks.disk));
    packages(host, answers.out(asks.packages));
  }

 private:
  void add(Severity severity, Code code, std::string message, std::string hint) {
    report_.findings.push_back({host_, {.severity = severity, .message = std::move(message), .hint = std::move(hint)}, code});
  }

  void system(const Facts& facts) {
    if (facts.os_id != "debian" && facts.os_id != "ubuntu")
      add(Severity::error, Code::host_unsupported, "runs " + (facts.os_id.empty() ? "an unknown system" : facts.os_id),
          "pgcluster deploys on Debian and its kin");
    else if (facts.os_id == "debian" && std::atoi(facts.os_version.c_str()) < 13)
      add(Severity::warning, Code::host_unsupported, "runs Debian " + facts.os_version, "Debian 13 is what pgcluster is tested on");
    // It told its time at some moment in between: long before the last answer where another host was waited for.
    if (const std::int64_t off = facts.clock - std::clamp(facts.clock, asked_, answered_); std::abs(off) > clock_tolerance)
      add(Severity::error, Code::host_unsupported,
          "its clock is " + std::to_string(std::abs(off)) + " s " + (off > 0 ? "ahead of" : "behind") + " this machine's",
          "set it right, and let a time service keep it so");
    if (facts.memory_bytes > 0 && facts.memory_bytes < (512ull << 20))
      add(Severity::warning, Code::refused, "has only " + std::to_string(facts.memory_bytes >> 20) + " MiB of memory",
          "PostgreSQL, Patroni and " + topology_.dcs_type + " want 1 GiB together");
  }

  void ports(const TopologyHost& host, const Facts& facts, const std::string* listening) {
    if (!listening) return add(Severity::warning, Code::command_failed, "which ports are taken cannot be seen", "ss comes with iproute2");
    for (const Port& port : ports_of(spec_, topology_, host)) {
      if (owns(facts, std::string("unit:") + port.unit)) continue;
      std::istringstream lines(*listening);
      for (std::string line; std::getline(lines, line);)
        if (line.find(":" + std::to_string(port.number) + " ") != std::string::npos) {
          add(Severity::error, Code::refused,
              "port " + std::to_string(port.number) + ", wanted for " + port.what + ", is taken by " + listening_process(line),
              "stop it, or choose another port in the spec");
          break;
        }
    }
  }

  void disk(const std::string* df) {
    if (!df) return;
    std::istringstream lines(*df);
    std::string line, seen;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
      std::istringstream words(line);
      std::string device, mount;
      std::uint64_t total = 0, used = 0, free = 0;
      std::string percent;
      if (!(words >> device >> total >> used >> free >> percent >> mount) || seen.find("|" + mount + "|") != std::string::npos) continue;
      seen += "|" + mount + "|";
      if (free * 1024 < comfortable_disk)
        add(free * 1024 < least_disk ? Severity::error : Severity::warning, Code::refused,
            mount + " has only " + std::to_string(free / 1024) + " MiB free", "a database needs room; packages alone take 500 MiB");
    }
  }

  void packages(const TopologyHost& host, const std::string* policy) {
    if (!policy)
      return add(Severity::warning, Code::command_failed, "apt does not say which packages there are",
                 "run apt-get update on the host, and see what it says");
    std::string missing;
    for (const std::string& package : packages_of(spec_, topology_, host)) {
      const auto at = policy->find(package + ":\n");
      const auto candidate = at == std::string::npos ? at : policy->find("Candidate:", at);
      if (candidate == std::string::npos || policy->compare(candidate, 17, "Candidate: (none)") == 0) append(missing, package);
    }
    if (!missing.empty())
      add(Severity::error, Code::command_failed, "apt has no " + missing, "add a repository that has them, and run apt-get update");
  }

  CheckReport& report_;
  const Spec& spec_;
  const Topology& topology_;
  const std::int64_t asked_, answered_;
  std::string host_;
};

CheckReport::Finding finding(const std::string& host, const Error& error) {
  return {host, {.message = error.message(), .hint = error.hint()}, error.code(), error.failure().causes};
}

// Who asks it, and whether it knows the network and the hosts; what one may change there it does not say before the first change.
void examine_cloud(const std::string& cloud, const std::vector<CloudBalancer>& balancers, const Observed& observed, CheckReport& report) {
  if (const auto error = observed.errors.find(cloud); error != observed.errors.end()) {
    report.findings.push_back(finding(cloud, error->second));
    return;
  }
  const auto answers = observed.answers.find(cloud);
  if (answers == observed.answers.end()) {
    report.findings.push_back({cloud, {.message = "it did not answer in time"}, Code::timed_out});
    return;
  }
  for (std::size_t i = 0; i < balancers.size() && i < answers->second.size(); ++i)
    if (const auto* output = std::get_if<Output>(&answers->second[i]); output && read_balancer(output->out).owner != balancers[i].wish.owner) {
      const Diagnostic why = not_ours(cloud, balancers[i].wish);
      report.findings.push_back({cloud, {.message = why.message, .hint = why.hint}, Code::refused});
    }
}

}  // namespace

CheckReport check_hosts(const Spec& spec, Executor& executor, const OperateOptions& options) {
  const Topology topology = resolve(spec);
  CheckReport report;
  std::map<std::string, std::vector<Ask>> asks;
  std::map<std::string, HostAsks> own;
  for (const TopologyHost& host : topology.hosts) {
    report.hosts.push_back(host.name);
    asks[host.name] = facts_asks(host.name);
    const HostAsks& more = own.emplace(host.name, asks_of(spec, topology, host)).first->second;
    asks[host.name].insert(asks[host.name].end(), {more.listening, more.disk, more.packages});
  }
  Hosts hosts = hosts_of(topology);
  std::vector<CloudBalancer> balancers = with_cloud_balancer(spec) ? cloud_balancers(spec, topology) : std::vector<CloudBalancer>{};
  std::erase_if(balancers, [](const CloudBalancer& one) { return !one.wanted; });
  if (!balancers.empty()) {
    report.hosts.push_back(topology.cloud->name);
    hosts.emplace(topology.cloud->name, *topology.cloud);
    for (const CloudBalancer& one : balancers) asks[topology.cloud->name].push_back(balancer_ask(topology.cloud->name, one.wish, true));
  }
  const std::int64_t asked = Examiner::this_clock();
  const Observed observed = observe(hosts, asks, executor, plan_options(options));
  Examiner examiner(report, spec, topology, asked);
  for (const TopologyHost& host : topology.hosts) {
    if (const auto error = observed.errors.find(host.name); error != observed.errors.end()) {
      report.findings.push_back(finding(host.name, error->second));
      continue;
    }
    if (!observed.answers.contains(host.name)) {
      report.findings.push_back({host.name, {.message = "it did not answer in time"}, Code::timed_out});
      continue;
    }
    std::vector<Answer> given = observed.answers.at(host.name);
    Answers answers;
    for (std::size_t i = 0; i < given.size() && i < asks[host.name].size(); ++i) answers.set(asks[host.name][i], given[i]);
    try {
      given.resize(facts_asks(host.name).size());
      examiner.examine(host, read_facts(host.name, given), answers, own.at(host.name));
    } catch (const Error& error) {
      report.findings.push_back(finding(host.name, error));
    }
  }
  if (!balancers.empty()) examine_cloud(topology.cloud->name, balancers, observed, report);
  return report;
}

bool CheckReport::ok() const {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& one) { return one.what.severity == Severity::error; });
}

std::string CheckReport::text(bool color) const {
  std::string out;
  for (const std::string& host : hosts) {
    bool any = false;
    for (const Finding& one : findings) {
      if (one.host != host) continue;
      any = true;
      const bool error = one.what.severity == Severity::error;
      const std::string kind = error ? "error" : "warning";
      out += host + ": " + (color ? (error ? "\x1b[31m" : "\x1b[33m") + kind + "\x1b[0m" : kind) + ": " + one.what.message +
             (one.what.hint.empty() ? "" : "; " + one.what.hint) + "\n";
      for (std::string cause : one.causes) {
        for (std::size_t at = 0; (at = cause.find('\n', at)) != std::string::npos; at += 5) cause.insert(at + 1, "    ");
        out += "    " + cause + "\n";
      }
    }
    if (!any) out += host + ": ok\n";
  }
  return out;
}

std::string CheckReport::json() const {
  using Json = nlohmann::ordered_json;
  Json json{{"format", 1}, {"ok", ok()}, {"hosts", hosts}, {"findings", Json::array()}};
  for (const Finding& one : findings) {
    json["findings"].push_back({{"host", one.host},
                                {"severity", one.what.severity == Severity::error ? "error" : "warning"},
                                {"code", to_string(one.code)},
                                {"message", one.what.message},
                                {"hint", one.what.hint}});
    if (!one.causes.empty()) json["findings"].back()["causes"] = one.causes;
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pgcluster
