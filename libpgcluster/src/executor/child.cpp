#include "executor/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include <pgcluster/base/error.hpp>

extern char** environ;

namespace pgcluster::executor {

using namespace std::chrono_literals;

Child::Child(std::vector<std::string> argv, int in, int err, const std::map<std::string, std::string>& more) {
  std::array<int, 2> out_pipe{-1, -1}, err_pipe{-1, -1};
  if (::pipe2(out_pipe.data(), O_CLOEXEC) != 0 || (err < 0 && ::pipe2(err_pipe.data(), O_CLOEXEC) != 0)) {
    const int failed = errno;
    for (const int fd : out_pipe)
      if (fd >= 0) ::close(fd);
    throw Error(Code::internal, std::string("no pipe: ") + std::strerror(failed));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out_pipe[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err < 0 ? err_pipe[1] : err, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> variables;
  for (char** variable = environ; variable && *variable; ++variable) {
    const std::string text(*variable);
    if (!more.contains(text.substr(0, text.find('=')))) variables.push_back(text);
  }
  for (const auto& [name, value] : more) variables.push_back(name + "=" + value);
  std::vector<char*> words, environment;
  for (std::string& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  const int failed = ::posix_spawnp(&pid_, words[0], &actions, &attributes, words.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(out_pipe[1]);
  if (err < 0) ::close(err_pipe[1]);
  out_ = out_pipe[0];
  err_ = err_pipe[0];
  for (const int fd : {out_, err_})
    if (fd >= 0) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  if (failed == 0) return;
  pid_ = -1;
  close();
  throw Error(Code::host_unreachable, "cannot run " + argv[0] + ": " + std::strerror(failed),
              failed == ENOENT ? "install it: apt-get install " + std::string(argv[0] == "ssh" ? "openssh-client" : argv[0]) : "");
}

Child::~Child() {
  close();
  if (pid_ <= 0 || wait(0ms)) return;
  ::kill(pid_, SIGTERM);
  if (wait(2s)) return;
  ::kill(pid_, SIGKILL);
  wait(2s);
}

void Child::close() noexcept {
  for (int* fd : {&out_, &err_}) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
}

bool Child::read(std::string& out, std::string& err, std::chrono::milliseconds time) {
  std::array<pollfd, 2> fds{{{out_, POLLIN, 0}, {err_, POLLIN, 0}}};
  if (::poll(fds.data(), fds.size(), static_cast<int>(time.count())) > 0) {
    std::array<char, 65'536> buffer;
    const auto take = [&](int& fd, short events, std::string& into) {
      if (fd < 0 || events == 0) return;
      const ssize_t size = ::read(fd, buffer.data(), buffer.size());
      if (size > 0) into.append(buffer.data(), static_cast<std::size_t>(size));
      if (size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR))) return;
      ::close(fd);
      fd = -1;
    };
    take(out_, fds[0].revents, out);
    take(err_, fds[1].revents, err);
  }
  return out_ >= 0 || err_ >= 0;
}

std::optional<int> Child::wait(std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (!status_) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (ended < 0 && errno != EINTR) status_ = 127;  // the process was reaped elsewhere
    if (status_ || std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(1ms);
  }
  return status_;
}

SocketPair::SocketPair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw Error(Code::internal, std::string("cannot create a pair of sockets: ") + std::strerror(errno));
  ours_ = ends[0];
  theirs_ = ends[1];
  ::fcntl(ours_, F_SETFL, O_NONBLOCK);  // only our end: programs expect a blocking one
}

SocketPair::~SocketPair() {
  if (ours_ >= 0) ::close(ours_);
  close_theirs();
}

int SocketPair::take_ours() noexcept { return std::exchange(ours_, -1); }

void SocketPair::close_theirs() noexcept {
  if (theirs_ >= 0) ::close(theirs_);
  theirs_ = -1;
}

}  // namespace pgcluster::executor
