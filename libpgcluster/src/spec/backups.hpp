#pragma once

#include <string>
#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// Adds a finding for each key about backups that is wrong, contradicts another one, or has no effect.
void check_backups(const Spec& spec, std::vector<Diagnostic>& findings);

/// Whether the text is a calendar event of systemd (systemd.time(7)), as far as that can be told without systemd.
bool is_calendar(const std::string& text);

}  // namespace pgcluster
