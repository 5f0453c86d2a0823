#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <pgcluster/base/text.hpp>
#include <pgcluster/op/answer.hpp>
#include <pgcluster/op/ask.hpp>

namespace PGCLUSTER_API pgcluster {

// Dos: what changes a host.

/// Written beside and renamed; parents are made (0755, root).
struct WriteFile {
  std::string path;
  Text content;
  unsigned mode = 0644;
  std::string owner = "root";
  std::string group = "root";
  friend bool operator==(const WriteFile&, const WriteFile&) = default;
};
/// A block between marker lines in a file that is not ours ("# BEGIN pgcluster MARKER" … "# END pgcluster MARKER").
struct WriteBlock {
  std::string path;
  std::string marker;
  std::string content;
  friend bool operator==(const WriteBlock&, const WriteBlock&) = default;
};
/// A file of the controller, whole.
struct Upload {
  std::string path;
  std::string source;  ///< on the controller
  std::string sha256;
  unsigned mode = 0755;
  friend bool operator==(const Upload&, const Upload&) = default;
};
/// Packages by apt. Units that they would start are masked at run time until a SetUnit starts them.
struct Install {
  std::vector<std::string> packages;
  std::vector<std::string> mask{};
  friend bool operator==(const Install&, const Install&) = default;
};
/// Starts, stops, restarts or reloads a systemd unit, and has it started at boot or not.
struct SetUnit {
  /// What becomes of it now.
  enum class Go { nothing, start, stop, restart, reload };
  std::string name;
  Go go = Go::nothing;
  std::optional<bool> enabled{};  ///< empty: left as it is
  friend bool operator==(const SetUnit&, const SetUnit&) = default;
};
/// A system account with a group of its own name.
struct SetAccount {
  std::string name;
  std::string home;
  std::string shell = "/usr/sbin/nologin";
  friend bool operator==(const SetAccount&, const SetAccount&) = default;
};
/// A command that changes something.
struct Run {
  std::vector<std::string> argv;
  Text input{};
  std::vector<std::string> touches{};  ///< resource keys that it may change
  std::optional<Exec> look{};          ///< asked on the host just before; its Output must equal the Do's `was` (status and out)
  bool slow = false;                   ///< ends a program
  friend bool operator==(const Run&, const Run&) = default;
};
/// A request to an API that the controller reaches, which changes something.
struct Send {
  Http request;
  friend bool operator==(const Send&, const Send&) = default;
};
/// Something is taken away; what is not there is done.
struct Remove {
  /// What `name` names; a unit is stopped and disabled.
  enum class Kind { file, tree, block, package, unit };
  Kind kind = Kind::file;
  std::string name;      ///< path, package or unit
  std::string marker{};  ///< of a block
  friend bool operator==(const Remove&, const Remove&) = default;
};

/// One change of one host.
struct Do {
  std::string at;
  std::variant<WriteFile, WriteBlock, Upload, Install, SetUnit, SetAccount, Run, Send, Remove> what;
  /// Compare-and-set: the host acts where it still finds this, skips where it finds what is wished, else stops as drifted.
  /// Empty where an earlier step of the plan may touch it: then only "as wished: skip" is looked at.
  /// WriteFile, Remove: File (sha256, mode, owner, group) or Absent. SetUnit restart and reload: Unit (`started`); Run: Output of `look`.
  std::optional<Answer> was{};
  std::chrono::milliseconds limit{60'000};
  friend bool operator==(const Do&, const Do&) = default;
};

/// Resource keys: "file:/etc/default/etcd", "block:/etc/hosts#NAME", "package:etcd-server", "unit:etcd.service", "account:postgres", or a
/// step's own ("dcs:config").
std::vector<std::string> resources(const Do& d);
/// Short and without secrets: "write /etc/default/etcd", "apt install etcd-server".
std::string describe(const Do& d);
/// Whether it ends a program: installs, uploads, slow runs.
bool is_slow(const Do& d);

}  // namespace pgcluster
