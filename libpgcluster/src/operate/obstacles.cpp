#include "operate/obstacles.hpp"

#include <algorithm>

#include "base/joined.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

bool below(const std::string& path, const std::string& mount) {
  return mount == "/" || path == mount || (path.starts_with(mount) && path[mount.size()] == '/');
}

// The mount point that a path is on; empty where the facts list none.
std::string longest(const std::vector<std::string>& mounts, const std::string& path) {
  std::string found;
  for (const std::string& mount : mounts)
    if (below(path, mount) && mount.size() > found.size()) found = mount;
  return found;
}

std::string read_only_mount(const Facts& facts, const std::string& path) {
  const std::string mount = longest(facts.read_only, path);
  return mount.size() > longest(facts.writable, path).size() ? mount : std::string();
}

}  // namespace

std::set<std::string> files_of(const std::set<std::string>& resources) {
  std::set<std::string> files;
  for (const std::string& one : resources) {
    if (one.starts_with("file:")) files.insert(one.substr(5));
    if (one.starts_with("block:")) files.insert(one.substr(6, one.rfind('#') - 6));
  }
  return files;
}

std::vector<Diagnostic> obstacles(const NodeView& node, const std::vector<Declaration>& declared, const std::set<std::string>& resources) {
  const std::string path = "hosts." + node.name();
  std::vector<Diagnostic> all;
  std::set<std::string> units, trees = files_of(resources);
  trees.insert("/var/lib/pgcluster");
  bool installs = false;
  for (const std::string& one : resources)
    if (one.starts_with("unit:")) units.insert(one.substr(5));
  for (const Declaration& one : declared) {
    units.insert(one.needs.units.begin(), one.needs.units.end());
    trees.insert(one.needs.directories.begin(), one.needs.directories.end());
    for (const std::string& package : one.needs.packages) installs = installs || !owns(node.facts, "package:" + package);
    for (Diagnostic finding : one.needs.findings) {
      if (finding.path.empty()) finding.path = path;
      all.push_back(std::move(finding));
    }
  }
  std::vector<std::string> masked;
  for (const std::string& unit : units)
    if (std::find(node.facts.masked.begin(), node.facts.masked.end(), unit) != node.facts.masked.end()) masked.push_back(unit);
  if (!masked.empty())
    all.push_back({.message = joined(masked) + (masked.size() == 1 ? " is" : " are") + " masked on " + node.name() + ", and cannot be started",
                   .hint = "on " + node.name() + ": systemctl unmask " + joined(masked, " "),
                   .path = path});
  if (installs)
    for (const char* tree : {"/usr", "/var/lib/dpkg"}) trees.insert(tree);
  std::map<std::string, std::vector<std::string>> read_only;
  for (const std::string& tree : trees)
    if (std::string mount = read_only_mount(node.facts, tree); !mount.empty()) read_only[std::move(mount)].push_back(tree);
  for (const auto& [mount, paths] : read_only)
    all.push_back({.message = mount + " is mounted read-only on " + node.name() + ", and pgcluster writes " + paths.front() +
                              (paths.size() > 1 ? " and " + std::to_string(paths.size() - 1) + " more there" : " there"),
                   .hint = "on " + node.name() + ": mount -o remount,rw " + mount,
                   .path = path});
  return all;
}

Diagnostic fixed_file(const std::string& path) {
  return {.message = path + " cannot be written, not even by root: it is immutable, or its file system is read-only",
          .hint = "on the host: chattr -i " + path + ", or mount its file system read-write"};
}

}  // namespace pgcluster
