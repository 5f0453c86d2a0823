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

/// The files that curl's options name.
TlsFiles curl_files(const std::vector<std::string>& words);
/// Those of the certificate of that name, as scripts on the hosts use them.
TlsFiles host_files(const std::string& name);

/// The status with which curl ends before it connects to an https URL: 60 where it trusts no authority of ours, 77 where the authority's file is not
/// there, 58 where the certificate or its key is not. 0: it connects.
int tls_status(const SimulatedHost& host, const TlsFiles& files);
/// The common name of the certificate that a client on the host shows; empty where it has none.
std::string common_name(const SimulatedHost& host, const TlsFiles& files);
/// The first of these files that is not on the host; empty where all are, or none is named.
std::string missing_file(const SimulatedHost& host, const std::vector<std::string>& files);

/// The programs openssl and mv, as the steps of certificates call them; empty for every other command.
std::optional<Output> certificate_command(SimulatedHost& host, const std::vector<std::string>& argv, const Text& input);

}  // namespace pgcluster
