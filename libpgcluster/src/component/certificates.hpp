#pragma once

#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>

// Certificates as components use them: where the files are, and how programs are told of them. Components declare them in needs(); the planner makes
// them (operate/certificates.cpp).
namespace pgcluster::certificates {

/// Whether what crosses a network is encrypted.
inline bool wanted(const Spec& spec) { return spec.tls_cert_generate; }

/// The certificates that all hosts trust.
inline constexpr const char* authority_file = "/etc/pgcluster/tls/authority.crt";
/// The files of a certificate, by its name.
std::string certificate_file(const std::string& name);
std::string key_file(const std::string& name);

/// The certificate and its key are there, and so is authority_file. Planned where a component of the host declares it.
StepRef ready(const std::string& host, const std::string& name);

/// Names and addresses by which clients reach the database of a host, beside the host's own: the VIP, the balancers, the names in Consul.
std::vector<std::string> client_names(const NodeView& node);

/// "https://ADDRESS:PORT/PATH", "http://…" where nothing is encrypted.
std::string url(const Spec& spec, const std::string& address, int port, const std::string& path = {});
/// curl's options by which it trusts the cluster's authority and shows the certificate of that name; none where nothing is encrypted.
std::vector<std::string> curl_options(const Spec& spec, const std::string& name);
/// The same as words of a shell command, with a space after each.
std::string curl_words(const Spec& spec, const std::string& name);

}  // namespace pgcluster::certificates
