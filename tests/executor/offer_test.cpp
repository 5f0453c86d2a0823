#include <cstdint>

#include "executor/ssh/offer.hpp"
#include "sshd.hpp"

using namespace pgcluster;
using executor::Algorithms;

namespace {

std::string list(const std::string& names) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(names.size() >> shift & 0xff);
  return text + names;
}

std::string first_bytes(const std::string& macs) {
  std::string message = std::string("\x04\x14", 2) + std::string(16, 'c') + list("sntrup761x25519-sha512@openssh.com") + list("ssh-ed25519") +
                        list("aes256-gcm@openssh.com") + list("aes256-gcm@openssh.com") + list(macs) + list(macs);
  return "SSH-2.0-OpenSSH_10.0\r\n" + list(message);
}

}  // namespace

TEST_CASE("ssh: what a server offers is read from its first bytes, and torn anywhere it is nothing") {
  const std::string bytes = first_bytes("hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com");
  const Algorithms wished{{"kexalgorithms", {"sntrup761x25519-sha512@openssh.com"}},
                          {"hostkeyalgorithms", {"ssh-ed25519"}},
                          {"ciphers", {"aes256-gcm@openssh.com"}},
                          {"macs", {"hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com"}}};
  CHECK(executor::read_offer(bytes) == wished);
  CHECK(executor::read_offer("a notice\n" + bytes) == wished);
  const std::size_t last = bytes.size() - list("hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com").size();
  for (std::size_t size = 0; size < last; ++size) CHECK(executor::read_offer(bytes.substr(0, size)).empty());
  CHECK(executor::nothing_in_common(wished, {{"macs", {"hmac-sha2-512"}}, {"ciphers", {"aes256-gcm@openssh.com"}}}) ==
        "macs: it offers only hmac-sha2-512-etm@openssh.com, hmac-sha2-256-etm@openssh.com");
  CHECK(executor::nothing_in_common(wished, wished).empty());
}

TEST_CASE("ssh: a server without a common algorithm is told by what it offers, and the way out is named") {
  if (!have_sshd()) return;
  struct {
    const char *setting, *word;
  } const all[] = {{"KexAlgorithms sntrup761x25519-sha512@openssh.com\n", "kexalgorithms: it offers only sntrup761x25519-sha512@openssh.com"},
                   {"Ciphers chacha20-poly1305@openssh.com\n", "ciphers: it offers only chacha20-poly1305@openssh.com"},
                   {"MACs umac-128-etm@openssh.com,umac-64@openssh.com\nCiphers aes256-ctr\n",
                    "macs: it offers only umac-128-etm@openssh.com, umac-64@openssh.com"}};
  for (const auto& one : all) {
    CAPTURE(one.setting);
    Sshd sshd(one.setting);
    SshExecutor executor(sshd.options());
    std::string message, hint;
    try {
      executor.run(sshd.access(), kHello);
    } catch (const Error& error) {
      message = error.message();
      hint = error.hint();
    }
    CHECK(message.find(one.word) != std::string::npos);
    CHECK(hint.find("set ssh.transport: openssh for this host") != std::string::npos);
    CAPTURE(message);
  }
}
