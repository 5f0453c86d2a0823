#include "spec/tls.hpp"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>

#include "base/certificate.hpp"
#include "base/paths.hpp"
#include "spec/validate.hpp"

namespace pgcluster {
namespace {

constexpr std::int64_t day = 24 * 60 * 60;

std::string content(const std::string& path, const std::string& key) {
  const std::string file = expand_home(path);
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in && !text.empty()) return text;
  const std::string why = errno != 0 ? std::strerror(errno) : "it is empty";
  const std::string message = "cannot read " + path + ": " + why;
  throw Error({.code = Code::spec_invalid,
               .message = key + ": " + message,
               .hint = "write the path of a PEM file on this machine",
               .diagnostics = {{.message = message, .hint = "write the path of a PEM file on this machine", .path = key}}});
}

}  // namespace

std::string read_authority(const TlsCa& authority) {
  return content(authority.key, "tls_ca.key") + "\n" + content(authority.certificate, "tls_ca.certificate");
}

void check_tls(const Spec& spec, std::vector<Diagnostic>& findings) {
  const auto error = [&](std::string path, std::string message, std::string hint) {
    findings.push_back({Severity::error, std::move(message), std::move(hint), std::move(path)});
  };
  if (!spec.tls_cert_generate)
    findings.push_back({Severity::warning, "nothing that crosses a network is encrypted: passwords and data can be read, and changed, on the way",
                        "remove the key, or write true; a running cluster goes over with one apply", "tls_cert_generate"});
  if (!spec.tls_ca.given() || is_faulty(findings, "tls_ca") || is_faulty(findings, "tls_ca.key") || is_faulty(findings, "tls_ca.certificate")) return;
  if (!spec.tls_cert_generate) findings.push_back({Severity::warning, "has no effect with tls_cert_generate: false", "remove one of them", "tls_ca"});
  if (spec.tls_ca.key.empty() || spec.tls_ca.certificate.empty()) {
    const char* missing = spec.tls_ca.key.empty() ? "key" : "certificate";
    return error("tls_ca", std::string("has no ") + missing,
                 std::string("add ") + missing + ": PATH, or remove tls_ca: apply then makes an authority");
  }
  std::string authority;
  try {
    authority = read_authority(spec.tls_ca);
  } catch (const Error& unreadable) {
    findings.push_back(unreadable.diagnostics().front());
    return;
  }
  const std::int64_t now = std::time(nullptr);
  if (const std::string problem = x509::authority_problem(authority, now); !problem.empty())
    return error(problem.starts_with("the key") || problem.starts_with("there is no private") ? "tls_ca.key" : "tls_ca.certificate", problem,
                 "it needs the private key (PEM, without a passphrase), and the certificate of that key, followed by those up to the root");
  const std::int64_t end = x509::read(authority)->not_after;
  if (now + spec.tls_cert_valid_days * day > end)
    error("tls_cert_valid_days",
          "a certificate would outlive its authority, whose certificate ends in " + std::to_string((end - now) / day) + " days",
          "write at most " + std::to_string((end - now) / day) + ", or renew the certificate of tls_ca");
}

}  // namespace pgcluster
