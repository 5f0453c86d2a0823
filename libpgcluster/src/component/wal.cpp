#include "component/wal.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>
#include <sstream>

namespace pgcluster::wal {
namespace {

std::optional<std::uint64_t> hexadecimal(std::string_view text, std::size_t most) {
  std::uint64_t value = 0;
  if (text.empty() || text.size() > most) return std::nullopt;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::uint64_t> read_lsn(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto high = hexadecimal(text.substr(0, slash), 8), low = hexadecimal(text.substr(slash + 1), 8);
  if (!high || !low) return std::nullopt;
  return *high << 32 | *low;
}

std::string lsn_text(std::uint64_t lsn) {
  char text[32];
  std::snprintf(text, sizeof text, "%X/%X", static_cast<unsigned>(lsn >> 32), static_cast<unsigned>(lsn));
  return text;
}

std::string segment_name(int timeline, std::uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "%08X%08X%08X", static_cast<unsigned>(timeline), static_cast<unsigned>(number >> 8),
                static_cast<unsigned>(number & 255));
  return text;
}

std::optional<std::pair<int, std::uint64_t>> read_segment(std::string_view name) {
  if (name.size() != 24) return std::nullopt;
  const auto timeline = hexadecimal(name.substr(0, 8), 8), high = hexadecimal(name.substr(8, 8), 8), low = hexadecimal(name.substr(16), 8);
  if (!timeline || !high || !low || *low > 255) return std::nullopt;
  return std::pair<int, std::uint64_t>{static_cast<int>(*timeline), *high << 8 | *low};
}

Archive read_archive(const std::string* out) {
  Archive archive;
  if (!out) return archive;
  archive.answers = true;
  Timeline* history = nullptr;
  std::istringstream lines(*out);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind, name;
    words >> kind >> name;
    if (kind == "wal") {
      if (const auto segment = read_segment(name)) words >> archive.timelines[segment->first].segments[segment->second];
    } else if (kind == "history") {
      history = nullptr;
      if (const auto timeline = hexadecimal(name, 8)) {
        history = &archive.timelines[static_cast<int>(*timeline)];
        words >> history->begun;
      }
    } else if (kind == "fork" && history) {
      std::string at;
      Fork fork;
      fork.parent = std::atoi(name.c_str());
      words >> at;
      std::getline(words >> std::ws, fork.reason);
      if (const auto lsn = read_lsn(at)) {
        fork.at = *lsn;
        history->forks.push_back(std::move(fork));
      }
    }
  }
  return archive;
}

std::vector<Stretch> path_to(const Archive& archive, int timeline) {
  std::vector<Stretch> path;
  if (const auto found = archive.timelines.find(timeline); found != archive.timelines.end())
    for (const Fork& fork : found->second.forks) path.push_back({fork.parent, fork.at});
  path.push_back({timeline, std::numeric_limits<std::uint64_t>::max()});
  return path;
}

bool leads_through(const std::vector<Stretch>& path, int timeline, std::uint64_t lsn) {
  return std::any_of(path.begin(), path.end(), [&](const Stretch& one) { return one.timeline == timeline && lsn <= one.end; });
}

int timeline_at(const std::vector<Stretch>& path, std::uint64_t lsn) {
  for (const Stretch& one : path)
    if (lsn <= one.end) return one.timeline;
  return path.back().timeline;
}

std::string first_gap(const Archive& archive, const std::vector<Stretch>& path, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t number = from; number <= to; ++number) {
    int due = 0;
    std::uint64_t begin = 0;
    bool found = false;
    for (const Stretch& one : path) {
      // In the segment of a fork both timelines have their own copy: the later one begins with what the earlier one had.
      if (segment_of(begin) <= number && number <= segment_of(one.end)) {
        const auto timeline = archive.timelines.find(one.timeline);
        found = found || (timeline != archive.timelines.end() && timeline->second.segments.contains(number));
        due = one.timeline;
      }
      begin = one.end;
    }
    if (!found) return segment_name(due, number);
  }
  return {};
}

std::uint64_t last_segment(const Archive& archive, const std::vector<Stretch>& path) {
  std::uint64_t last = 0;
  for (const Stretch& one : path) {
    const auto found = archive.timelines.find(one.timeline);
    if (found == archive.timelines.end()) continue;
    for (const auto& [number, archived] : found->second.segments)
      if (number <= segment_of(one.end)) last = std::max(last, number);
  }
  return last;
}

}  // namespace pgcluster::wal
