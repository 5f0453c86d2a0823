#pragma once

#include <pgcluster/op/ask.hpp>

namespace pgcluster {

/// A command for people, in one line of at most 100 bytes. Arguments never contain secrets.
std::string shown(const std::vector<std::string>& argv);

/// The command for a shell script that only reads. The shell that asks a host's questions runs the script itself, which saves a process. The script
/// consists of the function look() and its call, look "$@". It must not use `exit` or `exec`, but may use `return`. It must not change the directory
/// or the shell's options. It may assign only variables whose names are in lower case, except nl and tab.
std::vector<std::string> shell_look(const char* script, const std::vector<std::string>& words = {});
bool is_shell_look(const std::vector<std::string>& argv);

/// The command that prints the answer of the first of these calls of curl that succeeds with all of its URLs. Each is curl's words without "curl".
std::vector<std::string> first_answer(const std::vector<std::vector<std::string>>& calls);
/// The first of those calls; empty where the command is another one.
std::vector<std::string> first_call(const std::vector<std::string>& argv);

}  // namespace pgcluster
