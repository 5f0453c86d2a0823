#include "executor/ssh/openssh_connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <utility>

#include <pgcluster/base/error.hpp>

#include "executor/ssh/shell.hpp"

namespace pgcluster::executor {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view kIn = "pgcluster-is-in";
constexpr std::string_view kAsks = "-asks-for ";

// Only a client of the master: it must never connect by itself.
std::vector<std::string> client(const std::string& socket, const std::string& command) {
  return {"ssh", "-F", "none", "-S", socket,      "-o",   "ControlMaster=no", "-o", "ProxyCommand=false", "-o", "BatchMode=yes",
          "-T",  "-a", "-x",   "--", "pgcluster", command};
}

std::string random_word() {
  std::random_device device;
  char text[40];
  std::snprintf(text, sizeof text, "pgcluster-%08x%08x%08x", static_cast<unsigned>(device()), static_cast<unsigned>(device()),
                static_cast<unsigned>(device()));
  return text;
}

bool ended(int fd) noexcept {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

OpensshConnection::Folder::Folder() {
  std::error_code bad;
  for (const std::string& parent : {std::filesystem::temp_directory_path(bad).string(), std::string("/tmp")}) {
    if (parent.empty() || parent.size() > 50) continue;  // the path of a socket has a maximum length
    std::string made = parent + "/pgcluster-XXXXXX";
    if (::mkdtemp(made.data())) {
      path = made;
      return;
    }
  }
  throw Error(Code::internal, std::string("cannot make a folder for ssh: ") + std::strerror(errno), "is /tmp full?");
}

OpensshConnection::Folder::~Folder() {
  std::error_code bad;
  std::filesystem::remove_all(path, bad);
}

void OpensshConnection::Folder::write(const std::string& name, const std::string& text, unsigned mode) const {
  const std::string file = path + "/" + name;
  if (!(std::ofstream(file, std::ios::binary) << text << std::flush) || ::chmod(file.c_str(), mode) != 0)
    throw Error(Code::internal, "cannot write " + file, "is the disk full?");
}

OpensshConnection::OpensshConnection(const HostAccess& host, const HostAccess& resolved, Sockets& sockets) : sockets_(sockets), control_(sockets) {
  std::string target;
  folder_.write("config", openssh_config(host, target), 0600);
  word_ = random_word();
  folder_.write("word", word_ + "\n", 0600);
  folder_.write("askpass", shell::askpass, 0700);
  const Sockets::Login login(sockets);
  SocketPair control;
  talk_ = std::make_unique<SocketPair>();
  const bool asks = !host.password.empty() || !host.passphrase.empty();
  master_ = std::make_unique<Child>(
      std::vector<std::string>{"sh",
                               "-c",
                               shell::keeper,
                               "sh",
                               "ssh",
                               "-F",
                               folder_.path + "/config",
                               "-M",
                               "-N",
                               "-T",
                               "-S",
                               folder_.path + "/socket",
                               "-o",
                               "ControlPersist=no",
                               "-o",
                               "PermitLocalCommand=yes",
                               "-o",
                               "LocalCommand=echo " + std::string(kIn),
                               "--",
                               target},
      control.theirs(), talk_->theirs(),
      std::map<std::string, std::string>{
          {"LC_ALL", "C"}, {"SHELL", "/bin/sh"}, {"SSH_ASKPASS", folder_.path + "/askpass"}, {"SSH_ASKPASS_REQUIRE", asks ? "force" : "never"}});
  control.close_theirs();
  talk_->close_theirs();
  control_.adopt(control.take_ours());
  try {
    log_in(host, resolved);
  } catch (...) {
    end();
    throw;
  }
}

OpensshConnection::~OpensshConnection() { end(); }

// The keeper ends ssh when its input is shut down. Killed by a signal, it would leave ssh running.
void OpensshConnection::end() noexcept {
  control_.shut();
  if (master_) master_->wait(2s);
}

void OpensshConnection::log_in(const HostAccess& host, const HostAccess& resolved) {
  // A FIDO device waits until a person touches it.
  const auto deadline = Clock::now() + host.connect_timeout * static_cast<int>(1 + resolved.jump.size()) + 60s;
  std::string out, said, none;
  for (bool open = true; open;) {
    open = master_->read(out, none, 20ms);
    std::array<char, 4096> buffer;
    for (ssize_t size = 0; (size = ::recv(talk_->ours(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0;)
      said.append(buffer.data(), static_cast<std::size_t>(size));
    const std::string asks = word_ + std::string(kAsks);
    for (std::size_t at = 0; (at = said.find(asks)) != std::string::npos;) {
      const auto end = said.find('\n', at);
      if (end == std::string::npos) break;
      const std::string what = said.substr(at + asks.size(), end - at - asks.size());
      said.erase(at, end + 1 - at);
      const std::string answer = (what == "passphrase" ? host.passphrase : host.password).reveal() + "\n";
      ::send(talk_->ours(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    sockets_.check();
    if (out.find(kIn) != std::string::npos) return;
    if (Clock::now() >= deadline)
      throw Error(Failure{.code = Code::host_unreachable,
                          .message = "cannot reach " + shown(resolved) + ": ssh has not logged in in time",
                          .hint = "try `ssh " + host.address + "` yourself",
                          .host = host.name,
                          .causes = {said},
                          .retryable = true});
  }
  if (auto failed = openssh_failure(resolved, said)) throw Error(std::move(*failed));
  throw Refusal{shown(resolved), "sshd closed the connection before its banner"};
}

// After the login the standard output of the client is discarded; its standard error stays open to the end.
bool OpensshConnection::is_shut() const noexcept { return control_.is_shut() || ended(talk_->ours()); }

class OpensshConnection::OpensshChannel final : public Channel {
 public:
  OpensshChannel(OpensshConnection& connection, const std::string& command)
      : connection_(connection), input_(connection.sockets_), child_(client(connection.folder_.path + "/socket", command), ends_.theirs()) {
    ends_.close_theirs();
    input_.adopt(ends_.take_ours());
  }

  bool write(std::string_view bytes, Clock::time_point deadline, const Idle& idle) override {
    while (!bytes.empty()) {
      const ssize_t size = ::send(input_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(size));
        continue;
      }
      connection_.sockets_.check();
      if (errno != EAGAIN && errno != EINTR) {
        broken_if_gone();
        throw Broken{"the host does not read the program"};
      }
      if (Clock::now() >= deadline) return false;
      if (idle) idle();
      // Read its output, so that a full pipe does not block it.
      child_.read(come_.out, come_.err, 0ms);
      input_.wait(POLLOUT, std::min(deadline, Clock::now() + 100ms));
    }
    return true;
  }

  void send_eof() override { ::shutdown(input_.fd(), SHUT_WR); }

  Read read(Clock::time_point until, const Idle& idle) override {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
      const bool some = !come_.out.empty() || !come_.err.empty();
      const bool open = child_.read(come_.out, come_.err, some ? 0ms : std::clamp<std::chrono::milliseconds>(left, 0ms, 200ms));
      connection_.sockets_.check();
      if (!come_.out.empty() || !come_.err.empty()) return std::exchange(come_, {});
      if (!open) {
        broken_if_gone();
        return {.out = {}, .err = {}, .eof = true};
      }
      if (idle && idle()) continue;
      if (Clock::now() >= until) return {};
    }
  }

 private:
  // 255: the command was killed, or the client lost its master, which then also ends within a moment.
  void broken_if_gone() {
    if (child_.wait(1s) == 255)
      for (int i = 0; i < 100 && !connection_.is_shut(); ++i) connection_.sockets_.sleep(10ms);
    if (!connection_.is_shut()) return;
    connection_.sockets_.check();
    throw Broken{"ssh has ended"};
  }

  OpensshConnection& connection_;
  SocketPair ends_;
  Socket input_;
  Child child_;
  Read come_;
};

std::unique_ptr<Channel> OpensshConnection::exec(const std::string& command) {
  // Read the output of the master, so that a full pipe never blocks it.
  std::array<char, 4096> said;
  while (::recv(talk_->ours(), said.data(), said.size(), MSG_DONTWAIT) > 0) continue;
  if (is_shut()) throw Broken{"the connection is closed"};
  return std::make_unique<OpensshChannel>(*this, command);
}

}  // namespace pgcluster::executor
