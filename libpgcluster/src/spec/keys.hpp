#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <pgcluster/spec/spec.hpp>

#include "base/choice.hpp"

// The table of keys of cluster.yaml. Reading, dumping, checking and the JSON Schema all walk it; a key is added here and nowhere else.
namespace pgcluster::keys {

/// What a string, or what is in a list or map, has to look like.
enum class Format {
  any,
  label,
  dns_label,
  identifier,
  cluster_name,
  ip,
  host_or_ip,
  hop,
  path,
  path_or_none,
  word,
  size,
  interface,
  database,
  flags,
  duration,
  lines,
  sha256,
  url,
  network,
  hba,
  parameters,
  sysctl,
  tags,
  yaml
};

struct Rule {
  bool required = false;
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  std::vector<std::string_view> words{};  ///< of a choice: the words that the key takes; empty: all of the choice
  Format format = Format::any;
  bool one_or_many = false;     ///< a list that may be written as its only item
  bool may_be_blank = false;    ///< an optional choice: "" means none
  std::string_view fallback{};  ///< the default where the member itself is empty
};

/// The effect of an apply that changes the key on a running cluster.
enum class Effect {
  none,     ///< no change on the hosts: only pgcluster itself uses the key, or it affects only objects that are created later
  live,     ///< is applied without a reload or restart of any service
  reload,   ///< is applied with a reload of the service
  restart,  ///< is applied with a restart of the service, one host at a time; for PostgreSQL settings, only if they need a restart
  fixed,    ///< is refused; Key::way describes how to get the new value
};
std::string_view to_string(Effect effect) noexcept;

/// The values that a key with a fixed set of values accepts.
template <Choice E>
std::vector<std::string_view> words(const Rule& rule) {
  if (!rule.words.empty()) return rule.words;
  std::vector<std::string_view> all;
  for (const E value : all_values<E>()) all.push_back(to_string(value));
  return all;
}

/// The value that a word stands for, where the key takes it.
template <Choice E>
std::optional<E> choice(const Rule& rule, std::string_view word) {
  const auto known = words<E>(rule);
  return std::find(known.begin(), known.end(), word) == known.end() ? std::nullopt : value_of<E>(word);
}

/// Maps within the spec that are nothing but keys.
template <class T>
concept Group = std::same_as<T, HaproxyPorts> || std::same_as<T, HaproxyMaxconn> || std::same_as<T, HaproxyTimeout> || std::same_as<T, TlsCa> ||
    std::same_as<T, BackupSchedule>;

template <class Owner>
struct Members {
  using Type = std::variant<
      bool Owner::*, int Owner::*, long Owner::*, std::string Owner::*, SpecSecret Owner::*, std::optional<int> Owner::*,
      std::optional<std::string> Owner::*, std::vector<std::string> Owner::*, Pairs Owner::*, SshSpec Owner::*, std::vector<UserSpec> Owner::*,
      std::vector<DatabaseSpec> Owner::*, std::vector<SchemaSpec> Owner::*, std::vector<ExtensionSpec> Owner::*, std::vector<PrivilegeSpec> Owner::*,
      PrivilegeType Owner::*, std::vector<RepoSpec> Owner::*, std::vector<HostSpec> Owner::*, HaproxyPorts Owner::*, HaproxyMaxconn Owner::*,
      HaproxyTimeout Owner::*, TlsCa Owner::*, BackupSchedule Owner::*, BinarySpec Owner::*, RepoType Owner::*, ObjectState Owner::*,
      DcsType Owner::*, PoolMode Owner::*, WatchdogMode Owner::*, ConsulLayout Owner::*, ConsulDns Owner::*, std::optional<ConsulDns> Owner::*,
      std::optional<CloudProvider> Owner::*, std::optional<HostKeyPolicy> Owner::*, std::optional<Transport> Owner::*, std::vector<Role> Owner::*>;
};
template <class Owner>
requires(Group<Owner> || std::same_as<Owner, BinarySpec>) struct Members<Owner> {
  using Type = std::variant<int Owner::*, std::string Owner::*>;
};

template <class Owner>
struct Key {
  using Member = typename Members<Owner>::Type;
  std::string_view name;
  Member member;
  std::string_view about;
  Rule rule{};
  Effect effect = Effect::live;
  std::string_view way{};  ///< of a fixed key: how to get there nevertheless
};

/// The keys of a record; those of ssh depend on where it stands.
template <class Owner, class Parent = void>
const std::vector<Key<Owner>>& of();
template <>
const std::vector<Key<Spec>>& of<Spec>();
template <>
const std::vector<Key<HostSpec>>& of<HostSpec>();
template <>
const std::vector<Key<UserSpec>>& of<UserSpec>();
template <>
const std::vector<Key<DatabaseSpec>>& of<DatabaseSpec>();
template <>
const std::vector<Key<SchemaSpec>>& of<SchemaSpec>();
template <>
const std::vector<Key<ExtensionSpec>>& of<ExtensionSpec>();
template <>
const std::vector<Key<PrivilegeSpec>>& of<PrivilegeSpec>();
template <>
const std::vector<Key<RepoSpec>>& of<RepoSpec>();
template <>
const std::vector<Key<BackupSchedule>>& of<BackupSchedule>();
template <>
const std::vector<Key<HaproxyPorts>>& of<HaproxyPorts>();
template <>
const std::vector<Key<HaproxyMaxconn>>& of<HaproxyMaxconn>();
template <>
const std::vector<Key<HaproxyTimeout>>& of<HaproxyTimeout>();
template <>
const std::vector<Key<TlsCa>>& of<TlsCa>();
/// As a map; a path alone is a scalar.
template <>
const std::vector<Key<BinarySpec>>& of<BinarySpec>();
template <>
const std::vector<Key<SshSpec>>& of<SshSpec, Spec>();
template <>
const std::vector<Key<SshSpec>>& of<SshSpec, HostSpec>();

template <class Owner>
std::vector<std::string_view> names(const std::vector<Key<Owner>>& keys) {
  std::vector<std::string_view> out;
  out.reserve(keys.size());
  for (const auto& key : keys) out.push_back(key.name);
  return out;
}

struct Tag {
  enum class Type { boolean, number, host };
  std::string_view name;
  Type type;
  std::string_view about;
};
const std::vector<Tag>& patroni_tags();

/// The regular expression of a format; empty if no regular expression can express it.
std::string_view pattern(Format format);

}  // namespace pgcluster::keys
