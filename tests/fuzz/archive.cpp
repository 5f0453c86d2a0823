// The archive in which contents and outputs come, without the base64 around it that would hide it from the fuzzer.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "executor/program/script.hpp"

using namespace pgcluster;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Program program{.asks = {{"h", FileOf{"/a"}}, {"h", Exec{{"true"}}}}};
  const std::string_view tar(reinterpret_cast<const char*>(data), size);
  executor::Reader reader(program, "N");
  reader.feed("\nN stat 3 81a4 root 0 root 0 /a .\n\nN exec 1 0 1 1 .\n\nN tar =" + to_base64(tar) + " 0 .\n\nN end .\n");
  const ProgramResult result = reader.result();
  if (!reader.ended() || result.answers.size() != 2) std::abort();
  if (const auto* file = std::get_if<File>(&result.answers[0]); file && file->content.size() > size) std::abort();
  return 0;
}
