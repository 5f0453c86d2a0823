#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

// What an SSH server offers, read from its first bytes. They are not encrypted, and still there when no algorithm in common was found.
namespace pgcluster::executor {

/// The names of algorithms, by sshd's option: "kexalgorithms", "hostkeyalgorithms", "ciphers", "macs".
using Algorithms = std::map<std::string, std::vector<std::string>>;

/// From a server's banner and its SSH_MSG_KEXINIT (RFC 4253, 7.1). Empty where the bytes are none, or too few.
Algorithms read_offer(std::string_view bytes);
/// "macs: it offers only A, B": each kind of which we know none; empty where there is none.
std::string nothing_in_common(const Algorithms& offered, const Algorithms& known);

}  // namespace pgcluster::executor
