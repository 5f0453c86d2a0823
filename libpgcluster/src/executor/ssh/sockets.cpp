#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <pgcluster/base/error.hpp>

#include "base/joined.hpp"
#include "base/url.hpp"
#include "executor/ssh/connection.hpp"

namespace pgcluster::executor {

using namespace std::chrono_literals;

std::string shown(const HostAccess& host) { return host.user + "@" + net::host_port(host.address, host.port); }

bool is_own_address(const std::string& address) {
  in_addr v4{};
  in6_addr v6{};
  const bool is_v4 = ::inet_pton(AF_INET, address.c_str(), &v4) == 1;
  if (!is_v4 && ::inet_pton(AF_INET6, address.c_str(), &v6) != 1) return false;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return false;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(all, ::freeifaddrs);
  for (const ifaddrs* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr) continue;
    if (is_v4 && one->ifa_addr->sa_family == AF_INET &&
        std::memcmp(&reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, &v4, sizeof v4) == 0)
      return true;
    if (!is_v4 && one->ifa_addr->sa_family == AF_INET6 &&
        std::memcmp(&reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr, &v6, sizeof v6) == 0)
      return true;
  }
  return false;
}

std::string shown_jump(const HostAccess& host) {
  return joined(host.jump, ",", [](const Hop& hop) { return to_string(hop); });
}

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

void Socket::adopt(int fd) {
  {
    const std::lock_guard lock(sockets_.mutex_);
    sockets_.open_.erase(this);
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
    shut_ = false;
    sockets_.open_.insert(this);
  }
  sockets_.check();
}

int Socket::wait(int events, Clock::time_point until) const {
  for (;;) {
    sockets_.check();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    pollfd entry{fd_, static_cast<short>(events), 0};
    // A cancel shuts the socket down, which ends the wait. The short waits are for the moment before it is connected.
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
    // On a machine that has only loopback addresses, AI_ADDRCONFIG would hide them.
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
    // Keepalives detect a host that disappeared within half a minute, also while we only wait.
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
    return;
  }
  throw unreachable(why, "is the host up, sshd listening on port " + port + ", and no firewall in between?");
}

}  // namespace pgcluster::executor
