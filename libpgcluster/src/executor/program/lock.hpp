#pragma once

#include <optional>
#include <string>

#include <pgcluster/executor/executor.hpp>

namespace pgcluster::executor {

/// The answer of the process that takes a host's lock (see lock_script()).
struct LockAnswer {
  enum class What { ours, held, broken };  ///< broken: it cannot write its files
  What what = What::broken;
  LockHolder holder{};  ///< if held
};
/// Parses the output of that process, which may begin with the text of a login script; nullopt while the answer is incomplete.
std::optional<LockAnswer> read_lock_answer(const std::string& out);

}  // namespace pgcluster::executor
