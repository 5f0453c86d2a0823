#pragma once

#include <functional>
#include <string>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster::encodings {

/// Finds encodings that a PostgreSQL server does not have, and locales that do not go with them: initdb and CREATE DATABASE would refuse both.
/// `error`: path, message, hint.
void check(const Spec& spec, const std::function<void(const std::string&, const std::string&, const std::string&)>& error);

}  // namespace pgcluster::encodings
