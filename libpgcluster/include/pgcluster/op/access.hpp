#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pgcluster/base/text.hpp>

namespace PGCLUSTER_API pgcluster {

// Hosts.

/// What carries the work to a host.
enum class Transport {
  libssh2,  ///< ssh, in this process
  openssh,  ///< the system's ssh client: for what libssh2 lacks (FIDO keys, certificates, GSSAPI)
  local,    ///< no ssh: the host is the machine that this process runs on
  cloud,    ///< no host: a cloud's API, which the controller itself talks to
};
/// As the spec writes it: "openssh".
std::string_view to_string(Transport transport) noexcept;

/// A host that ssh goes through on its way to another one.
struct Hop {
  std::string address;  ///< or a name
  int port = 0;         ///< 0: as ssh_config says, else 22
  std::string user{};   ///< empty: as ssh_config says, else as on the host itself
  friend bool operator==(const Hop&, const Hop&) = default;
};
/// "admin@bastion:2222", "[fd00::1]:22"; empty where it is none.
std::optional<Hop> parse_hop(const std::string& text);
/// As parse_hop() reads it.
std::string to_string(const Hop& hop);

/// ssh_config for a host whose address is a name (never for an IP address), and what of HostAccess it decides where it says something.
struct SshConfig {
  std::string path{};  ///< empty: ~/.ssh/config, where there is one
  bool user = false;
  bool port = false;
  bool private_keys = false;
  bool known_hosts = false;
  bool jump = false;
  friend bool operator==(const SshConfig&, const SshConfig&) = default;
};

/// A cloud that has load balancers for the cluster.
enum class CloudProvider { aws, gcp, azure, digitalocean, hetzner };
/// The word of the provider: "hetzner".
std::string_view to_string(CloudProvider provider) noexcept;

/// How a cloud's API is reached. What is empty in it comes from the variables that the vendor's own tools read.
struct CloudAccess {
  CloudProvider provider;
  std::string endpoint{};                                       ///< instead of the vendor's own address; https, or http on loopback
  std::vector<std::pair<std::string, Text>> credentials{};      ///< by the spec's keys
  std::vector<std::pair<std::string, std::string>> settings{};  ///< what else the API needs to know: location, network
  friend bool operator==(const CloudAccess&, const CloudAccess&) = default;
};

/// How ssh reaches a host.
struct HostAccess {
  std::string name;     ///< as in the spec
  std::string address;  ///< of ssh
  int port = 22;
  std::string user = "root";                ///< others use sudo
  std::vector<std::string> private_keys{};  ///< paths; empty: the agent's and the usual ones, unless there is a password
  bool agent = true;
  std::vector<std::string> known_hosts{};  ///< paths
  bool accept_new_host_key = false;
  std::chrono::seconds connect_timeout{15};
  Transport transport = Transport::libssh2;
  Text passphrase{};        ///< of private_keys that are encrypted and not in the agent
  Text password{};          ///< of the user, at the host itself only, never at a hop; after the keys
  Text sudo_password{};     ///< empty: sudo must ask for none
  std::vector<Hop> jump{};  ///< the way to the host; logged in to with the same keys, checked by the same known_hosts
  std::optional<SshConfig> config{};
  std::string host_key_alias{};        ///< known_hosts has it by this name; empty: by its address
  std::optional<CloudAccess> cloud{};  ///< where transport is cloud
  friend bool operator==(const HostAccess&, const HostAccess&) = default;
};

}  // namespace pgcluster
