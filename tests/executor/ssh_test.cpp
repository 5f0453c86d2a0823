#include <pgcluster/executor/ssh.hpp>

#include <array>
#include <atomic>
#include <thread>

#include "base/digest.hpp"
#include "sshd.hpp"

using namespace pgcluster;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

Program ask(std::vector<std::string> argv, std::chrono::milliseconds limit = 10s) {
  return {.asks = {{"pg1", Exec{std::move(argv), {}, {}, limit}}}};
}
Program run(std::vector<std::string> argv) { return {.dos = {{"pg1", Run{std::move(argv)}}}}; }

}  // namespace

TEST_CASE("ssh: programs run on one connection, kept open, and both streams are drained") {
  if (!have_sshd()) return;
  Sshd sshd;
  SshExecutor ssh(sshd.options());
  const auto host = sshd.access();
  std::string big(2'500'000, 'x');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * i >> 7);
  sshd.scratch.put("source", big);
  std::vector<std::size_t> begun;
  const auto thread = std::this_thread::get_id();
  const Program program{.dos = {{"pg1", WriteFile{sshd.path("x"), big.substr(0, 1'000'000)}},
                                {"pg1", Upload{sshd.path("tool"), sshd.path("source"), sha256_hex(big)}},
                                {"pg1", Run{{"sh", "-c", "seq 1 100000; seq 1 100000 >&2"}}}},
                        .asks = {{"pg1", FileOf{sshd.path("x")}}},
                        .on_do = [&](std::size_t i) {
                          CHECK(std::this_thread::get_id() == thread);
                          begun.push_back(i);
                        }};
  const auto result = ssh.run(host, program);
  for (const auto& d : result.dos) {
    INFO(d.output.err);
    CHECK(d.what == DoResult::What::done);
  }
  CHECK(begun == std::vector<std::size_t>{0, 1, 2});
  CHECK(std::get<File>(result.answers[0]).content == big.substr(0, 1'000'000));
  CHECK(sshd.scratch.get("tool") == big);
  for (int i = 0; i < 5; ++i) CHECK(std::get<Output>(ssh.run(host, ask({"echo", "hi"})).answers[0]).out == "hi\n");
  auto impatient = host;
  impatient.connect_timeout = 5s;
  CHECK(std::get<Output>(ssh.run(impatient, ask({"echo", "hi"})).answers[0]).out == "hi\n");
  CHECK(ssh.statistics("pg1").connections == 1);
  CHECK(ssh.statistics("pg1").execs == 7);
  CHECK(ssh.statistics("pg2").connections == 0);
}

TEST_CASE("ssh: what confirms reaches the host over a new connection, or fails while the established one goes on") {
  if (!have_sshd()) return;
  Sshd sshd;
  SshExecutor ssh(sshd.options());
  const auto host = sshd.access();
  Program confirming{.dos = {{"pg1", Run{.argv = {"touch", sshd.path("confirmed")}, .reconnect = true}}, {"pg1", Run{{"true"}}}}};
  ssh.run(host, ask({"true"}));
  CHECK(ssh.run(host, confirming).dos.at(1).what == DoResult::What::done);
  CHECK(ssh.statistics("pg1").connections == 2);
  ssh.run(host, ask({"true"}));
  CHECK(ssh.statistics("pg1").connections == 2);
  std::filesystem::remove(sshd.path("confirmed"));

  sshd.refuse();
  confirming.asks = ask({"echo", "still here"}).asks;
  const ProgramResult result = ssh.run(host, confirming);
  REQUIRE(result.dos.at(0).failure);
  CHECK(result.dos.at(0).what == DoResult::What::failed);
  CHECK(result.dos.at(1).what == DoResult::What::not_run);
  CHECK(result.dos.at(0).failure->message.find("pg1 accepts no new connection: ") == 0);
  CHECK(std::get<Output>(result.answers.at(0)).out == "still here\n");
  CHECK_FALSE(std::filesystem::exists(sshd.path("confirmed")));
}

TEST_CASE("ssh: a host's key is known, or nothing is sent") {
  if (!have_sshd()) return;
  Sshd sshd;
  auto host = sshd.access();
  auto login = [&] {
    SshExecutor ssh(sshd.options());
    return failure([&] { ssh.run(host, {}); });
  };
  const std::string name = "[127.0.0.1]:" + std::to_string(sshd.port) + " ";
  // It has two keys; the one that we know is the one that we ask for.
  sshd.scratch.put("ecdsa_hosts", name + sshd.scratch.get("ecdsa.pub"));
  host.known_hosts = {sshd.path("none"), sshd.path("ecdsa_hosts")};
  CHECK(login().message == "nothing was thrown");

  host.known_hosts = {sshd.path("none")};
  auto failed = login();
  CHECK(failed.code == Code::host_key_unknown);
  CHECK(failed.message.find("SHA256:") != std::string::npos);
  CHECK(failed.hint.find("ssh-keyscan") != std::string::npos);
  CHECK(failed.host == "pg1");
  CHECK_FALSE(failed.retryable);

  sshd.scratch.put("other", name + sshd.scratch.get("stranger.pub"));
  host.known_hosts = {sshd.path("other")};
  for (const bool accept : {false, true}) {
    host.accept_new_host_key = accept;
    failed = login();
    CHECK(failed.code == Code::host_key_changed);
    CHECK(failed.message.find("/other:1") != std::string::npos);
    CHECK(failed.hint.find("ssh-keygen -R") != std::string::npos);
  }
  CHECK(sshd.scratch.get("other") == name + sshd.scratch.get("stranger.pub"));

  host.known_hosts = {sshd.path("new/known_hosts")};
  host.accept_new_host_key = true;
  CHECK(login().message == "nothing was thrown");
  CHECK(sshd.scratch.get("new/known_hosts").starts_with(name + "ssh-ed25519 "));
  host.accept_new_host_key = false;
  CHECK(login().message == "nothing was thrown");
}

TEST_CASE("ssh: a login that fails says with which key, and what to do") {
  if (!have_sshd()) return;
  Sshd sshd;
  auto login = [&](HostAccess host) {
    SshExecutor ssh(sshd.options());
    return failure([&] { ssh.run(host, {}); });
  };
  auto host = sshd.access();
  host.private_keys = {sshd.path("stranger")};
  CHECK(login(host).code == Code::auth_failed);
  CHECK(login(host).message.find("stranger") != std::string::npos);
  host.private_keys = {sshd.path("nowhere")};
  CHECK(login(host).message.find("cannot be read") != std::string::npos);
  REQUIRE(std::system(("ssh-keygen -q -N secret -C '' -t ed25519 -f " + sshd.path("locked")).c_str()) == 0);
  host.private_keys = {sshd.path("locked")};
  CHECK(login(host).message.find("passphrase") != std::string::npos);
  host.private_keys = {sshd.path("stranger"), sshd.path("key")};
  CHECK(login(host).message == "nothing was thrown");
  host = sshd.access();
  sshd.stop();
  const auto failed = login(host);
  CHECK(failed.code == Code::host_unreachable);
  CHECK(failed.retryable);
  host.address = "no-such-host.invalid";
  CHECK(login(host).code == Code::host_unreachable);
}

TEST_CASE("ssh: the lock is live, tells its holder, and is free when who held it has gone") {
  if (!have_sshd()) return;
  Sshd sshd;
  const auto host = sshd.access();
  SshExecutor one(sshd.options()), two(sshd.options());
  CHECK_FALSE(one.lock(host, {"root@here pid 1", 1700000000, "token1"}));
  one.beat(host);
  CHECK(std::get<Output>(one.run(host, ask({"echo", "hi"})).answers[0]).out == "hi\n");
  CHECK(one.statistics("pg1").connections == 1);
  const auto holder = two.lock(host, {"root@there pid 2", 1700000001, "token2"});
  REQUIRE(holder);
  CHECK(*holder == LockHolder{"root@here pid 1", 1700000000, "token1"});
  CHECK(sshd.scratch.mode("run/lock.info") == 0644);
  CHECK(sshd.scratch.mode("run") == 0755);
  CHECK(failure([&] { two.beat(host); }).code == Code::connection_lost);
  one.unlock(host);
  CHECK_FALSE(two.lock(host, {"root@there pid 2", 1700000001, "token2"}));
  CHECK(sshd.cut() >= 1);  // both connections
  CHECK(failure([&] {
          for (int i = 0; i < 50; ++i) {
            two.beat(host);
            std::this_thread::sleep_for(20ms);
          }
        }).code == Code::connection_lost);
  // The same token again is us, after a lost connection; and a lock whose connection has gone is anybody's.
  CHECK_FALSE(two.lock(host, {"root@there pid 2", 1700000001, "token2"}));
  two.unlock(host);
  CHECK_FALSE(one.lock(host, {"root@here pid 1", 1700000002, "token3"}));
}

TEST_CASE("ssh: nothing runs for an apply that has lost its lock to another") {
  if (!have_sshd()) return;
  Sshd sshd;
  const auto host = sshd.access();
  SshExecutor ssh(sshd.options());
  CHECK_FALSE(ssh.lock(host, {"root@here pid 1", 1700000000, "token1"}));
  const auto program = run({"touch", sshd.path("touched")});
  // As after a minute of SIGSTOP: the holder's process has ended, and another apply has come.
  std::ofstream(sshd.scratch.path("run/lock.info")) << "root@there pid 2\n1700000100\ntoken2\n";
  const auto failed = failure([&] { ssh.run(host, program); });
  CHECK(failed.code == Code::connection_lost);
  CHECK(failed.retryable);
  CHECK(failed.message.find("lock") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(sshd.path("touched")));
  // It must ask for the lock again before anything runs, and where that is free it goes on.
  std::filesystem::remove(sshd.scratch.path("run/lock.info"));
  CHECK(failure([&] { ssh.run(host, program); }).code == Code::connection_lost);
  CHECK_FALSE(ssh.lock(host, {"root@here pid 1", 1700000000, "token1"}));
  ssh.run(host, program);
  CHECK(std::filesystem::exists(sshd.path("touched")));
}

TEST_CASE("ssh: a connection that is cut is told as lost; the program goes on, and the next one waits for it") {
  if (!have_sshd()) return;
  Sshd sshd;
  SshExecutor ssh(sshd.options());
  const auto host = sshd.access();
  ssh.run(host, {});
  const auto begin = Clock::now();
  auto program = run({"sh", "-c", "sleep 1.5; echo done >" + sshd.path("orphan")});
  std::thread cutter;
  program.on_do = [&](std::size_t) { cutter = std::thread([&] { sshd.cut(); }); };
  const auto failed = failure([&] { ssh.run(host, program); });
  cutter.join();
  CHECK(failed.code == Code::connection_lost);
  CHECK(failed.retryable);
  CHECK(failed.state_unknown);
  CHECK(failed.host == "pg1");
  CHECK(Clock::now() - begin < 1400ms);
  const auto answers = ssh.run(host, ask({"cat", sshd.path("orphan")})).answers;
  CHECK(std::get<Output>(answers[0]).out == "done\n");
  CHECK(Clock::now() - begin >= 1500ms);
  CHECK(ssh.statistics("pg1").connections == 2);

  // Cut while nobody looked, nothing is lost: the next call connects again by itself.
  sshd.cut();
  std::this_thread::sleep_for(50ms);
  CHECK(std::get<Output>(ssh.run(host, ask({"echo", "hi"})).answers[0]).out == "hi\n");
  CHECK(ssh.statistics("pg1").connections == 3);
}

TEST_CASE("ssh: a cancel ends the wait at once, and holds until it is taken back") {
  if (!have_sshd()) return;
  Sshd sshd;
  SshExecutor ssh(sshd.options());
  const auto host = sshd.access();
  std::thread canceller;
  auto program = run({"sleep", "2"});
  const auto begin = Clock::now();
  program.on_do = [&](std::size_t) { canceller = std::thread([&] { ssh.cancel(); }); };
  CHECK(failure([&] { ssh.run(host, program); }).code == Code::cancelled);
  canceller.join();
  CHECK(Clock::now() - begin < 1900ms);
  CHECK(failure([&] { ssh.run(host, {}); }).code == Code::cancelled);
  ssh.resume();
  CHECK_NOTHROW(ssh.run(host, {}));
}

TEST_CASE("ssh: a login that gives no shell is named, and noise before the program does not matter") {
  if (!have_sshd()) return;
  {
    Sshd sshd("ForceCommand echo 'This account is closed.' >&2\n");
    SshExecutor ssh(sshd.options());
    const auto failed = failure([&] { ssh.run(sshd.access(), {}); });
    CHECK(failed.code == Code::host_unsupported);
    REQUIRE(failed.causes.size() == 1);
    CHECK(failed.causes[0] == "This account is closed.");
  }
  {
    Sshd sshd("ForceCommand printf 'Welcome to this host! no newline'; eval \"$SSH_ORIGINAL_COMMAND\"\n");
    SshExecutor ssh(sshd.options());
    CHECK(std::get<Output>(ssh.run(sshd.access(), ask({"echo", "hi"})).answers[0]).out == "hi\n");
    CHECK_FALSE(ssh.lock(sshd.access(), {"us", 1, "t"}));
  }
  {
    Sshd sshd;
    auto options = sshd.options();
    options.need_systemd = true;
    SshExecutor ssh(options);
    if (!std::filesystem::exists("/run/systemd/system")) CHECK(failure([&] { ssh.run(sshd.access(), {}); }).code == Code::host_unsupported);
  }
}

TEST_CASE("ssh: more logins at once than sshd takes are spread, and come through") {
  if (!have_sshd()) return;
  Sshd sshd("MaxStartups 4:100:4\n");
  SshExecutor ssh(sshd.options());
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 12; ++i)
    threads.emplace_back([&, i] {
      auto host = sshd.access();
      host.name = "pg" + std::to_string(i);
      try {
        ssh.run(host, {});
        ++good;
      } catch (const Error& error) {
        MESSAGE(error.text());
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(good == 12);
}
