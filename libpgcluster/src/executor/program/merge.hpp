#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/op/answer.hpp>
#include <pgcluster/op/program.hpp>

// Commands of one shape that a host runs as one: to start a program costs more than what it is asked. Each ask keeps an answer of its own.
namespace pgcluster::executor {

/// Asks of one program that one call answers.
struct Merged {
  enum class By { curl, ss };
  By by = By::curl;
  std::vector<std::size_t> asks{};  ///< positions in Program::asks, in order
};
/// The calls of a program that answer several asks: of curl without a standard error of its own, and of ss with a list of source ports.
std::vector<Merged> merged(const Program& program);
/// The command, as words of the shell; $N is the program's nonce.
std::string merged_command(const Program& program, const Merged& call);
/// Whether the ask has further calls to try where its first one, which is the one in the merged call, does not succeed.
bool has_more_calls(const Ask& ask);
/// What the whole call's output means for one ask.
Answer part_of(const Program& program, const Merged& call, const Output& whole, std::size_t ask, std::string_view nonce);

}  // namespace pgcluster::executor
