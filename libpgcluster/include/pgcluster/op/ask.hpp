#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <pgcluster/base/text.hpp>

namespace PGCLUSTER_API pgcluster {

// Asks: what a step needs to know about a host. An ask changes nothing.

/// A file or directory by its absolute path. Answered by File or Absent.
struct FileOf {
  std::string path;
  bool content = true;  ///< false: only the digest, mode and owner
  friend bool operator==(const FileOf&, const FileOf&) = default;
};
/// A Debian package. Answered by Package if it is installed, else by Absent.
struct PackageOf {
  std::string name;
  friend bool operator==(const PackageOf&, const PackageOf&) = default;
};
/// A systemd unit, and whether it runs with the present content of its files. Answered by Unit or Absent.
struct UnitOf {
  std::string name;                        ///< "etcd.service"
  std::vector<std::string> start_files{};  ///< files that the process reads only when it starts
  std::vector<std::string> load_files{};   ///< files that the process reads when it starts and when it is reloaded
  friend bool operator==(const UnitOf&, const UnitOf&) = default;
};
/// A user of the system. Answered by Account or Absent.
struct AccountOf {
  std::string name;
  friend bool operator==(const AccountOf&, const AccountOf&) = default;
};
/// A command that only reads; it runs with LC_ALL=C. Answered by Output: status 127 if argv[0] does not exist, 124 if it exceeds the limit.
/// Of its standard error only the end is kept, after a line "…". A standard output of more than 8 MiB is answered by Unreadable, which says so.
struct Exec {
  std::vector<std::string> argv;
  Text input{};                      ///< its standard input, the only place where a secret may stand
  std::vector<std::string> about{};  ///< keys of the resources on which the answer depends: "unit:patroni.service", "dcs:config"
  std::chrono::milliseconds limit{10'000};
  bool tail = false;  ///< of a long standard output, too, only the end matters: a log
  friend bool operator==(const Exec&, const Exec&) = default;
};
/// A request that only reads, sent by the controller to an API.
struct Http {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, Text>> headers{};
  Text body{};
  std::vector<std::string> about{};
  friend bool operator==(const Http&, const Http&) = default;
};

/// One question to one host.
struct Ask {
  std::string at;  ///< name of a host of the plan, or of a cloud
  std::variant<FileOf, PackageOf, UnitOf, AccountOf, Exec, Http> what;
  friend bool operator==(const Ask&, const Ask&) = default;
};

/// A text that is equal exactly for equal asks. Not meant for people.
std::string key(const Ask& ask);
/// A hash; distinct asks may collide.
std::size_t hash(const Ask& ask);
/// Keys of the resources on which the answer depends, in the form of resources(const Do&).
std::vector<std::string> resources(const Ask& ask);
/// A short text without secrets: "read /etc/default/etcd".
std::string describe(const Ask& ask);

}  // namespace pgcluster
