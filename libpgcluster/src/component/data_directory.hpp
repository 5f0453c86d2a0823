#pragma once

#include <string>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// The directory in which a server makes its data, where it is there already: a mount, a link to one, or below one.
struct DataDirectory {
  std::string path;     ///< "/var/lib/postgresql/17/main"
  std::string home;     ///< the highest directory above it that the account must be able to write
  std::string made;     ///< a file or directory in it, by its name, that shows that the server has made its data
  std::string account;  ///< who must own it
  bool kept = false;    ///< nothing is to be done: the server may be making its data just now. It is asked all the same, as of a fresh host
  bool bare = false;    ///< the server takes no directory with lost+found in it
};
/// "pg1/COMPONENT/data-directory": what is mounted there belongs to the account. Refuses a directory in which a server cannot be made.
StepPtr data_directory_step(const NodeView& node, const std::string& component, const DataDirectory& wish);

}  // namespace pgcluster
