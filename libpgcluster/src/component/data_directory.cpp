#include "component/data_directory.hpp"

#include <algorithm>
#include <sstream>

#include "base/joined.hpp"
#include "component/shell.hpp"
#include "op/ask.hpp"

namespace pgcluster {

StepPtr data_directory_step(const NodeView& node, const std::string& component, const DataDirectory& wish) {
  const std::string host = node.name();
  const Ask look{host, Exec{.argv = shell_look(shell::data_directory, {wish.path, wish.home, wish.made})}};
  auto decide = [look, host, wish](const Answers& answers) -> Decision {
    const std::string* out = answers.out(look);
    if (wish.kept || !out || out->empty()) return Done{};
    std::istringstream lines(*out);
    std::string owner, directory;
    std::getline(lines >> owner >> std::ws, directory);
    std::vector<std::string> names;
    for (std::string line; std::getline(lines, line);) names.push_back(line);
    const bool lost = std::erase(names, "lost+found") != 0;
    if (!names.empty())
      return Refused{{.message = wish.path + " on " + host + " is not empty (" + joined(names) + "), and holds no server's data",
                      .hint = "move its content away; pgcluster never overwrites a data directory"}};
    if (lost && wish.bare)
      return Refused{{.message = wish.path + " on " + host + " is the top of a file system, with lost+found in it: PostgreSQL makes no server there",
                      .hint = "mount that file system at " + wish.home + " instead; or, on " + host + ": rmdir " + wish.path + "/lost+found"}};
    if (owner == wish.account) return Done{};
    std::vector<std::string> argv{"chown", wish.account + ":", directory};
    if (directory == wish.path) argv = {"install", "-d", "-m", "0700", "-o", wish.account, "-g", wish.account, directory};
    return Change{.todo = {Do{.at = host, .what = Run{.argv = std::move(argv), .name = "give " + directory + " to " + wish.account}}},
                  .action = Action::update,
                  .reason = directory + " belongs to " + owner + ", and " + wish.account + " makes its data there"};
  };
  return make_step(node.step(component, "data-directory"), {.asks = {look}, .decide = decide});
}

}  // namespace pgcluster
