#pragma once

/// Shell files, embedded by the build: shell::NAME is NAME.sh, which says what it takes.
namespace pgcluster::shell {

extern const char* const page;  // page.css
extern const char* const reach;

}  // namespace pgcluster::shell
