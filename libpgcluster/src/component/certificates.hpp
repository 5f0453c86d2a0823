#pragma once

#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>

// Certificates as components use them: where the files are, and how programs are told of them. Components declare them in needs(); the planner makes
// them (operate/certificates.cpp).
namespace pgcluster::certificates {

/// In ClusterView::rotated: all keys and certificates.
inline constexpr const char* rotated = "certificates";

/// In ClusterView::rotated, and the name of a secret: the cluster's authority.
inline constexpr const char* authority = "tls_ca";

/// Whether what crosses a network is encrypted.
inline bool wanted(const Spec& spec) { return spec.tls_cert_generate; }

/// How a cluster's programs speak with each other. A running cluster goes over from plain to TLS, or back, in phases: programs that serve answer both
/// ways first, then those that ask them change, and then the old way is closed.
enum class Wire { plain, opening, tls, closing, unknown };
/// By what the spec wishes and what the hosts have; unknown before the hosts were asked.
Wire wire(const ClusterView& view);
/// Whether programs that serve answer both ways.
inline bool goes_over(const ClusterView& view) { return wire(view) == Wire::opening || wire(view) == Wire::closing; }
/// How the resources of all certificates and keys begin.
inline constexpr const char* files = "file:/etc/pgcluster/tls/";
/// A file that tells programs on this host not to fall back to plain HTTP any more.
inline constexpr const char* settled_file = "/var/lib/pgcluster/encrypted";

/// The certificates that all hosts trust.
inline constexpr const char* authority_file = "/etc/pgcluster/tls/authority.crt";
/// The files of a certificate, by its name.
std::string certificate_file(const std::string& name);
std::string key_file(const std::string& name);

/// On every host, the steps that close the former protocol. Planned while the cluster goes over.
std::vector<StepRef> closings(const Topology& topology);
/// The removal of that file, one of the first steps where a cluster gives up TLS.
StepRef unsettled(const std::string& host);
/// On every host, what goes even before that file.
std::vector<StepRef> before_unsettled(const Topology& topology);

/// Adds to what a component needs: these certificates, and openssl, which makes their keys. Nothing where nothing is encrypted.
void declare(const NodeView& node, Needs& needs, std::vector<CertificateNeed> certificates);

/// The certificate and its key are there, and so is authority_file. Planned where a component of the host declares it.
StepRef ready(const std::string& host, const std::string& name);

/// The drop-in by which the host also notes the digests of certificates that the unit has loaded: it comes after the unit's own drop-in, with the
/// same commands for a reload and those of `exec_reload` more, and is no reason for a restart. Where nothing is encrypted (any more), its removal.
Steps notes(const NodeView& node, const std::string& component, const ServiceWish& wish, const std::vector<std::string>& exec_reload,
            const std::string& more_service_lines = {});

/// That drop-in of a unit. Its content stays while certificates change: among a unit's start_files it stands for TLS itself, so that a program that
/// reads how to speak only when it starts is restarted when its cluster goes over.
std::string drop_in(const std::string& unit);

/// Names and addresses by which clients reach the database of a host, beside the host's own: the VIP, the balancers, the names in Consul.
std::vector<std::string> client_names(const NodeView& node);

/// "https://ADDRESS:PORT/PATH", "http://…" where nothing is encrypted.
std::string url(const Spec& spec, const std::string& address, int port, const std::string& path = {});
/// The schemes by which a program may answer now, the wished one first.
std::vector<const char*> schemes(const ClusterView& view);
/// The same request by every scheme by which a program may answer now, the wished one first; for first_answer(). `words` are curl's options and data,
/// `paths` are asked one after the other. `plain_port`: where the program answers without TLS, if elsewhere.
std::vector<std::vector<std::string>> calls(const ClusterView& view, const std::string& certificate, const std::vector<std::string>& words,
                                            const std::string& address, int port, const std::vector<std::string>& paths, int plain_port = 0);
/// The command that asks so: curl itself where there is only one way.
std::vector<std::string> command(const std::vector<std::vector<std::string>>& calls);

/// curl's options by which it trusts the cluster's authority and shows the certificate of that name; none where nothing is encrypted.
std::vector<std::string> curl_options(const Spec& spec, const std::string& name);

}  // namespace pgcluster::certificates
