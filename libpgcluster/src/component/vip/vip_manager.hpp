#pragma once

#include "component/vip/vip.hpp"

namespace pgcluster {

/// The program that holds the VIP as a lease: bash, so that it needs nothing but iproute2, curl and arping.
extern const char* const vip_manager_program;

}  // namespace pgcluster
