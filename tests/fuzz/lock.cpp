// The answer of the process that takes a lock: once the answer is complete, further bytes do not change it.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "executor/program/lock.hpp"

using namespace pgcluster::executor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto answer = read_lock_answer(text);
  if (!answer) return 0;
  const auto more = read_lock_answer(text + "ours\nheld\n");
  if (!more || more->what != answer->what || more->holder != answer->holder) std::abort();
  return 0;
}
