#pragma once

#include <pgcluster/simulation/simulated.hpp>

namespace PGCLUSTER_API pgcluster {

/// Debian's packages and the services of a cluster on a simulated fleet: etcd, Consul, Patroni with PostgreSQL, PgBouncer, pgBackRest,
/// vip-manager, HAProxy, confd, Keepalived, kernel settings,
/// the clock. They show ordering, laws and scale, never that a configuration is right.
void add_service_models(SimulatedExecutor& fleet);

}  // namespace pgcluster
