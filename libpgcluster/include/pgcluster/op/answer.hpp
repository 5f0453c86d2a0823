#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include <pgcluster/base/export.hpp>

namespace PGCLUSTER_API pgcluster {

// Answers.

/// The thing does not exist. An empty directory that is a mount point or a link counts as absent, because it stays when its tree is removed.
struct Absent {
  friend bool operator==(const Absent&, const Absent&) = default;
};
/// A file as it is now. Symbolic links are followed.
struct File {
  /// The kind of file at the path.
  enum class Kind { regular, directory, other };
  Kind kind = Kind::regular;
  std::string content{};  ///< empty if only the digest was asked for
  std::string sha256{};   ///< in lower-case hexadecimal; of a regular file only
  unsigned mode = 0644;   ///< permission bits
  std::string owner = "root";
  std::string group = "root";
  bool fixed = false;  ///< root itself cannot write it: it is immutable, or its file system is read-only
  friend bool operator==(const File&, const File&) = default;
};
/// An installed package.
struct Package {
  std::string version;
  friend bool operator==(const Package&, const Package&) = default;
};
/// A systemd unit as it is now. The answer for a unit that systemd does not know is Absent.
struct Unit {
  std::string active = "inactive";  ///< systemd's ActiveState: active, activating, inactive, failed, …
  std::string sub{};                ///< SubState
  bool enabled = false;
  bool masked = false;
  std::int64_t pid = 0;
  std::uint64_t started = 0;        ///< ActiveEnterTimestampMonotonic, µs; 0: never
  bool start_files_current = true;  ///< whether it was started with its start_files as they are now (also if that start failed)
  bool load_files_current = true;   ///< whether it has loaded its load_files as they are now
  std::string result{};             ///< systemd's Result: success, exit-code, timeout, …
  int restarts = 0;                 ///< NRestarts: systemd's automatic restarts since the last start
  bool young = false;               ///< active for less than three seconds
  std::uint64_t files_limit = 0;    ///< hard LimitNOFILE, the number of files that it may open; 0: unknown
  friend bool operator==(const Unit&, const Unit&) = default;
};
/// A user of the system.
struct Account {
  unsigned uid = 0;
  std::string home{};
  std::string shell{};
  friend bool operator==(const Account&, const Account&) = default;
};
/// How a command ended.
struct Output {
  int status = 0;  ///< exit status; 124 timed out, 127 no such program, 128 + n killed by signal n
  std::string out{};
  std::string err{};
  friend bool operator==(const Output&, const Output&) = default;
};
/// The state is unknown: no permission, a malformed answer, or a host that does not answer.
struct Unreadable {
  std::string why;
  bool lasting = false;  ///< asking again gives the same (an answer that is too long): a step that would wait for it fails at once
  friend bool operator==(const Unreadable&, const Unreadable&) = default;
};

/// The answer to an Ask: the kind of value that it asks for, Absent, or Unreadable.
using Answer = std::variant<Absent, File, Package, Unit, Account, Output, Unreadable>;

}  // namespace pgcluster
