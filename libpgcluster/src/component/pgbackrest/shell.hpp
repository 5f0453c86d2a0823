#pragma once

/// Files that are embedded by the build: shell::NAME is NAME.sh or NAME.py, which says what it takes.
namespace pgcluster::shell {

extern const char* const archive_list;
extern const char* const find_target;
extern const char* const proofs;
extern const char* const prove;      ///< a program on the host, after `recovery`
extern const char* const prove_due;  ///< a program on the host, in Python
extern const char* const recovery;   ///< the beginning of programs on the host
extern const char* const restore;    ///< a program on the host, after `recovery`
extern const char* const restore_look;
extern const char* const server_in;  ///< a function that restore and set_aside need before them
extern const char* const set_aside;
extern const char* const switch_wal;

}  // namespace pgcluster::shell
