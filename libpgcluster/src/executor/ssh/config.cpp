#include "executor/ssh/config.hpp"

#include <pwd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include <pgcluster/base/error.hpp>

#include "base/network.hpp"
#include "base/paths.hpp"
#include "base/strings.hpp"
#include "executor/child.hpp"
#include "executor/ssh/libssh2_keys.hpp"

namespace pgcluster::executor {

using namespace std::chrono_literals;

namespace {

std::string local_user() {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  return ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found ? found->pw_name : "";
}

// Expands the tokens that may stand in a file's name; ssh -G does not expand them.
std::string expanded(const std::string& path, const SshSaid& said, const std::string& name) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%' || i + 1 == path.size()) {
      out += path[i];
      continue;
    }
    switch (path[++i]) {
      case '%':
        out += '%';
        break;
      case 'd':
        out += expand_home("~");
        break;
      case 'h':
        out += said.address;
        break;
      case 'k':
        out += said.host_key_alias.empty() ? name : said.host_key_alias;
        break;
      case 'n':
        out += name;
        break;
      case 'p':
        out += std::to_string(said.port);
        break;
      case 'r':
        out += said.user;
        break;
      case 'u':
        out += local_user();
        break;
      case 'i':
        out += std::to_string(::getuid());
        break;
      default:
        out += '%';
        out += path[i];
    }
  }
  return expand_home(out);
}

Error unusable(const HostAccess& host, const std::string& why, const std::string& hint) {
  return Error(Failure{.code = Code::host_unreachable, .message = "cannot reach " + host.address + ": " + why, .hint = hint, .host = host.name});
}

std::string path_of(const SshConfig& config) { return expand_home(config.path.empty() ? "~/.ssh/config" : config.path); }

}  // namespace

SshSaid read_ssh_said(std::string_view text, const std::string& name) {
  SshSaid said;
  said.address = name;
  std::vector<std::string> keys, known;
  for (const std::string& line : strings::split(text, "\n")) {
    const auto space = line.find(' ');
    if (space == std::string::npos) continue;
    const std::string key = line.substr(0, space), value = line.substr(space + 1);
    if (key == "hostname") said.address = value;
    if (key == "user") said.user = value;
    if (key == "port")
      if (int port = 0; std::from_chars(value.data(), value.data() + value.size(), port).ec == std::errc() && port > 0 && port < 65536)
        said.port = port;
    if (key == "identityfile" && value != "none") keys.push_back(value);
    if (key == "userknownhostsfile" && value != "none") known = strings::split(value, " ");
    if (key == "hostkeyalias" && value != "none") said.host_key_alias = value;
    if (key == "proxycommand" && value != "none") said.proxy_command = value;
    if (key == "proxyjump" && value != "none")
      for (std::string hop : strings::split(value, ",")) {
        if (hop.starts_with("ssh://")) hop.erase(0, 6);
        if (auto parsed = parse_hop(hop)) said.jump.push_back(std::move(*parsed));
      }
  }
  for (const std::string& path : keys) said.private_keys.push_back(expanded(path, said, name));
  for (const std::string& path : known) said.known_hosts.push_back(expanded(path, said, name));
  return said;
}

namespace {

void check_quotes(const std::string& path) {
  if (path.find_first_of("\"\n\r") != std::string::npos)
    throw Error(Code::spec_invalid, "the path " + path + " has a quote in it, which ssh_config cannot say", "give the file another name");
}

// Include takes patterns, and in OpenSSH 10 also tokens, while 9.2 takes %% literally. A pattern that matches only this path works in both.
std::string include_pattern(const std::string& path) {
  check_quotes(path);
  std::string out;
  for (const char c : path) {
    if (c == '%')
      out += "[!\x01-$&-\xff]";
    else if (c == '*' || c == '?' || c == '[')
      out += std::string("[") + c + ']';
    else if (c == '\\')
      out += R"(\\\\)";  // the quotes remove every second one, and the pattern again
    else
      out += c;
  }
  return '"' + out + '"';
}

}  // namespace

std::string ssh_config_path(const std::string& path) {
  check_quotes(path);
  std::string out;
  for (const char c : path) {
    out += c;
    if (c == '%' || c == '\\') out += c;
  }
  return '"' + out + '"';
}

std::string ssh_config_includes(const SshConfig& config) { return "Include " + include_pattern(path_of(config)) + "\nInclude /etc/ssh/ssh_config\n"; }

SshSaid SshConfigs::ask(const HostAccess& host, const std::string& default_user, Sockets& sockets) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard guard(mutex_);
    auto& found = entries_[host.address + "\n" + host.config->path + "\n" + default_user];
    if (!found) found = std::make_shared<Entry>();
    entry = found;
  }
  const std::lock_guard guard(entry->mutex);
  if (entry->asked) return entry->said;
  // A file without a name, which ssh opens again for each of its passes.
  const int file = ::memfd_create("ssh_config", MFD_CLOEXEC);
  if (file < 0) throw Error(Code::internal, std::string("no memory file: ") + std::strerror(errno));
  // ssh uses the first value that it finds, so that the last line is the default.
  const std::string text = ssh_config_includes(*host.config) + "Match all\nUser " + default_user + "\nIdentityFile none\nUserKnownHostsFile none\n";
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  std::string out, err;
  std::optional<int> status;
  try {
    if (!written) throw Error(Code::internal, std::string("no memory file: ") + std::strerror(errno));
    Child ssh({"ssh", "-F", "/dev/stdin", "-G", "-T", "--", host.address}, file, -1, {{"LC_ALL", "C"}});
    const auto until = Clock::now() + host.connect_timeout;
    while (ssh.read(out, err, 100ms)) {
      sockets.check();
      if (Clock::now() >= until)
        throw unusable(host, "ssh -G takes longer than " + std::to_string(host.connect_timeout.count()) + " s to read its configuration",
                       "is there a Match exec that hangs? see `ssh -G " + host.address + "`");
    }
    status = ssh.wait(5s);
  } catch (...) {
    ::close(file);
    throw;
  }
  ::close(file);
  if (status != 0) {
    Failure failure =
        unusable(host, "ssh cannot read its configuration", "see `ssh -G " + host.address + "`; ssh.config: none reads no ssh_config").failure();
    for (const std::string& line : strings::split(err, "\n")) failure.causes.push_back(line);
    throw Error(std::move(failure));
  }
  entry->said = read_ssh_said(out, host.address);
  entry->asked = true;
  return entry->said;
}

void SshConfigs::add(const HostAccess& host, int depth, Sockets& sockets, std::vector<HostAccess>& way) {
  if (depth > 8) throw unusable(host, "ssh_config leads over more than 8 hops, or in a circle", "see ProxyJump in " + path_of(*host.config));
  HostAccess resolved = host;
  std::string default_user = host.user;
  bool own_jump = false;  // set by ssh_config
  if (host.config && !net::is_ip(host.address)) {
    const SshConfig& config = *host.config;
    std::error_code bad;
    const bool there = std::filesystem::exists(path_of(config), bad);
    if (!there && !config.path.empty()) throw unusable(host, "there is no " + config.path, "ssh.config names it; write the right path, or none");
    if (there) {
      const SshSaid said = ask(host, default_user, sockets);
      resolved.address = said.address;
      resolved.host_key_alias = said.host_key_alias;
      if (config.user && !said.user.empty()) resolved.user = said.user;
      if (config.port) resolved.port = said.port;
      if (config.private_keys && !said.private_keys.empty()) resolved.private_keys = said.private_keys;
      if (config.known_hosts && !said.known_hosts.empty()) resolved.known_hosts = said.known_hosts;
      if (config.jump && host.jump.empty()) {
        resolved.jump = said.jump;
        own_jump = !said.jump.empty();
        if (!own_jump && !said.proxy_command.empty() && host.transport == Transport::libssh2)
          throw unusable(host, "ssh_config has a ProxyCommand for it, which only the system's ssh can run",
                         "set ssh.transport: openssh for this host");
      }
    }
  }
  bool first = true;
  for (const Hop& hop : std::vector<Hop>(resolved.jump)) {
    HostAccess one = host;
    one.address = hop.address;
    one.port = hop.port == 0 ? 22 : hop.port;
    one.user = !hop.user.empty() ? hop.user : own_jump ? local_user() : host.user;
    one.password = one.sudo_password = {};  // they are for the host, not for its hops
    one.host_key_alias.clear();
    one.jump.clear();
    if (one.config) {
      one.config->user = hop.user.empty();
      one.config->port = hop.port == 0;
      one.config->jump = first;  // the way to the other hops is given
    }
    first = false;
    add(one, depth + 1, sockets, way);
  }
  resolved.jump.clear();
  for (const HostAccess& before : way) resolved.jump.push_back({before.address, before.port, before.user});
  way.push_back(std::move(resolved));
}

std::vector<HostAccess> SshConfigs::way(const HostAccess& host, Sockets& sockets) {
  std::vector<HostAccess> way;
  add(host, 0, sockets, way);
  return way;
}

}  // namespace pgcluster::executor
