#include <pgcluster/base/error.hpp>

#include <algorithm>

namespace pgcluster {

std::string_view to_string(Code code) noexcept {
  switch (code) {
    case Code::spec_invalid:
      return "spec_invalid";
    case Code::host_unreachable:
      return "host_unreachable";
    case Code::auth_failed:
      return "auth_failed";
    case Code::host_key_unknown:
      return "host_key_unknown";
    case Code::host_key_changed:
      return "host_key_changed";
    case Code::sudo_denied:
      return "sudo_denied";
    case Code::host_unsupported:
      return "host_unsupported";
    case Code::command_failed:
      return "command_failed";
    case Code::timed_out:
      return "timed_out";
    case Code::not_converged:
      return "not_converged";
    case Code::drifted:
      return "drifted";
    case Code::refused:
      return "refused";
    case Code::locked:
      return "locked";
    case Code::connection_lost:
      return "connection_lost";
    case Code::cancelled:
      return "cancelled";
    case Code::internal:
      return "internal";
  }
  return "internal";
}

std::string Diagnostic::text() const {
  std::string out;
  if (!file.empty()) {
    out += file;
    if (line > 0) out += ":" + std::to_string(line) + ":" + std::to_string(column);
    out += ": ";
  }
  out += severity == Severity::error ? "error: " : "warning: ";
  if (!path.empty()) out += path + ": ";
  out += message;
  if (!hint.empty()) out += "; " + hint;
  return out;
}

std::string text(const Failure& failure) {
  std::string out = "error: ";
  if (!failure.host.empty()) out += failure.host + ": ";
  if (!failure.step.empty()) out += failure.step + ": ";
  out += failure.message;
  for (const std::string& cause : failure.causes) {
    out += "\n";
    for (std::size_t at = 0; at < cause.size();) {
      const std::size_t end = std::min(cause.find('\n', at), cause.size());
      out += "    " + cause.substr(at, end - at) + (end + 1 < cause.size() ? "\n" : "");
      at = end + 1;
    }
  }
  for (const Diagnostic& diagnostic : failure.diagnostics) out += "\n  " + diagnostic.text();
  if (failure.state_unknown) out += "\n  whether the change was made is not known; the next apply looks";
  if (!failure.hint.empty()) out += "\n  what to do: " + failure.hint;
  return out;
}

Error::Error(Failure failure)
    : failure_(std::make_shared<const Failure>(std::move(failure))), what_(std::make_shared<const std::string>(pgcluster::text(*failure_))) {}

Error::Error(Code code, std::string message, std::string hint)
    : Error(Failure{.code = code, .message = std::move(message), .hint = std::move(hint)}) {}

Error Error::with(std::string_view host, std::string_view step) const {
  Failure failure = *failure_;
  if (failure.host.empty()) failure.host = host;
  if (failure.step.empty()) failure.step = step;
  return Error(std::move(failure));
}

std::string Error::text() const { return *what_; }

}  // namespace pgcluster
