#include "executor/program/lock.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace pgcluster::executor {

std::optional<LockAnswer> read_lock_answer(const std::string& out) {
  std::vector<std::string> lines;
  for (std::size_t from = 0, to; (to = out.find('\n', from)) != std::string::npos; from = to + 1) lines.push_back(out.substr(from, to - from));
  const auto answer =
      std::find_if(lines.begin(), lines.end(), [](const std::string& line) { return line == "ours" || line == "held" || line == "broken"; });
  if (answer == lines.end()) return std::nullopt;
  if (*answer == "ours") return LockAnswer{.what = LockAnswer::What::ours};
  if (*answer == "broken") return LockAnswer{.what = LockAnswer::What::broken};
  if (lines.end() - answer < 4) return std::nullopt;
  return LockAnswer{.what = LockAnswer::What::held, .holder = {answer[1], std::strtoll(answer[2].c_str(), nullptr, 10), answer[3]}};
}

}  // namespace pgcluster::executor
