#include "executor/program/outcome.hpp"

#include "executor/ssh/connection.hpp"

namespace pgcluster::executor {

using namespace std::chrono_literals;

std::vector<std::string> last_lines(const std::string& log) {
  std::vector<std::string> lines;
  std::string line;
  for (const char c : log + "\n") {
    if (c != '\n') {
      if (c != '\r') line += c;
      continue;
    }
    if (!line.empty()) lines.push_back(line);
    line.clear();
  }
  if (lines.size() > 10) lines.erase(lines.begin(), lines.end() - 10);
  return lines;
}

Error lost(const HostAccess& host, const Program& program, const std::string& why) {
  return Error(Failure{.code = Code::connection_lost,
                       .message = "the connection to " + shown(host) + " broke: " + why,
                       .hint = "the program on the host runs on; apply again once the host answers: it waits for that program and checks its result",
                       .host = host.name,
                       .retryable = true,
                       .state_unknown = !program.dos.empty()});
}

Error too_late(const HostAccess& host, const Program& program, std::chrono::milliseconds limit) {
  return Error(
      Failure{.code = Code::timed_out,
              .message = shown(host) + " has not finished within " + std::to_string(std::chrono::ceil<std::chrono::seconds>(limit).count()) + " s",
              .hint = "is the host stuck (disk, memory)? `cat /run/pgcluster/program` there names the process that still runs",
              .host = host.name,
              .state_unknown = !program.dos.empty()});
}

Error no_lock(const HostAccess& host, const Places& places, const std::string& log) {
  return Error(Failure{.code = Code::command_failed,
                       .message = "cannot write " + places.run + " on " + shown(host),
                       .hint = "is the disk full, or the system mounted read-only?",
                       .host = host.name,
                       .causes = {log}});
}

Error refused(const HostAccess& host, const Reader& reader) {
  const std::string& refusal = reader.refusal();
  if (refusal.starts_with("unsupported"))
    return Error(Failure{.code = Code::host_unsupported,
                         .message = shown(host) + " does not run systemd",
                         .hint = "pgcluster needs Debian with systemd as init",
                         .host = host.name});
  if (refusal.starts_with("unlocked"))
    return Error(Failure{.code = Code::connection_lost,
                         .message = "the lock of " + shown(host) + " has expired: the host received no heartbeat for too long",
                         .hint = "apply again to continue",
                         .host = host.name,
                         .retryable = true});
  if (refusal.starts_with("busy"))
    return Error(Failure{.code = Code::timed_out,
                         .message = "an older program of pgcluster still runs on " + shown(host) + " (process" + refusal.substr(4) +
                                    ") after a wait of " + std::to_string(kOrphanWait.count()) + " s",
                         .hint = "look at it on the host (`systemd-cgls`, /proc/PID/cmdline); it may be an apt that waits for something",
                         .host = host.name});
  return Error(Failure{.code = Code::command_failed,
                       .message = shown(host) + " " + refusal.substr(std::min(refusal.size(), refusal.find(' ') + 1)),
                       .hint = "is its disk full, or mounted read-only?",
                       .host = host.name});
}

Error unfinished(const HostAccess& host, const Program& program, const Reader& reader, const std::string& log) {
  if (reader.began()) {
    Failure failure = lost(host, program, "the program was killed on the host").failure();
    failure.message = "the program on " + shown(host) + " was killed before its end";
    failure.hint = "did the host shut down, or run out of memory? `journalctl -b -1 -n 50` on the host shows it";
    failure.causes = last_lines(log);
    return Error(std::move(failure));
  }
  Failure failure{
      .code = Code::host_unsupported,
      .message = "the shell on " + shown(host) + " did not run the program",
      .hint = "the login must give a POSIX shell, without a message or menu that ends it; try `ssh " + host.user + "@" + host.address + " 'echo ok'`",
      .host = host.name,
      .causes = last_lines(log)};
  if (host.user != "root" && log.find("sudo") != std::string::npos) {
    failure.code = Code::sudo_denied;
    failure.message = shown(host) + " may not use sudo without a password";
    failure.hint = "set ssh.sudo_password, or on the host, as root: echo '" + host.user + " ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/" + host.user +
                   " (and apt-get install sudo where it is missing), or use ssh.user: root";
  }
  return Error(std::move(failure));
}

Deadline::Deadline(const Script& script, std::uint64_t bytes)
    : limit_(60s + std::chrono::milliseconds(bytes / 50)), run_(script.limit), at_(std::chrono::steady_clock::now() + limit_) {}

std::chrono::steady_clock::time_point Deadline::at(const Reader& reader) {
  const int stage = reader.up() ? 2 : reader.began() ? 1 : 0;
  if (stage > stage_) {
    stage_ = stage;
    limit_ = stage == 1 ? std::chrono::milliseconds(kOrphanWait + 30s) : run_;
    at_ = std::chrono::steady_clock::now() + limit_;
  }
  return at_;
}

void keep_tail(std::string& log, std::string_view more) {
  log += more;
  if (log.size() > 128U << 10) log.erase(0, log.size() - (64U << 10));
}

}  // namespace pgcluster::executor
