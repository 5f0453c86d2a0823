#include "component/program.hpp"

#include "base/strings.hpp"

#include "component/shell.hpp"

namespace pgcluster {

StepPtr program_step(const NodeView& node, const std::string& component, const std::string& program_file, const BinarySpec& binary) {
  const std::string host = node.name();
  std::string sha256 = binary.sha256;
  if (binary.path.empty())
    sha256 = strings::lower(sha256);
  else if (const auto known = node.cluster.digests.find(binary.path); known != node.cluster.digests.end())
    sha256 = known->second;
  const Ask ask{host, FileOf{program_file, false}};
  auto decide = [ask, binary, sha256, host, program_file](const Answers& answers) -> Decision {
    const Answer& answer = answers[ask];
    const auto* found = std::get_if<File>(&answer);
    if (!found && !std::holds_alternative<Absent>(answer)) {
      const auto* why = std::get_if<Unreadable>(&answer);
      return Refused{{.message = "cannot read " + program_file + (why ? ": " + why->why : ""), .hint = "look at it on the host"},
                     Code::command_failed};
    }
    if (found && found->sha256 == sha256 && found->mode == 0755) return Done{};
    Do d{.at = host, .what = {}, .limit = std::chrono::minutes(10)};
    if (!binary.path.empty()) {
      d.what = Upload{.path = program_file, .source = binary.path, .sha256 = sha256, .mode = 0755};
      d.was = answer;
    } else {
      d.what = Run{.argv = {"sh", "-c", shell::download, "sh", program_file, binary.url, sha256},
                   .touches = {"file:" + program_file},
                   .slow = true,
                   .name = "download " + binary.url};
    }
    return Change{.todo = {std::move(d)}, .action = found ? Action::update : Action::create, .reason = found ? "another version" : "not there"};
  };
  return make_step(node.step(component, "program"), {.asks = {ask}, .decide = decide, .keeps = {"file:" + program_file}});
}

}  // namespace pgcluster
