#pragma once

#include <string>
#include <vector>

#include <pgcluster/base/error.hpp>
#include <pgcluster/platform/platform.hpp>

namespace pgcluster {

/// The names of all platforms, for people: "Debian 12, Debian 13, …".
std::string platform_names();
/// The platform of a host with these facts; null where it is none of platforms().
const Platform* find_platform(const Facts& facts);
/// The refusal (host_unsupported) of a host that is none of them.
Error unsupported_platform(const std::string& host, const Facts& facts);
/// A platform that the tests do not run on; `hosts` are those that have it, in words.
Diagnostic untried_platform(const Platform& platform, const std::string& hosts);

/// A pattern of PackagedPostgresql for one major version: "/usr/lib/postgresql/17/bin".
std::string for_major(std::string pattern, int version);
/// The packages of one major version.
std::vector<std::string> postgresql_packages(const Platform& platform, int version);
/// Whether the distribution itself does not have the package; another repository of the host may.
bool lacks(const Platform& platform, const std::string& package);
/// What to do where no repository of the host has these packages.
std::string missing_hint(const Platform& platform, const std::vector<std::string>& packages);

/// The version that the host's package manager would install, from the output of Platform::package_query; empty where it has none.
std::string candidate(const std::string& policy, const std::string& package);
/// Whether a package's version is older than an upstream version: "3.3.25+dfsg-7" is older than "3.4".
bool older(const std::string& version, const std::string& than);

}  // namespace pgcluster
