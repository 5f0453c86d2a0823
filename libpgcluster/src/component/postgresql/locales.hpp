#pragma once

#include <optional>
#include <set>
#include <string>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// The locales of a host.
Ask locales_ask(const std::string& host);
/// Their names as strings::plain() gives them; empty where the host does not tell.
std::optional<std::set<std::string>> read_locales(const Answer& answer);

/// Why PostgreSQL would not take the encoding with the locale, whose characters `charmap` tells ("UTF-8"); nothing where that is empty.
std::optional<Refused> unfit_characters(const std::string& encoding, const std::string& locale, const std::string& charmap, const std::string& path);
/// What the locale's name tells of its characters; empty: nothing.
std::string charmap_by_name(const std::string& locale);

/// Before a host gets its first data: it has the cluster's locale, and the locale's characters are those of the encoding. initdb would refuse it
/// later, and a copy of the leader's data would not start.
Steps locale_gate(const NodeView& node);

}  // namespace pgcluster
