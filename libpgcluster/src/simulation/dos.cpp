// Dos on simulated hosts, as the program on a real host does them.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/digest.hpp"
#include "op/balancer.hpp"
#include "simulation/fleet.hpp"

namespace pgcluster {
namespace {

constexpr const char* owned_list = "/var/lib/pgcluster/owned";
constexpr const char* history = "/var/lib/pgcluster/history";

std::string octal(unsigned mode) {
  std::ostringstream text;
  text << std::oct << mode;
  return text.str();
}

bool good_path(const std::string& path) { return path.size() > 1 && path[0] == '/' && path.back() != '/' && path.find('\n') == std::string::npos; }

std::string digest(const File& file) { return sha256_hex(file.content); }

bool in_list(const std::vector<std::string>& list, const std::string& word) { return std::find(list.begin(), list.end(), word) != list.end(); }

std::string output_found(const Output& was, const Output& now) {
  return now.status == was.status ? "other output than when planning"
                                  : "status " + std::to_string(now.status) + ", and not what was seen when planning";
}

std::string lines(const std::vector<Owned>& owned) {
  std::string text;
  for (const Owned& one : owned) text += one.resource + "\t" + one.step + "\n";
  return text;
}

std::vector<Owned> read_owned(const SimulatedHost& host) {
  std::vector<Owned> owned;
  const std::string* content = host.read(owned_list);
  std::istringstream text(content ? *content : "");
  for (std::string line; std::getline(text, line);)
    if (const auto tab = line.find('\t'); tab != std::string::npos) owned.push_back({line.substr(0, tab), line.substr(tab + 1)});
  return owned;
}

}  // namespace

// One Do on its way: what was found decides whether go() is reached, and only what comes after go() changes anything.
struct SimulatedExecutor::Impl::Acting {
  SimulatedHost& host;
  const Do& d;
  std::chrono::milliseconds took;
  DoResult result{};
  bool began = false;
  bool disturbed = false;
  std::string disturbed_unit{};
  std::optional<SetUnit::Go> did{};

  void skip() { result.what = DoResult::What::skipped; }
  void done() { result.what = DoResult::What::done; }
  void drifted(std::string found) {
    result.what = DoResult::What::drifted;
    result.found = std::move(found);
  }
  void failed(int status, std::string err) {
    result.what = DoResult::What::failed;
    result.output = {.status = status, .err = std::move(err)};
  }
};

bool SimulatedExecutor::Impl::go(Acting& a) {
  a.began = true;
  // What the Do starts, it starts at its end.
  a.host.busy_until = local(a.host) + a.took;
  if (fails_)
    if (auto output = fails_(a.d)) {
      a.result.what = DoResult::What::failed;
      a.result.output = *output;
      return false;
    }
  a.done();
  return true;
}

bool SimulatedExecutor::Impl::as_was(Acting& a, const std::string& path) {
  if (!a.d.was) return true;
  const auto it = a.host.files.find(path);
  const File* now = it == a.host.files.end() ? nullptr : &it->second;
  bool same = true;
  if (std::holds_alternative<Absent>(*a.d.was)) {
    same = !now;
  } else if (const auto* was = std::get_if<File>(&*a.d.was)) {
    same = now && now->kind == was->kind;
    const bool goes = std::holds_alternative<Remove>(a.d.what);  // whose it is does not count then
    if (same && was->kind != File::Kind::other && !goes) same = now->mode == was->mode && now->owner == was->owner && now->group == was->group;
    if (same && was->kind == File::Kind::regular) {
      if (!was->sha256.empty()) same = was->sha256 == digest(*now);
      if (was->sha256.empty() && !was->content.empty()) same = was->content == now->content;
    }
  }
  if (same) return true;
  if (!now)
    a.drifted("nothing is there");
  else if (now->kind == File::Kind::directory)
    a.drifted("a directory is there");
  else if (now->kind == File::Kind::other)
    a.drifted("something else than a file is there");
  else
    a.drifted("mode and owner " + octal(now->mode) + " " + now->owner + " " + now->group + ", sha256 " + digest(*now));
  return false;
}

void SimulatedExecutor::Impl::put_file(Acting& a, const std::string& path, std::string content, unsigned mode, const std::string& owner,
                                       const std::string& group) {
  if (!good_path(path)) return a.failed(1, "not an absolute path of a file: " + path);
  const File wished{.content = std::move(content), .mode = mode, .owner = owner, .group = group};
  const auto it = a.host.files.find(path);
  if (it != a.host.files.end()) {
    File now = it->second;
    now.sha256.clear();
    if (now == wished) return a.skip();
  }
  if (!as_was(a, path)) return;
  if (owner != "root" && !a.host.accounts.contains(owner)) return a.failed(1, "chown: invalid user: '" + owner + ":" + group + "'");
  if (go(a)) a.host.files[path] = wished;
}

void SimulatedExecutor::Impl::act(Acting& a, const WriteFile& write) {
  put_file(a, write.path, write.content.reveal(), write.mode, write.owner, write.group);
}

void SimulatedExecutor::Impl::put_block(Acting& a, const std::string& path, const std::string& marker, const std::string& content) {
  if (!good_path(path)) return a.failed(1, "not an absolute path: " + path);
  const std::string begin = "# BEGIN pgcluster " + marker + "\n", end = "# END pgcluster " + marker + "\n";
  if (!as_was(a, path)) return;
  const auto it = a.host.files.find(path);
  const std::string before = it == a.host.files.end() ? "" : it->second.content;
  std::string block;
  if (!content.empty()) block = begin + content + (content.back() == '\n' ? "" : "\n") + end;
  std::string after;
  const auto from = before.starts_with(begin)                        ? 0
                    : before.find("\n" + begin) == std::string::npos ? std::string::npos
                                                                     : before.find("\n" + begin) + 1;
  if (from != std::string::npos) {
    const auto to = before.find(end, from);
    if (to == std::string::npos)
      return a.failed(1,
                      path + " has the line '# BEGIN pgcluster " + marker + "' but no '# END pgcluster " + marker + "' after it; mend that by hand");
    after = before.substr(0, from) + block + before.substr(to + end.size());
  } else if (block.empty()) {
    return a.skip();
  } else {
    after = before + (before.empty() || before.back() == '\n' ? "" : "\n") + block;
  }
  if (it != a.host.files.end() && after == before) return a.skip();
  if (go(a)) a.host.files[path].content = after;
}

void SimulatedExecutor::Impl::act(Acting& a, const WriteBlock& write) { put_block(a, write.path, write.marker, write.content); }

void SimulatedExecutor::Impl::act(Acting& a, const Upload& upload) {
  std::ifstream in(upload.source, std::ios::binary);
  if (!in) return a.failed(1, "cannot read " + upload.source + " on the controller");
  std::string content{std::istreambuf_iterator<char>(in), {}};
  if (const std::string sum = sha256_hex(content); sum != upload.sha256)
    return a.failed(1, upload.source + " on the controller has sha256 " + sum + ", and not " + upload.sha256 + " as it should");
  put_file(a, upload.path, std::move(content), upload.mode, "root", "root");
}

void SimulatedExecutor::Impl::act(Acting& a, const Install& wanted) {
  const auto missing = [&](const std::string& package) { return !a.host.packages.contains(package.substr(0, package.find('='))); };
  if (std::none_of(wanted.packages.begin(), wanted.packages.end(), missing)) return a.skip();
  if (!go(a)) return;
  for (const std::string& name : wanted.mask)
    if (!a.host.active(name)) a.host.units[name].state.masked = true;
  for (const std::string& package : wanted.packages)
    if (const std::string why = install(a.host, package); !why.empty()) return a.failed(100, why);
}

void SimulatedExecutor::Impl::act(Acting& a, const SetUnit& set) {
  SimulatedUnit* known = unit(a.host, set.name);
  if (!known) {
    if (set.go == SetUnit::Go::stop || (set.go == SetUnit::Go::nothing && !set.enabled.value_or(false))) return a.skip();
    return a.failed(5, "Unit " + set.name + " not found.");
  }
  Unit& state = known->state;
  SetUnit::Go go_on = set.go;
  const bool changes_state = set.go == SetUnit::Go::restart || set.go == SetUnit::Go::reload;
  const auto* was = a.d.was ? std::get_if<Unit>(&*a.d.was) : nullptr;
  if (changes_state && was) {
    if (state.started != was->started) {
      if (state.active != "active" && state.active != "activating" && state.active != "reloading") return a.drifted(set.name + " is " + state.active);
      go_on = SetUnit::Go::nothing;
    } else if (state.active == "activating") {
      go_on = SetUnit::Go::nothing;
    }
  }
  const bool up = state.active == "active" || state.active == "activating" || state.active == "reloading";
  if ((go_on == SetUnit::Go::start && up) || (go_on == SetUnit::Go::stop && !up)) go_on = SetUnit::Go::nothing;
  const bool starts = set.go == SetUnit::Go::start || set.go == SetUnit::Go::restart;
  const bool unmask = state.masked && (starts || set.enabled.value_or(false));
  const bool enables = set.enabled && *set.enabled != state.enabled;
  if (go_on == SetUnit::Go::nothing && !unmask && !enables) return a.skip();
  if (!go(a)) return;
  a.did = go_on;
  if (unmask) state.masked = false;
  if (enables) state.enabled = *set.enabled;
  if (go_on == SetUnit::Go::reload) {
    if (state.active != "active") return a.failed(1, set.name + " is not active, cannot reload.");
    reload(a.host, set.name);
  }
  if (go_on == SetUnit::Go::stop || go_on == SetUnit::Go::restart) {
    a.disturbed = state.active == "active";
    a.disturbed_unit = set.name;
    stop(a.host, set.name);
  }
  if (go_on == SetUnit::Go::start || go_on == SetUnit::Go::restart) start(a.host, set.name);
}

void SimulatedExecutor::Impl::act(Acting& a, const SetAccount& set) {
  const auto it = a.host.accounts.find(set.name);
  const Account* now = it == a.host.accounts.end() ? nullptr : &it->second;
  if (now && now->home == set.home && now->shell == set.shell) return a.skip();
  if (a.d.was) {
    const auto* was = std::get_if<Account>(&*a.d.was);
    const bool same = was ? now && now->home == was->home && now->shell == was->shell : !std::holds_alternative<Absent>(*a.d.was) || !now;
    if (!same) return a.drifted("account " + set.name + " has home '" + (now ? now->home : "") + "' and shell '" + (now ? now->shell : "") + "'");
  }
  if (!go(a)) return;
  Account& made = a.host.accounts[set.name];
  if (made.uid == 0 && set.name != "root") made.uid = static_cast<unsigned>(100 + a.host.accounts.size());
  made.home = set.home;
  made.shell = set.shell;
}

void SimulatedExecutor::Impl::act(Acting& a, const Run& run) {
  if (run.argv.empty()) return a.failed(1, "a command without words");
  const auto* was = a.d.was ? std::get_if<Output>(&*a.d.was) : nullptr;
  if (run.look && was) {
    const Output now = exec(a.host, run.look->argv, run.look->input);
    if (now.status != was->status || now.out != was->out) return a.drifted(output_found(*was, now));
  }
  if (!go(a)) return;
  a.result.output = exec(a.host, run.argv, run.input);
  if (a.result.output.status != 0) a.result.what = DoResult::What::failed;
}

void SimulatedExecutor::Impl::act(Acting& a, const Send& send) {
  if (!a.host.cloud) return a.failed(1, "a request to an API is sent by the controller, never by a host");
  const std::string wish = send.request.body.reveal(), path = "/load-balancers/" + read_balancer(wish).name;
  const std::string* now = a.host.read(path);
  const bool removal = send.request.method == "DELETE";
  if (removal ? !now : now && *now == wish) return a.skip();
  const auto* was = a.d.was ? std::get_if<Output>(&*a.d.was) : nullptr;
  if (a.d.was && (was ? !now || *now != was->out : now != nullptr)) return a.drifted("its settings are others");
  if (!go(a)) return;
  if (removal)
    a.host.files.erase(path);
  else
    a.host.write(path, wish);
}

void SimulatedExecutor::Impl::remove_unit(Acting& a, const std::string& name) {
  SimulatedUnit* known = unit(a.host, name);
  if (!known || (known->state.active == "inactive" && !known->state.enabled)) return a.skip();
  if (!go(a)) return;
  a.disturbed = known->state.active == "active";
  a.disturbed_unit = name;
  a.did = SetUnit::Go::stop;
  stop(a.host, name);
  known->state = Unit{.started = known->state.started};
  known->start_notes.reset();
  known->load_notes.reset();
}

void SimulatedExecutor::Impl::act(Acting& a, const Remove& remove) {
  switch (remove.kind) {
    case Remove::Kind::file:
      if (!a.host.files.contains(remove.name)) return a.skip();
      if (!as_was(a, remove.name)) return;
      if (!go(a)) return;
      a.host.files.erase(remove.name);
      // A unit of ours that does not run goes with its file.
      if (const auto known = a.host.units.find(remove.name.substr(remove.name.rfind('/') + 1)); known != a.host.units.end())
        if (remove.name.starts_with("/etc/systemd/system/") && known->second.state.active == "inactive") a.host.units.erase(known);
      return;
    case Remove::Kind::tree: {
      if (!good_path(remove.name) || std::count(remove.name.begin(), remove.name.end(), '/') < 2)
        return a.failed(1, "pgcluster does not remove a tree that near the root: " + remove.name);
      const auto inside = [&](const auto& file) { return file.first == remove.name || file.first.starts_with(remove.name + "/"); };
      if (std::none_of(a.host.files.begin(), a.host.files.end(), inside)) return a.skip();
      if (go(a)) std::erase_if(a.host.files, inside);
      return;
    }
    case Remove::Kind::block:
      return put_block(a, remove.name, remove.marker, "");
    case Remove::Kind::package: {
      if (!a.host.packages.contains(remove.name)) return a.skip();
      if (!go(a)) return;
      if (const auto known = package(remove.name))
        for (const std::string& name : known->units)
          if (a.host.active(name)) a.disturbed = true, a.disturbed_unit = name;
      purge(a.host, remove.name);
      return;
    }
    case Remove::Kind::unit:
      return remove_unit(a, remove.name);
  }
}

DoResult SimulatedExecutor::Impl::perform(SimulatedHost& host, const Do& d) {
  ripen(host);
  const SimulatedTime begin = local(host);
  const auto took = std::holds_alternative<Install>(d.what) ? options_.install : options_.other;
  Acting a{host, d, took};
  std::visit([&](const auto& what) { act(a, what); }, d.what);
  if (!a.began) return a.result;
  if (const auto* file = std::get_if<WriteFile>(&d.what); file && file->path == history) return a.result;
  SimulatedAct record{.sequence = ++sequence_, .begin = begin, .duration = took, .host = host.name, .what = d, .description = describe(d)};
  record.resources = resources(d);
  record.go = a.did;
  record.failed = a.result.what == DoResult::What::failed;
  record.disturbed = a.disturbed;
  record.serving_at = begin + took;
  if (a.disturbed)
    if (const auto it = host.units.find(a.disturbed_unit); it != host.units.end() && it->second.ready_at)
      record.serving_at = std::max(record.serving_at, *it->second.ready_at);
  trace_.push_back(std::move(record));
  ripen(host);
  return a.result;
}

void SimulatedExecutor::Impl::note_owned(SimulatedHost& host, const std::vector<Owned>& own) {
  if (own.empty()) return;
  std::vector<Owned> owned = read_owned(host);
  for (const Owned& one : own) {
    if (std::find(owned.begin(), owned.end(), one) != owned.end()) continue;
    std::erase_if(owned, [&](const Owned& other) { return other.resource == one.resource; });
    owned.push_back(one);
  }
  host.write(owned_list, lines(owned));
}

void SimulatedExecutor::Impl::strike_owned(SimulatedHost& host, const std::vector<std::string>& disown) {
  if (disown.empty() || !host.read(owned_list)) return;
  std::vector<Owned> owned = read_owned(host);
  std::erase_if(owned, [&](const Owned& one) { return in_list(disown, one.resource); });
  host.write(owned_list, lines(owned));
}

}  // namespace pgcluster
