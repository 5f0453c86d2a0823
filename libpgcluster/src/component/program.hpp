#pragma once

#include <string>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// "pg1/COMPONENT/program": a program that is no Debian package stands at `path`, executable; uploaded, or downloaded by the host.
StepPtr program_step(const NodeView& node, const std::string& component, const std::string& path, const BinarySpec& binary);

}  // namespace pgcluster
