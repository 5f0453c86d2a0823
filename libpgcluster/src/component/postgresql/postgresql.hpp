#pragma once

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
};

/// Whether a server that shows `running` does what `wish` asks for.
bool holds(const Setting& running, std::string_view wish);
/// Whether two spellings mean the same: 'on' and 'true', '128MB' and '131072kB'.
bool same_value(std::string_view a, std::string_view b);
/// Parameters that Patroni keeps itself: what a spec says of them is not what runs.
bool kept_by_patroni(std::string_view name);
/// A replica refuses to start with less of these than its leader has: they are lowered on the leader first.
bool lowered_on_leader_first(std::string_view name);

}  // namespace pgcluster
