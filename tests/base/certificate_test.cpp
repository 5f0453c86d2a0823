#include "base/certificate.hpp"

#include <ctime>

#include <pgcluster/base/error.hpp>

#include "openssl.hpp"

using namespace pgcluster;
using x509::authority_problem;

namespace {

constexpr std::int64_t day = 24 * 60 * 60;

std::int64_t now() {
  static const std::int64_t once = std::time(nullptr) + 600;  // after all that the openssl command makes
  return once;
}

std::string authority() {
  static const std::string once = x509::make_authority("authority of test", now() - day, now() + 3650 * day);
  return once;
}

std::string key_of(const std::string& pem) { return pem.substr(0, pem.find("-----BEGIN CERTIFICATE")); }
std::string certificates_of(const std::string& pem) { return x509::authority_certificates(pem); }

x509::Wish wish(std::set<std::string> names = {"DNS:pg1"}, bool serves = true, bool asks = false) {
  return {.name = "pg1", .names = std::move(names), .serves = serves, .asks = asks, .not_before = now() - 3600, .not_after = now() + 100 * day};
}

std::string issued(const x509::Wish& wish, const std::string& by = authority()) { return x509::issue(by, x509::make_request("pg1").request, wish); }

}  // namespace

TEST_CASE("a certificate says what was wished") {
  const x509::KeyAndRequest made = x509::make_request("the request's name does not count");
  const x509::Wish wished = wish({"DNS:pg1", "DNS:localhost", "IP:10.77.0.11", "IP:fd00::11"}, true, true);
  const std::string pem = x509::issue(authority(), made.request, wished);
  const auto is = x509::read(pem);
  REQUIRE(is);
  CHECK(is->subject == "CN=pg1");
  CHECK(is->issuer == "CN=authority of test");
  CHECK(is->names == wished.names);
  CHECK(is->serves);
  CHECK(is->asks);
  CHECK_FALSE(is->is_authority);
  CHECK_FALSE(is->signs_itself);
  CHECK(is->not_before == wished.not_before);
  CHECK(is->not_after == wished.not_after);
  CHECK(is->key == x509::request_key(made.request));
  CHECK(is->serial != x509::read(x509::issue(authority(), made.request, wished))->serial);
}

TEST_CASE("names and addresses of a certificate") {
  using Names = std::set<std::string>;
  for (const Names& names : {Names{}, Names{"DNS:pg1.example.com"}, Names{"IP:10.77.0.11"}, Names{"IP:fd00::1", "IP:::1"},
                             Names{"DNS:*.service.consul", "DNS:under_score", "IP:0.0.0.0", "IP:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
                             Names{"DNS:pg1,DNS:other"}, Names{"DNS:@section"}})
    CHECK(x509::read(issued(wish(names)))->names == names);
  CHECK_THROWS_AS(issued(wish({"IP:no address"})), Error);
}

TEST_CASE("who may show a certificate to whom") {
  for (const auto& [serves, asks] : {std::pair{true, false}, {false, true}, {true, true}}) {
    const auto is = x509::read(issued(wish({"DNS:pg1"}, serves, asks)));
    CHECK(is->serves == serves);
    CHECK(is->asks == asks);
  }
  const auto root = x509::read(certificates_of(authority()));  // without an extended usage it may do all
  CHECK(root->serves);
  CHECK(root->asks);
  CHECK(root->is_authority);
  CHECK(root->signs_itself);
}

TEST_CASE("a text without a certificate") {
  for (const char* text : {"", "hello\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    CAPTURE(text);
    CHECK_FALSE(x509::read(text));
    CHECK_FALSE(x509::is_issued_by(text, certificates_of(authority())));
    CHECK(x509::request_key(text).empty());
    CHECK_THROWS_AS(x509::issue(text, x509::make_request("pg1").request, wish()), Error);
    CHECK_THROWS_AS(x509::issue(authority(), text, wish()), Error);
  }
}

TEST_CASE("a request whose signature is not by its key has no key") {
  const std::string request = x509::make_request("pg1").request;
  CHECK(x509::request_key(request).size() == 64);
  CHECK(x509::request_key("key 0123\n" + request) == x509::request_key(request));
  Openssl openssl;
  openssl.write("good.csr", request);
  openssl.must("req -in good.csr -outform DER -out der");
  std::string der = openssl.read("der");
  der[der.size() - 1] = static_cast<char>(der[der.size() - 1] ^ 1);
  openssl.write("der", der);
  const auto [taken, said] = openssl.run("req -inform DER -in der -out broken.csr");
  const std::string broken = openssl.read("broken.csr");
  REQUIRE_MESSAGE(!broken.empty(), said);
  CHECK(x509::request_key(broken).empty());
  CHECK_THROWS_AS(x509::issue(authority(), broken, wish()), Error);
}

TEST_CASE("which authority has signed a certificate") {
  const std::string other = x509::make_authority("authority of test", now() - day, now() + 3650 * day);  // the same name, another key
  const std::string pem = issued(wish());
  CHECK(x509::is_issued_by(pem, certificates_of(authority())));
  CHECK_FALSE(x509::is_issued_by(pem, certificates_of(other)));
  CHECK(x509::is_issued_by(pem, certificates_of(other) + certificates_of(authority())));
  CHECK_FALSE(x509::is_issued_by(pem, ""));
}

TEST_CASE("the key stays where it is: others get the certificates only") {
  CHECK(key_of(authority()).find("PRIVATE KEY") != std::string::npos);
  CHECK(certificates_of(authority()).find("PRIVATE KEY") == std::string::npos);
  CHECK(authority() == key_of(authority()) + certificates_of(authority()));
}

TEST_CASE("what is wrong with an authority") {
  Openssl openssl;
  openssl.authority("root");
  openssl.authority("middle", "root");
  openssl.authority("other");
  const std::string root = openssl.read("root.crt"), middle = openssl.read("middle.crt"), key = openssl.read("middle.key");
  CHECK(authority_problem(authority(), now()).empty());
  CHECK(authority_problem(openssl.read("root.key") + root, now()).empty());
  CHECK(authority_problem(key + middle + root, now()).empty());

  CHECK(authority_problem("", now()) == "there is no private key");
  CHECK(authority_problem(middle + root, now()) == "there is no private key");
  CHECK(authority_problem(key, now()) == "there is no certificate");
  for (const char* how : {"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:secret -out locked.key",
                          "ec -in middle.key -aes256 -passout pass:secret -out locked.key"}) {  // PKCS #8, and the older form
    openssl.must(how);
    CHECK(authority_problem(openssl.read("locked.key") + middle + root, now()) == "the key has a passphrase, which nobody can be asked for");
  }
  CHECK(authority_problem(openssl.read("other.key") + middle + root, now()) == "the key does not belong to the certificate");
  CHECK(authority_problem(key + root + middle, now()) == "the key does not belong to the certificate");
  CHECK(authority_problem(key + middle, now()) == "the root is missing: CN=root has signed the last certificate, and is not below it");
  CHECK(authority_problem(key + middle + openssl.read("other.crt"), now()).starts_with("the certificates are not in order"));

  const x509::KeyAndRequest leaf = x509::make_request("pg1");
  CHECK(authority_problem(leaf.key + x509::issue(authority(), leaf.request, wish()) + certificates_of(authority()), now()) ==
        "the certificate is no authority's: it may not sign others");
  openssl.must("req -x509 -key middle.key -subj /CN=weak -out weak.crt -addext basicConstraints=critical,CA:TRUE -addext keyUsage=digitalSignature");
  CHECK(authority_problem(key + openssl.read("weak.crt"), now()) == "the certificate is no authority's: it may not sign others");

  CHECK(authority_problem(x509::make_authority("old", now() - 2 * day, now() - day), now()) == "the certificate of CN=old has expired");
  CHECK(authority_problem(x509::make_authority("new", now() + day, now() + 2 * day), now()) == "the certificate of CN=new is not valid yet");
  CHECK(authority_problem(key + middle + root, now() + 4000 * day) == "the certificate of CN=middle has expired");
}

TEST_CASE("an authority above that forbids what is below it") {
  Openssl openssl;
  openssl.write("short.key", key_of(authority()));
  openssl.write("short.crt", certificates_of(authority()));  // pathlen:0
  openssl.authority("middle", "short");
  CHECK(authority_problem(openssl.read("middle.key") + openssl.read("middle.crt") + openssl.read("short.crt"), now()) ==
        "programs would refuse what it signs: path length constraint exceeded");
}

TEST_CASE("programs accept the certificates, whatever the authority's key, and whatever stands between it and the root") {
  Openssl openssl;
  openssl.authority("root");
  openssl.authority("middle", "root");
  openssl.authority("rsa", "", "-newkey rsa:2048");
  openssl.authority("ed25519", "", "-newkey ed25519");
  openssl.write("own.crt", certificates_of(authority()));
  openssl.write("own.key", key_of(authority()));
  struct Chain {
    std::string key, certificates, root;
  };
  for (const auto& [key, certificates, root] : {Chain{"own", "own", "own"},
                                                {"root", "root", "root"},
                                                {"middle", "middle root", "root"},
                                                {"rsa", "rsa", "rsa"},
                                                {"ed25519", "ed25519", "ed25519"}}) {
    CAPTURE(key);
    std::string all = openssl.read(key + ".key");
    for (const std::string& one : {certificates.substr(0, certificates.find(' ')), certificates.find(' ') == std::string::npos ? "" : root})
      if (!one.empty()) all += openssl.read(one + ".crt");
    REQUIRE(authority_problem(all, now()).empty());
    const std::string pem = issued(wish({"DNS:pg1", "IP:10.77.0.11", "IP:fd00::11"}, true, true), all);
    CHECK(x509::is_issued_by(pem, certificates_of(all)));
    openssl.write("leaf.crt", pem);  // with what stands between it and the root
    for (const char* check : {"-verify_hostname pg1", "-verify_ip 10.77.0.11", "-verify_ip fd00::11", "-purpose sslserver", "-purpose sslclient"})
      openssl.must("verify -x509_strict -CAfile " + root + ".crt -untrusted leaf.crt " + std::string(check) + " leaf.crt");
    CHECK_FALSE(openssl.run("verify -CAfile " + root + ".crt -untrusted leaf.crt -verify_hostname pg2 leaf.crt").first);
  }
}

TEST_CASE("below the root other authorities may stand: they are trusted, and sign nothing") {
  Openssl openssl;
  openssl.authority("root");
  openssl.authority("middle", "root");
  const std::string other = certificates_of(authority());
  const std::string all = openssl.read("middle.key") + openssl.read("middle.crt") + openssl.read("root.crt") + other;
  CHECK(authority_problem(all, now()).empty());
  CHECK(x509::blocks(certificates_of(all)).size() == 3);
  const std::string pem = issued(wish({"DNS:pg1"}), all);
  CHECK(x509::blocks(pem).size() == 2);
  CHECK(pem.find(other) == std::string::npos);
  CHECK_FALSE(x509::is_issued_by(pem, other));
}

TEST_CASE("blocks of a PEM text, and the digest of its certificates") {
  const std::string one = authority(), other = x509::make_authority("another", now() - day, now() + day);
  const std::vector<std::string> parts =
      x509::blocks("a word\n" + one + "# a comment\n" + certificates_of(other) + "-----BEGIN CERTIFICATE-----\ncut");
  REQUIRE(parts.size() == 3);
  CHECK(parts[0] + parts[1] == one);
  CHECK(parts[2] == certificates_of(other));
  CHECK(x509::blocks("").empty());
  CHECK(x509::digest_of_all(one + other) == x509::digest_of_all("# first\n" + other + one));
  CHECK(x509::digest_of_all(one + other) != x509::digest_of_all(one));
  CHECK(x509::digest_of_all(one) == x509::digest_of_all(certificates_of(one)));
}
