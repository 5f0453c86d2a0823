#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// What is wrong with a value, and what to write instead.
struct Misfit {
  std::string message;
  std::string hint;
};
/// A word that is none of a choice's.
Misfit unknown_word(std::string_view word, const std::vector<std::string_view>& known);

/// Whether an error about this path was found.
bool is_faulty(const std::vector<Diagnostic>& findings, std::string_view path);

/// validate() for a spec that was read with findings: an unreadable value has its default in the spec, from which nothing follows. Returns the new
/// findings only.
std::vector<Diagnostic> validate_read(const Spec& spec, std::vector<Diagnostic> found);

}  // namespace pgcluster
