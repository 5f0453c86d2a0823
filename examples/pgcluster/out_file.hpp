#pragma once

#include <string>

namespace command {

/// The file of --out. It is written completely or left as it was. Without a path nothing is written.
class OutFile {
 public:
  /// Throws Usage if the folder does not exist, before any host is asked.
  explicit OutFile(std::string path);
  /// Throws pgcluster::Error.
  void write(const std::string& text) const;

 private:
  std::string path_;
};

}  // namespace command
