#include <doctest/doctest.h>

#include <pgcluster/step/step.hpp>

using namespace pgcluster;

namespace {

int reads = 0;
std::size_t length(const Answer& answer) {
  ++reads;
  const auto* output = std::get_if<Output>(&answer);
  return output ? output->out.size() : 0;
}
bool there(const Answer& answer) { return !std::holds_alternative<Absent>(answer); }

}  // namespace

TEST_CASE("what was not asked is unreadable, and read as such") {
  Answers answers;
  const Ask ask{"h", Exec{{"echo", "x"}}};
  CHECK(std::holds_alternative<Unreadable>(answers[ask]));
  CHECK(answers.read(ask, length) == 0);
  CHECK_FALSE(answers.pending(ask));
  answers.set({"other", ask.what}, Output{.out = "x"});
  CHECK(std::holds_alternative<Unreadable>(answers[ask]));
}

TEST_CASE("an answer is read once by each function, by all who are given it, and anew when there is another") {
  const auto ask = std::make_shared<const Ask>(Ask{"h", Exec{{"echo", "x"}}});
  Answers first, second;
  first.set(*ask, Output{.out = "four"});
  REQUIRE(second.take(ask, first));
  reads = 0;
  CHECK(first.read(*ask, length) == 4);
  CHECK(second.read(*ask, length) == 4);
  CHECK(second.read(*ask, there));
  CHECK(reads == 1);
  second.set(*ask, Output{.out = "another"}, true);
  CHECK(second.read(*ask, length) == 7);
  CHECK(second.pending(*ask));
  CHECK(first.read(*ask, length) == 4);
  CHECK(reads == 2);
  CHECK_FALSE(Answers().take(ask, Answers()));
}

TEST_CASE("asks that differ only in the middle of a long text are not taken for each other") {
  const std::string long_text(500, 'x');
  std::string other = long_text;
  other[250] = 'y';
  const Ask a{"h", Exec{{"sh", "-c", long_text}}}, b{"h", Exec{{"sh", "-c", other}}};
  Answers answers;
  answers.set(a, Output{.out = "a"});
  answers.set(b, Output{.out = "b"});
  CHECK(*answers.out(a) == "a");
  CHECK(*answers.out(b) == "b");
}

TEST_CASE("asks in common are asked by each step that has them, and by an order") {
  const auto common = std::make_shared<const std::vector<Ask>>(std::vector<Ask>{{"h", FileOf{"/b"}}, {"h", FileOf{"/c"}}});
  const StepPtr step = gate("h/a/1", {.asks = {{"h", FileOf{"/a"}}}, .decide = [](const Answers&) -> Decision { return Done{}; }, .common = common});
  CHECK(step->asks() == std::vector<Ask>{{"h", FileOf{"/a"}}, {"h", FileOf{"/b"}}, {"h", FileOf{"/c"}}});
  CHECK(Order{.common = common}.all_asks() == *common);
}
