#pragma once

#include <string>
#include <vector>

#include <pgcluster/op/access.hpp>

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

/// What became of the ways to log in.
struct Tried {
  bool in = false;
  std::vector<std::string> why{};  ///< each that was not taken, a line for it
  bool closed = false;             ///< the server has hung up
  bool needs_openssh = false;      ///< one of them is beyond this libssh2, and not beyond the system's ssh
};
/// The host's keys in order, or the agent's and the usual ones.
void try_keys(_LIBSSH2_SESSION* session, const HostAccess& host, Tried& tried);
/// The host's password, in the way that the server offers.
void try_password(_LIBSSH2_SESSION* session, const HostAccess& host, const std::string& offered, Tried& tried);

/// Of an OpenSSH blob: its first string, the type.
std::string key_type(std::string_view blob);

}  // namespace pgcluster::executor
