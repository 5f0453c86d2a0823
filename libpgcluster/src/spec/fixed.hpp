#pragma once

#include <string>
#include <vector>

#include <pgcluster/spec/spec.hpp>

// Keys whose value an apply cannot change on a running cluster (Effect::fixed in the table of keys). A file on the database hosts records the values
// with which the cluster was created.
namespace pgcluster {

/// The content of /var/lib/pgcluster/begun, with a line for each fixed key. `recorded` is its earlier content, or "". A recorded value that is only
/// another spelling of the spec's value is kept.
std::string begun_with(const Spec& spec, const std::string& recorded);
/// Whether a cluster with this record runs with archive_mode on: since its creation, or since backups were enabled. Earlier versions created clusters
/// with archive_mode off.
bool began_archiving(const std::string& recorded);
/// A finding for each fixed key whose value in the spec differs from `recorded`: both values, and how to get the value of the spec.
std::vector<Diagnostic> fixed_differences(const Spec& spec, const std::string& recorded);

}  // namespace pgcluster
