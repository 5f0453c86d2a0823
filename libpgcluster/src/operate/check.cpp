#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/joined.hpp"
#include "component/cloud/cloud.hpp"
#include "component/firewall/firewall.hpp"
#include "component/listening.hpp"
#include "component/postgresql/sql.hpp"
#include "op/facts.hpp"
#include "operate/declared.hpp"
#include "operate/obstacles.hpp"
#include "operate/reach.hpp"
#include "operate/view.hpp"
#include "platform/platform.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

constexpr std::int64_t clock_tolerance = 5;  // s; etcd warns at 1 s, certificates and logs suffer first
constexpr std::uint64_t least_disk = 1ull << 30;
constexpr std::uint64_t comfortable_disk = 5ull << 30;

// What a host is asked beside its facts.
struct HostAsks {
  Ask listening, sockets, disk, packages;
  std::vector<Ask> all() const { return {listening, sockets, disk, packages}; }
};

// Each name once, in the order in which components declare them.
std::vector<std::string> names(const std::vector<Declaration>& declared, std::vector<std::string> Needs::*list) {
  std::vector<std::string> all;
  for (const Declaration& one : declared)
    for (const std::string& name : one.needs.*list)
      if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
  return all;
}

HostAsks asks_of(const NodeView& node, const std::vector<Declaration>& declared) {
  const std::string& host = node.name();
  std::vector<std::string> policy = node.platform().package_query, df{"df", "-Pk", "/", "/var", "/var/lib"};
  for (std::string& package : names(declared, &Needs::packages)) policy.push_back(std::move(package));
  // If a directory does not exist yet, df reports it on its standard error and continues with the others.
  for (std::string& directory : names(declared, &Needs::directories)) df.push_back(std::move(directory));
  return {{host, Exec{.argv = {"ss", "-H", "-ltunp"}}},
          {host, Exec{.argv = {"cat", "/proc/net/tcp", "/proc/net/tcp6"}}},
          {host, Exec{.argv = df}},
          {host, Exec{.argv = policy, .limit = std::chrono::seconds(30)}}};
}

// The kernel's table of TCP sockets, as ss shows those that listen: for hosts without ss. It does not name the processes.
std::string listening_sockets(const std::string& table) {
  std::string shown;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string number, local, remote, state;
    if (!(words >> number >> local >> remote >> state) || state != "0A" || local.find(':') == std::string::npos) continue;
    shown += "tcp LISTEN 0 0 *:" + std::to_string(std::strtoul(local.c_str() + local.rfind(':') + 1, nullptr, 16)) + " *:* \n";
  }
  return shown;
}

class Examiner {
 public:
  /// `asked`: when the first host was asked.
  Examiner(CheckReport& report, std::int64_t asked) : report_(report), asked_(asked), answered_(std::max(asked, this_clock())) {}

  static std::int64_t this_clock() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  void examine(const std::string& host, const Facts& facts, const Answers& answers, const HostAsks& asks, const std::vector<Declaration>& declared) {
    host_ = host;
    system(facts);
    const std::string* listening = answers.out(asks.listening);
    const auto* table = answers.get<Output>(asks.sockets);  // without IPv6 one of the files is missing
    const std::string sockets = table ? listening_sockets(table->out) : std::string();
    ports(declared, facts, listening ? listening : table ? &sockets : nullptr);
    disk(answers.get<Output>(asks.disk));
    packages(platform_of(facts), declared, answers.out(asks.packages));
  }

 private:
  void add(Severity severity, Code code, std::string message, std::string hint) {
    report_.findings.push_back({host_, {.severity = severity, .message = std::move(message), .hint = std::move(hint)}, code});
  }

  void system(const Facts& facts) {
    if (const Platform* platform = find_platform(facts); !platform) {
      const Error refused = unsupported_platform("it", facts);
      add(Severity::error, refused.code(), refused.message(), refused.hint());
    } else if (!platform->tried) {
      const Diagnostic untried = untried_platform(*platform, "");
      add(untried.severity, Code::host_unsupported, untried.message, untried.hint);
    }
    // The host read its clock at some moment between asked_ and answered_: long before answered_ if another host was slow.
    if (const std::int64_t off = facts.clock - std::clamp(facts.clock, asked_, answered_); std::abs(off) > clock_tolerance)
      add(Severity::error, Code::host_unsupported,
          "its clock is " + std::to_string(std::abs(off)) + " s " + (off > 0 ? "ahead of" : "behind") + " this machine's",
          "set the clock, and run a time service");
    if (facts.memory_bytes > 0 && facts.memory_bytes < (512ull << 20))
      add(Severity::warning, Code::refused, "has only " + std::to_string(facts.memory_bytes >> 20) + " MiB of memory",
          "a database host with all of its services needs 1 GiB");
  }

  void ports(const std::vector<Declaration>& declared, const Facts& facts, const std::string* listening) {
    if (!listening)
      return add(Severity::warning, Code::command_failed, "cannot list the ports that are in use", "see what `ss -ltn` says on the host");
    for (const Declaration& one : declared)
      for (const PortNeed& port : one.needs.ports) {
        if (owns(facts, "unit:" + port.unit)) continue;
        std::istringstream lines(*listening);
        for (std::string line; std::getline(lines, line);)
          if (line.find(":" + std::to_string(port.number) + " ") != std::string::npos) {
            add(Severity::error, Code::refused,
                "port " + std::to_string(port.number) + ", wanted for " + port.purpose + ", is taken by " + listening_process(line),
                "stop it, or choose another port in the spec");
            break;
          }
      }
  }

  void disk(const Output* df) {
    if (!df) return;
    std::istringstream lines(df->out);
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

  void packages(const Platform& platform, const std::vector<Declaration>& declared, const std::string* policy) {
    if (!policy)
      return add(Severity::warning, Code::command_failed, "apt did not list its packages", "run apt-get update on the host, and see what it says");
    std::vector<std::string> missing;
    for (const std::string& package : names(declared, &Needs::packages))
      if (candidate(*policy, package).empty()) missing.push_back(package);
    if (!missing.empty()) add(Severity::error, Code::command_failed, "apt has no " + joined(missing), missing_hint(platform, missing));
    for (const Declaration& one : declared)
      for (const auto& [package, least] : one.needs.least)
        if (const std::string version = candidate(*policy, package); !version.empty() && older(version, least))
          add(Severity::error, Code::command_failed, "apt has " + package + " " + version + ", and pgcluster needs " + least + " or later",
              "add a repository that has it, and run apt-get update");
  }

  CheckReport& report_;
  const std::int64_t asked_, answered_;
  std::string host_;
};

CheckReport::Finding finding(const std::string& host, const Error& error) {
  return {host, {.message = error.message(), .hint = error.hint()}, error.code(), error.failure().causes};
}

// Checks the credentials, and that the cloud knows the network and the hosts. Whether the credentials may change load balancers shows only at the
// first change.
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
  const auto view = outline(spec, topology);
  const std::vector<ComponentPtr> components = with_builtin(options.components);
  CheckReport report;
  for (const Diagnostic& clash : port_clashes(*view, components))
    report.findings.push_back({clash.path.substr(std::string("hosts.").size()), clash, Code::spec_invalid});
  std::map<std::string, std::vector<Ask>> asks;
  std::map<std::string, std::vector<Declaration>> declared;
  std::map<std::string, std::vector<Peer>> peers;
  std::map<std::string, std::set<std::string>> resources = likely_resources(spec, topology, components);
  for (const TopologyHost& host : topology.hosts) declared[host.name] = declarations(node_of(*view, host), components);
  for (const TopologyHost& host : topology.hosts) {
    report.hosts.push_back(host.name);
    asks[host.name] = facts_asks(host.name);
    for (Ask& ask : asks_of(node_of(*view, host), declared[host.name]).all()) asks[host.name].push_back(std::move(ask));
    asks[host.name].push_back(reach_ask(host.name, peers[host.name] = peers_of(host, topology, declared)));
    for (const std::string& path : files_of(resources[host.name])) asks[host.name].push_back({host.name, FileOf{path, false}});
    if (host.has(Role::postgres)) asks[host.name].push_back(server_ask(*view, host));
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
  Examiner examiner(report, asked);
  std::map<std::string, Facts> facts;
  std::map<std::string, std::vector<Barrier>> barriers;
  Answers servers;
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
    if (host.has(Role::postgres)) servers.set(server_ask(*view, host), answers[server_ask(*view, host)]);
    const std::vector<Peer>& others = peers.at(host.name);
    barriers[host.name] = read_barriers(host.name, others, answers[reach_ask(host.name, others)]);
    for (const std::string& path : files_of(resources[host.name]))
      if (const auto* file = answers.get<File>({host.name, FileOf{path, false}}); file && file->fixed)
        report.findings.push_back({host.name, fixed_file(path), Code::refused});
    try {
      given.resize(facts_asks(host.name).size());
      const auto& needed = declared.at(host.name);
      const Facts& own = facts[host.name] = read_facts(host.name, given);
      examiner.examine(host.name, own, answers, asks_of(node_of(*view, host), needed), needed);
      const NodeView node{*view, host, own};
      for (Diagnostic& one : obstacles(node, declarations(node, components), resources[host.name]))
        report.findings.push_back({host.name, std::move(one), Code::refused});
    } catch (const Error& error) {
      report.findings.push_back(finding(host.name, error));
    }
  }
  for (auto& [host, found] : barriers)
    for (Barrier& barrier : found) {
      // Our own firewall lets a host in when an apply has added it.
      const bool not_yet = facts[host].owned.empty() && owns(facts[barrier.peer], std::string("file:") + firewall_file);
      if (!not_yet && !observed.errors.contains(barrier.peer))
        report.findings.push_back({host,
                                   {.severity = barrier.mutual ? Severity::error : Severity::warning,
                                    .message = std::move(barrier.message),
                                    .hint = std::move(barrier.remedy)},
                                   Code::refused});
    }
  const RecordedMembers recorded = recorded_members(facts);
  for (const TopologyHost& host : topology.hosts)
    for (Diagnostic& one : impossible_changes(spec, host, facts, recorded)) report.findings.push_back({host.name, std::move(one), Code::refused});
  if (const auto roles = md5_roles(*view, servers); !roles.empty())
    report.findings.push_back({topology.database.front(), md5_warning(roles), Code::refused});
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
