#pragma once

/// Shell files, embedded by the build: shell::NAME is NAME.sh, which says what it takes.
namespace pgcluster::shell {

extern const char* const await_server;  ///< a program on the host
extern const char* const copy_again;
extern const char* const etcd_key;
extern const char* const etcd_leader;  ///< a program on the host
extern const char* const foreign_server;
extern const char* const making_server;
extern const char* const rest_call;
extern const char* const restart_server;
extern const char* const role_change;  ///< a program on the host, for PgBouncer's default port
extern const char* const settings_look;
extern const char* const settings_trial;
extern const char* const tried;

}  // namespace pgcluster::shell
