#include "base/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <vector>

#include <pgcluster/base/error.hpp>

#include "base/digest.hpp"
#include "base/network.hpp"

namespace pgcluster::x509 {
namespace {

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* one) const {
    free(one);
  }
};
void stack_free(STACK_OF(X509) * stack) { sk_X509_free(stack); }  // a macro
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freed<X509_free>>;
using Request = std::unique_ptr<X509_REQ, Freed<X509_REQ_free>>;
using Time = std::unique_ptr<ASN1_TIME, Freed<ASN1_TIME_free>>;

[[noreturn]] void fail(const std::string& what) {
  char words[256] = {};
  ERR_error_string_n(ERR_get_error(), words, sizeof words);
  ERR_clear_error();
  throw Error(Code::internal, "OpenSSL cannot " + what + ": " + words);
}

Bio from(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

template <class Write>
std::string written(const std::string& what, const Write& write) {
  Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || write(bio.get()) != 1) fail(what);
  return text_of(bio);
}

// A passphrase is never asked for: there is nobody to answer.
int no_passphrase(char*, int, int, void*) { return -1; }

Key private_key(std::string_view pem) {
  const Bio bio = from(pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return key;
}

std::vector<Cert> certificates(std::string_view pem) {
  std::vector<Cert> all;
  const Bio bio = from(pem);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)) all.emplace_back(one);
  ERR_clear_error();
  return all;
}

std::string pem_of(X509* certificate) {
  return written("write a certificate", [&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
}

std::string name_text(const X509_NAME* name) {
  Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return text_of(bio);
}

std::string key_digest(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return {};
  std::string digest = sha256_hex({reinterpret_cast<char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return digest;
}

std::int64_t seconds(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(timegm(&parts)) : 0;
}

bool signs_itself(X509* certificate) {
  const bool same = X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0 &&
                    X509_verify(certificate, X509_get0_pubkey(certificate)) == 1;
  ERR_clear_error();
  return same;
}

std::set<std::string> alternative_names(const X509* certificate) {
  std::set<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(all, i);
    if (one->type == GEN_DNS) {
      names.insert("DNS:" + std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName)),
                                        static_cast<std::size_t>(ASN1_STRING_length(one->d.dNSName))));
    } else if (one->type == GEN_IPADD) {
      names.insert("IP:" + net::address_text({reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.iPAddress)),
                                              static_cast<std::size_t>(ASN1_STRING_length(one->d.iPAddress))}));
    }
  }
  GENERAL_NAMES_free(all);
  return names;
}

Key new_key() {
  Key key(EVP_EC_gen("P-256"));
  if (!key) fail("make a key");
  return key;
}

std::string key_text(EVP_PKEY* key) {
  return written("write a key", [&](BIO* out) { return PEM_write_bio_PKCS8PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

void add_name(X509_NAME* subject, const std::string& name, const char* field = "CN") {
  if (X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()),
                                 -1, 0) != 1)
    fail("name a certificate " + name);
}

void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  const bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  if (!added) fail("add an extension to a certificate (" + value + ")");
}

// Each name by itself: as one text with commas, a name with a comma would be two.
void name_alternatives(X509* certificate, const std::set<std::string>& names) {
  const std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>> all(GENERAL_NAMES_new());
  for (const std::string& name : names) {
    const bool dns = name.starts_with("DNS:");
    GENERAL_NAME* one = a2i_GENERAL_NAME(nullptr, nullptr, nullptr, dns ? GEN_DNS : GEN_IPADD, name.substr(dns ? 4 : 3).c_str(), 0);
    if (!one || sk_GENERAL_NAME_push(all.get(), one) == 0) fail("name a certificate " + name);
  }
  if (!names.empty() && X509_add1_ext_i2d(certificate, NID_subject_alt_name, all.get(), 0, X509V3_ADD_DEFAULT) != 1) fail("name a certificate");
}

// A certificate of version 3 with a random serial number and nothing signed yet.
Cert begin(const std::string& name, EVP_PKEY* key, std::int64_t not_before, std::int64_t not_after, bool nameless = false) {
  Cert made(X509_new());
  unsigned char serial[16];
  if (!made || RAND_bytes(serial, sizeof serial) != 1) fail("make a certificate");
  serial[0] &= 0x7f;
  std::unique_ptr<BIGNUM, Freed<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
  const Time from(ASN1_TIME_set(nullptr, not_before)), until(ASN1_TIME_set(nullptr, not_after));
  if (!number || !BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get())) || X509_set_version(made.get(), 2) != 1 || !from || !until ||
      X509_set1_notBefore(made.get(), from.get()) != 1 || X509_set1_notAfter(made.get(), until.get()) != 1 || X509_set_pubkey(made.get(), key) != 1)
    fail("make a certificate");
  add_name(X509_get_subject_name(made.get()), name, nameless ? "O" : "CN");
  return made;
}

// Edwards keys digest by themselves.
const EVP_MD* digest_for(EVP_PKEY* key) { return EVP_PKEY_is_a(key, "ED25519") == 1 || EVP_PKEY_is_a(key, "ED448") == 1 ? nullptr : EVP_sha256(); }

Request read_request(std::string_view pem) {
  const Bio bio = from(pem);
  Request request(PEM_read_bio_X509_REQ(bio.get(), nullptr, no_passphrase, nullptr));
  if (request && X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) != 1) request.reset();
  ERR_clear_error();
  return request;
}

// In OpenSSL's words, why a program that trusts the roots of an authority would refuse a certificate that it signs.
std::string trial_problem(std::string_view authority, std::int64_t now) {
  const auto issuers = certificates(authority);
  const auto trial = certificates(issue(authority, make_request("trial").request, {.name = "trial", .not_before = now, .not_after = now + 60}));
  const std::unique_ptr<X509_STORE, Freed<X509_STORE_free>> trusted(X509_STORE_new());
  const std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>> check(X509_STORE_CTX_new());
  const std::unique_ptr<STACK_OF(X509), Freed<stack_free>> between(sk_X509_new_null());
  for (const Cert& one : issuers) sk_X509_push(between.get(), one.get());
  for (const Cert& one : issuers)
    if (signs_itself(one.get())) X509_STORE_add_cert(trusted.get(), one.get());
  if (X509_STORE_CTX_init(check.get(), trusted.get(), trial.front().get(), between.get()) != 1) fail("check a certificate");
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(check.get()), now);
  const bool fine = X509_verify_cert(check.get()) == 1;
  ERR_clear_error();
  return fine ? "" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(check.get()));
}

}  // namespace

std::string iso_time(std::int64_t time) {
  const std::time_t seconds = time;
  std::tm parts{};
  char text[32] = {};
  gmtime_r(&seconds, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::optional<Certificate> read(std::string_view pem) {
  const auto all = certificates(pem);
  if (all.empty()) return std::nullopt;
  X509* one = all.front().get();
  const auto usage = X509_get_extended_key_usage(one);
  const bool any = !(X509_get_extension_flags(one) & EXFLAG_XKUSAGE);
  std::unique_ptr<BIGNUM, Freed<BN_free>> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(one), nullptr));
  char* serial = number ? BN_bn2hex(number.get()) : nullptr;
  Certificate found{.subject = name_text(X509_get_subject_name(one)),
                    .issuer = name_text(X509_get_issuer_name(one)),
                    .names = alternative_names(one),
                    .serves = any || (usage & XKU_SSL_SERVER),
                    .asks = any || (usage & XKU_SSL_CLIENT),
                    .is_authority = X509_check_ca(one) == 1,
                    .signs_itself = signs_itself(one),
                    .not_before = seconds(X509_get0_notBefore(one)),
                    .not_after = seconds(X509_get0_notAfter(one)),
                    .serial = serial ? serial : "",
                    .key = key_digest(X509_get0_pubkey(one))};
  OPENSSL_free(serial);
  ERR_clear_error();
  return found;
}

std::string make_authority(const std::string& name, std::int64_t not_before, std::int64_t not_after) {
  const Key key = new_key();
  const Cert made = begin(name, key.get(), not_before, not_after);
  if (X509_set_issuer_name(made.get(), X509_get_subject_name(made.get())) != 1) fail("make a certificate");
  extend(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(made.get(), made.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(made.get(), made.get(), NID_subject_key_identifier, "hash");
  if (X509_sign(made.get(), key.get(), EVP_sha256()) == 0) fail("sign a certificate");
  return key_text(key.get()) + pem_of(made.get());
}

std::string authority_problem(std::string_view authority, std::int64_t now) {
  const Key key = private_key(authority);
  if (!key)
    return authority.find("ENCRYPTED") == authority.npos ? "there is no private key" : "the key has a passphrase, which nobody can be asked for";
  const auto all = certificates(authority);
  if (all.empty()) return "there is no certificate";
  X509* own = all.front().get();
  if (key_digest(key.get()) != key_digest(X509_get0_pubkey(own))) return "the key does not belong to the certificate";
  if (X509_check_ca(own) != 1) return "the certificate is no authority's: it may not sign others";
  for (const Cert& one : all) {
    if (seconds(X509_get0_notAfter(one.get())) <= now) return "the certificate of " + name_text(X509_get_subject_name(one.get())) + " has expired";
    if (seconds(X509_get0_notBefore(one.get())) > now)
      return "the certificate of " + name_text(X509_get_subject_name(one.get())) + " is not valid yet";
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (signs_itself(all[i].get())) break;
    if (i + 1 == all.size())
      return "the root is missing: " + name_text(X509_get_issuer_name(all[i].get())) + " has signed the last certificate, and is not below it";
    if (X509_verify(all[i].get(), X509_get0_pubkey(all[i + 1].get())) != 1) {
      ERR_clear_error();
      return "the certificates are not in order: each must be signed by the next one, and the last is the root";
    }
  }
  const std::string why = trial_problem(authority, now);
  return why.empty() ? why : "programs would refuse what it signs: " + why;
}

std::string authority_certificates(std::string_view authority) {
  std::string text;
  for (const Cert& one : certificates(authority)) text += pem_of(one.get());
  return text;
}

std::vector<std::string> blocks(std::string_view pem) {
  constexpr std::string_view begin = "-----BEGIN ", end = "-----END ", dashes = "-----";
  std::vector<std::string> all;
  for (std::size_t at = 0; (at = pem.find(begin, at)) != pem.npos;) {
    const std::size_t last = pem.find(end, at);
    if (last == pem.npos) break;
    const std::size_t stop = pem.find(dashes, last + end.size());
    if (stop == pem.npos) break;
    all.push_back(std::string(pem.substr(at, stop + dashes.size() - at)) + "\n");
    at = stop + dashes.size();
  }
  return all;
}

std::string digest_of_all(std::string_view pem) {
  std::set<std::string> all;
  for (const Cert& one : certificates(pem)) all.insert(pem_of(one.get()));
  std::string text;
  for (const std::string& one : all) text += one;
  return sha256_hex(text);
}

KeyAndRequest make_request(const std::string& name) {
  const Key key = new_key();
  const Request request(X509_REQ_new());
  if (!request || X509_REQ_set_version(request.get(), 0) != 1 || X509_REQ_set_pubkey(request.get(), key.get()) != 1)
    fail("make a request for a certificate");
  add_name(X509_REQ_get_subject_name(request.get()), name);
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0) fail("sign a request for a certificate");
  return {key_text(key.get()), written("write a request for a certificate", [&](BIO* out) { return PEM_write_bio_X509_REQ(out, request.get()); })};
}

std::string request_key(std::string_view request) {
  const Request found = read_request(request);
  return found ? key_digest(X509_REQ_get0_pubkey(found.get())) : std::string();
}

std::string subject(const Wish& wish) { return (wish.nameless ? "O=" : "CN=") + wish.name; }

std::string issue(std::string_view authority, std::string_view request, const Wish& wish) {
  const Key key = private_key(authority);
  const auto issuers = certificates(authority);
  const Request asked = read_request(request);
  if (!key || issuers.empty()) throw Error(Code::internal, "there is no authority to sign a certificate with");
  if (!asked) throw Error(Code::internal, "there is no request for a certificate, or its signature is wrong");
  X509* issuer = issuers.front().get();
  const Cert made = begin(wish.name, X509_REQ_get0_pubkey(asked.get()), wish.not_before, wish.not_after, wish.nameless);
  if (X509_set_issuer_name(made.get(), X509_get_subject_name(issuer)) != 1) fail("make a certificate");
  extend(made.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  extend(made.get(), issuer, NID_key_usage, "critical,digitalSignature");
  extend(made.get(), issuer, NID_ext_key_usage, wish.serves && wish.asks ? "serverAuth,clientAuth" : wish.serves ? "serverAuth" : "clientAuth");
  extend(made.get(), issuer, NID_subject_key_identifier, "hash");
  if (X509_get0_subject_key_id(issuer)) extend(made.get(), issuer, NID_authority_key_identifier, "keyid");
  name_alternatives(made.get(), wish.names);
  if (X509_sign(made.get(), key.get(), digest_for(key.get())) == 0) fail("sign a certificate");
  std::string text = pem_of(made.get());
  for (const Cert& one : issuers) {
    if (signs_itself(one.get())) break;
    text += pem_of(one.get());
  }
  return text;
}

bool is_issued_by(std::string_view pem, std::string_view trusted) {
  const auto own = certificates(pem);
  if (own.empty()) return false;
  for (const Cert& one : certificates(trusted)) {
    const bool is = X509_NAME_cmp(X509_get_issuer_name(own.front().get()), X509_get_subject_name(one.get())) == 0 &&
                    X509_verify(own.front().get(), X509_get0_pubkey(one.get())) == 1;
    ERR_clear_error();
    if (is) return true;
  }
  return false;
}

}  // namespace pgcluster::x509
