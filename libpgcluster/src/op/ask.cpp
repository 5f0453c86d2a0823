#include "op/ask.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

#include "base/strings.hpp"
#include "op/overloaded.hpp"
#include "op/shell.hpp"

namespace pgcluster {
namespace {

// Each field is preceded by its length, so that different lists of fields give different texts.
struct Key {
  std::string text;
  explicit Key(std::string_view kind) { add(kind); }
  Key& add(std::string_view field) {
    text += std::to_string(field.size());
    text += ':';
    text += field;
    return *this;
  }
  Key& add(const std::string& field) { return add(std::string_view(field)); }
  Key& add(const char* field) { return add(std::string_view(field)); }
  Key& add(std::int64_t number) { return add(std::string_view(std::to_string(number))); }
  Key& add(const std::vector<std::string>& fields) {
    add(static_cast<std::int64_t>(fields.size()));
    for (const std::string& field : fields) add(std::string_view(field));
    return *this;
  }
  Key& add(const Text& field) {
    add(std::string_view(field.reveal()));
    add(static_cast<std::int64_t>(field.spans().size()));
    for (const Text::Span& span : field.spans())
      add(static_cast<std::int64_t>(span.begin)).add(static_cast<std::int64_t>(span.end)).add(std::string_view(span.name));
    return *this;
  }
};

}  // namespace

std::string shown(const std::vector<std::string>& argv) {
  // The account under which a command runs tells nobody anything.
  auto first = argv.begin();
  if (first != argv.end() && *first == "setpriv")
    first = std::find_if(first + 1, argv.end(), [](const auto& word) { return !word.starts_with("--"); });
  std::string text;
  for (auto at = first; at != argv.end(); ++at) {
    const std::string& word = *at;
    if (!text.empty()) text += ' ';
    text += word;
  }
  for (char& c : text)
    if (c == '\n' || c == '\t') c = ' ';
  return strings::shortened(std::move(text), 100);
}

std::string key(const Ask& ask) {
  Key key(ask.at);
  std::visit(Overloaded{
                 [&](const FileOf& of) { key.add("file").add(of.path).add(std::int64_t{of.content}); },
                 [&](const PackageOf& of) { key.add("package").add(of.name); },
                 [&](const UnitOf& of) { key.add("unit").add(of.name).add(of.start_files).add(of.load_files); },
                 [&](const AccountOf& of) { key.add("account").add(of.name); },
                 [&](const Exec& exec) {
                   key.add("exec").add(exec.argv).add(exec.input).add(exec.about).add(std::int64_t{exec.limit.count()}).add(std::int64_t{exec.tail});
                 },
                 [&](const Http& http) {
                   key.add("http").add(http.method).add(http.url).add(static_cast<std::int64_t>(http.headers.size()));
                   for (const auto& [name, value] : http.headers) key.add(name).add(value);
                   key.add(http.body).add(http.about);
                 },
             },
             ask.what);
  return std::move(key.text);
}

std::size_t hash(const Ask& ask) {
  std::size_t value = std::hash<std::string>()(ask.at);
  const auto mix = [&](std::size_t more) { value ^= more + 0x9e3779b97f4a7c15 + (value << 6) + (value >> 2); };
  // Of a long text, such as a script, only the length and both ends are hashed: the asks of one host differ there.
  const auto add = [&](std::string_view text) {
    mix(text.size());
    if (text.size() > 64) mix(std::hash<std::string_view>()(text.substr(text.size() - 32)));
    mix(std::hash<std::string_view>()(text.substr(0, 64)));
  };
  mix(ask.what.index());
  std::visit(Overloaded{
                 [&](const FileOf& of) { add(of.path); },
                 [&](const PackageOf& of) { add(of.name); },
                 [&](const UnitOf& of) { add(of.name); },
                 [&](const AccountOf& of) { add(of.name); },
                 [&](const Exec& exec) {
                   for (const std::string& word : exec.argv) add(word);
                 },
                 [&](const Http& http) { add(http.url); },
             },
             ask.what);
  return value;
}

std::vector<std::string> resources(const Ask& ask) {
  using List = std::vector<std::string>;
  return std::visit(Overloaded{
                        [](const FileOf& of) { return List{"file:" + of.path}; },
                        [](const PackageOf& of) { return List{"package:" + of.name}; },
                        [](const UnitOf& of) {
                          // The answer also depends on the files of the unit.
                          List list{"unit:" + of.name};
                          for (const auto* files : {&of.start_files, &of.load_files})
                            for (const std::string& path : *files) list.push_back("file:" + path);
                          return list;
                        },
                        [](const AccountOf& of) { return List{"account:" + of.name}; },
                        [](const Exec& exec) { return exec.about; },
                        [](const Http& http) { return http.about; },
                    },
                    ask.what);
}

namespace {
// The $0 of such a command, by which it is recognised.
constexpr const char* first_answer_name = "first-answer";
constexpr const char* look_name = "look";
}  // namespace

std::vector<std::string> shell_look(const char* script, const std::vector<std::string>& words) {
  std::vector<std::string> argv{"sh", "-c", script, look_name};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}
bool is_shell_look(const std::vector<std::string>& argv) { return argv.size() > 3 && argv[0] == "sh" && argv[1] == "-c" && argv[3] == look_name; }

std::vector<std::string> first_answer(const std::vector<std::vector<std::string>>& calls) {
  std::vector<std::string> argv{"sh", "-c", shell::first_answer, first_answer_name};
  for (const std::vector<std::string>& call : calls) {
    if (argv.size() > 4) argv.emplace_back("--");
    argv.insert(argv.end(), call.begin(), call.end());
  }
  return argv;
}

std::vector<std::string> first_call(const std::vector<std::string>& argv) {
  if (argv.size() < 5 || argv[3] != first_answer_name || argv[2] != shell::first_answer) return {};
  return {argv.begin() + 4, std::find(argv.begin() + 4, argv.end(), "--")};
}

std::string describe(const Ask& ask) {
  return std::visit(Overloaded{
                        [](const FileOf& of) { return "read " + of.path; },
                        [](const PackageOf& of) { return "package " + of.name; },
                        [](const UnitOf& of) { return "state of " + of.name; },
                        [](const AccountOf& of) { return "account " + of.name; },
                        [](const Exec& exec) { return "run " + shown(exec.argv); },
                        [](const Http& http) { return http.method + " " + http.url; },
                    },
                    ask.what);
}

}  // namespace pgcluster
