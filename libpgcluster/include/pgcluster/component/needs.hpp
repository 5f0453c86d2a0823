#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pgcluster/base/error.hpp>
#include <pgcluster/op/answer.hpp>
#include <pgcluster/op/ask.hpp>
#include <pgcluster/spec/spec.hpp>

namespace PGCLUSTER_API pgcluster {

/// Who connects to a port: processes of the same host; hosts of the cluster; clients of the database, from its networks; or anybody.
enum class Reach { host, cluster, clients, anybody };

/// A TCP port on which a component listens.
struct PortNeed {
  int number = 0;
  std::string purpose;              ///< for people: "PgBouncer", "etcd's peers"
  std::string unit{};               ///< the unit that listens there: "pgbouncer.service"
  Reach reach = Reach::cluster;     ///< who connects
  bool udp = false;                 ///< the same port by UDP, too
  bool peers = false;               ///< with Reach::clients or anybody: the hosts that have this port connect to each other's, too
  std::vector<std::string> from{};  ///< names of the hosts that connect; empty: all that `reach` allows
  friend bool operator==(const PortNeed&, const PortNeed&) = default;
};
/// A protocol beside TCP and UDP by which the hosts of a component speak with each other.
struct ProtocolNeed {
  int number = 0;       ///< as IANA assigned it
  std::string purpose;  ///< for people: "VRRP"
  friend bool operator==(const ProtocolNeed&, const ProtocolNeed&) = default;
};
/// A program that a component copies from the controller to the host.
struct ProgramNeed {
  std::string key;   ///< the key of the spec that names it, for messages: "confd_binary"
  std::string path;  ///< on the controller
  friend bool operator==(const ProgramNeed&, const ProgramNeed&) = default;
};
/// A password or key. Where the spec does not give it, apply makes one and keeps it on every database host.
struct SecretNeed {
  std::string name;                  ///< unique in the cluster: "patroni_restapi_password"
  SpecSecret given{};                ///< as the spec has it
  std::vector<std::string> roles{};  ///< names by which people ask for it (read_password): "superuser", "postgres"
  std::string word{};                ///< by which rotate knows it where it is no role's password: "ca"
  bool authority = false;            ///< no password: the key and the certificate of an authority that signs certificates
  TlsCa files{};                     ///< of an authority: the user's own, read on the controller and kept on no host
  friend bool operator==(const SecretNeed&, const SecretNeed&) = default;
};

/// A private key that is made on the host and never leaves it, and a certificate for it, signed by the cluster's authority. The files are
/// /etc/pgcluster/tls/NAME.key and NAME.crt; authority.crt beside them has the certificates that all hosts trust.
struct CertificateNeed {
  std::string name;                  ///< unique on the host: "etcd"
  std::string account = "root";      ///< the only user of the system that may read the key
  bool serves = true;                ///< the program shows it to its clients
  bool asks = false;                 ///< the program shows it to servers that it connects to
  std::vector<std::string> names{};  ///< names and addresses by which clients reach the program, beside the host's own
  std::string user{};                ///< its common name, where servers take it for a user's; empty: the host's name
  bool nameless = false;             ///< it has no common name: a server takes its client by a password only, and refuses names
  std::string after = "packages";    ///< the component's step that brings the account and openssl
  int port = 0;                      ///< where its clients see it; 0: nowhere, or not by every host that has it
  std::string starttls{};            ///< what a client says before TLS begins there: "postgres"; empty: nothing
  friend bool operator==(const CertificateNeed&, const CertificateNeed&) = default;
};

/// What a component needs on one host, as data. check, status, the secrets, the clash of ports, the firewall and the removal of a host loop over it.
struct Needs {
  std::vector<std::string> packages{};          ///< names for the host's package manager
  std::vector<PortNeed> ports{};                ///< where it listens
  std::vector<ProtocolNeed> protocols{};        ///< what it receives besides, from the hosts of the cluster
  std::vector<std::string> units{};             ///< systemd units that run while all is well: "etcd.service"
  std::vector<std::string> accounts{};          ///< users of the system
  std::vector<std::string> directories{};       ///< where it keeps much: their file systems need room
  std::vector<ProgramNeed> programs{};          ///< files of the controller
  std::vector<SecretNeed> secrets{};            ///< what it must know
  std::vector<CertificateNeed> certificates{};  ///< by which it encrypts what it sends, and shows who it is
  std::map<std::string, std::string> least{};   ///< by package, the oldest version that will do: "3.4"
  std::vector<Diagnostic> findings{};           ///< problems found in the host's facts; an error prevents the plan
  friend bool operator==(const Needs&, const Needs&) = default;
};

/// Something that is wrong with a running cluster, and what to do about it.
struct Problem {
  std::string cause;                    ///< a stable word: "unit_down", "dcs_unhealthy"
  std::string message;                  ///< "patroni.service is failed"
  std::string remedy{};                 ///< what to do next
  std::vector<std::string> evidence{};  ///< lines of a log, or what a service said
  Severity severity = Severity::error;  ///< a warning does not make the cluster unhealthy
  friend bool operator==(const Problem&, const Problem&) = default;
};
/// One question about the health of a component on a host.
struct Probe {
  Ask ask;
  std::function<std::optional<Problem>(const Answer&)> read;  ///< pure and total: the problem that the answer shows, or none
};

}  // namespace pgcluster
