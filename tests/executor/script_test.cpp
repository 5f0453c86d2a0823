#include <sys/ptrace.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <random>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "op/ask.hpp"
#include "op/facts.hpp"
#include "shell.hpp"

using namespace pgcluster;
using What = DoResult::What;
using executor::Reader;

namespace {

// Who owns the files that a test writes.
const char* kOwner = "root";

WriteFile wish(const Scratch& scratch, const std::string& name, Text content, unsigned mode = 0644) {
  return {scratch.path(name), std::move(content), mode, kOwner, kOwner};
}

// How many processes a shell command starts, its own shell included; -1 where it cannot be traced.
int processes_of(const std::string& command) {
  const pid_t shell = fork();
  if (shell == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  int status = 0, started = 1;
  waitpid(shell, &status, 0);
  if (ptrace(PTRACE_SETOPTIONS, shell, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE) != 0) {
    kill(shell, SIGKILL);
    waitpid(shell, &status, 0);
    return -1;
  }
  ptrace(PTRACE_CONT, shell, nullptr, nullptr);
  for (pid_t one; (one = waitpid(-1, &status, __WALL)) > 0;) {
    if (!WIFSTOPPED(status)) continue;
    const int event = status >> 16, signal = WSTOPSIG(status);
    if (event != 0) ++started;
    ptrace(PTRACE_CONT, one, nullptr, event != 0 || signal == SIGSTOP || signal == SIGTRAP ? 0L : static_cast<long>(signal));
  }
  return started;
}

}  // namespace

TEST_CASE("a file is written beside and renamed, skipped when as wished, and never overwritten when it has drifted") {
  Scratch scratch;
  const std::string odd("it's \"$HOME\" `id` \\n\0\xff\n\n", 25);
  const Do write{"h", wish(scratch, "a/b/x.conf", odd, 0640), Absent{}};
  auto result = scratch.act(write);
  INFO(result.output.err);
  CHECK(result.what == What::done);
  CHECK(scratch.get("a/b/x.conf") == odd);
  CHECK(scratch.mode("a/b/x.conf") == 0640);
  CHECK(scratch.mode("a/b") == 0755);
  CHECK_FALSE(scratch.has("a/b/.x.conf.pgcluster-new"));
  CHECK(scratch.act(write).what == What::skipped);

  const auto seen = std::get<File>(scratch.ask({"h", FileOf{scratch.path("a/b/x.conf")}}));
  CHECK(seen.content == odd);
  CHECK(seen.sha256 == sha256_hex(odd));
  scratch.put("a/b/x.conf", "somebody else was here");
  Do again{"h", wish(scratch, "a/b/x.conf", "new"), seen};
  result = scratch.act(again);
  CHECK(result.what == What::drifted);
  CHECK(result.found.find("sha256") != std::string::npos);
  CHECK(scratch.get("a/b/x.conf") == "somebody else was here");
  again.was = Absent{};
  CHECK(scratch.act(again).what == What::drifted);
  again.was.reset();
  CHECK(scratch.act(again).what == What::done);
  CHECK(scratch.get("a/b/x.conf") == "new");
  CHECK(scratch.mode("a/b/x.conf") == 0644);
  // Only the access differs.
  CHECK(scratch.act({"h", wish(scratch, "a/b/x.conf", "new", 0600)}).what == What::done);
  CHECK(scratch.mode("a/b/x.conf") == 0600);
}

TEST_CASE("a file that cannot be written fails and says why, and what comes after it is not run") {
  Scratch scratch;
  scratch.put("file", "x");
  Program program{.dos = {{"h", wish(scratch, "one", "1")}, {"h", wish(scratch, "file/below", "2")}, {"h", wish(scratch, "three", "3")}},
                  .asks = {{"h", FileOf{scratch.path("one"), false}}, {"h", FileOf{scratch.path("three")}}}};
  std::vector<std::size_t> begun;
  program.on_do = [&](std::size_t i) { begun.push_back(i); };
  const auto result = scratch.run(program);
  CHECK(result.dos[0].what == What::done);
  CHECK(result.dos[1].what == What::failed);
  CHECK(result.dos[1].output.status != 0);
  CHECK(result.dos[1].output.err.find("file") != std::string::npos);
  CHECK(result.dos[2].what == What::not_run);
  CHECK(begun == std::vector<std::size_t>{0, 1});
  CHECK(std::get<File>(result.answers[0]).sha256 == sha256_hex("1"));
  CHECK(std::holds_alternative<Absent>(result.answers[1]));

  CHECK(scratch.act({"h", WriteFile{"relative", "x"}}).what == What::failed);
  CHECK(scratch.act({"h", WriteFile{scratch.path("x"), "x", 0644, "nobody-of-this-name", "root"}}).what == What::failed);
  CHECK_FALSE(scratch.has("x"));
  CHECK_FALSE(scratch.has(".x.pgcluster-new"));
}

TEST_CASE("a link that somebody put where the new file is made is not followed") {
  Scratch scratch;
  scratch.put("victim", "precious");
  std::filesystem::create_symlink(scratch.path("victim"), scratch.path(".x.pgcluster-new"));
  CHECK(scratch.act({"h", wish(scratch, "x", "y")}).what == What::done);
  CHECK(scratch.get("victim") == "precious");
  CHECK(scratch.get("x") == "y");
}

TEST_CASE("a block changes only itself") {
  Scratch scratch;
  const std::string path = scratch.path("hosts");
  auto set = [&](const std::string& content) { return scratch.act({"h", WriteBlock{path, "names", content}}).what; };
  const std::string block = "# BEGIN pgcluster names\n1.2.3.4 a\n# END pgcluster names\n";

  CHECK(set("1.2.3.4 a\n") == What::done);  // no file yet
  CHECK(scratch.get("hosts") == block);
  CHECK(scratch.mode("hosts") == 0644);
  CHECK(set("1.2.3.4 a\n") == What::skipped);

  const std::string before("first \\n\0\n", 10), after = "last, without a newline";
  scratch.put("hosts", before + block + after);
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  CHECK(set("5.6.7.8 b\n") == What::done);
  CHECK(scratch.get("hosts") == before + "# BEGIN pgcluster names\n5.6.7.8 b\n# END pgcluster names\n" + after);
  CHECK(scratch.mode("hosts") == 0600);
  CHECK(scratch.act({"h", Remove{Remove::Kind::block, path, "names"}}).what == What::done);
  CHECK(scratch.get("hosts") == before + after);
  CHECK(scratch.act({"h", Remove{Remove::Kind::block, path, "names"}}).what == What::skipped);

  CHECK(set("1.2.3.4 a\n") == What::done);  // appended
  CHECK(scratch.get("hosts") == before + after + "\n" + block);
  CHECK(scratch.act({"h", WriteBlock{path, "name", "x\n"}}).what == What::done);  // another marker is another block
  CHECK(scratch.get("hosts") == before + after + "\n" + block + "# BEGIN pgcluster name\nx\n# END pgcluster name\n");

  const std::string torn = "a\n# BEGIN pgcluster names\nb\n";
  scratch.put("hosts", torn);
  const auto result = scratch.act({"h", WriteBlock{path, "names", "x\n"}});
  CHECK(result.what == What::failed);
  CHECK(result.output.err.find("END pgcluster names") != std::string::npos);
  CHECK(scratch.get("hosts") == torn);

  // A marker line at the very end without its newline.
  scratch.put("hosts", "a\n" + block.substr(0, block.size() - 1));
  CHECK(set("1\n") == What::done);
  CHECK(scratch.get("hosts") == "a\n# BEGIN pgcluster names\n1\n# END pgcluster names\n");
}

TEST_CASE("commands have their input and nothing of ours, a limit, and a status in band") {
  Scratch scratch;
  auto exec = [&](std::vector<std::string> argv, Text input = {}, int ms = 5000) {
    return std::get<Output>(scratch.ask({"h", Exec{std::move(argv), std::move(input), {}, std::chrono::milliseconds(ms)}}));
  };
  CHECK(exec({"cat"}) == Output{0, "", ""});
  CHECK(exec({"cat"}, "in\nput") == Output{0, "in\nput", ""});
  CHECK(exec({"sh", "-c", "echo out; echo err >&2; exit 7"}) == Output{7, "out\n", "err\n"});
  CHECK(exec({"no-such-program"}).status == 127);
  CHECK(exec({"sleep", "5"}, {}, 100).status == 124);
  CHECK(exec({"sh", "-c", "kill -9 $$"}).status == 137);
  CHECK(exec({"printf", "%s|", "a b", "", "'", "$x", "*", "-n", "\n"}).out == "a b||'|$x|*|-n|\n|");
  CHECK(exec({"sh", "-c", "printf '\\n'; seq 1 100000"}).out.size() == 588896);
  // A child that meets a closed pipe dies of it, as it does elsewhere.
  CHECK(exec({"sh", "-c", "{ seq 1 100000; echo $? >&2; } | head -n1; :"}).err != "1\n");
}

TEST_CASE("commands that are asked together have each its own limit, and answers of their own") {
  Scratch scratch;
  const auto exec = [](std::vector<std::string> argv, int ms, Text input = {}) {
    return Ask{"h", Exec{std::move(argv), std::move(input), {}, std::chrono::milliseconds(ms)}};
  };
  scratch.put("file", "content");
  const auto answers = scratch
                           .run({.asks = {exec({"sh", "-c", "echo first; echo why >&2; exit 3"}, 5000),
                                          exec({"sleep", "60"}, 200),
                                          {"h", FileOf{scratch.path("file")}},
                                          exec({"cat"}, 5000, "in"),
                                          {"h", PackageOf{"dpkg"}},
                                          {"h", AccountOf{"root"}},
                                          exec({"echo", "last"}, 5000)}})
                           .answers;
  CHECK(std::get<Output>(answers[0]) == Output{3, "first\n", "why\n"});
  CHECK(std::get<Output>(answers[1]).status == 124);
  CHECK(std::get<File>(answers[2]).content == "content");
  CHECK(std::get<Output>(answers[3]) == Output{0, "in", ""});
  CHECK(std::holds_alternative<Package>(answers[4]));
  CHECK(std::get<Account>(answers[5]).home == "/root");
  CHECK(std::get<Output>(answers[6]) == Output{0, "last\n", ""});
}

TEST_CASE("outputs and files of any size and name come whole, but for the beginning of what is too long") {
  Scratch scratch;
  const std::string name = std::string(90, 'n') + "/" + std::string(120, 'm') + " it's";
  const std::string empty, zeros(1000, '\0'), block(512, 'b'), large(4u << 20, 'l');
  const std::vector<std::pair<std::string, std::string>> files{{name, "long name"}, {"empty", empty},  {"zeros", zeros},  {"block", block},
                                                               {"large1", large},   {"large2", large}, {"large3", large}, {"o.0", "not an output"}};
  std::vector<Ask> asks{{"h", Exec{{"sh", "-c", "seq 1 100000 >&2; seq 1 7"}}}};
  for (const auto& [file, content] : files) {
    scratch.put(file, content);
    asks.push_back({"h", FileOf{scratch.path(file)}});
  }
  std::filesystem::create_hard_link(scratch.path("block"), scratch.path("linked"));
  asks.push_back({"h", FileOf{scratch.path("linked")}});
  asks.push_back({"h", FileOf{"/proc/sys/kernel/ostype"}});
  const auto answers = scratch.run({.asks = asks}).answers;
  const auto& output = std::get<Output>(answers[0]);
  CHECK(output.out == "1\n2\n3\n4\n5\n6\n7\n");
  CHECK(output.err.size() == (256u << 10) + std::string("…\n").size());
  CHECK(output.err.starts_with("…\n"));
  CHECK(output.err.ends_with("99999\n100000\n"));
  for (std::size_t i = 0; i < files.size(); ++i) {
    CAPTURE(files[i].first);
    REQUIRE(std::holds_alternative<File>(answers[i + 1]));
    CHECK((std::get<File>(answers[i + 1]).content == files[i].second));
  }
  CHECK(std::get<File>(answers[files.size() + 1]).content == block);
  CHECK(std::get<File>(answers[files.size() + 2]).content == "Linux\n");
}

TEST_CASE("an answer that is too long says so, and a log keeps its end") {
  Scratch scratch;
  const auto printing = [](int kib, const std::string& last, bool tail = false) {
    return Ask{"pg1", Exec{.argv = {"sh", "-c", "head -c $(($1 * 1024)) /dev/zero | tr '\\0' x; printf %s \"$2\"", "sh", std::to_string(kib), last},
                           .tail = tail}};
  };
  scratch.put("large", std::string(9u << 20, 'x'));
  const auto answers = scratch
                           .run({.dos = {{"pg1", Run{{"sh", "-c", "seq 1 100000 >&2; exit 1"}}}},
                                 .asks = {printing(9216, "end"),
                                          printing(7168, "one"),
                                          printing(7168, "two"),
                                          printing(1024, "end", true),
                                          printing(9216, "end", true),
                                          {"pg1", FileOf{scratch.path("large")}}}})
                           .answers;
  const auto& cut = std::get<Unreadable>(answers[0]);
  CHECK(cut.lasting);
  CHECK(cut.why.find("` on pg1 is longer than 8 MiB (it has 9.0 MiB)") != std::string::npos);
  CHECK(cut.why.starts_with("the answer of `sh -c head"));
  CHECK(std::get<Output>(answers[1]).out.size() == (7u << 20) + 3);
  CHECK(std::get<Output>(answers[2]).out.ends_with("xtwo"));
  for (const std::size_t log : {3u, 4u}) {
    CHECK(std::get<Output>(answers[log]).out.starts_with("…\nx"));
    CHECK(std::get<Output>(answers[log]).out.ends_with("xend"));
  }
  CHECK(std::get<Unreadable>(answers[5]).lasting);
  CHECK(std::get<Unreadable>(answers[5]).why.find("has 9.0 MiB, and at most 8 MiB of a file are read") != std::string::npos);
  const auto failed = scratch.act({"pg1", Run{{"sh", "-c", "seq 1 100000 >&2; exit 1"}}});
  CHECK(failed.output.err.starts_with("…\n"));
  CHECK(failed.output.err.ends_with("99999\n100000\n"));
}

TEST_CASE("a call for several asks whose answer is too long says so for each of them") {
  const Program program{.asks = {{"h", Exec{{"curl", "-s", "http://a/1"}}}, {"h", Exec{{"curl", "-s", "http://a/2"}}}}};
  Reader reader(program, "N");
  reader.feed("\nN exec 2 0 1 0 .\n\nN long o.2 9000000 .\n\nN content =eA== 0 o.2 .\n\nN end .\n");
  for (const Answer& answer : reader.result().answers) CHECK(std::get<Unreadable>(answer).lasting);
}

TEST_CASE("a program tells what it waits for and how far it is") {
  const Program program{.dos = {{"h", Install{{"p"}}}, {"h", Run{{"true"}}}}};
  Reader reader(program, "N");
  const auto note = [&](const std::string& frame) {
    reader.feed("\nN " + frame + " .\n");
    return reader.note();
  };
  CHECK(note("hi").empty());
  CHECK(note("waits 4711") == "waits for an older program of pgcluster that still runs there (process 4711)");
  CHECK(note("up").empty());
  CHECK(note("begin 0").empty());
  CHECK(note("progress 34 Unpacking postgresql-17 (amd64)") == "Unpacking postgresql-17 (amd64) (34 %)");
  for (const char* bad : {"progress", "progress 34", "progress x y", "progress 101 y", "progress -1 y"})
    CHECK(note(bad).find("34 %") != std::string::npos);
  CHECK(note("news waits for apt's lock, which process 7 (apt-get) holds") == "waits for apt's lock, which process 7 (apt-get) holds");
  CHECK(note("begin 1").empty());
}

TEST_CASE("an archive that is torn, or of files that changed meanwhile, is no answer") {
  const Program program{.asks = {{"h", FileOf{"/a"}}, {"h", Exec{{"true"}}}}};
  std::string header(512, '\0');
  const auto field = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  field(0, "/a");
  field(124, "00000000003");
  field(156, "0");
  std::string output = header;
  output.replace(0, 3, "o.1");
  const auto padded = [](std::string content) { return content + std::string(512 - content.size(), '\0'); };
  const std::string whole = header + padded("abc") + output + padded("xyz") + std::string(1024, '\0');
  const auto answers = [&](const std::string& tar, const std::string& torn) {
    Reader reader(program, "N");
    reader.feed("\nN stat 3 81a4 root 0 root 0 /a .\n\nN exec 1 0 1 0 .\n\nN tar =" + to_base64(tar) + " " + torn + " .\n\nN end .\n");
    return reader.result().answers;
  };
  CHECK(std::get<File>(answers(whole, "0")[0]).content == "abc");
  CHECK(std::get<Output>(answers(whole, "0")[1]).out == "xyz");
  // A file changed while it was read, and nobody knows which; the outputs did not.
  CHECK(std::holds_alternative<Unreadable>(answers(whole, "1")[0]));
  CHECK(std::get<Output>(answers(whole, "1")[1]).out == "xyz");
  for (const std::string& bad : {whole.substr(0, 514), std::string(), std::string(512, 'x'), whole.substr(0, 100)}) {
    CHECK(std::holds_alternative<Unreadable>(answers(bad, "0")[0]));
    CHECK(std::holds_alternative<Unreadable>(answers(bad, "0")[1]));
  }
  CHECK(std::holds_alternative<File>(answers(whole.substr(0, 1024), "0")[0]));
  CHECK(std::holds_alternative<Unreadable>(answers(whole.substr(0, 1024), "0")[1]));
}

TEST_CASE("a command with a look runs only where it still sees what was planned") {
  Scratch scratch;
  scratch.put("state", "one\n");
  Run run{{"cp", scratch.path("new"), scratch.path("state")}};
  run.look = Exec{{"cat", scratch.path("state")}};
  scratch.put("new", "two\n");
  Do d{"h", run, Output{0, "one\n", "ignored"}};
  CHECK(scratch.act(d).what == What::done);
  CHECK(scratch.get("state") == "two\n");
  const auto drifted = scratch.act(d);
  CHECK(drifted.what == What::drifted);
  CHECK(drifted.found.find("two") == std::string::npos);
  CHECK(drifted.output.out.empty());
  d.was.reset();
  CHECK(scratch.act(d).what == What::done);
  const auto failed = scratch.act({"h", Run{{"sh", "-c", "echo why >&2; exit 3"}}});
  CHECK(failed.what == What::failed);
  CHECK(failed.output == Output{3, "", "why\n"});
}

TEST_CASE("removals take what is named and nothing near the root") {
  Scratch scratch;
  scratch.put("tree/a/b", "x");
  scratch.put("file", "x");
  auto remove = [&](Remove::Kind kind, const std::string& path) { return scratch.act({"h", Remove{kind, path}}).what; };
  CHECK(remove(Remove::Kind::file, scratch.path("file")) == What::done);
  CHECK_FALSE(scratch.has("file"));
  CHECK(remove(Remove::Kind::file, scratch.path("file")) == What::skipped);
  CHECK(remove(Remove::Kind::tree, scratch.path("tree")) == What::done);
  CHECK_FALSE(scratch.has("tree"));
  CHECK(remove(Remove::Kind::tree, scratch.path("tree")) == What::skipped);
  for (const char* path : {"/", "/etc", "/var/..", "/var/lib/../..", "var", "", "/etc/"}) CHECK(remove(Remove::Kind::tree, path) == What::failed);
  scratch.put("kept", "now");
  Do d{"h", Remove{Remove::Kind::file, scratch.path("kept")}, File{.sha256 = sha256_hex("then")}};
  CHECK(scratch.act(d).what == What::drifted);
  CHECK(scratch.has("kept"));
  // A removal does not compare the owner: the account may have gone with a package.
  d.was = File{.sha256 = sha256_hex("now"), .mode = 0600, .owner = "etcd", .group = "etcd"};
  CHECK(scratch.act(d).what == What::done);
  CHECK_FALSE(scratch.has("kept"));
}

TEST_CASE("a tree that is a link is emptied and kept, and then counts as gone") {
  Scratch scratch;
  scratch.put("disk/data/base/1", "rows");
  scratch.put("disk/data/.hidden", "x");
  std::filesystem::create_directory_symlink(scratch.path("disk/data"), scratch.path("main"));
  const Do remove{"h", Remove{Remove::Kind::tree, scratch.path("main")}};
  CHECK(std::holds_alternative<File>(scratch.ask({"h", FileOf{scratch.path("main"), false}})));
  const auto result = scratch.act(remove);
  INFO(result.output.err);
  CHECK(result.what == What::done);
  CHECK(std::filesystem::is_symlink(scratch.path("main")));
  CHECK(std::filesystem::is_empty(scratch.path("disk/data")));
  CHECK(std::holds_alternative<Absent>(scratch.ask({"h", FileOf{scratch.path("main"), false}})));
  CHECK(scratch.act(remove).what == What::done);
  // A directory is not a link: an empty one is there, and goes.
  std::filesystem::create_directory(scratch.path("plain"));
  CHECK(std::holds_alternative<File>(scratch.ask({"h", FileOf{scratch.path("plain"), false}})));
  CHECK(scratch.act({"h", Remove{Remove::Kind::tree, scratch.path("plain")}}).what == What::done);
  CHECK_FALSE(scratch.has("plain"));
  // Never the content of a directory that many others use.
  std::filesystem::create_directory_symlink("/tmp", scratch.path("root"));
  const auto near = scratch.act({"h", Remove{Remove::Kind::tree, scratch.path("root")}});
  CHECK(near.what == What::failed);
  CHECK(near.output.err.find("too near") == std::string::npos);
  CHECK(near.output.err.find("near the root") != std::string::npos);
}

TEST_CASE("a file that root itself cannot write is told as such") {
  Scratch scratch;
  scratch.put("hosts", "127.0.0.1 localhost\n");
  const Ask ask{"h", FileOf{scratch.path("hosts")}};
  CHECK_FALSE(std::get<File>(scratch.ask(ask)).fixed);
  if (std::system(("chattr +i " + scratch.path("hosts") + " 2>/dev/null").c_str()) != 0) {
    MESSAGE("not shown here: immutable files need root, chattr, and a file system that has them");
    return;
  }
  const Answer found = scratch.ask(ask);
  CHECK(std::system(("chattr -i " + scratch.path("hosts")).c_str()) == 0);
  CHECK(std::get<File>(found).fixed);
  CHECK(std::get<File>(found).content == "127.0.0.1 localhost\n");
}

TEST_CASE("a write in place that was interrupted is finished first, unless somebody has written the file since") {
  Scratch scratch;
  const std::string hosts = scratch.path("hosts"), ours = "# BEGIN pgcluster m\n10.0.0.1 pg1\n# END pgcluster m\n";
  const auto written = [&](const std::string& before) {
    scratch.put("hosts", before);
    scratch.put(".hosts.pgcluster-whole", "127.0.0.1 localhost\n");
    CHECK(scratch.act({"h", WriteBlock{hosts, "m", "10.0.0.1 pg1\n"}}).what == What::done);
    CHECK_FALSE(scratch.has(".hosts.pgcluster-whole"));
    return scratch.get("hosts");
  };
  CHECK(written("127.0.0.1 local\n") == "127.0.0.1 local\n" + ours);  // no mount: it was never written in place
  if (std::system(("mount --bind " + hosts + " " + hosts + " 2>/dev/null").c_str()) != 0) {
    MESSAGE("not shown here: a file that is a mount needs root");
    return;
  }
  CHECK(written("127.0.0.1 local") == "127.0.0.1 localhost\n" + ours);
  CHECK(written("127.0.0.1 mended\n") == "127.0.0.1 mended\n" + ours);
  CHECK(std::system(("umount " + hosts).c_str()) == 0);
}

TEST_CASE("an upload is compared with its digest on the host") {
  Scratch scratch;
  std::string bytes(300'000, '\0');
  std::mt19937 random(1);
  for (char& c : bytes) c = static_cast<char>(random());
  scratch.put("source", bytes);
  Upload upload{scratch.path("bin/tool"), scratch.path("source"), sha256_hex(bytes)};
  Program program{.dos = {{"h", wish(scratch, "before", "1")}, {"h", upload}, {"h", wish(scratch, "after", "2")}}};
  auto result = scratch.run(program);
  INFO(result.dos[1].output.err);
  for (const auto& d : result.dos) CHECK(d.what == What::done);
  CHECK(scratch.get("bin/tool") == bytes);
  CHECK(scratch.mode("bin/tool") == 0755);
  result = scratch.run(program);
  for (const auto& d : result.dos) CHECK(d.what == What::skipped);
  upload.sha256[0] = upload.sha256[0] == '0' ? '1' : '0';
  CHECK(scratch.act({"h", upload}).what == What::failed);
  CHECK(scratch.get("bin/tool") == bytes);
  upload.source = scratch.path("nowhere");
  CHECK(scratch.act({"h", upload}).output.err.find("nowhere") != std::string::npos);
  CHECK(std::filesystem::is_empty(scratch.root / "state"));
}

TEST_CASE("what is ours is noted before the first Do and struck after the last") {
  Scratch scratch;
  auto run = [&](std::vector<Owned> own, std::vector<std::string> disown, bool good) {
    const auto result = scratch.run({.dos = {{"h", Run{{good ? "true" : "false"}}}}, .own = std::move(own), .disown = std::move(disown)});
    CHECK((result.dos[0].what == What::done) == good);
    return scratch.get("state/owned");
  };
  CHECK(run({{"file:/a", "s1"}, {"file:/a b", "s2"}}, {}, true) == "file:/a\ts1\nfile:/a b\ts2\n");
  CHECK(scratch.mode("state/owned") == 0644);
  CHECK(scratch.mode("state") == 0755);
  CHECK(run({{"file:/a", "s1"}}, {}, true) == "file:/a\ts1\nfile:/a b\ts2\n");
  CHECK(run({{"file:/a", "s3"}}, {}, false) == "file:/a b\ts2\nfile:/a\ts3\n");
  CHECK(run({}, {"file:/a"}, false) == "file:/a b\ts2\nfile:/a\ts3\n");
  CHECK(run({}, {"file:/a", "file:/"}, true) == "file:/a b\ts2\n");
  CHECK(run({}, {"file:/a b"}, true).empty());
  CHECK(scratch.run({.dos = {{"h", WriteFile{scratch.path("state/secrets/pw"), Secret{"pw", "x"}, 0600}}}}).dos[0].what == What::done);
  CHECK(scratch.mode("state/secrets") == 0700);
}

TEST_CASE("files, packages, accounts: absent is an answer") {
  Scratch scratch;
  scratch.put("a b", "content");
  std::filesystem::create_symlink(scratch.path("a b"), scratch.path("link"));
  std::filesystem::create_symlink(scratch.path("gone"), scratch.path("dangling"));
  const std::vector<Ask> asks{
      {"h", FileOf{scratch.path("a b")}},
      {"h", FileOf{scratch.path("a b"), false}},
      {"h", FileOf{scratch.path("link")}},
      {"h", FileOf{scratch.path("dangling")}},
      {"h", FileOf{scratch.root.string()}},
      {"h", FileOf{"/dev/null"}},
      {"h", FileOf{"/proc/self/status"}},
      {"h", FileOf{"relative"}},
      {"h", AccountOf{"root"}},
      {"h", AccountOf{"no-such-account"}},
      {"h", PackageOf{"dpkg"}},
      {"h", PackageOf{"no-such-package"}},
      {"h", Http{"GET", "http://example.org/"}},
      {"h", Exec{{"true"}}},
  };
  const auto answers = scratch.run({.asks = asks}).answers;
  CHECK(std::get<File>(answers[0]).content == "content");
  CHECK(std::get<File>(answers[1]) == File{.sha256 = sha256_hex("content")});
  CHECK(std::get<File>(answers[2]).content == "content");
  CHECK(std::holds_alternative<Absent>(answers[3]));
  CHECK(std::get<File>(answers[4]).kind == File::Kind::directory);
  CHECK(std::get<File>(answers[5]).kind == File::Kind::other);
  CHECK(std::get<File>(answers[6]).content.starts_with("Name:"));
  CHECK(std::holds_alternative<Unreadable>(answers[7]));
  CHECK(std::get<Account>(answers[8]).home == "/root");
  CHECK(std::holds_alternative<Absent>(answers[9]));
  CHECK(std::holds_alternative<Package>(answers[10]));
  CHECK(std::holds_alternative<Absent>(answers[11]));
  CHECK(std::holds_alternative<Unreadable>(answers[12]));
  CHECK(std::get<Output>(answers[13]).status == 0);
}

TEST_CASE("no secret is ever an argument of any process, or in its environment") {
  Scratch scratch;
  const std::string secret = "s3cr3t-" + random_hex(8);
  const std::string found = " | tr '\\0' '\\n' | grep -c -F -f " + scratch.path("secret");
  scratch.put("secret", secret + "\n" + to_base64(secret) + "\n");
  // Children that get the secret look through /proc themselves, and somebody else all the time.
  const std::string look = "cat >/dev/null; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null" + found;
  scratch.put("watch", "while [ -e " + scratch.path("watch") + " ]; do cat /proc/[0-9]*/cmdline 2>/dev/null" + found + "; done >" +
                           scratch.path("watched") + " 2>/dev/null");
  const Program program{
      .dos = {{"h", WriteFile{scratch.path("pw"), Secret{"pw", secret}, 0600}}, {"h", Run{{"sh", "-c", look}, Secret{"pw", secret}}}},
      .asks = {{"h", Exec{{"sh", "-c", look}, Secret{"pw", secret}}}}};
  const auto result = scratch.run(program, "sh " + scratch.path("watch") + " >/dev/null 2>&1 & ");
  std::filesystem::remove(scratch.path("watch"));  // it ends with its script
  CHECK(result.dos[1].output.out == "0\n");
  CHECK(std::get<Output>(result.answers[0]).out == "0\n");
  CHECK(scratch.get("watched").find_first_of("123456789") == std::string::npos);
  CHECK(scratch.get("pw") == secret);
  CHECK(scratch.mode("pw") == 0600);
}

TEST_CASE("shellcheck finds nothing in a program with every kind of change and ask") {
  if (std::system("command -v shellcheck >/dev/null") != 0) {
    MESSAGE("skipped: shellcheck is not installed");
    return;
  }
  Scratch scratch;
  scratch.put("binary", "x");
  Run looking{{"true"}, Text("input")};
  looking.look = Exec{{"cat"}, Text("input")};
  const Program program{.dos = {{"h", wish(scratch, "x", "it's")},
                                {"h", WriteBlock{"/etc/hosts", "names", "x\n"}},
                                {"h", Upload{scratch.path("y"), scratch.path("binary"), sha256_hex("x")}},
                                {"h", Install{{"curl", "etcd-server"}, {"etcd.service"}}},
                                {"h", SetUnit{"etcd.service", SetUnit::Go::restart, true}, Unit{.active = "active", .started = 7}},
                                {"h", SetAccount{"somebody", "/nonexistent", "/bin/false"}},
                                {"h", looking, Output{0, "input", ""}},
                                {"h", Run{{"echo", "$x"}}},
                                {"h", Remove{Remove::Kind::file, "/etc/x"}},
                                {"h", Remove{Remove::Kind::tree, "/var/lib/x"}},
                                {"h", Remove{Remove::Kind::block, "/etc/hosts", "names"}},
                                {"h", Remove{Remove::Kind::package, "curl"}},
                                {"h", Remove{Remove::Kind::unit, "etcd.service"}}},
                        .asks = {{"h", FileOf{"/etc/hosts"}},
                                 {"h", FileOf{"/etc/passwd", false}},
                                 {"h", PackageOf{"curl"}},
                                 {"h", UnitOf{"etcd.service", {"/etc/default/etcd"}, {"/etc/hosts"}}},
                                 {"h", AccountOf{"root"}},
                                 {"h", Exec{{"true"}}},
                                 {"h", Exec{{"cat"}, Text("input")}}},
                        .own = {{"file:/etc/x", "step"}},
                        .disown = {"file:/etc/y"}};
  for (std::size_t asks : {program.asks.size(), std::size_t{1}}) {
    Program one = program;
    one.asks.resize(asks, one.asks.front());
    scratch.put("program", executor::render(one, "n0nce", scratch.places, "token").text);
    // The exceptions are those that comments of the shell files name; comments do not travel.
    const std::string command = "shellcheck --norc --shell sh --format gcc --exclude SC2086,SC2254,SC2016 " + scratch.path("program") + " >" +
                                scratch.path("found") + " 2>&1";
    CHECK_MESSAGE(std::system(command.c_str()) == 0, scratch.get("found"));
  }
}

TEST_CASE("the shell that asks runs looks itself, and each kind of question is one process") {
  Scratch scratch;
  constexpr const char* text = "look() {\n[ -z \"$2\" ] || return 7\nprintf '%s|' \"$1\" /*/.\necho why >&2\n}\nlook \"$@\"\n";
  std::filesystem::create_directories(scratch.path("directory"));
  Program program{.asks = facts_asks("h")};
  const std::size_t facts = program.asks.size();
  for (const Ask& ask : {Ask{"h", Exec{shell_look(text, {"it's", ""})}}, Ask{"h", Exec{shell_look(text, {"", "failing"})}}, Ask{"h", Exec{{"true"}}}})
    program.asks.push_back(ask);
  for (const std::string name : {"a", "b", "c"}) {
    scratch.put(name, std::string(100'000, 'x'));
    program.asks.push_back({"h", FileOf{scratch.path(name)}});
    program.asks.push_back({"h", FileOf{scratch.path(name) + "2", false}});
    program.asks.push_back({"h", PackageOf{name}});
    program.asks.push_back({"h", Exec{{"curl", "-s", "-m", "1", "http://127.0.0.1:1/" + name}}});
  }
  program.asks.push_back({"h", FileOf{scratch.path("directory")}});
  program.asks.push_back({"h", FileOf{"/etc/passwd", false}});
  const auto answers = scratch.run(program).answers;
  CHECK_FALSE(read_facts("h", {answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(facts)}).hostname.empty());
  const auto& said = std::get<Output>(answers[facts]);
  CHECK(said.status == 0);
  CHECK(said.out.starts_with("it's|/"));
  CHECK(said.out.find("/*") == std::string::npos);  // a look expands patterns, although the shell that runs it does not
  CHECK(said.err == "why\n");
  CHECK(std::get<Output>(answers[facts + 1]) == Output{7, "", ""});
  CHECK(std::get<File>(answers[facts + 3]).content.size() == 100'000);

  scratch.put("program", executor::render(program, "n0nce", scratch.places).stdin_head());
  const int started = processes_of("cat " + scratch.path("program") + " | sh -c " + shell_word(shell::boot) + " >" + scratch.path("said"));
  if (started < 0) {
    MESSAGE("skipped: no process can be traced here");
    return;
  }
  CHECK(scratch.get("said").find("n0nce end") != std::string::npos);
  // The outer shell and cat; the program's shell and flock; timeout and the asking shell; ip (again for IPv6, where there is no default route) and
  // date of the facts; true; curl; systemctl; stat; sha256sum; dpkg-query; tar and base64.
  CHECK(started <= 17);
}

TEST_CASE("a program of which the end is lost does not run at all") {
  Scratch scratch;
  const Program program{.dos = {{"h", wish(scratch, "x", std::string(5000, 'x'))}}};
  const std::string whole = executor::render(program, "n0nce", scratch.places).stdin_head();
  for (const std::size_t size : {whole.size() - 2, whole.size() - 8, whole.size() - 30, whole.size() / 2, std::size_t{3}, std::size_t{0}}) {
    for (const bool piped : {false, true}) {
      scratch.piped = piped;
      const std::string said = scratch.say(whole.substr(0, size));
      CHECK_MESSAGE(said.find("n0nce") == std::string::npos, size);
      CHECK_FALSE(scratch.has("x"));
    }
  }
  for (const bool piped : {false, true}) {
    scratch.piped = piped;
    CHECK(scratch.say(whole).find("n0nce end") != std::string::npos);
    CHECK(scratch.has("x"));
  }
}

TEST_CASE("the result is read through any noise, and torn anywhere it is no result") {
  Scratch scratch;
  Program program{.dos = {{"h", wish(scratch, "x", "1")}, {"h", Run{{"sh", "-c", "echo o; echo e >&2"}}}},
                  .asks = {{"h", FileOf{scratch.path("x")}}, {"h", Exec{{"echo", "n0nce end ."}}}, {"h", PackageOf{"dpkg"}}}};
  const auto script = executor::render(program, "n0nce", scratch.places);
  const std::string said = scratch.say(script.stdin_head());
  auto read = [&](const std::string& bytes, std::size_t piece) {
    Reader reader(program, "n0nce");
    for (std::size_t i = 0; i < bytes.size(); i += piece) reader.feed(std::string_view(bytes).substr(i, piece));
    return reader;
  };
  auto check = [&](Reader reader) {
    REQUIRE(reader.ended());
    const auto result = reader.result();
    CHECK(result.dos[0].what == What::done);
    CHECK(result.dos[1].output == Output{0, "o\n", "e\n"});
    CHECK(std::get<File>(result.answers[0]).content == "1");
    CHECK(std::get<Output>(result.answers[1]).out == "n0nce end .\n");
    CHECK(std::holds_alternative<Package>(result.answers[2]));
  };
  for (const std::size_t piece : {1, 2, 7, 100, 100000}) check(read(said, piece));
  check(read("Welcome!\nn0nc end .\nn0nce\nn0nce do 0 failed 1 - -  \n no newline here" + said + "and more", 11));
  check(read(std::string(17u << 20, 'x') + said, 65536));

  for (std::size_t size = 0; size + 2 < said.size(); ++size) {
    Reader reader = read(said.substr(0, size), said.size());
    CHECK_FALSE(reader.ended());
    const auto result = reader.result();
    CHECK(result.dos.size() == 2);
    CHECK(result.answers.size() == 3);
  }

  // Anything may come. What is read is of the right shape or nothing.
  std::mt19937 random(42);
  for (int round = 0; round < 3000; ++round) {
    std::string spoilt = said;
    for (int i = 0; i < 1 + round % 20; ++i) {
      const std::size_t at = random() % spoilt.size();
      switch (random() % 4) {
        case 0:
          spoilt[at] = static_cast<char>(random());
          break;
        case 1:
          spoilt.erase(at, random() % 40);
          break;
        case 2:
          spoilt.insert(at, said.substr(random() % said.size(), random() % 60));
          break;
        default:
          spoilt[at] = " -.=\n0|:"[random() % 8];
          break;
      }
    }
    Reader reader = read(spoilt, 1 + random() % 50);
    const auto result = reader.result();
    CHECK(result.dos.size() == 2);
    CHECK(result.answers.size() == 3);
  }
}

TEST_CASE("units: their properties, and whether they run on their present files") {
  const Ask etcd{"h", UnitOf{"etcd.service", {"/s1", "/s2"}, {"/l"}}};
  const Ask gone{"h", UnitOf{"gone.service"}};
  const Program program{.asks = {etcd, gone, {"h", UnitOf{"etcd.service"}}}};
  const std::string one(64, '1'), two(64, '2'), three(64, '3');
  auto frames = [](const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) text += "\nN " + line + " .\n";
    return text;
  };
  const auto units = frames({"unit MainPID=7", "unit NRestarts=1", "unit Result=success", "unit LoadState=loaded", "unit ActiveState=active",
                             "unit SubState=running", "unit UnitFileState=enabled", "unit ActiveEnterTimestampMonotonic=42", "unit ",
                             "unit LoadState=not-found", "unit ActiveState=inactive", "unit status 0"});
  auto answers = [&](const std::string& more) {
    Reader reader(program, "N");
    reader.feed(units + more);
    return reader.result().answers;
  };
  auto current = [&](const std::string& more) {
    const auto unit = std::get<Unit>(answers(more)[0]);
    return std::pair(unit.start_files_current, unit.load_files_current);
  };
  const auto none = answers("");
  CHECK(std::get<Unit>(none[2]) == Unit{"active", "running", true, false, 7, 42, true, true, "success", 1});
  CHECK(std::holds_alternative<Absent>(none[1]));
  const auto state = [&](const std::string& active, const std::string& job) {
    const Program asked{.asks = {etcd}};
    Reader reader(asked, "N");
    reader.feed(frames({"unit LoadState=loaded", "unit ActiveState=" + active, "unit SubState=dead", "unit Job=" + job, "unit status 0"}));
    return std::get<Unit>(reader.result().answers[0]).active;
  };
  CHECK(state("failed", "") == "failed");
  CHECK(state("failed", "71") == "activating");  // it ended badly, and its restart has not begun yet
  CHECK(state("inactive", "71") == "activating");
  CHECK(state("deactivating", "71") == "deactivating");
  CHECK(current("") == std::pair(false, false));
  const auto sums = frames({"sum " + one + "  /s1", "sum " + three + "  /l"});  // /s2 is not there
  const auto start = frames(
      {"noted etcd.service.start", "note etcd.service.start sha256sum: /s2: No such file or directory", "note etcd.service.start " + one + "  /s1"});
  CHECK(current(sums + start) == std::pair(true, false));
  CHECK(current(sums + start + frames({"noted etcd.service.load", "note etcd.service.load " + three + "  /l"})) == std::pair(true, true));
  CHECK(current(sums + start + frames({"noted etcd.service.load", "note etcd.service.load " + two + "  /l"})) == std::pair(true, false));
  CHECK(current(sums + frames({"sum " + two + "  /s2"}) + start) == std::pair(false, false));
  CHECK(current(sums + frames({"noted etcd.service.start", "note etcd.service.start " + one + "  /s1"})) == std::pair(false, false));
  // What is short comes whole, and is summed here.
  const std::string here = sha256_hex("x");
  const auto whole = frames({"content =eA== 0 /s1", "sum " + three + "  /l"});
  const auto noted = [&](const std::string& sum) {
    return frames({"noted etcd.service.start", "note etcd.service.start sha256sum: /s2: No such file or directory",
                   "note etcd.service.start " + sum + "  /s1"});
  };
  CHECK(current(whole + noted(here)) == std::pair(true, false));
  CHECK(current(whole + noted(one)) == std::pair(false, false));
}

TEST_CASE("files that a unit reads are summed on the host where they are long, and come whole where they are short") {
  Scratch scratch;
  scratch.put("short", "s");
  scratch.put("long", std::string(70'000, 'l'));
  scratch.put("wanted", "w");
  const std::vector<std::string> files{scratch.path("short"), scratch.path("long"), scratch.path("nowhere")};
  const Program program{.asks = {{"h", UnitOf{"x.service", files}}, {"h", FileOf{scratch.path("wanted")}}, {"h", FileOf{files[0], false}}}};
  const std::string said = scratch.say(executor::render(program, "N", scratch.places).stdin_head());
  CHECK(said.find("\nN sum " + sha256_hex(std::string(70'000, 'l')) + "  " + files[1] + " .\n") != std::string::npos);
  CHECK(said.find("\nN sum " + sha256_hex("s")) == std::string::npos);
  Reader reader(program, "N");
  reader.feed(said);
  const auto answers = reader.result().answers;
  CHECK(std::get<File>(answers.at(1)).content == "w");
  CHECK(std::get<File>(answers.at(2)).sha256 == sha256_hex("s"));
  CHECK(std::get<File>(answers.at(2)).content.empty());
}

TEST_CASE("base64 and digests") {
  for (std::size_t size = 0; size < 40; ++size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 37 + 200);
    CHECK(from_base64(to_base64(bytes)) == bytes);
  }
  CHECK(to_base64("ab") == "YWI=");
  for (const char* bad : {"a", "ab", "abc", "a===", "ab=c", "=abc", "ab==cdef", "ab\n="}) CHECK_FALSE(from_base64(bad));
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
