#pragma once

#include <set>
#include <string>
#include <vector>

#include <pgcluster/op/facts.hpp>

namespace PGCLUSTER_API pgcluster {

/// How a distribution packages a service.
struct PackagedService {
  std::vector<std::string> packages{};
  std::string account{};  ///< the user that it runs as
  std::string config{};   ///< its configuration file, where the distribution chooses it
  std::string data{};     ///< where it keeps its data
  friend bool operator==(const PackagedService&, const PackagedService&) = default;
};
/// How a distribution packages PostgreSQL. "{}" stands for the major version.
struct PackagedPostgresql {
  int version = 0;                      ///< the major version of the distribution itself; other repositories may have more
  std::vector<std::string> packages{};  ///< "postgresql-{}"
  std::string bin_dir{};                ///< "/usr/lib/postgresql/{}/bin"
  std::string data_dir{};               ///< "/var/lib/postgresql/{}/main"
  std::string home{};                   ///< of the account
  std::string socket_dir{};
  std::string account{};
  std::string unit{};              ///< of the servers that the packages make by themselves
  std::string no_server_file{};    ///< the file that stops the packages from making a server
  std::string no_server_config{};  ///< and its content
  friend bool operator==(const PackagedPostgresql&, const PackagedPostgresql&) = default;
};

/// What differs between operating systems and their packages, as plain data: a function of a host's facts.
struct Platform {
  std::string name{};         ///< "Debian 13"
  std::string os_id{};        ///< as ID in /etc/os-release: "debian"
  std::string os_version{};   ///< as VERSION_ID: "13"
  std::string os_codename{};  ///< as VERSION_CODENAME: "trixie"
  bool tried = false;         ///< whether the tests run on real hosts with it
  PackagedPostgresql postgresql{};
  PackagedService patroni{};
  PackagedService etcd{};
  PackagedService pgbouncer{};
  PackagedService pgbackrest{};
  PackagedService haproxy{};
  PackagedService keepalived{};
  PackagedService consul{};
  std::string patroni_etcd{};                ///< the package by which Patroni speaks to etcd
  std::string patroni_consul{};              ///< and to Consul
  std::string etcd_client{};                 ///< the package of etcdctl
  std::string http_client{};                 ///< the package of curl
  std::string openssl{};                     ///< the package of the openssl command
  std::string arping{};                      ///< the package of arping
  std::string network_tools{};               ///< the package of ip and ss
  std::string nftables{};                    ///< the package of nft
  std::string time_service{};                ///< the package that is installed where the clock has no service
  std::vector<std::string> time_units{};     ///< time services; the package's own is among them
  std::vector<std::string> package_query{};  ///< the command that tells which versions of packages there are; their names follow
  std::set<std::string> lacks{};             ///< packages of the above that the distribution itself does not have
  friend bool operator==(const Platform&, const Platform&) = default;
};

/// All platforms on which pgcluster deploys.
const std::vector<Platform>& platforms();
/// The platform of a host with these facts. Debian 13 where they do not tell, as before a host was asked, and where pgcluster refuses the host.
const Platform& platform_of(const Facts& facts);

}  // namespace pgcluster
