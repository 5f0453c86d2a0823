#pragma once

#include <pgcluster/op/facts.hpp>

namespace pgcluster {

/// The answers of a host with these facts to facts_asks(): the inverse of read_facts(), for simulated hosts and tests.
std::vector<Answer> facts_answers(const Facts& facts);

/// Whether the resource ("unit:etcd.service") is in the list of what we own on the host.
bool owns(const Facts& facts, std::string_view resource);

}  // namespace pgcluster
