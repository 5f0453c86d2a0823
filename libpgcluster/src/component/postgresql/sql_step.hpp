#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "component/postgresql/sql.hpp"

// What the steps in SQL have in common: they ask every server, and act on the one that takes writes.
namespace pgcluster {

/// The steps outlive the view that the component was given.
using View = std::shared_ptr<const ClusterView>;

/// The script as a change of that server, which it makes only while the server takes writes.
Change on_server(const View& view, const TopologyHost& host, const Text& script, std::string touches, std::string name);
Later nobody_writes(const ClusterView& view, const Answers& answers, Action action);

Refused no_such_role(const View& view, const Server& server, const std::string& role, const std::string& path);

using OnServer = std::function<Decision(const TopologyHost&, const Server&, const Answers&)>;
/// A step that decides once one server takes writes. `more`: what it asks beside the servers.
StepPtr sql_step(const View& view, const StepRef& name, OnServer decide, std::vector<Ask> more = {});

}  // namespace pgcluster
