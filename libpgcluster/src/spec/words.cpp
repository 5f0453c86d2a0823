#include "spec/words.hpp"

#include <algorithm>
#include <filesystem>

#include "base/strings.hpp"

namespace pgcluster::words {
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

}  // namespace

std::string shown(std::string_view text) {
  constexpr std::size_t most = 60;
  std::string out;
  for (const char c : text.substr(0, most)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  if (text.size() > most) {
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0x80) != 0) out.pop_back();  // no half of a character
    out += "…";
  }
  return out.empty() || out.find(' ') != std::string::npos ? '"' + out + '"' : out;
}

std::string one_of(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known) {
  std::string asked = strings::lower(word);
  std::replace(asked.begin(), asked.end(), '-', '_');
  std::string_view best;
  std::size_t least = std::min<std::size_t>(3, std::max<std::size_t>(1, asked.size() / 3)) + 1;
  for (const std::string_view candidate : known) {
    std::string other = strings::lower(candidate);
    std::replace(other.begin(), other.end(), '-', '_');
    if (const std::size_t d = distance(asked, other); d < least) {
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

std::string in_folder(const std::string& folder, const std::string& path) {
  if (path.empty() || path.front() == '/' || path.front() == '~' || folder.empty() || folder == ".") return path;
  return (std::filesystem::absolute(folder) / path).lexically_normal().string();
}

}  // namespace pgcluster::words
