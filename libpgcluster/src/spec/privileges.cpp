#include "spec/privileges.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace pgcluster::privileges {
namespace {

std::vector<std::string_view> of_tables(int version) {
  std::vector<std::string_view> all{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"};
  if (version >= 17) all.emplace_back("MAINTAIN");
  return all;
}

}  // namespace

std::vector<std::string_view> known(PrivilegeType type, std::string_view kind, int version) {
  switch (type) {
    case PrivilegeType::table:
      return of_tables(version);
    case PrivilegeType::sequence:
      return {"USAGE", "SELECT", "UPDATE"};
    case PrivilegeType::function:
    case PrivilegeType::procedure:
      return {"EXECUTE"};
    case PrivilegeType::schema:
      return {"USAGE", "CREATE"};
    case PrivilegeType::database:
      return {"CONNECT", "CREATE", "TEMPORARY"};
    case PrivilegeType::tablespace:
      return {"CREATE"};
    case PrivilegeType::type:
    case PrivilegeType::language:
    case PrivilegeType::foreign_data_wrapper:
    case PrivilegeType::foreign_server:
      return {"USAGE"};
    case PrivilegeType::default_privs:
      break;
  }
  if (kind == "TABLES") return of_tables(version);
  if (kind == "SEQUENCES") return known(PrivilegeType::sequence, {}, version);
  if (kind == "FUNCTIONS") return known(PrivilegeType::function, {}, version);
  if (kind == "TYPES") return known(PrivilegeType::type, {}, version);
  if (kind == "SCHEMAS") return known(PrivilegeType::schema, {}, version);
  return {};
}

bool has_all(PrivilegeType type) {
  return type == PrivilegeType::table || type == PrivilegeType::sequence || type == PrivilegeType::function || type == PrivilegeType::procedure;
}
bool in_schema(PrivilegeType type) { return has_all(type) || type == PrivilegeType::type; }

std::vector<std::string> items(const std::vector<std::string>& written) {
  std::vector<std::string> all;
  for (const std::string& one : written) {
    std::string item;
    int depth = 0;
    const auto end = [&] {
      const auto first = item.find_first_not_of(" \t"), last = item.find_last_not_of(" \t");
      if (first != std::string::npos) all.push_back(item.substr(first, last + 1 - first));
      item.clear();
    };
    for (const char c : one) {
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
      if (c == ',' && depth == 0)
        end();
      else
        item += c;
    }
    end();
  }
  return all;
}

std::vector<std::string> objects(const PrivilegeSpec& spec) {
  std::vector<std::string> all = items(spec.objs);
  if (all.empty() && spec.type == PrivilegeType::database) all = {spec.db};
  if (spec.type != PrivilegeType::default_privs) return all;
  for (std::string& one : all) one = strings::upper(one);
  if (all == std::vector<std::string>{"ALL_DEFAULT"}) all = {"TABLES", "SEQUENCES", "FUNCTIONS", "TYPES"};
  return all;
}

std::string schema(const PrivilegeSpec& spec) { return spec.schema.empty() && in_schema(spec.type) ? "public" : spec.schema; }

std::vector<std::string> words(const PrivilegeSpec& spec, std::string_view object, int version) {
  std::vector<std::string> all = items(spec.privs);
  for (std::string& one : all) {
    one = strings::upper(one);
    if (one == "TEMP") one = "TEMPORARY";
  }
  if (all.size() != 1 || (all[0] != "ALL" && all[0] != "ALL PRIVILEGES")) return all;
  const auto whole = known(spec.type, object, version);
  return {whole.begin(), whole.end()};
}

std::vector<std::string> makers(const Spec& all, const PrivilegeSpec& spec) {
  if (spec.type != PrivilegeType::default_privs) return {""};
  if (!spec.target_roles.empty()) return spec.target_roles;
  for (const SchemaSpec& one : all.postgresql_schemas)
    if (one.db == spec.db && one.schema == spec.schema && one.state == ObjectState::present && !one.owner.empty()) return {one.owner};
  for (const DatabaseSpec& one : all.postgresql_databases)
    if (one.db == spec.db && one.state == ObjectState::present && !one.owner.empty()) return {one.owner};
  return {all.patroni_superuser_username};
}

std::string role(const PrivilegeSpec& spec) { return strings::upper(spec.role) == everybody ? std::string(everybody) : spec.role; }

}  // namespace pgcluster::privileges
