#include "executor/program/merge.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <sstream>

#include "base/digest.hpp"
#include "op/ask.hpp"

namespace pgcluster::executor {
namespace {

using Words = std::vector<std::string>;

// The words between --next of a call of curl, without -w, which stands apart.
struct Transfer {
  Words words{};
  std::string format{};
  bool silent = false;
};
// One that curl takes as it stands, without {a,b} or [1-3]. An IPv6 address has brackets, too.
bool is_url(const std::string& word) {
  const std::size_t address = word.starts_with("http://") ? 7 : word.starts_with("https://") ? 8 : 0;
  if (address == 0) return false;
  const bool v6 = word.compare(address, 1, "[") == 0;
  const auto end = v6 ? word.find(']', address) : address;
  return end != std::string::npos && word.find_first_of("{}[]", v6 ? end + 1 : end) == std::string::npos;
}

// Empty where the call has options whose meaning for other transfers, or for the standard error, is not known here.
std::vector<Transfer> transfers(const Words& call) {
  static const std::set<std::string_view> alone{"-s", "-f", "-sf"},
      with_value{"-m", "--connect-timeout", "-d", "--noproxy", "--cacert", "--cert", "--key"};
  std::vector<Transfer> all(1);
  for (std::size_t i = 0; i < call.size(); ++i) {
    const std::string& word = call[i];
    if (word == "--next") {
      all.emplace_back();
      continue;
    }
    Transfer& now = all.back();
    if (alone.contains(word)) {
      now.silent = now.silent || word.starts_with("-s");
      now.words.push_back(word);
    } else if ((with_value.contains(word) || word == "-w") && i + 1 < call.size()) {
      ++i;
      if (word == "-w")
        now.format = call[i];
      else if (call[i].starts_with('@'))  // a file
        return {};
      else
        now.words.insert(now.words.end(), {word, call[i]});
    } else if (is_url(word)) {
      now.words.push_back(word);
    } else {
      return {};
    }
  }
  const bool whole =
      std::all_of(all.begin(), all.end(), [](const Transfer& one) { return one.silent && std::any_of(one.words.begin(), one.words.end(), is_url); });
  return whole ? all : std::vector<Transfer>{};
}

Words curl_words(const Exec& exec) {
  if (exec.argv.empty()) return {};
  return exec.argv[0] == "curl" ? Words(exec.argv.begin() + 1, exec.argv.end()) : first_call(exec.argv);
}
// -q counts only as the first word of all, and then for the whole call.
bool without_curlrc(const Exec& exec) {
  const Words words = curl_words(exec);
  return !words.empty() && words.front() == "-q";
}
std::vector<Transfer> transfers(const Exec& exec) {
  Words words = curl_words(exec);
  if (!exec.input.empty() || words.empty()) return {};
  if (words.front() == "-q") words.erase(words.begin());
  return transfers(words);
}

// The ports of "sport = :1 or sport = :2"; empty for any other filter.
std::set<std::string> source_ports(const Exec& exec) {
  if (exec.argv.size() != 3 || exec.argv[0] != "ss" || !exec.argv[1].starts_with("-H") || !exec.input.empty()) return {};
  std::set<std::string> ports;
  std::istringstream words(exec.argv[2]);
  std::string sport, is, port, between;
  do {
    if (!(words >> sport >> is >> port) || sport != "sport" || is != "=" || port.size() < 2 || port[0] != ':' ||
        port.find_first_not_of("0123456789", 1) != std::string::npos)
      return {};
    ports.insert(port.substr(1));
  } while (words >> between && between == "or");
  return words ? std::set<std::string>{} : ports;
}

const Exec* exec_of(const Program& program, std::size_t ask) { return std::get_if<Exec>(&program.asks[ask].what); }

std::string mark(std::string_view nonce, std::size_t ask) { return "\n" + std::string(nonce) + " " + std::to_string(ask) + " "; }

Answer transferred(const Output& whole, std::size_t ask, std::string_view nonce) {
  // What stands between any mark and one of this ask is of this ask.
  const std::string any = "\n" + std::string(nonce) + " ", own = mark(nonce, ask);
  Output part{.status = -1};
  for (std::size_t begin = 0, at = 0; (at = whole.out.find(any, begin)) != std::string::npos;) {
    const auto end = whole.out.find('\n', at + 1);
    if (end == std::string::npos) break;
    if (whole.out.compare(at, own.size(), own) == 0) {
      part.out += whole.out.substr(begin, at - begin);
      std::from_chars(whole.out.data() + at + own.size(), whole.out.data() + end, part.status);
    }
    begin = end + 1;
  }
  if (part.status >= 0) return part;
  if (whole.status == 0) return Unreadable{"curl said too much"};
  return Output{.status = whole.status, .err = whole.err};  // it was not there, or out of time
}

Answer listening(const Exec& exec, const Output& whole) {
  const std::set<std::string> ports = source_ports(exec);
  Output part{.status = whole.status, .err = whole.err};
  std::istringstream lines(whole.out);
  for (std::string line; std::getline(lines, line);) {
    // The first word with a colon is the own address: "0.0.0.0:6432", "[::1]:6432".
    std::istringstream words(line);
    std::string word;
    while (words >> word && word.find(':') == std::string::npos) {
    }
    if (const auto colon = word.rfind(':'); colon != std::string::npos && ports.contains(word.substr(colon + 1))) part.out += line + "\n";
  }
  return part;
}

}  // namespace

bool has_more_calls(const Ask& ask) {
  const auto* exec = std::get_if<Exec>(&ask.what);
  return exec && !first_call(exec->argv).empty();
}

std::vector<Merged> merged(const Program& program) {
  std::map<bool, Merged> curl;       // by -q
  std::map<std::string, Merged> ss;  // by options
  for (std::size_t i = 0; i < program.asks.size(); ++i) {
    const Exec* exec = exec_of(program, i);
    if (!exec) continue;
    if (!source_ports(*exec).empty()) {
      ss[exec->argv[1]].by = Merged::By::ss;
      ss[exec->argv[1]].asks.push_back(i);
    } else if (!transfers(*exec).empty()) {
      curl[without_curlrc(*exec)].asks.push_back(i);
    }
  }
  std::vector<Merged> all;
  for (auto& [quiet, call] : curl)
    if (call.asks.size() > 1) all.push_back(std::move(call));
  for (auto& [options, call] : ss)
    if (call.asks.size() > 1) all.push_back(std::move(call));
  return all;
}

std::string merged_command(const Program& program, const Merged& call) {
  if (call.by == Merged::By::ss) {
    std::set<std::string> ports;
    for (const std::size_t ask : call.asks) ports.merge(source_ports(*exec_of(program, ask)));
    std::string filter;
    for (const std::string& port : ports) filter += (filter.empty() ? "sport = :" : " or sport = :") + port;
    return " ss " + shell_word(exec_of(program, call.asks.front())->argv[1]) + " " + shell_word(filter);
  }
  std::string text = without_curlrc(*exec_of(program, call.asks.front())) ? " curl -q" : " curl";
  bool first = true;
  for (const std::size_t ask : call.asks)
    for (const Transfer& one : transfers(*exec_of(program, ask))) {
      if (!first) text += " --next";
      first = false;
      for (const std::string& word : one.words) text += " " + shell_word(word);
      const std::string number = std::to_string(ask);
      text += " -w " + shell_word(one.format) + "'\\n'\"$N\"' " + number + " %{exitcode}\\n%{stderr}" + number + " %{exitcode}\\n'";
    }
  return text;
}

Answer part_of(const Program& program, const Merged& call, const Output& whole, std::size_t ask, std::string_view nonce) {
  return call.by == Merged::By::ss ? listening(*exec_of(program, ask), whole) : transferred(whole, ask, nonce);
}

}  // namespace pgcluster::executor
