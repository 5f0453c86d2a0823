#pragma once

#include <map>
#include <string>
#include <vector>

// What the pictures of graph() consist of: enough of an SVG reader for them, and no more.
namespace svg {

struct Rect {
  std::string classes;
  int x = 0, y = 0, width = 0, height = 0;
  int right() const { return x + width; }
  int bottom() const { return y + height; }
  bool is(const std::string& name) const { return (' ' + classes + ' ').find(' ' + name + ' ') != std::string::npos; }
};
struct Words {
  std::string classes;
  std::string anchor;
  int x = 0, y = 0;
  std::string text;
};
/// A straight line, from the path "Mx yV…" or "Mx yH…".
struct Segment {
  std::string classes;
  int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};
/// A <g>, or the picture itself.
struct Group {
  std::string classes;
  std::vector<Rect> rects{};
  std::vector<Words> words{};
  std::vector<Segment> segments{};
  std::vector<Group> groups{};
};

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  Group read() {
    Group root;
    inside(root);
    return root;
  }

 private:
  // The next tag: its name and attributes. False at the end.
  bool next() {
    const std::size_t open = text_.find('<', at_);
    if (open == std::string::npos) return false;
    const std::size_t close = text_.find('>', open);
    before_ = text_.substr(at_, open - at_);
    const std::string tag = text_.substr(open + 1, close - open - 1);
    at_ = close + 1;
    name_ = tag.substr(0, tag.find_first_of(" /", 1));
    attributes_.clear();
    for (std::size_t from = 0, equals; (equals = tag.find("=\"", from)) != std::string::npos;) {
      const std::size_t begin = tag.rfind(' ', equals) + 1, end = tag.find('"', equals + 2);
      attributes_[tag.substr(begin, equals - begin)] = tag.substr(equals + 2, end - equals - 2);
      from = end + 1;
    }
    return true;
  }

  int number(const char* name) { return std::stoi(attributes_[name]); }

  void inside(Group& group) {
    while (next()) {
      if (name_ == "/g") return;
      if (name_ == "g") {
        group.groups.push_back({.classes = attributes_["class"]});
        inside(group.groups.back());
      } else if (name_ == "rect") {
        group.rects.push_back({attributes_["class"], number("x"), number("y"), number("width"), number("height")});
      } else if (name_ == "text") {
        group.words.push_back({attributes_["class"], attributes_["text-anchor"], number("x"), number("y"), ""});
      } else if (name_ == "/text") {
        group.words.back().text = before_;
      } else if (name_ == "path" && attributes_["d"].find_first_of("VH") != std::string::npos) {
        group.segments.push_back(segment());
      }
    }
  }

  Segment segment() {
    Segment found{.classes = attributes_["class"]};
    const std::string& d = attributes_["d"];
    std::size_t used = 0;
    found.x1 = found.x2 = std::stoi(d.substr(1), &used);
    found.y1 = found.y2 = std::stoi(d.substr(1 + used));
    const std::size_t way = d.find_first_of("VH");
    (d[way] == 'V' ? found.y2 : found.x2) = std::stoi(d.substr(way + 1));
    return found;
  }

  const std::string& text_;
  std::size_t at_ = 0;
  std::string before_, name_;
  std::map<std::string, std::string> attributes_;
};

}  // namespace svg
