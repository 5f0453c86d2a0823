#include <algorithm>

#include "spec/keys.hpp"
#include "spec/yaml.hpp"

namespace pgcluster {
namespace {

using keys::Format;
using keys::Key;
using keys::Rule;
using yaml::Node;

Node text(const std::string& value) { return yaml::scalar(value, !yaml::ambiguous(value)); }

class Writer {
 public:
  explicit Writer(Secrets secrets) : secrets_(secrets) {}

  template <class Owner>
  Node record(const Owner& owner, const std::string& path, const std::vector<Key<Owner>>& known) const {
    static const Owner defaults{};
    Node map;
    map.kind = Node::Kind::map;
    for (const auto& key : known) {
      std::visit(
          [&](auto member) {
            if (owner.*member != defaults.*member)
              yaml::add(map, std::string(key.name),
                        node(owner.*member, path.empty() ? std::string(key.name) : path + '.' + std::string(key.name), key.rule));
          },
          key.member);
    }
    return map;
  }

 private:
  static Node list() {
    Node out;
    out.kind = Node::Kind::list;
    return out;
  }

  Node node(bool value, const std::string&, const Rule&) const { return yaml::scalar(value ? "true" : "false", true); }
  Node node(int value, const std::string&, const Rule&) const { return yaml::scalar(std::to_string(value), true); }
  Node node(long value, const std::string&, const Rule&) const { return yaml::scalar(std::to_string(value), true); }
  Node node(const std::optional<int>& value, const std::string&, const Rule&) const { return yaml::scalar(std::to_string(value.value_or(0)), true); }
  Node node(const std::string& value, const std::string&, const Rule&) const { return text(value); }
  Node node(const std::optional<std::string>& value, const std::string&, const Rule&) const { return text(value.value_or("")); }
  template <Choice E>
  Node node(E value, const std::string&, const Rule&) const {
    return text(std::string(to_string(value)));
  }
  template <Choice E>
  Node node(const std::optional<E>& value, const std::string&, const Rule&) const {
    return text(value ? std::string(to_string(*value)) : "");
  }
  template <Choice E>
  Node node(const std::vector<E>& value, const std::string&, const Rule&) const {
    Node out = list();
    for (const E item : value) out.items.push_back(text(std::string(to_string(item))));
    return out;
  }
  Node node(const SpecSecret& value, const std::string& path, const Rule&) const {
    Node out = yaml::scalar(value.value, false);
    if (const auto space = value.origin.find(' '); space != std::string::npos) {
      out = text(value.origin.substr(space + 1));
      out.tag = value.origin.substr(0, space);
    } else if (secrets_ == Secrets::references) {
      out = text(path);
      out.tag = "!spec";
    }
    return out;
  }
  Node node(const std::vector<std::string>& value, const std::string&, const Rule& rule) const {
    if (rule.one_or_many && value.size() == 1) return text(value.front());
    Node out = list();
    for (const std::string& item : value) out.items.push_back(text(item));
    return out;
  }
  Node node(const Pairs& value, const std::string&, const Rule& rule) const {
    Node out;
    out.kind = Node::Kind::map;
    for (const auto& [name, item] : value) {
      Node written = yaml::scalar(item, true);  // as the user wrote it: numbers and on/off without quotes
      written.verbatim = rule.format == Format::yaml;
      yaml::add(out, name, std::move(written));
    }
    return out;
  }
  template <keys::Group Record>
  Node node(const Record& value, const std::string& path, const Rule&) const {
    return record(value, path, keys::of<Record>());
  }
  Node node(const BinarySpec& value, const std::string& path, const Rule&) const {
    return value.path.empty() ? record(value, path, keys::of<BinarySpec>()) : text(value.path);
  }
  Node node(const SshSpec& value, const std::string& path, const Rule&) const {
    return record(value, path, path == "ssh" ? keys::of<SshSpec, Spec>() : keys::of<SshSpec, HostSpec>());
  }
  Node node(const std::vector<HostSpec>& value, const std::string& path, const Rule&) const {
    Node out;
    out.kind = Node::Kind::map;
    for (const HostSpec& host : value) yaml::add(out, host.name, record(host, path + '.' + host.name, keys::of<HostSpec>()));
    return out;
  }
  Node node(const std::vector<UserSpec>& value, const std::string& path, const Rule&) const {
    Node out = list();
    for (const UserSpec& user : value) out.items.push_back(record(user, path + '.' + user.name, keys::of<UserSpec>()));
    return out;
  }
  template <class Record>
  Node records(const std::vector<Record>& value, const std::string& path) const {
    Node out = list();
    for (const Record& one : value) out.items.push_back(record(one, path, keys::of<Record>()));
    return out;
  }
  Node node(const std::vector<DatabaseSpec>& value, const std::string& path, const Rule&) const { return records(value, path); }
  Node node(const std::vector<ExtensionSpec>& value, const std::string& path, const Rule&) const { return records(value, path); }
  Node node(const std::vector<PrivilegeSpec>& value, const std::string& path, const Rule&) const { return records(value, path); }
  Node node(const std::vector<SchemaSpec>& value, const std::string& path, const Rule&) const { return records(value, path); }
  Node node(const std::vector<RepoSpec>& value, const std::string& path, const Rule&) const {
    Node out = list();
    for (std::size_t i = 0; i < value.size(); ++i) out.items.push_back(record(value[i], path + '[' + std::to_string(i) + ']', keys::of<RepoSpec>()));
    return out;
  }

  Secrets secrets_;
};

}  // namespace

std::string dump(const Spec& spec, Secrets secrets) { return yaml::print(Writer(secrets).record(spec, "", keys::of<Spec>())); }

}  // namespace pgcluster
