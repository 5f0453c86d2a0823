#include "console.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <pgcluster/plan/plan.hpp>

namespace command {
namespace {

bool set(const char* variable) {
  const char* value = std::getenv(variable);
  return value && *value;
}

bool dumb() {
  const char* term = std::getenv("TERM");
  return !term || !*term || std::strcmp(term, "dumb") == 0;
}

void write(std::FILE* file, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), file);
  if (!text.ends_with('\n')) std::fputc('\n', file);
  std::fflush(file);
}

}  // namespace

int status_of(pgcluster::Code code) noexcept {
  using pgcluster::Code;
  switch (code) {
    case Code::spec_invalid:
      return status::spec;
    case Code::refused:
    case Code::locked:
      return status::refused;
    case Code::cancelled:
      return status::cancelled;
    case Code::host_unreachable:
    case Code::auth_failed:
    case Code::host_key_unknown:
    case Code::host_key_changed:
    case Code::sudo_denied:
    case Code::host_unsupported:
    case Code::command_failed:
    case Code::timed_out:
    case Code::not_converged:
    case Code::drifted:
    case Code::connection_lost:
    case Code::internal:
      return status::failed;
  }
  return status::failed;
}

Console::Console(bool json, bool no_color) : json_(json) {
  const bool color = !no_color && !set("NO_COLOR") && !dumb();
  live_ = isatty(STDERR_FILENO) == 1 && !dumb();
  live_out_ = isatty(STDOUT_FILENO) == 1 && !dumb();
  color_out_ = color && live_out_;
  color_err_ = color && live_;
}

bool Console::can_ask() const noexcept { return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1; }

void Console::answer(std::string_view text) const { write(stdout, text); }
void Console::tell(std::string_view text) const { write(stderr, text); }

void Console::error(const pgcluster::Failure& failure) const {
  if (json_) answer(pgcluster::json(failure));
  // Findings about a file begin with its name: editors parse that.
  if (failure.code == pgcluster::Code::spec_invalid && !failure.diagnostics.empty() && failure.causes.empty()) {
    for (const pgcluster::Diagnostic& finding : failure.diagnostics) tell(finding.text());
    return;
  }
  const std::string text = pgcluster::text(failure);
  constexpr std::string_view head = "error:";
  if (color_err_ && text.starts_with(head))
    tell("\x1b[31m" + std::string(head) + "\x1b[0m" + text.substr(head.size()));
  else
    tell(text);
}

void Console::usage(const std::string& message, const std::string& sub_command) const {
  const std::string hint = "pgcluster " + sub_command + (sub_command.empty() ? "" : " ") + "--help";
  // The contract has no error code for wrong usage.
  if (json_) answer(pgcluster::json(pgcluster::Failure{.code = pgcluster::Code::refused, .message = message, .hint = "see " + hint}));
  tell("error: " + message + "\n  see: " + hint);
}

bool Console::close() const {
  const bool flushed = std::fflush(stdout) == 0;
  const int why = errno;
  if (flushed && !std::ferror(stdout)) return true;
  // A reader of the first lines only (head) has all it wants.
  if (!flushed && why == EPIPE) return true;
  tell("error: the output could not be written");
  return false;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string json(const std::vector<pgcluster::Diagnostic>& findings) {
  std::string out;
  for (const pgcluster::Diagnostic& one : findings) {
    out += out.empty() ? "[" : ", ";
    out += "{\"severity\": " + json_string(one.severity == pgcluster::Severity::error ? "error" : "warning") +
           ", \"message\": " + json_string(one.message);
    if (!one.hint.empty()) out += ", \"hint\": " + json_string(one.hint);
    if (!one.path.empty()) out += ", \"path\": " + json_string(one.path);
    if (one.line > 0) out += ", \"line\": " + std::to_string(one.line) + ", \"column\": " + std::to_string(one.column);
    out += "}";
  }
  return out.empty() ? "[]" : out + "]";
}

}  // namespace command
