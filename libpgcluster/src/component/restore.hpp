#pragma once

#include <map>
#include <optional>
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
  std::string target;                           ///< Target::text()
  std::string backup;                           ///< label of the backup
  int repo = 0;                                 ///< number of its repository
  int timeline = 0;                             ///< that the recovery follows
  int newest = 0;                               ///< the newest timeline in the archive
  std::string host;                             ///< where the backup is restored
  std::string id;                               ///< tells restores apart
  bool keep = false;                            ///< the former data is renamed
  std::map<std::string, std::string> before{};  ///< the newest backup of each repository
  bool hold = false;                            ///< Patroni must not start on the host that has the note
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
/// What is said of a restore that has not ended.
Diagnostic interrupted(const Note& note);
/// The command line that goes on with it: "pgcluster restore --time '…'".
std::string command(const Note& note);

/// What a database host must have for a restore.
struct Place {
  bool answers = false;
  std::int64_t free_bytes = 0, used_bytes = 0;
  std::string fixed;  ///< why its data directory cannot be renamed; empty: it can
  std::string tool;   ///< version of the program that restores
};
Ask place_ask(const ClusterView& view, const std::string& host);
Place read_place(const Answer& answer);
/// The version of the tool on a host with repositories, as Place::tool has it.
Ask tool_ask(const ClusterView& view, const std::string& host);

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

/// From the running cluster to the restored leader, and replicas without data: a deployment does the rest. `begun`: the hosts have the note already,
/// so what was written is archived. `promoted`: the restored data may serve.
Steps steps(const std::shared_ptr<const ClusterView>& view, const Note& note, bool begun, bool promoted);

}  // namespace pgcluster::restore
