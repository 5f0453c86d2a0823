#pragma once

#include <functional>
#include <string>

#include <pgcluster/spec/spec.hpp>

namespace pgcluster::encodings {

/// Finds encodings that a PostgreSQL server does not have: initdb and CREATE DATABASE would refuse them.
/// `error`: path, message, hint.
void check(const Spec& spec, const std::function<void(const std::string&, const std::string&, const std::string&)>& error);

}  // namespace pgcluster::encodings
