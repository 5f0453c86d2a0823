#pragma once

/// Shell files, embedded by the build: shell::NAME is NAME.sh, which says what it takes.
namespace pgcluster::shell {

extern const char* const firewall_look;
extern const char* const firewall_program;  ///< a program on the host
extern const char* const ssh_ports;

}  // namespace pgcluster::shell
