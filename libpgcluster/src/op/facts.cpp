#include "op/facts.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/url.hpp"
#include "op/ask.hpp"
#include "op/shell.hpp"

namespace pgcluster {
namespace {

constexpr const char* kOwned = "/var/lib/pgcluster/owned";
constexpr const char* kBegun = "/var/lib/pgcluster/begun";
constexpr const char* kObjects = "/var/lib/pgcluster/objects";
constexpr const char* kCluster = "/var/lib/pgcluster/cluster";
// Part of systemd itself, and without a limit of its own.
constexpr const char* kPlainUnit = "systemd-tmpfiles-setup.service";

template <class N>
bool number(const std::string& text, N& into) {
  N value{};
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || end != text.data() + text.size()) return false;
  into = value;
  return true;
}

// The number of CPUs in "0-1,4".
unsigned count(const std::string& list) {
  unsigned all = 0;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    unsigned first = 0, last = 0;
    const auto dash = part.find('-');
    if (!number(part.substr(0, dash), first)) continue;
    last = first;
    if (dash != std::string::npos && (!number(part.substr(dash + 1), last) || last < first || last - first > 65535)) continue;
    all += last - first + 1;
  }
  return all;
}

[[noreturn]] void unsupported(const std::string& host, const std::string& why) {
  throw Error(Failure{.code = Code::host_unsupported,
                      .message = "cannot tell what kind of machine this is: " + why,
                      .hint = "pgcluster needs Debian or Ubuntu with systemd; try `cat /etc/os-release` on the host",
                      .host = host});
}

const Output& output(const std::string& host, const Answer& answer, const std::string& what) {
  const auto* found = std::get_if<Output>(&answer);
  if (!found) {
    const auto* why = std::get_if<Unreadable>(&answer);
    unsupported(host, what + " gave no output" + (why ? ": " + why->why : ""));
  }
  if (found->status != 0) unsupported(host, what + " ended with status " + std::to_string(found->status) + ": " + found->err);
  return *found;
}

std::string content(const std::string& host, const Answer& answer, const std::string& path) {
  if (std::holds_alternative<Absent>(answer)) return {};
  if (const auto* file = std::get_if<File>(&answer); file && file->kind == File::Kind::regular) return file->content;
  const auto* why = std::get_if<Unreadable>(&answer);
  throw Error(Failure{.code = Code::command_failed,
                      .message = "cannot read " + path + (why ? ": " + why->why : ""),
                      .hint = "without it pgcluster does not know what is its own on this host",
                      .host = host});
}

}  // namespace

std::vector<Ask> facts_asks(const std::string& host) {
  return {{host, Exec{shell_look(shell::facts)}},
          {host, FileOf{kOwned}},
          {host, FileOf{kCluster}},
          {host, FileOf{kBegun}},
          {host, FileOf{kObjects}},
          {host, UnitOf{kPlainUnit}}};
}

Facts read_facts(const std::string& host, const std::vector<Answer>& answers) {
  if (answers.size() != 6) throw Error(Failure{.code = Code::internal, .message = "facts need 6 answers", .host = host});
  Facts facts;
  std::istringstream lines(output(host, answers[0], "reading facts").out);
  std::string* secret = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (secret && line.starts_with('+')) {
      *secret += line.substr(1) + "\n";
      continue;
    }
    if (secret && line.starts_with('-')) {  // the last one, without a newline
      *secret += line.substr(1);
      continue;
    }
    const auto space = line.find(' ');
    if (space == std::string::npos) continue;
    const std::string name = line.substr(0, space);
    const std::string value = line.substr(space + 1);
    std::uint64_t n = 0;
    if (name == "hostname") {
      facts.hostname = value;
    } else if (name == "os_id") {
      facts.os_id = value;
    } else if (name == "os_version") {
      facts.os_version = value;
    } else if (name == "os_codename") {
      facts.os_codename = value;
    } else if (name == "arch") {
      facts.arch = value;
    } else if (name == "memory_kib") {
      if (number(value, n)) facts.memory_bytes = n * 1024;
    } else if (name == "cpus_allowed") {
      facts.cpus = std::max(count(value), 1U);
    } else if (name == "secret") {
      secret = &facts.secrets[net::url_decoded(value)];
    } else if (name == "nofile") {
      if (value == "infinity" || value == "unlimited") n = 1'073'741'816;
      if (n != 0 || (number(value, n) && n > 0)) facts.nofile_limit = n;
    } else if (name == "masked") {
      facts.masked.push_back(value);
    } else if (name == "read_only") {
      facts.read_only.push_back(value);
    } else if (name == "writable") {
      facts.writable.push_back(value);
    } else if (name == "huge_pages") {
      const auto end = value.find(' ');
      if (number(value.substr(0, end), n)) facts.huge_page_bytes = n * 1024;
      if (end != std::string::npos) number(value.substr(end + 1), facts.free_huge_pages);
    } else if (name == "container") {
      facts.container = value;
    } else if (name == "clock") {
      number(value, facts.clock);
    } else if (name == "address") {
      if (const auto end = value.find(' '); end != std::string::npos) facts.interfaces.push_back({value.substr(0, end), value.substr(end + 1)});
    } else if (name == "route") {
      facts.default_interface = value;
    } else if (name == "device") {
      facts.devices.push_back(value);
    } else if (name == "no_watchdog") {
      facts.no_watchdog = true;
    }
  }
  if (facts.os_id.empty()) unsupported(host, "/etc/os-release says no ID");
  if (facts.arch.empty() || facts.memory_bytes == 0) unsupported(host, "uname or /proc/meminfo say nothing");

  std::istringstream owned(content(host, answers[1], kOwned));
  for (std::string line; std::getline(owned, line);)
    if (const auto tab = line.find('\t'); tab != std::string::npos && tab > 0) facts.owned.push_back({line.substr(0, tab), line.substr(tab + 1)});
  facts.cluster = content(host, answers[2], kCluster);
  facts.begun = content(host, answers[3], kBegun);
  facts.objects = content(host, answers[4], kObjects);
  if (const auto* unit = std::get_if<Unit>(&answers[5]); unit && unit->files_limit != 0)
    facts.nofile_limit = std::min(facts.nofile_limit, unit->files_limit);
  return facts;
}

std::vector<Answer> facts_answers(const Facts& facts) {
  std::ostringstream text;
  text << "os_id " << facts.os_id << "\nos_version " << facts.os_version << "\nos_codename " << facts.os_codename << "\nhostname " << facts.hostname
       << "\narch " << facts.arch << "\nmemory_kib " << facts.memory_bytes / 1024 << "\ncpus_allowed 0-" << facts.cpus - 1 << "\nnofile "
       << facts.nofile_limit << "\n";
  for (const auto& interface : facts.interfaces) text << "address " << interface.name << " " << interface.cidr << "\n";
  if (!facts.default_interface.empty()) text << "route " << facts.default_interface << "\n";
  for (const std::string& device : facts.devices) text << "device " << device << "\n";
  if (facts.no_watchdog) text << "no_watchdog 1\n";
  for (const std::string& unit : facts.masked) text << "masked " << unit << "\n";
  for (const std::string& mount : facts.read_only) text << "read_only " << mount << "\n";
  for (const std::string& mount : facts.writable) text << "writable " << mount << "\n";
  if (facts.huge_page_bytes != 0) text << "huge_pages " << facts.huge_page_bytes / 1024 << " " << facts.free_huge_pages << "\n";
  if (!facts.container.empty()) text << "container " << facts.container << "\n";
  text << "clock " << facts.clock << "\n";
  std::string owned;
  for (const Owned& one : facts.owned) owned += one.resource + "\t" + one.step + "\n";
  for (const auto& [name, value] : facts.secrets) {
    text << "secret " << net::url_encoded(name) << "\n";
    std::istringstream lines(value);
    for (std::string line; std::getline(lines, line);) text << (lines.eof() ? "-" : "+") << line << "\n";
  }
  auto file = [](const std::string& content) { return content.empty() ? Answer(Absent{}) : Answer(File{.content = content}); };
  return {Output{.out = text.str()}, file(owned),         file(facts.cluster),
          file(facts.begun),         file(facts.objects), Unit{.active = "active", .files_limit = facts.nofile_limit}};
}

bool owns(const Facts& facts, std::string_view resource) {
  return std::any_of(facts.owned.begin(), facts.owned.end(), [&](const Owned& one) { return one.resource == resource; });
}

}  // namespace pgcluster
