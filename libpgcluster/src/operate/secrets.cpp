#include <openssl/rand.h>

#include <algorithm>
#include <charconv>

#include "base/url.hpp"
#include "operate/authority.hpp"
#include "operate/declared.hpp"
#include "operate/view.hpp"
#include "spec/tls.hpp"

namespace pgcluster {
namespace {

constexpr const char* folder = "/var/lib/pgcluster/secrets/";

std::string new_password() {
  static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string password;
  while (password.size() < 32) {
    unsigned char bytes[64];
    if (RAND_bytes(bytes, sizeof bytes) != 1) throw Error(Code::internal, "the random generator failed, so no password can be generated");
    for (const unsigned char byte : bytes)
      if (byte < letters.size() * 4 && password.size() < 32) password += letters[byte % letters.size()];
  }
  return password;
}

bool is_given(const SecretNeed& need) { return need.given.given() || need.files.given(); }

std::string new_value(const SecretNeed& need, const std::string& cluster) { return need.authority ? new_authority(cluster) : new_password(); }

// The file of a secret: its value, and below it how often it was replaced, if it ever was.
constexpr std::string_view mark = "\n# rotated ";

struct Kept {
  std::string value;
  int rotations = 0;
};

Kept read_kept(const std::string& content) {
  const auto at = content.rfind(mark);
  Kept kept{content};
  if (at == std::string::npos || !content.ends_with('\n')) return kept;
  const char *begin = content.data() + at + mark.size(), *end = content.data() + content.size() - 1;
  const auto [stop, problem] = std::from_chars(begin, end, kept.rotations);
  if (problem == std::errc() && stop == end) kept.value.resize(at);
  return kept;
}

// The name of a role is part of the secret's, and may have any letter: slashes, spaces, quotes.
Steps secret_step(const std::string& host, const Secret& secret, int rotations) {
  const std::string name = net::url_encoded(secret.name);
  Text content(secret);
  if (rotations > 0) content += std::string(mark) + std::to_string(rotations) + "\n";
  return file(host + "/secrets/" + name, host, WriteFile{.path = folder + name, .content = std::move(content), .mode = 0600});
}

Error differing(const std::string& name, const std::string& one, const std::string& other) {
  return Error(
      {.code = Code::refused,
       .message = one + " and " + other + " have different values of " + name,
       .hint = "find out which one the cluster uses, and copy " + std::string(folder) + net::url_encoded(name) + " from there to the other hosts",
       .host = other});
}

}  // namespace

Resolved resolve_secrets(const std::map<std::string, SecretNeed>& needs, const Topology& topology, const std::map<std::string, Facts>& facts,
                         const std::set<std::string>& rotated) {
  Resolved resolved;
  for (const auto& [name, need] : needs) {
    if (is_given(need)) {
      resolved.secrets[name] = {name, need.given.given() ? need.given.value : read_authority(need.files)};
      continue;
    }
    Kept kept;
    std::string from;
    for (const std::string& host : topology.database) {
      const auto fact = facts.find(host);
      if (fact == facts.end()) continue;
      const auto found = fact->second.secrets.find(name);
      if (found == fact->second.secrets.end()) continue;
      Kept one = read_kept(found->second);
      if (!from.empty() && one.rotations == kept.rotations && one.value != kept.value) throw differing(name, from, host);
      if (!from.empty() && one.rotations <= kept.rotations) continue;
      kept = std::move(one);
      from = host;
    }
    if (from.empty()) kept.value = new_value(need, topology.cluster);
    if (rotated.contains(name)) kept = {need.authority ? next_authority(kept.value, topology.cluster) : new_password(), kept.rotations + 1};
    if (kept.rotations > 0) resolved.rotations[name] = kept.rotations;
    resolved.secrets[name] = {name, std::move(kept.value)};
  }
  return resolved;
}

Steps secret_steps(const ClusterView& view, const std::map<std::string, SecretNeed>& needs) {
  std::vector<Steps> hosts;
  for (const std::string& host : view.topology.database) {
    if (view.leaves_out(host)) continue;
    // One after the other, so that others wait for the last one only: they go in one program anyway.
    std::vector<Steps> steps;
    for (const auto& [name, need] : needs)
      if (const auto it = view.rotations.find(name); !is_given(need))
        steps.push_back(secret_step(host, view.secret(name), it == view.rotations.end() ? 0 : it->second));
    hosts.push_back(sequence(std::move(steps)));
  }
  return parallel(std::move(hosts));
}

std::string read_password(const Spec& spec, Executor& executor, const std::string& role, const OperateOptions& options) {
  const Topology topology = resolve(spec);
  const auto needs = secret_needs(*outline(spec, topology), with_builtin(options.components));
  std::string name, known;
  for (const auto& [one, need] : needs)
    if (!need.roles.empty()) known += (known.empty() ? "" : ", ") + need.roles.front();
  for (const auto& [one, need] : needs) {
    if (std::find(need.roles.begin(), need.roles.end(), role) == need.roles.end()) continue;
    if (need.given.given()) return need.given.value;
    name = one;
    break;
  }
  const Error unknown(Code::refused, "no password of " + role + " is known: the spec gives none, and no host has one",
                      "roles are " + known + "; generated passwords exist after the first apply");
  if (name.empty()) throw unknown;
  // Each database host has it. All that answer are asked: a rotation may have been interrupted.
  Hosts hosts;
  for (const std::string& host : topology.database) {
    hosts[host] = topology.host(host).access;
    hosts[host].connect_timeout = std::chrono::seconds(5);
  }
  std::map<std::string, Error> errors;
  const auto facts = reachable_facts(hosts, executor, options, errors);
  if (std::any_of(facts.begin(), facts.end(), [&](const auto& host) { return host.second.secrets.contains(name); }))
    return resolve_secrets({{name, needs.at(name)}}, topology, facts).secrets.at(name).value;
  if (!errors.empty()) throw errors.begin()->second;
  throw unknown;
}

}  // namespace pgcluster
