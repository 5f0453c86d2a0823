#include "out_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "commands.hpp"

namespace command {

namespace fs = std::filesystem;

OutFile::OutFile(std::string path) : path_(std::move(path)) {
  const fs::path folder = fs::path(path_).parent_path();
  if (!folder.empty() && !fs::is_directory(folder)) throw Usage("--out: there is no folder " + folder.string());
}

void OutFile::write(const std::string& text) const {
  if (path_.empty()) return;
  std::error_code none;
  // A device or a pipe is written in place; a link is followed.
  const bool plain = !fs::exists(path_, none) || fs::is_regular_file(path_, none);
  const std::string at = plain && fs::is_symlink(path_, none) ? fs::weakly_canonical(path_, none).string() : path_;
  const std::string beside = plain ? at + ".new-" + std::to_string(getpid()) : at;
  std::ofstream file(beside, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  std::string why = file ? "" : std::strerror(errno);
  if (plain && why.empty()) {
    std::error_code bad;
    fs::rename(beside, at, bad);
    if (bad) why = bad.message();
  }
  if (why.empty()) return;
  if (plain) fs::remove(beside, none);
  throw pgcluster::Error(pgcluster::Code::command_failed, "--out: " + path_ + " cannot be written: " + why);
}

}  // namespace command
