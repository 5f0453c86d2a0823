// The transport by the system's ssh client: the same laws, on real sshds.
#include <atomic>
#include <cstdlib>
#include <set>
#include <thread>

#include "base/digest.hpp"
#include "executor/ssh/openssh_connection.hpp"
#include "sshd.hpp"

using namespace pgcluster;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

HostAccess access(const Sshd& sshd) {
  HostAccess host = sshd.access();
  host.transport = Transport::openssh;
  return host;
}
std::string hello(SshExecutor& ssh, const HostAccess& host) {
  const auto result = ssh.run(host, kHello);
  return std::get<Output>(result.answers[0]).out;
}
Failure openssh_login(const Sshd& sshd, const HostAccess& host) {
  auto options = sshd.options();
  options.pauses = {};
  SshExecutor ssh(options);
  return failure([&] {
    const std::string said = hello(ssh, host);
    CHECK(said == "hi\n");
  });
}

// Our folders for ssh; those of other processes may be there, too.
std::set<std::string> folders() {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path()))
    if (std::filesystem::exists(entry.path() / "askpass")) found.insert(entry.path().string());
  return found;
}
// The argv and environment of every process that has the text in its argv.
std::string processes(const std::string& text) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream line(entry.path() / "cmdline", std::ios::binary);
    const std::string argv{std::istreambuf_iterator<char>(line), {}};
    if (argv.find(text) == std::string::npos) continue;
    std::ifstream more(entry.path() / "environ", std::ios::binary);
    found += argv + "\n" + std::string{std::istreambuf_iterator<char>(more), {}} + "\n";
  }
  return found;
}
// Until it holds, or 20 s are over.
template <class Condition>
bool soon(const Condition& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

}  // namespace

TEST_CASE("openssh: programs run on one connection, kept open, and nothing of it stays") {
  if (!have_sshd()) return;
  Sshd sshd;
  const auto before = folders();
  const auto host = access(sshd);
  std::string folder;
  {
    SshExecutor ssh(sshd.options());
    std::string big(2'500'000, 'x');
    for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * i >> 7);
    sshd.scratch.put("source", big);
    std::vector<std::size_t> begun;
    const Program program{.dos = {{"pg1", WriteFile{sshd.path("x"), big.substr(0, 1'000'000)}},
                                  {"pg1", Upload{sshd.path("tool"), sshd.path("source"), sha256_hex(big)}},
                                  {"pg1", Run{{"sh", "-c", "seq 1 100000; seq 1 100000 >&2"}}}},
                          .asks = {{"pg1", FileOf{sshd.path("x")}}},
                          .on_do = [&](std::size_t i) { begun.push_back(i); }};
    const auto result = ssh.run(host, program);
    for (const auto& d : result.dos) {
      INFO(d.output.err);
      CHECK(d.what == DoResult::What::done);
    }
    CHECK(begun == std::vector<std::size_t>{0, 1, 2});
    CHECK(std::get<File>(result.answers[0]).content == big.substr(0, 1'000'000));
    CHECK(sshd.scratch.get("tool") == big);
    for (int i = 0; i < 5; ++i) CHECK(hello(ssh, host) == "hi\n");
    CHECK(ssh.statistics("pg1").connections == 1);
    CHECK(ssh.statistics("pg1").execs == 6);
    const std::string log = sshd.scratch.get("sshd.log");
    CHECK(log.find("Accepted") == log.rfind("Accepted"));
    for (const auto& one : folders())
      if (!before.contains(one)) folder = one;
    REQUIRE(!folder.empty());
    CHECK(static_cast<unsigned>(std::filesystem::status(folder).permissions()) == 0700);
    CHECK(!processes(folder).empty());
  }
  CHECK_FALSE(std::filesystem::exists(folder));
  CHECK(soon([&] { return processes(folder).empty(); }));
}

TEST_CASE("openssh: the lock is live, and is free when who held it has gone") {
  if (!have_sshd()) return;
  Sshd sshd;
  const auto host = access(sshd);
  SshExecutor two(sshd.options());
  auto one = std::make_unique<SshExecutor>(sshd.options());
  CHECK_FALSE(one->lock(host, {"root@here pid 1", 1700000000, "token1"}));
  one->beat(host);
  CHECK(hello(*one, host) == "hi\n");
  CHECK(one->statistics("pg1").connections == 1);
  const auto holder = two.lock(host, {"root@there pid 2", 1700000001, "token2"});
  REQUIRE(holder);
  CHECK(*holder == LockHolder{"root@here pid 1", 1700000000, "token1"});
  one->unlock(host);
  CHECK_FALSE(two.lock(host, {"root@there pid 2", 1700000001, "token2"}));
  two.unlock(host);
  CHECK_FALSE(one->lock(host, {"root@here pid 1", 1700000000, "token3"}));
  one.reset();
  CHECK(soon([&] { return !two.lock(host, {"root@there pid 2", 1700000001, "token4"}); }));
  sshd.cut();
  CHECK(soon([&] { return failure([&] { two.beat(host); }).code == Code::connection_lost; }));
}

TEST_CASE("openssh: a connection that is cut is told as lost; the program goes on, and the next one waits for it") {
  if (!have_sshd()) return;
  Sshd sshd;
  SshExecutor ssh(sshd.options());
  const auto host = access(sshd);
  ssh.run(host, {});
  Program program{.dos = {{"pg1", Run{{"sh", "-c", "sleep 1.5; echo done >" + sshd.path("orphan")}}}}};
  std::thread cutter;
  program.on_do = [&](std::size_t) { cutter = std::thread([&] { sshd.cut(); }); };
  const auto failed = failure([&] { ssh.run(host, program); });
  cutter.join();
  CHECK(failed.code == Code::connection_lost);
  CHECK(failed.retryable);
  CHECK(failed.state_unknown);
  CHECK_FALSE(sshd.scratch.has("orphan"));
  const auto result = ssh.run(host, {.asks = {{"pg1", Exec{{"cat", sshd.path("orphan")}}}}});
  CHECK(std::get<Output>(result.answers[0]).out == "done\n");
  CHECK(ssh.statistics("pg1").connections == 2);
  // A program that is killed on the host is not a connection that broke: the next one goes by the same.
  auto killed = Program{.dos = {{"pg1", Run{{"sh", "-c", "kill -9 $(cat " + sshd.scratch.places.run + "/program)"}}}}};
  CHECK(failure([&] { ssh.run(host, killed); }).message.find("was killed before its end") != std::string::npos);
  CHECK(hello(ssh, host) == "hi\n");
}

TEST_CASE("openssh: a cancel ends the wait at once, and holds until it is taken back") {
  if (!have_sshd()) return;
  Sshd sshd;
  SshExecutor ssh(sshd.options());
  const auto host = access(sshd);
  std::thread canceller;
  Program program{.dos = {{"pg1", Run{{"sleep", "3"}}}}};
  const auto begin = Clock::now();
  program.on_do = [&](std::size_t) { canceller = std::thread([&] { ssh.cancel(); }); };
  CHECK(failure([&] { ssh.run(host, program); }).code == Code::cancelled);
  canceller.join();
  CHECK(Clock::now() - begin < 2900ms);
  CHECK(failure([&] { ssh.run(host, {}); }).code == Code::cancelled);
  ssh.resume();
  CHECK_NOTHROW(ssh.run(host, {}));
}

TEST_CASE("openssh: keys that libssh2 cannot use, and certificates on both sides") {
  if (!have_sshd()) return;
  Sshd sshd;
  auto host = access(sshd);
  sshd.keygen("rsa", "rsa");
  sshd.authorize("rsa");
  host.private_keys = {sshd.path("rsa")};
  CHECK(openssh_login(sshd, host).message == kFine);

  // An authority of users, and one of hosts.
  sshd.keygen("authority", "ed25519");
  sshd.keygen("signed", "ed25519");
  const std::string sign = "ssh-keygen -q -s " + sshd.path("authority") + " -I test ";
  REQUIRE(std::system((sign + "-n root " + sshd.path("signed.pub") + " 2>/dev/null").c_str()) == 0);
  REQUIRE(std::system((sign + "-h -n 127.0.0.1 " + sshd.path("host.pub") + " 2>/dev/null").c_str()) == 0);
  sshd.scratch.put("authorized_keys", "cert-authority " + sshd.scratch.get("authority.pub"));
  host.private_keys = {sshd.path("signed")};
  CHECK(openssh_login(sshd, host).message == kFine);
  Sshd certified("HostKey " + sshd.path("host") + "\nHostCertificate " + sshd.path("host-cert.pub") +
                 "\nHostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com\n");
  auto other = access(certified);
  certified.scratch.put("known_hosts", "@cert-authority * " + sshd.scratch.get("authority.pub"));
  CHECK(openssh_login(certified, other).message == kFine);
  certified.scratch.put("known_hosts", "@cert-authority * " + sshd.scratch.get("stranger.pub"));
  CHECK(openssh_login(certified, other).code == Code::host_key_unknown);
}

TEST_CASE("openssh: a passphrase reaches ssh, and nobody else") {
  if (!have_sshd()) return;
  Sshd sshd;
  const std::string passphrase = random_hex(8);
  sshd.keygen("locked", "ed25519", passphrase);
  sshd.authorize("locked");
  auto host = access(sshd);
  host.private_keys = {sshd.path("locked")};
  host.passphrase = Secret{"ssh.passphrase", passphrase};
  SshExecutor ssh(sshd.options());
  CHECK(hello(ssh, host) == "hi\n");
  CHECK(processes("pgcluster-").find("SSH_ASKPASS=") != std::string::npos);  // they can be seen
  CHECK(processes("").find(passphrase) == std::string::npos);
  for (const auto& folder : folders())
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream file(entry.path(), std::ios::binary);
      CHECK(std::string{std::istreambuf_iterator<char>(file), {}}.find(passphrase) == std::string::npos);
    }
  host.passphrase = Secret{"ssh.passphrase", "wrong"};
  auto failed = openssh_login(sshd, host);
  CHECK(failed.code == Code::auth_failed);
  CHECK_FALSE(failed.retryable);
  host.passphrase = {};
  CHECK(openssh_login(sshd, host).code == Code::auth_failed);
}

TEST_CASE("openssh: host keys are as strict, also those of hops") {
  if (!have_sshd()) return;
  Sshd target, hop;
  hop.scratch.put("authorized_keys", target.scratch.get("key.pub"));
  const auto known = [](const Sshd& sshd, const std::string& key) {
    return "[127.0.0.1]:" + std::to_string(sshd.port) + " " + sshd.scratch.get(key);
  };
  auto host = access(target);
  const std::string mine = known(target, "host.pub");
  target.scratch.put("known_hosts", known(target, "stranger.pub"));
  for (const bool accept : {false, true}) {
    host.accept_new_host_key = accept;
    CHECK(openssh_login(target, host).code == Code::host_key_changed);
  }
  host.accept_new_host_key = false;
  target.scratch.put("known_hosts", "");
  CHECK(openssh_login(target, host).code == Code::host_key_unknown);
  host.jump = {{"127.0.0.1", hop.port, "root"}};
  target.scratch.put("known_hosts", mine);
  CHECK(openssh_login(target, host).code == Code::host_key_unknown);
  target.scratch.put("known_hosts", mine + known(hop, "stranger.pub"));
  CHECK(openssh_login(target, host).code == Code::host_key_changed);
  target.scratch.put("known_hosts", mine + known(hop, "host.pub"));
  CHECK(openssh_login(target, host).message == kFine);
  CHECK(hop.logged("Accepted publickey"));
  target.scratch.put("known_hosts", "");
  host.accept_new_host_key = true;
  CHECK(openssh_login(target, host).message == kFine);
  CHECK(target.scratch.get("known_hosts").find("[127.0.0.1]:" + std::to_string(target.port)) != std::string::npos);
  hop.scratch.put("authorized_keys", "");
  CHECK(openssh_login(target, host).code == Code::auth_failed);
  hop.scratch.put("authorized_keys", target.scratch.get("key.pub"));
  Sshd last;
  last.scratch.put("authorized_keys", target.scratch.get("key.pub"));
  host.jump.push_back({"127.0.0.1", last.port, ""});
  CHECK(openssh_login(target, host).message == kFine);
  CHECK(last.logged("Accepted publickey"));
  target.stop();
  const auto failed = openssh_login(target, host);
  CHECK(failed.code == Code::host_unreachable);
  CHECK(failed.retryable);
}

TEST_CASE("openssh: names that ssh_config knows, its ProxyCommand included; an address stays one") {
  if (!have_sshd()) return;
  Sshd sshd;
  const std::string port = std::to_string(sshd.port);
  sshd.scratch.put("ssh_config", "Host db1\n  HostName 127.0.0.1\n  Port " + port + "\n  IdentityFile " + sshd.path("key") +
                                     "\n  UserKnownHostsFile " + sshd.path("known_hosts") + "\n  ProxyCommand ssh -F none -i " + sshd.path("key") +
                                     " -o UserKnownHostsFile=" + sshd.path("known_hosts") + " -p %p -W %h:%p root@%h\n" +
                                     "Host *\n  StrictHostKeyChecking no\n  LogLevel QUIET\n  PermitLocalCommand yes\n  ForwardAgent yes\n");
  HostAccess host{.name = "pg1", .address = "db1"};
  host.transport = Transport::openssh;
  host.agent = false;
  host.known_hosts = {sshd.path("none")};
  host.config = SshConfig{sshd.path("ssh_config"), true, true, true, true, true};
  CHECK(openssh_login(sshd, host).message == kFine);
  host.config->known_hosts = false;
  CHECK(openssh_login(sshd, host).code == Code::host_key_unknown);  // whatever the file says of strictness
  auto plain = access(sshd);
  sshd.scratch.put("ssh_config", "Host 127.0.0.1\n  Port 1\n  User nobody\n");
  plain.config = host.config;
  CHECK(openssh_login(sshd, plain).message == kFine);
}

TEST_CASE("openssh: what ssh said when it could not log in, as an error") {
  const HostAccess host{.name = "pg1", .address = "10.0.0.1"};
  const auto code = [&](const std::string& said) {
    const auto error = executor::openssh_failure(host, said);
    return error ? std::string(to_string(error->code())) : "refused for now";
  };
  CHECK(code("root@10.0.0.1: Permission denied (publickey).\r\n") == "auth_failed");
  CHECK(code("ssh: connect to host 10.0.0.1 port 22: Connection refused\n") == "host_unreachable");
  CHECK(code("kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.1 port 22\n") == "refused for now");
  CHECK(code("admin@b: Permission denied (publickey).\nkex_exchange_identification: Connection closed by remote host\n") == "auth_failed");
  CHECK(code("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\n") == "host_key_changed");
  CHECK(code("Host key verification failed.\n") == "host_key_unknown");
  CHECK(code("something new\n") == "host_unreachable");
  CHECK(code("") == "host_unreachable");
  CHECK(code("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\nDisconnected from 10.0.0.1 port 22\n") == "auth_failed");
  CHECK(code("Connection timed out during banner exchange\nConnection to 10.0.0.1 port 22 timed out\n") == "host_unreachable");
  CHECK(code("channel 0: open failed: administratively prohibited: open failed\nstdio forwarding failed\nkex_exchange_identification: Connection "
             "closed by remote host\nConnection closed by UNKNOWN port 65535\n") == "host_unreachable");
  // Of this machine, not of a server that would not let us in.
  CHECK(code("ssh: connect to host 10.0.0.1 port 22: Permission denied\n") == "host_unreachable");

  // A banner may have any words. It comes from the host, or from a hop before what went wrong behind it.
  const std::string banner =
      "Permission denied to all but staff (see the rules).\nIs your Connection refused? Host key verification failed? It has timed out, "
      "REVOKED, or its IDENTIFICATION HAS CHANGED: not responding.\nkex_exchange_identification is Not allowed at this time\n\n";
  CHECK(code(banner + "root@10.0.0.1: Permission denied (publickey).\r\n") == "auth_failed");
  CHECK(code(banner + "ssh: connect to host 10.0.0.1 port 22: Connection refused\n") == "host_unreachable");
  CHECK(code(banner + "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n") ==
        "refused for now");
  CHECK(code(banner + "Host key verification failed.\n") == "host_key_unknown");
  CHECK(code(banner + "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\n") == "host_key_changed");
  CHECK(code(banner + "something new\n") == "host_unreachable");
  CHECK(executor::openssh_failure(host, banner + "something new\n")->message().find("something new") != std::string::npos);

  const auto refused = executor::openssh_failure(host, "me@edge: Permission denied (publickey,gssapi-with-mic).\n");
  REQUIRE(refused);
  CHECK(refused->message().find("me@edge: Permission denied (publickey,gssapi-with-mic)") != std::string::npos);
  CHECK(refused->hint().find("klist") != std::string::npos);
  const auto reason = executor::openssh_failure(host, "ssh: Could not resolve hostname db1: Name or service not known\n");
  REQUIRE(reason);
  CHECK(reason->message().find("Could not resolve hostname db1: Name or service not known") != std::string::npos);
}

TEST_CASE("openssh: a hop's banner has no say in what is wrong behind it") {
  if (!have_sshd()) return;
  Sshd target;
  target.scratch.put("banner", "Permission denied to all but staff.\nHost key verification failed for others.\n");
  Sshd hop("Banner " + target.path("banner") + "\n");
  hop.scratch.put("authorized_keys", target.scratch.get("key.pub"));
  target.scratch.put("known_hosts",
                     target.scratch.get("known_hosts") + "[127.0.0.1]:" + std::to_string(hop.port) + " " + hop.scratch.get("host.pub"));
  auto host = access(target);
  host.jump = {{"127.0.0.1", hop.port, "root"}};
  CHECK(openssh_login(target, host).message == kFine);
  target.stop();
  const auto failed = openssh_login(target, host);
  CHECK(failed.code == Code::host_unreachable);
  CHECK(failed.message.find("Connection refused") != std::string::npos);
  CHECK(failed.retryable);
}

TEST_CASE("openssh: a path means that one file, whatever signs it has") {
  if (!have_sshd()) return;
  Sshd sshd;
  const std::string text = "Host db1\n  HostName 127.0.0.1\n  Port " + std::to_string(sshd.port) + "\n  IdentityFile " + sshd.path("key") +
                           "\n  UserKnownHostsFile " + sshd.path("known_hosts") + "\n";
  const std::string name = "of %d [1]*?\\\\ me";
  // What patterns of a careless path would find, before or beside it.
  for (const char* other : {"of $d [1]*?\\\\ me", "of %d 1*?\\\\ me", "of %d [1]?x\\\\ me", "of %d [1]x?\\\\ me"})
    sshd.scratch.put(other, "NoSuchOption yes\n");
  sshd.scratch.put(name, text);
  for (const auto transport : {Transport::openssh, Transport::libssh2}) {
    HostAccess host{.name = "pg1", .address = "db1"};
    host.transport = transport;
    host.agent = false;
    host.config = SshConfig{sshd.path(name), true, true, true, true, true};
    CHECK(openssh_login(sshd, host).message == kFine);
  }
  auto host = access(sshd);
  for (const std::string file : {"key", "known_hosts"}) std::filesystem::copy_file(sshd.path(file), sshd.path(file + " " + name));
  host.private_keys = {sshd.path("key " + name)};
  host.known_hosts = {sshd.path("known_hosts " + name)};
  CHECK(openssh_login(sshd, host).message == kFine);
}
