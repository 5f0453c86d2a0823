#pragma once

#include <string>
#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// What contradicts itself in the keys about backups, or says nothing.
void check_backups(const Spec& spec, std::vector<Diagnostic>& findings);

/// Whether the text is a calendar event of systemd (systemd.time(7)), as far as that can be told without systemd.
bool is_calendar(const std::string& text);

}  // namespace pgcluster
