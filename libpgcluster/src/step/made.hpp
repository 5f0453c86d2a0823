#pragma once

#include <pgcluster/step/step.hpp>

namespace pgcluster {

/// make_step() for a step that waits for what others bring about.
StepPtr waiting_step(std::string name, StepParts parts, Bringers brought_by);

/// The files that a reload takes, recorded by a drop-in of their own, which is none of the unit's start_files: another list of them needs no restart.
/// It replaces what unit_notes() says of a reload.
WriteFile load_notes(const ServiceWish& wish, const std::vector<std::string>& exec_reload);

}  // namespace pgcluster
