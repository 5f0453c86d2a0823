#include <openssl/rand.h>

#include <algorithm>
#include <set>

#include "operate/view.hpp"

namespace pgcluster {
namespace {

constexpr const char* folder = "/var/lib/pgcluster/secrets/";

std::string new_password() {
  static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string password;
  while (password.size() < 32) {
    unsigned char bytes[64];
    if (RAND_bytes(bytes, sizeof bytes) != 1) throw Error(Code::internal, "there is no randomness to make a password from");
    for (const unsigned char byte : bytes)
      if (byte < letters.size() * 4 && password.size() < 32) password += letters[byte % letters.size()];
  }
  return password;
}

std::set<std::string> names_of(const Spec& spec, const std::vector<ComponentPtr>& components) {
  std::set<std::string> names;
  for (const ComponentPtr& component : components)
    for (std::string& name : component->secrets(spec)) names.insert(std::move(name));
  return names;
}

}  // namespace

const SpecSecret* spec_secret(const Spec& spec, const std::string& name) {
  const SpecSecret* found = nullptr;
  if (name == "patroni_superuser_password") found = &spec.patroni_superuser_password;
  if (name == "patroni_replication_password") found = &spec.patroni_replication_password;
  if (name == "patroni_restapi_password") found = &spec.patroni_restapi_password;
  if (name == "pgbouncer_auth_password") found = &spec.pgbouncer_auth_password;
  if (name == "consul_encrypt_key") found = &spec.consul_encrypt_key;
  for (const UserSpec& user : spec.postgresql_users)
    if (name == "postgresql_users." + user.name + ".password") found = &user.password;
  return found && found->given() ? found : nullptr;
}

std::map<std::string, Secret> resolve_secrets(const Spec& spec, const Topology& topology, const std::map<std::string, Facts>& facts,
                                              const std::vector<ComponentPtr>& components) {
  std::map<std::string, Secret> secrets;
  for (const std::string& name : names_of(spec, components)) {
    if (const SpecSecret* given = spec_secret(spec, name)) {
      secrets[name] = {name, given->value};
      continue;
    }
    std::string value, from;
    for (const std::string& host : topology.database) {
      const auto fact = facts.find(host);
      if (fact == facts.end()) continue;
      const auto found = fact->second.secrets.find(name);
      if (found == fact->second.secrets.end()) continue;
      if (!from.empty() && found->second != value)
        throw Error({.code = Code::refused,
                     .message = from + " and " + host + " have different values of " + name,
                     .hint = "find out which one the cluster uses, and copy " + std::string(folder) + name + " from there to the other hosts",
                     .host = host});
      value = found->second;
      from = host;
    }
    secrets[name] = {name, from.empty() ? new_password() : value};
  }
  return secrets;
}

Steps secret_steps(const ClusterView& view, const std::vector<ComponentPtr>& components) {
  std::vector<Steps> hosts;
  const std::set<std::string> names = names_of(view.spec, components);
  for (const std::string& host : view.topology.database) {
    if (view.leaves_out(host)) continue;
    // One after the other, so that others wait for the last one only: they go in one program anyway.
    std::vector<Steps> steps;
    for (const std::string& name : names)
      if (!spec_secret(view.spec, name))
        steps.push_back(file(host + "/secrets/" + name, host, WriteFile{.path = folder + name, .content = Text(view.secret(name)), .mode = 0600}));
    hosts.push_back(sequence(std::move(steps)));
  }
  return parallel(std::move(hosts));
}

std::string read_password(const Spec& spec, Executor& executor, const std::string& role, const OperateOptions& options) {
  static const std::map<std::string, std::string> known{{"superuser", "patroni_superuser_password"},
                                                        {"replication", "patroni_replication_password"},
                                                        {"restapi", "patroni_restapi_password"},
                                                        {"pgbouncer", "pgbouncer_auth_password"}};
  std::string name = "postgresql_users." + role + ".password";
  if (const auto it = known.find(role); it != known.end()) name = it->second;
  if (role == spec.patroni_superuser_username) name = known.at("superuser");
  if (role == spec.patroni_replication_username) name = known.at("replication");
  if (role == spec.patroni_restapi_username) name = known.at("restapi");
  if (const SpecSecret* given = spec_secret(spec, name)) return given->value;
  const Topology topology = resolve(spec);
  // Each database host has it: one that answers is enough.
  Hosts hosts;
  for (const std::string& host : topology.database) {
    hosts[host] = topology.host(host).access;
    hosts[host].connect_timeout = std::chrono::seconds(5);
  }
  std::map<std::string, Error> errors;
  const auto facts = reachable_facts(hosts, executor, options, errors);
  for (const std::string& host : topology.database)
    if (const auto it = facts.find(host); it != facts.end() && it->second.secrets.contains(name)) return it->second.secrets.at(name);
  if (!errors.empty()) throw errors.begin()->second;
  throw Error(Code::refused, "no password of " + role + " is known: the spec gives none, and no host has one",
              "roles are superuser, replication, restapi, pgbouncer and the users of the spec; generated passwords exist after the first apply");
}

}  // namespace pgcluster
