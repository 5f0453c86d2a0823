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

// Dos: the changes of a host.

/// Writes a file under a temporary name and renames it; creates missing parents (0755, root).
struct WriteFile {
  std::string path;
  Text content;
  unsigned mode = 0644;
  std::string owner = "root";
  std::string group = "root";
  friend bool operator==(const WriteFile&, const WriteFile&) = default;
};
/// Writes a block between marker lines into a file that others own, too ("# BEGIN pgcluster MARKER" … "# END pgcluster MARKER").
struct WriteBlock {
  std::string path;
  std::string marker;
  std::string content;
  friend bool operator==(const WriteBlock&, const WriteBlock&) = default;
};
/// Copies a file of the controller to the host.
struct Upload {
  std::string path;
  std::string source;  ///< on the controller
  std::string sha256;
  unsigned mode = 0755;
  friend bool operator==(const Upload&, const Upload&) = default;
};
/// Installs packages. The units in `mask` are masked at run time until a SetUnit starts them, so that the installation does not start them.
struct Install {
  std::vector<std::string> packages;
  std::vector<std::string> mask{};
  friend bool operator==(const Install&, const Install&) = default;
};
/// Starts, stops, restarts or reloads a systemd unit, and enables or disables it at boot.
struct SetUnit {
  /// The action on the unit now.
  enum class Go { nothing, start, stop, restart, reload };
  std::string name;
  Go go = Go::nothing;
  std::optional<bool> enabled{};  ///< empty: unchanged
  friend bool operator==(const SetUnit&, const SetUnit&) = default;
};
/// Creates or changes a system account; its group has the same name.
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
  std::vector<std::string> touches{};  ///< keys of the resources that it may change
  std::optional<Exec> look{};          ///< runs on the host just before; status and out must equal those in the Do's `was`
  bool slow = false;                   ///< a program ends after it
  /// It confirms a change that might have shut us out: it begins a program, which reaches the host over a new connection. If none can be made, it
  /// fails. Transport::local has no connections, and just runs it.
  bool reconnect = false;
  std::string name{};  ///< what it does, for people ("Patroni's switchover on pg1"); empty: its command line is shown
  friend bool operator==(const Run&, const Run&) = default;
};
/// A request that changes something, sent by the controller to an API.
struct Send {
  Http request;
  friend bool operator==(const Send&, const Send&) = default;
};
/// Removes something. It is done if the thing does not exist.
struct Remove {
  /// The kind of thing that `name` names. Removing a unit stops and disables it.
  enum class Kind { file, tree, block, package, unit };
  Kind kind = Kind::file;
  std::string name;      ///< path, package or unit
  std::string marker{};  ///< of the block
  friend bool operator==(const Remove&, const Remove&) = default;
};

/// One change of one host.
struct Do {
  std::string at;
  std::variant<WriteFile, WriteBlock, Upload, Install, SetUnit, SetAccount, Run, Send, Remove> what;
  /// The state that the plan found, for compare-and-set. The host acts if the state is still this one, skips if the wished state holds already,
  /// and stops as drifted otherwise. Empty if an earlier step of the plan may change the state; then the host only checks whether to skip.
  /// WriteFile: File (sha256, mode, owner, group) or Absent. Remove: File (sha256) or Absent. SetUnit with restart or reload: Unit (`started`). Run:
  /// Output of `look`.
  std::optional<Answer> was{};
  std::chrono::milliseconds limit{60'000};
  friend bool operator==(const Do&, const Do&) = default;
};

/// Keys of the resources that it changes: "file:/etc/default/etcd", "block:/etc/hosts#NAME", "package:etcd-server", "unit:etcd.service",
/// "account:postgres", or one that the step defines ("dcs:config").
std::vector<std::string> resources(const Do& d);
/// A short text without secrets: "write /etc/default/etcd", "apt install etcd-server".
std::string describe(const Do& d);
/// Whether a program ends after it: an install, an upload, or a slow Run.
bool is_slow(const Do& d);

}  // namespace pgcluster
