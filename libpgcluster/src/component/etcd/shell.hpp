#pragma once

/// Shell files, embedded by the build: shell::NAME is NAME.sh, which says what it takes.
namespace pgcluster::shell {

extern const char* const add_member;
extern const char* const free_space;
extern const char* const make_users;
extern const char* const own_member;
extern const char* const unit_age;

}  // namespace pgcluster::shell
