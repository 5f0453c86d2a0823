#include <doctest/doctest.h>

#include <pgcluster/step/step.hpp>

using namespace pgcluster;

namespace {

Decision decide(const StepPtr& step, const Answer& answer) {
  Answers answers;
  for (const Ask& ask : step->asks()) answers.set(ask, answer);
  return step->decide(answers);
}

const Change& change(const Decision& decision) {
  REQUIRE(std::holds_alternative<Change>(decision));
  return std::get<Change>(decision);
}
bool done(const Decision& decision) { return std::holds_alternative<Done>(decision); }

}  // namespace

TEST_CASE("a file: fresh, no-op, drifted, failed") {
  Text content = "password = ";
  content += Secret{"p", "geheim"};
  content += "\n";
  const StepPtr step = file("h/c/config", "h", {.path = "/etc/c", .content = content, .mode = 0600});

  const Decision fresh = decide(step, Absent{});
  CHECK(change(fresh).action == Action::create);
  CHECK(std::holds_alternative<Absent>(*change(fresh).todo[0].was));
  CHECK(change(fresh).diff.masked().find("geheim") == std::string::npos);

  const File as_wished{.content = "password = geheim\n", .sha256 = "1", .mode = 0600};
  CHECK(done(decide(step, as_wished)));

  File other = as_wished;
  other.content = "password = another\n";
  const Decision drifted = decide(step, other);
  CHECK(change(drifted).action == Action::update);
  CHECK(change(drifted).diff.masked().find("another\n") == std::string::npos);
  REQUIRE(std::holds_alternative<File>(*change(drifted).todo[0].was));
  CHECK(std::get<File>(*change(drifted).todo[0].was).content.empty());

  File open = as_wished;
  open.mode = 0644;
  const Decision readable = decide(step, open);
  CHECK(change(readable).reason == "owner or mode differ");

  CHECK(std::holds_alternative<Refused>(decide(step, Unreadable{"Input/output error"})));
  CHECK(std::holds_alternative<Refused>(decide(step, File{.kind = File::Kind::directory})));
}

TEST_CASE("a file that root itself cannot write is refused only where it would be changed") {
  const std::string path = "/etc/c";
  for (const StepPtr& step : {file("h/c/config", "h", {.path = path, .content = "new\n"}),
                              block("h/c/block", "h", {.path = path, .marker = "m", .content = "new\n"}), absent("h/c/gone", "h", "file:" + path)}) {
    CAPTURE(step->name());
    const Decision decision = decide(step, File{.content = "old\n", .fixed = true});
    REQUIRE(std::holds_alternative<Refused>(decision));
    CHECK(std::get<Refused>(decision).why.message.find("/etc/c cannot be written") == 0);
    CHECK(std::get<Refused>(decision).why.hint.find("chattr -i /etc/c") != std::string::npos);
  }
  CHECK(done(decide(file("h/c/config", "h", {.path = path, .content = "new\n"}), File{.content = "new\n", .fixed = true})));
}

TEST_CASE("a service between two deaths is not done") {
  const StepPtr step = service("h/c/service", "h", {.unit = "c.service"});
  const Decision between = decide(step, Unit{.active = "active", .enabled = true, .restarts = 2, .young = true});
  REQUIRE(std::holds_alternative<Later>(between));
  CHECK(std::get<Later>(between).wrong.find("c.service was restarted 2 times") == 0);
  // On its way, too; a unit that starts for the first time is only waited for.
  const std::string wrong = std::get<Later>(between).wrong;
  CHECK(std::get<Later>(decide(step, Unit{.active = "activating", .sub = "start-pre", .enabled = true, .restarts = 2})).wrong == wrong);
  CHECK(std::get<Later>(decide(step, Unit{.active = "deactivating", .sub = "stop-sigterm", .enabled = true, .result = "exit-code", .restarts = 2}))
            .wrong == wrong);
  // It has died long ago. Now it waits for its peers, or somebody stops it.
  CHECK(
      std::get<Later>(decide(step, Unit{.active = "activating", .sub = "start", .enabled = true, .result = "success", .restarts = 2})).wrong.empty());
  CHECK(std::holds_alternative<Change>(
      decide(step, Unit{.active = "deactivating", .sub = "stop-sigterm", .enabled = true, .result = "success", .restarts = 2})));
  CHECK(std::get<Later>(decide(step, Unit{.active = "activating", .sub = "start-pre", .enabled = true})).wrong.empty());
  CHECK(done(decide(step, Unit{.active = "active", .enabled = true, .young = true})));
  CHECK(done(decide(step, Unit{.active = "active", .enabled = true, .restarts = 2})));
}

TEST_CASE("a block in somebody else's file: only it is compared") {
  const StepPtr step = block("h/c/hosts", "h", {.path = "/etc/hosts", .marker = "m", .content = "10.0.0.1 pg1\n"});
  CHECK(change(decide(step, Absent{})).action == Action::create);
  CHECK(change(decide(step, File{.content = "127.0.0.1 localhost"})).action == Action::create);
  CHECK(done(decide(step, File{.content = "127.0.0.1 localhost\n# BEGIN pgcluster m\n10.0.0.1 pg1\n# END pgcluster m\n# more\n"})));
  CHECK(change(decide(step, File{.content = "# BEGIN pgcluster m\n10.0.0.2 pg1\n# END pgcluster m\n"})).action == Action::update);
  CHECK(std::holds_alternative<Refused>(decide(step, Unreadable{"no"})));
}

TEST_CASE("packages: only what is missing is installed") {
  const StepPtr step = packages("h/c/package", "h", {"a", "b"}, {"b.service"});
  CHECK(done(decide(step, Package{"1"})));
  Answers answers;
  answers.set(step->asks()[0], Package{"1"});
  answers.set(step->asks()[1], Absent{});
  const Decision fresh = step->decide(answers);
  CHECK(std::get<Install>(change(fresh).todo[0].what).packages == std::vector<std::string>{"b"});
  CHECK(change(fresh).reason == "not installed: b");
  CHECK(std::holds_alternative<Refused>(decide(step, Unreadable{"dpkg is broken"})));
}

TEST_CASE("a service: started, left alone, restarted or reloaded for what has changed, and its death told at once") {
  const StepPtr step = service("h/c/service", "h", {.unit = "c.service", .start_files = {"/etc/a"}, .load_files = {"/etc/b"}, .reloadable = true});
  const Unit good{.active = "active", .enabled = true, .started = 7};
  CHECK(change(decide(step, Absent{})).action == Action::start);
  CHECK(done(decide(step, good)));

  Unit unit = good;
  unit.start_files_current = false;
  const Decision restart = decide(step, unit);
  CHECK(change(restart).impact == Impact::restart);
  CHECK(std::get<Unit>(*change(restart).todo[0].was).started == 7);
  unit = good;
  unit.load_files_current = false;
  CHECK(change(decide(step, unit)).action == Action::reload);
  unit = good;
  unit.enabled = false;
  CHECK(change(decide(step, unit)).action == Action::update);

  CHECK(std::holds_alternative<Later>(decide(step, Unit{.active = "activating", .sub = "start", .enabled = true})));
  const Decision dying = decide(step, Unit{.active = "activating", .sub = "auto-restart", .enabled = true, .result = "exit-code", .restarts = 3});
  // Once more, as the cause may be mended; and where it dies again that is the end of it.
  CHECK(change(dying).action == Action::restart);
  CHECK(change(dying).impact == Impact::none);
  CHECK(change(dying).failed == "c.service fails repeatedly (result: exit-code)");
  CHECK(change(decide(step, Unit{.active = "failed", .enabled = true, .result = "exit-code"})).failed == "c.service has died (result: exit-code)");
  CHECK_FALSE(step->evidence().empty());
}

TEST_CASE("removals: what is gone is done, what is there goes") {
  CHECK(done(decide(absent("h/c/x", "h", "file:/etc/x"), Absent{})));
  CHECK(change(decide(absent("h/c/x", "h", "file:/etc/x"), File{})).action == Action::remove);
  CHECK(done(decide(absent("h/c/x", "h", "unit:x.service"), Unit{.active = "inactive"})));
  CHECK(change(decide(absent("h/c/x", "h", "unit:x.service"), Unit{.active = "active"})).impact == Impact::outage);
  CHECK(change(decide(absent("h/c/x", "h", "tree:/var/lib/x"), File{.kind = File::Kind::directory})).impact == Impact::data);
  CHECK(done(decide(absent("h/c/x", "h", "block:/etc/hosts#m"), File{.content = "127.0.0.1 localhost\n"})));
  CHECK_THROWS_AS(absent("h/c/x", "h", "moon:1"), Error);
}

TEST_CASE("the drop-in notes the files by the command that the answer compares with") {
  const std::string text =
      unit_notes({.unit = "c.service", .start_files = {"/etc/a"}, .load_files = {"/etc/b"}, .reloadable = true}, {"/bin/kill -HUP $MAINPID"})
          .content.reveal();
  CHECK(text.find("sha256sum -- /etc/a >/run/pgcluster/units/c.service.start 2>&1") != std::string::npos);
  CHECK(text.find("sha256sum -- /etc/b >/run/pgcluster/units/c.service.load 2>&1") != std::string::npos);
  CHECK(text.find("ExecReload=\nExecReload=+/bin/sh") != std::string::npos);
  CHECK(text.ends_with("ExecReload=/bin/kill -HUP $MAINPID\n"));
}
