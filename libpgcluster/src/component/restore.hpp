#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "component/backup.hpp"
#include "component/wal.hpp"

// Restoring a cluster in place from its backups, whichever tool made them. The component of the tool implements the steps.
namespace pgcluster::restore {

/// Up to where.
enum class Kind { end, backup, time, lsn, xid, name };
struct Target {
  Kind kind = Kind::end;
  std::string value{};        ///< as the tool takes it: "2026-11-30 09:00:00.000000+00", "0/5000028", "4711", a label
  std::int64_t micros = 0;    ///< of a time: Unix time in microseconds
  std::uint64_t lsn = 0;      ///< of an LSN
  std::string text() const;   ///< "time 2026-…": the word of the kind, and the value
  std::string words() const;  ///< for people: "the time 2026-…"
};

/// A time with its zone as microseconds since 1970; nothing where it is none. "2026-11-30 09:00:00.5+01", "2026-11-30T08:00:00Z".
struct ReadTime {
  std::int64_t micros = 0;
  bool zone = false;  ///< it names its zone
};
std::optional<ReadTime> read_time(const std::string& text);
/// As PostgreSQL writes it, in UTC.
std::string time_text(std::int64_t micros);

/// What each database host notes from before the first server stops until the cluster is restored.
struct Note {
  std::string target;  ///< Target::text()
  std::string backup;  ///< label of the backup
  int repo = 0;        ///< number of its repository
  int timeline = 0;    ///< that the recovery follows
  int newest = 0;      ///< the newest timeline in the archive
  std::string host;    ///< where the backup is restored
  std::string id;      ///< tells restores apart
  bool keep = false;   ///< the former data is renamed
  bool hold = false;   ///< Patroni must not start on the host that has the note
  bool anew = false;   ///< the cluster has lost all its database hosts, and is rebuilt on new ones
};
inline constexpr const char* note_path = "/var/lib/pgcluster/restore";
/// The note, and what the program of this host needs beside it.
std::string note_text(const ClusterView& view, const Note& note, const std::string& host, bool hold);
std::optional<Note> read_note(const std::string& text);
Ask note_ask(const std::string& host);
std::optional<Note> read_note(const Answer& answer);
/// How the program that restores stands, on the host of the note: a file.
Ask progress_ask(const std::string& host);
/// Whether it has given up: the target cannot be reached, or something is in its way.
bool has_failed(const Note& note, const Answer& progress);
/// Whether it has come so far that it may have changed data.
bool has_begun(const Note& note, const Answer& progress);
/// What is said of a restore that has not ended.
Diagnostic interrupted(const Note& note);
/// The command line that goes on with it: "pgcluster restore --time '…'".
std::string command(const Note& note);

/// What a database host must have for a restore.
struct Place {
  bool answers = false;
  std::int64_t free_bytes = 0;
  std::int64_t work_bytes = 0;  ///< free where a proof makes its copy
  std::string fixed;            ///< why its data directory cannot be renamed; empty: it can
  std::string tool;             ///< version of the program that restores
};
Ask place_ask(const ClusterView& view, const std::string& host);
Place read_place(const Answer& answer);
/// What the data directory takes. May take minutes.
Ask used_ask(const ClusterView& view, const std::string& host);
std::int64_t read_used(const Answer& answer);
/// The version of the tool on a host with repositories, as Place::tool has it; empty where it does not say.
Ask tool_ask(const std::string& host);
std::string read_tool(const Answer& answer);

/// WAL in the repository of this name on its host.
Ask archive_ask(const ClusterView& view, const std::string& host, const std::string& repo);
int number_of(const ClusterView& view, const std::string& repo);

/// Where the server is that takes writes.
struct Present {
  bool leads = false;
  int timeline = 0;
  std::uint64_t lsn = 0;
  std::int64_t micros = 0;         ///< by its clock
  std::vector<std::string> slots;  ///< logical ones, which a restore loses
};
Ask present_ask(const ClusterView& view, const std::string& host);
Present read_present(const Answer& answer);

/// Looks for a restore point or a transaction in the WAL, on a database host. May take minutes.
Ask find_ask(const ClusterView& view, const std::string& host, const Target& target, const wal::Archive& archive);
struct Found {
  int timeline = 0;
  std::uint64_t lsn = 0;
  friend bool operator==(const Found&, const Found&) = default;
};
std::vector<Found> read_found(const Answer& answer);

/// From where to where a restore goes.
struct Choice {
  backup::Backup set;
  int timeline = 0;
  std::vector<Diagnostic> warnings;
};
/// Chooses the backup and the timeline, 0 where none was named. Throws Error (refused) where the target cannot be reached.
Choice choose(const backup::Repository& repository, const wal::Archive& archive, const Present& present, const Target& target, int timeline,
              const std::vector<Found>& found);

/// How far a restore has come: not begun; all servers are to be stopped, and what they wrote is archived; the restored data may serve; it serves.
enum class Stage { none, begun, promoted, serves };
/// From there to the restored leader, and replicas without data: a deployment does the rest. The present timeline is needed where nothing has begun.
Steps steps(const std::shared_ptr<const ClusterView>& view, const Note& note, Stage stage, int present_timeline = 0);

// --- a cluster that has lost all its database hosts ---

/// Ask for traces of a cluster; on a new host all answers are Absent.
std::vector<Ask> traces_asks(const ClusterView& view, const std::string& host);
/// Whether pgcluster has set the host up for a cluster; on a new host the answer is Absent.
Ask mark_ask(const std::string& host);
/// A secret that the spec does not give, and its copy beside the backups.
struct KeptSecret {
  std::string name, repo, path;
  Ask copy;
};
std::vector<KeptSecret> kept_secrets(const ClusterView& view, const std::string& host);
/// Write the note to all database hosts before a deployment does anything else. `free`: other hosts, whose Patroni an earlier plan has let start.
Steps rebuild_notes(const std::shared_ptr<const ClusterView>& view, const Note& note, const std::set<std::string>& free);
/// The part of a host in a deployment that rebuilds: the note's host restores the data, and its Patroni may start; then that of each other host.
Steps rebuild_steps(const std::shared_ptr<const ClusterView>& view, const Note& note, const std::string& host);
/// Patroni may start on the host. Planned by rebuild_steps() only.
inline StepRef freed(const std::string& host) { return {host, "pgbackrest", "restore-free"}; }

}  // namespace pgcluster::restore
