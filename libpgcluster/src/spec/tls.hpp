#pragma once

#include <string>
#include <vector>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster {

/// Certificates that the authority of tls_ca cannot sign, and the like. Reads its files.
void check_tls(const Spec& spec, std::vector<Diagnostic>& findings);

/// The key and the certificates of tls_ca, as x509 takes them. Throws Error (spec_invalid) where a file cannot be read.
std::string read_authority(const TlsCa& authority);

}  // namespace pgcluster
