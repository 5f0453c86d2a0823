#include "component/postgresql/scram.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <charconv>
#include <map>
#include <mutex>

#include <pgcluster/base/error.hpp>

#include "base/base64.hpp"
#include "base/digest.hpp"

namespace pgcluster {
namespace {

constexpr std::string_view kind = "SCRAM-SHA-256$";
constexpr int most_iterations = 1'000'000;  // what a sane server is set to; each costs time

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// The verifier of this password with the same salt. Computing one costs a millisecond, and an apply asks for each role many times: the answers are
// kept, by a hash that does not give the password away.
ScramVerifier with_salt_of(const ScramVerifier& found, std::string_view password) {
  static constexpr std::size_t most = 20'000;
  static std::mutex mutex;
  static std::map<std::string, ScramVerifier> known;
  const std::string key = hmac_sha256(found.salt, std::to_string(found.iterations) + ":" + std::string(password));
  {
    const std::lock_guard lock(mutex);
    if (const auto it = known.find(key); it != known.end()) return it->second;
  }
  ScramVerifier made = make_scram(password, found.salt, found.iterations);
  const std::lock_guard lock(mutex);
  if (known.size() >= most) known.clear();
  return known.emplace(key, std::move(made)).first->second;
}

}  // namespace

std::string ScramVerifier::text() const {
  return std::string(kind) + std::to_string(iterations) + ":" + to_base64(salt) + "$" + stored + ":" + server;
}

std::optional<ScramVerifier> parse_scram(std::string_view text) {
  if (!text.starts_with(kind)) return std::nullopt;
  text.remove_prefix(kind.size());
  const auto colon = text.find(':'), dollar = text.find('$'), last = text.rfind(':');
  if (colon == text.npos || dollar == text.npos || colon > dollar || last < dollar) return std::nullopt;
  ScramVerifier verifier;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + colon, verifier.iterations);
  const auto salt = from_base64(text.substr(colon + 1, dollar - colon - 1));
  if (problem != std::errc() || end != text.data() + colon || verifier.iterations < 1 || verifier.iterations > most_iterations || !salt ||
      salt->empty())
    return std::nullopt;
  verifier.salt = *salt;
  verifier.stored = text.substr(dollar + 1, last - dollar - 1);
  verifier.server = text.substr(last + 1);
  return verifier;
}

ScramVerifier make_scram(std::string_view password, std::string_view salt, int iterations) {
  unsigned char salted[SHA256_DIGEST_LENGTH];
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt), static_cast<int>(salt.size()), iterations, EVP_sha256(),
                        sizeof salted, salted) != 1)
    throw Error(Code::internal, "PBKDF2 cannot be computed");
  const std::string_view key(reinterpret_cast<char*>(salted), sizeof salted);
  const std::string client = hmac_sha256(key, "Client Key");
  unsigned char stored[SHA256_DIGEST_LENGTH];
  SHA256(bytes(client), client.size(), stored);
  return {iterations, std::string(salt), to_base64({reinterpret_cast<char*>(stored), sizeof stored}), to_base64(hmac_sha256(key, "Server Key"))};
}

bool scram_matches(std::string_view verifier, std::string_view password) {
  const auto found = parse_scram(verifier);
  if (!found) return false;
  if (parse_scram(password)) return verifier == password;
  const ScramVerifier wished = with_salt_of(*found, password);
  return wished.stored == found->stored && wished.server == found->server;
}

std::string scram_verifier(std::string_view role, std::string_view password) {
  if (parse_scram(password)) return std::string(password);
  const std::string salt = hmac_sha256(password, "pgcluster salt of " + std::string(role)).substr(0, 16);
  return make_scram(password, salt, 4096).text();
}

}  // namespace pgcluster
