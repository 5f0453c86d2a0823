// The operating system under the cluster: kernel settings, transparent huge pages, names, the clock.
#include <algorithm>
#include <sstream>

#include "base/joined.hpp"
#include "component/certificates.hpp"
#include "component/postgresql/networks.hpp"
#include "component/registry.hpp"
#include "component/sandbox.hpp"
#include "component/system/shell.hpp"

namespace pgcluster {
namespace {

constexpr const char* sysctl_file = "/etc/sysctl.d/90-pgcluster.conf";
constexpr std::uint64_t gib = 1ull << 30;

struct Setting {
  std::string key, value;
  bool users;  // from the spec: a kernel without it is an error, not a matter of taste
};

std::vector<Setting> settings(const NodeView& node, bool on_any_host = false) {
  std::vector<Setting> all;
  const auto add = [&](std::string key, std::string value, bool users = false) {
    const auto same = std::find_if(all.begin(), all.end(), [&](const Setting& one) { return one.key == key; });
    if (same != all.end())
      *same = {std::move(key), std::move(value), users};
    else
      all.push_back({std::move(key), std::move(value), users});
  };
  if (node.has(Role::postgres)) {
    if (on_any_host || node.facts.memory_bytes >= 4 * gib) {
      // Strict accounting: an allocation fails in one backend, instead of the OOM killer taking all of PostgreSQL down. The kernel's ratio of 50
      // would leave half of the memory unused where there is no swap. Small hosts cannot afford to reserve all that Patroni and etcd only map.
      add("vm.overcommit_memory", "2");
      add("vm.overcommit_ratio", "90");
      add("vm.min_free_kbytes", "102400");
    }
    add("vm.swappiness", "1");
    // Written early and in small portions, so that a checkpoint's fsync does not wait for gigabytes.
    add("vm.dirty_expire_centisecs", "1000");
    add("vm.dirty_background_bytes", "67108864");
    add("vm.dirty_bytes", "536870912");
    add("vm.zone_reclaim_mode", "0");
    add("kernel.numa_balancing", "0");
    add("kernel.sched_autogroup_enabled", "0");
  }
  // Neither ip_forward nor ip_nonlocal_bind: these hosts are no routers, and nothing here binds to an address before it has it.
  add("net.ipv4.ip_local_port_range", "10000 65535");
  add("net.core.netdev_max_backlog", "10000");
  add("net.ipv4.tcp_max_syn_backlog", "8192");
  add("net.core.somaxconn", "65535");
  add("net.ipv4.tcp_tw_reuse", "1");
  for (const auto& [key, value] : node.spec().sysctl_conf) add(key, value, true);
  // A container cannot change what belongs to the whole machine.
  if (!on_any_host && !node.facts.container.empty()) std::erase_if(all, [](const Setting& one) { return !one.key.starts_with("net."); });
  return all;
}

// "net.ipv4.conf.eth0/1.forwarding" is net/ipv4/conf/eth0.1/forwarding.
std::string proc_path(std::string key) {
  for (char& c : key) c = c == '.' ? '/' : c == '/' ? '.' : c;
  return "/proc/sys/" + key;
}

std::string single_spaced(const std::string& text) {
  std::istringstream words(text);
  std::string all;
  for (std::string word; words >> word;) all += (all.empty() ? "" : " ") + word;
  return all;
}

// sysctl itself is no essential package; grep is, and names the file before each value.
Exec values_exec(const std::vector<Setting>& wished) {
  Exec exec{.argv = {"grep", "-sH", ""}};
  for (const Setting& one : wished) exec.argv.push_back(proc_path(one.key));
  return exec;
}

Steps sysctl(const NodeView& node) {
  const std::vector<Setting> wished = settings(node);
  if (wished.empty()) return {};
  std::string text = "# Written by pgcluster.\n";
  for (const Setting& one : wished) text += one.key + " = " + one.value + "\n";

  // The same question whatever the host is, so that it can go along with the question what it is.
  const Ask ask{node.name(), values_exec(settings(node, true))};
  auto decide = [ask, wished, host = node.name()](const Answers& answers) -> Decision {
    const auto* output = answers.get<Output>(ask);
    if (!output || output->status > 2) {
      const auto* why = answers.get<Unreadable>(ask);
      return Refused{{.message = "cannot read the kernel's settings under /proc/sys" + (why ? ": " + why->why : std::string())},
                     Code::command_failed};
    }
    std::map<std::string, std::string> found;
    std::istringstream lines(output->out);
    for (std::string line; std::getline(lines, line);)
      if (const auto colon = line.find(':'); colon != std::string::npos) found[line.substr(0, colon)] = single_spaced(line.substr(colon + 1));
    std::string before, after;
    std::vector<std::string> argv{"sh", "-c", shell::kernel_settings, "sh"};
    for (const Setting& one : wished) {
      const auto it = found.find(proc_path(one.key));
      if (it == found.end()) {
        if (one.users)
          return Refused{{.message = "the kernel of " + host + " has no setting " + one.key,
                          .hint = "correct it in sysctl_conf, or load the kernel module that brings it",
                          .path = "sysctl_conf." + one.key}};
        continue;
      }
      if (it->second == single_spaced(one.value)) continue;
      before += one.key + " = " + it->second + "\n";
      after += one.key + " = " + one.value + "\n";
      argv.push_back(proc_path(one.key));
      argv.push_back(one.value);
    }
    if (after.empty()) return Done{};
    return Change{.todo = {Do{.at = host, .what = Run{.argv = std::move(argv), .name = "set the kernel's parameters"}}},
                  .action = Action::update,
                  .diff = unified_diff("kernel settings", before, after),
                  .reason = "the kernel runs with other values (" + std::to_string(std::count(after.begin(), after.end(), '\n')) + " of " +
                            std::to_string(wished.size()) + ")"};
  };
  // The file comes last: a value that the kernel refuses must not stand there for the next boot.
  return sequence(make_step(node.step("system", "sysctl"), {.asks = {ask}, .decide = decide, .settle = std::chrono::seconds(2)}),
                  file(node.step("system", "sysctl-file"), node.name(), {.path = sysctl_file, .content = text}));
}

Steps huge_pages(const NodeView& node) {
  ServiceWish wish{.unit = "pgcluster-thp.service", .restart_impact = Impact::none, .settle = std::chrono::seconds(20)};
  const std::string path = "/etc/systemd/system/" + wish.unit;
  wish.start_files = {path};
  const std::string text =
      "[Unit]\n"
      "Description=Transparent huge pages off: they stall PostgreSQL while the kernel compacts memory (pgcluster)\n"
      "DefaultDependencies=no\n"
      "After=sysinit.target local-fs.target\n"
      "Before=basic.target\n"
      "\n"
      "[Service]\n"
      "Type=oneshot\n"
      "RemainAfterExit=yes\n"
      "ExecStart=/bin/sh -c 'for f in enabled defrag; do f=/sys/kernel/mm/transparent_hugepage/$f; [ ! -w $f ] || echo never >$f; done'\n" +
      sandbox_lines(node.facts, {.tunes_kernel = true}) +
      "\n"
      "[Install]\n"
      "WantedBy=basic.target\n";
  return sequence(parallel(file(node.step("system", "thp-unit"), node.name(), {.path = path, .content = text}),
                           file(node.step("system", "thp-notes"), node.name(), unit_notes(wish))),
                  service(node.step("system", "thp"), node.name(), wish));
}

Steps names(const NodeView& node) {
  std::string lines;
  for (const TopologyHost* host : node.cluster.known())
    if (host->name == node.name() || !only_asks(*host)) lines += host->address + " " + host->name + "\n";
  return block(node.step("system", "hosts"), node.name(), {.path = "/etc/hosts", .marker = "hosts", .content = lines});
}

StepPtr clock(const NodeView& node) {
  const std::string& package = node.platform().time_service;
  const std::vector<std::string>& units = node.platform().time_units;
  std::vector<Ask> asks;
  for (const std::string& unit : units) asks.push_back({node.name(), UnitOf{unit}});
  // It keeps no resource: a host should go on to have a clock when the cluster is gone.
  auto decide = [asks, package, host = node.name()](const Answers& answers) -> Decision {
    std::string installed, unknown;
    for (const Ask& ask : asks) {
      const auto* unit = answers.get<Unit>(ask);
      if (unit && unit->active == "active") return Done{};
      if (unit && !unit->masked && installed.empty()) installed = std::get<UnitOf>(ask.what).name;
      if (const auto* why = answers.get<Unreadable>(ask); why && unknown.empty()) unknown = why->why;
    }
    if (!unknown.empty()) return Refused{{.message = "cannot see which time service runs: " + unknown}, Code::command_failed};
    Change change{.action = Action::start, .reason = "no time service runs"};
    if (installed.empty()) {
      installed = package + ".service";
      change.todo.push_back({.at = host, .what = Install{.packages = {package}}, .was = Absent{}, .limit = std::chrono::minutes(15)});
    }
    change.todo.push_back({.at = host, .what = SetUnit{installed, SetUnit::Go::start, true}});
    return change;
  };
  return make_step(node.step("system", "clock"), {.asks = asks, .decide = decide, .settle = std::chrono::seconds(30)});
}

// Keys of the spec that settings() leaves out.
std::vector<Diagnostic> left_out(const NodeView& node) {
  std::string keys;
  for (const auto& [key, value] : node.spec().sysctl_conf)
    if (!key.starts_with("net.")) append(keys, key);
  if (!node.spec().sysctl_set || node.facts.container.empty() || keys.empty()) return {};
  return {{.severity = Severity::warning,
           .message = "sysctl_conf: " + keys + " cannot be set on " + node.name() + ", which is a container (" + node.facts.container + ")",
           .hint = "set these on the machine that it runs on"}};
}

class System final : public Component {
 public:
  std::string name() const override { return "system"; }
  Turn turn() const override { return Turn::first; }

  Needs needs(const NodeView& node) const override {
    Needs all{.packages = {node.platform().network_tools}, .findings = left_out(node)};
    if (certificates::wanted(node.spec()))
      all.secrets = {{.name = certificates::authority, .word = "ca", .authority = true, .files = node.spec().tls_ca}};
    return all;
  }

  Steps steps(const NodeView& node) const override {
    std::vector<Steps> parts{packages(node.step("system", "packages"), node.name(), needs(node).packages)};
    if (node.spec().etc_hosts) parts.push_back(names(node));
    if (node.spec().sysctl_set) parts.push_back(sysctl(node));
    if (node.spec().disable_thp && node.has(Role::postgres) && node.facts.container.empty()) parts.push_back(huge_pages(node));
    return parallel(std::move(parts));
  }

  // Beside the hosts' own steps, not before them: its package then arrives in the same apt call as all others. A container has its machine's clock.
  Steps cluster_steps(const ClusterView& cluster) const override {
    std::vector<Steps> parts;
    for (const TopologyHost& host : cluster.topology.hosts) {
      const auto facts = cluster.facts.find(host.name);
      if (!cluster.spec.ntp_enabled || facts == cluster.facts.end() || !facts->second.container.empty()) continue;
      parts.push_back(clock(NodeView{cluster, host, facts->second}));
    }
    return parallel(std::move(parts));
  }
};

}  // namespace

ComponentPtr system_component() { return std::make_shared<System>(); }

}  // namespace pgcluster
