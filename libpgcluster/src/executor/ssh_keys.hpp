#pragma once

#include <string>
#include <vector>

#include <pgcluster/op/op.hpp>

struct _LIBSSH2_SESSION;

namespace pgcluster::executor {

/// What a private key's file tells without its passphrase.
struct KeyFile {
  bool readable = false;
  bool encrypted = false;
  std::string type{};         ///< "ssh-rsa"; empty: cannot be told
  std::string public_blob{};  ///< raw; empty: cannot be told
};
KeyFile inspect_key(const std::string& path);

/// "~/x" in the home directory of who runs us.
std::string expand_home(const std::string& path);

/// Tries the host's keys in order. Empty where one was taken; else why none was, a line for each. `closed`: the server has hung up.
std::vector<std::string> try_keys(_LIBSSH2_SESSION* session, const HostAccess& host, bool& closed);

/// Of an OpenSSH blob: its first string, the type.
std::string key_type(std::string_view blob);

}  // namespace pgcluster::executor
