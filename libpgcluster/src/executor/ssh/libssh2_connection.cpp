#include "executor/ssh/libssh2_connection.hpp"

#include <libssh2.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

#include <pgcluster/base/error.hpp>

#include "base/joined.hpp"
#include "base/paths.hpp"
#include "executor/ssh/known_hosts.hpp"
#include "executor/ssh/libssh2_keys.hpp"
#include "executor/ssh/libssh2_tunnel.hpp"
#include "executor/ssh/offer.hpp"

namespace pgcluster::executor {

using namespace std::chrono_literals;

namespace {

void wait_for_banner(const Socket& socket, Clock::time_point deadline, const HostAccess& host) {
  if (socket.wait(POLLIN, deadline) == 0)
    throw Error(Failure{.code = Code::host_unreachable,
                        .message = "cannot reach " + shown(host) + ": the port is open, but no ssh server has answered",
                        .hint = "is that sshd's port, and is the host not overloaded or out of memory?",
                        .host = host.name,
                        .retryable = true});
  std::array<char, 256> bytes{};
  const ssize_t size = ::recv(socket.fd(), bytes.data(), bytes.size(), MSG_PEEK);
  if (size <= 0) throw Refusal{shown(host), "sshd closed the connection before its banner"};
  const std::string_view said(bytes.data(), static_cast<std::size_t>(size));
  if (said.starts_with("Exceeded MaxStartups") || said.starts_with("Not allowed at this time"))
    throw Refusal{shown(host), "sshd said \"" + std::string(said.substr(0, said.find_first_of("\r\n"))) + "\""};
}

const char* no_memory = "libssh2 gives no session: out of memory";

}  // namespace

SshConnection::SshConnection(std::span<const HostAccess> way, Sockets& sockets) : socket_(sockets) {
  static std::once_flag once;
  static int broken = 0;
  std::call_once(once, [] { broken = libssh2_init(0); });
  if (broken != 0) throw Error(Code::internal, "libssh2 cannot be initialised");
  const HostAccess& host = way.back();
  const auto hops = way.first(way.size() - 1);
  if (!hops.empty()) {
    try {
      tunnel_ = std::make_unique<SshTunnel>(hops, sockets);
    } catch (const Error& error) {
      Failure failure = error.failure();
      // Each connection of the way passes the error on; only the last one knows the destination.
      static constexpr std::string_view what = "a hop on the way to ";
      if (!failure.causes.empty() && failure.causes.back().starts_with(what)) failure.causes.pop_back();
      failure.causes.push_back(std::string(what) + shown(host));
      throw Error(std::move(failure));
    }
  }
  try {
    const Sockets::Login login(sockets);
    const auto deadline = Clock::now() + host.connect_timeout;
    if (tunnel_)
      socket_.adopt(tunnel_->open(host, deadline));
    else
      socket_.connect(host, deadline);
    wait_for_banner(socket_, deadline, host);
    handshake(host, deadline);
    check_key(host);
    log_in(host);
  } catch (const Broken& failed) {
    drop();
    throw Error(
        Failure{.code = Code::host_unreachable, .message = "cannot reach " + shown(host) + ": " + failed.why, .host = host.name, .retryable = true});
  } catch (...) {
    drop();
    throw;
  }
}

SshConnection::~SshConnection() { drop(); }

void SshConnection::drop() noexcept {
  if (!session_) return;
  libssh2_session_set_blocking(session_, 1);
  libssh2_session_set_timeout(session_, 1'000);
  if (!socket_.is_shut()) libssh2_session_disconnect(session_, "");
  socket_.shut();  // so that the calls below do not wait for the host
  libssh2_session_free(session_);
  session_ = nullptr;
}

std::string SshConnection::last_error() const {
  char* text = nullptr;
  libssh2_session_last_error(session_, &text, nullptr, 0);
  return text && *text ? text : "the connection is closed";
}

namespace {

std::vector<std::string> known_hosts_of(const HostAccess& host) {
  std::vector<std::string> paths;
  for (const std::string& path : host.known_hosts) paths.push_back(expand_home(path));
  return paths;
}

// The name and port of the host in known_hosts. An alias has no port.
std::pair<std::string, int> known_as(const HostAccess& host) {
  if (!host.host_key_alias.empty()) return {host.host_key_alias, 22};
  return {host.address, host.port};
}

}  // namespace

namespace {

// Records the first bytes that the server sends.
ssize_t recording_recv(libssh2_socket_t socket, void* buffer, std::size_t length, int flags, void** abstract) {
  const ssize_t size = ::recv(socket, buffer, length, flags);
  if (size < 0) return -errno;
  constexpr std::size_t enough = 16U << 10;
  if (std::string* bytes = static_cast<Callbacks*>(*abstract)->received; bytes && bytes->size() < enough)
    bytes->append(static_cast<const char*>(buffer), static_cast<std::size_t>(size));
  return size;
}

Algorithms known_algorithms(LIBSSH2_SESSION* session) {
  Algorithms known;
  for (const auto& [kind, method] : {std::pair{"kexalgorithms", LIBSSH2_METHOD_KEX}, std::pair{"hostkeyalgorithms", LIBSSH2_METHOD_HOSTKEY},
                                     std::pair{"ciphers", LIBSSH2_METHOD_CRYPT_CS}, std::pair{"macs", LIBSSH2_METHOD_MAC_CS}}) {
    const char** names = nullptr;
    const int count = libssh2_session_supported_algs(session, method, &names);
    known[kind].assign(names, names + std::max(count, 0));
    if (names) libssh2_free(session, names);
  }
  return known;
}

}  // namespace

void SshConnection::handshake(const HostAccess& host, Clock::time_point deadline) {
  std::string received;
  session_ = libssh2_session_init_ex(nullptr, nullptr, nullptr, &callbacks_);
  if (!session_) throw Error(Code::internal, no_memory);
  libssh2_session_set_blocking(session_, 1);
  const auto left = std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count(), 2'000);
  libssh2_session_set_timeout(session_, static_cast<long>(left));
  // A host has several keys. Request the type of a known one; another key of the host would look like a changed key.
  const auto [name, port] = known_as(host);
  const std::vector<std::string> known = KnownHosts(known_hosts_of(host)).types(name, port);
  // Only names that this libssh2 knows: it would remove others with a memcpy of overlapping memory, which is undefined.
  const char** supported = nullptr;
  const int count = libssh2_session_supported_algs(session_, LIBSSH2_METHOD_HOSTKEY, &supported);
  const std::vector<std::string> all(supported, supported + std::max(count, 0));
  if (supported) libssh2_free(session_, supported);
  std::vector<std::string> wanted;
  auto add = [&](const std::string& method) {
    if (std::find(all.begin(), all.end(), method) != all.end() && std::find(wanted.begin(), wanted.end(), method) == wanted.end())
      wanted.push_back(method);
  };
  auto add_type = [&](const std::string& type) {
    if (type == "ssh-rsa")
      for (const char* method : {"rsa-sha2-512", "rsa-sha2-256"}) add(method);
    add(type);
  };
  for (const std::string& type : known) add_type(type);
  for (const char* type : {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"}) add_type(type);
  std::string order;
  for (const std::string& method : wanted) append(order, method, ",");
  libssh2_session_method_pref(session_, LIBSSH2_METHOD_HOSTKEY, order.c_str());
#if LIBSSH2_VERSION_NUM >= 0x010b01
  libssh2_session_callback_set2(session_, LIBSSH2_CALLBACK_RECV, reinterpret_cast<libssh2_cb_generic*>(&recording_recv));
#else
  libssh2_session_callback_set(session_, LIBSSH2_CALLBACK_RECV, reinterpret_cast<void*>(&recording_recv));
#endif
  callbacks_.received = &received;
  const int error = libssh2_session_handshake(session_, socket_.fd());
  callbacks_.received = nullptr;
  if (error == 0) return;
  const bool silent = libssh2_session_banner_get(session_) == nullptr;
  const std::string why = last_error();
  socket_.shut();
  if (silent) throw Refusal{shown(host), "sshd closed the connection before its banner"};
  const std::string differ = nothing_in_common(read_offer(received), known_algorithms(session_));
  const bool no_algorithm = !differ.empty() || error == LIBSSH2_ERROR_KEX_FAILURE || error == LIBSSH2_ERROR_METHOD_NONE;
  const std::string us = "libssh2 " + std::string(libssh2_version(0));
  throw Error(Failure{.code = Code::host_unreachable,
                      .message = "cannot begin ssh with " + shown(host) + ": " +
                                 (differ.empty() ? why : "the server and " + us + " have no algorithm in common: " + differ),
                      .hint = !no_algorithm ? "see `journalctl -u ssh` on the host"
                                            : "set ssh.transport: openssh for this host: the system's ssh client knows more algorithms than " + us +
                                                  "; or allow more in its sshd_config (kexalgorithms, hostkeyalgorithms, ciphers, macs)",
                      .host = host.name,
                      .retryable = !no_algorithm});
}

void SshConnection::check_key(const HostAccess& host) {
  std::size_t size = 0;
  int type_number = 0;
  const char* key = libssh2_session_hostkey(session_, &size, &type_number);
  if (!key) throw Error(Failure{.code = Code::host_key_unknown, .message = shown(host) + " has shown no host key", .host = host.name});
  const std::string blob(key, size);
  const std::string type = key_type(blob);
  const std::vector<std::string> paths = known_hosts_of(host);
  const auto [known_name, known_port] = known_as(host);
  const auto found = KnownHosts(paths).check(known_name, known_port, type, blob);
  const std::string shows = "its " + type + " key has the fingerprint " + fingerprint(blob);
  const std::string name = known_port == 22 ? known_name : "[" + known_name + "]:" + std::to_string(known_port);
  const std::string first = paths.empty() ? "known_hosts" : paths[0];
  // ssh-keyscan cannot use hops.
  const std::string learn = tunnel_ || !host.host_key_alias.empty()
                                ? "log in once by `ssh" + (tunnel_ ? " -J " + shown_jump(host) : "") + " -p " + std::to_string(host.port) +
                                      " -o UserKnownHostsFile=" + first + " " + host.user + "@" + host.address + "`, which asks"
                                : "ssh-keyscan -p " + std::to_string(host.port) + " " + host.address + " >>" + first;
  auto fail = [&](Code code, const std::string& message, const std::string& hint) {
    throw Error(Failure{.code = code, .message = message, .hint = hint, .host = host.name});
  };
  switch (found.verdict) {
    case Verdict::known:
      return;
    case Verdict::unknown:
      if (host.accept_new_host_key) {
        if (paths.empty())
          fail(Code::host_key_unknown, "there is no known_hosts file to note the new key of " + shown(host) + " in",
               "set ssh.known_hosts in the spec");
        KnownHosts::append(paths[0], known_name, known_port, type, blob);
        return;
      }
      fail(Code::host_key_unknown, "the host key of " + shown(host) + " is not known: " + shows,
           "compare it with `ssh-keygen -lf /etc/ssh/ssh_host_" + std::string(type == "ssh-ed25519" ? "ed25519" : "ecdsa") +
               "_key.pub` on the host's console; is it the same: " + learn + ", or let pgcluster trust a first contact by ssh.host_key: accept-new");
      break;
    case Verdict::authority:
      fail(Code::host_key_unknown, "the host key of " + shown(host) + " must be signed by the certificate authority in " + found.where + "; " + shows,
           "libssh2 cannot check certificates of hosts: set ssh.transport: openssh, which can, or add the plain key: " + learn);
      break;
    case Verdict::revoked:
      fail(Code::host_key_changed, shown(host) + " shows a host key that is marked as revoked in " + found.where + ": " + fingerprint(blob),
           "somebody else may pretend to be the host; do not log in until you know why it still has that key");
      break;
    case Verdict::changed:
      fail(Code::host_key_changed, "the host key of " + shown(host) + " is not the one in " + found.where + ": now " + shows,
           "either the host was installed anew, or somebody else pretends to be it; if you know that it was the former: ssh-keygen -R '" + name +
               "' -f " + first);
      break;
  }
}

void SshConnection::log_in(const HostAccess& host) {
  const char* methods = libssh2_userauth_list(session_, host.user.c_str(), static_cast<unsigned>(host.user.size()));
  if (!methods) {
    if (libssh2_userauth_authenticated(session_) == 1) return;
    const std::string why = last_error();
    throw Error(Failure{.code = Code::host_unreachable,
                        .message = shown(host) + " hung up before the login: " + why,
                        .hint = "see `journalctl -u ssh` on the host",
                        .host = host.name,
                        .retryable = true});
  }
  std::string offered = methods;
  const bool offers_tickets = offered.find("gssapi") != std::string::npos;
  const bool with_password = !host.password.empty();
  Tried tried;
  if (offered.find("publickey") != std::string::npos) {
    // If a password is set, do not offer the keys of the agent: sshd would count them as failed logins.
    if (!host.private_keys.empty() || !with_password) try_keys(session_, host, tried);
  } else if (!with_password) {
    tried.why.push_back(offered.empty() ? "it lets this user log in by no means at all (PermitRootLogin, AllowUsers?)"
                                        : "it takes no keys, only: " + offered);
    tried.needs_openssh = offers_tickets;
    if (tried.needs_openssh) tried.why.back() += "; libssh2 has no GSSAPI";
  }
  if (!tried.in && !tried.closed && with_password) {
    // If a key was accepted but is not enough, the server names the further methods.
    if (!tried.why.empty())
      if (const char* rest = libssh2_userauth_list(session_, host.user.c_str(), static_cast<unsigned>(host.user.size()))) offered = rest;
    try_password(session_, host, offered, tried);
  }
  if (tried.in) return;
  // A server closes the connection after many tries. If it does so at the first one, or is silent, the cause is the network or a reboot.
  const int error = libssh2_session_last_errno(session_);
  if (tried.closed && (error == LIBSSH2_ERROR_TIMEOUT || error == LIBSSH2_ERROR_SOCKET_TIMEOUT || tried.why.size() < 2))
    throw Error(Failure{.code = Code::host_unreachable,
                        .message = shown(host) + " stopped answering during the login: " + last_error(),
                        .hint = "is the network slow, or is the host just rebooting? try again",
                        .host = host.name,
                        .retryable = true});
  if (tried.closed) tried.why.push_back("then the server hung up: " + last_error());
  const std::string address = host.user + "@" + host.address;
  std::string hint = "try `ssh -p " + std::to_string(host.port) + (tunnel_ ? " -J " + shown_jump(host) : "") + " " + address + "`; ";
  if (tried.needs_openssh)
    hint = "set ssh.transport: openssh for this host: the system's ssh client can do what libssh2 " + std::string(libssh2_version(0)) + " cannot";
  else if (offered.find("publickey") == std::string::npos)
    hint += with_password ? "is ssh.password right, and ssh.user?" : "set ssh.password, or allow PubkeyAuthentication in sshd_config";
  else if (with_password)
    hint += "are ssh.user, ssh.private_key and ssh.password right?";
  else
    hint += "the public key must stand in ~" + host.user + "/.ssh/authorized_keys on the host; set ssh.private_key in the spec";
  if (!tried.needs_openssh && offers_tickets) hint += "; it takes tickets, too (gssapi-with-mic): libssh2 has no GSSAPI, ssh.transport: openssh has";
  throw Error(Failure{.code = Code::auth_failed,
                      .message = "cannot log in as " + shown(host) +
                                 (tried.why.size() == 1 ? ": " + tried.why[0]
                                  : with_password       ? ""
                                                        : ": no key was accepted"),
                      .hint = hint,
                      .host = host.name,
                      .causes = tried.why.size() == 1 ? std::vector<std::string>{} : tried.why});
}

class SshConnection::SshChannel final : public Channel, public SshConnection::Stream {
 public:
  SshChannel(SshConnection& connection, LIBSSH2_CHANNEL* channel) : connection_(&connection), channel_(channel) {}
  ~SshChannel() override;
  SshChannel(const SshChannel&) = delete;
  SshChannel& operator=(const SshChannel&) = delete;

  bool write(std::string_view bytes, Clock::time_point deadline, const Idle& idle) override;
  void send_eof() override;
  Read read(Clock::time_point until, const Idle& idle) override;
  std::size_t take(std::string_view bytes) override;
  Read come() override { return read(Clock::now(), {}); }

 private:
  int finish(const std::function<long()>& call, Clock::time_point deadline);
  SshConnection* connection_;
  LIBSSH2_CHANNEL* channel_;
};

std::unique_ptr<Channel> SshConnection::exec(const std::string& command) {
  if (socket_.is_shut()) throw Broken{"the connection is closed"};
  libssh2_session_set_blocking(session_, 1);
  libssh2_session_set_timeout(session_, 20'000);
  LIBSSH2_CHANNEL* opened = libssh2_channel_open_session(session_);
  if (!opened && libssh2_session_last_errno(session_) == LIBSSH2_ERROR_CHANNEL_FAILURE) throw NoSession{{last_error()}};
  if (!opened) throw Broken{last_error()};
  auto channel = std::make_unique<SshChannel>(*this, opened);
  if (libssh2_channel_exec(opened, command.c_str()) != 0) throw Broken{last_error()};
  return channel;
}

std::unique_ptr<SshConnection::Stream> SshConnection::stream_to(const HostAccess& host, Clock::time_point deadline) {
  libssh2_session_set_blocking(session_, 1);
  const auto left = std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count(), 2'000);
  libssh2_session_set_timeout(session_, static_cast<long>(left));
  LIBSSH2_CHANNEL* opened = libssh2_channel_direct_tcpip_ex(session_, host.address.c_str(), host.port, "127.0.0.1", 22);
  if (!opened)
    throw Error(Failure{.code = Code::host_unreachable,
                        .message = "cannot reach " + shown(host) + " through " + shown_jump(host) + ": the last hop says: " + last_error(),
                        .hint = "is the host up, does the hop reach it, and does sshd of the hop allow it (AllowTcpForwarding, PermitOpen)?",
                        .host = host.name,
                        .retryable = true});
  return std::make_unique<SshChannel>(*this, opened);
}

SshConnection::SshChannel::~SshChannel() {
  LIBSSH2_SESSION* session = connection_->session_;
  libssh2_session_set_blocking(session, 1);
  libssh2_session_set_timeout(session, 5'000);
  libssh2_channel_free(channel_);
}

void SshConnection::SshChannel::send_eof() {
  libssh2_session_set_blocking(connection_->session_, 1);
  libssh2_session_set_timeout(connection_->session_, 20'000);
  if (libssh2_channel_send_eof(channel_) != 0) throw Broken{connection_->last_error()};
}

// Finishes a call whose bytes are not yet all sent before any other call: libssh2 has one packet buffer for each session, which two senders would
// corrupt. The blocking mode of libssh2 does the same, but without deadlines and cancel.
int SshConnection::SshChannel::finish(const std::function<long()>& call, Clock::time_point deadline) {
  LIBSSH2_SESSION* session = connection_->session_;
  libssh2_session_set_blocking(session, 0);
  for (int again = 0;;) {
    const long result = call();
    if (result != LIBSSH2_ERROR_EAGAIN) return static_cast<int>(result);
    const int directions = libssh2_session_block_directions(session);
    if (directions == LIBSSH2_SESSION_BLOCK_INBOUND) return LIBSSH2_ERROR_EAGAIN;
    // Before 1.11.2 the directions may be missing: try again soon, and the second time return to the caller.
    if (directions == 0 && again++ > 0) return LIBSSH2_ERROR_EAGAIN;
    const int events = POLLIN | ((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0 ? POLLOUT : 0);
    const auto until = directions == 0 ? std::min(deadline, Clock::now() + 100ms) : deadline;
    if (connection_->socket_.wait(events, until) == 0 && Clock::now() >= deadline) throw Broken{"the host no longer reads data"};
  }
}

std::size_t SshConnection::SshChannel::take(std::string_view bytes) {
  const auto chunk = bytes.substr(0, 32'000);
  const int written = finish([&] { return static_cast<long>(libssh2_channel_write(channel_, chunk.data(), chunk.size())); }, Clock::now() + 60s);
  if (written >= 0) return static_cast<std::size_t>(written);
  if (written != LIBSSH2_ERROR_EAGAIN) throw Broken{connection_->last_error()};
  return 0;
}

bool SshConnection::SshChannel::write(std::string_view bytes, Clock::time_point deadline, const Idle& idle) {
  while (!bytes.empty()) {
    const auto chunk = bytes.substr(0, 32'000);
    const int written = finish([&] { return static_cast<long>(libssh2_channel_write(channel_, chunk.data(), chunk.size())); }, Clock::now() + 60s);
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      if (idle) idle();
      connection_->socket_.wait(POLLOUT, Clock::now());  // throws if cancelled
      continue;
    }
    if (written != LIBSSH2_ERROR_EAGAIN && written != 0) throw Broken{connection_->last_error()};
    // The window is full because the host is busy. Its output meanwhile waits in libssh2.
    if (Clock::now() >= deadline) return false;
    if (idle) idle();
    const auto state = connection_->socket_.wait(POLLIN, std::min(deadline, Clock::now() + 1s));
    if (written == 0 && (state & (POLLHUP | POLLERR)) != 0) throw Broken{"the host closed the connection"};
    if (libssh2_channel_eof(channel_) == 1) throw Broken{"the host does not read the program"};
  }
  return true;
}

Channel::Read SshConnection::SshChannel::read(Clock::time_point until, const Idle& idle) {
  Read read;
  std::array<char, 32'768> buffer;
  for (;;) {
    // Always read both streams: they share one window, and unread bytes of one stop the other.
    for (const int stream : {0, SSH_EXTENDED_DATA_STDERR}) {
      for (;;) {
        const int size =
            finish([&] { return static_cast<long>(libssh2_channel_read_ex(channel_, stream, buffer.data(), buffer.size())); }, Clock::now() + 60s);
        if (size > 0) {
          (stream == 0 ? read.out : read.err).append(buffer.data(), static_cast<std::size_t>(size));
          if (read.out.size() + read.err.size() > 1U << 20) return read;
          continue;
        }
        if (size < 0 && size != LIBSSH2_ERROR_EAGAIN) throw Broken{connection_->last_error()};
        break;
      }
    }
    // Reading one stream may have buffered bytes of the other, which poll(2) on the socket does not show.
    if (libssh2_poll_channel_read(channel_, 0) == 1 || libssh2_poll_channel_read(channel_, 1) == 1) continue;
    if (libssh2_channel_eof(channel_) == 1) {
      read.eof = true;
      return read;
    }
    if (!read.out.empty() || !read.err.empty()) return read;
    if (idle && idle()) continue;  // sending may have made libssh2 buffer input
    if (Clock::now() >= until) return read;
    const int state = connection_->socket_.wait(POLLIN, std::min(until, Clock::now() + 1s));
    if ((state & (POLLHUP | POLLERR)) != 0 && (state & POLLIN) == 0) throw Broken{"the connection was closed"};
  }
}

}  // namespace pgcluster::executor
