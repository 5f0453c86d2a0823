#include "executor/ssh/libssh2_tunnel.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <pgcluster/base/error.hpp>

namespace pgcluster::executor {

int SshTunnel::open(const HostAccess& host, Clock::time_point deadline) {
  stream_ = hop_.stream_to(host, deadline);
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
    throw Error(Code::internal, std::string("cannot create a pair of sockets: ") + std::strerror(errno));
  far_end_ = ends[1];
  // The thread blocks all signals: they must reach the threads of the library's user.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { carry(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return ends[0];
}

SshTunnel::~SshTunnel() {
  hop_.shut();  // so that the thread does not wait for the hop
  if (far_end_ >= 0) ::shutdown(far_end_, SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
  if (far_end_ >= 0) ::close(far_end_);
}

void SshTunnel::carry() noexcept {
  try {
    std::string out, in;  // to the host, from it
    std::array<char, 65'536> buffer;
    bool ended = false;
    while (!ended || !in.empty()) {
      bool moved = false;
      if (out.empty()) {
        const ssize_t size = ::recv(far_end_, buffer.data(), buffer.size(), 0);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) break;
        if (size > 0) out.assign(buffer.data(), static_cast<std::size_t>(size));
      }
      if (!out.empty()) {
        const std::size_t taken = stream_->take(out);
        out.erase(0, taken);
        moved = taken > 0;
      }
      if (in.empty() && !ended) {
        auto come = stream_->come();
        in = std::move(come.out);
        ended = come.eof;
        moved |= !in.empty();
      }
      if (!in.empty()) {
        const ssize_t size = ::send(far_end_, in.data(), in.size(), MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN && errno != EINTR) break;
        if (size > 0) in.erase(0, static_cast<std::size_t>(size));
      }
      // poll(2) does not show bytes that libssh2 has buffered: wait only if none were moved.
      if (moved) continue;
      const bool listen = !ended && (in.empty() || !out.empty());
      std::array<pollfd, 2> fds{
          {{far_end_, static_cast<short>((out.empty() ? POLLIN : 0) | (in.empty() ? 0 : POLLOUT)), 0}, {listen ? hop_.fd() : -1, POLLIN, 0}}};
      ::poll(fds.data(), fds.size(), 1'000);
    }
  } catch (...) {
    // The connection broke or was cancelled. The session at the other end sees the end of the connection.
  }
  ::shutdown(far_end_, SHUT_RDWR);
}

}  // namespace pgcluster::executor
