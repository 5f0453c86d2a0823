// The ways to log in, and the ways to a host, by libssh2: on real sshds.
#include <fcntl.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "executor/ssh/config.hpp"
#include "executor/ssh/libssh2_keys.hpp"
#include "sshd.hpp"

using namespace pgcluster;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

Failure login(const Sshd& sshd, const HostAccess& host, const std::vector<std::chrono::milliseconds>& pauses = {}) {
  auto options = sshd.options();
  options.pauses = pauses;
  SshExecutor ssh(options);
  return failure([&] {
    const auto result = ssh.run(host, kHello);
    CHECK(std::get<Output>(result.answers[0]).out == "hi\n");
  });
}

std::string all(const Failure& failed) {
  std::string text = failed.message + "\n" + failed.hint;
  for (const auto& cause : failed.causes) text += "\n" + cause;
  return text;
}
bool has(const Failure& failed, const std::string& text) { return all(failed).find(text) != std::string::npos; }

// The line of known_hosts by which the host is known.
std::string known(const Sshd& sshd, const std::string& key = "host.pub") {
  return "[" + sshd.address + "]:" + std::to_string(sshd.port) + " " + sshd.scratch.get(key);
}

// An ssh-agent of the test's own.
class Agent {
 public:
  explicit Agent(const Sshd& sshd) : sshd_(sshd) {
    if (const char* set = std::getenv("SSH_AUTH_SOCK")) before_ = set;
    const std::string socket = sshd.path("agent");
    std::vector<const char*> argv{"/usr/bin/setpriv", "--pdeathsig", "KILL", "ssh-agent", "-D", "-a", socket.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    REQUIRE(::posix_spawnp(&pid_, argv[0], &actions, nullptr, const_cast<char**>(argv.data()), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 1000 && !sshd.scratch.has("agent"); ++i) std::this_thread::sleep_for(10ms);
    ::setenv("SSH_AUTH_SOCK", socket.c_str(), 1);
  }
  ~Agent() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    if (before_.empty())
      ::unsetenv("SSH_AUTH_SOCK");
    else
      ::setenv("SSH_AUTH_SOCK", before_.c_str(), 1);
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  void add(const std::string& key) const { REQUIRE(std::system(("ssh-add -q " + sshd_.path(key) + " 2>/dev/null").c_str()) == 0); }

 private:
  const Sshd& sshd_;
  pid_t pid_ = -1;
  std::string before_;
};

}  // namespace

TEST_CASE("ssh: keys with a passphrase, several keys, the agent's keys") {
  if (!have_sshd()) return;
  Sshd sshd;
  const std::string passphrase = random_hex(8);
  for (const char* type : {"ed25519", "ecdsa"}) {
    sshd.keygen(std::string("locked-") + type, type, passphrase);
    sshd.authorize(std::string("locked-") + type);
    auto host = sshd.access();
    host.private_keys = {sshd.path("stranger"), sshd.path(std::string("locked-") + type)};
    host.passphrase = Secret{"ssh.passphrase", passphrase};
    CHECK(login(sshd, host).message == kFine);
    host.passphrase = Secret{"ssh.passphrase", "wrong"};
    const auto failed = login(sshd, host);
    CHECK(failed.code == Code::auth_failed);
    CHECK(has(failed, "is ssh.passphrase right?"));
    host.passphrase = {};
    CHECK(has(login(sshd, host), "set ssh.passphrase"));
  }
  const Agent agent(sshd);
  auto host = sshd.access();
  host.private_keys.clear();
  host.agent = true;
  CHECK(has(login(sshd, host), "the ssh-agent has no keys"));
  agent.add("stranger");
  CHECK(has(login(sshd, host), "the agent's key"));
  agent.add("key");
  CHECK(login(sshd, host).message == kFine);
  // A key with a passphrase that we do not know, but the agent has.
  sshd.keygen("both", "ed25519");
  sshd.authorize("both");
  agent.add("both");
  REQUIRE(std::system(("ssh-keygen -q -p -P '' -N secret -f " + sshd.path("both") + " >/dev/null").c_str()) == 0);
  host.private_keys = {sshd.path("both")};
  CHECK(login(sshd, host).message == kFine);
}

TEST_CASE("ssh: what libssh2 cannot do is said precisely, with the transport that can") {
  if (!have_sshd()) return;
  Sshd sshd;
  const auto told = [&](const HostAccess& host, const std::string& text) {
    const auto failed = login(sshd, host);
    CHECK(failed.code == Code::auth_failed);
    INFO(all(failed));
    CHECK(has(failed, text));
    CHECK(failed.hint.find("ssh.transport: openssh") != std::string::npos);
    CHECK_FALSE(failed.retryable);
  };
  auto host = sshd.access();
  sshd.keygen("rsa", "rsa");
  sshd.authorize("rsa");
  host.private_keys = {sshd.path("rsa")};
  told(host, "SHA-1");

  // As ssh-keygen writes a key of a device, but for what only the device has.
  const auto text = [](const std::string& bytes) {
    const auto size = static_cast<unsigned>(bytes.size());
    return std::string{static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size)} + bytes;
  };
  const std::string blob = text("sk-ssh-ed25519@openssh.com") + text(std::string(32, 'k')) + text("ssh:");
  const std::string key =
      std::string("openssh-key-v1\0", 15) + text("none") + text("none") + text("") + std::string("\0\0\0\1", 4) + text(blob) + text("");
  sshd.scratch.put("sk", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + to_base64(key) + "\n-----END OPENSSH PRIVATE KEY-----\n");
  host.private_keys = {sshd.path("sk")};
  told(host, "FIDO");

  sshd.keygen("signed", "ed25519");
  REQUIRE(std::system(("ssh-keygen -q -s " + sshd.path("stranger") + " -I test -n root " + sshd.path("signed.pub") + " 2>/dev/null").c_str()) == 0);
  host.private_keys = {sshd.path("signed")};
  told(host, "certificate");

  host = sshd.access();
  sshd.scratch.put("authority", "@cert-authority * " + sshd.scratch.get("stranger.pub"));
  host.known_hosts = {sshd.path("authority")};
  const auto failed = login(sshd, host);
  CHECK(failed.code == Code::host_key_unknown);
  CHECK(failed.hint.find("ssh.transport: openssh") != std::string::npos);
}

TEST_CASE("ssh: a password is not sent where the server takes none, and a server without keys is told") {
  if (!have_sshd()) return;
  Sshd sshd;
  auto host = sshd.access();
  host.private_keys = {sshd.path("stranger")};
  host.password = Secret{"ssh.password", random_hex(8)};
  auto failed = login(sshd, host);
  CHECK(failed.code == Code::auth_failed);
  CHECK(has(failed, "it takes no password, only: publickey"));
  CHECK_FALSE(has(failed, host.password.reveal()));
  Sshd words("PubkeyAuthentication no\nPasswordAuthentication yes\nPermitRootLogin yes\n");
  failed = login(words, words.access());
  CHECK(failed.code == Code::auth_failed);
  INFO(all(failed));
  CHECK(has(failed, "it takes no keys, only: password"));
  CHECK(has(failed, "set ssh.password"));
  // With keys, too, it may be tickets that the user has.
  Sshd tickets("GSSAPIAuthentication yes\n");
  failed = login(tickets, [&] {
    auto one = tickets.access();
    one.private_keys = {tickets.path("stranger")};
    return one;
  }());
  CHECK(failed.code == Code::auth_failed);
  CHECK(has(failed, "stranger was not accepted"));
  CHECK(has(failed, "authorized_keys"));
  CHECK(has(failed, "gssapi-with-mic"));
  CHECK(failed.hint.find("ssh.transport: openssh") != std::string::npos);
  CHECK_FALSE(has(login(sshd, host), "gssapi"));
  Sshd nothing("PubkeyAuthentication no\n");
  CHECK(has(login(nothing, nothing.access()), "by no means at all"));
}

TEST_CASE("ssh: through hops, each with its own key checked") {
  if (!have_sshd()) return;
  Sshd target, second, first;
  // One set of keys and one known_hosts for the whole way.
  for (Sshd* hop : {&second, &first}) hop->scratch.put("authorized_keys", target.scratch.get("key.pub"));
  const std::string way = known(target) + known(first) + known(second);
  target.scratch.put("known_hosts", way);
  auto host = target.access();
  host.jump = {{"127.0.0.1", first.port, "root"}};
  CHECK(login(target, host).message == kFine);
  CHECK(first.logged("Accepted publickey"));
  CHECK_FALSE(second.logged("Accepted publickey"));
  host.jump = {{"127.0.0.1", first.port, ""}, {"127.0.0.1", second.port, "root"}};

  SshExecutor ssh(target.options());
  // More than any window, both ways at once.
  std::string big(3'000'000, 'x');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * i >> 7);
  target.scratch.put("source", big);
  const Program program{.dos = {{"pg1", Upload{target.path("tool"), target.path("source"), sha256_hex(big)}},
                                {"pg1", Run{{"sh", "-c", "seq 1 100000; seq 1 100000 >&2"}}}},
                        .asks = {{"pg1", FileOf{target.path("tool")}}}};
  const auto result = ssh.run(host, program);
  CHECK(result.dos[0].what == DoResult::What::done);
  CHECK(result.dos[1].what == DoResult::What::done);
  CHECK(std::get<File>(result.answers[0]).content == big);
  CHECK(second.logged("Accepted publickey"));
  CHECK(ssh.statistics("pg1").connections == 1);
  CHECK_FALSE(ssh.lock(host, {"us", 1, "t"}));
  ssh.beat(host);

  // A hop that goes takes the connection along, and the next call makes a new one.
  const auto gone = failure([&] {
    auto slow = Program{.dos = {{"pg1", Run{{"sleep", "1"}}}}};
    slow.on_do = [&](std::size_t) { first.cut(); };
    ssh.run(host, slow);
  });
  CHECK(gone.code == Code::connection_lost);
  CHECK_FALSE(ssh.lock(host, {"us", 1, "t"}));
  CHECK(std::get<Output>(ssh.run(host, kHello).answers[0]).out == "hi\n");

  std::thread canceller;
  auto slow = Program{.dos = {{"pg1", Run{{"sleep", "3"}}}}};
  slow.on_do = [&](std::size_t) { canceller = std::thread([&] { ssh.cancel(); }); };
  const auto begin = Clock::now();
  CHECK(failure([&] { ssh.run(host, slow); }).code == Code::cancelled);
  canceller.join();
  CHECK(Clock::now() - begin < 2900ms);
}

TEST_CASE("ssh: what is wrong with a hop is said of the hop") {
  if (!have_sshd()) return;
  Sshd target, hop;
  hop.scratch.put("authorized_keys", target.scratch.get("key.pub"));
  auto host = target.access();
  host.jump = {{"127.0.0.1", hop.port, "root"}};
  const std::string name = "root@127.0.0.1:" + std::to_string(hop.port);
  auto failed = login(target, host);
  CHECK(failed.code == Code::host_key_unknown);
  CHECK(failed.message.find(name) != std::string::npos);
  CHECK(failed.host == "pg1");
  CHECK(has(failed, "a hop on the way to root@127.0.0.1:" + std::to_string(target.port)));
  target.scratch.put("known_hosts", known(target) + known(hop, "stranger.pub"));
  CHECK(login(target, host).code == Code::host_key_changed);
  // The hop is fine, what it shows as the target is not.
  target.scratch.put("known_hosts", known(hop));
  failed = login(target, host);
  CHECK(failed.code == Code::host_key_unknown);
  CHECK(failed.message.find("root@127.0.0.1:" + std::to_string(target.port)) != std::string::npos);
  CHECK(has(failed, "ssh -J root@127.0.0.1:" + std::to_string(hop.port)));
  target.scratch.put("known_hosts", known(target) + known(hop));
  CHECK(login(target, host).message == kFine);
  host.accept_new_host_key = true;
  target.scratch.put("known_hosts", "");
  CHECK(login(target, host).message == kFine);
  CHECK(target.scratch.get("known_hosts").find("]:" + std::to_string(hop.port)) != std::string::npos);
  CHECK(target.scratch.get("known_hosts").find("]:" + std::to_string(target.port)) != std::string::npos);

  hop.scratch.put("authorized_keys", "");
  host.password = Secret{"ssh.password", random_hex(8)};
  failed = login(target, host);
  CHECK(failed.code == Code::auth_failed);
  CHECK(failed.message.find(name) != std::string::npos);
  CHECK_FALSE(has(failed, "password was not accepted"));
  hop.scratch.put("authorized_keys", target.scratch.get("key.pub"));
  target.stop();
  failed = login(target, host);
  CHECK(failed.code == Code::host_unreachable);
  CHECK(has(failed, "through root@127.0.0.1:" + std::to_string(hop.port)));
  CHECK(failed.retryable);
  hop.stop();
  CHECK(login(target, host).code == Code::host_unreachable);
}

TEST_CASE("ssh: a hop that forbids forwarding is named") {
  if (!have_sshd()) return;
  Sshd target, hop("AllowTcpForwarding no\n");
  hop.scratch.put("authorized_keys", target.scratch.get("key.pub"));
  target.scratch.put("known_hosts", known(target) + known(hop));
  auto host = target.access();
  host.jump = {{"127.0.0.1", hop.port, ""}};
  const auto failed = login(target, host);
  CHECK(failed.code == Code::host_unreachable);
  CHECK(failed.hint.find("AllowTcpForwarding") != std::string::npos);
}

TEST_CASE("ssh: names that ssh_config knows") {
  if (!have_sshd()) return;
  Sshd target, hop;
  hop.scratch.put("authorized_keys", target.scratch.get("key.pub"));
  target.scratch.put("known_hosts", known(target) + known(hop) + "db-alias " + target.scratch.get("host.pub"));
  const std::string port = std::to_string(target.port);
  // Each name may be asked once only: the file notes who reads it.
  target.scratch.put("ssh_config", "Match originalhost db* exec \"echo %n >>" + target.path("asked") +
                                       "\"\nHost db1 db2\n  HostName 127.0.0.1\n  Port " + port + "\n  IdentityFile " + target.path("key") +
                                       "\n  UserKnownHostsFile " + target.path("known_hosts") +
                                       "\nHost db2\n  ProxyJump edge\nHost db3\n  HostName 127.0.0.1\n  HostKeyAlias db-alias\n"
                                       "Host edge\n  HostName 127.0.0.1\n  User root\n  Port " +
                                       std::to_string(hop.port) + "\n  IdentityFile " + target.path("key") + "\n  UserKnownHostsFile " +
                                       target.path("known_hosts") + "\nHost circle\n  ProxyJump circle2\nHost circle2\n  ProxyJump circle\n" +
                                       "Host command\n  ProxyCommand nc %h %p\nHost *\n  User nobody\n");
  const SshConfig open{target.path("ssh_config"), true, true, true, true, true};
  HostAccess host{.name = "pg1", .address = "db1"};
  host.agent = false;
  host.known_hosts = {target.path("none")};
  host.config = open;
  host.config->user = false;  // the spec says root
  SshExecutor ssh(target.options());
  CHECK(std::get<Output>(ssh.run(host, kHello).answers[0]).out == "hi\n");
  CHECK(std::get<Output>(ssh.run(host, kHello).answers[0]).out == "hi\n");
  target.cut();
  std::this_thread::sleep_for(50ms);
  CHECK(std::get<Output>(ssh.run(host, kHello).answers[0]).out == "hi\n");
  CHECK(target.scratch.get("asked") == "db1\n");
  CHECK_FALSE(hop.logged("Accepted publickey"));
  // What the file says of the user holds where the spec says nothing.
  host.config->user = true;
  CHECK(has(login(target, host), "nobody@127.0.0.1:" + port));
  host.config->user = false;

  host.address = "db2";
  CHECK(login(target, host).message == kFine);
  CHECK(hop.logged("Accepted publickey"));
  host.config->jump = false;  // the spec says: straight
  hop.stop();
  CHECK(login(target, host).message == kFine);
  hop.start();
  // A hop of the spec that ssh_config knows.
  host.address = "db1";
  host.jump = {{"edge", 0, ""}};
  CHECK(login(target, host).message == kFine);

  auto given = target.access();
  given.address = "db3";
  given.config = SshConfig{target.path("ssh_config")};
  CHECK(login(target, given).message == kFine);

  host.jump.clear();
  host.config = open;
  host.address = "circle";
  CHECK(has(login(target, host), "in a circle"));
  host.address = "command";
  const auto failed = login(target, host);
  CHECK(failed.code == Code::host_unreachable);
  CHECK(failed.hint.find("ssh.transport: openssh") != std::string::npos);
  host.config->path = target.path("nowhere");
  CHECK(has(login(target, host), "ssh.config names it"));
  target.scratch.put("broken_config", "NoSuchOption yes\n");
  host.config->path = target.path("broken_config");
  CHECK(has(login(target, host), "nosuchoption"));

  // An address is an address, whatever the file says of it.
  target.scratch.put("ssh_config", "Host 127.0.0.1\n  Port 1\n  User nobody\n");
  auto plain = target.access();
  plain.config = open;
  CHECK(login(target, plain).message == kFine);
}

TEST_CASE("ssh: what ssh -G prints, read") {
  const auto said = executor::read_ssh_said(
      "host db1\nuser admin\nhostname 10.0.0.1\nport 2222\nidentityfile /k/%r@%h:%p-%n%%\nidentityfile none\nidentityfile /other key\n"
      "userknownhostsfile /a /b\nhostkeyalias alias\nproxyjump ssh://x@edge:22,[fd00::1]:23,b\nproxycommand none\nport\n\njunk",
      "db1");
  CHECK(said.address == "10.0.0.1");
  CHECK(said.port == 2222);
  CHECK(said.user == "admin");
  CHECK(said.private_keys == std::vector<std::string>{"/k/admin@10.0.0.1:2222-db1%", "/other key"});
  CHECK(said.known_hosts == std::vector<std::string>{"/a", "/b"});
  CHECK(said.host_key_alias == "alias");
  CHECK(said.proxy_command.empty());
  CHECK(said.jump == std::vector<Hop>{{"edge", 22, "x"}, {"fd00::1", 23, ""}, {"b", 0, ""}});
  CHECK(executor::read_ssh_said("", "x").address == "x");
  for (const char* port : {"22222200", "0", "-1", "65536", "port", ""}) CHECK(executor::read_ssh_said(std::string("port ") + port, "x").port == 22);
}

TEST_CASE("ssh: IPv6 addresses, also of hops and in known_hosts") {
  if (!have_sshd()) return;
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  const bool v6 = fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&loopback), sizeof loopback) == 0;
  if (fd >= 0) ::close(fd);
  if (!v6) {
    MESSAGE("skipped: no IPv6 here");
    return;
  }
  Sshd sshd("", "::1");
  auto host = sshd.access();
  CHECK(login(sshd, host).message == kFine);
  host.address = "0:0::0:1";  // the same, written otherwise
  CHECK(login(sshd, host).message == kFine);
  host.jump = {{"::1", sshd.port, "root"}};
  CHECK(login(sshd, host).message == kFine);
  host.jump.clear();
  host.known_hosts = {sshd.path("new")};
  host.accept_new_host_key = true;
  CHECK(login(sshd, host).message == kFine);
  CHECK(sshd.scratch.get("new").starts_with("[::1]:" + std::to_string(sshd.port) + " ssh-ed25519 "));
  host.private_keys = {sshd.path("stranger")};
  CHECK(has(login(sshd, host), "root@[0:0::0:1]:" + std::to_string(sshd.port)));
}

TEST_CASE("ssh: an sshd that takes nobody for now is tried again, a few times") {
  if (!have_sshd()) return;
  Sshd sshd("MaxStartups 1:100:1\nLoginGraceTime 300\n");
  const auto occupy = [&] {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(sshd.port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    char banner = 0;
    REQUIRE(::recv(fd, &banner, 1, 0) == 1);  // it counts from here on
    return fd;
  };
  const int held = occupy();
  for (const auto transport : {Transport::libssh2, Transport::openssh}) {
    auto host = sshd.access();
    host.transport = transport;
    const auto failed = login(sshd, host, {1ms, 2ms, 3ms});
    CHECK(failed.code == Code::host_unreachable);
    CHECK(failed.retryable);
    CHECK(failed.message.find("4 times") != std::string::npos);
    CHECK(failed.hint.find("MaxStartups") != std::string::npos);
    CHECK(failed.hint.find("PerSourcePenalties") != std::string::npos);
  }
  // A wait that is cancelled ends.
  auto options = sshd.options();
  options.pauses = {600s};
  SshExecutor ssh(options);
  std::thread canceller([&] {
    for (int i = 0; i < 1000 && sshd.scratch.get("sshd.log").find("past MaxStartups") == std::string::npos; ++i) std::this_thread::sleep_for(10ms);
    ssh.cancel();
  });
  CHECK(failure([&] { ssh.run(sshd.access(), kHello); }).code == Code::cancelled);
  canceller.join();
  ::close(held);
  CHECK(login(sshd, sshd.access(), {100ms, 1s, 10s, 10s}).message == kFine);
}

TEST_CASE("ssh: the host that is this machine needs no ssh, and another is not taken for it") {
  Scratch scratch;
  SshOptions options;
  options.run_directory = scratch.places.run;
  options.state_directory = scratch.places.state;
  options.need_systemd = false;
  SshExecutor executor(options);
  HostAccess host{.name = "pg1", .address = "127.0.0.1"};
  host.transport = Transport::local;
  CHECK(std::get<Output>(executor.run(host, kHello).answers[0]).out == "hi\n");
  CHECK_FALSE(executor.lock(host, {"us", 1, "t"}));
  executor.beat(host);
  SshExecutor other(options);
  CHECK(other.lock(host, {"them", 1, "u"})->who == "us");
  executor.unlock(host);
  CHECK_FALSE(other.lock(host, {"them", 1, "u"}));
  CHECK(executor.statistics("pg1").connections == 0);
  executor.cancel();
  CHECK(failure([&] { executor.run(host, kHello); }).code == Code::cancelled);
  executor.resume();
  host.address = "192.0.2.1";
  const auto failed = failure([&] { executor.run(host, kHello); });
  CHECK(failed.code == Code::refused);
  CHECK(failed.message.find("no address 192.0.2.1") != std::string::npos);
  CHECK(failure([&] { executor.lock(host, {"us", 1, "t"}); }).code == Code::refused);
}
