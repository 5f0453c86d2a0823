#include <sys/stat.h>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/paths.hpp"
#include "base/strings.hpp"
#include "spec/keys.hpp"
#include "spec/validate.hpp"
#include "spec/words.hpp"
#include "spec/yaml.hpp"

namespace pgcluster {
namespace {

using keys::Key;
using keys::Rule;
using yaml::Node;

// errno's words, or the content.
std::variant<std::string, int> read_file(const std::string& path) {
  struct stat about {};
  if (stat(path.c_str(), &about) != 0) return errno;
  if (S_ISDIR(about.st_mode)) return EISDIR;
  std::ifstream in(path, std::ios::binary);
  if (!in) return errno == 0 ? EIO : errno;
  std::string content{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return EIO;
  return content;
}

std::string join(const std::string& path, std::string_view key) { return path.empty() ? std::string(key) : path + '.' + std::string(key); }
std::string at(const std::string& path, std::size_t index) { return path + '[' + std::to_string(index) + ']'; }

bool is_number(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

// For messages about wrong types. A text itself is not shown: it may be a misplaced password.
std::string kind(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "a map";
    case Node::Kind::scalar:
      break;
  }
  if (!node.tag.empty()) return node.tag;
  if (!node.plain) return "a quoted text";
  if (is_number(node.text)) return "the number " + node.text;
  if (node.text == "true" || node.text == "false") return node.text;
  return "a text";
}
std::string as_written(const Node& node) {
  if (node.kind != Node::Kind::scalar || !node.tag.empty()) return kind(node);
  return node.plain ? words::shown(node.text) : '"' + node.text + '"';
}

class Reader {
 public:
  Reader(std::string file, std::string folder, const Spec* secrets) : file_(std::move(file)), folder_(std::move(folder)), secrets_(secrets) {}

  Spec read(const Node& root) {
    Spec spec;
    places_[""] = {std::max(root.line, 1), std::max(root.column, 1)};
    look_over(root, "");
    if (root.kind == Node::Kind::null) {
      silenced_.insert("hosts");
      error(root, "", "the file is empty", "write at least `hosts:` with a name and an address: hosts: { pg1: { address: 10.77.0.11 } }");
      return spec;
    }
    record(root, "", spec, keys::of<Spec>());
    return spec;
  }

  void broken(const yaml::Broken& broken) {
    findings_.push_back({Severity::error, broken.message, broken.hint, {}, file_, std::max(broken.line, 1), std::max(broken.column, 1)});
  }

  /// Adds what validate() finds, with the places of what it is about; without what follows from an earlier finding.
  void check(const Spec& spec) {
    for (Diagnostic& d : validate_read(spec, findings_)) {
      if (silenced_.contains(d.path)) continue;
      d.file = file_;
      for (std::string path = d.path;;) {
        if (const auto place = places_.find(path); place != places_.end()) {
          std::tie(d.line, d.column) = place->second;
          break;
        }
        if (path.empty()) break;
        const auto cut = path.find_last_of(".[");
        path = cut == std::string::npos ? "" : path.substr(0, cut);
      }
      findings_.push_back(std::move(d));
    }
  }

  std::vector<Diagnostic> findings() && {
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Diagnostic& a, const Diagnostic& b) { return std::tie(a.line, a.column) < std::tie(b.line, b.column); });
    return std::move(findings_);
  }

 private:
  void error(const Node& node, const std::string& path, std::string message, std::string hint) {
    findings_.push_back({Severity::error, std::move(message), std::move(hint), path, file_, std::max(node.line, 1), std::max(node.column, 1)});
    silenced_.insert(path);
  }

  // What is wrong wherever it stands.
  void look_over(const Node& node, const std::string& path) {
    if (!node.tag.empty() && node.tag != "!env" && node.tag != "!file" && node.tag != "!spec")
      error(node, path, "unknown tag " + node.tag, "a string may be !env NAME or !file PATH");
    std::map<std::string_view, const Node*> seen;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      if (node.kind == Node::Kind::list) {
        look_over(node.items[i], at(path, i));
        continue;
      }
      const Node& key = node.keys[i];
      const std::string here = join(path, key.text);
      if (const auto [first, fresh] = seen.emplace(key.text, &key); !fresh) {
        error(key, here, "is given twice, first in line " + std::to_string(first->second->line), "remove one of them");
      } else {
        const Node& value = node.items[i];
        const Node& place = value.kind == Node::Kind::scalar && value.line > 0 ? value : key;
        places_[here] = {place.line, place.column};
      }
      look_over(node.items[i], here);
    }
    if (node.kind == Node::Kind::list)
      for (std::size_t i = 0; i < node.items.size(); ++i) places_[at(path, i)] = {node.items[i].line, node.items[i].column};
  }

  // Scalars.

  bool wants(const Node& node, const std::string& path, std::string_view what, std::string hint = {}) {
    if (node.kind == Node::Kind::null) {
      error(node, path, "has no value", hint.empty() ? "write a value, or remove the key" : std::move(hint));
    } else {
      error(node, path, "expects " + std::string(what) + ", has " + kind(node), std::move(hint));
    }
    return false;
  }

  // The file or variable that a tag names, or what stands there.
  std::optional<std::string> text(const Node& node, const std::string& path, std::string* origin = nullptr) {
    if (node.kind != Node::Kind::scalar) {
      wants(node, path, "a string");
      return std::nullopt;
    }
    if (node.tag.empty()) return node.text;
    std::string from = node.text;
    std::string value;
    if (node.tag == "!env") {
      const char* found = from.empty() ? nullptr : std::getenv(from.c_str());
      if (found == nullptr) {
        error(node, path, from.empty() ? "!env names no variable" : "the environment variable " + from + " is not set",
              from.empty() ? "write !env NAME" : "set it: export " + from + "=…");
        return std::nullopt;
      }
      value = found;
    } else if (node.tag == "!file") {
      from = words::in_folder(folder_, from);
      const std::string file = expand_home(from);
      auto content = file.empty() ? std::variant<std::string, int>(ENOENT) : read_file(file);
      if (const int* failed = std::get_if<int>(&content)) {
        error(node, path, file.empty() ? "!file names no file" : "cannot read " + file + ": " + std::strerror(*failed),
              file.empty() ? "write !file PATH" : "put the value there, or write another path");
        return std::nullopt;
      }
      value = std::get<std::string>(std::move(content));
      if (value.ends_with('\n')) value.pop_back();
      if (value.ends_with('\r')) value.pop_back();
    } else {
      if (node.tag == "!spec") error(node, path, "!spec stands for passwords, and only in what pgcluster wrote", "write !env NAME or !file PATH");
      return std::nullopt;
    }
    if (origin != nullptr) {
      *origin = node.tag + ' ' + from;
      if (value.empty()) {
        error(node, path, (node.tag == "!env" ? "the environment variable " : "the file ") + from + " is empty", "put the password there");
        return std::nullopt;
      }
    }
    return value;
  }

  void value(const Node& node, const std::string& path, const Rule&, bool& out) {
    if (node.kind == Node::Kind::scalar && node.plain && node.tag.empty() && (node.text == "true" || node.text == "false")) {
      out = node.text == "true";
      return;
    }
    const std::string word = node.kind == Node::Kind::scalar ? strings::lower(node.text) : "";
    std::string hint = "write true or false";
    for (const std::string_view yes : {"yes", "on", "y", "1", "true", "enabled"})
      if (word == yes) hint = "write true";
    for (const std::string_view no : {"no", "off", "n", "0", "false", "disabled"})
      if (word == no) hint = "write false";
    if (path == "synchronous_mode" && word == "quorum") {
      error(node, path, "quorum commit is not supported yet",
            "write true, with synchronous_node_count for more than one synchronous replica, or false");
      return;
    }
    if (!word.empty() && !node.plain && (word == "true" || word == "false")) hint += ", without quotes";
    if (node.kind == Node::Kind::null) {
      wants(node, path, "true or false", hint);
    } else {
      error(node, path, "expects true or false, has " + as_written(node), hint);
    }
  }

  template <class Number>
  void number(const Node& node, const std::string& path, const Rule& rule, Number& out) {
    if (node.kind != Node::Kind::scalar || !node.plain || !node.tag.empty() || !is_number(node.text)) {
      std::string hint;
      if (node.kind == Node::Kind::scalar && !node.tag.empty()) hint = "!env and !file stand for strings only";
      if (node.kind == Node::Kind::scalar && !node.plain && is_number(node.text)) hint = "write " + node.text + ", without quotes";
      if (node.kind == Node::Kind::scalar && node.tag.empty()) {
        error(node, path, "expects a number, has " + as_written(node), hint);
      } else {
        wants(node, path, "a number", hint);
      }
      return;
    }
    std::string_view digits = node.text;
    if (digits.front() == '+') digits.remove_prefix(1);
    Number parsed{};
    if (std::from_chars(digits.data(), digits.data() + digits.size(), parsed).ec != std::errc{}) {
      error(node, path, node.text + " is too large or too small",
            rule.max < std::numeric_limits<Number>::max() ? "write " + std::to_string(rule.min) + " to " + std::to_string(rule.max) : "");
      return;
    }
    out = parsed;
  }
  void value(const Node& node, const std::string& path, const Rule& rule, int& out) { number(node, path, rule, out); }
  void value(const Node& node, const std::string& path, const Rule& rule, long& out) { number(node, path, rule, out); }
  void value(const Node& node, const std::string& path, const Rule& rule, std::optional<int>& out) {
    int parsed = out.value_or(0);
    const std::size_t before = findings_.size();
    number(node, path, rule, parsed);
    if (findings_.size() == before) out = parsed;
  }

  void value(const Node& node, const std::string& path, const Rule& rule, std::string& out) {
    const auto found = text(node, path);
    if (!found) return;
    const bool is_path = rule.format == keys::Format::path || (rule.format == keys::Format::path_or_none && *found != "none");
    out = is_path ? words::in_folder(folder_, *found) : *found;
  }
  void value(const Node& node, const std::string& path, const Rule& rule, std::optional<std::string>& out) {
    std::string found;
    const std::size_t before = findings_.size();
    value(node, path, rule, found);
    if (findings_.size() == before) out = found;
  }

  template <Choice E>
  std::optional<E> choice(const Node& node, const std::string& path, const Rule& rule, const std::string& word) {
    auto found = keys::choice<E>(rule, word);
    if (found) return found;
    Misfit wrong = unknown_word(word, keys::words<E>(rule));
    error(node, path, std::move(wrong.message), std::move(wrong.hint));
    return std::nullopt;
  }
  template <Choice E>
  void value(const Node& node, const std::string& path, const Rule& rule, std::optional<E>& out) {
    const auto word = text(node, path);
    if (!word || (word->empty() && rule.may_be_blank)) return;
    if (word->empty()) return error(node, path, "is empty", "write a value, or remove the key");
    out = choice<E>(node, path, rule, *word);
  }
  template <Choice E>
  void value(const Node& node, const std::string& path, const Rule& rule, E& out) {
    std::optional<E> found;
    value(node, path, rule, found);
    out = found.value_or(out);
  }
  template <Choice E>
  void value(const Node& node, const std::string& path, const Rule& rule, std::vector<E>& out) {
    std::set<std::string> seen;
    items(node, path, [&](const Node& item, const std::string& here) {
      const auto word = text(item, here);
      if (!word) return;
      if (word->empty()) return error(item, here, "is empty", "write a value, or remove it");
      if (!seen.insert(*word).second) return error(item, here, *word + " is given twice", "remove one of them");
      if (const auto one = choice<E>(item, here, rule, *word)) out.push_back(*one);
    });
  }

  void value(const Node& node, const std::string& path, const Rule&, SpecSecret& out) {
    if (node.kind == Node::Kind::scalar && node.tag == "!spec") {
      if (secrets_ == nullptr) {
        error(node, path, "!spec " + node.text + " refers to a password of another spec, and may stand only in files that pgcluster wrote",
              "write the password, !env NAME or !file PATH");
      } else if (const SpecSecret* found = find_secret(*secrets_, node.text)) {
        out = *found;
      } else {
        error(node, path, "the spec that gives the passwords has no " + node.text, "give it there, as it was when this was written");
      }
      return;
    }
    std::string origin;
    if (auto found = text(node, path, &origin)) out = {*found, origin};
  }

  // Lists and maps.

  void value(const Node& node, const std::string& path, const Rule& rule, std::vector<std::string>& out) {
    out.clear();  // the default
    if (rule.one_or_many && node.kind == Node::Kind::scalar) {
      value(node, path, rule, out.emplace_back());
      return;
    }
    items(
        node, path, [&](const Node& item, const std::string& here) { value(item, here, rule, out.emplace_back()); },
        rule.one_or_many ? "a string or a list of strings" : "a list");
  }

  void value(const Node& node, const std::string& path, const Rule& rule, Pairs& out) {
    const bool any = rule.format == keys::Format::yaml;
    if (node.kind != Node::Kind::map) {
      wants(node, path, "a map", any ? "write NAME: { KEY: VALUE }" : "write NAME: VALUE, a line for each");
      return;
    }
    each(node, path, [&](const Node& key, const Node& item, const std::string& here) {
      if (any) {
        out.emplace_back(key.text, yaml::flow(followed(item, here)));
      } else if (item.kind != Node::Kind::scalar) {
        wants(item, here, "a single value", item.kind == Node::Kind::list ? "write the items as one string, separated by commas" : "");
      } else if (auto found = text(item, here)) {
        out.emplace_back(key.text, *found);
      }
    });
  }

  // Keeps `!env` and `!file` references, with file paths resolved against the spec's folder, and checks now that each can be read.
  Node followed(const Node& node, const std::string& path) {
    Node out = node;
    if (node.kind == Node::Kind::scalar && !node.tag.empty()) {
      text(node, path);
      if (node.tag == "!file") out.text = words::in_folder(folder_, node.text);
    }
    for (std::size_t i = 0; i < node.items.size(); ++i)
      out.items[i] = followed(node.items[i], node.kind == Node::Kind::map ? join(path, node.keys[i].text) : at(path, i));
    return out;
  }

  // Items of a list of words.
  template <class What>
  void items(const Node& node, const std::string& path, What what, std::string_view wanted = "a list") {
    if (node.kind != Node::Kind::list) {
      wants(node, path, wanted, node.kind == Node::Kind::scalar ? "write [" + node.text + "]" : "");
      return;
    }
    for (std::size_t i = 0; i < node.items.size(); ++i) what(node.items[i], at(path, i));
  }

  // Entries of a map, each key once.
  template <class What>
  void each(const Node& map, const std::string& path, What what) {
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < map.items.size(); ++i)
      if (seen.insert(map.keys[i].text).second) what(map.keys[i], map.items[i], join(path, map.keys[i].text));
  }

  void value(const Node& node, const std::string& path, const Rule&, std::vector<HostSpec>& out) {
    if (node.kind != Node::Kind::map) {
      wants(node, path, "a map of hosts by name", "write pg1: { address: 10.77.0.11 }, a line for each host");
      return;
    }
    each(node, path, [&](const Node& key, const Node& item, const std::string& here) {
      HostSpec& host = out.emplace_back();
      host.name = key.text;
      if (item.kind == Node::Kind::null) return;
      record(item, here, host, keys::of<HostSpec>());
    });
  }
  template <class Record>
  void records(const Node& node, const std::string& path, std::vector<Record>& out, const std::string& hint) {
    if (node.kind != Node::Kind::list) {
      wants(node, path, "a list", hint);
      return;
    }
    for (std::size_t i = 0; i < node.items.size(); ++i) record(node.items[i], at(path, i), out.emplace_back(), keys::of<Record>());
  }
  void value(const Node& node, const std::string& path, const Rule&, std::vector<UserSpec>& out) {
    records(node, path, out, "write - { name: app, flags: LOGIN }, a line for each role");
  }
  void value(const Node& node, const std::string& path, const Rule&, std::vector<DatabaseSpec>& out) {
    records(node, path, out, "write - { db: app, owner: app }, a line for each database");
  }
  void value(const Node& node, const std::string& path, const Rule&, std::vector<SchemaSpec>& out) {
    records(node, path, out, "write - { schema: sales, db: app, owner: app }, a line for each schema");
  }
  void value(const Node& node, const std::string& path, const Rule&, std::vector<ExtensionSpec>& out) {
    records(node, path, out, "write - { ext: pg_trgm, db: app }, a line for each extension");
  }
  void value(const Node& node, const std::string& path, const Rule&, std::vector<PrivilegeSpec>& out) {
    records(node, path, out, "write - { role: app, privs: SELECT, objs: ALL_IN_SCHEMA, db: app }, a line for each role and type");
  }
  void value(const Node& node, const std::string& path, const Rule&, std::vector<RepoSpec>& out) {
    records(node, path, out, "write - { type: posix, host: HOST }, a line for each repository");
  }
  template <keys::Group Record>
  void value(const Node& node, const std::string& path, const Rule&, Record& out) {
    record(node, path, out, keys::of<Record>());
  }
  void value(const Node& node, const std::string& path, const Rule&, BinarySpec& out) {
    if (node.kind == Node::Kind::map) {
      record(node, path, out, keys::of<BinarySpec>());
    } else if (node.kind != Node::Kind::scalar) {
      wants(node, path, "a path or a map", "write PATH, or { url: URL, sha256: DIGEST }");
    } else if (auto found = text(node, path)) {
      out.path = words::in_folder(folder_, *found);
    }
  }
  void value(const Node& node, const std::string& path, const Rule&, SshSpec& out) {
    record(node, path, out, path == "ssh" ? keys::of<SshSpec, Spec>() : keys::of<SshSpec, HostSpec>());
  }

  template <class Owner>
  void record(const Node& node, const std::string& path, Owner& out, const std::vector<Key<Owner>>& known) {
    if (node.kind != Node::Kind::map) {
      wants(node, path, "a map",
            "write KEY: VALUE with " + words::one_of(known.size() <= 12 ? keys::names(known) : std::vector<std::string_view>{"hosts"}));
      silenced_.insert(path);
      for (const auto& key : known) silenced_.insert(join(path, key.name));
      return;
    }
    each(node, path, [&](const Node& key, const Node& item, const std::string& here) {
      const auto found = std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.name == key.text; });
      if (found == known.end()) {
        if (key.text.starts_with("x-")) return;  // the user's own: a place for YAML anchors
        unknown(key, path, here, known);
      } else if (!tagged_wrong(item)) {
        std::visit([&](auto member) { value(item, here, found->rule, out.*member); }, found->member);
      }
    });
  }

  // Already reported by look_over.
  static bool tagged_wrong(const Node& node) { return !node.tag.empty() && node.tag != "!env" && node.tag != "!file" && node.tag != "!spec"; }

  template <class Owner>
  void unknown(const Node& key, const std::string& path, const std::string& here, const std::vector<Key<Owner>>& known) {
    const auto names = keys::names(known);
    const auto has = [&](const std::vector<std::string_view>& list) { return std::find(list.begin(), list.end(), key.text) != list.end(); };
    std::string hint;
    if constexpr (!std::is_same_v<Owner, Spec>) {
      if (has(keys::names(keys::of<Spec>()))) hint = "it is a key of the whole cluster: write it at the beginning of a line";
    }
    if constexpr (std::is_same_v<Owner, Spec> || std::is_same_v<Owner, HostSpec>) {
      if (has(keys::names(keys::of<SshSpec, Spec>()))) hint = "write it under ssh: ssh: { " + key.text + ": … }";
    }
    if constexpr (std::is_same_v<Owner, Spec>) {
      if (has(keys::names(keys::of<HostSpec>()))) hint = "write it in a host: hosts: { pg1: { " + key.text + ": … } }";
    }
    if constexpr (std::is_same_v<Owner, HostSpec>) {
      for (const auto& tag : keys::patroni_tags())
        if (tag.name == key.text) hint = "write it under patroni_tags: patroni_tags: { " + key.text + ": … }";
    }
    if (hint.empty()) {
      if (const auto near = words::nearest(key.text, names); !near.empty()) {
        hint = "did you mean " + std::string(near) + "?";
        silenced_.insert(join(path, near));
      } else if (names.size() <= 12) {
        hint = "known here: " + words::one_of(names);
      } else {
        hint = "`pgcluster schema` lists all keys; what is meant for your own component goes under extra";
      }
    }
    error(key, here, "unknown key", hint);
  }

  static const SpecSecret* find_secret(const Spec& spec, const std::string& key) {
    const SpecSecret* found = nullptr;
    for (const auto& known : keys::of<Spec>())
      if (const auto* member = std::get_if<SpecSecret Spec::*>(&known.member); member != nullptr && known.name == key) found = &(spec.*(*member));
    for (const UserSpec& user : spec.postgresql_users)
      if ("postgresql_users." + user.name + ".password" == key) found = &user.password;
    for (std::size_t i = 0; i < spec.pgbackrest_repos.size(); ++i)
      if (at("pgbackrest_repos", i) + ".cipher_pass" == key) found = &spec.pgbackrest_repos[i].cipher_pass;
    const auto of_ssh = [&](const SshSpec& ssh, const std::string& path) {
      for (const auto& known : keys::of<SshSpec, Spec>())
        if (const auto* member = std::get_if<SpecSecret SshSpec::*>(&known.member); member != nullptr && path + '.' + std::string(known.name) == key)
          found = &(ssh.*(*member));
    };
    of_ssh(spec.ssh, "ssh");
    for (const HostSpec& host : spec.hosts) of_ssh(host.ssh, "hosts." + host.name + ".ssh");
    return found != nullptr && found->given() ? found : nullptr;
  }

  std::string file_;
  std::string folder_;
  const Spec* secrets_;
  std::vector<Diagnostic> findings_;
  std::map<std::string, std::pair<int, int>> places_;
  std::set<std::string> silenced_;  // paths about which enough is said
};

Node resolved(const Node& node) {
  Node out = node;
  if (node.tag == "!env") {
    const char* found = std::getenv(node.text.c_str());
    if (found == nullptr)
      throw Error(Code::spec_invalid, "the environment variable " + node.text + " is not set", "set it: export " + node.text + "=…");
    out = yaml::scalar(found, false);
  } else if (node.tag == "!file") {
    auto content = read_file(expand_home(node.text));
    if (const int* failed = std::get_if<int>(&content))
      throw Error(Code::spec_invalid, "cannot read " + node.text + ": " + std::strerror(*failed), "put the value there, or write another path");
    std::string text = std::get<std::string>(std::move(content));
    if (text.ends_with('\n')) text.pop_back();
    out = yaml::scalar(text, false);
  }
  for (Node& item : out.items) item = resolved(item);
  return out;
}

}  // namespace

Spec parse_spec(const std::string& text, const std::string& name, const std::string& folder, const Spec* secrets_from) {
  Reader reader(name, folder, secrets_from);
  Spec spec;
  try {
    spec = reader.read(yaml::parse(text));
    reader.check(spec);
  } catch (const yaml::Broken& broken) {
    reader.broken(broken);
  }
  auto findings = std::move(reader).findings();
  const auto errors = std::count_if(findings.begin(), findings.end(), [](const Diagnostic& d) { return d.severity == Severity::error; });
  if (errors == 0) return spec;
  Failure failure{Code::spec_invalid, name + (errors == 1 ? " has an error" : " has " + std::to_string(errors) + " errors")};
  failure.diagnostics = std::move(findings);
  throw Error(std::move(failure));
}

Spec load_spec(const std::string& path) {
  auto content = read_file(path);
  if (const int* failed = std::get_if<int>(&content))
    throw Error(Code::spec_invalid, "cannot read " + path + ": " + std::strerror(*failed),
                "name the cluster's file with -f, or write one: `pgcluster schema` lists its keys");
  const auto slash = path.find_last_of('/');
  return parse_spec(std::get<std::string>(content), path, slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

std::string extra_json(const Spec& spec, const std::string& component) {
  for (const auto& [name, value] : spec.extra)
    if (name == component) return yaml::flow(resolved(yaml::parse(value)));
  return "{}";
}

const HostSpec* Spec::host(std::string_view name) const {
  const auto found = std::find_if(hosts.begin(), hosts.end(), [&](const HostSpec& h) { return h.name == name; });
  return found == hosts.end() ? nullptr : &*found;
}

}  // namespace pgcluster
