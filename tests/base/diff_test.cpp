#include <map>
#include <string>

#include <pgcluster/base/text.hpp>
#include "golden.hpp"

using namespace pgcluster;

namespace {

// "{{NAME=VALUE}}" in a case's `after` is a secret.
Text with_secrets(const std::string& template_text) {
  Text text;
  std::size_t at = 0;
  for (std::size_t open; (open = template_text.find("{{", at)) != std::string::npos;) {
    const std::size_t close = template_text.find("}}", open), equals = template_text.find('=', open);
    text += template_text.substr(at, open - at);
    text += Secret{template_text.substr(open + 2, equals - open - 2), template_text.substr(equals + 1, close - equals - 1)};
    at = close + 2;
  }
  return text += template_text.substr(at);
}

}  // namespace

TEST_CASE("diffs as they should be") {
  for (const auto& folder : golden::cases("diff")) {
    CAPTURE(folder.string());
    const Text after = with_secrets(golden::read(folder / "after"));
    const Text diff = unified_diff("/etc/x.conf", golden::read(folder / "before"), after);
    CHECK_FALSE(diff.has_secret());
    for (const Text::Span& span : after.spans())
      CHECK(diff.reveal().find(after.reveal().substr(span.begin, span.end - span.begin)) == std::string::npos);
    CHECK(diff.reveal().find("OLD") == std::string::npos);  // the cases' word for what nobody may see
    golden::check(folder / "diff", diff.reveal());
  }
}

TEST_CASE("nothing to tell") {
  CHECK(unified_diff("/a", "", "").empty());
  CHECK(unified_diff("/a", "x\ny\n", "x\ny\n").empty());
  CHECK(unified_diff("/a", "p=1\n", Text("p=") + Secret{"s", "1"} + "\n").empty());
}

TEST_CASE("what cannot be shown is told in a line") {
  CHECK(unified_diff("/a", std::string("\0\1", 2), "x").reveal() == "--- /a\n+++ /a\nbinary: 2 bytes become 1\n");
  std::string many;
  for (int i = 0; i < 5000; ++i) many += std::to_string(i) + "\n";
  CHECK(unified_diff("/a", "x\n", many).reveal().find("5000: too long to show") != std::string::npos);
  CHECK(unified_diff("/a", "x", "x\n").reveal().find("newline at the end") != std::string::npos);
}

TEST_CASE("a text of a few thousand lines is compared soon enough") {
  std::string before, after;
  for (int i = 0; i < 3000; ++i) before += std::to_string(i) + "\n", after += std::to_string(i * 7 % 3001) + "\n";
  CHECK(unified_diff("/a", before, after).reveal().size() > 3000);
}
