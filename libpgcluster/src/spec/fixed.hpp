#pragma once

#include <string>
#include <vector>

#include <pgcluster/spec/spec.hpp>

// The keys that a running cluster cannot take by an apply (Effect::fixed in the table of keys): what the cluster began with stands in a file of its
// database hosts.
namespace pgcluster {

/// The content of that file: a line for each fixed key. What `recorded`, an earlier content or "", says in other words of the same meaning stays.
std::string begun_with(const Spec& spec, const std::string& recorded);
/// Whether a cluster with this record has archive_mode on: it began so, or was backed up since. Earlier versions left it off.
bool began_archiving(const std::string& recorded);
/// The fixed keys of the spec that differ from `recorded`: what the cluster has, what the spec says, and the way to get there.
std::vector<Diagnostic> fixed_differences(const Spec& spec, const std::string& recorded);

}  // namespace pgcluster
