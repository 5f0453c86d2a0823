#include <pgcluster/base/text.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

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

using Known = std::vector<std::pair<std::string, std::string>>;  // value and name of each secret, the longest first

Known known_secrets(const Text& after) {
  Known known;
  for (const Text::Span& span : after.spans()) known.emplace_back(after.reveal().substr(span.begin, span.end - span.begin), span.name);
  std::sort(known.begin(), known.end(),
            [](const auto& a, const auto& b) { return a.first.size() != b.first.size() ? a.first.size() > b.first.size() : a < b; });
  known.erase(std::unique(known.begin(), known.end()), known.end());
  return known;
}

std::string mask(std::string_view name) { return "<secret " + std::string(name) + ">"; }

// Every place where a known value stands, whoever wrote it there.
std::string mask_values(std::string_view plain, const Known& known) {
  std::string out;
  for (std::size_t at = 0; at < plain.size();) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const auto& one) { return plain.substr(at).starts_with(one.first); });
    if (found == known.end()) {
      out += plain[at++];
    } else {
      out += mask(found->second);
      at += found->first.size();
    }
  }
  return out;
}

struct Place {
  std::string prefix;  // of a line up to its first secret, without blanks and quotes
  std::string name;
  bool many_lines;  // a key or certificate
};

struct Masked {
  std::string text;
  std::vector<Place> places;
};

bool drawn(char c) { return c != ' ' && c != '\t' && c != '"' && c != '\''; }

Masked masked_after(const Text& after, const Known& known) {
  Masked masked;
  const std::string_view bytes = after.reveal();
  std::size_t at = 0;
  for (const Text::Span& span : after.spans()) {
    masked.text += mask_values(bytes.substr(at, span.begin - at), known);
    std::string prefix = masked.text.substr(masked.text.rfind('\n') + 1);  // npos + 1 is 0
    prefix.erase(std::remove_if(prefix.begin(), prefix.end(), [](char c) { return !drawn(c); }), prefix.end());
    masked.places.push_back({std::move(prefix), span.name, bytes.substr(span.begin, span.end - span.begin).find('\n') != std::string_view::npos});
    masked.text += mask(span.name);
    at = span.end;
  }
  masked.text += mask_values(bytes.substr(at), known);
  return masked;
}

// Where the secret begins in a line that is like the place's line up to there, however it is indented and quoted.
std::optional<std::size_t> begin_of_secret(const std::string& line, const Place& place) {
  std::size_t at = 0;
  for (const char c : place.prefix) {
    while (at < line.size() && !drawn(line[at])) ++at;
    if (at == line.size() || line[at] != c) return std::nullopt;
    ++at;
  }
  while (at < line.size() && !drawn(line[at])) ++at;
  return at;
}

// What stands in the old text where the new one has a secret is a secret, too: an older password.
std::vector<std::string> masked_before(std::string_view before, const Masked& after, const Known& known) {
  const std::vector<std::string> after_lines = lines_of(after.text);
  const std::set<std::string_view> plain(after_lines.begin(), after_lines.end());
  std::vector<std::string> lines;
  std::string key;  // set while the lines of an older key go on
  for (std::string& line : lines_of(mask_values(before, known))) {
    if (plain.contains(line)) {
      key.clear();
      lines.push_back(std::move(line));
      continue;
    }
    const Place* first = nullptr;
    std::size_t from = line.size() + 1;
    for (const Place& place : after.places)
      if (const auto begin = begin_of_secret(line, place); begin && *begin < from) from = *begin, first = &place;
    if (first) {
      std::string hidden = line.substr(0, from) + "<another secret " + first->name + ">";
      key = first->many_lines ? first->name : "";
      // Lines that are nothing but a secret say no more when there are several.
      if (from > 0 || lines.empty() || lines.back() != hidden) lines.push_back(std::move(hidden));
    } else if (key.empty()) {
      lines.push_back(std::move(line));
    }
  }
  return lines;
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
  const Known known = known_secrets(after);
  const Masked masked = masked_after(after, known);
  const std::vector<std::string> a = masked_before(before, masked, known), b = lines_of(masked.text);
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
