#pragma once

#include <pgcluster/op/answer.hpp>

#include "base/json.hpp"

namespace pgcluster {

/// The JSON that a command printed; null where it failed or gave no answer.
inline nlohmann::json json_of(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  return output && output->status == 0 ? json_read::parse(output->out) : nlohmann::json();
}

}  // namespace pgcluster
