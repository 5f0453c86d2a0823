#include "spec/yaml.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <map>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/strings.hpp"

namespace pgcluster::yaml {
namespace {

// Aliases can make a small file a huge tree.
constexpr std::size_t kMostNodes = 200'000;
constexpr int kDeepest = 100;

std::size_t count(const Node& node) {
  std::size_t n = 1 + node.keys.size();
  for (const Node& item : node.items) n += count(item);
  return n;
}

class Builder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(mark, "", anchor, Node{}); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) throw broken(mark, "the alias is inside the value that it refers to", "write the values out");
    nodes_ += count(known->second);
    Node copy = known->second;
    copy.line = mark.line + 1;
    copy.column = mark.column + 1;
    add(mark, std::move(copy));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    Node node = scalar(value, tag == "?");
    if (!node.plain) last_quoted = mark;
    leaf(mark, tag, anchor, std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override {
    merge(open_.back().node);
    close();
  }

  Node root{};
  YAML::Mark last_quoted = YAML::Mark::null_mark();

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    YAML::Mark mark;
  };

  static Broken broken(const YAML::Mark& mark, std::string message, std::string hint) {
    return {mark.line + 1, mark.column + 1, std::move(message), std::move(hint)};
  }

  static void place(Node& node, const YAML::Mark& mark, const std::string& tag) {
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    constexpr std::array known{"?", "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"};
    if (std::find(known.begin(), known.end(), tag) == known.end()) node.tag = tag;
    if (tag == known[2]) node.plain = false;
  }

  void leaf(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node node) {
    place(node, mark, tag);
    if (anchor != 0) anchors_[anchor] = node;
    add(mark, std::move(node));
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    Node node;
    node.kind = kind;
    place(node, mark, tag);
    open_.push_back({std::move(node), anchor, mark});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) anchors_[done.anchor] = done.node;
    add(done.mark, std::move(done.node));
  }

  void add(const YAML::Mark& mark, Node node) {
    if (++nodes_ > kMostNodes || node.depth > kDeepest) throw broken(mark, "too much YAML", "write it with fewer aliases and less nesting");
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    Node& parent = open_.back().node;
    // yaml-cpp places what is not there where the next word stands.
    if (node.kind == Node::Kind::null && parent.kind == Node::Kind::map && parent.keys.size() > parent.items.size()) {
      node.line = parent.keys.back().line;
      node.column = parent.keys.back().column;
    }
    parent.depth = std::max(parent.depth, node.depth + 1);
    if (parent.kind == Node::Kind::map && parent.keys.size() == parent.items.size()) {
      if (node.kind == Node::Kind::list || node.kind == Node::Kind::map)
        throw broken(mark, "a key must be a single word", "quote values that begin with { or [");
      parent.keys.push_back(std::move(node));
    } else {
      parent.items.push_back(std::move(node));
    }
  }

  // "<<: *defaults": adds the keys of *defaults that the map itself does not have.
  static void merge(Node& map) {
    std::vector<Node> from;
    for (std::size_t i = 0; i < map.keys.size();) {
      if (map.keys[i].text != "<<" || !map.keys[i].plain || (map.items[i].kind != Node::Kind::map && map.items[i].kind != Node::Kind::list)) {
        ++i;
        continue;
      }
      if (map.items[i].kind == Node::Kind::map) {
        from.push_back(std::move(map.items[i]));
      } else {
        for (Node& item : map.items[i].items) from.push_back(std::move(item));
      }
      map.keys.erase(map.keys.begin() + static_cast<std::ptrdiff_t>(i));
      map.items.erase(map.items.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (Node& other : from) {
      for (std::size_t i = 0; i < other.keys.size(); ++i) {
        const auto same = [&](const Node& key) { return key.text == other.keys[i].text; };
        if (std::any_of(map.keys.begin(), map.keys.end(), same)) continue;
        map.keys.push_back(std::move(other.keys[i]));
        map.items.push_back(std::move(other.items[i]));
      }
    }
  }

  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::size_t nodes_ = 0;
};

bool has_tab_indent(const std::string& text, int line) {
  std::istringstream in(text);
  std::string s;
  for (int i = 0; i < line && std::getline(in, s); ++i) {
  }
  const auto first = s.find_first_not_of(' ');
  return first != std::string::npos && s[first] == '\t';
}

// Whether the quoted text at `at` has its closing quote. yaml-cpp does not miss one at the end of the file.
bool closed(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == '!' || text[at] == '&'))  // a tag, an anchor
    at = std::min(text.find_first_not_of(" \t\r\n", text.find_first_of(" \t\r\n", at)), text.size());
  if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return true;  // plain, or a block
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || at + 1 >= text.size() || text[at + 1] != quote) return true;
      ++at;
    }
  }
  return false;
}

bool word(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), strings::lower(text)) != words.end();
}

bool plain_safe(std::string_view text) {
  if (text.empty() || word(text, {"~", "null"})) return false;
  const auto first = static_cast<unsigned char>(text.front());
  if (!std::isalnum(first) && first != '_' && first != '/' && first != '.' && first != '~' && !(first == '-' && text.size() > 1 && text != "---"))
    return false;
  if (text == "...") return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || std::string_view("_/.~+-@%=").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          char hex[8];
          std::snprintf(hex, sizeof hex, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
          out += hex;
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

bool json_number(std::string_view s) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < s.size() && std::isdigit(static_cast<unsigned char>(s[i]))) ++i;
    return i - from;
  };
  if (i < s.size() && s[i] == '-') ++i;
  const std::size_t whole = i;
  const std::size_t n = digits();
  if (n == 0 || (n > 1 && s[whole] == '0')) return false;
  if (i < s.size() && s[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == s.size();
}

std::string inline_text(const Node& node) {
  if (node.verbatim) return node.text;
  const std::string tag = node.tag.empty() ? "" : node.tag + ' ';
  return tag + (node.plain && plain_safe(node.text) ? node.text : in_quotes(node.text));
}

std::string key_text(const Node& key) { return plain_safe(key.text) && !ambiguous(key.text) ? key.text : in_quotes(key.text); }

void print(const Node& node, int indent, std::string& out);

// What follows "key:" or "-".
void print_value(const Node& node, int indent, std::string& out) {
  const bool list = node.kind == Node::Kind::list;
  if (node.kind == Node::Kind::null) {
    out += " null\n";
  } else if (node.kind == Node::Kind::scalar) {
    out += ' ' + inline_text(node) + '\n';
  } else if (node.items.empty()) {
    out += list ? " []\n" : " {}\n";
  } else if (list &&
             std::all_of(node.items.begin(), node.items.end(), [](const Node& n) { return n.kind == Node::Kind::scalar && plain_safe(n.text); })) {
    out += " [";
    for (const Node& item : node.items) out += (&item == &node.items.front() ? "" : ", ") + inline_text(item);
    out += "]\n";
  } else {
    out += '\n';
    print(node, indent + 2, out);
  }
}

void print(const Node& node, int indent, std::string& out) {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Node& item = node.items[i];
    if (node.kind == Node::Kind::map) {
      out += margin + key_text(node.keys[i]) + ':';
      print_value(item, indent, out);
    } else if (item.kind == Node::Kind::map && !item.items.empty()) {
      std::string block;
      print(item, indent + 2, block);
      block[static_cast<std::size_t>(indent)] = '-';
      out += block;
    } else {
      out += margin + '-';
      print_value(item, indent, out);
    }
  }
}

}  // namespace

Node parse(const std::string& with_mark) {
  const std::string text = with_mark.starts_with("\xEF\xBB\xBF") ? with_mark.substr(3) : with_mark;
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    Builder builder;
    if (!parser.HandleNextDocument(builder)) return {};
    if (const YAML::Mark& quoted = builder.last_quoted; quoted.pos >= 0 && !closed(text, static_cast<std::size_t>(quoted.pos)))
      throw Broken{quoted.line + 1, quoted.column + 1, "not YAML: the quote that begins here does not end", "end it with the same quote in its line"};
    Builder second;
    if (parser.HandleNextDocument(second))
      throw Broken{second.root.line, second.root.column, "a second document begins here", "write one file for each cluster"};
    return std::move(builder.root);
  } catch (const YAML::Exception& e) {
    Broken broken{e.mark.line + 1, e.mark.column + 1, "not YAML: " + e.msg, {}};
    broken.hint = has_tab_indent(text, broken.line) ? "indent with spaces, not tabs"
                  : e.msg.find("anchor") != std::string::npos
                      ? "name it where it is defined, further up: &NAME"
                      : "check indentation, brackets and quotes here and on the line before; a value with ': ' or ' #' in it needs quotes";
    throw broken;
  }
}

Node scalar(std::string text, bool plain) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = std::move(text);
  node.plain = plain;
  return node;
}

void add(Node& map, std::string key, Node value) {
  map.kind = Node::Kind::map;
  map.keys.push_back(scalar(std::move(key), true));
  map.items.push_back(std::move(value));
}

bool ambiguous(std::string_view text) {
  if (text.empty() || word(text, {"~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", "+.inf", ".nan"})) return true;
  // Numbers of all kinds (0x1f, 1_000, 1e3, 12:30:00), dates: digits first, then only what numbers are made of.
  const std::string_view rest = text.front() == '-' || text.front() == '+' ? text.substr(1) : text;
  if (rest.empty() || !(std::isdigit(static_cast<unsigned char>(rest.front())) || rest.front() == '.')) return false;
  if (std::count(rest.begin(), rest.end(), '.') > 1) return false;
  return std::all_of(rest.begin(), rest.end(), [](unsigned char c) {
    return std::isxdigit(c) || c == '_' || c == '.' || c == ':' || c == '-' || c == '+' || c == 'x' || c == 'o';
  });
}

std::string print(const Node& map) {
  if (map.items.empty()) return "{}\n";
  std::string out;
  print(map, 0, out);
  return out;
}

std::string flow(const Node& node) {
  const std::string tag = node.tag.empty() ? "" : node.tag + ' ';
  switch (node.kind) {
    case Node::Kind::null:
      return "null";
    case Node::Kind::scalar:
      if (node.tag.empty() && node.plain && (json_number(node.text) || node.text == "true" || node.text == "false")) return node.text;
      return tag + in_quotes(node.text);
    case Node::Kind::list:
    case Node::Kind::map: {
      const bool map = node.kind == Node::Kind::map;
      std::string out(1, map ? '{' : '[');
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        if (i > 0) out += ", ";
        if (map) out += in_quotes(node.keys[i].text) + ": ";
        out += flow(node.items[i]);
      }
      return out + (map ? '}' : ']');
    }
  }
  return "null";
}

}  // namespace pgcluster::yaml
