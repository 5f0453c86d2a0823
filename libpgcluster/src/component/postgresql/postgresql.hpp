#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// The cluster's postgresql.parameters: ours, and over them the spec's. In a fixed order, each name once.
Pairs postgresql_parameters(const ClusterView& view);

/// Where the host's packages have the spec's major version.
std::string postgresql_data_dir(const ClusterView& view, const std::string& host);
std::string postgresql_bin_dir(const ClusterView& view, const std::string& host);

/// A parameter as pg_settings shows it.
struct Setting {
  std::string name;
  std::string value;     ///< in `unit`
  std::string unit;      ///< "8kB", "ms", …; may be empty
  std::string type;      ///< bool, integer, real, string, enum
  std::string context;   ///< postmaster: needs a restart
  std::string boot;      ///< what it is where nobody sets it
  std::string source;    ///< "configuration file", "command line", "database", …
  bool altered = false;  ///< by ALTER SYSTEM, which wins over the configuration
  bool pending_restart = false;
  std::optional<std::string> file{};  ///< what the configuration files say; empty where they say nothing
  std::string file_error{};           ///< why the server does not take that
};
struct Server;

/// Whether a server of this major version that shows `running` does what `wish` asks for.
bool holds(const Setting& running, std::string_view wish, int version);
/// The same, or the server has read a file that says so.
bool runs(const Server& server, const Setting& running, std::string_view wish, int version);
/// Whether a setting that nobody describes any more has gone back to its default.
bool runs_without(const Server& server, const Setting& running, int version);
/// A name with two dots or more: no configuration file may hold it, but sessions may have it, by ALTER ROLE.
bool only_for_sessions(std::string_view name);
/// Parameters that Patroni keeps itself: what a spec says of them is not what runs.
bool kept_by_patroni(std::string_view name);
/// A replica refuses to start with less of these than its leader has: they are lowered on the leader first.
bool lowered_on_leader_first(std::string_view name);

}  // namespace pgcluster
