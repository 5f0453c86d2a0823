#include "executor/ssh/known_hosts.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <pgcluster/base/error.hpp>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "base/network.hpp"
#include "base/strings.hpp"

namespace pgcluster::executor {
namespace {

// The name of a host in known_hosts: with its port if that is not 22, and an IPv6 address in its shortest form.
std::string name_of(std::string_view address, int port) {
  const std::string name = net::canonical(strings::lower(address));
  return port == 22 ? name : "[" + name + "]:" + std::to_string(port);
}

// Matches '*' and '?'. Not recursive, because a pattern of many stars would take exponential time.
bool matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, retry = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++p, ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool hashed_match(std::string_view pattern, std::string_view name) {
  const auto bar = pattern.find('|', 3);
  if (bar == std::string_view::npos) return false;
  const auto salt = from_base64(pattern.substr(3, bar - 3));
  const auto hash = from_base64(pattern.substr(bar + 1));
  return salt && hash && hash->size() == 20 && hmac_sha1(*salt, name) == *hash;
}

bool list_matches(std::string_view patterns, std::string_view name) {
  if (patterns.starts_with("|1|")) return hashed_match(patterns, name);
  bool found = false;
  while (!patterns.empty()) {
    const auto comma = patterns.find(',');
    std::string pattern = strings::lower(patterns.substr(0, comma));
    patterns.remove_prefix(comma == std::string_view::npos ? patterns.size() : comma + 1);
    const bool negated = pattern.starts_with('!');
    if (negated) pattern.erase(0, 1);
    if (!matches(pattern, name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

std::string_view field(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  const auto end = std::min(text.find_first_of(" \t"), text.size());
  const auto found = text.substr(0, end);
  text.remove_prefix(end);
  return found;
}

}  // namespace

std::string fingerprint(std::string_view blob) {
  std::string text = to_base64(sha256(blob));
  while (text.ends_with('=')) text.pop_back();
  return "SHA256:" + text;
}

KnownHosts::KnownHosts(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::error_code bad;
      if (!std::filesystem::exists(path, bad) && !bad) continue;
      throw Error(Code::host_key_unknown, "cannot read " + path + ", so no host key can be checked",
                  "give the user who runs pgcluster the right to read it");
    }
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    read(text, path);
  }
}

KnownHosts KnownHosts::parse(std::string_view text, const std::string& path) {
  KnownHosts hosts;
  hosts.read(text, path);
  return hosts;
}

void KnownHosts::read(std::string_view text, const std::string& path) {
  for (int number = 1; !text.empty(); ++number) {
    const auto newline = text.find('\n');
    auto rest = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    Line line;
    auto patterns = field(rest);
    if (patterns.empty() || patterns.starts_with('#')) continue;
    if (patterns.starts_with('@')) {
      if (patterns == "@revoked") {
        line.host.mark = KnownHost::Mark::revoked;
      } else if (patterns == "@cert-authority") {
        line.host.mark = KnownHost::Mark::authority;
      } else {
        continue;
      }
      patterns = field(rest);
    }
    line.patterns = patterns;
    line.host.type = field(rest);
    auto blob = from_base64(field(rest));
    if (line.host.type.empty() || !blob || blob->empty()) continue;
    line.host.blob = std::move(*blob);
    line.host.where = path + ":" + std::to_string(number);
    lines_.push_back(std::move(line));
  }
}

std::vector<const KnownHost*> KnownHosts::about(std::string_view name) const {
  std::vector<const KnownHost*> found;
  for (const Line& line : lines_)
    if (list_matches(line.patterns, name)) found.push_back(&line.host);
  return found;
}

std::vector<const KnownHost*> KnownHosts::about(std::string_view address, int port) const {
  auto found = about(name_of(address, port));
  // Like ssh: a host on another port may be known by its name without a port.
  const bool has_key = std::any_of(found.begin(), found.end(), [](const KnownHost* host) { return host->mark == KnownHost::Mark::none; });
  if (port != 22 && !has_key)
    for (const KnownHost* host : about(name_of(address, 22))) found.push_back(host);
  return found;
}

KnownHosts::Answer KnownHosts::check(std::string_view address, int port, std::string_view type, std::string_view blob) const {
  Answer answer;
  const auto mine = about(name_of(address, port));
  const bool by_port = std::any_of(mine.begin(), mine.end(), [](const KnownHost* host) { return host->mark == KnownHost::Mark::none; });
  for (const KnownHost* host : about(address, port)) {
    const bool same = host->type == type && host->blob == blob;
    if (host->mark == KnownHost::Mark::revoked) {
      if (host->blob == blob) return {Verdict::revoked, host->where};
    } else if (host->mark == KnownHost::Mark::authority) {
      if (answer.verdict == Verdict::unknown) answer = {Verdict::authority, host->where};
    } else if (same) {
      answer = {Verdict::known, host->where};
    } else if (answer.verdict != Verdict::known && (port == 22 || by_port)) {
      // If the host is known only without a port, another key on another port is another server, not a changed key.
      if (answer.verdict != Verdict::changed) answer = {Verdict::changed, host->where};
    }
  }
  return answer;
}

std::vector<std::string> KnownHosts::types(std::string_view address, int port) const {
  std::vector<std::string> types;
  for (const KnownHost* host : about(address, port))
    if (host->mark == KnownHost::Mark::none && std::find(types.begin(), types.end(), host->type) == types.end()) types.push_back(host->type);
  return types;
}

void KnownHosts::append(const std::string& path, std::string_view address, int port, std::string_view type, std::string_view blob) {
  auto fail = [&](int error) {
    throw Error(Code::host_key_unknown, "cannot note the new host key in " + path + ": " + std::strerror(error),
                "make the file writable, or add the key by ssh-keyscan yourself");
  };
  const auto directory = std::filesystem::path(path).parent_path();
  std::error_code bad;
  if (!directory.empty() && !std::filesystem::exists(directory, bad)) {
    std::filesystem::create_directories(directory, bad);
    if (bad) fail(bad.value());
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, bad);
  }
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) fail(errno);
  std::string line = name_of(address, port) + " " + std::string(type) + " " + to_base64(blob) + "\n";
  char last = '\n';
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size > 0 && ::pread(fd, &last, 1, size - 1) == 1 && last != '\n') line.insert(line.begin(), '\n');
  // One write with O_APPEND, because other threads and processes may append at the same time.
  const bool done = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const int error = errno;
  ::close(fd);
  if (!done) fail(error);
}

}  // namespace pgcluster::executor
