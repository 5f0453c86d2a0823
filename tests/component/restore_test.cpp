#include "component/restore.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <pgcluster/base/error.hpp>

#include "component/pgbackrest/shell.hpp"

using namespace pgcluster;
using namespace pgcluster::restore;

namespace {

constexpr std::int64_t noon = 1'800'000'000;

// Timeline 1 was left for 2 in segment 6, by a restore to noon + 50; 2 was left for 3 by an ordinary failover in segment 9.
wal::Archive two_restores() {
  std::string out;
  const auto segment = [&](int timeline, int number, std::int64_t at) {
    out += "wal " + wal::segment_name(timeline, static_cast<std::uint64_t>(number)) + " " + std::to_string(at) + "\n";
  };
  for (int i = 2; i <= 8; ++i) segment(1, i, noon + 10 * i);
  for (int i = 6; i <= 9; ++i) segment(2, i, noon + 100 + 10 * i);
  for (int i = 9; i <= 12; ++i) segment(3, i, noon + 200 + 10 * i);
  const std::string first = "fork 1\t0/6000100\tbefore " + time_text((noon + 50) * 1'000'000) + "\n";
  out += "history 00000002 " + std::to_string(noon + 100) + "\n" + first;
  out += "history 00000003 " + std::to_string(noon + 250) + "\n" + first + "fork 2\t0/9000200\tno recovery target specified\n";
  return wal::read_archive(&out);
}

backup::Backup made(const std::string& label, const std::string& first_wal, const std::string& stop_lsn, std::int64_t stop) {
  return {.label = label,
          .type = "full",
          .repo = "repo1",
          .start = stop - 3,
          .stop = stop,
          .first_wal = first_wal,
          .stop_lsn = stop_lsn,
          .version = "17"};
}

backup::Repository repository() {
  return {.name = "repo1",
          .host = "keeper",
          .answers = true,
          .exists = true,
          .backups = {made("A", "000000010000000000000002", "0/2000100", noon + 20), made("B", "000000010000000000000007", "0/7000100", noon + 75),
                      made("C", "000000030000000000000009", "0/9000300", noon + 290)}};
}

const Present present{.leads = true, .timeline = 3, .lsn = 0xD000000, .micros = (noon + 1000) * 1'000'000};

Target at_time(std::int64_t seconds) {
  return {.kind = Kind::time, .value = time_text((noon + seconds) * 1'000'000), .micros = (noon + seconds) * 1'000'000};
}
Target at_lsn(std::uint64_t lsn) { return {.kind = Kind::lsn, .value = wal::lsn_text(lsn), .lsn = lsn}; }
Target at_name() { return {.kind = Kind::name, .value = "point"}; }

std::string chosen(const Target& target, int timeline = 0, const std::vector<Found>& found = {}, const wal::Archive& archive = two_restores()) {
  try {
    const restore::Choice choice = choose(repository(), archive, present, target, timeline, found);
    return choice.set.label + " on " + std::to_string(choice.timeline);
  } catch (const Error& error) {
    CHECK(error.code() == Code::refused);
    CHECK(!error.hint().empty());
    return error.message();
  }
}

bool says(const std::string& text, const std::string& words) {
  INFO(text);
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("restore: a time names its zone") {
  CHECK(read_time("2026-11-30 09:00:00Z")->micros == read_time("2026-11-30T10:00+01:00")->micros);
  CHECK(time_text(read_time("2026-11-30 04:00:00.25-0530")->micros) == "2026-11-30 09:30:00.250000+00");
  CHECK(read_time("2026-11-30 09:00:00.5 UTC")->zone);
  CHECK(!read_time("2026-11-30 09:00:00")->zone);
  for (const char* wrong : {"", "now", "2026-02-30 09:00Z", "2026-11-30", "2026-11-30 25:00Z", "2026-11-30 09:00 CET"}) CHECK(!read_time(wrong));
}

TEST_CASE("restore: LSNs and segments") {
  CHECK(wal::read_lsn("1/2A") == 0x10000002AULL);
  CHECK(wal::lsn_text(0x10000002AULL) == "1/2A");
  for (const char* wrong : {"", "/", "1/", "x/1", "1", "123456789/1"}) CHECK(!wal::read_lsn(wrong));
  CHECK(wal::segment_name(2, wal::segment_of(0x10500002AULL)) == "000000020000000100000005");
  CHECK(wal::read_segment("000000020000000100000005") == std::pair<int, std::uint64_t>{2, 0x105});
  CHECK(!wal::read_segment("00000002000000010000000G"));
}

TEST_CASE("restore: the newest backup that had ended before the target, on its timeline") {
  CHECK(chosen({}) == "C on 3");
  CHECK(chosen(at_time(400)) == "C on 3");
  CHECK(chosen(at_time(280)) == "A on 3");  // B is on the part of timeline 1 that was left
  CHECK(chosen(at_time(30)) == "A on 3");
  CHECK(chosen(at_lsn(0x9000400)) == "C on 3");
  CHECK(chosen(at_lsn(0x5000000)) == "A on 3");
  CHECK(chosen({.kind = Kind::backup, .value = "B"}) == "B on 1");
}

TEST_CASE("restore: a place of two timelines needs the name of one") {
  CHECK(says(chosen(at_time(70)), "is a time of two timelines: 1, which was left at 0/6000100, and 3"));
  CHECK(chosen(at_time(78), 1) == "B on 1");
  CHECK(chosen(at_time(70), 3) == "A on 3");
  CHECK(says(chosen(at_lsn(0x8000000)), "stands on two timelines"));
  CHECK(chosen(at_lsn(0x8000000), 1) == "B on 1");
  CHECK(chosen(at_lsn(0x8000000), 3) == "A on 3");
}

TEST_CASE("restore: a restore point chooses its timeline itself") {
  CHECK(chosen(at_name(), 0, {{1, 0x5000000}}) == "A on 3");
  CHECK(chosen(at_name(), 0, {{1, 0x8000000}}) == "B on 1");
  CHECK(says(chosen(at_name(), 0, {{1, 0x8000000}, {2, 0x8000000}}), "stands on several timelines: 1, 2"));
  CHECK(says(chosen(at_name(), 0, {{1, 0x4000000}, {1, 0x5000000}}), "there are several of the restore point point: at 0/4000000, 0/5000000"));
  CHECK(says(chosen(at_name()), "is not in the WAL"));
  CHECK(says(chosen(at_name(), 3, {{1, 0x8000000}}), "is not in the WAL"));
}

TEST_CASE("restore: a record is one, though the next timeline begins with a copy of it") {
  CHECK(chosen(at_name(), 0, {{2, 0x9000150}, {3, 0x9000150}}) == "A on 3");
  CHECK(chosen(at_name(), 0, {{3, 0x9000150}}) == "A on 3");
}

TEST_CASE("restore: the timelines of a time are those that served then") {
  // From before the fork of 1 and 2, a second restore has made 4.
  wal::Archive archive = two_restores();
  archive.timelines[4] = {.begun = noon + 400,
                          .forks = {{.parent = 1, .at = 0x5000100, .reason = "before " + time_text((noon + 40) * 1'000'000)}},
                          .segments = {{5, noon + 410}}};
  const Present now{.leads = true, .timeline = 4, .lsn = 0x6000000, .micros = (noon + 1000) * 1'000'000};
  const Target target = at_time(310);
  CHECK_THROWS_WITH_AS(choose(repository(), archive, now, target, 0, {}), doctest::Contains("two timelines: 3, which"), Error);
  CHECK(choose(repository(), archive, now, target, 4, {}).timeline == 4);
}

TEST_CASE("restore: a gap in the histories would give a timeline's number again") {
  wal::Archive archive = two_restores();
  archive.timelines[2].begun = 0;
  CHECK(says(chosen(at_time(30), 1, {}, archive), "the history of timeline 2 is missing"));
  CHECK(says(chosen({.kind = Kind::backup, .value = "B"}, 0, {}, archive), "the history of timeline 2 is missing"));
  CHECK(chosen({}, 0, {}, archive) == "C on 3");
}

TEST_CASE("restore: what cannot be reached is refused") {
  CHECK(says(chosen(at_time(10)), "is before the end of the oldest backup, A"));
  CHECK(says(chosen(at_lsn(0x2000000)), "is before the end of the oldest backup, A"));
  CHECK(says(chosen(at_time(1001)), "is after the last WAL"));
  CHECK(says(chosen(at_time(500), 1), "is after the last WAL"));
  CHECK(says(chosen(at_lsn(0xE000000)), "is after the last WAL"));
  CHECK(says(chosen({}, 9), "there is no timeline 9 in the archive"));
  CHECK(says(chosen({.kind = Kind::backup, .value = "D"}), "there is no backup D in repo1"));
  CHECK(says(chosen({.kind = Kind::backup, .value = "B"}, 3), "does not come from the backup B"));
  wal::Archive hole = two_restores();
  hole.timelines[1].segments.erase(4);
  CHECK(says(chosen(at_lsn(0x5000000), 0, {}, hole), "the WAL file 000000010000000000000004 is missing"));
  CHECK(chosen({}, 0, {}, hole) == "C on 3");
}

TEST_CASE("restore: the programs on the hosts are whole") {
  const std::string begin = shell::recovery, server = shell::server_in + std::string("\n");
  for (const std::string& program : {begin + server + shell::restore, begin + shell::prove, server + shell::set_aside}) {
    FILE* sh = popen("sh -n", "w");
    REQUIRE(sh);
    REQUIRE(std::fwrite(program.data(), 1, program.size(), sh) == program.size());
    CHECK(pclose(sh) == 0);
  }
}

TEST_CASE("restore: the note that hosts keep") {
  ClusterView view;
  view.spec.patroni_cluster_name = "test";
  const Note note{.target = "name it's hold", .backup = "A", .repo = 1, .timeline = 3, .newest = 4, .host = "pg1", .id = "17"};
  for (const bool hold : {true, false}) {
    const auto read = read_note(note_text(view, note, "pg2", hold));
    REQUIRE(read);
    CHECK(read->target == note.target);
    CHECK(read->hold == hold);
    CHECK(read->timeline == 3);
  }
  CHECK(command(note) == "pgcluster restore --name 'it'\\''s hold'");
  CHECK(!read_note("nonsense"));
}
