#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <pgcluster/op/program.hpp>

namespace PGCLUSTER_API pgcluster {

/// The properties of a host, read once when a plan is made.
struct Facts {
  std::string hostname{};
  std::string os_id{};        ///< "debian"
  std::string os_version{};   ///< "13"
  std::string os_codename{};  ///< "trixie"
  std::string arch{};         ///< "x86_64"
  std::uint64_t memory_bytes = 0;
  unsigned cpus = 1;
  std::uint64_t nofile_limit = 1024;  ///< the highest limit of open files that a service can have
  std::string container{};            ///< "systemd-nspawn"; empty if the host is not a container
  std::int64_t clock = 0;             ///< the host's clock, Unix time
  /// One address of a network interface; an interface may have several.
  struct Interface {
    std::string name;
    std::string cidr;  ///< "10.77.0.11/24"
    friend bool operator==(const Interface&, const Interface&) = default;
  };
  std::vector<Interface> interfaces{};
  std::string default_interface{};
  std::vector<std::string> devices{};    ///< all network interfaces, also those without an address: "eth0"
  bool no_watchdog = false;              ///< neither /dev/watchdog is there nor the kernel's module softdog
  std::vector<std::string> masked{};     ///< units that somebody has masked in /etc: "etcd.service"
  std::vector<std::string> read_only{};  ///< mount points of read-only file systems: "/usr"
  std::vector<std::string> writable{};   ///< the other mount points, where there are read-only ones
  std::uint64_t huge_page_bytes = 0;     ///< size of a huge page; 0: unknown
  std::uint64_t free_huge_pages = 0;
  std::vector<Owned> owned{};
  std::string cluster{};                         ///< content of /var/lib/pgcluster/cluster; empty if there is none
  std::string begun{};                           ///< content of /var/lib/pgcluster/begun; empty where no cluster has begun
  std::string objects{};                         ///< content of /var/lib/pgcluster/objects; empty if there is none
  std::map<std::string, std::string> secrets{};  ///< /var/lib/pgcluster/secrets by name
  friend bool operator==(const Facts&, const Facts&) = default;
};

/// The asks that read a host's facts, answered in one program.
std::vector<Ask> facts_asks(const std::string& host);
/// Facts from the answers to facts_asks(). Throws Error (host_unsupported) if they cannot be read.
Facts read_facts(const std::string& host, const std::vector<Answer>& answers);

}  // namespace pgcluster
