#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/base/error.hpp>

namespace command {

namespace status {
constexpr int ok = 0;
constexpr int failed = 1;
constexpr int pending = 2;
constexpr int refused = 3;
constexpr int usage = 64;
constexpr int spec = 65;
constexpr int cancelled = 130;
}  // namespace status

int status_of(pgcluster::Code code) noexcept;

/// A wrong command line.
class Usage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Writes answers, progress and errors to stdout and stderr, with or without colours.
class Console {
 public:
  Console(bool json, bool no_color);

  bool json() const noexcept { return json_; }
  /// ANSI colours on stdout, on stderr.
  bool color_out() const noexcept { return color_out_; }
  bool color_err() const noexcept { return color_err_; }
  /// stderr (stdout) is a terminal that can be redrawn.
  bool live() const noexcept { return live_; }
  bool live_out() const noexcept { return live_out_; }
  /// A person can answer a question: stdin and stderr are terminals.
  bool can_ask() const noexcept;

  /// Writes the answer to stdout, with a newline at its end.
  void answer(std::string_view text) const;
  /// Writes a message to stderr, with a newline at its end.
  void tell(std::string_view text) const;
  void error(const pgcluster::Failure& failure) const;
  void usage(const std::string& message, const std::string& sub_command) const;
  /// Flushes stdout. False, with a message on stderr, if the answer could not be written.
  bool close() const;

 private:
  bool json_;
  bool color_out_;
  bool color_err_;
  bool live_;
  bool live_out_;
};

/// A JSON string, quotes included.
std::string json_string(std::string_view text);
/// A JSON array of findings.
std::string json(const std::vector<pgcluster::Diagnostic>& findings);

}  // namespace command
