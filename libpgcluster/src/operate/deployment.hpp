#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <pgcluster/operate/operate.hpp>

#include "component/restore.hpp"

namespace pgcluster {

/// What a deployment replaces on its way.
struct Replacing {
  std::set<std::string> secrets{};     ///< as in ClusterView::rotated
  std::string what{};                  ///< for the document of the plan, as RotateOptions has it
  std::vector<Diagnostic> warnings{};  ///< for people
};

/// A lost cluster whose data a deployment restores on new hosts.
struct Rebuilding {
  restore::Note note;
  std::set<std::string> free{};                  ///< hosts whose Patroni an earlier plan has let start
  std::map<std::string, std::string> secrets{};  ///< found beside the backups
  PlanOrigin origin{};
  std::vector<Diagnostic> warnings{};  ///< for people
};

/// Throws spec_invalid where the spec has an error, with all findings.
void check_spec(const Spec& spec, const std::vector<ComponentPtr>& own);

/// The plan of a spec that was checked.
Plan plan_deployment(const Spec& spec, Executor& executor, const DeployOptions& options, Replacing replacing = {},
                     std::optional<Rebuilding> rebuilding = {});

}  // namespace pgcluster
