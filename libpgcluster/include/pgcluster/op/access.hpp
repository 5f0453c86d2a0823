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

/// The way in which programs reach a host.
enum class Transport {
  libssh2,  ///< ssh, inside this process
  openssh,  ///< the system's ssh client: for what libssh2 lacks (FIDO keys, certificates, GSSAPI)
  local,    ///< no ssh: the host is the machine on which this process runs
  cloud,    ///< not a host: the API of a cloud, which the controller calls itself
};
/// As the spec writes it: "openssh".
std::string_view to_string(Transport transport) noexcept;

/// A host through which ssh reaches another one (ProxyJump).
struct Hop {
  std::string address;  ///< an IP address or a name
  int port = 0;         ///< 0: the one of ssh_config, or 22
  std::string user{};   ///< empty: the one of ssh_config, or the user of the host itself
  friend bool operator==(const Hop&, const Hop&) = default;
};
/// Parses "admin@bastion:2222" or "[fd00::1]:22"; nullopt if the text is not a hop.
std::optional<Hop> parse_hop(const std::string& text);
/// The text that parse_hop() parses.
std::string to_string(const Hop& hop);

/// Use of ssh_config for a host whose address is a name; it never applies to an IP address. Each flag lets ssh_config replace that member of
/// HostAccess where it sets it.
struct SshConfig {
  std::string path{};  ///< empty: ~/.ssh/config, if it exists
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

/// How to reach the API of a cloud. Empty members are taken from the environment variables that the vendor's own tools read.
struct CloudAccess {
  CloudProvider provider;
  std::string endpoint{};                                       ///< replaces the vendor's own address; https, or http on loopback
  std::vector<std::pair<std::string, Text>> credentials{};      ///< by the spec's keys
  std::vector<std::pair<std::string, std::string>> settings{};  ///< other parameters of the API: location, network
  friend bool operator==(const CloudAccess&, const CloudAccess&) = default;
};

/// How ssh reaches a host.
struct HostAccess {
  std::string name;     ///< as in the spec
  std::string address;  ///< of ssh
  int port = 22;
  std::string user = "root";                ///< any other user needs sudo
  std::vector<std::string> private_keys{};  ///< paths; empty: the keys of the agent and the default ones, unless `password` is set
  bool agent = true;
  std::vector<std::string> known_hosts{};  ///< paths
  bool accept_new_host_key = false;
  std::chrono::seconds connect_timeout{15};
  Transport transport = Transport::libssh2;
  Text passphrase{};        ///< of encrypted private_keys that are not in the agent
  Text password{};          ///< of the user on the host, never used for a hop; tried after the keys
  Text sudo_password{};     ///< empty: sudo must not ask for a password
  std::vector<Hop> jump{};  ///< the hops to the host; they use the same keys and known_hosts
  std::optional<SshConfig> config{};
  std::string host_key_alias{};        ///< name of the host in known_hosts; empty: its address
  std::optional<CloudAccess> cloud{};  ///< set if transport is cloud
  friend bool operator==(const HostAccess&, const HostAccess&) = default;
};

}  // namespace pgcluster
