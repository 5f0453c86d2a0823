#pragma once

#include <set>
#include <string>
#include <vector>

#include <pgcluster/operate/operate.hpp>

namespace pgcluster {

/// What a deployment replaces on its way.
struct Replacing {
  std::set<std::string> secrets{};     ///< as in ClusterView::rotated
  std::string what{};                  ///< for the document of the plan, as RotateOptions has it
  std::vector<Diagnostic> warnings{};  ///< for people
};

/// Throws spec_invalid where the spec has an error, with all findings.
void check_spec(const Spec& spec, const std::vector<ComponentPtr>& own);

/// The plan of a spec that was checked.
Plan plan_deployment(const Spec& spec, Executor& executor, const DeployOptions& options, Replacing replacing = {});

}  // namespace pgcluster
