#include <algorithm>
#include <cstdlib>
#include <set>

#include <pgcluster/base/error.hpp>

#include "base/network.hpp"
#include "executor/ssh/config.hpp"
#include "executor/ssh/openssh_connection.hpp"

namespace pgcluster::executor {
namespace {

class Writer {
 public:
  explicit Writer(const HostAccess& host) : host_(host) {}

  std::string write(std::string& target) {
    target = block_name(host_.address, "host");
    // What holds for the way, too: keys, and nothing that a hop could ask for.
    text_ = "Host * !" + target + "\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n";
    text_ += "Host " + target + "\n";
    if (host_.password.empty())
      text_ += "PasswordAuthentication no\nKbdInteractiveAuthentication no\n";
    else if (host_.private_keys.empty())
      text_ += "PreferredAuthentications password,keyboard-interactive\n";
    const bool name = named(host_.address);
    if (!name) text_ += "HostName " + host_.address + "\n";
    if (!name || !host_.config->port) text_ += "Port " + std::to_string(host_.port) + "\n";
    if (!name || !host_.config->user) text_ += "User " + host_.user + "\n";
    if (!name || !host_.config->jump || !host_.jump.empty()) text_ += "ProxyJump " + hops() + "\n";
    text_ += hop_blocks_;
    text_ += "Host *\nBatchMode " + std::string(host_.password.empty() && host_.passphrase.empty() ? "yes" : "no") + "\nStrictHostKeyChecking " +
             (host_.accept_new_host_key ? "accept-new" : "yes") +
             "\nGlobalKnownHostsFile /dev/null\nUpdateHostKeys no\nNumberOfPasswordPrompts 1\nLogLevel INFO\nForwardAgent no\nForwardX11 no\n"
             "ServerAliveInterval 10\nServerAliveCountMax 3\nRequestTTY no\nConnectTimeout " +
             std::to_string(host_.connect_timeout.count()) + "\n";
    if (!host_.agent) text_ += "IdentityAgent none\n";
    keys();
    if (!host_.config || !host_.config->known_hosts) known_hosts();
    if (host_.config && (name || std::any_of(host_.jump.begin(), host_.jump.end(), [&](const Hop& hop) { return named(hop.address); })))
      text_ += ssh_config_includes(*host_.config);
    // ssh uses the first value that it finds: these are the defaults for what ssh_config does not set.
    text_ += "Host";
    for (const std::string& one : names_) text_ += " " + one;
    text_ += "\nUser " + host_.user + "\nHost *\n";
    if (host_.config && host_.config->known_hosts) known_hosts();
    text_ += "GSSAPIAuthentication yes\n";
    // ssh-keygen and ssh-add use that variable; ssh uses it only if told to.
    if (const char* provider = std::getenv("SSH_SK_PROVIDER"); provider && *provider) text_ += "SecurityKeyProvider $SSH_SK_PROVIDER\n";
    return text_;
  }

 private:
  bool named(const std::string& address) const { return host_.config && !net::is_ip(address); }

  // A name stays as it is, because ssh_config may know it; an address gets an alias of ours, because several hosts may share it on several ports.
  std::string block_name(const std::string& address, const std::string& ours) {
    std::string name = named(address) ? address : "pgcluster-" + ours;
    if (!names_.insert(name).second)
      throw Error(Code::spec_invalid, "the way to " + shown(host_) + " leads over " + address + " twice", "take it out of ssh.jump");
    return name;
  }

  std::string hops() {
    std::string all, before = "none";
    for (std::size_t i = 0; i < host_.jump.size(); ++i) {
      const Hop& hop = host_.jump[i];
      const std::string name = block_name(hop.address, "hop-" + std::to_string(i + 1));
      hop_blocks_ += "Host " + name + "\n";
      const bool asked = named(hop.address);
      if (!asked) hop_blocks_ += "HostName " + hop.address + "\n";
      if (!asked || hop.port != 0) hop_blocks_ += "Port " + std::to_string(hop.port == 0 ? 22 : hop.port) + "\n";
      if (!asked || !hop.user.empty()) hop_blocks_ += "User " + (hop.user.empty() ? host_.user : hop.user) + "\n";
      if (!asked || i > 0) hop_blocks_ += "ProxyJump " + before + "\n";
      before = name;
    }
    return before;
  }

  void keys() {
    for (const std::string& path : host_.private_keys) text_ += "IdentityFile " + ssh_config_path(path) + "\n";
    if (!host_.private_keys.empty()) text_ += "IdentitiesOnly yes\n";
  }

  void known_hosts() {
    if (host_.known_hosts.empty()) return;
    text_ += "UserKnownHostsFile";
    for (const std::string& path : host_.known_hosts) text_ += " " + ssh_config_path(path);
    text_ += "\n";
  }

  const HostAccess& host_;
  std::string text_, hop_blocks_;
  std::set<std::string> names_;
};

}  // namespace

std::string openssh_config(const HostAccess& host, std::string& target) { return Writer(host).write(target); }

namespace {

// The functions below recognise ssh's own messages by their exact form, because the banner of a server stands among them and may contain any words.

// "root@10.0.0.1: Permission denied (publickey)."
bool denies(const std::string& line) {
  const auto colon = line.find(": Permission denied (");
  return colon != std::string::npos && line.ends_with(").") && line.find(' ') == colon + 1 && line.find('@') < colon;
}

// "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures"
bool has_enough(const std::string& line) {
  return line.starts_with("Received disconnect from ") && line.ends_with("Too many authentication failures");
}

// Why the host cannot be reached; empty if the line does not say it.
std::string unreachable(const std::string& line) {
  if (line.starts_with("ssh: Could not resolve hostname ")) return line.substr(5);
  if (line.starts_with("ssh: connect to host ")) return line.substr(std::min(line.rfind(": ") + 2, line.size()));
  if (const auto open = line.find(": open failed: "); line.starts_with("channel ") && open != std::string::npos) return line.substr(open + 2);
  if (line.starts_with("Timeout, server ") && line.ends_with(" not responding.")) return line.substr(0, line.size() - 1);
  if (line == "Connection timed out during banner exchange") return line;
  if (line.starts_with("Connection to ") && line.find(" port ") != std::string::npos && line.ends_with(" timed out")) return line;
  // The output of a ProxyCommand of any kind.
  for (const char* why : {": Connection refused", ": Connection timed out", ": No route to host", ": Network is unreachable"})
    if (line.ends_with(why)) return why + 2;
  return "";
}

}  // namespace

std::optional<Error> openssh_failure(const HostAccess& host, const std::string& said) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < said.size();) {
    const auto end = std::min(said.find('\n', at), said.size());
    std::string line = said.substr(at, end - at);
    while (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && !line.starts_with("@@@")) lines.push_back(line);
    at = end + 1;
  }
  const std::string try_it = "try `ssh " + (host.jump.empty() ? "" : "-J " + shown_jump(host) + " ") + "-p " + std::to_string(host.port) + " " +
                             host.user + "@" + host.address + "`";
  const auto error = [&](Code code, const std::string& message, const std::string& hint, bool retryable = false) {
    return Error(Failure{.code = code, .message = message, .hint = hint, .host = host.name, .causes = lines, .retryable = retryable});
  };
  const std::string file = host.known_hosts.empty() ? "known_hosts" : host.known_hosts[0];
  bool refused = false;
  // The cause comes last, followed only by the ends of the connections that used it.
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (*line == "Host key verification failed.") {
      const bool changed = std::any_of(lines.begin(), lines.end(), [](const std::string& one) {
        return one.starts_with("@ ") && (one.find("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!") != std::string::npos ||
                                         one.find("WARNING: REVOKED HOST KEY DETECTED!") != std::string::npos);
      });
      if (changed)
        return error(
            Code::host_key_changed, "the host key of " + shown(host) + ", or of a hop on the way, is not the one in " + file,
            "either the host was installed anew, or somebody else pretends to be it; if you know that it was the former: ssh-keygen -R, as shown");
      return error(Code::host_key_unknown, "the host key of " + shown(host) + ", or of a hop on the way, is not known",
                   try_it + ", compare the key that it shows with the host's, and accept it; or set ssh.host_key: accept-new");
    }
    if (denies(*line))
      return error(
          Code::auth_failed, "cannot log in as " + shown(host) + "; ssh says: " + line->substr(0, line->size() - 1),
          try_it + "; keys and user as in the spec" +
              (line->find("gssapi") == std::string::npos ? ""
                                                         : "; for GSSAPI: is there a ticket (klist), and is ssh.host the host's name in Kerberos?") +
              (host.jump.empty() ? "" : "; a hop takes keys or tickets only, never ssh.password"));
    if (has_enough(*line))
      return error(Code::auth_failed, "cannot log in as " + shown(host) + ": too many keys were tried, and none was right",
                   "set ssh.private_key: of the agent's keys ssh tries each, and sshd counts them (MaxAuthTries)");
    if (const std::string why = unreachable(*line); !why.empty())
      return error(Code::host_unreachable, "cannot reach " + shown(host) + ": " + why, "is the host up, and sshd listening? " + try_it, true);
    for (const char* one : {"kex_exchange_identification: ", "Exceeded MaxStartups", "Not allowed at this time"}) refused |= line->starts_with(one);
  }
  if (refused) return std::nullopt;
  return error(Code::host_unreachable, "ssh cannot connect to " + shown(host) + (lines.empty() ? "" : ": " + lines.back()), try_it, true);
}

}  // namespace pgcluster::executor
