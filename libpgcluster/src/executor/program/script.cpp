#include "executor/program/script.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "executor/program/merge.hpp"
#include "executor/program/shell.hpp"
#include "op/ask.hpp"

namespace pgcluster::executor {
namespace {

using std::chrono::milliseconds;

// A limit for timeout(1): at least 1 ms, because 0 means no limit.
std::string seconds(milliseconds limit) {
  const auto ms = std::max<std::int64_t>(limit.count(), 1);
  std::string fraction = std::to_string(ms % 1000);
  return std::to_string(ms / 1000) + "." + std::string(3 - fraction.size(), '0') + fraction;
}

std::string words(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& word : argv) text += " " + shell_word(word);
  return text;
}

std::string octal(unsigned mode) {
  std::string text;
  do {
    text.insert(text.begin(), static_cast<char>('0' + mode % 8));
    mode /= 8;
  } while (mode != 0);
  return text;
}

// Whether a name needs no quotes in the shell.
bool plain(const std::string& name, std::string_view more) {
  return !name.empty() && name[0] != '-' && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
  });
}

bool good_path(const std::string& path) { return path.size() > 1 && path[0] == '/' && path.find('\n') == std::string::npos && path.back() != '/'; }

// Never remove a tree near the root, whatever a step wishes.
bool removable_tree(const std::string& path) {
  if (!good_path(path)) return false;
  int depth = 0;
  for (const auto& part : std::filesystem::path(path).relative_path()) {
    if (part == ".." || part == "." || part.empty()) return false;
    ++depth;
  }
  return depth >= 2;
}

// The pattern that the output of the shell function look() must match for `was`; empty: no comparison.
std::string was_pattern(const std::optional<Answer>& was) {
  if (!was) return "";
  if (std::holds_alternative<Absent>(*was)) return "absent";
  if (const auto* file = std::get_if<File>(&*was)) {
    const std::string access = octal(file->mode) + " " + file->owner + " " + file->group;
    if (file->kind == File::Kind::directory) return "dir " + access;
    if (file->kind == File::Kind::other) return "other";
    if (!file->sha256.empty()) return access + " " + file->sha256;
    return access + " " + (file->content.empty() ? "*" : sha256_hex(file->content));
  }
  return "";
}

// The same for a file that goes: whose it is does not count. The account may have gone with its package just before.
std::string removed_pattern(const std::optional<Answer>& was) {
  const auto* file = was ? std::get_if<File>(&*was) : nullptr;
  if (!file || file->kind != File::Kind::regular) return was_pattern(was);
  if (!file->sha256.empty()) return "* " + file->sha256;
  return file->content.empty() ? "[0-7]*" : "* " + sha256_hex(file->content);
}

struct Needs {
  bool dos = false, apt = false, units = false, more = false;
};

struct Renderer {
  const Program& program;
  const Places& places;
  std::string body{};
  std::string asking{};
  std::string spools{};
  std::vector<Script::Blob> blobs{};
  Needs needs{};
  milliseconds limit{0};

  // A Do that fails without being tried; `why` becomes its stderr.
  static std::string refuse(const std::string& why) { return "say " + shell_word(why); }

  std::string block(const std::string& path, const std::string& marker, const std::string& content, const std::optional<Answer>& was) {
    if (!good_path(path)) return refuse("not an absolute path: " + path);
    if (marker.empty() || marker.find('\n') != std::string::npos) return refuse("not a block's name: '" + marker + "'");
    const std::string begin = "# BEGIN pgcluster " + marker;
    const std::string end = "# END pgcluster " + marker;
    std::string text;
    if (!content.empty()) text = begin + "\n" + content + (content.back() == '\n' ? "" : "\n") + end + "\n";
    return "P=" + shell_word(to_base64(text)) + "\nwrite_block " + shell_word(path) + " " + shell_word(begin) + " " + shell_word(end) + " " +
           shell_word(was_pattern(was));
  }

  std::string act(const Do& d, const WriteFile& write) {
    if (!good_path(write.path)) return refuse("not an absolute path of a file: " + write.path);
    const std::string& bytes = write.content.reveal();
    return "P=" + shell_word(to_base64(bytes)) + "\nwrite_file " + shell_word(write.path) + " " + octal(write.mode) + " " + shell_word(write.owner) +
           " " + shell_word(write.group) + " " + sha256_hex(bytes) + " " + shell_word(was_pattern(d.was));
  }
  std::string act(const Do& d, const WriteBlock& write) { return block(write.path, write.marker, write.content, d.was); }
  std::string act(const Do& d, const Upload& upload) {
    if (!good_path(upload.path)) return refuse("not an absolute path of a file: " + upload.path);
    std::error_code bad;
    const auto size = std::filesystem::file_size(upload.source, bad);
    if (bad) return refuse("cannot read " + upload.source + " on the controller: " + bad.message());
    const std::string number = std::to_string(blobs.size());
    spools += "spool " + number + " " + std::to_string(size) + "\n";
    blobs.push_back({upload.source, size});
    limit += milliseconds(size / 500);  // at least half a megabyte per second
    return "upload " + shell_word(upload.path) + " " + octal(upload.mode) + " " + shell_word(upload.sha256) + " " + shell_word(was_pattern(d.was)) +
           " " + shell_word(upload.source) + " " + number;
  }
  std::string act(const Do& d, const Install& install) {
    needs.apt = true;
    limit += 2 * d.limit;  // apt update before it, and a second try
    std::string names, wanted, mask;
    for (const std::string& package : install.packages) {
      if (!plain(package, ".+-:~=")) return refuse("not a package: '" + package + "'");
      names += " " + package.substr(0, package.find('='));
      wanted += " " + package;
    }
    for (const std::string& unit : install.mask) {
      if (!plain(unit, ".-_@:\\")) return refuse("not a unit: '" + unit + "'");
      mask += " " + unit;
    }
    if (names.empty()) return "what=skipped";
    return "install " + shell_word(names) + " " + shell_word(wanted) + " " + shell_word(mask);
  }
  std::string act(const Do& d, const SetUnit& set) {
    needs.units = true;
    limit += milliseconds(60'000);  // the systemctl calls before and after it have the Do's limit each, but do not wait for the unit
    if (!plain(set.name, ".-_@:\\")) return refuse("not a unit: '" + set.name + "'");
    static constexpr const char* go[] = {"nothing", "start", "stop", "restart", "reload"};
    std::string was;
    if (set.go == SetUnit::Go::restart || set.go == SetUnit::Go::reload)
      if (d.was)
        if (const auto* unit = std::get_if<Unit>(&*d.was)) was = std::to_string(unit->started);
    return "set_unit " + shell_word(set.name) + " " + go[static_cast<int>(set.go)] + " " + (set.enabled ? *set.enabled ? "yes" : "no" : "''") + " " +
           shell_word(was);
  }
  std::string act(const Do& d, const SetAccount& set) {
    needs.more = true;
    if (!plain(set.name, "-_")) return refuse("not an account's name: '" + set.name + "'");
    std::string was;
    if (d.was) {
      if (std::holds_alternative<Absent>(*d.was)) was = "absent";
      if (const auto* account = std::get_if<Account>(&*d.was)) was = account->home + ":" + account->shell;
    }
    return "set_account " + shell_word(set.name) + " " + shell_word(set.home) + " " + shell_word(set.shell) + " " + shell_word(was);
  }
  std::string act(const Do& d, const Run& run) {
    if (run.argv.empty()) return refuse("a command without words");
    std::string text;
    const auto* was = d.was ? std::get_if<Output>(&*d.was) : nullptr;
    if (run.look && was) {
      needs.more = true;
      limit += run.look->limit + milliseconds(6'000);
      text = "L=" + seconds(run.look->limit) + "\n" + command(run.look->argv, run.look->input) + "\nif same_output " +
             shell_word(std::to_string(was->status) + " " + sha256_hex(was->out)) + " $? " + seconds(d.limit) + "; then\n";
    }
    text += command(run.argv, run.input) + "\nended $?";
    if (run.look && was) text += "\nfi";
    return text;
  }
  std::string act(const Do&, const Send&) { return refuse("a request to an API is sent by the controller, never by a host"); }
  std::string act(const Do& d, const Remove& remove) {
    switch (remove.kind) {
      case Remove::Kind::file:
        needs.more = true;
        if (!good_path(remove.name)) return refuse("not an absolute path of a file: " + remove.name);
        return "remove_file " + shell_word(remove.name) + " " + shell_word(removed_pattern(d.was));
      case Remove::Kind::tree:
        needs.more = true;
        if (!removable_tree(remove.name)) return refuse("pgcluster does not remove a tree that near the root: " + remove.name);
        return "remove_tree " + shell_word(remove.name);
      case Remove::Kind::block:
        return block(remove.name, remove.marker, "", d.was);
      case Remove::Kind::package:
        needs.apt = true;
        limit += 2 * d.limit;
        if (!plain(remove.name, ".+-:~")) return refuse("not a package: '" + remove.name + "'");
        return "purge " + shell_word(remove.name);
      case Remove::Kind::unit:
        needs.units = true;
        limit += milliseconds(60'000);
        if (!plain(remove.name, ".-_@:\\")) return refuse("not a unit: '" + remove.name + "'");
        return "remove_unit " + shell_word(remove.name);
    }
    return refuse("nothing to remove");
  }

  static std::string command(const std::vector<std::string>& argv, const Text& input) {
    if (input.empty()) return (is_shell_look(argv) ? "i" : "x") + words(argv);
    return "printf %s " + shell_word(to_base64(input.reveal())) + " | base64 -d | xi" + words(argv);
  }

  void dos() {
    for (std::size_t i = 0; i < program.dos.size(); ++i) {
      const Do& d = program.dos[i];
      limit += d.limit + milliseconds(10'000);
      const std::string action = std::visit([&](const auto& what) { return act(d, what); }, d.what);
      const std::string number = std::to_string(i);
      body += "if go " + number + " " + seconds(d.limit) + "; then\n{\n" + action + "\n} >>\"$T/o\" 2>>\"$T/e\"\nfin " + number + "\nfi\n";
      // If the input ends early, the shell discards the payload.
      if (action.starts_with("P=")) body += "P=\n";
      needs.dos = true;
    }
    if (needs.units) body += "late_reload >&2\n";
  }

  void owned() {
    if (program.own.empty()) return;
    needs.dos = true;
    body += "load_owned\n";
    for (const Owned& owned : program.own) body += "own " + shell_word(owned.resource) + " " + shell_word(owned.step) + "\n";
    body += "save_owned || { list_not_written; exit 0; }\n";
  }

  void disowned() {
    if (program.disown.empty()) return;
    needs.dos = true;
    body += "if [ -z \"$stop\" ]; then\nload_owned\n";
    for (const std::string& resource : program.disown) body += "strike " + shell_word(resource) + "\n";
    body += "save_owned || list_not_written\nfi\n";
  }

  void asks() {
    std::vector<std::string> contents, listed, stats, sums, packages, accounts, notes;
    const auto has = [](const std::vector<std::string>& list, const std::string& item) {
      return std::find(list.begin(), list.end(), item) != list.end();
    };
    const auto add = [&](std::vector<std::string>& list, const std::string& item) {
      if (!has(list, item)) list.push_back(item);
    };
    for (const Ask& ask : program.asks) {
      if (const auto* file = std::get_if<FileOf>(&ask.what)) {
        if (!good_path(file->path)) continue;
        add(file->content ? contents : stats, file->path);
        if (!file->content) add(sums, file->path);
      } else if (const auto* package = std::get_if<PackageOf>(&ask.what)) {
        if (plain(package->name, ".+-:~")) add(packages, package->name);
      } else if (const auto* unit = std::get_if<UnitOf>(&ask.what)) {
        for (const auto* files : {&unit->start_files, &unit->load_files})
          for (const std::string& path : *files)
            if (good_path(path)) add(listed, path);
        if (!unit->start_files.empty()) add(notes, unit->name + ".start");
        if (!unit->load_files.empty()) add(notes, unit->name + ".load");
      } else if (const auto* account = std::get_if<AccountOf>(&ask.what)) {
        if (plain(account->name, "-_.")) add(accounts, account->name);
      }
    }
    const std::vector<std::string> units = asked_units(program);
    std::size_t commands = 0;
    bool executes = false, secret = false;
    const auto call = [&](const std::string& name, const std::vector<std::string>& list) {
      if (list.empty()) return;
      asking += "L=30\n" + name + words(list) + "\n";
      ++commands;
    };
    milliseconds together(30'000), apart(0);
    const std::size_t all_files = contents.size() + listed.size() + stats.size();
    if (!(all_files == 0 && packages.empty() && accounts.empty() && units.empty())) {
      apart += milliseconds(90'000);
    }
    const std::vector<Merged> calls = merged(program);
    std::vector<bool> is_merged(program.asks.size(), false);
    for (const Merged& one : calls)
      for (const std::size_t i : one.asks) is_merged[i] = true;
    const auto run = [](const std::string& what, std::size_t number) {
      const std::string name = std::to_string(number);
      return what + " >\"$T/o." + name + "\" 2>\"$T/e." + name + "\"\n";
    };
    for (std::size_t i = 0; i < program.asks.size(); ++i) {
      const auto* exec = std::get_if<Exec>(&program.asks[i].what);
      if (!exec || exec->argv.empty()) continue;
      together = std::min(together, exec->limit);
      apart += exec->limit + milliseconds(6'000);
      ++commands;
      executes = true;
      secret = secret || !exec->input.empty();
      if (!is_merged[i])
        asking += "L=" + seconds(exec->limit) + "\n" + run(command(exec->argv, exec->input), i) + "ran " + std::to_string(i) + " $?" +
                  (exec->tail ? " log" : "") + "\n";
    }
    for (std::size_t n = 0; n < calls.size(); ++n) {
      milliseconds all(0);
      std::string again;
      const std::size_t number = program.asks.size() + n;
      for (const std::size_t i : calls[n].asks) {
        const auto& exec = std::get<Exec>(program.asks[i].what);
        all += exec.limit;
        if (!has_more_calls(program.asks[i])) continue;
        const std::string name = std::to_string(i);
        again += "fine " + name + " " + std::to_string(number) + " || { L=" + seconds(exec.limit) + "\n" + run(command(exec.argv, {}), i) + "ran " +
                 name + " $?; }\n";
        apart += exec.limit + milliseconds(6'000);
      }
      asking += "L=" + seconds(all) + "\n" + run("x" + merged_command(program, calls[n]), number) +
                (calls[n].by == Merged::By::curl ? "merged " : "ran ") + std::to_string(number) + " $?\n" + again;
    }
    call("units", units);
    // The recorded digests are read before the files: a file that changes in between counts as not current, although it may be.
    for (const std::string& note : notes) asking += "note " + shell_word(note) + "\n";
    // One stat for all files, and for the sizes of the outputs above.
    std::erase_if(listed, [&](const std::string& path) { return has(contents, path); });
    std::erase_if(sums, [&](const std::string& path) { return has(contents, path) || has(listed, path); });
    std::erase_if(stats, [&](const std::string& path) { return has(contents, path) || has(listed, path); });
    if (executes || all_files != 0) {
      asking += "L=30\nfiles " + std::to_string(contents.size()) + " " + std::to_string(listed.size()) + words(contents) + words(listed) +
                words(stats) + "\n";
      if (all_files != 0) ++commands;
    }
    call("sums", sums);
    call("packages", packages);
    call("accounts", accounts);
    if (asking.empty()) return;
    asking += "L=30\nbring\n";
    limit += apart;
    const std::string ask_functions = shell::prelude_asks + std::string("\n") + shell::prelude_hollow;
    if (commands < 2) {
      body += ask_functions + ("\n" + asking);
      return;
    }
    // One timeout for all asks is faster than one for each, and rarely too short.
    limit += together + milliseconds(6'000);
    body += std::string("I=") + (secret ? "1" : "''") + "\nB=" + shell_word(std::string(shell::together_prelude) + "\n") +
            "\nA=" + shell_word(ask_functions + ("\n" + asking)) + "\nY=" + seconds(together) + "\n" + shell::together + "\n";
  }
};

}  // namespace

std::vector<std::string> asked_units(const Program& program) {
  std::vector<std::string> names;
  for (const Ask& ask : program.asks)
    if (const auto* unit = std::get_if<UnitOf>(&ask.what); unit && plain(unit->name, ".-_@:\\"))
      if (std::find(names.begin(), names.end(), unit->name) == names.end()) names.push_back(unit->name);
  return names;
}

std::string Script::stdin_head() const { return (blobs.empty() ? ". " : "- ") + std::to_string(text.size()) + "\n" + text; }

Script render(const Program& program, std::string_view nonce, const Places& places, const std::string& token) {
  Renderer renderer{program, places};
  renderer.owned();
  renderer.dos();
  renderer.disowned();
  renderer.asks();
  const Needs& needs = renderer.needs;
  std::string text = "pgcluster_program() {\nset -- " + std::string(nonce) +
                     words({token, places.run, places.state, std::to_string(kOrphanWait.count()), places.need_systemd ? "1" : "0"}) + "\n";
  const auto part = [&text](const char* shell) { (text += shell) += "\n"; };
  part(shell::prelude);
  if (needs.dos) part(shell::prelude_dos);
  text += renderer.spools;
  if (needs.apt) part(shell::prelude_apt);
  if (needs.units) part(shell::prelude_units);
  if (needs.more) {
    part(shell::prelude_hollow);
    part(shell::prelude_more);
  }
  text += renderer.body;
  if (!renderer.blobs.empty()) {
    text += "rm -f --";
    for (std::size_t i = 0; i < renderer.blobs.size(); ++i) text += " \"$S/upload." + std::to_string(i) + "\"";
    text += "\n";
  }
  text += needs.dos ? "sweep all\n" : "sweep\n";
  // The call is the last word: of a program that was cut short nothing runs.
  text += "put end\n}\npgcluster_program\n";
  return {std::move(text), std::move(renderer.blobs), renderer.limit + milliseconds(30'000)};
}

void read_blob(const Script::Blob& blob, const std::function<bool(std::string_view)>& take) {
  std::ifstream file(blob.path, std::ios::binary);
  std::string buffer(1U << 20, '\0');
  for (std::uint64_t left = blob.size; left > 0;) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    file.read(buffer.data(), static_cast<std::streamsize>(most));
    auto size = static_cast<std::size_t>(file.gcount());
    if (size == 0) {
      size = most;
      std::fill(buffer.begin(), buffer.end(), '\0');
    }
    left -= size;
    if (!take(std::string_view(buffer.data(), size))) return;
  }
}

std::string lock_script(const std::string& who, std::int64_t since, const std::string& token, const Places& places) {
  auto one_line = [](std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
  };
  return to_base64("set --" + words({places.run, one_line(who), std::to_string(since), one_line(token)}) + "\n" + shell::lock + "\n") + "\n";
}

}  // namespace pgcluster::executor
