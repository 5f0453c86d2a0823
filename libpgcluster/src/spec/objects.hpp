#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pgcluster/spec/spec.hpp>

// Reads the times of users, and finds contradictions between users and databases.
namespace pgcluster {

/// The time of `valid_until`, in seconds since 1970: "2027-01-31", "2027-01-31 18:00:00+01:00", with T or a space; UTC without a time zone.
std::optional<std::int64_t> time_of(const std::string& valid_until);
/// The time as PostgreSQL reads it in any time zone and DateStyle: "2027-01-31 17:00:00+00".
std::string utc_time(std::int64_t seconds);

/// Errors of objects that the spec alone shows.
void check_objects(const Spec& spec, std::vector<Diagnostic>& findings);

}  // namespace pgcluster
