#pragma once

/// Shell files, embedded by the build: shell::NAME is NAME.sh, which says what it takes.
namespace pgcluster::shell {

extern const char* const facts;
extern const char* const first_answer;

}  // namespace pgcluster::shell
