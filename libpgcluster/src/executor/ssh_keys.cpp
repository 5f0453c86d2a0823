#include "executor/ssh_keys.hpp"

#include <libssh2.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "executor/bytes.hpp"

namespace pgcluster::executor {
namespace {

// An SSH string: 32 bits of length, then that many bytes.
std::optional<std::string> take_string(std::string_view& bytes) {
  if (bytes.size() < 4) return std::nullopt;
  std::size_t size = 0;
  for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  if (bytes.size() - 4 < size) return std::nullopt;
  std::string found(bytes.substr(4, size));
  bytes.remove_prefix(4 + size);
  return found;
}

// libssh2 signs RSA by SHA-1 only before 1.11, and OpenSSH takes no such signature since 8.8.
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

  // Tries its keys, or only the one with this blob; a server counts each against MaxAuthTries.
  bool try_all(const std::string& user, const std::string& only, std::vector<std::string>& why, bool& closed) {
    if (!usable_) {
      if (only.empty()) why.emplace_back("there is no ssh-agent with keys");
      return false;
    }
    libssh2_agent_publickey* identity = nullptr;
    libssh2_agent_publickey* previous = nullptr;
    int tried = 0;
    while (tried < 5 && libssh2_agent_get_identity(agent_, &identity, previous) == 0) {
      previous = identity;
      const std::string blob(reinterpret_cast<const char*>(identity->blob), identity->blob_len);
      if (!only.empty() && blob != only) continue;
      const std::string name = std::string("the agent's key ") + (identity->comment ? identity->comment : "");
      if (key_type(blob) == "ssh-rsa" && !rsa_works()) {
        why.push_back(name + " is an RSA key, which this libssh2 (" + libssh2_version(0) + ") cannot use with today's OpenSSH: use an ed25519 key");
        continue;
      }
      ++tried;
      const int error = libssh2_agent_userauth(agent_, user.c_str(), identity);
      if (error == 0) return true;
      why.push_back(name + " was not accepted");
      if (hung_up(error)) {
        closed = true;
        return false;
      }
    }
    if (previous == nullptr && only.empty()) why.emplace_back("the ssh-agent has no keys");
    return false;
  }

 private:
  LIBSSH2_AGENT* agent_;
  bool usable_ = false;
};

bool try_file(LIBSSH2_SESSION* session, const std::string& user, const std::string& path, bool agent, std::vector<std::string>& why, bool& closed) {
  const KeyFile key = inspect_key(path);
  if (!key.readable) {
    why.push_back("the private key " + path + " cannot be read");
    return false;
  }
  if (key.type == "ssh-rsa" && !rsa_works()) {
    why.push_back(path + " is an RSA key, which this libssh2 (" + libssh2_version(0) +
                  ") cannot use with today's OpenSSH: use an ed25519 key (ssh-keygen -t ed25519), or libssh2 1.11");
    return false;
  }
  if (key.encrypted) {
    if (agent && !key.public_blob.empty()) {
      std::vector<std::string> of_agent;
      if (Agent(session).try_all(user, key.public_blob, of_agent, closed)) return true;
      if (closed) return false;
    }
    why.push_back(path + " has a passphrase: load it into the agent (ssh-add " + path + ")");
    return false;
  }
  const int error = libssh2_userauth_publickey_fromfile_ex(session, user.c_str(), static_cast<unsigned>(user.size()), nullptr, path.c_str(), nullptr);
  if (error == 0) return true;
  closed = hung_up(error);
  if (error == LIBSSH2_ERROR_AUTHENTICATION_FAILED || error == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
    why.push_back("the key " + path + " was not accepted");
  else
    why.push_back("the key " + path + " could not be used: " + last_error(session));
  return false;
}

}  // namespace

std::string key_type(std::string_view blob) { return take_string(blob).value_or(""); }

std::string expand_home(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  std::string home;
  if (const char* set = std::getenv("HOME"); set && *set == '/') {
    home = set;
  } else {
    std::vector<char> buffer(16384);
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) home = found->pw_dir;
  }
  return home.empty() ? path : home + path.substr(1);
}

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
  rest.remove_prefix(4);  // how many keys: one
  key.encrypted = cipher && *cipher != "none";
  key.public_blob = take_string(rest).value_or("");
  key.type = key_type(key.public_blob);
  return key;
}

std::vector<std::string> try_keys(LIBSSH2_SESSION* session, const HostAccess& host, bool& closed) {
  std::vector<std::string> why;
  closed = false;
  if (!host.private_keys.empty()) {
    for (const std::string& path : host.private_keys) {
      if (try_file(session, host.user, expand_home(path), host.agent, why, closed)) return {};
      if (closed) return why;
    }
    return why;
  }
  if (host.agent) {
    if (Agent(session).try_all(host.user, "", why, closed)) return {};
    if (closed) return why;
  }
  bool any = false;
  for (const char* name : {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa"}) {
    const std::string path = expand_home(name);
    std::error_code bad;
    if (!std::filesystem::exists(path, bad)) continue;
    any = true;
    if (try_file(session, host.user, path, false, why, closed)) return {};
    if (closed) return why;
  }
  if (!any) why.emplace_back("there is neither ~/.ssh/id_ed25519 nor ~/.ssh/id_ecdsa");
  return why;
}

}  // namespace pgcluster::executor
