#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include <pgcluster/executor/ssh.hpp>

#include "shell.hpp"

extern char** environ;

inline bool have_sshd() {
  static const bool have = ::geteuid() == 0 && ::access("/usr/sbin/sshd", X_OK) == 0 && ::access("/usr/bin/setpriv", X_OK) == 0 &&
                           std::system("command -v ssh-keygen >/dev/null") == 0;
  if (!have) MESSAGE("skipped: needs root, /usr/sbin/sshd, setpriv and ssh-keygen");
  return have;
}

inline const pgcluster::Program kHello{.asks = {{"pg1", pgcluster::Exec{{"echo", "hi"}}}}};

// A real sshd on loopback, with keys of its own.
class Sshd {
 public:
  explicit Sshd(const std::string& more = "", const std::string& at = "127.0.0.1") : address(at), more_(more) {
    keygen("host", "ed25519");
    keygen("ecdsa", "ecdsa");
    keygen("key", "ed25519");
    keygen("stranger", "ed25519");
    std::filesystem::copy_file(path("key.pub"), path("authorized_keys"));
    port = free_port();
    scratch.put("known_hosts", "[" + address + "]:" + std::to_string(port) + " " + scratch.get("host.pub"));
    std::filesystem::create_directories("/run/sshd");
    start();
  }
  ~Sshd() { stop(); }
  Sshd(const Sshd&) = delete;
  Sshd& operator=(const Sshd&) = delete;

  void start() {
    // The first value of a setting holds.
    scratch.put("sshd_config", more_ + "Port " + std::to_string(port) + "\nListenAddress " + address + "\nHostKey " + path("host") + "\nHostKey " +
                                   path("ecdsa") + "\nAuthorizedKeysFile " + path("authorized_keys") +
                                   "\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
                                   "KbdInteractiveAuthentication no\nPrintMotd no\n");
    const std::string config = path("sshd_config"), log = path("sshd.log");
    // It goes when the test does, however that ends.
    std::vector<const char*> argv{"/usr/bin/setpriv", "--pdeathsig", "KILL",      "/usr/sbin/sshd", "-D", "-f",
                                  config.c_str(),     "-E",          log.c_str(), nullptr};
    // Nothing of it may keep the test's own output open.
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const int fd : {1, 2}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
    const std::size_t before = scratch.get("sshd.log").size();  // of one that was stopped
    REQUIRE(::posix_spawn(&pid, argv[0], &actions, nullptr, const_cast<char**>(argv.data()), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 2000; ++i) {
      if (scratch.get("sshd.log").find("Server listening", before) != std::string::npos) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("sshd does not start: " << scratch.get("sshd.log"));
  }
  void stop() {
    if (pid <= 0) return;
    cut();
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
  // No further connection is accepted; those that are established go on.
  void refuse() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
  // Kills the processes that serve connections, and only them: children of our sshd.
  int cut() const {
    int killed = 0;
    std::ifstream children("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
    for (pid_t child = 0; children >> child;) {
      // In two processes where privileges are separated for a user; as root the child itself.
      ::kill(child, SIGKILL);
      ++killed;
    }
    return killed;
  }

  pgcluster::HostAccess access() const {
    pgcluster::HostAccess host{.name = "pg1", .address = address, .port = port, .user = "root"};
    host.private_keys = {path("key")};
    host.known_hosts = {path("known_hosts")};
    host.agent = false;
    return host;
  }
  pgcluster::SshOptions options() const {
    pgcluster::SshOptions options;
    options.run_directory = scratch.places.run;
    options.state_directory = scratch.places.state;
    options.need_systemd = false;
    return options;
  }
  std::string path(const std::string& name) const { return scratch.path(name); }

  // In its log, whoever wrote it there.
  bool logged(const std::string& text) const { return scratch.get("sshd.log").find(text) != std::string::npos; }

  Scratch scratch;
  std::string address;
  int port = 0;
  pid_t pid = -1;

  // Of a passphrase that the test makes up.
  void keygen(const std::string& name, const std::string& type, const std::string& passphrase = "") const {
    REQUIRE(std::system(("ssh-keygen -q -N '" + passphrase + "' -C '' -t " + type + " -f " + path(name)).c_str()) == 0);
  }
  // Lets a key log in.
  void authorize(const std::string& name) const { scratch.put("authorized_keys", scratch.get("authorized_keys") + scratch.get(name + ".pub")); }

 private:
  static int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in bound{};
    bound.sin_family = AF_INET;
    bound.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&bound), sizeof bound) == 0);
    socklen_t size = sizeof bound;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
    ::close(fd);
    return ntohs(bound.sin_port);
  }
  std::string more_;
};

// The message of failure() where there is none.
inline const std::string kFine = "nothing was thrown";

template <class Work>
pgcluster::Failure failure(const Work& work) {
  try {
    work();
  } catch (const pgcluster::Error& error) {
    return error.failure();
  }
  return {.code = pgcluster::Code::internal, .message = kFine};
}
