#pragma once

#include <pgcluster/step/step.hpp>

namespace pgcluster {

/// make_step() for a step that waits for what others bring about.
StepPtr waiting_step(std::string name, StepParts parts, Bringers brought_by);

}  // namespace pgcluster
