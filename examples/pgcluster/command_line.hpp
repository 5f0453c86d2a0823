#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "commands.hpp"

namespace command {

using Run = std::function<int(Session&)>;

/// The sub-commands, their options and their functions. Everything that a command line may contain is defined here.
class CommandLine {
 public:
  explicit CommandLine(Arguments& arguments);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// False if nothing is left to do: parse() itself prints help and version, on stdout. Throws Usage, with what was probably meant.
  bool parse(int argc, const char* const* argv);
  /// The name of the sub-command; "" before parse(), or if there is none.
  const std::string& sub_command() const { return sub_command_; }
  /// Runs the sub-command of the command line.
  const Run& chosen() const { return runs_.at(app_.get_subcommands().front()); }
  /// All options, for completions and manual pages.
  const CLI::App& app() const { return app_; }

 private:
  struct About {
    std::string name;
    std::string short_text;
    std::string purpose;
    std::string examples;
    std::string statuses;
    bool spec = true;
  };
  CLI::App& add(const About& about, Run run);
  void json(CLI::App& sub, const std::string& what = "One JSON document on stdout");
  void yes(CLI::App& sub);
  CLI::Option* without(CLI::App& sub);
  void reading();
  void changing();
  void members();
  void check_name(const std::string& word) const;
  [[noreturn]] void explain(const CLI::ParseError& error) const;

  Arguments& a_;
  CLI::App app_{"Deploys and operates highly available PostgreSQL clusters over SSH.", "pgcluster"};
  std::map<const CLI::App*, Run> runs_;
  std::string sub_command_;
  std::string help_of_;
};

}  // namespace command
