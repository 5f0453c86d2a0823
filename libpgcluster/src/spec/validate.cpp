#include "spec/validate.hpp"

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <string_view>

#include <pgcluster/op/access.hpp>

#include "base/network.hpp"
#include "base/strings.hpp"
#include "spec/backups.hpp"
#include "spec/balancing.hpp"
#include "spec/consul.hpp"
#include "spec/encodings.hpp"
#include "spec/keys.hpp"
#include "spec/objects.hpp"
#include "spec/parameters.hpp"
#include "spec/passwords.hpp"
#include "spec/pg_hba.hpp"
#include "spec/roles.hpp"
#include "spec/tls.hpp"
#include "spec/words.hpp"

namespace pgcluster {
namespace {

using keys::Format;
using keys::Key;
using keys::Rule;

bool matches(const std::string& value, Format format) {
  static std::map<Format, std::regex>* const compiled = [] {
    auto* all = new std::map<Format, std::regex>;
    for (int i = 0; i <= static_cast<int>(Format::yaml); ++i)
      if (const auto format_pattern = keys::pattern(static_cast<Format>(i)); !format_pattern.empty() && static_cast<Format>(i) != Format::database)
        all->emplace(static_cast<Format>(i), std::regex(std::string(format_pattern), std::regex::ECMAScript));
    return all;
  }();
  const auto known = compiled->find(format);
  return known == compiled->end() || std::regex_search(value, known->second);
}

bool has_control(std::string_view value) {
  return std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// What a string of a format has to look like, in words.
std::optional<Misfit> misfit(const std::string& value, Format format) {
  if (value.size() > 1000 && format != Format::hba && format != Format::lines) return Misfit{"is too long", "write something shorter"};
  switch (format) {
    case Format::ip:
      if (!net::parse_ip(value))
        return Misfit{words::shown(value) + " is not an IP address", "write one like 10.77.0.11; a name would need a name server that never fails"};
      return std::nullopt;
    case Format::path:
    case Format::path_or_none:
      if (has_control(value)) return Misfit{"has a line break or another control character in it", "write a path"};
      return std::nullopt;
    case Format::hop:
      if (value != "none" && !parse_hop(value))
        return Misfit{words::shown(value) + " is not a host to jump over",
                      "write user@host:port, like admin@bastion.example.org:22, or [fd00::1]:22"};
      return std::nullopt;
    case Format::lines:
      if (value.find('\0') != std::string::npos || value.find('\r') != std::string::npos)
        return Misfit{"has a carriage return or a null character in it", "write plain lines: |, and the lines below it"};
      return std::nullopt;
    case Format::database:
      if (value.size() > 63)
        return Misfit{words::shown(value) + " has " + std::to_string(value.size()) + " bytes, and PostgreSQL keeps 63 of a name",
                      "write a shorter one"};
      if (has_control(value))
        return Misfit{words::shown(value) + " is not a good name", "write one without line breaks and other control characters"};
      return std::nullopt;
    case Format::hba: {
      const auto fields = strings::split(value, " \t");
      if (value.find_first_of("\r\n") != std::string::npos) return Misfit{"has a line break in it", "write one item for each line"};
      if (!value.empty() && (value.front() == '#' || fields.empty()))
        return Misfit{"is not a line with a rule", "remove it; write comments in this file"};
      if (!matches(value, format))
        return Misfit{"begins with " + words::shown(fields.front()) + ", which is not a type of connection",
                      "write like: hostssl all app 10.0.0.0/8 scram-sha-256"};
      const std::size_t least = fields.front() == "local" ? 4 : 5;
      if (fields.size() < least)
        return Misfit{"has " + std::to_string(fields.size()) + " fields, and needs " + std::to_string(least),
                      least == 4 ? "write like: local all app scram-sha-256" : "write like: hostssl all app 10.0.0.0/8 scram-sha-256"};
      return std::nullopt;
    }
    default:
      break;
  }
  if (matches(value, format)) return std::nullopt;
  switch (format) {
    case Format::label:
      return Misfit{words::shown(value) + " is not a good name for a host",
                    "write letters, digits and '-' between them, at most 63, like pg1; dots stand in ssh.host only"};
    case Format::identifier:
      return Misfit{words::shown(value) + " is not a good name for a role", "write small letters, digits and '_', a letter first, at most 63"};
    case Format::cluster_name:
      return Misfit{words::shown(value) + " is not a good name for a cluster", "write small letters, digits, '-' and '_', at most 63"};
    case Format::dns_label:
      return Misfit{words::shown(value) + " cannot be part of a name in DNS", "write small letters, digits, and '-' between them, like dc1"};
    case Format::host_or_ip:
      return Misfit{words::shown(value) + " is not a host's name or address", "write a name or an IP address, without a port or user"};
    case Format::size:
      return Misfit{words::shown(value) + " is not a size", "write a number with B, kB, MB, GB or TB, like 100MB"};
    case Format::duration:
      return Misfit{words::shown(value) + " is not a time", "write a number with ms, s, m, h or d, like 60m"};
    case Format::network:
      return Misfit{words::shown(value) + " is not a network", net::is_ip(value) ? "write " + net::single_address(value) + " for this one address"
                                                                                 : "write an address and a length, like 203.0.113.0/24"};
    case Format::sha256:
      return Misfit{words::shown(value) + " is not a SHA-256", "write the 64 digits that sha256sum prints"};
    case Format::url:
      return Misfit{words::shown(value) + " is not a URL", "write one like https://example.org/confd"};
    case Format::interface:
      return Misfit{words::shown(value) + " is not the name of a network interface", "write a name like eth0, or remove the key"};
    default:
      return Misfit{words::shown(value) + " has spaces or quotes in it", "write a single word"};
  }
}

class Checker {
 public:
  Checker(const Spec& spec, std::vector<Diagnostic> found) : spec_(spec), read_(found.size()), findings_(std::move(found)) {}

  std::vector<Diagnostic> check() {
    record(spec_, "", keys::of<Spec>());
    hosts();
    transports();
    ports();
    patroni();
    vip();
    check_balancing(spec_, findings_);
    check_cloud(spec_, findings_);
    check_consul(spec_, findings_);
    roles_and_databases();
    check_objects(spec_, findings_);
    check_passwords(spec_, findings_);
    check_parameters(spec_, findings_);
    check_allowed_networks(spec_, findings_);
    check_pg_hba(spec_, findings_);
    check_tls(spec_, findings_);
    check_backups(spec_, findings_);
    findings_.erase(findings_.begin(), findings_.begin() + static_cast<std::ptrdiff_t>(read_));
    return std::move(findings_);
  }

 private:
  void error(std::string path, std::string message, std::string hint) {
    findings_.push_back({Severity::error, std::move(message), std::move(hint), std::move(path)});
  }
  void warning(std::string path, std::string message, std::string hint) {
    findings_.push_back({Severity::warning, std::move(message), std::move(hint), std::move(path)});
  }
  bool faulty(std::string_view path) const { return is_faulty(findings_, path); }

  bool faulty_below(std::string_view path) const {
    return std::any_of(findings_.begin(), findings_.end(), [&](const Diagnostic& d) { return d.path.starts_with(path); });
  }

  // What the table says about each key.

  template <class Owner>
  void record(const Owner& owner, const std::string& path, const std::vector<Key<Owner>>& known) {
    for (const auto& key : known) {
      const std::string here = path.empty() ? std::string(key.name) : path + '.' + std::string(key.name);
      std::visit([&](auto member) { value(owner.*member, here, key.rule); }, key.member);
    }
  }

  void word(const std::string& value, const std::string& path, const Rule& rule) {
    if (value.empty()) {
      // What stands at the top has a default, so that only an empty one is missing.
      if (rule.required && path.find('.') == std::string::npos && path.find('[') == std::string::npos) {
        error(path, "is empty", "write a value, or remove the key");
      } else if (rule.required) {
        error(path, "is missing", path.ends_with(".address") ? "write the host's IP address, like address: 10.77.0.11" : "write a value");
      }
      return;
    }
    if (auto wrong = misfit(value, rule.format)) error(path, std::move(wrong->message), std::move(wrong->hint));
  }
  void count(long value, const std::string& path, const Rule& rule) {
    if (value >= rule.min && value <= rule.max) return;
    const bool bounded = rule.max < 2'147'483'647;
    error(path, std::to_string(value) + " is out of range",
          bounded ? "write " + std::to_string(rule.min) + " to " + std::to_string(rule.max) : "write " + std::to_string(rule.min) + " or more");
  }

  void value(bool, const std::string&, const Rule&) {}
  void value(int value, const std::string& path, const Rule& rule) { count(value, path, rule); }
  void value(long value, const std::string& path, const Rule& rule) { count(value, path, rule); }
  void value(const std::optional<int>& value, const std::string& path, const Rule& rule) {
    if (value) count(*value, path, rule);
  }
  void value(const std::string& value, const std::string& path, const Rule& rule) { word(value, path, rule); }
  void value(const std::optional<std::string>& value, const std::string& path, const Rule& rule) {
    if (!value) return;
    if (value->empty()) error(path, "is empty", "write a value, or remove the key");
    word(*value, path, rule);
  }
  // The compiler has checked the value, but not that this key takes it.
  template <Choice E>
  void value(E value, const std::string& path, const Rule& rule) {
    if (keys::choice<E>(rule, to_string(value))) return;
    Misfit wrong = unknown_word(to_string(value), keys::words<E>(rule));
    error(path, std::move(wrong.message), std::move(wrong.hint));
  }
  template <Choice E>
  void value(const std::optional<E>& one, const std::string& path, const Rule& rule) {
    if (one) value(*one, path, rule);
  }
  template <Choice E>
  void value(const std::vector<E>& all, const std::string& path, const Rule& rule) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string here = path + '[' + std::to_string(i) + ']';
      const auto here_at = all.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(all.begin(), here_at, all[i]) != here_at)
        error(here, std::string(to_string(all[i])) + " is given twice", "remove one of them");
      else
        value(all[i], here, rule);
    }
  }
  void value(const SpecSecret& value, const std::string& path, const Rule& rule) {
    if (rule.format != Format::lines && has_control(value.value))
      error(path, "has a line break or another control character in it", "write a password without them");
  }
  void value(const std::vector<std::string>& value, const std::string& path, const Rule& rule) {
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string here = rule.one_or_many && value.size() == 1 ? path : path + '[' + std::to_string(i) + ']';
      if (value[i].empty()) {
        error(here, "is empty", "write a value, or remove it");
      } else if (!seen.insert(value[i]).second) {
        error(here, value[i] + " is given twice", "remove one of them");
      } else {
        word(value[i], here, rule);
      }
    }
  }
  void value(const Pairs& value, const std::string& path, const Rule& rule) {
    static const std::regex component("[A-Za-z0-9_][A-Za-z0-9_.-]*");
    static const std::regex kernel("[a-z0-9_][A-Za-z0-9_./-]*");
    for (const auto& [name, text] : value) {
      const std::string here = path + '.' + name;
      if (rule.format == Format::yaml && !std::regex_match(name, component))
        error(here, "is not the name of a component", "write letters, digits, '-' and '_'");
      if (rule.format != Format::sysctl) continue;
      if (!std::regex_match(name, kernel)) error(here, "is not the name of a kernel parameter", "write one like vm.swappiness");
      if (text.empty() || has_control(text)) error(here, "has no value, or more than a line", "write a value as sysctl takes it");
    }
  }
  void value(const SshSpec& ssh, const std::string& path, const Rule&) {
    if (ssh.jump.size() > 1 && std::find(ssh.jump.begin(), ssh.jump.end(), "none") != ssh.jump.end())
      error(path + ".jump", "none means no hop at all", "write it alone, or remove it");
    if (path != "ssh") {
      record(ssh, path, keys::of<SshSpec, HostSpec>());
      return;
    }
    record(ssh, path, keys::of<SshSpec, Spec>());
    if (ssh.host) error("ssh.host", "can be set for one host only", "write it in that host's own ssh");
  }
  template <keys::Group Record>
  void value(const Record& group, const std::string& path, const Rule&) {
    record(group, path, keys::of<Record>());
  }
  void value(const BinarySpec& binary, const std::string& path, const Rule&) {
    if (!binary.path.empty() && (!binary.url.empty() || !binary.sha256.empty())) {
      error(path, "has both a path and a url", "keep one of them");
    } else if (!binary.path.empty()) {
      word(binary.path, path, Rule{.format = Format::path});
    } else if (!binary.url.empty() || !binary.sha256.empty()) {
      record(binary, path, keys::of<BinarySpec>());
    }
  }
  template <class Record>
  void records(const std::vector<Record>& all, const std::string& path) {
    for (std::size_t i = 0; i < all.size(); ++i) record(all[i], path + '[' + std::to_string(i) + ']', keys::of<Record>());
  }
  void value(const std::vector<UserSpec>& users, const std::string& path, const Rule&) { records(users, path); }
  void value(const std::vector<DatabaseSpec>& databases, const std::string& path, const Rule&) { records(databases, path); }
  void value(const std::vector<SchemaSpec>& schemas, const std::string& path, const Rule&) { records(schemas, path); }
  void value(const std::vector<ExtensionSpec>& extensions, const std::string& path, const Rule&) { records(extensions, path); }
  void value(const std::vector<PrivilegeSpec>& privileges, const std::string& path, const Rule&) { records(privileges, path); }
  void value(const std::vector<RepoSpec>& repos, const std::string& path, const Rule&) { records(repos, path); }
  void value(const std::vector<HostSpec>& hosts, const std::string& path, const Rule&) {
    if (hosts.empty()) error(path, "no host is described", "write hosts: { pg1: { address: 10.77.0.11 } }");
    for (const HostSpec& host : hosts) record(host, path + '.' + host.name, keys::of<HostSpec>());
  }

  // Rules that involve several keys.

  void hosts() {
    std::map<std::string, std::string> names;
    std::map<net::Ip, std::string> addresses;
    bool database = false;
    for (const HostSpec& host : spec_.hosts) {
      const std::string path = "hosts." + host.name;
      if (auto wrong = misfit(host.name, Format::label)) {
        error(path, std::move(wrong->message), std::move(wrong->hint));
      } else if (const auto [same, fresh] = names.emplace(strings::lower(host.name), host.name); !fresh) {
        error(path, "has the same name as " + same->second + "; upper and lower case do not differ", "give it another name");
      }
      if (const auto ip = net::parse_ip(host.address)) {
        if (const auto [same, fresh] = addresses.emplace(*ip, host.name); !fresh)
          error(path + ".address", "is also the address of " + same->second, "write the host's own address");
        const bool any = std::all_of(ip->bytes.begin(), ip->bytes.end(), [](auto b) { return b == 0; });
        const bool multicast = ip->v6 ? ip->bytes[0] == 0xff : ip->bytes[0] >= 224;
        net::Ip v6_loopback{{}, true};
        v6_loopback.bytes[15] = 1;
        const bool loopback = ip->v6 ? *ip == v6_loopback : ip->bytes[0] == 127;
        const bool link_local = ip->v6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
        if (link_local) {
          error(path + ".address", host.address + " is a link-local address: it means nothing without the name of an interface",
                "write the host's global or unique local address, like fd00:77::11");
        } else if (any || multicast) {
          error(path + ".address", host.address + " is not the address of a host", "write the address that the other hosts reach it at");
        } else if (loopback && spec_.hosts.size() > 1) {
          error(path + ".address", host.address + " is a loopback address, which the other hosts cannot reach",
                "write the address that the other hosts reach it at; the address for ssh belongs in ssh.host");
        }
      }
      database |= is_database(host) || faulty_below(path + ".roles");
      tags(host, path + ".patroni_tags");
      if (spec_.dcs_type == DcsType::consul && has_role(host, Role::etcd))
        error(path + ".roles", "etcd is a role here, but dcs_type is consul", "remove the role, or write dcs_type: etcd");
    }
    if (spec_.hosts.empty()) return;
    if (!database) error("hosts", "no host is a database node", "remove roles from a host, or add postgres to them");
    const auto barred = [](const HostSpec& host) {
      return std::any_of(host.patroni_tags.begin(), host.patroni_tags.end(), [](const auto& tag) {
        return (tag.first == "nofailover" && tag.second == "true") || (tag.first == "failover_priority" && tag.second == "0");
      });
    };
    const bool some = std::any_of(spec_.hosts.begin(), spec_.hosts.end(), is_database);
    if (some && std::all_of(spec_.hosts.begin(), spec_.hosts.end(), [&](const HostSpec& h) { return !is_database(h) || barred(h); }))
      error("hosts", "no host may become leader: all have nofailover or failover_priority 0", "remove the tag from at least one, better two");
    replication_chains();
  }

  void transports() {
    const HostSpec* local = nullptr;
    for (const HostSpec& host : spec_.hosts) {
      if (host.ssh.transport.value_or(spec_.ssh.transport.value_or(Transport::libssh2)) != Transport::local) continue;
      const std::string path = "hosts." + host.name + ".ssh.";
      if (local) {
        error(host.ssh.transport ? path + "transport" : "ssh.transport",
              "local means this machine, which is " + local->name + " already, not " + host.name, "write it for one host only");
        if (!host.ssh.transport) return;
      } else {
        local = &host;
      }
      for (const auto& [set, key] : {std::pair{host.ssh.host.has_value(), "host"}, std::pair{!host.ssh.jump.empty(), "jump"}})
        if (set) error(path + key, "has no effect with transport: local, which does not use ssh", "remove one of the two");
    }
  }

  void tags(const HostSpec& host, const std::string& path) {
    if (!host.patroni_tags.empty() && !is_database(host))
      error(path, "is set on a host without PostgreSQL", "remove it, or add postgres to the roles");
    std::vector<std::string_view> names;
    for (const auto& tag : keys::patroni_tags()) names.push_back(tag.name);
    std::map<std::string_view, std::string_view> set;
    for (const auto& [name, value] : host.patroni_tags) {
      const std::string here = path + '.' + name;
      const auto known =
          std::find_if(keys::patroni_tags().begin(), keys::patroni_tags().end(), [&, &tag = name](const auto& t) { return t.name == tag; });
      if (known == keys::patroni_tags().end()) {
        const auto near = words::nearest(name, names);
        error(here, "unknown tag", near.empty() ? "known are " + words::one_of(names) : "did you mean " + std::string(near) + "?");
        continue;
      }
      if (!set.emplace(name, value).second) error(here, "is given twice", "remove one of them");
      switch (known->type) {
        case keys::Tag::Type::boolean:
          if (value != "true" && value != "false") error(here, "expects true or false, has " + words::shown(value), "write true or false");
          break;
        case keys::Tag::Type::number:
          if (value.empty() || value.size() > 6 || value.find_first_not_of("0123456789") != std::string::npos)
            error(here, "expects a number, has " + words::shown(value), "write 0 or more; the highest is preferred");
          break;
        case keys::Tag::Type::host: {
          const HostSpec* source = spec_.host(value);
          std::vector<std::string_view> others;
          for (const HostSpec& other : spec_.hosts)
            if (other.name != host.name && is_database(other)) others.push_back(other.name);
          if (value == host.name) {
            error(here, "names the host itself", "name another database host");
          } else if (source == nullptr || !is_database(*source)) {
            const auto near = words::nearest(value, others);
            error(here, words::shown(value) + " is not a database host of this cluster",
                  near.empty() ? (others.empty() ? "remove it" : "write " + words::one_of(others)) : "did you mean " + std::string(near) + "?");
          }
        }
      }
    }
    const auto has = [&](std::string_view name, std::string_view value) {
      const auto found = set.find(name);
      return found != set.end() && found->second == value;
    };
    if (set.contains("failover_priority") &&
        ((has("nofailover", "true") && !has("failover_priority", "0")) || (has("nofailover", "false") && has("failover_priority", "0"))))
      error(path + ".failover_priority", "contradicts nofailover, which wins", "keep only one of the two");
    if (set.contains("sync_priority") &&
        ((has("nosync", "true") && !has("sync_priority", "0")) || (has("nosync", "false") && has("sync_priority", "0"))))
      error(path + ".sync_priority", "contradicts nosync, which wins", "keep only one of the two");
  }

  void replication_chains() {
    const auto source = [&](const HostSpec& host) -> const HostSpec* {
      for (const auto& [name, value] : host.patroni_tags)
        if (name == "replicatefrom") return spec_.host(value);
      return nullptr;
    };
    for (const HostSpec& host : spec_.hosts) {
      std::size_t steps = 0;
      const HostSpec* at = source(host);
      while (at != nullptr && at != &host && steps++ < spec_.hosts.size()) at = source(*at);
      if (at == &host && source(host) != &host)
        error("hosts." + host.name + ".patroni_tags.replicatefrom",
              "leads back to " + host.name + ": the members of this circle would never follow the leader", "remove it from one of them");
    }
  }

  void ports() {
    std::set<const HostSpec*> dcs;
    for (const HostSpec* host : dcs_hosts(spec_)) dcs.insert(host);
    std::set<std::pair<std::string, std::string>> said;
    for (const HostSpec& host : spec_.hosts) {
      std::vector<std::pair<std::string, int>> used;
      if (!host.ssh.host) used.emplace_back("ssh.port", host.ssh.port.value_or(spec_.ssh.port.value_or(22)));
      if (is_database(host)) {
        used.emplace_back("postgresql_port", spec_.postgresql_port);
        if (spec_.pgbouncer_install) used.emplace_back("pgbouncer_listen_port", spec_.pgbouncer_listen_port);
        used.emplace_back("patroni_restapi_port", spec_.patroni_restapi_port);
      }
      if (dcs.contains(&host) && spec_.dcs_type == DcsType::etcd && !faulty("dcs_type")) {
        used.emplace_back("etcd_client_port", spec_.etcd_client_port);
        used.emplace_back("etcd_peer_port", spec_.etcd_peer_port);
      }
      if (spec_.dcs_type == DcsType::consul && (is_database(host) || has_role(host, Role::consul) || has_role(host, Role::consul_client)))
        for (const int port : {8300, 8301, 8302, consul_api_port(spec_), 8600}) used.emplace_back("Consul", port);
      if (with_haproxy(spec_) && is_balancer(spec_, host))
        for (const auto& key : keys::of<HaproxyPorts>())
          if (const int port = spec_.haproxy_listen_port.*std::get<int HaproxyPorts::*>(key.member); port != 0)
            used.emplace_back("haproxy_listen_port." + std::string(key.name), port);
      for (std::size_t i = 0; i < used.size(); ++i) {
        for (std::size_t j = i + 1; j < used.size(); ++j) {
          if (used[i].second != used[j].second || faulty(used[j].first) || !said.emplace(used[i].first, used[j].first).second) continue;
          // At the key that was written rather than at one with its default.
          std::string at = used[j].first;
          std::string other = used[i].first;
          if (by_default(at) && !by_default(other)) std::swap(at, other);
          error(at,
                "port " + std::to_string(used[j].second) + " is also " + (other == "ssh.port" ? "sshd's" : "that of " + other) + " on " + host.name,
                "give one of them another port");
        }
      }
    }
  }

  bool by_default(std::string_view port) const {
    static const Spec defaults;
    static constexpr std::string_view group = "haproxy_listen_port.";
    if (port.starts_with(group))
      for (const auto& key : keys::of<HaproxyPorts>())
        if (const auto member = std::get<int HaproxyPorts::*>(key.member); port.substr(group.size()) == key.name)
          return spec_.haproxy_listen_port.*member == defaults.haproxy_listen_port.*member;
    for (const auto& key : keys::of<Spec>())
      if (const auto* member = std::get_if<int Spec::*>(&key.member); member != nullptr && key.name == port)
        return spec_.*(*member) == defaults.*(*member);
    return true;
  }

  void patroni() {
    const Spec& s = spec_;
    const long least = static_cast<long>(s.patroni_loop_wait) + 2L * s.patroni_retry_timeout;
    if (s.patroni_ttl < least && !faulty("patroni_ttl") && !faulty("patroni_loop_wait") && !faulty("patroni_retry_timeout"))
      error("patroni_ttl",
            std::to_string(s.patroni_ttl) + " is less than patroni_loop_wait + 2 * patroni_retry_timeout = " + std::to_string(least) +
                ", so that a slow DCS would cost the leader its place",
            "write " + std::to_string(std::max(least, 20L)) + " or more, or lower the other two");
    if (s.synchronous_mode_strict && !s.synchronous_mode)
      error("synchronous_mode_strict", "has no effect without synchronous_mode", "write synchronous_mode: true, or remove it");
    const auto databases = std::count_if(s.hosts.begin(), s.hosts.end(), is_database);
    if (s.synchronous_mode && databases > 0 && s.synchronous_node_count >= databases && !faulty("synchronous_node_count")) {
      const std::string message = std::to_string(s.synchronous_node_count) + " synchronous replicas need " +
                                  std::to_string(s.synchronous_node_count + 1) + " database hosts, and there " +
                                  (databases == 1 ? "is one" : "are " + std::to_string(databases));
      if (s.synchronous_mode_strict) {
        error("synchronous_node_count", message + "; with synchronous_mode_strict nothing could be written", "lower it, or add hosts");
      } else {
        warning("synchronous_node_count", message, "lower it, or add hosts");
      }
    }
    if (s.synchronous_mode && s.synchronous_mode_strict && databases == s.synchronous_node_count + 1)
      warning("synchronous_mode_strict", "writes stop as soon as one database host is away", "add a database host, or lower synchronous_node_count");
  }

  void vip() {
    if (spec_.cluster_vip.empty()) {
      if (!spec_.vip_interface.empty()) warning("vip_interface", "has no effect without cluster_vip", "remove it, or give a cluster_vip");
      return;
    }
    const auto vip = net::parse_ip(spec_.cluster_vip);
    if (!vip) return;
    bool family = spec_.hosts.empty();
    for (const HostSpec& host : spec_.hosts) {
      const auto ip = net::parse_ip(host.address);
      if (!ip) {
        family = true;
        continue;
      }
      family |= ip->v6 == vip->v6;
      if (*ip == *vip) error("cluster_vip", "is also the address of " + host.name, "write an address that no host has");
      if (host.ssh.host && net::parse_ip(*host.ssh.host) == vip)
        error("hosts." + host.name + ".ssh.host", "is the cluster_vip, which moves from host to host", "write the host's own address");
    }
    if (!family)
      error("cluster_vip",
            vip->v6 ? "is an IPv6 address, and all hosts have IPv4 addresses" : "is an IPv4 address, and all hosts have IPv6 addresses",
            "write an address of the hosts' network");
  }

  void roles_and_databases() {
    const Spec& s = spec_;
    const std::string reserved = "pgbouncer";
    if (s.patroni_superuser_username == s.patroni_replication_username)
      error("patroni_replication_username", "is also the superuser", "give replication a role of its own, like replicator");
    for (const auto& [key, name] : {std::pair<std::string, std::string>{"patroni_superuser_username", s.patroni_superuser_username},
                                    {"patroni_replication_username", s.patroni_replication_username}}) {
      if (name == reserved) error(key, "pgbouncer is the role that PgBouncer looks passwords up with", "write another name");
      if (name.starts_with("pg_")) error(key, "PostgreSQL keeps names that begin with pg_ for itself", "write another name");
    }
    encodings::check(s, [this](const std::string& path, const std::string& message, const std::string& hint) { error(path, message, hint); });
    std::set<std::string> users;
    for (std::size_t i = 0; i < s.postgresql_users.size(); ++i) {
      const UserSpec& user = s.postgresql_users[i];
      const std::string path = "postgresql_users[" + std::to_string(i) + ']';
      if (!user.name.empty()) {
        if (!users.insert(user.name).second) error(path + ".name", user.name + " is given twice", "remove one of them");
        if (user.name == s.patroni_superuser_username) {
          error(path + ".name", user.name + " is the superuser, which pgcluster creates itself",
                "remove it; its password is patroni_superuser_password");
        } else if (user.name == s.patroni_replication_username) {
          error(path + ".name", user.name + " is the replication role, which pgcluster creates itself",
                "remove it; its password is patroni_replication_password");
        } else if (user.name == reserved) {
          error(path + ".name", "pgbouncer is the role that PgBouncer looks passwords up with",
                "write another name; its password is pgbouncer_auth_password");
        } else if (user.name.starts_with("pg_") || user.name == "public" || user.name == "none") {
          error(path + ".name", "PostgreSQL keeps the name " + user.name + " for itself", "write another name");
        }
      }
      flags(user, path + ".flags");
    }
    std::set<std::string> databases;
    for (std::size_t i = 0; i < s.postgresql_databases.size(); ++i) {
      const DatabaseSpec& database = s.postgresql_databases[i];
      const std::string path = "postgresql_databases[" + std::to_string(i) + ']';
      if (!database.db.empty()) {
        if (!databases.insert(database.db).second) error(path + ".db", database.db + " is given twice", "remove one of them");
        if (database.db == "postgres" || database.db == "template0" || database.db == "template1")
          error(path + ".db", database.db + " is made with the cluster", "remove it, or write another name");
        if (database.db == "pgbouncer" && s.pgbouncer_install)
          error(path + ".db", "pgbouncer is the name of PgBouncer's own console", "write another name");
      }
      if (database.owner.empty() || database.owner == s.patroni_superuser_username || users.contains(database.owner)) continue;
      std::vector<std::string_view> known(users.begin(), users.end());
      known.push_back(s.patroni_superuser_username);
      const auto near = words::nearest(database.owner, known);
      error(path + ".owner", words::shown(database.owner) + " is neither one of postgresql_users nor the superuser",
            near.empty() ? "add - { name: " + database.owner + " } to postgresql_users" : "did you mean " + std::string(near) + "?");
    }
  }

  void flags(const UserSpec& user, const std::string& path) {
    static const std::vector<std::string_view> known{"SUPERUSER",   "CREATEDB",  "CREATEROLE",    "INHERIT",    "LOGIN",
                                                     "REPLICATION", "BYPASSRLS", "NOSUPERUSER",   "NOCREATEDB", "NOCREATEROLE",
                                                     "NOINHERIT",   "NOLOGIN",   "NOREPLICATION", "NOBYPASSRLS"};
    std::set<std::string> set;
    for (const std::string& written : strings::split(user.flags, ", \t")) {
      const std::string flag = strings::upper(written);
      if (std::find(known.begin(), known.end(), flag) == known.end()) {
        const auto near = words::nearest(flag, known);
        error(path, "unknown flag " + words::shown(written),
              near.empty() ? "known are " + words::one_of(known) : "did you mean " + std::string(near) + "?");
        continue;
      }
      const std::string opposite = flag.starts_with("NO") ? flag.substr(2) : "NO" + flag;
      if (set.contains(opposite)) error(path, flag + " contradicts " + opposite, "keep one of them");
      if (!set.insert(flag).second) error(path, flag + " is given twice", "remove one of them");
    }
  }

  const Spec& spec_;
  std::size_t read_;  ///< how many of the findings are the reader's
  std::vector<Diagnostic> findings_;
};

}  // namespace

Misfit unknown_word(std::string_view word, const std::vector<std::string_view>& known) {
  const auto near = words::nearest(word, known);
  return {"unknown value " + words::shown(word), near.empty() || known.size() < 3
                                                     ? "write " + words::one_of(known)
                                                     : "did you mean " + std::string(near) + "? It takes " + words::one_of(known)};
}

bool is_faulty(const std::vector<Diagnostic>& findings, std::string_view path) {
  return std::any_of(findings.begin(), findings.end(), [&](const Diagnostic& d) { return d.path == path && d.severity == Severity::error; });
}

std::vector<Diagnostic> validate_read(const Spec& spec, std::vector<Diagnostic> found) { return Checker(spec, std::move(found)).check(); }

std::vector<Diagnostic> validate(const Spec& spec) { return validate_read(spec, {}); }

}  // namespace pgcluster
