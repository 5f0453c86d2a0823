#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What PostgreSQL knows of its settings, by major version: postgresql_settings.inc, read as the server reads values.
namespace pgcluster::server_settings {

enum class Type { boolean, integer, real, text, word };

struct Definition {
  std::string_view name;  ///< as the server spells it: "TimeZone"
  Type type = Type::text;
  std::string_view unit;  ///< "8kB", "ms", …; may be empty
  std::string_view context;
  std::string_view min, max;
  std::string_view boot;                                             ///< the server's own default
  std::vector<std::pair<std::string_view, std::string_view>> words;  ///< of an enum: a word, and the word that is shown for it
  bool dropped = false;                                              ///< Patroni keeps it out of postgresql.conf
};

/// Whether the settings of this major version are known.
bool known(int version);
/// The setting of that name, in any case; null where the version has none, or is not known.
const Definition* find(int version, std::string_view name);
/// The same for a version that is not known: from the version nearest to it that has the setting.
const Definition* find_near(int version, std::string_view name);
/// The names of all settings of the version.
std::vector<std::string_view> names(int version);
/// The known versions that have such a setting, in rising order.
std::vector<int> versions_with(std::string_view name);

/// A value as the server keeps it: "on", a number in the setting's unit, a word, or the text itself. Empty where the server would refuse it.
std::optional<std::string> canonical(const Definition& setting, std::string_view value);
/// What is wrong with a value, and what to write instead.
struct Wrong {
  std::string message;
  std::string hint;
};
std::optional<Wrong> wrong(const Definition& setting, std::string_view value);

/// Whether the server treats two values of the setting as equal.
bool same(int version, std::string_view name, std::string_view a, std::string_view b);
/// The value in a spelling that Patroni's parser accepts, too; it accepts fewer spellings than the server.
std::string plain(int version, std::string_view name, std::string_view value);
/// Whether the value is kept as text: for settings of type text, and for settings of extensions, whose type is not known.
bool is_text(int version, std::string_view name);
/// The name as the server spells it; the name of an extension's setting is returned unchanged.
std::string spelled(int version, std::string_view name);

}  // namespace pgcluster::server_settings
