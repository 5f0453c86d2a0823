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

/// The command was called in a way that it does not understand.
class Usage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where answers, progress and errors go, and how they look there.
class Console {
 public:
  Console(bool json, bool no_color);

  bool json() const noexcept { return json_; }
  /// ANSI colours on stdout, on stderr.
  bool color_out() const noexcept { return color_out_; }
  bool color_err() const noexcept { return color_err_; }
  /// Lines on stderr (stdout) can be drawn over.
  bool live() const noexcept { return live_; }
  bool live_out() const noexcept { return live_out_; }
  /// Somebody is there to answer a question.
  bool can_ask() const noexcept;

  /// The answer: stdout, ending with a newline.
  void answer(std::string_view text) const;
  /// For the person: stderr, ending with a newline.
  void tell(std::string_view text) const;
  void error(const pgcluster::Failure& failure) const;
  void usage(const std::string& message, const std::string& sub_command) const;
  /// Whether all of the answer could be written; says so where not.
  bool close() const;

 private:
  bool json_;
  bool color_out_;
  bool color_err_;
  bool live_;
  bool live_out_;
};

/// A JSON string with its quotes.
std::string json_string(std::string_view text);
/// JSON array of findings.
std::string json(const std::vector<pgcluster::Diagnostic>& findings);

}  // namespace command
