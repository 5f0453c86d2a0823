// The target of a restore, and the note that database hosts keep of it.
#include "component/restore.hpp"

#include <chrono>
#include <cstdio>
#include <regex>
#include <sstream>

#include "base/digest.hpp"
#include "component/postgresql/postgresql.hpp"
#include "spec/roles.hpp"

namespace pgcluster::restore {
namespace {

constexpr const char* word(Kind kind) {
  switch (kind) {
    case Kind::end:
      return "end";
    case Kind::backup:
      return "backup";
    case Kind::time:
      return "time";
    case Kind::lsn:
      return "lsn";
    case Kind::xid:
      return "xid";
    case Kind::name:
      return "name";
  }
  return "";
}

}  // namespace

std::string Target::text() const { return word(kind) + (value.empty() ? std::string() : " " + value); }

std::string Target::words() const {
  switch (kind) {
    case Kind::end:
      return "the end of the archive";
    case Kind::backup:
      return "the end of the backup " + value;
    case Kind::time:
      return value;
    case Kind::lsn:
      return "LSN " + value;
    case Kind::xid:
      return "transaction " + value;
    case Kind::name:
      return "the restore point " + value;
  }
  return {};
}

std::optional<ReadTime> read_time(const std::string& text) {
  static const std::regex form(R"( *(\d{4})-(\d\d)-(\d\d)[ T]+(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)? *(Z|z|UTC|([+-])(\d\d):?(\d\d)?)? *)");
  std::smatch m;
  if (!std::regex_match(text, m, form)) return std::nullopt;
  const auto number = [&](std::size_t i) { return m[i].matched ? std::stoi(m[i].str()) : 0; };
  const std::chrono::year_month_day day{std::chrono::year(number(1)), std::chrono::month(static_cast<unsigned>(number(2))),
                                        std::chrono::day(static_cast<unsigned>(number(3)))};
  if (!day.ok() || number(4) > 23 || number(5) > 59 || number(6) > 59) return std::nullopt;
  std::int64_t seconds = std::chrono::sys_days(day).time_since_epoch().count() * std::int64_t(86400) + number(4) * 3600 + number(5) * 60 + number(6);
  const std::int64_t east = (number(10) * 60 + number(11)) * 60;
  seconds -= m[9].str() == "-" ? -east : east;
  std::string fraction = m[7].str();
  fraction.resize(6, '0');
  return ReadTime{.micros = seconds * 1'000'000 + std::stoi(fraction), .zone = m[8].matched};
}

std::string time_text(std::int64_t micros) {
  const std::chrono::sys_time<std::chrono::microseconds> at{std::chrono::microseconds(micros)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const auto left = (at - day).count();
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d:%02d.%06d+00", int(date.year()), unsigned(date.month()), unsigned(date.day()),
                int(left / 3'600'000'000), int(left / 60'000'000 % 60), int(left / 1'000'000 % 60), int(left % 1'000'000));
  return text;
}

std::string note_text(const ClusterView& view, const Note& note, const std::string& host, bool hold) {
  std::string text = "# Written by pgcluster while it restores the cluster. Patroni does not start as long as the last line is \"hold\".\n";
  const auto line = [&](const char* key, const std::string& value) { text += std::string(key) + " " + value + "\n"; };
  line("id", note.id);
  line("target", note.target);
  line("backup", note.backup);
  line("repo", std::to_string(note.repo));
  line("timeline", std::to_string(note.timeline));
  line("newest", std::to_string(note.newest));
  line("host", note.host);
  line("keep", note.keep ? "yes" : "no");
  if (note.anew) line("anew", "yes");
  line("stanza", stanza_of(view.spec));
  line("superuser", view.spec.patroni_superuser_username);
  line("data", postgresql_data_dir(view, host));
  line("bin", postgresql_bin_dir(view, host));
  return text + (hold ? "hold\n" : "");
}

std::optional<Note> read_note(const std::string& text) {
  Note note;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.find(' ');
    const std::string key = line.substr(0, space), value = space == std::string::npos ? "" : line.substr(space + 1);
    if (key == "id") note.id = value;
    if (key == "target") note.target = value;
    if (key == "backup") note.backup = value;
    if (key == "repo") note.repo = std::atoi(value.c_str());
    if (key == "timeline") note.timeline = std::atoi(value.c_str());
    if (key == "newest") note.newest = std::atoi(value.c_str());
    if (key == "host") note.host = value;
    if (key == "keep") note.keep = value == "yes";
    if (key == "anew") note.anew = value == "yes";
    if (key == "hold") note.hold = true;
  }
  if (note.id.empty() || note.target.empty()) return std::nullopt;
  return note;
}

Ask note_ask(const std::string& host) { return {host, FileOf{note_path}}; }

std::optional<Note> read_note(const Answer& answer) {
  const auto* file = std::get_if<File>(&answer);
  return file ? read_note(file->content) : std::nullopt;
}

std::string command(const Note& note) {
  const auto space = note.target.find(' ');
  const std::string kind = note.target.substr(0, space);
  return "pgcluster restore" + (space == std::string::npos ? "" : " --" + kind + " " + shell_word(note.target.substr(space + 1)));
}

Diagnostic interrupted(const Note& note) {
  return {.message = "a restore to " + note.target + " was interrupted", .hint = "run " + command(note) + " to go on"};
}

}  // namespace pgcluster::restore
