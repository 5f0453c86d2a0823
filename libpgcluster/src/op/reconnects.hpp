#pragma once

#include <variant>

#include <pgcluster/op/change.hpp>

namespace pgcluster {

/// Whether it begins a program that needs a new connection.
inline bool reconnects(const Do& d) {
  const auto* run = std::get_if<Run>(&d.what);
  return run && run->reconnect;
}

}  // namespace pgcluster
