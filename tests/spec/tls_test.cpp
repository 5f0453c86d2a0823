// The findings about tls_ca, with their places. Its files are made while the test runs.
#include <ctime>

#include <pgcluster/spec/spec.hpp>

#include "base/certificate.hpp"
#include "openssl.hpp"

using namespace pgcluster;

namespace {

class TlsScene : public Openssl {
 public:
  TlsScene() {
    authority("root");
    authority("middle", "root");
    authority("other");
    write("chain.crt", read("middle.crt") + read("root.crt"));
  }

  /// What is wrong with a spec that names these files of the folder; `more` follows.
  std::string found(const std::string& certificate, const std::string& key, const std::string& more = {}) const {
    return findings("tls_ca:\n  certificate: " + certificate + "\n  key: " + key + "\n" + more);
  }
  std::string findings(const std::string& yaml) const {
    const std::string file = write("cluster.yaml", "hosts: { pg1: { address: 10.77.0.11 } }\n" + yaml);
    std::string out;
    try {
      for (const Diagnostic& one : validate(load_spec(file))) out += one.text() + "\n";
    } catch (const Error& error) {
      CHECK(error.code() == Code::spec_invalid);
      for (const Diagnostic& one : error.diagnostics()) out += one.text() + "\n";
    }
    for (auto at = out.find(path("")); at != std::string::npos; at = out.find(path(""))) out.erase(at, path("").size());
    return out;
  }
};

constexpr const char* needs =
    "; it needs the private key (PEM, without a passphrase), and the certificate of that key, followed by those up to the root\n";

}  // namespace

TEST_CASE("tls_ca: authorities that can sign") {
  const TlsScene scene;
  CHECK(scene.found(scene.path("chain.crt"), scene.path("middle.key")) == "");
  CHECK(scene.found(scene.path("root.crt"), scene.path("root.key")) == "");
}

TEST_CASE("tls_ca: a file that is not there, and one without the other") {
  const TlsScene scene;
  CHECK(scene.found(scene.path("none.crt"), scene.path("middle.key")) ==
        "cluster.yaml:3:16: error: tls_ca.certificate: cannot read none.crt: No such file or directory; write the path of a PEM file on this "
        "machine\n");
  CHECK(scene.found(scene.path("chain.crt"), scene.path("none.key")) ==
        "cluster.yaml:4:8: error: tls_ca.key: cannot read none.key: No such file or directory; write the path of a PEM file on this machine\n");
  scene.write("empty", "");
  CHECK(scene.found(scene.path("chain.crt"), scene.path("empty")) ==
        "cluster.yaml:4:8: error: tls_ca.key: cannot read empty: it is empty; write the path of a PEM file on this machine\n");
  CHECK(scene.findings("tls_ca: { certificate: " + scene.path("chain.crt") + " }\n") ==
        "cluster.yaml:2:1: error: tls_ca: has no key; add key: PATH, or remove tls_ca: apply then makes an authority\n");
  CHECK(scene.findings("tls_ca: { key: " + scene.path("middle.key") + " }\n") ==
        "cluster.yaml:2:1: error: tls_ca: has no certificate; add certificate: PATH, or remove tls_ca: apply then makes an authority\n");
}

TEST_CASE("tls_ca: keys and certificates that do not fit") {
  const TlsScene scene;
  const auto key = [&](const std::string& file) { return scene.found(scene.path("chain.crt"), scene.path(file)); };
  const auto certificate = [&](const std::string& file) { return scene.found(scene.path(file), scene.path("middle.key")); };
  CHECK(key("other.key") == std::string("cluster.yaml:4:8: error: tls_ca.key: the key does not belong to the certificate") + needs);
  CHECK(key("chain.crt") == std::string("cluster.yaml:4:8: error: tls_ca.key: there is no private key") + needs);
  scene.must("ec -in middle.key -aes256 -passout pass:secret -out locked.key");
  CHECK(key("locked.key") == std::string("cluster.yaml:4:8: error: tls_ca.key: the key has a passphrase, which nobody can be asked for") + needs);
  CHECK(certificate("middle.key") == std::string("cluster.yaml:3:16: error: tls_ca.certificate: there is no certificate") + needs);
  CHECK(
      certificate("middle.crt") ==
      std::string("cluster.yaml:3:16: error: tls_ca.certificate: the root is missing: CN=root has signed the last certificate, and is not below it") +
          needs);
  scene.write("wrong.crt", scene.read("middle.crt") + scene.read("other.crt"));
  CHECK(certificate("wrong.crt").starts_with("cluster.yaml:3:16: error: tls_ca.certificate: the certificates are not in order"));
}

TEST_CASE("tls_ca: no certificate may outlive its authority") {
  const TlsScene scene;
  scene.must("req -x509 -key middle.key -out short.crt -days 100 -subj /CN=short -addext basicConstraints=critical,CA:TRUE");
  const std::string found = scene.found(scene.path("short.crt"), scene.path("middle.key"));
  CHECK_MESSAGE(
      found.starts_with("cluster.yaml:1:1: error: tls_cert_valid_days: a certificate would outlive its authority, whose certificate ends in "),
      found);
  // 99 where a second has gone by since it was made.
  CHECK_MESSAGE((found.ends_with("write at most 99, or renew the certificate of tls_ca\n") ||
                 found.ends_with("write at most 100, or renew the certificate of tls_ca\n")),
                found);
  CHECK(scene.found(scene.path("short.crt"), scene.path("middle.key"), "tls_cert_valid_days: 99\n") == "");
  const std::string placed = scene.found(scene.path("short.crt"), scene.path("middle.key"), "tls_cert_valid_days: 101\n");
  CHECK_MESSAGE(placed.starts_with("cluster.yaml:5:22: error: tls_cert_valid_days"), placed);
}

TEST_CASE("tls_cert_generate: false is warned of, and takes no authority") {
  const TlsScene scene;
  const std::string alone = scene.findings("tls_cert_generate: false\n");
  CHECK_MESSAGE(
      alone.find("nothing that crosses a network is encrypted: passwords and data can be read, and changed, on the way") != std::string::npos, alone);
  const std::string both = scene.found(scene.path("chain.crt"), scene.path("middle.key"), "tls_cert_generate: false\n");
  CHECK_MESSAGE(both.find("tls_ca: has no effect with tls_cert_generate: false") != std::string::npos, both);
}

TEST_CASE("tls_ca: a certificate that has expired, and one that is no authority's") {
  const TlsScene scene;
  const auto certificate = [&](const std::string& file, const std::string& key) { return scene.found(scene.path(file), scene.path(key)); };
  scene.must("req -x509 -key middle.key -subj /CN=weak -out weak.crt -addext basicConstraints=critical,CA:TRUE -addext keyUsage=digitalSignature");
  CHECK(certificate("weak.crt", "middle.key")
            .starts_with("cluster.yaml:3:16: error: tls_ca.certificate: the certificate is no authority's: it may not sign others"));
  constexpr std::int64_t day = 86400;
  const std::string old = x509::make_authority("old", std::time(nullptr) - 2 * day, std::time(nullptr) - day);
  const auto begin = old.find("-----BEGIN CERTIFICATE");
  scene.write("old.key", old.substr(0, begin));
  scene.write("old.crt", old.substr(begin));
  CHECK(certificate("old.crt", "old.key").starts_with("cluster.yaml:3:16: error: tls_ca.certificate: the certificate of CN=old has expired"));
}
