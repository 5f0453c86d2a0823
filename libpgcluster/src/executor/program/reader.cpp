#include <algorithm>
#include <charconv>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "executor/program/script.hpp"
#include "op/ask.hpp"

namespace pgcluster::executor {
namespace {

constexpr std::size_t kLongestLine = 16U << 20;  // room for a file of 8 MiB in base64; longer lines are dropped as noise

// Removes the next word from `text` and returns it.
std::string_view word(std::string_view& text) {
  const auto space = text.find(' ');
  const auto found = text.substr(0, space);
  text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  return found;
}

template <class N>
std::optional<N> number(std::string_view text, int base = 10) {
  N value{};
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (bad != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// "-" stands for an empty field.
std::optional<std::string> payload(std::string_view text) {
  if (text == "-") return std::string();
  return from_base64(text);
}

// "3.4 MiB"
std::string mebibytes(std::uint64_t bytes) {
  const std::uint64_t tenths = (bytes * 10 + (1U << 19)) >> 20;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
}

std::optional<DoResult::What> outcome(std::string_view text) {
  if (text == "done") return DoResult::What::done;
  if (text == "skipped") return DoResult::What::skipped;
  if (text == "drifted") return DoResult::What::drifted;
  if (text == "failed") return DoResult::What::failed;
  return std::nullopt;
}

}  // namespace

Reader::Reader(const Program& program, std::string nonce)
    : program_(program),
      nonce_(std::move(nonce)),
      dos_(program.dos.size()),
      merged_(merged(program)),
      told_(program.asks.size() + merged_.size()),
      begun_(program.dos.size(), false),
      unit_names_(asked_units(program)) {}

void Reader::feed(std::string_view bytes) {
  while (!bytes.empty() && !ended_) {
    const auto newline = bytes.find('\n');
    const auto piece = bytes.substr(0, newline);
    if (!skipping_) pending_.append(piece);
    if (pending_.size() > kLongestLine) {
      skipping_ = true;
      pending_.clear();
      pending_.shrink_to_fit();
    }
    if (newline == std::string_view::npos) return;
    bytes.remove_prefix(newline + 1);
    if (!skipping_) {
      std::string whole;
      whole.swap(pending_);
      line(whole);
    }
    skipping_ = false;
  }
}

// The script starts the asks again from the first.
void Reader::forget() {
  std::fill(told_.begin(), told_.end(), std::nullopt);
  contents_.clear();
  long_.clear();
  stats_.clear();
  sums_.clear();
  gone_.clear();
  packages_.clear();
  packages_status_.reset();
  units_.assign(1, {});
  units_now_.reset();
  units_status_.reset();
  notes_.clear();
  accounts_.clear();
  accounts_status_.reset();
}

// Reads an archive of GNU tar: files in blocks of 512 bytes, each after its header. A name that is too long for a header comes before it as a file
// of its own. `torn`: some file changed while it was read, but never the outputs, which were complete by then.
void Reader::archive(std::string_view tar, bool torn) {
  constexpr std::size_t block = 512;
  const auto field = [](std::string_view header, std::size_t at, std::size_t size) {
    const auto text = header.substr(at, size);
    return text.substr(0, text.find('\0'));
  };
  std::string name;
  for (std::size_t at = 0; at + block <= tar.size();) {
    const auto header = tar.substr(at, block);
    at += block;
    if (header[0] == '\0') return;
    const auto digits = field(header, 124, 12);
    const auto size = number<std::size_t>(digits.substr(0, digits.find(' ')), 8);
    if (!size || *size > tar.size() - at) return;
    const auto content = tar.substr(at, *size);
    at += std::min((*size + block - 1) / block * block, tar.size() - at);
    const char type = header[156];
    if (type == 'L') {
      name = content.substr(0, content.find('\0'));
      continue;
    }
    if (name.empty()) name = field(header, 0, 100);
    if ((type == '0' || type == '\0') && !(torn && name.starts_with('/'))) contents_[name] = content;
    name.clear();
  }
}

void Reader::line(std::string_view text) {
  if (text.size() < nonce_.size() + 3 || !text.starts_with(nonce_) || text[nonce_.size()] != ' ' || !text.ends_with(" .")) return;
  text.remove_prefix(nonce_.size() + 1);
  text.remove_suffix(2);
  const auto kind = word(text);
  if (kind == "hi") {
    began_ = true;
  } else if (kind == "up") {
    up_ = true;
    note_.clear();
  } else if (kind == "waits") {
    note_ = "waits for an older program of pgcluster that still runs there (process " + std::string(text) + ")";
  } else if (kind == "news") {
    if (!text.empty() && text.size() < 300) note_ = text;
  } else if (kind == "progress") {
    const std::string percent(word(text));
    if (const auto part = number<int>(percent); part && *part >= 0 && *part <= 100 && !text.empty() && text.size() < 300)
      note_ = std::string(text) + " (" + percent + " %)";
  } else if (kind == "end") {
    ended_ = true;
  } else if (kind == "unsupported" || kind == "unlocked" || kind == "busy" || kind == "broken") {
    if (refusal_.empty()) refusal_ = std::string(kind) + " " + std::string(text);
  } else if (kind == "begin") {
    const auto i = number<std::size_t>(text);
    if (!i || *i >= begun_.size() || begun_[*i]) return;
    begun_[*i] = true;
    note_.clear();
    if (program_.on_do) program_.on_do(*i);
  } else if (kind == "do") {
    const auto i = number<std::size_t>(word(text));
    const auto what = outcome(word(text));
    const auto status = number<int>(word(text));
    auto out = payload(word(text));
    auto err = payload(word(text));
    if (!i || *i >= dos_.size() || dos_[*i] || !what || !status || !out || !err) return;
    dos_[*i] = DoResult{*what, {*status, std::move(*out), std::move(*err)}, std::string(text)};
  } else if (kind == "exec") {
    const auto i = number<std::size_t>(word(text));
    const auto status = number<int>(word(text));
    const auto out = number<int>(word(text));
    const auto err = number<int>(word(text));
    if (!i || *i >= told_.size() || told_[*i] || !status || !out || !err) return;
    told_[*i] = Told{*status, *out != 0, *err != 0};
  } else if (kind == "again") {
    forget();
  } else if (kind == "tar") {
    const auto bytes = word(text);
    if (bytes.starts_with('='))
      if (const auto tar = from_base64(bytes.substr(1))) archive(*tar, text != "0");
  } else if (kind == "long") {
    const std::string name(word(text));
    if (const auto size = number<std::uint64_t>(text)) long_[name] = *size;
  } else if (kind == "gone") {
    gone_.emplace_back(text);
  } else if (kind == "stat") {
    const auto size = number<std::uint64_t>(word(text));
    const auto mode = number<unsigned>(word(text), 16);
    const std::string owner(word(text));
    const std::string uid(word(text));
    const std::string group(word(text));
    const std::string gid(word(text));
    if (!size || !mode || text.empty()) return;
    Stat& stat = stats_[std::string(text)];
    stat.size = *size;
    const unsigned type = *mode & 0170000;
    stat.file.kind = type == 0100000 ? File::Kind::regular : type == 0040000 ? File::Kind::directory : File::Kind::other;
    stat.file.mode = *mode & 07777;
    stat.file.owner = owner == "UNKNOWN" ? uid : owner;
    stat.file.group = group == "UNKNOWN" ? gid : group;
  } else if (kind == "fixed") {
    if (const auto stat = stats_.find(std::string(text)); stat != stats_.end()) stat->second.file.fixed = true;
  } else if (kind == "content") {
    auto bytes = word(text);
    const auto status = number<int>(word(text));
    if (!bytes.starts_with('=') || !status || *status != 0) return;
    if (auto content = from_base64(bytes.substr(1))) contents_[std::string(text)] = std::move(*content);
  } else if (kind == "sum") {
    // sha256sum escapes a name that contains a backslash, and begins the line with one.
    const bool escaped = text.starts_with('\\');
    if (escaped) text.remove_prefix(1);
    const std::string sum(word(text));
    if (sum.size() != 64 || text.size() < 2) return;
    text.remove_prefix(1);
    std::string path;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (escaped && text[i] == '\\' && i + 1 < text.size()) ++i;
      path += text[i];
    }
    sums_[path] = sum;
  } else if (kind == "package") {
    const auto bar = text.find('|');
    const auto second = bar == std::string_view::npos ? bar : text.find('|', bar + 1);
    if (second == std::string_view::npos || bar < 2) return;
    if ((text[0] == 'i' || text[0] == 'h') && text[1] == 'i')
      packages_[std::string(text.substr(bar + 1, second - bar - 1))] = text.substr(second + 1);
  } else if (kind == "packages") {
    packages_status_ = number<int>(text);
  } else if (kind == "unit") {
    if (text.empty()) {
      if (units_.size() <= unit_names_.size()) units_.emplace_back();
    } else if (text.starts_with("now ")) {
      units_now_ = number<std::uint64_t>(text.substr(4, text.find('.') - 4));
    } else if (text.starts_with("status ")) {
      units_status_ = number<int>(text.substr(7));
    } else if (const auto is = text.find('='); is != std::string_view::npos) {
      units_.back()[std::string(text.substr(0, is))] = text.substr(is + 1);
    }
  } else if (kind == "noted") {
    notes_[std::string(text)];
  } else if (kind == "note") {
    const std::string name(word(text));
    if (const auto found = notes_.find(name); found != notes_.end()) found->second.emplace_back(text);
  } else if (kind == "account") {
    if (text.starts_with("status ")) {
      accounts_status_ = number<int>(text.substr(7));
      return;
    }
    std::vector<std::string> fields(1);
    for (const char c : text) {
      if (c == ':')
        fields.emplace_back();
      else
        fields.back() += c;
    }
    if (fields.size() != 7) return;
    if (const auto uid = number<unsigned>(fields[2])) accounts_[fields[0]] = Account{*uid, fields[5], fields[6]};
  }
}

// The digest of a file: computed on the host, or here from the content of a short file.
std::optional<std::string> Reader::digest(const std::string& path) const {
  if (const auto sum = sums_.find(path); sum != sums_.end()) return sum->second;
  if (const auto content = contents_.find(path); content != contents_.end()) return sha256_hex(content->second);
  return std::nullopt;
}

Answer Reader::file_answer(const FileOf& of) const {
  if (std::find(gone_.begin(), gone_.end(), of.path) != gone_.end()) return Absent{};
  const auto found = stats_.find(of.path);
  if (found == stats_.end()) return Unreadable{"the host said nothing about " + of.path};
  File file = found->second.file;
  if (file.kind != File::Kind::regular) return file;
  if (of.content) {
    const auto content = contents_.find(of.path);
    if (content == contents_.end())
      return found->second.size > (8U << 20)
                 ? Unreadable{.why = of.path + " has " + mebibytes(found->second.size) + ", and at most 8 MiB of a file are read", .lasting = true}
                 : Unreadable{of.path + " cannot be read"};
    file.content = content->second;
    file.sha256 = sha256_hex(file.content);
    return file;
  }
  const auto sum = digest(of.path);
  if (!sum) return Unreadable{of.path + " cannot be read"};
  file.sha256 = *sum;
  return file;
}

// Whether the digests that were recorded when the unit started (or loaded) are those of the files now.
bool Reader::current(const std::string& note, const std::vector<std::string>& files) const {
  if (files.empty()) return true;
  const auto found = notes_.find(note);
  if (found == notes_.end() || found->second.size() != files.size()) return false;
  return std::all_of(files.begin(), files.end(), [&](const std::string& path) {
    const auto sum = digest(path);
    const std::string complaint = "sha256sum: " + path + ": ";
    return std::any_of(found->second.begin(), found->second.end(),
                       [&](const std::string& said) { return sum ? said == *sum + "  " + path : said.starts_with(complaint); });
  });
}

Answer Reader::unit_answer(const UnitOf& of) const {
  const auto position = std::find(unit_names_.begin(), unit_names_.end(), of.name);
  if (position == unit_names_.end()) return Unreadable{"not a unit's name: '" + of.name + "'"};
  const auto index = static_cast<std::size_t>(position - unit_names_.begin());
  if (!units_status_ || index >= units_.size() || units_[index].empty())
    return Unreadable{"systemctl says nothing about " + of.name +
                      (units_status_ && *units_status_ != 0 ? " (status " + std::to_string(*units_status_) + ")" : "")};
  const auto& properties = units_[index];
  auto property = [&](const char* name) {
    const auto found = properties.find(name);
    return found == properties.end() ? std::string() : found->second;
  };
  const std::string load = property("LoadState");
  Unit unit;
  unit.active = property("ActiveState");
  // systemd still knows a failed or running unit whose file was removed.
  if (load == "not-found" && unit.active == "inactive") return Absent{};
  if (unit.active.empty()) return Unreadable{"systemctl does not say whether " + of.name + " is active"};
  unit.sub = property("SubState");
  // Before an automatic restart a unit is "failed" for a moment, and before its first start "inactive".
  if (!property("Job").empty() && property("Job") != "0" && (unit.active == "failed" || unit.active == "inactive")) unit.active = "activating";
  const std::string file = property("UnitFileState");
  unit.enabled = file == "enabled" || file == "enabled-runtime" || file == "static" || file == "alias" || file == "generated" || file == "indirect";
  unit.masked = load == "masked" || file == "masked" || file == "masked-runtime";
  unit.pid = number<std::int64_t>(property("MainPID")).value_or(0);
  unit.started = number<std::uint64_t>(property("ActiveEnterTimestampMonotonic")).value_or(0);
  constexpr std::uint64_t grown_up = 3;  // s
  const std::uint64_t since = unit.started / 1'000'000;
  unit.young = unit.active == "active" && units_now_ && since <= *units_now_ && *units_now_ < since + grown_up;
  unit.result = property("Result");
  unit.restarts = number<int>(property("NRestarts")).value_or(0);
  unit.files_limit = number<std::uint64_t>(property("LimitNOFILE")).value_or(property("LimitNOFILE") == "infinity" ? UINT64_MAX : 0);
  // A unit that does not run uses no old files. For a failed unit it matters whether it failed with the present ones.
  if (unit.active == "active" || unit.active == "activating" || unit.active == "reloading" || unit.active == "failed") {
    unit.start_files_current = current(of.name + ".start", of.start_files);
    unit.load_files_current = current(of.name + ".load", of.load_files);
  }
  return unit;
}

std::optional<Output> Reader::output(std::size_t number) const {
  Output output{.status = told_[number]->status};
  const auto bring = [&](bool there, const char* kind, std::string& into) {
    if (!there) return true;
    const std::string name = kind + std::to_string(number);
    const auto found = contents_.find(name);
    if (found == contents_.end()) return false;
    into = (long_.contains(name) ? "…\n" : "") + found->second;
    return true;
  };
  if (!bring(told_[number]->out, "o.", output.out) || !bring(told_[number]->err, "e.", output.err)) return std::nullopt;
  return output;
}

Answer Reader::answer(const Ask& ask, std::size_t index) {
  if (const auto* file = std::get_if<FileOf>(&ask.what)) return file_answer(*file);
  if (const auto* unit = std::get_if<UnitOf>(&ask.what)) return unit_answer(*unit);
  if (const auto* package = std::get_if<PackageOf>(&ask.what)) {
    if (!packages_status_ || *packages_status_ > 1) return Unreadable{"dpkg-query did not answer"};
    const auto found = packages_.find(package->name.substr(0, package->name.find(':')));
    if (found == packages_.end()) return Absent{};
    return Package{found->second};
  }
  if (const auto* account = std::get_if<AccountOf>(&ask.what)) {
    // 2: getent did not find every name
    if (!accounts_status_ || (*accounts_status_ != 0 && *accounts_status_ != 2)) return Unreadable{"getent did not answer"};
    const auto found = accounts_.find(account->name);
    if (found == accounts_.end()) return Absent{};
    return found->second;
  }
  if (std::holds_alternative<Exec>(ask.what)) {
    std::size_t number = index;
    std::optional<std::size_t> call;
    // The ask's own command ran where its part of a merged one was not enough.
    for (std::size_t n = 0; n < merged_.size() && !told_[index]; ++n)
      if (std::find(merged_[n].asks.begin(), merged_[n].asks.end(), index) != merged_[n].asks.end()) number = program_.asks.size() + *(call = n);
    if (!told_[number]) return Unreadable{"the host did not say how the command ended"};
    const auto& exec = std::get<Exec>(ask.what);
    if (const auto size = long_.find("o." + std::to_string(number)); size != long_.end() && (call || !exec.tail))
      return Unreadable{.why = "the answer of `" + pgcluster::shown(exec.argv) + "` on " + ask.at + (call ? ", with others of its kind," : "") +
                               " is longer than 8 MiB (it has " + mebibytes(size->second) + ")",
                        .lasting = true};
    std::optional<Output> whole = output(number);
    if (!whole) return Unreadable{"the host did not say what the command has printed"};
    return call ? part_of(program_, merged_[*call], *whole, index, nonce_) : Answer(std::move(*whole));
  }
  return Unreadable{"an API is asked by the controller, never by a host"};
}

ProgramResult Reader::result() {
  ProgramResult result;
  for (auto& found : dos_) result.dos.push_back(found ? std::move(*found) : DoResult{});
  for (std::size_t i = 0; i < program_.asks.size(); ++i) result.answers.push_back(answer(program_.asks[i], i));
  return result;
}

}  // namespace pgcluster::executor
