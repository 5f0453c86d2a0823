#pragma once

#include <string>

#include <pgcluster/step/step_ref.hpp>

/// References to the steps of the component patroni that other components may wait for.
namespace pgcluster::patroni {

/// The host reaches the DCS. While the cluster is new, the other hosts also wait here until the first one has initialised it. Planned for
/// each database host.
inline StepRef dcs(const std::string& host) { return {host, "patroni", "dcs"}; }
/// PostgreSQL runs on the host's present Patroni configuration. Planned for each database host.
inline StepRef loaded(const std::string& host) { return {host, "patroni", "loaded"}; }
/// Patroni's unit runs. Planned for each database host.
inline StepRef service(const std::string& host) { return {host, "patroni", "service"}; }
/// PostgreSQL has its data directory, initialised or copied. Planned for each database host.
inline StepRef created(const std::string& host) { return {host, "patroni", "created"}; }
/// The member runs, and streams if it is a replica. Planned for each database host, as the last of its Patroni steps.
inline StepRef member(const std::string& host) { return {host, "patroni", "member"}; }
/// PostgreSQL on the host has taken the settings that need no restart. Planned for each database host.
inline StepRef live(const std::string& host) { return {host, "patroni", "settings"}; }
/// PostgreSQL on the host can start with the settings of the spec. Planned for each database host.
inline StepRef trial(const std::string& host) { return {host, "patroni", "trial"}; }
/// One member leads and takes SQL. Always planned.
inline StepRef leader() { return {"", "patroni", "leader"}; }
/// Patroni's dynamic settings are those of the spec. Always planned.
inline StepRef settings() { return {"", "patroni", "config"}; }
/// The roles of the spec exist, with their passwords. Always planned.
inline StepRef roles() { return {"", "patroni", "roles"}; }
/// The databases of the spec exist. Planned if the spec has databases.
inline StepRef databases() { return {"", "patroni", "databases"}; }

}  // namespace pgcluster::patroni
