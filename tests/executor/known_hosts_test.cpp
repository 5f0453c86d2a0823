#include <sstream>

#include <golden.hpp>

#include <pgcluster/base/error.hpp>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "executor/ssh/known_hosts.hpp"
#include "executor/ssh/libssh2_keys.hpp"
#include "shell.hpp"

using namespace pgcluster;
using executor::KnownHosts;
using executor::Verdict;

namespace {

std::string shown(const KnownHosts::Answer& answer) {
  const char* verdict = "";
  switch (answer.verdict) {
    case Verdict::known:
      verdict = "known";
      break;
    case Verdict::unknown:
      verdict = "unknown";
      break;
    case Verdict::changed:
      verdict = "changed";
      break;
    case Verdict::revoked:
      verdict = "revoked";
      break;
    case Verdict::authority:
      verdict = "authority";
      break;
  }
  return verdict + (answer.where.empty() ? "" : " by " + answer.where);
}

}  // namespace

TEST_CASE("known_hosts: what files say of keys") {
  for (const auto& folder : golden::cases("known_hosts")) {
    const auto hosts = KnownHosts::parse(golden::read(folder / "known_hosts"), "known_hosts");
    std::string said;
    std::istringstream asked(golden::read(folder / "asked"));
    std::string address, type, key;
    for (int port = 0; asked >> address >> port >> type >> key;) {
      said += address + " " + std::to_string(port) + " " + shown(hosts.check(address, port, type, *from_base64(key))) + "; types:";
      for (const auto& one : hosts.types(address, port)) said += " " + one;
      said += "\n";
    }
    golden::check(folder / "expected", said);
  }
}

TEST_CASE("known_hosts: a new key is appended and then known; a file that is not there has no entries") {
  Scratch scratch;
  const std::string path = scratch.path("new/known_hosts");
  const std::string one("\0\0\0\13ssh-ed25519one", 18), two("\0\0\0\13ssh-ed25519two", 18);
  CHECK(KnownHosts({path}).check("h", 22, "ssh-ed25519", one).verdict == Verdict::unknown);
  KnownHosts::append(path, "h", 22, "ssh-ed25519", one);
  CHECK(scratch.mode("new/known_hosts") == 0600);
  CHECK(scratch.mode("new") == 0700);
  scratch.put("new/known_hosts", scratch.get("new/known_hosts") + "# no newline");
  KnownHosts::append(path, "H2", 2222, "ssh-ed25519", two);
  const KnownHosts hosts({scratch.path("none"), path});
  CHECK(hosts.check("h", 22, "ssh-ed25519", one).verdict == Verdict::known);
  CHECK(hosts.check("h", 22, "ssh-ed25519", two).verdict == Verdict::changed);
  CHECK(hosts.check("h2", 2222, "ssh-ed25519", two).verdict == Verdict::known);
  CHECK(hosts.check("h2", 22, "ssh-ed25519", two).verdict == Verdict::unknown);
  scratch.put("file", "");
  CHECK_THROWS_AS(KnownHosts::append(scratch.path("file/below"), "h", 22, "ssh-ed25519", one), Error);
}

TEST_CASE("private keys tell their type, and whether they are locked") {
  Scratch scratch;
  auto make = [&](const std::string& name, const std::string& options) {
    REQUIRE(std::system(("ssh-keygen -q -C '' -f " + scratch.path(name) + " " + options).c_str()) == 0);
    return executor::inspect_key(scratch.path(name));
  };
  if (std::system("command -v ssh-keygen >/dev/null") != 0) {
    MESSAGE("skipped: no ssh-keygen here");
    return;
  }
  const auto plain = make("plain", "-t ed25519 -N ''");
  CHECK(plain.readable);
  CHECK_FALSE(plain.encrypted);
  CHECK(plain.type == "ssh-ed25519");
  const auto locked = make("locked", "-t ed25519 -N secret");
  CHECK(locked.encrypted);
  CHECK(locked.type == "ssh-ed25519");
  CHECK(scratch.get("locked.pub").find(to_base64(locked.public_blob)) != std::string::npos);
  CHECK(make("rsa", "-t rsa -b 2048 -N ''").type == "ssh-rsa");
  const auto pem = make("pem", "-t rsa -b 2048 -m PEM -N secret");
  CHECK(pem.type == "ssh-rsa");
  CHECK(pem.encrypted);
  CHECK_FALSE(executor::inspect_key(scratch.path("none")).readable);
  for (const char* text : {"", "nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END", "-----BEGIN OPENSSH PRIVATE KEY-----"}) {
    scratch.put("odd", text);
    CHECK(executor::inspect_key(scratch.path("odd")).type.empty());
  }
}
