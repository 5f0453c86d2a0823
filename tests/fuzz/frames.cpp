// What a program on a host says: any bytes, cut anywhere, give as many results as there are Dos and asks.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "executor/program/script.hpp"

using namespace pgcluster;

namespace {

// The first byte says how large the pieces are in which the rest comes.
ProgramResult read(const Program& program, std::string_view text, std::size_t piece) {
  executor::Reader reader(program, "N");
  for (std::size_t at = 0; at < text.size(); at += piece) reader.feed(text.substr(at, piece));
  ProgramResult result = reader.result();
  if (result.dos.size() != program.dos.size() || result.answers.size() != program.asks.size()) std::abort();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Program program{.dos = {{"h", WriteFile{"/a", "x"}}, {"h", Run{{"true"}}}, {"h", SetUnit{"a.service"}}},
                               .asks = {{"h", FileOf{"/a"}},
                                        {"h", FileOf{"/b", false}},
                                        {"h", PackageOf{"p"}},
                                        {"h", UnitOf{"a.service", {"/a"}, {"/b"}}},
                                        {"h", UnitOf{"b.service"}},
                                        {"h", AccountOf{"root"}},
                                        {"h", Exec{{"true"}}},
                                        {"h", Exec{{"false"}}},
                                        // Each two of these are one call.
                                        {"h", Exec{{"curl", "-s", "http://a/1"}}},
                                        {"h", Exec{{"curl", "-s", "http://a/2"}}},
                                        {"h", Exec{{"ss", "-Hltn", "sport = :1"}}},
                                        {"h", Exec{{"ss", "-Hltn", "sport = :2"}}}}};
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const ProgramResult pieces = read(program, text, data[0] % 64 + 1u);
  const ProgramResult whole = read(program, text, text.size() + 1);
  if (pieces.answers != whole.answers) std::abort();
  return 0;
}
