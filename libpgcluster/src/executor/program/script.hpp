#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/op/answer.hpp>
#include <pgcluster/op/program.hpp>
#include "executor/program/merge.hpp"

namespace pgcluster::executor {

/// Our directories on a host. Tests use others.
struct Places {
  std::string run = "/run/pgcluster";
  std::string state = "/var/lib/pgcluster";
  bool need_systemd = true;
};

/// A program as text for a POSIX shell. The blobs follow it on the standard input.
struct Script {
  struct Blob {
    std::string path;
    std::uint64_t size = 0;
  };
  std::string text;
  std::vector<Blob> blobs;
  std::chrono::milliseconds limit{0};  ///< the longest time that it may take, without the wait for an older program

  /// The standard input before the blobs: length, newline, text.
  std::string stdin_head() const;
};

/// The time that a program waits for an older one that still runs on the host.
inline constexpr std::chrono::seconds kOrphanWait{600};

/// Reads the file of a blob in pieces of at most 1 MiB, until `take` returns false. If the file has become shorter than the blob, zeros fill it up:
/// the host counts bytes, and then refuses the wrong digest.
void read_blob(const Script::Blob& blob, const std::function<bool(std::string_view)>& take);

Script render(const Program& program, std::string_view nonce, const Places& places = {}, const std::string& token = {});

/// Reads the frames that a script prints. Lines that do not begin with the nonce, and incomplete lines, are ignored.
class Reader {
 public:
  Reader(const Program& program, std::string nonce);

  /// Takes the next bytes of the script's standard output, split anywhere. Calls Program::on_do.
  void feed(std::string_view bytes);

  bool began() const noexcept { return began_; }  ///< the shell has begun our program
  bool up() const noexcept { return up_; }        ///< the wait for an older program is over
  bool ended() const noexcept { return ended_; }  ///< the last frame has come
  /// Why the program did not run: "unsupported", "unlocked", "busy 4711", "broken cannot write …"; empty if it did.
  const std::string& refusal() const noexcept { return refusal_; }

  /// What the program waits for, or how far it is: "waits for an older program …", "Unpacking etcd-server (34 %)"; empty: it has said nothing.
  const std::string& note() const noexcept { return note_; }

  /// One result for each Do and each ask. Call it once.
  ProgramResult result();

 private:
  struct Stat {
    File file;
    std::uint64_t size = 0;
  };
  void line(std::string_view line);
  void forget();
  void archive(std::string_view tar, bool torn);
  Answer answer(const Ask& ask, std::size_t index);
  std::optional<std::string> digest(const std::string& path) const;
  Answer file_answer(const FileOf& of) const;
  Answer unit_answer(const UnitOf& of) const;
  bool current(const std::string& note, const std::vector<std::string>& files) const;

  const Program& program_;
  std::string nonce_;
  std::string pending_;
  bool skipping_ = false;  ///< inside a line that is too long to be a frame
  bool began_ = false;
  bool up_ = false;
  bool ended_ = false;
  std::string refusal_;
  std::string note_;
  std::vector<std::optional<DoResult>> dos_;
  struct Told {
    int status = 0;
    bool out = false, err = false;  ///< not empty: its content comes in the archive
  };
  std::optional<Output> output(std::size_t number) const;
  std::vector<Merged> merged_;
  std::vector<std::optional<Told>> told_;                     ///< by ask, then by merged call
  std::map<std::string, std::uint64_t> long_;                 ///< sizes of outputs of which only the end comes
  std::map<std::string, std::string, std::less<>> contents_;  ///< by path, and "o.3" and "e.3" of ask 3
  std::vector<bool> begun_;
  std::map<std::string, Stat, std::less<>> stats_;
  std::map<std::string, std::string, std::less<>> sums_;
  std::vector<std::string> gone_;
  std::map<std::string, std::string, std::less<>> packages_;
  std::optional<int> packages_status_;
  std::vector<std::map<std::string, std::string>> units_{1};
  std::optional<int> units_status_;
  std::optional<std::uint64_t> units_now_;  // s since boot
  std::map<std::string, std::vector<std::string>, std::less<>> notes_;
  std::map<std::string, Account, std::less<>> accounts_;
  std::optional<int> accounts_status_;
  std::vector<std::string> unit_names_;  ///< in the order in which they are asked
};

/// The names of all units for which the program asks, each once, in order.
std::vector<std::string> asked_units(const Program& program);

/// The script of the process that holds a host's lock. `bash -c` with shell::lock_boot reads it as one line of base64 on its standard input;
/// heartbeats follow.
std::string lock_script(const std::string& who, std::int64_t since, const std::string& token, const Places& places = {});

}  // namespace pgcluster::executor
