#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <doctest/doctest.h>

// Golden cases: tests/cases/<suite>/<case>/ holds what goes in, and what must come out. PGCLUSTER_ACCEPT=1 writes what came out.
namespace golden {

inline std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::vector<std::filesystem::path> cases(const std::string& suite) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(PGCLUSTER_CASES) / suite))
    if (entry.is_directory()) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  REQUIRE_MESSAGE(!found.empty(), "no cases in " << suite);
  return found;
}

inline void check(const std::filesystem::path& expected, const std::string& actual) {
  if (const char* accept = std::getenv("PGCLUSTER_ACCEPT"); accept && *accept == '1') {
    std::filesystem::create_directories(expected.parent_path());
    std::ofstream(expected, std::ios::binary) << actual;
    return;
  }
  REQUIRE_MESSAGE(std::filesystem::exists(expected), expected.string() << " is not there; PGCLUSTER_ACCEPT=1 writes it");
  CHECK_MESSAGE(actual == read(expected), expected.string());
}

}  // namespace golden
