#include "platform/platform.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/joined.hpp"

namespace pgcluster {
namespace {

// What Debian and Ubuntu have in common.
Platform debian_family() {
  return {.postgresql = {.packages = {"postgresql-{}", "postgresql-client-{}"},
                         .bin_dir = "/usr/lib/postgresql/{}/bin",
                         .data_dir = "/var/lib/postgresql/{}/main",
                         .home = "/var/lib/postgresql",
                         .socket_dir = "/var/run/postgresql",
                         .account = "postgres",
                         .unit = "postgresql.service",
                         .no_server_file = "/etc/postgresql-common/createcluster.d/50-pgcluster.conf",
                         .no_server_config = "create_main_cluster = false\n"},
          .patroni = {.packages = {"patroni"}, .account = "postgres"},
          .etcd = {.packages = {"etcd-server"}, .account = "etcd", .config = "/etc/default/etcd", .data = "/var/lib/etcd/default"},
          .pgbouncer = {.packages = {"pgbouncer"}, .account = "postgres"},
          .pgbackrest = {.packages = {"pgbackrest"}, .account = "postgres"},
          .haproxy = {.packages = {"haproxy"}, .account = "haproxy"},
          .keepalived = {.packages = {"keepalived"}},
          .consul = {.packages = {"consul"}, .account = "consul"},
          .patroni_etcd = "python3-etcd",
          .patroni_consul = "python3-consul",
          .etcd_client = "etcd-client",
          .http_client = "curl",
          .openssl = "openssl",
          .arping = "iputils-arping",
          .network_tools = "iproute2",
          .nftables = "nftables",
          .time_service = "systemd-timesyncd",
          // Any will do; where several are installed and none runs, the first is started.
          .time_units = {"chrony.service", "systemd-timesyncd.service", "ntpsec.service", "openntpd.service"},
          .package_query = {"apt-cache", "policy"}};
}

struct Release {
  const char *name, *os_id, *os_version, *os_codename;
  bool tried;
  int postgresql;
  std::set<std::string> lacks;
};

Platform platform(const Release& release) {
  Platform all = debian_family();
  all.name = release.name;
  all.os_id = release.os_id;
  all.os_version = release.os_version;
  all.os_codename = release.os_codename;
  all.tried = release.tried;
  all.postgresql.version = release.postgresql;
  all.lacks = release.lacks;
  return all;
}

constexpr std::size_t default_platform = 1;

}  // namespace

const std::vector<Platform>& platforms() {
  static const std::vector<Platform> all = [] {
    const std::vector<Release> releases{
        {"Debian 12", "debian", "12", "bookworm", false, 15, {"consul"}},        {"Debian 13", "debian", "13", "trixie", true, 17, {"consul"}},
        {"Debian 14 (testing)", "debian", "14", "forky", false, 18, {"consul"}}, {"Ubuntu 22.04", "ubuntu", "22.04", "jammy", false, 14, {}},
        {"Ubuntu 24.04", "ubuntu", "24.04", "noble", false, 16, {"consul"}},
    };
    std::vector<Platform> made;
    for (const Release& release : releases) made.push_back(platform(release));
    return made;
  }();
  return all;
}

std::string platform_names() {
  return joined(platforms(), ", ", [](const Platform& one) { return one.name; });
}

const Platform* find_platform(const Facts& facts) {
  // Debian's testing has no VERSION_ID before it is released.
  const auto same = [&](const Platform& one) {
    return one.os_id == facts.os_id && (facts.os_version.empty() ? one.os_codename == facts.os_codename : one.os_version == facts.os_version);
  };
  const auto found = std::find_if(platforms().begin(), platforms().end(), same);
  return found == platforms().end() ? nullptr : &*found;
}

const Platform& platform_of(const Facts& facts) {
  const Platform* found = find_platform(facts);
  return found ? *found : platforms()[default_platform];
}

Error unsupported_platform(const std::string& host, const Facts& facts) {
  std::string system = facts.os_id.empty() ? "an unknown system" : facts.os_id;
  for (const std::string* more : {&facts.os_version, &facts.os_codename})
    if (!more->empty()) system += (more == &facts.os_codename ? " (" : " ") + *more + (more == &facts.os_codename ? ")" : "");
  return Error({.code = Code::host_unsupported,
                .message = host + " runs " + system + ", which pgcluster does not support",
                .hint = "it deploys on " + platform_names(),
                .host = host});
}

Diagnostic untried_platform(const Platform& platform, const std::string& hosts) {
  std::string tried;
  for (const Platform& one : platforms())
    if (one.tried) append(tried, one.name);
  return {.severity = Severity::warning,
          .message = (hosts.empty() ? "" : hosts + ": ") + "pgcluster has not been tried on " + platform.name,
          .hint = "its tests run on " + tried + "; try it with a cluster that may be lost first"};
}

std::string for_major(std::string pattern, int version) {
  if (const auto at = pattern.find("{}"); at != std::string::npos) pattern.replace(at, 2, std::to_string(version));
  return pattern;
}

std::vector<std::string> postgresql_packages(const Platform& platform, int version) {
  std::vector<std::string> names;
  for (const std::string& pattern : platform.postgresql.packages) names.push_back(for_major(pattern, version));
  return names;
}

bool lacks(const Platform& platform, const std::string& package) {
  if (platform.lacks.contains(package)) return true;
  // A package of another major version than the distribution's.
  for (const std::string& pattern : platform.postgresql.packages) {
    const std::string before = pattern.substr(0, pattern.find("{}"));
    const std::string rest = package.starts_with(before) ? package.substr(before.size()) : "";
    if (!rest.empty() && rest.find_first_not_of("0123456789") == std::string::npos) return rest != std::to_string(platform.postgresql.version);
  }
  return false;
}

std::string missing_hint(const Platform& platform, const std::vector<std::string>& packages) {
  const bool all_lack = std::all_of(packages.begin(), packages.end(), [&](const std::string& one) { return lacks(platform, one); });
  if (!all_lack || packages.empty()) return "add a repository that has them, and run apt-get update";
  const std::string one = packages.size() == 1 ? "it" : "them";
  std::string hint = platform.name + " itself does not have " + one + ": add a repository that does, and run apt-get update";
  if (std::any_of(packages.begin(), packages.end(), [&](const std::string& name) { return !platform.lacks.contains(name); }))
    hint += "; or use its own version (postgresql_version: " + std::to_string(platform.postgresql.version) + ")";
  return hint;
}

std::string candidate(const std::string& policy, const std::string& package) {
  std::istringstream lines(policy);
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(' ')) found = line == package + ":";
    const auto at = line.find("Candidate: ");
    if (!found || at == std::string::npos) continue;
    const std::string version = line.substr(at + 11);
    return version == "(none)" ? "" : version;
  }
  return {};
}

bool older(const std::string& version, const std::string& than) {
  const auto colon = version.find(':');  // Debian's epoch
  const char* a = version.c_str() + (colon == std::string::npos ? 0 : colon + 1);
  const char* b = than.c_str();
  while (true) {
    char *a_end = nullptr, *b_end = nullptr;
    const unsigned long one = std::strtoul(a, &a_end, 10), other = std::strtoul(b, &b_end, 10);
    if (b_end == b) return false;  // as far as `than` goes they are the same
    if (one != other || a_end == a) return one < other;
    if (*b_end != '.') return false;
    b = b_end + 1;
    a = *a_end == '.' ? a_end + 1 : a_end;
  }
}

}  // namespace pgcluster
