#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

// Steps that planners bring, and that components may wait for.
namespace pgcluster {

/// What components of Turn::around open is open on all hosts. Only plans with such components have this step.
StepRef opened();
/// The host has all that its components want, but for those of Turn::around. Only plans with such components have this step.
StepRef in_place(const std::string& host);
/// A host that left the spec is clean: the last step of its removal.
StepRef cleaned(const std::string& host);

}  // namespace pgcluster
