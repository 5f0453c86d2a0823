#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <pgcluster/base/error.hpp>
#include <pgcluster/op/change.hpp>

namespace PGCLUSTER_API pgcluster {

// Programs: the unit of work that is sent to one host.

/// A line of /var/lib/pgcluster/owned.
struct Owned {
  std::string resource;  ///< as in resources()
  std::string step;
  friend bool operator==(const Owned&, const Owned&) = default;
  friend auto operator<=>(const Owned&, const Owned&) = default;
};

/// Work for one host in one round trip: Dos in order, then asks.
struct Program {
  std::vector<Do> dos{};
  std::vector<Ask> asks{};
  std::vector<Owned> own{};                  ///< added to the list of owned resources before the first Do acts
  std::vector<std::string> disown{};         ///< resources removed from that list after the last Do
  std::function<void(std::size_t)> on_do{};  ///< called when a Do begins, with its index, on the thread that runs the program
};

/// The result of a Do.
struct DoResult {
  /// skipped: the wished state held already; not_run: an earlier Do failed or had drifted.
  enum class What { done, skipped, drifted, failed, not_run };
  What what = What::not_run;
  Output output{};                   ///< of the command that carried it out; the `err` of a failed SetUnit ends with the unit's journal
  std::string found{};               ///< if drifted: the state that was found, without secrets
  std::optional<Failure> failure{};  ///< if failed: the cause, if the executor knows more than an exit status
};

/// The result of a program.
struct ProgramResult {
  std::vector<DoResult> dos{};    ///< one for each of Program::dos; not_run after the first that failed or had drifted
  std::vector<Answer> answers{};  ///< one for each of Program::asks
};

}  // namespace pgcluster
