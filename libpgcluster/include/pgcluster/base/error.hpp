#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/base/export.hpp>

namespace PGCLUSTER_API pgcluster {

/// What went wrong, as the contract names it.
enum class Code {
  spec_invalid,
  host_unreachable,
  auth_failed,
  host_key_unknown,
  host_key_changed,
  sudo_denied,
  host_unsupported,
  command_failed,
  timed_out,
  not_converged,
  drifted,
  refused,
  locked,
  connection_lost,
  cancelled,
  internal,
};

/// The code's name in JSON and in messages: "host_unreachable".
std::string_view to_string(Code code) noexcept;

/// How much a finding weighs: an error stops, a warning is shown.
enum class Severity { error, warning };

/// One finding: where it is, what is wrong, and what to write or do instead.
struct Diagnostic {
  Severity severity = Severity::error;
  std::string message;
  std::string hint{};  ///< what to write or do instead; may be empty
  std::string path{};  ///< YAML path ("hosts.pg1.address"), a host's name, or empty
  std::string file{};  ///< empty where the finding is not about a file
  int line = 0;        ///< from 1; 0: unknown
  int column = 0;      ///< from 1; 0: unknown

  /// "cluster.yaml:3:5: error: hosts.pg1.adress: unknown key; did you mean address?"
  std::string text() const;
  friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};

/// What an Error says. All but `code` and `message` may be empty.
struct Failure {
  Code code = Code::internal;
  std::string message;  ///< one line, for a person
  std::string hint{};   ///< what to do next
  std::string host{};
  std::string step{};
  std::vector<std::string> causes{};  ///< evidence, outermost first: command, exit status, stderr, journal lines
  std::vector<Diagnostic> diagnostics{};
  bool retryable = false;      ///< the same call may succeed later without anyone doing anything
  bool state_unknown = false;  ///< a change may or may not have been made
};

/// The library's only exception. Copying it cannot throw.
class Error : public std::exception {
 public:
  /// With all that is known of it.
  explicit Error(Failure failure);
  /// Without a host, a step or evidence.
  Error(Code code, std::string message, std::string hint = {});

  /// All that it says. It, and what the functions below return, lives as long as this error or a copy of it.
  const Failure& failure() const noexcept { return *failure_; }
  /// What went wrong, for programs.
  Code code() const noexcept { return failure_->code; }
  /// Where it went wrong; empty: nowhere in particular.
  const std::string& host() const noexcept { return failure_->host; }
  /// The step's name; empty: none.
  const std::string& step() const noexcept { return failure_->step; }
  /// One line, for a person.
  const std::string& message() const noexcept { return failure_->message; }
  /// What to do next; may be empty.
  const std::string& hint() const noexcept { return failure_->hint; }
  /// The findings, where there are several (spec_invalid), or the further failures (Report::check).
  const std::vector<Diagnostic>& diagnostics() const noexcept { return failure_->diagnostics; }

  /// The same error, with the host and step filled in where they are empty.
  Error with(std::string_view host, std::string_view step = {}) const;

  /// Several lines: message, evidence, diagnostics, hint.
  std::string text() const;
  /// As text() gives it.
  const char* what() const noexcept override { return what_->c_str(); }

 private:
  std::shared_ptr<const Failure> failure_;
  std::shared_ptr<const std::string> what_;
};

/// The text of a failure, as Error::text() gives it.
std::string text(const Failure& failure);

}  // namespace pgcluster
