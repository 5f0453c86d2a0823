#include "spec/encodings.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "spec/words.hpp"

namespace pgcluster::encodings {
namespace {

// The encodings of the table "PostgreSQL Character Sets" in PostgreSQL's manual that a server supports. PostgreSQL compares only the letters and
// digits of a name.
const std::vector<std::string_view> of_servers{"EUC_CN",        "EUC_JP",     "EUC_JIS_2004", "EUC_KR",  "EUC_TW",  "ISO_8859_5", "ISO_8859_6",
                                               "ISO_8859_7",    "ISO_8859_8", "KOI8R",        "KOI8U",   "LATIN1",  "LATIN2",     "LATIN3",
                                               "LATIN4",        "LATIN5",     "LATIN6",       "LATIN7",  "LATIN8",  "LATIN9",     "LATIN10",
                                               "MULE_INTERNAL", "SQL_ASCII",  "UTF8",         "WIN866",  "WIN874",  "WIN1250",    "WIN1251",
                                               "WIN1252",       "WIN1253",    "WIN1254",      "WIN1255", "WIN1256", "WIN1257",    "WIN1258"};
const std::vector<std::string_view> aliases{"ABC",         "ALT",         "ISO88591",    "ISO88592",    "ISO88593",    "ISO88594",
                                            "ISO88599",    "ISO885910",   "ISO885913",   "ISO885914",   "ISO885915",   "ISO885916",
                                            "KOI8",        "TCVN",        "TCVN5712",    "UNICODE",     "VSCII",       "WIN",
                                            "WINDOWS866",  "WINDOWS874",  "WINDOWS1250", "WINDOWS1251", "WINDOWS1252", "WINDOWS1253",
                                            "WINDOWS1254", "WINDOWS1255", "WINDOWS1256", "WINDOWS1257", "WINDOWS1258"};

bool known(const std::string& encoding) {
  const auto is = [name = strings::plain(encoding)](std::string_view one) { return strings::plain(one) == name; };
  return std::any_of(of_servers.begin(), of_servers.end(), is) || std::any_of(aliases.begin(), aliases.end(), is);
}

}  // namespace

void check(const Spec& spec, const std::function<void(const std::string&, const std::string&, const std::string&)>& error) {
  const auto one = [&](const std::string& path, const std::string& encoding) {
    if (encoding.empty() || known(encoding)) return;
    const auto near = words::nearest(strings::upper(encoding), of_servers);
    error(path, "a PostgreSQL server has no encoding " + words::shown(encoding),
          near.empty() ? "write UTF8, or another one of PostgreSQL's table of character sets" : "did you mean " + std::string(near) + "?");
  };
  one("postgresql_encoding", spec.postgresql_encoding);
  for (std::size_t i = 0; i < spec.postgresql_databases.size(); ++i)
    one("postgresql_databases[" + std::to_string(i) + "].encoding", spec.postgresql_databases[i].encoding);
}

}  // namespace pgcluster::encodings
