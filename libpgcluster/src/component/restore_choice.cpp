// Which backup and which timeline lead to the target of a restore, and why none does.
#include <algorithm>
#include <set>

#include "base/certificate.hpp"
#include "base/joined.hpp"
#include "component/restore.hpp"

namespace pgcluster::restore {
namespace {

using backup::Backup;
using wal::Stretch;

[[noreturn]] void refuse(std::string message, std::string hint) { throw Error(Code::refused, std::move(message), std::move(hint)); }

std::string second(std::int64_t time) { return time_text(time * 1'000'000); }

class Chooser {
 public:
  Chooser(const backup::Repository& repository, const wal::Archive& archive, const Present& present, const Target& target,
          const std::vector<Found>& found)
      : repository_(repository), archive_(archive), present_(present), target_(target) {
    for (const Found& one : found) {
      const Found first = first_of(one);
      if (std::find(found_.begin(), found_.end(), first) == found_.end()) found_.push_back(first);
    }
  }

  Choice choose(int named) {
    check_timeline(named);
    if (target_.kind == Kind::backup) {
      const Choice choice = of_backup(named);
      check_numbers(wal::read_segment(choice.set.first_wal).value_or(std::pair{choice.timeline, 0}).first);
      return choice;
    }
    const int timeline = named != 0 ? named : the_timeline();
    path_ = wal::path_to(archive_, timeline);
    check_end(timeline);
    Choice choice{.set = newest_before(), .timeline = timeline, .warnings = {}};
    check_wal(choice.set);
    check_numbers(timeline);
    return choice;
  }

 private:
  // A timeline begins with a copy of what the one before it had in the segment of the fork: the record is the same one.
  Found first_of(Found found) const {
    const std::vector<Stretch> path = wal::path_to(archive_, found.timeline);
    if (const int before = wal::timeline_at(path, found.lsn); before != found.timeline) found.timeline = before;
    return found;
  }

  // PostgreSQL takes the number after the last one whose history it finds, without a gap.
  void check_numbers(int timeline) const {
    if (archive_.timelines.empty()) return;
    for (int number = timeline + 1; number <= archive_.timelines.rbegin()->first; ++number)
      if (const auto one = archive_.timelines.find(number); one == archive_.timelines.end() || one->second.begun == 0)
        refuse("the history of timeline " + std::to_string(number) + " is missing in " + repository_.name +
                   ": the restored cluster would take a number that was used already",
               "restore on a later timeline; --timeline names one");
  }

  void check_timeline(int named) const {
    if (named == 0 || named == present_.timeline || archive_.timelines.contains(named)) return;
    std::set<std::string> known{std::to_string(present_.timeline)};
    for (const auto& [id, timeline] : archive_.timelines) known.insert(std::to_string(id));
    refuse("there is no timeline " + std::to_string(named) + " in the archive", "there are " + joined(known));
  }

  Choice of_backup(int named) {
    for (const Backup& one : repository_.backups) {
      if (one.label != target_.value) continue;
      const auto first = wal::read_segment(one.first_wal);
      const int timeline = named != 0 ? named : first ? first->first : present_.timeline;
      path_ = wal::path_to(archive_, timeline);
      place_ = wal::read_lsn(one.stop_lsn).value_or(0);
      if (!on_path(one)) refuse("timeline " + std::to_string(timeline) + " does not come from the backup " + one.label, "leave --timeline out");
      check_wal(one);
      return {.set = one, .timeline = timeline, .warnings = {}};
    }
    std::vector<std::string> labels;
    for (const Backup& one : repository_.backups) labels.push_back(one.label);
    refuse("there is no backup " + target_.value + " in " + repository_.name, labels.empty() ? "it has none" : "there are " + joined(labels));
  }

  // Where nobody names one: the present one, but for places that only another one has. Places that several have must be told apart.
  int the_timeline() {
    path_ = wal::path_to(archive_, present_.timeline);
    if (target_.kind == Kind::time) refuse_two_pasts();
    if (target_.kind == Kind::lsn) refuse_two_places();
    return target_.kind == Kind::xid || target_.kind == Kind::name ? timeline_of_find() : present_.timeline;
  }

  // How far the timeline goes that was left at the end of path_[i]: number of its last segment; 0 where nothing was written after the fork. Its last
  // one ends at the fork after a switchover, and goes on where a restore forked.
  std::uint64_t goes_on_to(std::size_t i) const {
    const auto left = archive_.timelines.find(path_[i].timeline), next = archive_.timelines.find(path_[i + 1].timeline);
    if (left == archive_.timelines.end() || next == archive_.timelines.end() || left->second.segments.empty()) return 0;
    const bool restored = !next->second.forks.empty() && next->second.forks.back().reason != "no recovery target specified";
    const std::uint64_t last = left->second.segments.rbegin()->first, fork = wal::segment_of(path_[i].end);
    return last > fork || (last == fork && restored) ? last : 0;
  }

  // A place after a fork, on the timeline that was left there, is also a place of the present timeline.
  void refuse_two_places() const {
    for (std::size_t i = 0; i + 1 < path_.size(); ++i)
      if (target_.lsn > path_[i].end && target_.lsn <= present_.lsn && goes_on_to(i) >= wal::segment_of(target_.lsn))
        refuse_branches(path_[i], "LSN " + target_.value + " stands on two timelines");
  }

  // A time between a fork and the moment at which the restore forked: what was written then is on the timeline that was left.
  void refuse_two_pasts() const {
    // Timelines from which the present one does not come: an earlier restore went back to before them.
    for (const auto& [number, timeline] : archive_.timelines) {
      const bool on_path = std::any_of(path_.begin(), path_.end(), [number = number](const Stretch& one) { return one.timeline == number; });
      if (on_path || timeline.begun == 0 || timeline.segments.empty()) continue;
      std::int64_t last = 0;
      for (const auto& [segment, archived] : timeline.segments) last = std::max(last, archived);
      if (target_.micros < timeline.begun * 1'000'000 || target_.micros > (last + 1) * 1'000'000) continue;
      const std::string there = std::to_string(number), here = std::to_string(present_.timeline);
      refuse(target_.value + " is a time of two timelines: " + there + ", which a restore has left, and " + here + ", the present one",
             "name one: --timeline " + there + " for what was written then, --timeline " + here + " for what the present cluster came from");
    }
    for (std::size_t i = 0; i + 1 < path_.size(); ++i) {
      if (goes_on_to(i) == 0) continue;
      const wal::Timeline& next = archive_.timelines.at(path_[i + 1].timeline);
      if (target_.micros >= time_before(path_[i], next) && target_.micros <= next.begun * 1'000'000)
        refuse_branches(path_[i], target_.value + " is a time of two timelines");
    }
  }

  // A time at which the timeline had surely not come to the fork yet.
  std::int64_t time_before(const Stretch& stretch, const wal::Timeline& next) const {
    static const std::string before = "before ";
    if (!next.forks.empty() && next.forks.back().reason.starts_with(before))
      if (const auto time = read_time(next.forks.back().reason.substr(before.size()))) return time->micros;
    const auto& segments = archive_.timelines.at(stretch.timeline).segments;
    const auto fork = segments.find(wal::segment_of(stretch.end));
    return fork != segments.end() && fork != segments.begin() ? std::prev(fork)->second * 1'000'000 : 0;
  }

  [[noreturn]] void refuse_branches(const Stretch& left, const std::string& what) const {
    const std::string here = std::to_string(present_.timeline), there = std::to_string(left.timeline);
    refuse(what + ": " + there + ", which was left at " + wal::lsn_text(left.end) + ", and " + here + ", the present one",
           "name one: --timeline " + there + " for what was written before the cluster left it, --timeline " + here +
               " for what the present cluster came from");
  }

  int timeline_of_find() {
    std::set<std::string> timelines;
    for (const Found& one : found_) timelines.insert(std::to_string(one.timeline));
    if (timelines.size() > 1)
      refuse(target_.words() + " stands on several timelines: " + joined(timelines), "name one: --timeline " + *timelines.begin());
    if (found_.empty()) not_found();
    const Found& one = found_.front();
    return wal::leads_through(path_, one.timeline, one.lsn) ? present_.timeline : one.timeline;
  }

  [[noreturn]] void not_found() const {
    refuse(target_.words() + " is not in the WAL of " + repository_.name + ", nor in that of the leader",
           target_.kind == Kind::name ? "pg_create_restore_point() makes one; restore to a time (--time) instead"
                                      : "only transactions that were committed can be found; restore to a time (--time) instead");
  }

  void check_end(int timeline) {
    const bool now = timeline == present_.timeline;
    if (target_.kind == Kind::xid || target_.kind == Kind::name) place_of_find();
    if (target_.kind == Kind::lsn) place_ = target_.lsn;
    if (target_.kind == Kind::time) {
      const auto& segments =
          archive_.timelines.contains(timeline) ? archive_.timelines.at(timeline).segments : std::map<std::uint64_t, std::int64_t>();
      const std::int64_t last = now ? present_.micros : segments.empty() ? 0 : (segments.rbegin()->second + 1) * 1'000'000;
      if (target_.micros >= last) too_late(time_text(last));
    } else if (place_ != 0) {
      const std::uint64_t last = now ? present_.lsn : (wal::last_segment(archive_, path_) + 1) * wal::segment_bytes;
      if (place_ > last) too_late("LSN " + wal::lsn_text(last));
    }
  }

  void place_of_find() {
    std::set<std::uint64_t> places;
    for (const Found& one : found_)
      if (wal::leads_through(path_, one.timeline, one.lsn)) places.insert(one.lsn);
    if (places.empty()) not_found();
    if (places.size() > 1)
      refuse("there are several of " + target_.words() + ": at " + joined(places, ", ", [](std::uint64_t lsn) { return wal::lsn_text(lsn); }),
             "restore to one of these places: --lsn");
    place_ = *places.begin();
  }

  [[noreturn]] void too_late(const std::string& last) const {
    refuse(target_.words() + " is after the last WAL, which ends at " + last, "name an earlier one, or none: without one, all WAL is replayed");
  }

  bool on_path(const Backup& one) const {
    const auto first = wal::read_segment(one.first_wal);
    const auto stop = wal::read_lsn(one.stop_lsn);
    return first && stop && one.stop != 0 && wal::leads_through(path_, first->first, *stop);
  }

  // Before the target is what had ended by then: a backup is consistent only at its end.
  bool is_before(const Backup& one) const {
    if (target_.kind == Kind::end) return true;
    if (target_.kind == Kind::time) return (one.stop + 1) * 1'000'000 <= target_.micros;
    return *wal::read_lsn(one.stop_lsn) < place_;
  }

  Backup newest_before() const {
    const Backup *best = nullptr, *first = nullptr;
    for (const Backup& one : repository_.backups) {
      if (!on_path(one)) continue;
      if (!first) first = &one;
      if (is_before(one)) best = &one;
    }
    if (best) return *best;
    if (!first) refuse("no backup in " + repository_.name + " leads to timeline " + std::to_string(path_.back().timeline), "see pgcluster backups");
    refuse(target_.words() + " is before the end of the oldest backup, " + first->label + " (" + second(first->stop) + ", " + first->stop_lsn + ")",
           "name a later one; pgcluster backups shows what can be restored");
  }

  // All WAL from the begin of the backup up to the target, as far as it is archived by now.
  void check_wal(const Backup& set) const {
    const auto first = wal::read_segment(set.first_wal);
    std::uint64_t to = place_ != 0 ? wal::segment_of(place_) : wal::last_segment(archive_, path_);
    to = std::min(to, wal::last_segment(archive_, path_));
    if (!first) return;
    if (target_.kind == Kind::time)
      for (const Stretch& one : path_)
        if (const auto found = archive_.timelines.find(one.timeline); found != archive_.timelines.end())
          for (const auto& [number, archived] : found->second.segments)
            if (number >= first->second && number <= wal::segment_of(one.end) && archived * 1'000'000 > target_.micros) to = std::min(to, number);
    if (const std::string gap = wal::first_gap(archive_, path_, first->second, to); !gap.empty())
      refuse("the WAL file " + gap + " is missing in " + repository_.name + ": a recovery from " + set.label + " would end there",
             "name a target before it, or another backup; pgcluster backup makes a new one now");
  }

  const backup::Repository& repository_;
  const wal::Archive& archive_;
  const Present& present_;
  const Target& target_;
  std::vector<Found> found_{};
  std::vector<Stretch> path_{};
  std::uint64_t place_ = 0;
};

}  // namespace

Choice choose(const backup::Repository& repository, const wal::Archive& archive, const Present& present, const Target& target, int timeline,
              const std::vector<Found>& found) {
  return Chooser(repository, archive, present, target, found).choose(timeline);
}

}  // namespace pgcluster::restore
