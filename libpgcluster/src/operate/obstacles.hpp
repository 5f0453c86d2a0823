#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "operate/declared.hpp"

// What a host's own state forbids: found before the first change, by plan and by check alike.
namespace pgcluster {

/// The resources that the steps of a spec would keep on each host, as far as that can be told without the hosts' facts: "file:/etc/hosts".
std::map<std::string, std::set<std::string>> likely_resources(const Spec& spec, const Topology& topology,
                                                              const std::vector<ComponentPtr>& components);

/// The files among such resources, of which a part may be ours.
std::set<std::string> files_of(const std::set<std::string>& resources);

/// Masked units, read-only file systems, and what the components find. Errors and warnings.
std::vector<Diagnostic> obstacles(const NodeView& node, const std::vector<Declaration>& declared, const std::set<std::string>& resources);
/// A file that root itself cannot write.
Diagnostic fixed_file(const std::string& path);

}  // namespace pgcluster
