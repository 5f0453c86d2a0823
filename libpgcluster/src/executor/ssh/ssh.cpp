#include <pgcluster/executor/ssh.hpp>

#include <array>
#include <map>

#include <pgcluster/cloud/cloud.hpp>
#include <pgcluster/executor/local.hpp>

#include "base/digest.hpp"
#include "base/network.hpp"
#include "executor/activities.hpp"
#include "executor/program/lock.hpp"
#include "executor/program/outcome.hpp"
#include "executor/program/script.hpp"
#include "executor/program/shell.hpp"
#include "executor/ssh/config.hpp"
#include "executor/ssh/connection.hpp"
#include "op/reconnects.hpp"

namespace pgcluster {

using namespace std::chrono_literals;
using executor::Broken;
using executor::Channel;
using executor::Clock;
using executor::Connection;
using executor::NoSession;

namespace {

constexpr auto kBeat = 5s;
const Program kNothing{};

struct Host {
  HostAccess access{};
  HostAccess resolved{};  // completed by ssh_config
  std::unique_ptr<Connection> connection{};
  std::unique_ptr<Connection> second{};  // for programs: the first admits no session beside the lock, or a program needed a new connection
  std::unique_ptr<Channel> lock{};
  std::string token{};  // of the lock; kept if the lock is lost, so that no program runs without it
  Clock::time_point beaten{};
  SshStatistics statistics{};

  void drop() {
    if (connection) connection->shut();  // so that freeing a channel does not wait for the host
    if (second) second->shut();
    lock.reset();
    second.reset();
    connection.reset();
  }
};

// Whether an open connection can be used for this access. The connect timeout does not matter for it.
bool same_way(HostAccess one, const HostAccess& other) {
  one.connect_timeout = other.connect_timeout;
  return one == other;
}

// sudo prints the first on its standard error when it reads a password; the shell prints the other on its standard output when it begins.
constexpr std::string_view kPrompt = "pgcluster asks for the password of sudo:";
constexpr std::string_view kReady = "pgcluster-sudo-ready";

std::string command(const HostAccess& access, std::string_view shell, std::string_view boot) {
  if (access.user == "root") return std::string(shell) + " -c " + shell_word(boot);
  if (access.sudo_password.empty()) return "sudo -n " + std::string(shell) + " -c " + shell_word(boot);
  return "sudo -S -p " + shell_word(kPrompt) + " " + std::string(shell) + " -c " +
         shell_word("echo; echo " + std::string(kReady) + "; " + std::string(boot));
}

// A local transport is refused if this machine does not have the address of the host: the program would change the wrong machine.
void check_is_here(const HostAccess& host) {
  if (!net::is_ip(host.address) || executor::is_own_address(host.address)) return;
  throw Error(Failure{.code = Code::refused,
                      .message = host.name + " has transport: local, but this machine has no address " + host.address,
                      .hint = "run pgcluster on " + host.name + ", or remove ssh.transport of that host",
                      .host = host.name});
}

}  // namespace

class SshExecutor::Impl {
 public:
  explicit Impl(SshOptions options)
      : sockets(std::max<std::size_t>(options.logins, 1)),
        pauses(std::move(options.pauses)),
        places{options.run_directory, options.state_directory, options.need_systemd},
        local({options.run_directory, options.state_directory, options.need_systemd}) {}

  // One thread at a time uses the data of a host; only the map of hosts needs the mutex.
  Host& host(const std::string& name) {
    const std::lock_guard guard(mutex);
    return hosts[name];
  }

  void count(Host& host, std::size_t SshStatistics::*what) {
    const std::lock_guard guard(mutex);
    ++(host.statistics.*what);
  }

  Host& connected(const HostAccess& access) {
    Host& at = host(access.name);
    sockets.check();
    if (at.connection && (at.connection->is_shut() || !same_way(at.access, access))) at.drop();
    if (!at.connection) {
      const auto way = configs.way(access, sockets);
      at.resolved = way.back();
      at.connection = executor::connect(access, way, sockets, pauses);
      at.access = access;
      count(at, &SshStatistics::connections);
    }
    return at;
  }

  // Starts a shell as root. If an idle connection turns out to be dead, and it held no lock, connects again.
  std::unique_ptr<Channel> exec(const HostAccess& access, std::string_view shell, std::string_view boot) {
    for (bool fresh = false;;) {
      Host& at = host(access.name);
      fresh = fresh || !at.connection || at.connection->is_shut();
      const bool locked = at.lock != nullptr;
      connected(access);
      if (locked && !at.lock) throw Broken{"it was closed, and the lock with it"};
      try {
        auto channel = open(at, access, command(at.resolved, shell, boot));
        count(at, &SshStatistics::execs);
        if (at.resolved.user != "root" && !at.resolved.sudo_password.empty()) pass_sudo(at, *channel);
        return channel;
      } catch (const Broken&) {
        sockets.check();
        at.drop();
        if (fresh || locked) throw;
        fresh = true;
      }
    }
  }

  // Where sshd admits one session for each connection (MaxSessions 1), the lock has it, and programs get a connection of their own.
  std::unique_ptr<Channel> open(Host& at, const HostAccess& access, const std::string& line) {
    if (at.second && !at.second->is_shut()) return at.second->exec(line);
    try {
      return at.connection->exec(line);
    } catch (const NoSession&) {
      if (!at.lock) throw;
      at.second = executor::connect(access, configs.way(access, sockets), sockets, pauses);
      count(at, &SshStatistics::connections);
      return at.second->exec(line);
    }
  }

  // The password is sent only when sudo asks for it: otherwise (NOPASSWD) the shell would read it as the program. A second question means that the
  // password was wrong; further tries could lock the account.
  void pass_sudo(Host& at, Channel& channel) {
    std::string out, log;
    const Channel::Idle idle = [&] { return beat_if_due(at); };
    const auto until = Clock::now() + 30s;
    const auto denied = [&](const std::string& message, const std::string& hint) {
      return Error(
          Failure{.code = Code::sudo_denied, .message = message, .hint = hint, .host = at.resolved.name, .causes = executor::last_lines(log)});
    };
    const std::string who = executor::shown(at.resolved);
    for (bool answered = false;;) {
      const auto read = channel.read(until, idle);
      out += read.out;
      executor::keep_tail(log, read.err);
      if (out.find(kReady) != std::string::npos) return;
      const auto asked = log.find(kPrompt);
      if (asked != std::string::npos && answered)
        throw denied("sudo on " + who + " does not accept ssh.sudo_password", "is it the user's own password, and is it right?");
      if (asked != std::string::npos) {
        log.erase(asked, kPrompt.size());
        if (!channel.write(at.resolved.sudo_password.reveal() + "\n", until, idle)) throw Broken{"sudo does not read its password"};
        answered = true;
      }
      if (read.eof)
        throw denied(answered ? "sudo on " + who + " took ssh.sudo_password, but did not let the user become root, or the password is wrong"
                              : "sudo on " + who + " has ended without asking for a password",
                     "see below what it said; may the user run all commands (" + at.resolved.user + " ALL=(ALL) ALL in sudoers)?");
      if (Clock::now() >= until) throw denied("sudo on " + who + " has not let the user become root within 30 s", "try it there: sudo -k; sudo true");
    }
  }

  bool beat_if_due(Host& at) {
    if (!at.lock || Clock::now() - at.beaten < kBeat) return false;
    at.beaten = Clock::now();
    if (!at.lock->write("beat\n", Clock::now() + 20s)) throw Broken{"the lock's process does not answer"};
    return true;
  }

  std::string connecting(const HostAccess& access) {
    const Host& at = host(access.name);
    return at.connection && !at.connection->is_shut() ? "" : "connects to " + executor::shown(access);
  }

  // Runs the program over a new connection, and keeps that one for later programs. If the host accepts no new connection, no Do of the program
  // runs, and its asks are put over the established one.
  ProgramResult run_anew(const HostAccess& access, const Program& program) {
    Host& at = connected(access);
    try {
      executor::Activities::Call call(activities, access.name, "connects anew to " + executor::shown(access));
      at.second = executor::connect(access, configs.way(access, sockets), sockets, pauses);
    } catch (const Error& error) {
      if (error.code() == Code::cancelled) throw;
      ProgramResult result = run(access, {.asks = program.asks});
      result.dos.resize(program.dos.size());
      Failure failure{.code = error.code(),
                      .message = access.name + " accepts no new connection: " + error.message(),
                      .hint = "the host takes back by itself what was to be confirmed over it; see what keeps new connections out",
                      .host = access.name,
                      .causes = error.failure().causes};
      result.dos.front() = {.what = DoResult::What::failed, .failure = std::move(failure)};
      return result;
    }
    count(at, &SshStatistics::connections);
    return run(access, program);
  }

  ProgramResult run(const HostAccess& access, const Program& program) {
    const std::string nonce = random_hex(12);
    const executor::Script script = executor::render(program, nonce, places, host(access.name).token);
    executor::Reader reader(program, nonce);
    executor::Activities::Call call(activities, access.name, connecting(access));
    const auto channel = exec(access, "sh", shell::boot);
    call.now("");
    Host& at = host(access.name);
    const HostAccess& reached = at.resolved;
    std::uint64_t bytes = script.text.size();
    for (const auto& blob : script.blobs) bytes += blob.size;
    executor::Deadline deadline(script, bytes);
    const Channel::Idle idle = [&] { return beat_if_due(at); };
    std::string log;
    auto late = [&] {
      at.connection->shut();
      if (at.second) at.second->shut();
      return executor::too_late(reached, program, deadline.limit());
    };
    bool eof = false;
    auto take = [&](Clock::time_point until) {
      const auto read = channel->read(until, idle);
      reader.feed(read.out);
      call.now(reader.note());
      executor::keep_tail(log, read.err);
      eof = read.eof;
    };
    try {
      if (!channel->write(script.stdin_head(), deadline.at(reader), idle)) throw late();
      for (const auto& blob : script.blobs)
        send(
            *channel, blob, [&] { return deadline.at(reader); }, take, idle);
      channel->send_eof();
    } catch (const Broken&) {
      // A shell that refuses prints the reason before it ends (sudo, no such shell). If it prints nothing, the connection broke.
      if (at.connection->is_shut()) throw;
      while (!eof && !reader.ended()) {
        const auto before = log.size();
        take(Clock::now() + 2s);
        if (log.size() == before && !eof) throw;
      }
    }
    while (!reader.ended() && !eof && reader.refusal().empty()) {
      if (Clock::now() >= deadline.at(reader)) throw late();
      take(deadline.at(reader));
    }
    if (!reader.refusal().empty()) {
      if (reader.refusal().starts_with("unlocked")) at.lock.reset();
      throw executor::refused(reached, reader);
    }
    if (!reader.ended()) throw executor::unfinished(reached, program, reader, log);
    return reader.result();
  }

  template <class Deadline, class Take, class Idle>
  static void send(Channel& channel, const executor::Script::Blob& blob, const Deadline& deadline, const Take& take, const Idle& idle) {
    executor::read_blob(blob, [&](std::string_view rest) {
      // Writes and reads alternate: the frames that come meanwhile move the deadline.
      while (!rest.empty()) {
        const auto piece = rest.substr(0, 256U << 10);
        if (!channel.write(piece, deadline(), idle)) throw Broken{"it no longer reads data"};
        rest.remove_prefix(piece.size());
        take(Clock::now());
      }
      return true;
    });
  }

  std::optional<LockHolder> lock(const HostAccess& access, const LockHolder& us) {
    {
      Host& at = host(access.name);
      if (at.lock && at.connection->is_shut()) at.drop();
      if (at.lock) unlock(at);
    }
    executor::Activities::Call call(activities, access.name, connecting(access));
    auto channel = exec(access, "bash", shell::lock_boot);
    call.now("takes the lock");
    Host& at = host(access.name);
    if (!channel->write(executor::lock_script(us.who, us.since, us.token, places), Clock::now() + 20s)) throw Broken{"it takes no data"};
    const auto deadline = Clock::now() + 60s;
    std::string said, log;
    for (;;) {
      const auto read = channel->read(deadline);
      said += read.out;
      executor::keep_tail(log, read.err);
      if (const auto answer = executor::read_lock_answer(said)) {
        if (answer->what == executor::LockAnswer::What::held) return answer->holder;
        if (answer->what == executor::LockAnswer::What::broken) throw executor::no_lock(access, places, log);
        at.lock = std::move(channel);
        at.token = us.token;
        at.beaten = Clock::now();
        return std::nullopt;
      }
      if (read.eof) {
        const executor::Reader nothing(kNothing, "-");
        throw executor::unfinished(access, kNothing, nothing, log);
      }
      if (Clock::now() >= deadline) {
        at.connection->shut();
        throw executor::too_late(access, kNothing, 60s);
      }
    }
  }

  void beat(const HostAccess& access) {
    Host& at = host(access.name);
    if (!at.lock || at.connection->is_shut()) throw Broken{"the lock is not held any more"};
    if (at.lock->read(Clock::now()).eof) throw Broken{"the process that holds the lock has ended"};
    at.beaten = Clock::now() - kBeat;
    beat_if_due(at);
  }

  static void unlock(Host& at) {
    at.token.clear();
    if (!at.lock) return;
    if (at.lock->write("unlock\n", Clock::now() + 5s)) {
      const auto deadline = Clock::now() + 5s;
      while (!at.lock->read(deadline).eof && Clock::now() < deadline) {
      }
    }
    at.lock.reset();
  }

  executor::Sockets sockets;
  executor::SshConfigs configs;
  std::vector<std::chrono::milliseconds> pauses;
  executor::Places places;
  executor::Activities activities;
  LocalExecutor local;  // for a host that is this machine
  CloudExecutor cloud;
  mutable std::mutex mutex;
  std::map<std::string, Host> hosts;
};

SshExecutor::SshExecutor(SshOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

SshExecutor::~SshExecutor() {
  for (auto& [name, at] : impl_->hosts) at.drop();
}

namespace {

// A broken connection is dropped, and reported with the code of the contract.
template <class Impl, class Work>
auto guarded(Impl& impl, const HostAccess& access, const Program& program, const Work& work) {
  try {
    return work();
  } catch (const Broken& broken) {
    impl.host(access.name).drop();
    if (impl.sockets.cancelled()) throw Error(Code::cancelled, "cancelled").with(access.name);
    throw executor::lost(access, program, broken.why);
  } catch (const Error& error) {
    if (error.code() == Code::cancelled || error.code() == Code::timed_out) impl.host(access.name).drop();
    throw error.with(access.name);
  }
}

}  // namespace

ProgramResult SshExecutor::run(const HostAccess& host, const Program& program) {
  if (host.transport == Transport::cloud) return impl_->cloud.run(host, program);
  if (host.transport == Transport::local) {
    check_is_here(host);
    return impl_->local.run(host, program);
  }
  const bool anew = !program.dos.empty() && reconnects(program.dos.front());
  return guarded(*impl_, host, program, [&] { return anew ? impl_->run_anew(host, program) : impl_->run(host, program); });
}

std::optional<LockHolder> SshExecutor::lock(const HostAccess& host, const LockHolder& us) {
  if (host.transport == Transport::cloud) return impl_->cloud.lock(host, us);
  if (host.transport == Transport::local) {
    check_is_here(host);
    return impl_->local.lock(host, us);
  }
  return guarded(*impl_, host, kNothing, [&] { return impl_->lock(host, us); });
}

void SshExecutor::beat(const HostAccess& host) {
  if (host.transport == Transport::cloud) return;
  if (host.transport == Transport::local) return impl_->local.beat(host);
  guarded(*impl_, host, kNothing, [&] { impl_->beat(host); });
}

void SshExecutor::unlock(const HostAccess& host) noexcept {
  if (host.transport == Transport::cloud) return;
  if (host.transport == Transport::local) return impl_->local.unlock(host);
  try {
    Impl::unlock(impl_->host(host.name));
  } catch (...) {
    impl_->host(host.name).drop();  // the host releases the lock when the connection ends
  }
}

void SshExecutor::cancel() noexcept {
  impl_->sockets.cancel();
  impl_->local.cancel();
  impl_->cloud.cancel();
}
void SshExecutor::resume() noexcept {
  impl_->sockets.resume();
  impl_->local.resume();
  impl_->cloud.resume();
}

std::vector<Activity> SshExecutor::activities() const {
  std::vector<Activity> all = impl_->activities.list();
  for (Activity& one : impl_->local.activities()) all.push_back(std::move(one));
  return all;
}

SshStatistics SshExecutor::statistics(const std::string& host) const {
  const std::lock_guard guard(impl_->mutex);
  const auto found = impl_->hosts.find(host);
  return found == impl_->hosts.end() ? SshStatistics{} : found->second.statistics;
}

}  // namespace pgcluster
