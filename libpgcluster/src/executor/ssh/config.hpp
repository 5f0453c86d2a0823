#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "executor/ssh/connection.hpp"

namespace pgcluster::executor {

/// The settings of ssh_config for a name, as `ssh -G` prints them, with the tokens in paths expanded.
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
/// Parses the output of `ssh -G` for the name.
SshSaid read_ssh_said(std::string_view text, const std::string& name);

/// Lines of an ssh_config that include the user's file and the system's. Throws Error if the path has characters that ssh_config cannot express.
std::string ssh_config_includes(const SshConfig& config);
/// The path in the syntax of ssh_config. Throws Error.
std::string ssh_config_path(const std::string& path);

/// Reads the system's ssh configuration with `ssh -G`, once for each name.
class SshConfigs {
 public:
  /// The hops, then the host, completed with the settings of ssh_config for their names. Throws Error.
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
