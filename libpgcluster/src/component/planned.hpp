#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

// Steps that planners bring, and that components may wait for.
namespace pgcluster {

/// The host has all that its components want, but for the rules of its firewall. Only plans of clusters with a firewall have this step.
StepRef in_place(const std::string& host);
/// A host that left the spec is clean: the last step of its removal.
StepRef cleaned(const std::string& host);

}  // namespace pgcluster
