#include <algorithm>

#include "base/network.hpp"
#include "component/pgbouncer/pgbouncer.hpp"
#include "component/postgresql/networks.hpp"
#include "spec/pg_hba.hpp"
#include "spec/roles.hpp"

namespace pgcluster {

std::string pgbouncer_hba(const ClusterView& view) {
  const Spec& spec = view.spec;
  const std::string super = hba_name(spec.patroni_superuser_username);
  std::string text = "# Written by pgcluster.\n";
  const auto add = [&](const std::string& line) { text += line + "\n"; };
  const std::vector<const TopologyHost*> known = known_to_others(view);
  add("local pgbouncer pgbouncer scram-sha-256");  // its console, which Patroni's callback uses
  add("local all " + super + " scram-sha-256");
  for (const TopologyHost* host : known)
    if (!host->has(Role::balancer))  // who comes from there may be any client
      add("host all " + super + " " + net::single_address(host->address) + " scram-sha-256");
  for (const std::string& written : spec.postgresql_pg_hba) {
    const auto line = parse_hba(written);
    if (!line) continue;
    for (const HbaLine& rule : pooler_rules(*line).lines) {
      if (const auto guard = spec.postgresql_superuser_remote ? std::nullopt : without_superuser(rule, spec.patroni_superuser_username))
        add(to_string(*guard));
      add(to_string(rule));
    }
  }
  for (const char* own : {"local all all", "host all all 127.0.0.1/32", "host all all ::1/128"}) add(std::string(own) + " scram-sha-256");
  if (!spec.postgresql_superuser_remote)
    for (const char* everywhere : {"0.0.0.0/0", "::/0"}) add("host all " + super + " " + everywhere + " reject");
  for (const TopologyHost* host : known) add("host all all " + net::single_address(host->address) + " scram-sha-256");
  const auto networks = view.derived(allowed_networks);
  for (const std::string& network : *networks) add("host all all " + network + " scram-sha-256");
  return text;
}

}  // namespace pgcluster
