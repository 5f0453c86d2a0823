#pragma once

/// Shell files, embedded by the build: shell::NAME is NAME.sh, which says what it takes.
namespace pgcluster::shell {

extern const char* const boot;
extern const char* const lock_boot;
extern const char* const lock;
extern const char* const together;
extern const char* const together_prelude;
// The functions that every program is made of. A program carries only the parts that it needs.
extern const char* const prelude;
extern const char* const prelude_dos;
extern const char* const prelude_apt;
extern const char* const prelude_units;
extern const char* const prelude_hollow;
extern const char* const prelude_more;
extern const char* const prelude_asks;

}  // namespace pgcluster::shell
