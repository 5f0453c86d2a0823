#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include <unistd.h>

#include <doctest/doctest.h>

/// The openssl command in a temporary folder of its own: it makes what the library never makes (authorities below others, keys with a passphrase),
/// and tells what a real program thinks of what the library has made.
class Openssl {
 public:
  Openssl() {
    static int count = 0;
    folder_ = std::filesystem::temp_directory_path() / ("pgcluster-openssl-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(folder_);
  }
  ~Openssl() { std::filesystem::remove_all(folder_); }
  Openssl(const Openssl&) = delete;
  Openssl& operator=(const Openssl&) = delete;

  std::string path(const std::string& name) const { return folder_ / name; }
  std::string read(const std::string& name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return path(name);
  }

  /// Whether `openssl WORDS` succeeds, and what it says.
  std::pair<bool, std::string> run(const std::string& words) const {
    const int status = std::system(("cd '" + folder_.string() + "' && openssl " + words + " >said 2>&1 </dev/null").c_str());
    return {status == 0, read("said")};
  }
  void must(const std::string& words) const {
    const auto [fine, said] = run(words);
    REQUIRE_MESSAGE(fine, words << ": " << said);
  }

  /// An authority in NAME.key and NAME.crt. `issuer` has signed it; without one it is a root.
  void authority(const std::string& name, const std::string& issuer = {}, const std::string& key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256",
                 const std::string& more = {}) const {
    const std::string by = issuer.empty() ? "" : " -CA " + issuer + ".crt -CAkey " + issuer + ".key";
    must("req -x509 " + key + " -nodes -keyout " + name + ".key -out " + name + ".crt -days 3650 -subj /CN=" + name +
         " -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign" + more + by);
  }

 private:
  std::filesystem::path folder_;
};
