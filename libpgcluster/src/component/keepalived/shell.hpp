#pragma once

/// Shell files, embedded by the build: shell::NAME is NAME.sh, which says what it takes.
namespace pgcluster::shell {

extern const char* const in_state;
extern const char* const vip_check;  ///< a program on the host

}  // namespace pgcluster::shell
