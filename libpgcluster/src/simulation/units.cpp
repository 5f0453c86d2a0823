// Units, packages and reboots of simulated hosts.
#include <algorithm>
#include <sstream>

#include "base/digest.hpp"
#include "simulation/fleet.hpp"

namespace pgcluster {
namespace {

constexpr const char* unit_folders[] = {"/etc/systemd/system/", "/run/systemd/system/", "/lib/systemd/system/", "/usr/lib/systemd/system/"};

using Notes = std::optional<std::map<std::string, std::string>>;

// The files that the unit's drop-ins note as `kind` ("start", "load"), with their digests now: the lines of unit_notes() as a shell would
// read them. Lines beginning with `line` count.
Notes take_notes(const SimulatedHost& host, const std::string& unit, const std::string& kind, std::string_view line) {
  Notes notes;
  const std::string folder = "/etc/systemd/system/" + unit + ".d/";
  const std::string target = ">/run/pgcluster/units/" + unit + "." + kind + " ";
  for (auto it = host.files.lower_bound(folder); it != host.files.end() && it->first.starts_with(folder); ++it) {
    std::istringstream lines(it->second.content);
    for (std::string text; std::getline(lines, text);) {
      const auto end = text.find(target);
      if (!text.starts_with(line) || end == std::string::npos) continue;
      const auto begin = text.rfind("sha256sum --", end);
      if (begin == std::string::npos) continue;
      notes.emplace();
      std::istringstream words(text.substr(begin + 12, end - begin - 12));
      for (std::string path; words >> path;) {
        const std::string* content = host.read(path);
        (*notes)[path] = content ? sha256_hex(*content) : "";
      }
    }
  }
  return notes;
}

bool running(const Unit& state) { return state.active == "active" || state.active == "activating" || state.active == "reloading"; }

}  // namespace

SimulatedUnit* SimulatedExecutor::Impl::unit(SimulatedHost& host, const std::string& name) {
  if (const auto it = host.units.find(name); it != host.units.end()) return &it->second;
  const auto at = name.find('@');
  const std::string of_template = at == std::string::npos ? name : name.substr(0, at + 1) + name.substr(name.rfind('.'));
  for (const char* folder : unit_folders)
    if (host.files.contains(folder + name) || host.files.contains(folder + of_template)) return &host.units[name];
  return nullptr;
}

void SimulatedExecutor::Impl::ripen(SimulatedHost& host) {
  const SimulatedTime now = local(host);
  for (;;) {
    // The earliest first; a model may start and stop others meanwhile.
    const std::string* next = nullptr;
    SimulatedTime when{};
    for (const auto& [name, unit] : host.units)
      if (unit.ready_at && *unit.ready_at <= now && (!next || *unit.ready_at < when)) next = &name, when = *unit.ready_at;
    if (!next) return;
    const std::string name = *next;
    SimulatedUnit& unit = host.units[name];
    unit.ready_at.reset();
    unit.state.active = "active";
    unit.state.sub = "running";
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(when.time_since_epoch()).count();
    unit.state.started = std::max(static_cast<std::uint64_t>(since), unit.state.started + 1);
    for (const auto& model : models_) model->unit_started(host, name, when);
  }
}

void SimulatedExecutor::Impl::start(SimulatedHost& host, const std::string& name) {
  SimulatedUnit& unit = host.units[name];
  const SimulatedTime now = local(host);
  unit.start_notes = take_notes(host, name, "start", "ExecStartPre=");
  unit.load_notes = take_notes(host, name, "load", "ExecStartPre=");
  ServiceModel::Start verdict;
  for (const auto& model : models_)
    if (const auto known = model->unit_starts(host, name, now)) {
      verdict = *known;
      break;
    }
  unit.state.restarts = 0;
  if (!verdict.dies.empty()) {
    unit.ready_at.reset();
    unit.state.active = unit.state.sub = "failed";
    unit.state.result = "exit-code";
    unit.state.pid = 0;
    journals_[host.name + " " + name] += verdict.dies + (verdict.dies.back() == '\n' ? "" : "\n");
    return;
  }
  unit.state.active = "activating";
  unit.state.sub = "start";
  unit.state.result = "success";
  unit.state.pid = ++pids_;
  unit.ready_at = now + verdict.takes.value_or(options_.unit_start);
  ripen(host);
}

void SimulatedExecutor::Impl::stop(SimulatedHost& host, const std::string& name) {
  SimulatedUnit* known = unit(host, name);
  if (!known) return;
  const bool ran = running(known->state);
  known->ready_at.reset();
  known->state.active = "inactive";
  known->state.sub = "dead";
  known->state.pid = 0;
  if (!ran) return;
  for (const auto& model : models_) model->unit_stopped(host, name, local(host));
}

void SimulatedExecutor::Impl::reload(SimulatedHost& host, const std::string& name) {
  if (Notes notes = take_notes(host, name, "load", "ExecReload=")) host.units[name].load_notes = std::move(notes);
  for (const auto& model : models_) model->unit_reloaded(host, name, local(host));
}

std::optional<SimulatedPackage> SimulatedExecutor::Impl::package(const std::string& name) const {
  for (const auto& model : models_)
    if (auto known = model->package(name)) return known;
  if (options_.any_package) return SimulatedPackage{};
  return std::nullopt;
}

std::string SimulatedExecutor::Impl::install(SimulatedHost& host, const std::string& wanted) {
  const auto equals = wanted.find('=');
  const std::string name = wanted.substr(0, equals);
  if (host.packages.contains(name)) return {};
  const auto known = package(name);
  if (!known) return "E: Unable to locate package " + name;
  if (equals != std::string::npos && !options_.any_package && wanted.substr(equals + 1) != known->version)
    return "E: Version '" + wanted.substr(equals + 1) + "' for '" + name + "' was not found";
  host.packages[name] = equals == std::string::npos ? known->version : wanted.substr(equals + 1);
  for (const std::string& other : known->depends)
    if (std::string why = install(host, other); !why.empty()) return why;
  for (const auto& [path, file] : known->files) host.files.try_emplace(path, file);
  for (const auto& [account, how] : known->accounts) host.accounts.try_emplace(account, how);
  for (const auto& model : models_) model->package_installed(host, name);
  for (const std::string& unit : known->units) {
    SimulatedUnit& made = host.units[unit];
    made.state.enabled = true;
    if (!made.state.masked && !running(made.state)) start(host, unit);
  }
  return {};
}

void SimulatedExecutor::Impl::purge(SimulatedHost& host, const std::string& name) {
  const auto known = package(name);
  if (!host.packages.erase(name) || !known) return;
  for (const std::string& unit : known->units) {
    stop(host, unit);
    host.units.erase(unit);
  }
  for (const auto& [path, file] : known->files) host.files.erase(path);
  // Debian's packages of etcd and PostgreSQL take their account along. Its files then show a number as their owner.
  for (const auto& [account, how] : known->accounts) {
    host.accounts.erase(account);
    for (auto& [path, file] : host.files) {
      if (file.owner == account) file.owner = std::to_string(how.uid);
      if (file.group == account) file.group = std::to_string(how.uid);
    }
  }
  for (const auto& model : models_) model->package_removed(host, name);
}

void SimulatedExecutor::Impl::reboot(SimulatedHost& host) {
  std::vector<std::string> names;
  for (const auto& [name, unit] : host.units) names.push_back(name);
  for (const std::string& name : names) stop(host, name);
  std::erase_if(host.files, [](const auto& file) { return file.first.starts_with("/run/"); });
  host.lock.reset();
  ++host.boot;
  host.write("/proc/sys/kernel/random/boot_id", host.name + " " + std::to_string(host.boot) + "\n", 0444);
  for (const std::string& name : names) {
    SimulatedUnit& unit = host.units[name];
    unit.state.masked = false;
    unit.state.result = "success";
    unit.start_notes.reset();
    unit.load_notes.reset();
  }
  for (const std::string& name : names)
    if (host.units[name].state.enabled) start(host, name);
}

}  // namespace pgcluster
