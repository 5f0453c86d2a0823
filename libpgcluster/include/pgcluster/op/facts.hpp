#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <pgcluster/op/program.hpp>

namespace PGCLUSTER_API pgcluster {

/// What a host is, read once at the beginning.
struct Facts {
  std::string hostname{};
  std::string os_id{};        ///< "debian"
  std::string os_version{};   ///< "13"
  std::string os_codename{};  ///< "trixie"
  std::string arch{};         ///< "x86_64"
  std::uint64_t memory_bytes = 0;
  unsigned cpus = 1;
  std::uint64_t nofile_limit = 1024;  ///< hard limit of open files that a service can get
  std::string container{};            ///< "systemd-nspawn"; empty on a machine of its own
  std::int64_t clock = 0;             ///< the host's clock, Unix time
  /// A network interface's address; an interface may have several.
  struct Interface {
    std::string name;
    std::string cidr;  ///< "10.77.0.11/24"
    friend bool operator==(const Interface&, const Interface&) = default;
  };
  std::vector<Interface> interfaces{};
  std::string default_interface{};
  std::vector<Owned> owned{};
  std::string cluster{};                         ///< /var/lib/pgcluster/cluster as it stands; empty: none
  std::map<std::string, std::string> secrets{};  ///< /var/lib/pgcluster/secrets by name
  friend bool operator==(const Facts&, const Facts&) = default;
};

/// What to ask a host for its facts: one exec.
std::vector<Ask> facts_asks(const std::string& host);
/// Throws Error (host_unsupported) where the answers make no sense.
Facts read_facts(const std::string& host, const std::vector<Answer>& answers);

}  // namespace pgcluster
