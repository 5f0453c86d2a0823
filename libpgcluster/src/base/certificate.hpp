#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// X.509 certificates, as PEM texts. Everything of OpenSSL's about them stands behind this header. Times are Unix times, in seconds.
namespace pgcluster::x509 {

/// The fields of a certificate that matter here.
struct Certificate {
  std::string subject;          ///< "CN=pg1"
  std::string issuer;           ///< as `subject`
  std::set<std::string> names;  ///< the alternative names: "DNS:pg1", "IP:10.77.0.11"
  bool serves = false;          ///< by its extended usage a program may show it to clients
  bool asks = false;            ///< or to servers
  bool is_authority = false;    ///< may sign others
  bool signs_itself = false;    ///< nobody else has signed it: a root
  std::int64_t not_before = 0;  ///< valid from
  std::int64_t not_after = 0;   ///< valid until
  std::string serial;           ///< hexadecimal
  std::string key;              ///< SHA-256 of its public key, hexadecimal
  friend bool operator==(const Certificate&, const Certificate&) = default;
};

/// A time in UTC, as ISO 8601 has it: "2029-11-28T20:11:24Z".
std::string iso_time(std::int64_t time);

/// The first certificate of a text; nothing where it has none.
std::optional<Certificate> read(std::string_view pem);

/// An authority of its own: its private key, and after it its certificate, in one text.
std::string make_authority(const std::string& name, std::int64_t not_before, std::int64_t not_after);

/// Why such a text (a private key, the certificate of that key, and perhaps those that signed it up to a root) cannot sign at that time: "the key
/// does not belong to the certificate". Empty where it can.
std::string authority_problem(std::string_view authority, std::int64_t now);

/// The certificates of such a text, without its key: what others trust. More may follow below the root: other authorities to trust.
std::string authority_certificates(std::string_view authority);

/// The PEM blocks of a text ("-----BEGIN …" to "-----END …-----" and a newline), in their order, without what stands between them.
std::vector<std::string> blocks(std::string_view pem);

/// A digest of the certificates of a text: the same for the same ones in another order.
std::string digest_of_all(std::string_view pem);

/// A new private key and a request for its certificate, as `openssl genpkey` and `openssl req -new` make them.
struct KeyAndRequest {
  std::string key;
  std::string request;
};
KeyAndRequest make_request(const std::string& name);

/// SHA-256 of the public key of a request, hexadecimal; empty where the text is no request, or its signature is not by that key.
std::string request_key(std::string_view request);

/// The fields of a certificate that is to be signed.
struct Wish {
  std::string name;             ///< the common name
  std::set<std::string> names;  ///< as in Certificate
  bool nameless = false;        ///< no common name: `name` is the organization
  bool serves = true;
  bool asks = false;
  std::int64_t not_before = 0;
  std::int64_t not_after = 0;
};
/// The subject of such a certificate, as Certificate has it.
std::string subject(const Wish& wish);
/// Signs a request: of the request itself only the public key is used. The certificate, then those between it and the root; what follows below the
/// root is left out. Throws Error (internal).
std::string issue(std::string_view authority, std::string_view request, const Wish& wish);

/// Whether the first certificate of `pem` was signed by one of the `trusted` certificates.
bool is_issued_by(std::string_view pem, std::string_view trusted);

}  // namespace pgcluster::x509
