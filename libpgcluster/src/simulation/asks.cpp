// What simulated hosts answer.
#include <algorithm>

#include "base/digest.hpp"
#include "base/url.hpp"
#include "component/shell.hpp"
#include "op/ask.hpp"
#include "op/balancer.hpp"
#include "op/facts.hpp"
#include "simulation/fleet.hpp"
#include "simulation/tls.hpp"
#include "simulation/url.hpp"

namespace pgcluster {
namespace {

bool current(const SimulatedHost& host, const std::optional<std::map<std::string, std::string>>& notes, const std::vector<std::string>& files) {
  if (files.empty()) return true;
  if (!notes || notes->size() != files.size()) return false;
  return std::all_of(files.begin(), files.end(), [&](const std::string& path) {
    const auto noted = notes->find(path);
    const std::string* content = host.read(path);
    return noted != notes->end() && noted->second == (content ? sha256_hex(*content) : "");
  });
}

// As older_units.sh answers.
std::string older_units(const SimulatedHost& host) {
  std::string out;
  for (const auto& [name, unit] : host.units)
    if (unit.start_notes && unit.state.active == "active")
      for (const auto& [path, digest] : *unit.start_notes)
        if (const std::string* content = host.read(path); !digest.empty() && digest != (content ? sha256_hex(*content) : ""))
          out += name + " " + path + "\n";
  return out;
}

// Of first_answer(): the words of each curl or other command.
std::vector<std::vector<std::string>> all_calls(const std::vector<std::string>& argv) {
  std::vector<std::vector<std::string>> calls;
  if (first_call(argv).empty()) return calls;
  calls.emplace_back();
  for (auto word = argv.begin() + 4; word != argv.end(); ++word)
    if (*word == "--")
      calls.emplace_back();
    else
      calls.back().push_back(*word);
  return calls;
}

bool is(const std::vector<std::string>& argv, std::initializer_list<std::string_view> words) {
  return argv.size() >= words.size() && std::equal(words.begin(), words.end(), argv.begin());
}

}  // namespace

Answer SimulatedExecutor::Impl::answer(SimulatedHost& host, const Ask& ask) {
  if (const auto* of = std::get_if<FileOf>(&ask.what)) {
    const auto it = host.files.find(of->path);
    if (it == host.files.end()) {
      // A folder is there while something is in it.
      const auto inside = host.files.lower_bound(of->path + "/");
      if (inside == host.files.end() || !inside->first.starts_with(of->path + "/")) return Absent{};
      return File{.kind = File::Kind::directory, .mode = 0755};
    }
    File file = it->second;
    file.sha256 = file.kind == File::Kind::regular ? sha256_hex(file.content) : "";
    if (!of->content) file.content.clear();
    return file;
  }
  if (const auto* of = std::get_if<PackageOf>(&ask.what)) {
    const auto it = host.packages.find(of->name);
    return it == host.packages.end() ? Answer(Absent{}) : Answer(Package{it->second});
  }
  if (const auto* of = std::get_if<UnitOf>(&ask.what)) {
    const SimulatedUnit* known = unit(host, of->name);
    if (!known) return Absent{};
    Unit state = known->state;
    if (state.active == "active" || state.active == "activating" || state.active == "reloading" || state.active == "failed") {
      state.start_files_current = current(host, known->start_notes, of->start_files);
      state.load_files_current = current(host, known->load_notes, of->load_files);
    }
    return state;
  }
  if (const auto* of = std::get_if<AccountOf>(&ask.what)) {
    const auto it = host.accounts.find(of->name);
    return it == host.accounts.end() ? Answer(Absent{}) : Answer(it->second);
  }
  if (const auto* of = std::get_if<Exec>(&ask.what)) return exec(host, of->argv, of->input);
  if (host.cloud) {  // its balancers are kept as they were wished
    const Balancer wish = read_balancer(std::get<Http>(ask.what).body.reveal());
    const std::string* found = host.read("/load-balancers/" + wish.name);
    return found ? Answer(Output{.out = *found}) : Answer(Absent{});
  }
  return Unreadable{"an API is asked by the controller, never by a host"};
}

Output SimulatedExecutor::Impl::exec(SimulatedHost& host, const std::vector<std::string>& argv, const Text& input) {
  if (const auto calls = all_calls(argv); !calls.empty()) {
    for (std::vector<std::string> call : calls) {
      if (call.front().starts_with('-')) call.insert(call.begin(), "curl");
      if (Output output = exec(host, call, input); output.status == 0) return {.out = std::move(output.out)};
    }
    return {.status = 1};
  }
  const bool client = is(argv, {"curl"}) || is(argv, {"etcdctl"});
  if (client && !std::all_of(argv.begin(), argv.end(), urls_are_valid)) return {.status = 3, .err = "URL using bad/illegal format or missing URL\n"};
  for (const auto& model : models_)
    if (auto output = model->exec(host, argv, input.reveal())) return *output;
  if (auto output = certificate_command(host, argv, input)) return *output;
  if (argv.size() == 3 && argv[0] == "sh" && argv[2] == shell::older_units) return {.out = older_units(host)};
  const auto clock = [&] {
    return options_.clock + host.clock_ahead.count() +
           std::chrono::duration_cast<std::chrono::seconds>(local(host).time_since_epoch() - std::chrono::hours(1)).count();
  };
  if (is(argv, {"date", "+%s"})) return {.out = std::to_string(clock()) + "\n"};
  // Facts: answers the real asks for the facts as a host with these facts would.
  if (is(argv, {"sh", "-c"})) {
    const std::vector<Ask> asks = facts_asks(host.name);
    for (std::size_t i = 0; i < asks.size(); ++i) {
      const auto* known = std::get_if<Exec>(&asks[i].what);
      if (!known || known->argv != argv) continue;
      Facts facts = host.facts;
      facts.clock = clock();
      const std::string folder = "/var/lib/pgcluster/secrets/";
      for (auto it = host.files.lower_bound(folder); it != host.files.end() && it->first.starts_with(folder); ++it)
        facts.secrets[net::url_decoded(it->first.substr(folder.size()))] = it->second.content;
      return std::get<Output>(facts_answers(facts)[i]);
    }
  }
  if (is(argv, {"journalctl"})) {
    const auto u = std::find(argv.begin(), argv.end(), "-u");
    const auto it = u == argv.end() || u + 1 == argv.end() ? journals_.end() : journals_.find(host.name + " " + *(u + 1));
    return {.out = it == journals_.end() ? "-- No entries --\n" : it->second};
  }
  if (is(argv, {"systemctl", "daemon-reload"}) || is(argv, {"true"})) return {};
  return {.status = 127, .err = (argv.empty() ? "" : argv[0]) + ": command not found\n"};
}

}  // namespace pgcluster
