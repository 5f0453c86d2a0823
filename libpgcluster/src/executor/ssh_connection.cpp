#include "executor/ssh_connection.hpp"

#include <fcntl.h>
#include <libssh2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>

#include <pgcluster/base/error.hpp>

#include "executor/known_hosts.hpp"
#include "executor/ssh_keys.hpp"

namespace pgcluster::executor {

using namespace std::chrono_literals;

std::string shown(const HostAccess& host) { return host.user + "@" + host.address + ":" + std::to_string(host.port); }

void Sockets::cancel() noexcept {
  cancelled_ = true;
  const std::lock_guard lock(mutex_);
  for (Socket* socket : open_) socket->shut();
  changed_.notify_all();
}

void Sockets::check() const {
  if (cancelled_) throw Error(Code::cancelled, "cancelled");
}

void Sockets::sleep(std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return cancelled_.load(); });
  lock.unlock();
  check();
}

Sockets::Login::Login(Sockets& sockets) : sockets_(sockets) {
  std::unique_lock lock(sockets_.mutex_);
  sockets_.changed_.wait(lock, [this] { return sockets_.cancelled_ || sockets_.logins_ > 0; });
  sockets_.check();
  --sockets_.logins_;
}

Sockets::Login::~Login() {
  const std::lock_guard lock(sockets_.mutex_);
  ++sockets_.logins_;
  sockets_.changed_.notify_all();
}

Socket::~Socket() {
  const std::lock_guard lock(sockets_.mutex_);
  sockets_.open_.erase(this);
  if (fd_ >= 0) ::close(fd_);
}

void Socket::shut() noexcept {
  shut_ = true;
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

int Socket::wait(int events, Clock::time_point until) const {
  for (;;) {
    sockets_.check();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    pollfd entry{fd_, static_cast<short>(events), 0};
    // A cancel wakes us by shutting the socket; the slices are for the moment before it is connected.
    const int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 200)));
    if (ready > 0) {
      sockets_.check();
      return entry.revents;
    }
    if (ready < 0 && errno != EINTR) throw Broken{std::string("poll: ") + std::strerror(errno)};
    if (left <= 0ms) return 0;
  }
}

void Socket::connect(const HostAccess& host, Clock::time_point deadline) {
  auto unreachable = [&](const std::string& why, const std::string& hint) {
    return Error(Failure{
        .code = Code::host_unreachable, .message = "cannot reach " + shown(host) + ": " + why, .hint = hint, .host = host.name, .retryable = true});
  };
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(host.port);
  int error = ::getaddrinfo(host.address.c_str(), port.c_str(), &wanted, &list);
  if (error == EAI_NONAME || error == EAI_ADDRFAMILY) {
    // On a machine with no address but loopback, AI_ADDRCONFIG hides what is there.
    wanted.ai_flags = AI_NUMERICSERV;
    error = ::getaddrinfo(host.address.c_str(), port.c_str(), &wanted, &list);
  }
  if (error != 0) throw unreachable(std::string("its name cannot be resolved: ") + ::gai_strerror(error), "check the address in the spec, and DNS");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  std::string why = "no address";
  for (const addrinfo* address = list; address; address = address->ai_next) {
    {
      const std::lock_guard lock(sockets_.mutex_);
      sockets_.open_.erase(this);
      if (fd_ >= 0) ::close(fd_);
      shut_ = false;
      fd_ = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol);
      if (fd_ < 0) {
        why = std::strerror(errno);
        continue;
      }
      sockets_.open_.insert(this);
    }
    sockets_.check();
    if (::connect(fd_, address->ai_addr, address->ai_addrlen) != 0) {
      int failed = errno;
      if (failed == EINPROGRESS) {
        failed = ETIMEDOUT;
        if (wait(POLLOUT, deadline) != 0) {
          socklen_t size = sizeof failed;
          ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &failed, &size);
        }
      }
      if (failed != 0) {
        why = std::strerror(failed);
        continue;
      }
    }
    auto set = [this](int level, int name, int value) { ::setsockopt(fd_, level, name, &value, sizeof value); };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    // A host that has gone without a word is noticed within half a minute, also while we only wait for it.
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
    return;
  }
  throw unreachable(why, "is the host up, sshd listening on port " + port + ", and no firewall in between?");
}

namespace {

// sshd hangs up before it says anything (MaxStartups, PerSourcePenalties), or says only why.
struct Refusal {
  std::string why;
};

void wait_for_banner(const Socket& socket, Clock::time_point deadline, const HostAccess& host) {
  if (socket.wait(POLLIN, deadline) == 0)
    throw Error(Failure{.code = Code::host_unreachable,
                        .message = "cannot reach " + shown(host) + ": something listens there, but has not said that it is an ssh server",
                        .hint = "is that sshd's port, and is the host not overloaded or out of memory?",
                        .host = host.name,
                        .retryable = true});
  std::array<char, 256> bytes{};
  const ssize_t size = ::recv(socket.fd(), bytes.data(), bytes.size(), MSG_PEEK);
  if (size <= 0) throw Refusal{"sshd closed the connection before its banner"};
  const std::string_view said(bytes.data(), static_cast<std::size_t>(size));
  if (said.starts_with("Exceeded MaxStartups") || said.starts_with("Not allowed at this time"))
    throw Refusal{"sshd said \"" + std::string(said.substr(0, said.find_first_of("\r\n"))) + "\""};
}

std::chrono::milliseconds jittered(std::chrono::milliseconds time) {
  thread_local std::minstd_rand random(std::random_device{}());
  return time + std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(0, time.count() / 2)(random));
}

const char* no_memory = "libssh2 gives no session: out of memory";

}  // namespace

SshConnection::SshConnection(const HostAccess& host, Sockets& sockets) : socket_(sockets) {
  static std::once_flag once;
  static int broken = 0;
  std::call_once(once, [] { broken = libssh2_init(0); });
  if (broken != 0) throw Error(Code::internal, "libssh2 cannot be initialised");
  // The penalties of sshd last 15 s at least, those of MaxStartups no time at all.
  static constexpr std::array<std::chrono::milliseconds, 3> pauses{400ms, 2'000ms, 16'000ms};
  for (std::size_t attempt = 0;; ++attempt) {
    try {
      const Sockets::Login login(sockets);
      const auto deadline = Clock::now() + host.connect_timeout;
      socket_.connect(host, deadline);
      wait_for_banner(socket_, deadline, host);
      handshake(host, deadline);
      try {
        check_key(host);
        log_in(host);
      } catch (...) {
        libssh2_session_disconnect(session_, "");
        socket_.shut();
        libssh2_session_free(session_);
        session_ = nullptr;
        throw;
      }
      return;
    } catch (const Broken& refusal) {
      throw Error(Failure{
          .code = Code::host_unreachable, .message = "cannot reach " + shown(host) + ": " + refusal.why, .host = host.name, .retryable = true});
    } catch (const Refusal& refusal) {
      sockets.check();
      if (attempt == pauses.size())
        throw Error(Failure{.code = Code::host_unreachable,
                            .message = "cannot reach " + shown(host) + ": " + refusal.why + ", " + std::to_string(attempt + 1) + " times",
                            .hint = "sshd does so to a source with failed logins (PerSourcePenalties) or with too many logins at once (MaxStartups): "
                                    "wait a minute, see `journalctl -u ssh` on the host, and check that the private key is right",
                            .host = host.name,
                            .retryable = true});
    }
    sockets.sleep(jittered(pauses[attempt]));
  }
}

SshConnection::~SshConnection() {
  if (!session_) return;
  libssh2_session_set_blocking(session_, 1);
  libssh2_session_set_timeout(session_, 1'000);
  if (!socket_.is_shut()) libssh2_session_disconnect(session_, "");
  socket_.shut();  // so that nothing below waits for an answer
  libssh2_session_free(session_);
}

std::string SshConnection::last_error() const {
  char* text = nullptr;
  libssh2_session_last_error(session_, &text, nullptr, 0);
  return text && *text ? text : "the connection is closed";
}

void SshConnection::handshake(const HostAccess& host, Clock::time_point deadline) {
  session_ = libssh2_session_init();
  if (!session_) throw Error(Code::internal, no_memory);
  auto drop = [this] {
    socket_.shut();
    libssh2_session_free(session_);
    session_ = nullptr;
  };
  libssh2_session_set_blocking(session_, 1);
  const auto left = std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count(), 2'000);
  libssh2_session_set_timeout(session_, static_cast<long>(left));
  // A host has several keys. Ask for one that we know: else it shows another one, which looks like a stranger's.
  std::vector<std::string> known;
  try {
    std::vector<std::string> paths;
    for (const std::string& path : host.known_hosts) paths.push_back(expand_home(path));
    known = KnownHosts(paths).types(host.address, host.port);
  } catch (...) {
    drop();
    throw;
  }
  // Only names that this libssh2 knows: it takes others out of the list by a memcpy onto itself.
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
  for (const std::string& method : wanted) order += (order.empty() ? "" : ",") + method;
  libssh2_session_method_pref(session_, LIBSSH2_METHOD_HOSTKEY, order.c_str());
  const int error = libssh2_session_handshake(session_, socket_.fd());
  if (error == 0) return;
  const bool silent = libssh2_session_banner_get(session_) == nullptr;
  const std::string why = last_error();
  drop();
  if (silent) throw Refusal{"sshd closed the connection before its banner"};
  throw Error(
      Failure{.code = Code::host_unreachable,
              .message = "cannot begin ssh with " + shown(host) + ": " + why,
              .hint = error == LIBSSH2_ERROR_KEX_FAILURE || error == LIBSSH2_ERROR_METHOD_NONE
                          ? "the server and libssh2 " + std::string(libssh2_version(0)) +
                                " have no algorithm in common; compare `sshd -T` on the host (kexalgorithms, hostkeyalgorithms, ciphers, macs)"
                          : "see `journalctl -u ssh` on the host",
              .host = host.name,
              .retryable = error != LIBSSH2_ERROR_KEX_FAILURE && error != LIBSSH2_ERROR_METHOD_NONE});
}

void SshConnection::check_key(const HostAccess& host) {
  std::size_t size = 0;
  int type_number = 0;
  const char* key = libssh2_session_hostkey(session_, &size, &type_number);
  if (!key) throw Error(Failure{.code = Code::host_key_unknown, .message = shown(host) + " has shown no host key", .host = host.name});
  const std::string blob(key, size);
  const std::string type = key_type(blob);
  std::vector<std::string> paths;
  for (const std::string& path : host.known_hosts) paths.push_back(expand_home(path));
  const auto found = KnownHosts(paths).check(host.address, host.port, type, blob);
  const std::string shows = "its " + type + " key has the fingerprint " + fingerprint(blob);
  const std::string name = host.port == 22 ? host.address : "[" + host.address + "]:" + std::to_string(host.port);
  const std::string first = paths.empty() ? "known_hosts" : paths[0];
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
        KnownHosts::append(paths[0], host.address, host.port, type, blob);
        return;
      }
      fail(Code::host_key_unknown, "the host key of " + shown(host) + " is not known: " + shows,
           "compare it with `ssh-keygen -lf /etc/ssh/ssh_host_" + std::string(type == "ssh-ed25519" ? "ed25519" : "ecdsa") +
               "_key.pub` on the host's console; is it the same: ssh-keyscan -p " + std::to_string(host.port) + " " + host.address + " >>" + first +
               ", or let pgcluster trust a first contact by ssh.host_key: accept-new");
      break;
    case Verdict::authority:
      fail(Code::host_key_unknown, "the host key of " + shown(host) + " would have to be signed by the authority in " + found.where + "; " + shows,
           "pgcluster cannot check certificates of hosts: add the plain key, ssh-keyscan -p " + std::to_string(host.port) + " " + host.address +
               " >>" + first);
      break;
    case Verdict::revoked:
      fail(Code::host_key_changed, shown(host) + " shows a key that " + found.where + " says is revoked: " + fingerprint(blob),
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
  const std::string offered = methods;
  if (offered.find("publickey") == std::string::npos)
    throw Error(Failure{.code = Code::auth_failed,
                        .message = shown(host) + " takes no keys, only: " + offered,
                        .hint = "allow PubkeyAuthentication for this user in sshd_config",
                        .host = host.name});
  bool closed = false;
  const auto why = try_keys(session_, host, closed);
  if (why.empty()) return;
  std::vector<std::string> causes = why;
  if (closed) causes.emplace_back("then the server hung up: " + last_error());
  throw Error(Failure{.code = Code::auth_failed,
                      .message = "cannot log in as " + shown(host) + (why.size() == 1 ? ": " + why[0] : ": no key was accepted"),
                      .hint = "try `ssh -p " + std::to_string(host.port) + " " + host.user + "@" + host.address +
                              "`; the public key must stand in ~" + host.user + "/.ssh/authorized_keys on the host; set ssh.private_key in the spec",
                      .host = host.name,
                      .causes = causes});
}

std::unique_ptr<SshConnection::Channel> SshConnection::exec(const std::string& command) {
  if (socket_.is_shut()) throw Broken{"the connection is closed"};
  libssh2_session_set_blocking(session_, 1);
  libssh2_session_set_timeout(session_, 20'000);
  LIBSSH2_CHANNEL* opened = libssh2_channel_open_session(session_);
  if (!opened) throw Broken{last_error()};
  auto channel = std::make_unique<Channel>(*this, opened);
  if (libssh2_channel_exec(opened, command.c_str()) != 0) throw Broken{last_error()};
  return channel;
}

SshConnection::Channel::~Channel() {
  LIBSSH2_SESSION* session = connection_->session_;
  libssh2_session_set_blocking(session, 1);
  libssh2_session_set_timeout(session, 5'000);
  libssh2_channel_free(channel_);
}

void SshConnection::Channel::send_eof() {
  libssh2_session_set_blocking(connection_->session_, 1);
  libssh2_session_set_timeout(connection_->session_, 20'000);
  if (libssh2_channel_send_eof(channel_) != 0) throw Broken{connection_->last_error()};
}

// A call of which bytes are still to be sent is finished before any other: libssh2 has one packet buffer a session, and two senders
// spoil it. That is what its blocking mode does, too; but here deadlines and cancel hold.
int SshConnection::Channel::finish(const std::function<long()>& call, Clock::time_point deadline) {
  LIBSSH2_SESSION* session = connection_->session_;
  libssh2_session_set_blocking(session, 0);
  for (int again = 0;;) {
    const long result = call();
    if (result != LIBSSH2_ERROR_EAGAIN) return static_cast<int>(result);
    const int directions = libssh2_session_block_directions(session);
    if (directions == LIBSSH2_SESSION_BLOCK_INBOUND) return LIBSSH2_ERROR_EAGAIN;
    // Before 1.11.2 the directions may be missing; then try again soon, and a second time leave it to the caller.
    if (directions == 0 && again++ > 0) return LIBSSH2_ERROR_EAGAIN;
    const int events = POLLIN | ((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0 ? POLLOUT : 0);
    const auto until = directions == 0 ? std::min(deadline, Clock::now() + 100ms) : deadline;
    if (connection_->socket_.wait(events, until) == 0 && Clock::now() >= deadline) throw Broken{"the host takes no more data"};
  }
}

bool SshConnection::Channel::write(std::string_view bytes, Clock::time_point deadline, const Idle& idle) {
  while (!bytes.empty()) {
    const auto chunk = bytes.substr(0, 32'000);
    const int written = finish([&] { return static_cast<long>(libssh2_channel_write(channel_, chunk.data(), chunk.size())); }, Clock::now() + 60s);
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      if (idle) idle();
      connection_->socket_.wait(POLLOUT, Clock::now());  // sees a cancel
      continue;
    }
    if (written != LIBSSH2_ERROR_EAGAIN && written != 0) throw Broken{connection_->last_error()};
    // Its window is full: the host is busy. What it says meanwhile waits in libssh2.
    if (Clock::now() >= deadline) return false;
    if (idle) idle();
    const auto state = connection_->socket_.wait(POLLIN, std::min(deadline, Clock::now() + 1s));
    if (written == 0 && (state & (POLLHUP | POLLERR)) != 0) throw Broken{"the host closed the connection"};
    if (libssh2_channel_eof(channel_) == 1) throw Broken{"the host does not read the program"};
  }
  return true;
}

SshConnection::Channel::Read SshConnection::Channel::read(Clock::time_point until, const Idle& idle) {
  Read read;
  std::array<char, 32'768> buffer;
  for (;;) {
    // Both streams, always: they share one window, and what nobody reads of one of them stops the other.
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
    // While one stream was read, something for the other one may have been put aside; the socket says nothing of that any more.
    if (libssh2_poll_channel_read(channel_, 0) == 1 || libssh2_poll_channel_read(channel_, 1) == 1) continue;
    if (libssh2_channel_eof(channel_) == 1) {
      read.eof = true;
      return read;
    }
    if (!read.out.empty() || !read.err.empty()) return read;
    if (idle && idle()) continue;  // libssh2 may have put aside what came while we sent
    if (Clock::now() >= until) return read;
    const int state = connection_->socket_.wait(POLLIN, std::min(until, Clock::now() + 1s));
    if ((state & (POLLHUP | POLLERR)) != 0 && (state & POLLIN) == 0) throw Broken{"the connection was closed"};
  }
}

}  // namespace pgcluster::executor
