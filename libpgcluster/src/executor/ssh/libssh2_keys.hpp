#pragma once

#include <string>
#include <vector>

#include <pgcluster/op/access.hpp>

struct _LIBSSH2_SESSION;

namespace pgcluster::executor {

/// The properties of a private key's file that can be read without its passphrase.
struct KeyFile {
  bool readable = false;
  bool encrypted = false;
  std::string type{};         ///< "ssh-rsa"; empty: unknown
  std::string public_blob{};  ///< raw; empty: unknown
};
KeyFile inspect_key(const std::string& path);

/// The questions of keyboard-interactive, and the password that answers each question whose answer is not echoed.
struct Questions {
  std::string password;
  int asked = 0;
};
/// The data of a session's callbacks; the session's `abstract` points to it as long as the session lives.
struct Callbacks {
  std::string* received = nullptr;  ///< where the server's first bytes are recorded
  Questions* questions = nullptr;
};

/// The result of the tries to log in.
struct Tried {
  bool in = false;
  std::vector<std::string> why{};  ///< one line for each method that failed
  bool closed = false;             ///< the server has closed the connection
  bool needs_openssh = false;      ///< this libssh2 lacks a method that the system's ssh has
};
/// Tries the keys of the host in order, or those of the agent and the default ones.
void try_keys(_LIBSSH2_SESSION* session, const HostAccess& host, Tried& tried);
/// Tries the password of the host, with a method that the server offers.
void try_password(_LIBSSH2_SESSION* session, const HostAccess& host, const std::string& offered, Tried& tried);

/// The type of a key: the first string of its OpenSSH blob.
std::string key_type(std::string_view blob);

}  // namespace pgcluster::executor
