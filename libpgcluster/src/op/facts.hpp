#pragma once

#include <pgcluster/op/facts.hpp>

namespace pgcluster {

/// What a host with these facts answers to facts_asks(): the other way round of read_facts(), for simulated hosts and tests.
std::vector<Answer> facts_answers(const Facts& facts);

/// Whether a step of ours has this resource in the host's list: "unit:etcd.service".
bool owns(const Facts& facts, std::string_view resource);

}  // namespace pgcluster
