#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/op/answer.hpp>
#include <pgcluster/op/program.hpp>

namespace pgcluster::executor {

/// Where things stand on a host; tests have them elsewhere.
struct Places {
  std::string run = "/run/pgcluster";
  std::string state = "/var/lib/pgcluster";
  bool need_systemd = true;
};

/// A program as text for a POSIX shell. On its standard input follow the blobs.
struct Script {
  struct Blob {
    std::string path;
    std::uint64_t size = 0;
  };
  std::string text;
  std::vector<Blob> blobs;
  std::chrono::milliseconds limit{0};  ///< the longest that it may take, without waiting for an older program

  /// What comes before the blobs: length, newline, text.
  std::string stdin_head() const;
};

/// How long a program waits for an older one that still runs on the host.
inline constexpr std::chrono::seconds kOrphanWait{600};

Script render(const Program& program, std::string_view nonce, const Places& places = {}, const std::string& token = {});

/// Reads what a script says, and nothing else: lines that do not begin with the nonce are noise, a torn line is no line.
class Reader {
 public:
  Reader(const Program& program, std::string nonce);

  /// More bytes of the script's standard output, cut anywhere. Calls Program::on_do.
  void feed(std::string_view bytes);

  bool began() const noexcept { return began_; }  ///< the shell runs our program
  bool up() const noexcept { return up_; }        ///< no older program runs any more
  bool ended() const noexcept { return ended_; }  ///< all was said
  /// Why the program has not run: "unsupported", "unlocked", "busy 4711", "broken cannot write …"; empty where it has.
  const std::string& refusal() const noexcept { return refusal_; }

  /// As many results as the program has Dos and asks. Call once.
  ProgramResult result();

 private:
  struct Stat {
    File file;
    std::uint64_t size = 0;
  };
  void line(std::string_view line);
  void forget();
  void archive(std::string_view tar);
  Answer answer(const Ask& ask, std::size_t index);
  std::optional<std::string> digest(const std::string& path) const;
  Answer file_answer(const FileOf& of) const;
  Answer unit_answer(const UnitOf& of) const;
  bool current(const std::string& note, const std::vector<std::string>& files) const;

  const Program& program_;
  std::string nonce_;
  std::string pending_;
  bool skipping_ = false;  ///< the rest of a line that is too long to be one of ours
  bool began_ = false;
  bool up_ = false;
  bool ended_ = false;
  std::string refusal_;
  std::vector<std::optional<DoResult>> dos_;
  struct Told {
    int status = 0;
    bool out = false, err = false;  ///< not empty: it comes in an archive
  };
  std::vector<std::optional<Told>> told_;                     ///< by ask
  std::map<std::string, std::string, std::less<>> contents_;  ///< by path, and "o.3" and "e.3" of ask 3
  std::vector<bool> begun_;
  std::map<std::string, Stat, std::less<>> stats_;
  std::map<std::string, std::string, std::less<>> sums_;
  std::vector<std::string> gone_;
  std::map<std::string, std::string, std::less<>> packages_;
  std::optional<int> packages_status_;
  std::vector<std::map<std::string, std::string>> units_{1};
  std::optional<int> units_status_;
  std::map<std::string, std::vector<std::string>, std::less<>> notes_;
  std::map<std::string, Account, std::less<>> accounts_;
  std::optional<int> accounts_status_;
  std::vector<std::string> unit_names_;  ///< as they were asked, in order
};

/// The names of all units that the program asks for, each once, in order.
std::vector<std::string> asked_units(const Program& program);

/// Text of the process that holds a host's lock: for `bash -c` with shell::lock_boot, as one line of base64 on its standard input, then heartbeats.
std::string lock_script(const std::string& who, std::int64_t since, const std::string& token, const Places& places = {});

}  // namespace pgcluster::executor
