#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/spec/spec.hpp>

// What postgresql_privs mean.
namespace pgcluster::privileges {

constexpr std::string_view all_in_schema = "ALL_IN_SCHEMA";
constexpr std::string_view everybody = "PUBLIC";

/// The privileges that an object of the type has; of default privileges, an object of the kind ("TABLES").
std::vector<std::string_view> known(PrivilegeType type, std::string_view kind, int version);
/// Whether objects of the type are in a schema.
bool in_schema(PrivilegeType type);
/// Whether ALL_IN_SCHEMA means something for the type.
bool has_all(PrivilegeType type);
/// The items of a list whose items may be lists with commas, too. A comma in parentheses does not separate.
std::vector<std::string> items(const std::vector<std::string>& written);

/// The objects that the privileges are on, with the defaults of the type in place; ALL_IN_SCHEMA is one of them.
std::vector<std::string> objects(const PrivilegeSpec& spec);
/// The schema of the objects; empty: none, or all.
std::string schema(const PrivilegeSpec& spec);
/// The words in upper case, with ALL replaced by what it means for the object.
std::vector<std::string> words(const PrivilegeSpec& spec, std::string_view object, int version);
/// The roles whose future objects get the privileges; one empty name for any other type.
std::vector<std::string> makers(const Spec& all, const PrivilegeSpec& spec);
/// The role, and PUBLIC in one spelling.
std::string role(const PrivilegeSpec& spec);

}  // namespace pgcluster::privileges
