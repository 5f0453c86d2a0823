#include "spec/words.hpp"

#include <filesystem>

namespace pgcluster::words {

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

std::string in_folder(const std::string& folder, const std::string& path) {
  if (path.empty() || path.front() == '/' || path.front() == '~' || folder.empty() || folder == ".") return path;
  return (std::filesystem::absolute(folder) / path).lexically_normal().string();
}

}  // namespace pgcluster::words
