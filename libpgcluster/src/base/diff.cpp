#include <pgcluster/base/text.hpp>

#include <algorithm>
#include <cstdint>
#include <map>

namespace pgcluster {
namespace {

constexpr std::size_t context = 3;
constexpr std::size_t longest = 4000;  // lines; beyond it only the counts are told

std::vector<std::string> lines_of(const std::string& bytes) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
    lines.push_back(bytes.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) text.replace(at, what.size(), with);
}

// What stands in the old text where the new one has a secret is a secret, too: an older password.
std::string masked_before(std::string_view before, const Text& after) {
  std::map<std::string, std::string> prefixes;  // of a line up to its first secret -> the secret's name
  for (const Text::Span& span : after.spans()) {
    const std::string& bytes = after.reveal();
    const std::size_t begin = span.begin == 0 ? std::string::npos : bytes.rfind('\n', span.begin - 1);
    const std::size_t from = begin == std::string::npos ? 0 : begin + 1;
    prefixes.emplace(bytes.substr(from, span.begin - from), span.name);
  }
  std::string out;
  for (std::string line : lines_of(std::string(before))) {
    for (const Text::Span& span : after.spans())
      replace_all(line, after.reveal().substr(span.begin, span.end - span.begin), "<secret " + span.name + ">");
    for (const auto& [prefix, name] : prefixes)
      if (!prefix.empty() && line.starts_with(prefix) && line.find("<secret ") == std::string::npos) line = prefix + "<another secret " + name + ">";
    out += line + "\n";
  }
  return out;
}

struct Edit {
  char kind;  // ' ', '-', '+'
  const std::string* line;
};

std::vector<Edit> edits(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::size_t head = 0, tail = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  while (tail < a.size() - head && tail < b.size() - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  const std::size_t n = a.size() - head - tail, m = b.size() - head - tail;
  // Longest common subsequence of the middle; what is common at both ends need not be looked at.
  std::vector<std::vector<std::uint16_t>> length(n + 1, std::vector<std::uint16_t>(m + 1, 0));
  for (std::size_t i = n; i-- > 0;)
    for (std::size_t j = m; j-- > 0;)
      length[i][j] = a[head + i] == b[head + j] ? static_cast<std::uint16_t>(length[i + 1][j + 1] + 1) : std::max(length[i + 1][j], length[i][j + 1]);
  std::vector<Edit> all;
  for (std::size_t i = 0; i < head; ++i) all.push_back({' ', &a[i]});
  for (std::size_t i = 0, j = 0; i < n || j < m;) {
    if (i < n && j < m && a[head + i] == b[head + j]) {
      all.push_back({' ', &a[head + i]}), ++i, ++j;
    } else if (j == m || (i < n && length[i + 1][j] >= length[i][j + 1])) {
      all.push_back({'-', &a[head + i]}), ++i;
    } else {
      all.push_back({'+', &b[head + j]}), ++j;
    }
  }
  for (std::size_t i = a.size() - tail; i < a.size(); ++i) all.push_back({' ', &a[i]});
  return all;
}

std::string range(std::size_t start, std::size_t count) { return std::to_string(count == 0 ? start : start + 1) + "," + std::to_string(count); }

}  // namespace

Text unified_diff(std::string_view path, std::string_view before, const Text& after) {
  if (before == after.reveal()) return {};
  const std::string header = "--- " + std::string(path) + "\n+++ " + std::string(path) + "\n";
  if (before.find('\0') != std::string_view::npos || after.reveal().find('\0') != std::string::npos)
    return header + "binary: " + std::to_string(before.size()) + " bytes become " + std::to_string(after.reveal().size()) + "\n";
  const std::vector<std::string> a = lines_of(masked_before(before, after)), b = lines_of(after.masked());
  if (a.size() > longest || b.size() > longest)
    return header + std::to_string(a.size()) + " lines become " + std::to_string(b.size()) + ": too long to show\n";
  const std::vector<Edit> all = edits(a, b);
  std::string out = header;
  bool any = false;
  std::size_t line_a = 0, line_b = 0;
  for (std::size_t i = 0; i < all.size();) {
    if (all[i].kind == ' ') {
      ++i, ++line_a, ++line_b;
      continue;
    }
    any = true;
    const std::size_t back = std::min({context, i, line_a, line_b});
    std::size_t end = i, quiet = 0;  // a hunk ends where more than twice the context is the same
    for (std::size_t k = i; k < all.size() && quiet <= 2 * context; ++k) {
      quiet = all[k].kind == ' ' ? quiet + 1 : 0;
      if (quiet == 0) end = k + 1;
    }
    const std::size_t stop = std::min(all.size(), end + context);
    std::string body;
    std::size_t count_a = 0, count_b = 0;
    for (std::size_t k = i - back; k < stop; ++k) {
      body += all[k].kind + *all[k].line + "\n";
      count_a += all[k].kind != '+';
      count_b += all[k].kind != '-';
    }
    out += "@@ -" + range(line_a - back, count_a) + " +" + range(line_b - back, count_b) + " @@\n" + body;
    line_a += count_a - back;
    line_b += count_b - back;
    i = stop;
  }
  // Only secrets, or the newline at the end, differ.
  if (!any) out += after.has_secret() ? "(a secret differs)\n" : "(the newline at the end differs)\n";
  return out;
}

}  // namespace pgcluster
