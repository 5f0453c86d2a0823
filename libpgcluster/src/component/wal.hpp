#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Places in WAL, and what an archive has of it.
namespace pgcluster::wal {

/// Bytes of a segment, as initdb makes them.
inline constexpr std::uint64_t segment_bytes = 16U << 20;

/// "0/5000028" as a number; nothing where the text is no LSN.
std::optional<std::uint64_t> read_lsn(std::string_view text);
std::string lsn_text(std::uint64_t lsn);
inline std::uint64_t segment_of(std::uint64_t lsn) { return lsn / segment_bytes; }
/// The name of a segment: "000000010000000000000005".
std::string segment_name(int timeline, std::uint64_t number);
/// Timeline and number of such a name.
std::optional<std::pair<int, std::uint64_t>> read_segment(std::string_view name);

/// Where a timeline left another one.
struct Fork {
  int parent = 0;
  std::uint64_t at = 0;  ///< LSN
  std::string reason;    ///< PostgreSQL's words
};
struct Timeline {
  std::int64_t begun = 0;                          ///< when its history was archived, Unix time; 0: it has none
  std::vector<Fork> forks;                         ///< the oldest first
  std::map<std::uint64_t, std::int64_t> segments;  ///< number, and when it was archived
};
struct Archive {
  bool answers = false;
  std::map<int, Timeline> timelines;
};
/// Of the answer to an ask that runs archive_list.sh.
Archive read_archive(const std::string* out);

/// The timelines that a recovery to `timeline` follows, the oldest first, and where each ends.
struct Stretch {
  int timeline = 0;
  std::uint64_t end = 0;  ///< LSN; of the last one the greatest number
};
std::vector<Stretch> path_to(const Archive& archive, int timeline);
/// Whether that recovery comes through this place of this timeline.
bool leads_through(const std::vector<Stretch>& path, int timeline, std::uint64_t lsn);
/// The timeline on which the path reaches the place.
int timeline_at(const std::vector<Stretch>& path, std::uint64_t lsn);
/// The first segment from `from` to `to` that the archive lacks; empty where it has all.
std::string first_gap(const Archive& archive, const std::vector<Stretch>& path, std::uint64_t from, std::uint64_t to);
/// The number of the last archived segment of the path.
std::uint64_t last_segment(const Archive& archive, const std::vector<Stretch>& path);

}  // namespace pgcluster::wal
