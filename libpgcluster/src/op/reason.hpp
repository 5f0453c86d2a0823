#pragma once

#include <string>

#include <pgcluster/op/answer.hpp>

namespace pgcluster {

/// Why a command failed, in the words of the program or service: one line, without the tool's own prefix. "ERROR:  role "app" already exists" of
/// psql,
/// "(412) candidate is not synchronous" of a request by curl. Empty where it printed nothing.
std::string reason_of(const Output& failed);

}  // namespace pgcluster
