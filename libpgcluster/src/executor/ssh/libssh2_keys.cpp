#include "executor/ssh/libssh2_keys.hpp"

#include <libssh2.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "base/paths.hpp"

namespace pgcluster::executor {
namespace {

// Reads an SSH string: 32 bits of length, then that many bytes.
std::optional<std::string> take_string(std::string_view& bytes) {
  if (bytes.size() < 4) return std::nullopt;
  std::size_t size = 0;
  for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  if (bytes.size() - 4 < size) return std::nullopt;
  std::string found(bytes.substr(4, size));
  bytes.remove_prefix(4 + size);
  return found;
}

// libssh2 before 1.11 makes RSA signatures only with SHA-1, which OpenSSH rejects since 8.8.
bool rsa_works() { return libssh2_version(0x010b00) != nullptr; }

std::string last_error(LIBSSH2_SESSION* session) {
  char* text = nullptr;
  libssh2_session_last_error(session, &text, nullptr, 0);
  return text ? text : "";
}

bool hung_up(int error) {
  return error == LIBSSH2_ERROR_SOCKET_DISCONNECT || error == LIBSSH2_ERROR_SOCKET_RECV || error == LIBSSH2_ERROR_SOCKET_SEND ||
         error == LIBSSH2_ERROR_SOCKET_NONE || error == LIBSSH2_ERROR_TIMEOUT || error == LIBSSH2_ERROR_SOCKET_TIMEOUT;
}

// Why this libssh2 cannot use such a key; empty: it can.
std::string beyond_us(const std::string& type) {
  const std::string us = "libssh2 " + std::string(libssh2_version(0));
  if (type == "ssh-rsa" && !rsa_works())
    return "is an RSA key, for which " + us + " has only SHA-1 signatures; OpenSSH takes none of those since 8.8";
  if (type.starts_with("sk-")) return "is a FIDO key (" + type + "), and " + us + " cannot ask the device";
  if (type.find("-cert-v0") != std::string::npos) return "is a certificate (" + type + "), and " + us + " cannot log in by it";
  return "";
}

class Agent {
 public:
  explicit Agent(LIBSSH2_SESSION* session) : agent_(libssh2_agent_init(session)) {
    usable_ = agent_ && libssh2_agent_connect(agent_) == 0 && libssh2_agent_list_identities(agent_) == 0;
  }
  ~Agent() {
    if (!agent_) return;
    libssh2_agent_disconnect(agent_);
    libssh2_agent_free(agent_);
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Tries the keys of the agent, or only the one with this blob. The server counts each against MaxAuthTries.
  void try_all(const std::string& user, const std::string& only, Tried& tried) {
    if (!usable_) {
      if (only.empty()) tried.why.emplace_back("there is no ssh-agent with keys");
      return;
    }
    libssh2_agent_publickey* identity = nullptr;
    libssh2_agent_publickey* previous = nullptr;
    int count = 0;
    while (count < 5 && libssh2_agent_get_identity(agent_, &identity, previous) == 0) {
      previous = identity;
      const std::string blob(reinterpret_cast<const char*>(identity->blob), identity->blob_len);
      if (!only.empty() && blob != only) continue;
      const std::string name = std::string("the agent's key ") + (identity->comment ? identity->comment : "");
      if (const auto beyond = beyond_us(key_type(blob)); !beyond.empty()) {
        tried.why.push_back(name + " " + beyond);
        tried.needs_openssh = true;
        continue;
      }
      ++count;
      const int error = libssh2_agent_userauth(agent_, user.c_str(), identity);
      tried.in = error == 0;
      if (tried.in) return;
      tried.why.push_back(name + " was not accepted");
      tried.closed = hung_up(error);
      if (tried.closed) return;
    }
    if (previous == nullptr && only.empty()) tried.why.emplace_back("the ssh-agent has no keys");
  }

 private:
  LIBSSH2_AGENT* agent_;
  bool usable_ = false;
};

void try_file(LIBSSH2_SESSION* session, const HostAccess& host, const std::string& path, bool agent, Tried& tried) {
  const KeyFile key = inspect_key(path);
  if (!key.readable) {
    tried.why.push_back("the private key " + path + " cannot be read");
    return;
  }
  if (const auto beyond = beyond_us(key.type); !beyond.empty()) {
    tried.why.push_back(path + " " + beyond);
    tried.needs_openssh = true;
    return;
  }
  if (key.encrypted) {
    if (agent && !key.public_blob.empty()) {
      Tried by_agent;
      Agent(session).try_all(host.user, key.public_blob, by_agent);
      tried.in = by_agent.in;
      tried.closed = by_agent.closed;
      if (tried.in || tried.closed) return;
    }
    if (host.passphrase.empty()) {
      tried.why.push_back(path + " has a passphrase: load it into the agent (ssh-add " + path + "), or set ssh.passphrase");
      return;
    }
  }
  const int error = libssh2_userauth_publickey_fromfile_ex(session, host.user.c_str(), static_cast<unsigned>(host.user.size()), nullptr, path.c_str(),
                                                           key.encrypted ? host.passphrase.reveal().c_str() : nullptr);
  tried.in = error == 0;
  if (tried.in) return;
  tried.closed = hung_up(error);
  std::error_code bad;
  if (error != LIBSSH2_ERROR_AUTHENTICATION_FAILED && error != LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED) {
    tried.why.push_back(key.encrypted && !tried.closed
                            ? "the key " + path + " cannot be decrypted: is ssh.passphrase right? (" + last_error(session) + ")"
                            : "the key " + path + " could not be used: " + last_error(session));
  } else if (std::filesystem::exists(path + "-cert.pub", bad)) {
    tried.why.push_back("the key " + path + " was not accepted without its certificate, and libssh2 " + libssh2_version(0) +
                        " cannot log in by that");
    tried.needs_openssh = true;
  } else {
    tried.why.push_back("the key " + path + " was not accepted");
  }
}

}  // namespace

std::string key_type(std::string_view blob) { return take_string(blob).value_or(""); }

KeyFile inspect_key(const std::string& path) {
  KeyFile key;
  std::ifstream file(path, std::ios::binary);
  if (!file) return key;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  key.readable = !text.empty();
  if (text.find("BEGIN RSA PRIVATE KEY") != std::string::npos) key.type = "ssh-rsa";
  key.encrypted = text.find("ENCRYPTED") != std::string::npos;
  static constexpr std::string_view begin = "-----BEGIN OPENSSH PRIVATE KEY-----";
  const auto from = text.find(begin);
  const auto to = text.find("-----END", from == std::string::npos ? 0 : from + 1);
  if (from == std::string::npos || to == std::string::npos) return key;
  std::string body;
  for (const char c : text.substr(from + begin.size(), to - from - begin.size()))
    if (c != '\n' && c != '\r' && c != ' ') body += c;
  const auto decoded = from_base64(body);
  static constexpr std::string_view magic("openssh-key-v1\0", 15);
  if (!decoded || !decoded->starts_with(magic)) return key;
  std::string_view rest = std::string_view(*decoded).substr(magic.size());
  const auto cipher = take_string(rest);
  take_string(rest);  // the key derivation, and its options
  take_string(rest);
  if (rest.size() < 4) return key;
  rest.remove_prefix(4);  // the number of keys, which is one
  key.encrypted = cipher && *cipher != "none";
  key.public_blob = take_string(rest).value_or("");
  key.type = key_type(key.public_blob);
  return key;
}

void try_keys(LIBSSH2_SESSION* session, const HostAccess& host, Tried& tried) {
  const auto done = [&] { return tried.in || tried.closed; };
  if (!host.private_keys.empty()) {
    for (const std::string& path : host.private_keys) {
      try_file(session, host, expand_home(path), host.agent, tried);
      if (done()) return;
    }
    return;
  }
  if (host.agent) {
    Agent(session).try_all(host.user, "", tried);
    if (done()) return;
  }
  bool any = false;
  for (const char* name : {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa", "~/.ssh/id_ed25519_sk", "~/.ssh/id_ecdsa_sk"}) {
    const std::string path = expand_home(name);
    std::error_code bad;
    if (!std::filesystem::exists(path, bad)) continue;
    any = true;
    try_file(session, host, path, false, tried);
    if (done()) return;
  }
  if (!any) tried.why.emplace_back("there is neither ~/.ssh/id_ed25519 nor ~/.ssh/id_ecdsa");
}

namespace {

void answer(const char*, int, const char*, int, int count, const LIBSSH2_USERAUTH_KBDINT_PROMPT* prompts, LIBSSH2_USERAUTH_KBDINT_RESPONSE* responses,
            void** abstract) {
  Questions* questions = static_cast<Callbacks*>(*abstract)->questions;
  for (int i = 0; i < count; ++i) {
    if (prompts[i].echo != 0) continue;
    ++questions->asked;
    responses[i].text = ::strdup(questions->password.c_str());  // libssh2 frees it
    responses[i].length = responses[i].text ? static_cast<unsigned>(questions->password.size()) : 0;
  }
}

}  // namespace

void try_password(LIBSSH2_SESSION* session, const HostAccess& host, const std::string& offered, Tried& tried) {
  const auto size = static_cast<unsigned>(host.user.size());
  // `offered` is a list: "publickey,password,keyboard-interactive".
  const auto offers = [list = "," + offered + ","](const std::string& method) { return list.find("," + method + ",") != std::string::npos; };
  int error = 0;
  if (offers("password")) {
    const std::string& password = host.password.reveal();
    error = libssh2_userauth_password_ex(session, host.user.c_str(), size, password.c_str(), static_cast<unsigned>(password.size()), nullptr);
  } else if (offers("keyboard-interactive")) {
    Questions questions{host.password.reveal()};
    auto* callbacks = static_cast<Callbacks*>(*libssh2_session_abstract(session));
    callbacks->questions = &questions;
    error = libssh2_userauth_keyboard_interactive_ex(session, host.user.c_str(), size, answer);
    callbacks->questions = nullptr;
    if (error != 0 && questions.asked != 1 && !hung_up(error)) {
      tried.why.push_back("keyboard-interactive asked " + std::to_string(questions.asked) + " hidden questions, and a password answers one");
      return;
    }
  } else {
    tried.why.push_back("it takes no password, only: " + offered);
    return;
  }
  tried.in = error == 0;
  if (tried.in) return;
  tried.closed = hung_up(error);
  tried.why.emplace_back(error == LIBSSH2_ERROR_PASSWORD_EXPIRED ? "the password has expired: log in once, and change it"
                                                                 : "the password was not accepted");
}

}  // namespace pgcluster::executor
