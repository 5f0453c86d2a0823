#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "executor/ssh/connection.hpp"

namespace pgcluster::executor {

/// What ssh_config says about a name, as `ssh -G` prints it; tokens of paths expanded.
struct SshSaid {
  std::string address{};
  int port = 22;
  std::string user{};
  std::vector<std::string> private_keys{};
  std::vector<std::string> known_hosts{};
  std::string host_key_alias{};
  std::string proxy_command{};
  std::vector<Hop> jump{};
};
/// Of the text that `ssh -G` has printed for the name.
SshSaid read_ssh_said(std::string_view text, const std::string& name);

/// Lines of an ssh_config that take in the user's file and the system's. Throws Error where the path cannot stand there.
std::string ssh_config_includes(const SshConfig& config);
/// A path as ssh_config takes it. Throws Error.
std::string ssh_config_path(const std::string& path);

/// Asks the system's ssh what its configuration says, once for each name.
class SshConfigs {
 public:
  /// The hops, then the host, with what ssh_config says of their names filled in. Throws Error.
  std::vector<HostAccess> way(const HostAccess& host, Sockets& sockets);

 private:
  struct Entry {
    std::mutex mutex;
    bool asked = false;
    SshSaid said;
  };
  void add(const HostAccess& host, int depth, Sockets& sockets, std::vector<HostAccess>& way);
  SshSaid ask(const HostAccess& host, const std::string& default_user, Sockets& sockets);
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace pgcluster::executor
