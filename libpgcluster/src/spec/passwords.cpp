#include <optional>
#include <regex>

#include <fmt/format.h>

#include "spec/passwords.hpp"
#include "spec/validate.hpp"

namespace pgcluster {
namespace {

// The code points of a UTF-8 text; empty where it is none.
std::optional<std::vector<char32_t>> code_points(const std::string& text) {
  std::vector<char32_t> all;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 0;
    if (length == 0 || i + length > text.size()) return std::nullopt;
    char32_t point = length == 1 ? byte : byte & (0x7fU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return std::nullopt;
      point = (point << 6) | (next & 0x3f);
    }
    all.push_back(point);
    i += length;
  }
  return all;
}

// Clients send a password through SASLprep (RFC 4013), which rewrites many characters; pgcluster makes verifiers without it. These it leaves alone:
// ASCII, and letters that have no other form in Unicode's NFKC.
bool plain(char32_t point) {
  if (point < 0x7f) return true;                    // control characters the reader refuses
  if (point >= 0xc0 && point <= 0xff) return true;  // Latin-1 letters, with × and ÷
  if (point >= 0x100 && point <= 0x17e)             // Latin Extended-A, but for its ligatures
    return point != 0x132 && point != 0x133 && point != 0x13f && point != 0x140 && point != 0x149;
  if (point >= 0x391 && point <= 0x3ce) return point != 0x3a2;                                           // Greek
  if (point >= 0x400 && point <= 0x45f) return true;                                                     // Cyrillic
  if (point == 0xa1 || point == 0xa3 || point == 0xa7 || point == 0xbf || point == 0x20ac) return true;  // ¡ £ § ¿ €
  return point >= 0x4e00 && point <= 0x9fa5;                                                             // the CJK ideographs of Unicode 3.2
}

std::optional<Misfit> misfit(const std::string& password, bool may_be_verifier) {
  static const std::regex scram("SCRAM-SHA-256\\$[1-9][0-9]*:[A-Za-z0-9+/]+=*\\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=");
  static const std::regex md5("md5[0-9a-f]{32}");
  if (std::regex_match(password, scram)) {
    if (may_be_verifier) return std::nullopt;
    return Misfit{"is a SCRAM verifier, and Patroni and PgBouncer log in with the password itself", "write the password"};
  }
  if (password.starts_with("SCRAM-SHA-256$"))
    return Misfit{"begins like a SCRAM verifier, and is none", "copy rolpassword of pg_authid whole, or write the password"};
  if (std::regex_match(password, md5))
    return Misfit{"is an MD5 hash, which does not work with scram-sha-256", "write the password itself, or a verifier SCRAM-SHA-256$…"};
  const auto points = code_points(password);
  if (!points) return Misfit{"is no UTF-8", "write it in UTF-8"};
  for (const char32_t point : *points)
    if (!plain(point))
      return Misfit{fmt::format("has the character U+{:04X}, which clients may send in another form (SASLprep): nobody could log in",
                                static_cast<std::uint32_t>(point)),
                    "use other characters, best of ASCII. A letter with an accent is one character here, not a letter and an accent"};
  return std::nullopt;
}

}  // namespace

void check_passwords(const Spec& spec, std::vector<Diagnostic>& findings) {
  const auto check = [&](const SpecSecret& secret, const std::string& path, bool may_be_verifier) {
    if (secret.value.empty()) return;
    if (const auto found = misfit(secret.value, may_be_verifier))
      findings.push_back({.message = "the password " + found->message, .hint = found->hint, .path = path});
  };
  check(spec.patroni_superuser_password, "patroni_superuser_password", false);
  check(spec.patroni_replication_password, "patroni_replication_password", false);
  check(spec.pgbouncer_auth_password, "pgbouncer_auth_password", false);
  for (std::size_t i = 0; i < spec.postgresql_users.size(); ++i)
    check(spec.postgresql_users[i].password, "postgresql_users[" + std::to_string(i) + "].password", true);
}

}  // namespace pgcluster
