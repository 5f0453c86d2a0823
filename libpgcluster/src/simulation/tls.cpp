#include "simulation/tls.hpp"

#include <algorithm>
#include <map>

#include "base/certificate.hpp"
#include "base/digest.hpp"
#include "component/certificates.hpp"
#include "component/shell.hpp"

namespace pgcluster {
namespace {

std::string after(const std::vector<std::string>& words, const std::string& option) {
  const auto it = std::find(words.begin(), words.end(), option);
  return it == words.end() || it + 1 == words.end() ? "" : *(it + 1);
}

// As new_key.sh does: BASE ACCOUNT NAME.
Output new_key(SimulatedHost& host, const std::string& base, const std::string& account, const std::string& name) {
  if (!host.packages.contains("openssl")) return {.status = 127, .err = "sh: 1: openssl: not found\n"};
  if (account != "root" && !host.accounts.contains(account)) return {.status = 1, .err = "chown: invalid user: '" + account + ":'\n"};
  const x509::KeyAndRequest made = x509::make_request(name);
  host.write(base + ".csr", "key " + sha256_hex(made.key) + "\n" + made.request);
  host.files[base + ".key.next"] = File{.content = made.key, .mode = 0600, .owner = account, .group = account};
  return {};
}

// As take_certificate.sh does: BASE, and the certificate.
Output take_certificate(SimulatedHost& host, const std::string& base, const std::string& certificate) {
  const auto key = host.files.find(base + ".key.next");
  if (key == host.files.end()) return {.status = 1, .err = "mv: cannot stat '" + base + ".key.next': No such file or directory\n"};
  host.files[base + ".key"] = key->second;
  host.files.erase(base + ".key.next");
  host.write(base + ".crt", certificate);
  return {};
}

// As served_certificate.sh does, on the services' usual ports: ADDRESS:PORT STARTTLS.
Output served_certificate(const SimulatedHost& host, const std::string& where) {
  static const std::map<std::string, std::string> names{
      {"2379", "etcd"}, {"8008", "patroni"}, {"5432", "postgresql"}, {"6432", "pgbouncer"}, {"7000", "haproxy"}};
  const auto name = names.find(where.substr(where.rfind(':') + 1));
  const std::string* pem = name == names.end() ? nullptr : host.read(certificates::certificate_file(name->second));
  return {.out = pem ? *pem : ""};
}

}  // namespace

TlsFiles curl_files(const std::vector<std::string>& words) { return {after(words, "--cacert"), after(words, "--cert"), after(words, "--key")}; }

TlsFiles host_files(const std::string& name) {
  return {certificates::authority_file, certificates::certificate_file(name), certificates::key_file(name)};
}

int tls_status(const SimulatedHost& host, const TlsFiles& files) {
  if (files.authority.empty()) return 60;
  if (!host.read(files.authority)) return 77;
  return missing_file(host, {files.certificate, files.key}).empty() ? 0 : 58;
}

std::string common_name(const SimulatedHost& host, const TlsFiles& files) {
  const std::string* pem = host.read(files.certificate);
  const auto certificate = pem ? x509::read(*pem) : std::nullopt;
  return certificate && certificate->subject.starts_with("CN=") ? certificate->subject.substr(3) : std::string();
}

std::string missing_file(const SimulatedHost& host, const std::vector<std::string>& files) {
  const auto it = std::find_if(files.begin(), files.end(), [&](const std::string& file) { return !file.empty() && !host.read(file); });
  return it == files.end() ? "" : *it;
}

std::optional<Output> certificate_command(SimulatedHost& host, const std::vector<std::string>& argv, const Text& input) {
  if (argv.size() == 7 && argv[0] == "sh" && argv[2] == shell::new_key) return new_key(host, argv[4], argv[5], argv[6]);
  if (argv.size() == 6 && argv[0] == "sh" && argv[2] == shell::served_certificate) return served_certificate(host, argv[4]);
  if (argv.size() == 5 && argv[0] == "sh" && argv[2] == shell::take_certificate) return take_certificate(host, argv[4], input.reveal());
  return std::nullopt;
}

}  // namespace pgcluster
