#pragma once

/// Files that are embedded by the build: shell::NAME is NAME.sh or NAME.py, which says what it takes.
namespace pgcluster::shell {

extern const char* const probe;
extern const char* const pgcluster_vip;  ///< a program on the host, in Python

}  // namespace pgcluster::shell
