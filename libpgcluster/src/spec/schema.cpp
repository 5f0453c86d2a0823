#include <nlohmann/json.hpp>

#include "spec/keys.hpp"

namespace pgcluster {
namespace {

using keys::Format;
using keys::Key;
using keys::Rule;
using Json = nlohmann::ordered_json;

Json limits(const char* type, const Rule& rule) {
  Json json{{"type", type}};
  if (rule.min > std::numeric_limits<std::int64_t>::min()) json["minimum"] = rule.min;
  if (rule.max < 2'147'483'647) json["maximum"] = rule.max;
  return json;
}

Json string(const Rule& rule, bool may_be_empty) {
  Json json{{"type", "string"}};
  if (rule.format == Format::ip) {
    json["anyOf"] = Json::array({{{"format", "ipv4"}}, {{"format", "ipv6"}}});
    if (may_be_empty) json["anyOf"].push_back({{"maxLength", 0}});
  } else if (const auto pattern = keys::pattern(rule.format); !pattern.empty()) {
    json["pattern"] = may_be_empty ? "^$|" + std::string(pattern) : std::string(pattern);
  }
  return json;
}

template <class Owner>
Json record(const std::vector<Key<Owner>>& known);

Json tags() {
  Json json{{"type", "object"}, {"additionalProperties", false}};
  for (const auto& tag : keys::patroni_tags()) {
    Json one{{"description", tag.about}};
    switch (tag.type) {
      case keys::Tag::Type::boolean:
        one["type"] = "boolean";
        break;
      case keys::Tag::Type::number:
        one["type"] = "integer", one["minimum"] = 0;
        break;
      case keys::Tag::Type::host:
        one["type"] = "string";
        break;
    }
    json["properties"][std::string(tag.name)] = std::move(one);
  }
  return json;
}

// The type of a key; `owner` is its record as it is by default.
Json type(bool value, const Rule&) { return {{"type", "boolean"}, {"default", value}}; }
Json type(int value, const Rule& rule) {
  Json json = limits("integer", rule);
  json["default"] = value;
  return json;
}
Json type(long value, const Rule& rule) {
  Json json = limits("integer", rule);
  json["default"] = value;
  return json;
}
Json type(const std::optional<int>&, const Rule& rule) {
  Json json = limits("integer", rule);
  if (!rule.fallback.empty()) json["default"] = std::stoi(std::string(rule.fallback));
  return json;
}
Json type(const std::string& value, const Rule& rule) {
  Json json = string(rule, !rule.required);
  if (!value.empty() || !rule.fallback.empty()) json["default"] = value.empty() ? std::string(rule.fallback) : value;
  return json;
}
Json type(const std::optional<std::string>&, const Rule& rule) {
  Json json = string(rule, false);
  if (!rule.fallback.empty()) json["default"] = rule.fallback;
  return json;
}
template <Choice E>
Json choice(const Rule& rule) {
  return {{"type", "string"}, {"enum", keys::words<E>(rule)}};
}
template <Choice E>
Json type(E value, const Rule& rule) {
  Json json = choice<E>(rule);
  json["default"] = to_string(value);
  return json;
}
template <Choice E>
Json type(const std::optional<E>&, const Rule& rule) {
  Json json = choice<E>(rule);
  if (!rule.fallback.empty()) json["default"] = rule.fallback;
  return json;
}
template <Choice E>
Json type(const std::vector<E>&, const Rule& rule) {
  return {{"type", "array"}, {"items", choice<E>(rule)}, {"uniqueItems", true}};
}
Json type(const SpecSecret&, const Rule&) { return {{"type", "string"}}; }
Json type(const std::vector<std::string>&, const Rule& rule) {
  Json list{{"type", "array"}, {"items", string(rule, false)}, {"uniqueItems", true}};
  if (!rule.one_or_many) return list;
  return {{"anyOf", Json::array({string(rule, false), std::move(list)})}};
}
Json type(const Pairs&, const Rule& rule) {
  if (rule.format == Format::tags) return tags();
  if (rule.format == Format::yaml) return {{"type", "object"}};
  return {{"type", "object"}, {"additionalProperties", {{"type", Json::array({"string", "number", "boolean"})}}}};
}
template <keys::Group Record>
Json type(const Record&, const Rule&) {
  return record(keys::of<Record>());
}
Json type(const BinarySpec&, const Rule&) { return {{"anyOf", Json::array({Json{{"type", "string"}}, record(keys::of<BinarySpec>())})}}; }
Json type(const std::vector<HostSpec>&, const Rule&) {
  return {{"type", "object"},
          {"minProperties", 1},
          {"propertyNames", {{"pattern", keys::pattern(Format::label)}}},
          {"additionalProperties", record(keys::of<HostSpec>())}};
}
Json type(const std::vector<UserSpec>&, const Rule&) { return {{"type", "array"}, {"items", record(keys::of<UserSpec>())}}; }
Json type(const std::vector<DatabaseSpec>&, const Rule&) { return {{"type", "array"}, {"items", record(keys::of<DatabaseSpec>())}}; }
Json type(const std::vector<ExtensionSpec>&, const Rule&) { return {{"type", "array"}, {"items", record(keys::of<ExtensionSpec>())}}; }
Json type(const std::vector<PrivilegeSpec>&, const Rule&) { return {{"type", "array"}, {"items", record(keys::of<PrivilegeSpec>())}}; }
Json type(const std::vector<SchemaSpec>&, const Rule&) { return {{"type", "array"}, {"items", record(keys::of<SchemaSpec>())}}; }
Json type(const std::vector<RepoSpec>&, const Rule&) { return {{"type", "array"}, {"items", record(keys::of<RepoSpec>())}}; }

template <class Owner>
Json record(const std::vector<Key<Owner>>& known) {
  const Owner defaults{};
  Json json{{"type", "object"}, {"additionalProperties", false}, {"patternProperties", {{"^x-", Json::object()}}}, {"properties", Json::object()}};
  for (const auto& key : known) {
    Json one{{"description", key.about}};
    if (std::is_same_v<Owner, Spec>) one["x-change"] = to_string(key.effect);
    if (!key.way.empty()) one["x-way"] = key.way;
    std::visit(
        [&](auto member) {
          using Value = std::decay_t<decltype(defaults.*member)>;
          if constexpr (std::is_same_v<Value, SshSpec>) {
            one.update(record(std::is_same_v<Owner, Spec> ? keys::of<SshSpec, Spec>() : keys::of<SshSpec, HostSpec>()));
          } else {
            one.update(type(defaults.*member, key.rule));
          }
          // A key that has a default value is not required.
          if (key.rule.required && defaults.*member == Value{}) json["required"].push_back(key.name);
        },
        key.member);
    json["properties"][std::string(key.name)] = std::move(one);
  }
  return json;
}

}  // namespace

std::string spec_schema() {
  Json json{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
            {"title", "cluster.yaml of pgcluster"},
            {"description", "A highly available PostgreSQL cluster. A string may also be `!env NAME` or `!file PATH`."}};
  json.update(record(keys::of<Spec>()));
  return json.dump(2) + '\n';
}

}  // namespace pgcluster
