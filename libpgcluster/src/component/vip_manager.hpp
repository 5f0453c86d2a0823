#pragma once

#include <string>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// The program that holds the VIP as a lease: bash, so that it needs nothing but iproute2, curl and arping.
extern const char* const vip_manager_program;

/// The interface that carries the VIP: of the spec, else the one in whose network the host's address lies, else the default route's.
std::string vip_interface(const NodeView& node);

}  // namespace pgcluster
