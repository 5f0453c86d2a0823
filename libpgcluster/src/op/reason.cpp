#include "op/reason.hpp"

#include <sstream>
#include <vector>

#include "base/strings.hpp"

namespace pgcluster {
namespace {

constexpr std::size_t longest = 300;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    if (line = strings::trimmed(line); !line.empty()) lines.push_back(line);
  return lines;
}

// curl --fail-with-body prints what the service answered, and a line of its own: "curl: (22) The requested URL returned error: 412".
std::string of_curl(const std::vector<std::string>& lines, const std::string& own) {
  std::string answer;
  for (const std::string& line : lines)
    if (line != own) answer += (answer.empty() ? "" : " ") + line;
  constexpr std::string_view returned = "returned error: ";
  const auto at = own.find(returned);
  const std::string what = at == std::string::npos ? own.substr(own.find(") ") + 2) : "(" + own.substr(at + returned.size(), 3) + ")";
  return answer.empty() ? what : at == std::string::npos ? what + ": " + answer : what + " " + answer;
}

}  // namespace

std::string reason_of(const Output& failed) {
  std::vector<std::string> lines = lines_of(failed.err);
  if (lines.empty()) lines = lines_of(failed.out);
  if (lines.empty()) return {};
  std::string reason = lines.back();
  for (const std::string& line : lines) {
    if (line.starts_with("curl: (") && line.find(") ") != std::string::npos) {
      reason = of_curl(lines, line);
      break;
    }
    // PostgreSQL's details, hints and the statement follow the error.
    const auto error = std::min(line.find("ERROR:  "), line.find("FATAL:  "));
    if (error != std::string::npos) {
      reason = line.substr(error);
      break;
    }
  }
  return strings::shortened(reason, longest);
}

}  // namespace pgcluster
