#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <pgcluster/base/text.hpp>

namespace PGCLUSTER_API pgcluster {

// Asks: what a step wants to know. Asking changes nothing.

/// A file or directory, by its absolute path: File or Absent.
struct FileOf {
  std::string path;
  bool content = true;  ///< false: only its digest and access
  friend bool operator==(const FileOf&, const FileOf&) = default;
};
/// A Debian package: Package where it is installed, else Absent.
struct PackageOf {
  std::string name;
  friend bool operator==(const PackageOf&, const PackageOf&) = default;
};
/// A systemd unit, and whether it runs on its present files.
struct UnitOf {
  std::string name;                        ///< "etcd.service"
  std::vector<std::string> start_files{};  ///< files that the running process read when it started
  std::vector<std::string> load_files{};   ///< files that it reads when started or reloaded
  friend bool operator==(const UnitOf&, const UnitOf&) = default;
};
/// A user of the system: Account or Absent.
struct AccountOf {
  std::string name;
  friend bool operator==(const AccountOf&, const AccountOf&) = default;
};
/// A command that only reads, with LC_ALL=C. argv[0] that is not there is Output with status 127, one that takes too long has status 124.
struct Exec {
  std::vector<std::string> argv;
  Text input{};                      ///< its standard input; the only place for a secret
  std::vector<std::string> about{};  ///< resource keys that the answer depends on: "unit:patroni.service", "dcs:config"
  std::chrono::milliseconds limit{10'000};
  friend bool operator==(const Exec&, const Exec&) = default;
};
/// A request that only reads, to an API that the controller reaches.
struct Http {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, Text>> headers{};
  Text body{};
  std::vector<std::string> about{};
  friend bool operator==(const Http&, const Http&) = default;
};

/// One question, and to whom it is put.
struct Ask {
  std::string at;  ///< a host of the fleet, or an API (a cloud)
  std::variant<FileOf, PackageOf, UnitOf, AccountOf, Exec, Http> what;
  friend bool operator==(const Ask&, const Ask&) = default;
};

/// The same text for equal asks, another for others. Not for people.
std::string key(const Ask& ask);
/// The same for equal asks; quick, and so not always another for others.
std::size_t hash(const Ask& ask);
/// Resource keys that the answer depends on, as in resources(const Do&).
std::vector<std::string> resources(const Ask& ask);
/// Short and without secrets: "read /etc/default/etcd".
std::string describe(const Ask& ask);

}  // namespace pgcluster
