#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <pgcluster/base/text.hpp>

namespace pgcluster {

/// What PostgreSQL keeps of a password: "SCRAM-SHA-256$4096:SALT$STORED:SERVER". A server that gets it needs no password in any log.
struct ScramVerifier {
  int iterations = 4096;
  std::string salt;    ///< bytes
  std::string stored;  ///< base64
  std::string server;  ///< base64

  std::string text() const;
};

/// Empty where the text is no SCRAM-SHA-256 verifier (md5, none).
std::optional<ScramVerifier> parse_scram(std::string_view text);
ScramVerifier make_scram(std::string_view password, std::string_view salt, int iterations);

/// Whether `verifier` (as pg_authid has it) is one of this password, which may be a verifier itself.
bool scram_matches(std::string_view verifier, std::string_view password);
/// A new verifier; the password itself where it is one. Its salt follows from password and role, so that the same wish gives the same text each time.
std::string scram_verifier(std::string_view role, std::string_view password);

}  // namespace pgcluster
