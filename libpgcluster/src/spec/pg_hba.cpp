#include "spec/pg_hba.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/network.hpp"
#include "base/strings.hpp"
#include "spec/roles.hpp"
#include "spec/validate.hpp"
#include "spec/words.hpp"

namespace pgcluster {
namespace {

using Field = HbaLine::Field;
using Item = HbaLine::Item;

// As PostgreSQL reads a line: quotes keep spaces and commas, # begins a comment. Empty where a quote has no end.
std::optional<std::vector<Field>> fields_of(std::string_view line) {
  std::vector<Field> fields;
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] == ' ' || line[at] == '\t') {
      ++at;
      continue;
    }
    if (line[at] == '#') break;
    Field field(1);
    bool inside = false;
    for (; at < line.size() && (inside || (line[at] != ' ' && line[at] != '\t' && line[at] != '#')); ++at) {
      if (line[at] == '"') {
        inside = !inside;
        field.back().quoted = true;
      } else if (line[at] == ',' && !inside) {
        field.emplace_back();
        while (at + 1 < line.size() && (line[at + 1] == ' ' || line[at + 1] == '\t')) ++at;  // "a, b" is one field
      } else {
        field.back().text += line[at];
      }
    }
    if (inside) return std::nullopt;
    fields.push_back(std::move(field));
  }
  return fields;
}

constexpr std::string_view kMethods[] = {"trust", "reject", "scram-sha-256", "md5",    "password", "gss",  "ident",
                                         "peer",  "pam",    "ldap",          "radius", "cert",     "oauth"};

bool is_word(const Field& field, std::string_view word) { return field.size() == 1 && !field[0].quoted && field[0].text == word; }

// The network of a line's address; empty for a name and for the words all, samehost and samenet.
std::optional<net::Network> network_of(const HbaLine& line) {
  if (line.address.find('/') != std::string::npos) {
    const auto network = net::parse_network(line.address);
    return network ? std::optional(net::network_of(*network)) : std::nullopt;
  }
  const auto ip = net::parse_ip(line.address), mask = net::parse_ip(line.mask);
  const auto length = mask ? net::mask_length(*mask) : std::nullopt;
  return ip && length && ip->v6 == mask->v6 ? std::optional(net::network_of({*ip, *length})) : std::nullopt;
}

std::optional<Misfit> address_misfit(const HbaLine& line) {
  const auto slash = line.address.find('/');
  const auto ip = net::parse_ip(line.address.substr(0, slash));
  if (!ip) {
    if (slash != std::string::npos)
      return Misfit{words::shown(line.address) + " is not a network", "write an address and a length, like 10.0.0.0/8 or fd00::/8"};
    if (line.address.find_first_not_of("0123456789.") == std::string::npos)
      return Misfit{words::shown(line.address) + " is not an address", "write one like 10.0.0.1/32"};
    return std::nullopt;  // all, samehost, samenet, a name
  }
  if (slash != std::string::npos) {
    const std::string most = std::to_string(net::bits(*ip));
    if (!net::parse_network(line.address))
      return Misfit{words::shown(line.address) + " is not a network: its length goes from 0 to " + most,
                    "write like " + line.address.substr(0, slash) + "/" + most};
    return std::nullopt;
  }
  const auto mask = net::parse_ip(line.mask);
  if (!mask || mask->v6 != ip->v6)
    return Misfit{words::shown(line.address) + " has no length", "write " + net::single_address(line.address) + " for this one address"};
  return std::nullopt;
}

std::optional<Misfit> method_misfit(const HbaLine& line, int version) {
  const std::vector<std::string_view> known(std::begin(kMethods), std::end(kMethods) - (version < 18 ? 1 : 0));
  if (std::find(known.begin(), known.end(), line.method) == known.end()) {
    const auto near = words::nearest(line.method, known);
    return Misfit{words::shown(line.method) + " is no way to log in that PostgreSQL " + std::to_string(version) + " knows",
                  near.empty() ? "write " + words::one_of(known) : "did you mean " + std::string(near) + "?"};
  }
  const bool local = line.type == "local";
  if (line.method == "peer" && !local) return Misfit{"peer needs a Unix socket", "write scram-sha-256, or begin the line with local"};
  if (line.method == "gss" && local) return Misfit{"gss does not work by a Unix socket", "write peer or scram-sha-256"};
  if (line.method == "cert" && line.type != "hostssl") return Misfit{"cert needs TLS", "begin the line with hostssl"};
  for (const std::string& option : line.options)
    if (option.find('=') == std::string::npos || option.front() == '=')
      return Misfit{words::shown(option) + " is not an option", "write options as name=value, like map=people"};
  return std::nullopt;
}

std::optional<HbaLine> read(const std::vector<Field>& fields) {
  const bool local = !fields.empty() && fields[0][0].text == "local";
  if (fields.size() < (local ? 4 : 5)) return std::nullopt;
  HbaLine line{.type = fields[0][0].text, .databases = fields[1], .users = fields[2], .address = {}, .mask = {}, .method = {}, .options = {}};
  std::size_t at = 3;
  if (!local) {
    line.address = fields[at++][0].text;
    if (net::is_ip(line.address) && at < fields.size() && net::is_ip(fields[at][0].text)) line.mask = fields[at++][0].text;
  }
  if (at >= fields.size()) return std::nullopt;
  line.method = fields[at++][0].text;
  for (; at < fields.size(); ++at) line.options.push_back(fields[at][0].text);
  return line;
}

bool covers_type(std::string_view earlier, std::string_view later) {
  return earlier == later || (earlier == "host" && later != "local") || (earlier == "hostnossl" && later == "hostgssenc") ||
         (earlier == "hostnogssenc" && later == "hostssl");
}

// `all` of the databases is all but the keyword replication, which stands for connections of replicas.
bool covers_field(const Field& earlier, const Field& later, bool databases) {
  return std::all_of(later.begin(), later.end(), [&](const Item& one) {
    return std::any_of(earlier.begin(), earlier.end(), [&](const Item& other) {
      if (other == one) return true;
      if (!other.quoted && other.text == "all") return !databases || one.quoted || one.text != "replication";
      const auto plain = [&](const Item& item) {
        return item.quoted || !(item.text == "all" || (databases && (item.text.starts_with("same") || item.text == "replication")));
      };
      return other.text == one.text && plain(other) && plain(one);
    });
  });
}

bool covers_address(const HbaLine& earlier, const HbaLine& later) {
  if (earlier.address == "all") return true;
  const auto outer = network_of(earlier), inner = network_of(later);
  if (outer && inner) return net::contains(*outer, *inner);
  if (outer || inner) return false;
  return strings::lower(earlier.address) == strings::lower(later.address) || (earlier.address == "samenet" && later.address == "samehost");
}

// A database host that the line would keep out; empty where there is none.
std::string keeps_out(const Spec& spec, const HbaLine& line) {
  const auto network = network_of(line);
  if (line.type == "local" || line.method != "reject" || !network) return {};
  if (std::none_of(line.users.begin(), line.users.end(), [&](const Item& user) {
        return user.text == "all" || user.text == spec.patroni_superuser_username || user.text == spec.patroni_replication_username;
      }))
    return {};
  for (const HostSpec& host : spec.hosts)
    if (const auto ip = net::parse_ip(host.address); ip && is_database(host) && net::contains(*network, {*ip, net::bits(*ip)})) return host.name;
  return {};
}

bool checks_a_password(std::string_view method) { return method == "scram-sha-256" || method == "md5" || method == "password" || method == "trust"; }

// A word of a field that PgBouncer does not know; empty: none.
std::string unknown_to_pooler(const Field& field, bool databases) {
  for (const Item& one : field) {
    if (one.text.starts_with('/') || (!one.quoted && (one.text.starts_with('+') || one.text.starts_with('@')))) return one.text;
    if (databases && !one.quoted && (one.text == "samerole" || one.text == "samegroup")) return one.text;
  }
  return {};
}

std::string text_of(const Field& field) {
  std::string text;
  for (const Item& one : field) text += (text.empty() ? "" : ",") + (one.quoted ? hba_name(one.text) : one.text);
  return text;
}

}  // namespace

std::string hba_name(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

std::vector<std::string> internal_hba_lines(const Spec& spec, const std::vector<std::string>& members, const std::vector<std::string>& others) {
  const std::string super = hba_name(spec.patroni_superuser_username), replication = hba_name(spec.patroni_replication_username);
  const std::string peer = spec.patroni_superuser_username == "postgres" ? "peer" : "peer map=pgcluster";
  std::vector<std::string> lines{"local all " + super + " " + peer, "local replication " + super + " " + peer};
  if (spec.pgbouncer_install) lines.push_back("local \"postgres\" \"pgbouncer\" scram-sha-256");
  for (const char* loopback : {"127.0.0.1/32", "::1/128"}) lines.push_back("host replication " + replication + " " + loopback + " scram-sha-256");
  for (const std::string& address : members) {
    lines.push_back("host replication " + replication + " " + net::single_address(address) + " scram-sha-256");
    lines.push_back("host all " + super + " " + net::single_address(address) + " scram-sha-256");  // pg_rewind
  }
  for (const std::string& address : others) lines.push_back("host all " + super + " " + net::single_address(address) + " scram-sha-256");
  return lines;
}

std::optional<HbaLine> parse_hba(const std::string& text) {
  const auto fields = fields_of(text);
  return fields ? read(*fields) : std::nullopt;
}

std::string to_string(const HbaLine& line) {
  std::string text = line.type + " " + text_of(line.databases) + " " + text_of(line.users);
  for (const std::string& part : {line.address, line.mask, line.method})
    if (!part.empty()) text += " " + part;
  for (const std::string& option : line.options) text += " " + hba_name(option);
  return text;
}

bool covers(const HbaLine& earlier, const HbaLine& later) {
  return covers_type(earlier.type, later.type) && covers_field(earlier.databases, later.databases, true) &&
         covers_field(earlier.users, later.users, false) && (later.type == "local" || covers_address(earlier, later));
}

std::optional<HbaLine> without_superuser(const HbaLine& line, const std::string& superuser) {
  if (line.type == "local" || line.method == "reject") return std::nullopt;
  bool everybody = false;
  for (const Item& one : line.users) {
    if (one.text == superuser) return std::nullopt;
    everybody = everybody || one.text.starts_with('/') || (!one.quoted && (one.text == "all" || one.text.starts_with('+')));
  }
  if (!everybody) return std::nullopt;
  HbaLine guard = line;
  guard.users = {{superuser, true}};
  guard.method = "reject";
  guard.options.clear();
  return guard;
}

PoolerRules pooler_rules(const HbaLine& line) {
  if (line.type == "hostgssenc" || is_word(line.databases, "replication")) return {};  // nobody comes to PgBouncer so
  HbaLine rule = line;
  if (rule.type == "hostnogssenc") rule.type = "host";
  rule.mask.clear();
  rule.options.clear();
  std::erase_if(rule.databases, [](const Item& one) { return !one.quoted && one.text == "replication"; });
  for (Item& one : rule.users) one.quoted = one.quoted || one.text != "all";
  for (Item& one : rule.databases) one.quoted = one.quoted || (one.text != "all" && one.text != "sameuser");
  std::string unknown = unknown_to_pooler(line.databases, true);
  if (unknown.empty()) unknown = unknown_to_pooler(line.users, false);
  const auto network = network_of(line);
  if (unknown.empty() && line.type != "local" && line.address != "all" && !network) unknown = line.address;
  if (!unknown.empty())
    return {.lines = {}, .lost = "holds for PostgreSQL only: PgBouncer does not know " + words::shown(unknown) + " in such a line"};
  PoolerRules rules;
  // PgBouncer logs in to PostgreSQL as the client, and needs the client's password for it.
  if (line.type == "local" ? line.method != "reject" : checks_a_password(line.method)) {
    rule.method = "scram-sha-256";
  } else if (line.method != "reject") {
    rule.method = "reject";
    rules.lost = "keeps these clients out of PgBouncer, which cannot let anybody in by " + line.method;
  }
  std::vector<std::string> addresses{""};
  if (network) addresses = {net::to_string(*network)};
  if (line.type != "local" && line.address == "all") addresses = {"0.0.0.0/0", "::/0"};
  for (const std::string& address : addresses) {
    rule.address = address;
    rules.lines.push_back(rule);
  }
  return rules;
}

namespace {

// Over a network: a host's own loopback needs no encryption.
bool admits_plain(const HbaLine& line) {
  if (line.type != "host" && line.type != "hostnossl") return false;
  return line.method != "reject" && !line.address.starts_with("127.") && !line.address.starts_with("::1") && line.address != "samehost";
}

}  // namespace

void check_pg_hba(const Spec& spec, std::vector<Diagnostic>& findings) {
  // The lines before this one, and how they are written.
  std::vector<std::pair<HbaLine, std::string>> before;
  std::vector<std::string> members;
  for (const HostSpec& host : spec.hosts)
    if (net::is_ip(host.address) && is_database(host)) members.push_back(host.address);
  for (const std::string& own : internal_hba_lines(spec, members, {})) before.emplace_back(*parse_hba(own), own);
  const std::size_t owned = before.size();
  for (std::size_t i = 0; i < spec.postgresql_pg_hba.size(); ++i) {
    const std::string path = "postgresql_pg_hba[" + std::to_string(i) + "]";
    if (is_faulty(findings, path)) continue;
    const auto add = [&](Severity severity, std::string message, std::string hint) {
      findings.push_back({severity, std::move(message), std::move(hint), path});
    };
    const auto error = [&](std::string message, std::string hint) { add(Severity::error, std::move(message), std::move(hint)); };
    const auto warning = [&](std::string message, std::string hint) { add(Severity::warning, std::move(message), std::move(hint)); };
    const auto fields = fields_of(spec.postgresql_pg_hba[i]);
    if (!fields) {
      error("has a quote without its end", "write a second double quote");
      continue;
    }
    const auto line = read(*fields);
    if (!line) {
      error("has too few fields", "write like: hostssl all app 10.0.0.0/8 scram-sha-256");
      continue;
    }
    auto wrong = line->type == "local" ? std::nullopt : address_misfit(*line);
    if (!wrong) wrong = method_misfit(*line, spec.postgresql_version);
    if (wrong) {
      error(std::move(wrong->message), std::move(wrong->hint));
      continue;
    }
    const auto hides = std::find_if(before.begin(), before.end(), [&](const auto& one) { return covers(one.first, *line); });
    const auto at = static_cast<std::size_t>(hides - before.begin());
    before.emplace_back(*line, spec.postgresql_pg_hba[i]);
    if (at + 1 != before.size()) {
      std::string hiding = before[at].second;
      if (at >= owned) {
        warning("never matches: \"" + hiding + "\" stands before it, and matches the same connections", "move this line up, or remove it");
      } else if (before[at].first.method != line->method) {
        std::erase(hiding, '"');
        error("never matches: \"" + hiding + "\" stands before it, without which the cluster could not work", "remove it");
      }
      continue;
    }
    if (const std::string host = keeps_out(spec, *line); !host.empty())
      warning("does not keep out " + spec.patroni_superuser_username + " and " + spec.patroni_replication_username + " of " + host +
                  ": Patroni needs them between the database hosts",
              "leave it so; it holds for all other roles");
    if (spec.tls_cert_generate && admits_plain(*line))
      warning(line->type == "host" ? "also admits connections without TLS" : "admits connections without TLS", "write hostssl");
    if (!spec.pgbouncer_install) continue;
    if (const PoolerRules rules = pooler_rules(*line); !rules.lost.empty())
      warning(rules.lost, rules.lines.empty() ? "write names and networks where clients of PgBouncer are meant, too"
                                              : "let these clients connect to PostgreSQL itself, or write scram-sha-256");
    else if (line->type == "local" && !checks_a_password(line->method) && line->method != "reject")
      warning("keeps clients of PgBouncer out: it comes to PostgreSQL by the Unix socket with their passwords, and not as their accounts",
              "write scram-sha-256");
  }
}

void check_allowed_networks(const Spec& spec, std::vector<Diagnostic>& findings) {
  for (std::size_t i = 0; i < spec.database_allowed_networks.size(); ++i) {
    const std::string& one = spec.database_allowed_networks[i];
    const std::string path = "database_allowed_networks[" + std::to_string(i) + "]";
    if (is_faulty(findings, path)) continue;
    const auto error = [&](std::string message, std::string hint) {
      findings.push_back({Severity::error, std::move(message), std::move(hint), path});
    };
    const auto network = net::parse_network(one);
    if (!network) {
      const auto ip = net::parse_ip(one.substr(0, one.find('/')));
      if (ip)
        error(words::shown(one) + " is not a network: its length goes from 0 to " + std::to_string(net::bits(*ip)),
              "write " + net::single_address(one.substr(0, one.find('/'))) + " for this one address");
      else
        error(words::shown(one) + " is not a network", "write an address and a length, like 10.77.0.0/24 or fd00::/8");
      continue;
    }
    if (const auto v4 = net::mapped(*network)) {
      error(one + " is an IPv4 network in the form of IPv6, in which no client's address is seen", "write " + net::to_string(net::network_of(*v4)));
    } else if (const net::Network meant = net::network_of(*network); meant != *network) {
      error(one + " has bits beyond its length",
            "write " + net::to_string(meant) + ", or " + net::single_address(net::without_prefix(one)) + " for this one address");
    } else if (network->length == 0) {
      findings.push_back({Severity::warning, one + " lets everybody try passwords who reaches the ports of PostgreSQL and PgBouncer",
                          "name the networks of the clients, or guard the ports by a firewall", path});
    }
  }
}

}  // namespace pgcluster
