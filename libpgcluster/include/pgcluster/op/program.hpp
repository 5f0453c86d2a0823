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

// Programs: what travels to one host.

/// A line of /var/lib/pgcluster/owned.
struct Owned {
  std::string resource;  ///< as in resources()
  std::string step;
  friend bool operator==(const Owned&, const Owned&) = default;
  friend auto operator<=>(const Owned&, const Owned&) = default;
};

/// What is sent to a host as one: Dos in order, then asks.
struct Program {
  std::vector<Do> dos{};
  std::vector<Ask> asks{};
  std::vector<Owned> own{};                  ///< noted before the first Do acts
  std::vector<std::string> disown{};         ///< resources struck from the list after the last Do
  std::function<void(std::size_t)> on_do{};  ///< a Do begins; called on the thread that runs the program
};

/// What has become of a Do.
struct DoResult {
  /// skipped: it was as wished already; not_run: an earlier one failed or had drifted.
  enum class What { done, skipped, drifted, failed, not_run };
  What what = What::not_run;
  Output output{};                   ///< of the command behind it; for a failed SetUnit `err` ends with the unit's journal
  std::string found{};               ///< drifted: what stands there instead, without secrets
  std::optional<Failure> failure{};  ///< failed: what to say of it, where the executor knows more than an exit status
};

/// What has become of a program.
struct ProgramResult {
  std::vector<DoResult> dos{};    ///< as many as Program::dos; after the first failed or drifted one, not_run
  std::vector<Answer> answers{};  ///< as many as Program::asks
};

}  // namespace pgcluster
