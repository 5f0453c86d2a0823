#pragma once

#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// Passwords with which nobody could log in: those that a client would send in another form, and hashes where the password itself is needed.
void check_passwords(const Spec& spec, std::vector<Diagnostic>& findings);

}  // namespace pgcluster
