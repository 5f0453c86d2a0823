#include "base/nearest.hpp"

#include <algorithm>
#include <string>

#include "base/strings.hpp"

namespace pgcluster {
namespace {

// Edits that turn one into the other; neighbours that changed places count as one.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

// Case, and whether words are joined by - or _, do not count.
std::string normal(std::string_view text) {
  std::string out = strings::lower(text);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

}  // namespace

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string asked = normal(word);
  std::string_view best;
  std::size_t least = std::min<std::size_t>(3, std::max<std::size_t>(1, asked.size() / 3)) + 1;
  for (const std::string_view candidate : known) {
    if (const std::size_t d = distance(asked, normal(candidate)); d < least) {
      least = d;
      best = candidate;
    }
  }
  if (!best.empty() || asked.size() < 4) return best;
  // "version" for postgresql_version, where only one ends so.
  for (const std::string_view candidate : known) {
    if (candidate.size() <= asked.size() + 1 || !candidate.ends_with(asked) || candidate[candidate.size() - asked.size() - 1] != '_') continue;
    if (!best.empty()) return {};
    best = candidate;
  }
  return best;
}

}  // namespace pgcluster
