#pragma once

#include <string>

namespace command {

/// The file of --out: written whole, or left as it was. Without a path nothing is written.
class OutFile {
 public:
  /// Throws Usage where its folder does not exist: told before anything is asked.
  explicit OutFile(std::string path);
  /// Throws pgcluster::Error.
  void write(const std::string& text) const;

 private:
  std::string path_;
};

}  // namespace command
