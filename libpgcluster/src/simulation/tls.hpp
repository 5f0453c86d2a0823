#pragma once

#include <string>
#include <vector>

#include <pgcluster/simulation/simulated.hpp>

namespace pgcluster {

/// The files by which a client trusts a server and shows who it is: paths on the client's host, empty where it has none.
struct TlsFiles {
  std::string authority{}, certificate{}, key{};
  /// Whether the client can show a certificate.
  bool shown() const { return !certificate.empty() && !key.empty(); }
};

/// Servers that a client tries one after the other: "https://10.77.0.11:2379".
struct Endpoints {
  std::vector<std::string> urls{};
  TlsFiles tls{};
};

/// The TLS files in the options of a curl command.
TlsFiles curl_files(const std::vector<std::string>& words);
/// The TLS files of the certificate of that name, at the paths that scripts on the hosts use.
TlsFiles host_files(const std::string& name);

/// The exit status of curl for an https URL, as far as these files decide it: 60 if it does not trust the cluster's authority, 77 if the file of the
/// authority does not exist, 58 if the certificate or its key does not exist; 0 if it can connect.
int tls_status(const SimulatedHost& host, const TlsFiles& files);
/// The common name of the certificate that a client on the host shows; empty if it has none.
std::string common_name(const SimulatedHost& host, const TlsFiles& files);
/// The first of these files that does not exist on the host; empty if all exist, or if no file is given.
std::string missing_file(const SimulatedHost& host, const std::vector<std::string>& files);

/// The programs openssl and mv, as the steps of certificates call them; empty for every other command.
std::optional<Output> certificate_command(SimulatedHost& host, const std::vector<std::string>& argv, const Text& input);

}  // namespace pgcluster
