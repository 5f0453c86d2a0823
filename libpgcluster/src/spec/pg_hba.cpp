#include "spec/pg_hba.hpp"

#include <algorithm>
#include <cstdlib>
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

// A field: its items, which commas separate.
struct Item {
  std::string text;
  bool quoted = false;
};
using Field = std::vector<Item>;

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

struct Line {
  std::string type;
  Field databases, users;
  std::string address;  // of a host
  std::string mask;     // where it stands apart
  std::string method;
  std::vector<std::string> options;
};

std::optional<Misfit> address_misfit(const Line& line) {
  const auto slash = line.address.find('/');
  const auto ip = net::parse_ip(line.address.substr(0, slash));
  if (!ip) {
    if (slash != std::string::npos)
      return Misfit{words::shown(line.address) + " is not a network", "write an address and a length, like 10.0.0.0/8 or fd00::/8"};
    if (line.address.find_first_not_of("0123456789.") == std::string::npos)
      return Misfit{words::shown(line.address) + " is not an address", "write one like 10.0.0.1/32"};
    return std::nullopt;  // all, samehost, samenet, a name
  }
  const long most = ip->v6 ? 128 : 32;
  if (slash != std::string::npos) {
    const std::string length = line.address.substr(slash + 1);
    if (length.empty() || length.size() > 3 || length.find_first_not_of("0123456789") != std::string::npos || std::atol(length.c_str()) > most)
      return Misfit{words::shown(line.address) + " is not a network: its length goes from 0 to " + std::to_string(most),
                    "write like " + line.address.substr(0, slash) + "/" + std::to_string(most)};
    return std::nullopt;
  }
  const auto mask = net::parse_ip(line.mask);
  if (!mask || mask->v6 != ip->v6)
    return Misfit{words::shown(line.address) + " has no length", "write " + net::single_address(line.address) + " for this one address"};
  return std::nullopt;
}

std::optional<Misfit> method_misfit(const Line& line, int version) {
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

std::optional<Line> read(const std::vector<Field>& fields) {
  const bool local = !fields.empty() && fields[0][0].text == "local";
  if (fields.size() < (local ? 4 : 5)) return std::nullopt;
  Line line{.type = fields[0][0].text, .databases = fields[1], .users = fields[2], .address = {}, .mask = {}, .method = {}, .options = {}};
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

// The line of pgcluster's that stands before it and matches whatever it matches.
std::string hidden_by(const Spec& spec, const Line& line) {
  if (line.users.size() != 1) return {};
  const std::string& user = line.users[0].text;
  if (line.type == "local" && user == spec.patroni_superuser_username) return "local all " + user + " peer";
  if (line.type == "local") return {};
  const bool replication = line.databases.size() == 1 && line.databases[0].text == "replication" && !line.databases[0].quoted;
  if (user != (replication ? spec.patroni_replication_username : spec.patroni_superuser_username)) return {};
  const auto own = [&](const std::string& address) { return line.address == net::single_address(address); };
  if (std::any_of(spec.hosts.begin(), spec.hosts.end(),
                  [&](const HostSpec& host) { return net::is_ip(host.address) && is_database(host) && own(host.address); }) ||
      (replication && (own("127.0.0.1") || own("::1"))))
    return std::string("host ") + (replication ? "replication " : "all ") + user + " " + line.address + " scram-sha-256";
  return {};
}

// A database host that the line would keep out; empty where there is none.
std::string keeps_out(const Spec& spec, const Line& line) {
  const auto slash = line.address.find('/');
  const auto network = net::parse_ip(line.address.substr(0, slash));
  if (line.type == "local" || line.method != "reject" || !network || slash == std::string::npos) return {};
  if (std::none_of(line.users.begin(), line.users.end(), [&](const Item& user) {
        return user.text == "all" || user.text == spec.patroni_superuser_username || user.text == spec.patroni_replication_username;
      }))
    return {};
  for (const HostSpec& host : spec.hosts)
    if (const auto ip = net::parse_ip(host.address);
        ip && is_database(host) && ip->v6 == network->v6 && net::same_network(*ip, *network, std::atoi(line.address.c_str() + slash + 1)))
      return host.name;
  return {};
}

}  // namespace

void check_pg_hba(const Spec& spec, std::vector<Diagnostic>& findings) {
  for (std::size_t i = 0; i < spec.postgresql_pg_hba.size(); ++i) {
    const std::string path = "postgresql_pg_hba[" + std::to_string(i) + "]";
    if (is_faulty(findings, path)) continue;
    const auto error = [&](std::string message, std::string hint) {
      findings.push_back({Severity::error, std::move(message), std::move(hint), path});
    };
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
    } else if (const std::string own = hidden_by(spec, *line); !own.empty() && !own.ends_with(" " + line->method)) {
      error("never matches: \"" + own + "\" stands before it, without which the cluster could not work", "remove it");
    } else if (const std::string host = keeps_out(spec, *line); !host.empty()) {
      findings.push_back({Severity::warning,
                          "does not keep out " + spec.patroni_superuser_username + " and " + spec.patroni_replication_username + " of " + host +
                              ": Patroni needs them between the database hosts",
                          "leave it so; it holds for all other roles", path});
    }
  }
}

}  // namespace pgcluster
